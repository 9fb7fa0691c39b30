"""The fields of a request, as a whole: which a model takes, which it needs, and what each of them may say."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, TypedDict

from aiml_music._sansio.catalogue import MODELS, Field, Model, models_taking
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.field_values import check_value
from aiml_music._sansio.lyrics import check_lyrics, check_reference_id

_ARGUMENTS = (
    *("lyrics", "model", "reference", "refer_voice", "refer_instrumental", "reference_audio", "audio_setting"),
    *("to", "overwrite", "lyrics_check", "extra_body", "timeout", "client_request_id"),
)
_IDS = ("refer_voice", "refer_instrumental")


class ModelFields(TypedDict, total=False):
    """The arguments of a generation that only some models take; the guide "Which model?" says which.

    Attributes:
        prompt: a description of the music: style, mood, scene, instruments.
        reference_audio_url: an https address of a reference, which the service fetches and this library does not.
        negative_prompt: what the music shall not be.
        seed: the same seed gives nearly the same music.
        seconds_start: where in the clip to begin, in seconds.
        seconds_total: how long the clip shall be, in seconds.
        steps: how often to refine it; more take longer.
        music_length_ms: how long the track shall be, in milliseconds.
        lyrics_optimizer: have lyrics written from the prompt where there are none.
        is_instrumental: make music without singing.
    """

    prompt: str | None
    reference_audio_url: str | None
    negative_prompt: str | None
    seed: int | None
    seconds_start: int | None
    seconds_total: int | None
    steps: int | None
    music_length_ms: int | None
    lyrics_optimizer: bool | None
    is_instrumental: bool | None


FIELD_NAMES = tuple(ModelFields.__annotations__)


def check_fields(
    model: Model, given: Mapping[str, Any], *, provided: Collection[str] = ()
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the fields that will be sent, by their names here and in the order of the row, and advice about lyrics.

    Args:
        model: the row to check against. Of a model that is not known, everything is passed on as it is.
        given: by name; None is left out.
        provided: fields that come another way.

    Raises:
        InputError: a field is no field of the model, is missing, or cannot be what its author means.
    """
    present = {name: value for name, value in given.items() if value is not None}
    if not model.known:
        return present, ()
    for name in present:
        if model.field(name) is None:
            raise not_taken(name, model)
    _check_none_is_missing(model, {*present, *provided})
    advice: tuple[str, ...] = ()
    checked: dict[str, Any] = {}
    for field in model.fields:
        if field.name == "lyrics" and field.name in present:
            checked[field.name], advice = check_lyrics(present[field.name], model)
        elif field.name in present:
            checked[field.name] = _checked(present[field.name], field, model)
    return checked, advice


def not_taken(name: str, model: Model) -> InputError:
    """Return the error of a field that a model does not take, with the way out."""
    others = [row.id for row in models_taking(name)]
    if others:
        return InputError(f"{model.id} takes no {name}.", hint=f"Models that do: {', '.join(others)}.")
    own = {field.name for row in MODELS.values() for field in row.fields}
    near = get_close_matches(name, sorted({*own, *_ARGUMENTS}), 1)
    known = f"Did you mean {near[0]!r}? " if near else ""
    return InputError(
        f"{name!r:.60} is no field of {model.id}, nor of any known model.",
        hint=f"{known}extra_body passes on what this library does not know.",
    )


def _checked(value: Any, field: Field, model: Model) -> Any:
    return check_reference_id(field.name, value) if field.name in _IDS else check_value(value, field, model.id)


def _check_none_is_missing(model: Model, present: Collection[str]) -> None:
    missing = [field.name for field in model.fields if field.required and field.name not in present]
    if missing:
        hint = "A file of yours goes into reference_audio=." if "reference_audio_url" in missing else None
        hint = hint if model.reference_max_bytes else None
        raise InputError(f"{model.id} needs {' and '.join(missing)}.", hint=hint)
    if model.one_of and not any(name in present for name in model.one_of):
        raise InputError(f"{model.id} needs {', '.join(model.one_of[:-1])} or {model.one_of[-1]}.")
