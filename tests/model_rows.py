"""The plainest and the fullest track that each row of the catalogue allows, worked out from the row itself."""

from typing import Any

from aiml_music._sansio.catalogue import MODELS, Field, FieldKind, Model
from aiml_music._sansio.fields import FIELD_NAMES

VOICE = "vocal-2025082518145625-6XW9wCOF"
INSTRUMENTAL = "instrumental-2025082518145625-vCCEiiES"
ADDRESS = "https://example.com/reference.mp3"
NOBODY_KNOWS = "somebody/sings"
NAMES = [*MODELS, NOBODY_KNOWS]


_IDS = {"refer_voice": VOICE, "refer_instrumental": INSTRUMENTAL}


def value_of(field: Field) -> Any:
    """Return a value that a field may have: the least where there is one."""
    if field.kind is FieldKind.ADDRESS:
        return ADDRESS
    if field.kind is FieldKind.FLAG:
        return True
    if field.kind is FieldKind.TEXT:
        return _IDS.get(field.name) or "la" * (((field.least or 2) + 1) // 2)
    return next((limit for limit in (field.least, field.most) if limit is not None), 1)


def all_fields(model: Model) -> dict[str, Any]:
    """Return a value for every field of a model."""
    return {field.name: value_of(field) for field in model.fields}


def least_fields(model: Model) -> dict[str, Any]:
    """Return no more than the fields that a model needs."""
    needed = {field.name for field in model.fields if field.required} | {*model.one_of[:1]}
    return {name: value for name, value in all_fields(model).items() if name in needed}


def plain_arguments(name: str) -> dict[str, Any]:
    """Return the arguments of `generate` for the plainest track of a model."""
    if name == NOBODY_KNOWS:
        return {"lyrics": "la", "tempo": 120}
    return least_fields(MODELS[name])


def split(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments as those take them that have the fields of models apart."""
    own = {"lyrics", "refer_voice", "refer_instrumental"}
    others = {name: value for name, value in arguments.items() if name not in own}
    assert {*others} <= {*FIELD_NAMES, "tempo"}
    return {name: value for name, value in arguments.items() if name in own} | {"fields": others}
