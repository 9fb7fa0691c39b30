"""The fields that only some models take, as they are typed: `--prompt TEXT` and `--field NAME=VALUE`."""

import json
from collections.abc import Sequence
from typing import Any

from aiml_music._sansio.catalogue import find_field
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.field_values import parsed_value
from aiml_music.cli.faults import CommandError

_OPTIONS = {
    "lyrics": "--lyrics",
    "model": "--model",
    "prompt": "--prompt",
    "refer_instrumental": "--instrumental",
    "refer_voice": "--voice",
    "reference_audio": "--reference-audio",
}


def fields_of(prompt: str | None, typed: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a generation by their names.

    Args:
        prompt: the description of the music.
        typed: each as `NAME=VALUE`.

    Raises:
        CommandError: one is typed in another way, or twice, or cannot be read.
    """
    fields: dict[str, Any] = {} if prompt is None else {"prompt": prompt}
    for one in typed:
        name, equals, text = one.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise CommandError(f"--field takes NAME=VALUE, not {one!r:.60}.", "For example --field seed=7.")
        if name in _OPTIONS:
            raise CommandError(f"--field {name} has an option of its own.", f"Use {_OPTIONS[name]}.")
        if name in fields:
            raise CommandError(f"--field {name} is given twice.", "Leave one of them out.")
        fields[name] = _value(name, text)
    return fields


def _value(name: str, text: str) -> Any:
    known = find_field(name)
    if known is None:
        return _plain(text)
    try:
        return parsed_value(text, known)
    except InputError as error:
        raise CommandError(f"--field {name}: {error.message}", "For example --field seed=7.") from None


def _plain(text: str) -> Any:
    """Return what a text most likely is to a model nobody knows: a number, true or false, else the text itself."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, bool | int | float) else text
