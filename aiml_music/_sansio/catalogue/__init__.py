"""The models as data: a model is a row; code that knows a model by name belongs here.

The entrance to the catalogue: `model` says what a row is, `rows` holds them, `lookup` finds one by its name.
"""

from aiml_music._sansio.catalogue.lookup import (
    UnknownModelWarning,
    find_field,
    find_model,
    living_models,
    models_taking,
    unknown_model,
    unknown_words,
)
from aiml_music._sansio.catalogue.model import AudioWords, Field, FieldKind, Model, ReferenceUse, Route
from aiml_music._sansio.catalogue.rows import MODELS, MUSIC_01, UPLOAD_PATH

__all__ = [
    "MODELS",
    "MUSIC_01",
    "UPLOAD_PATH",
    "AudioWords",
    "Field",
    "FieldKind",
    "Model",
    "ReferenceUse",
    "Route",
    "UnknownModelWarning",
    "find_field",
    "find_model",
    "living_models",
    "models_taking",
    "unknown_model",
    "unknown_words",
]
