"""What may stand in a field of a request: checked against its row before it costs anything, and read from text."""

import math
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from aiml_music._sansio.catalogue import Field, FieldKind
from aiml_music._sansio.errors import InputError

# Surrogates, and controls but tab and line ends: with a pattern, for a list has a hundred million characters.
_UNSENDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_FIRST_SURROGATE = 0xD800
_ADDRESS = re.compile(r"[!-~]{1,4096}")
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def check_value(value: Any, field: Field, model: str) -> Any:
    """Return a value that can be sent.

    Args:
        value: of the field; not None.
        field: as the row of the model has it.
        model: the name of the model.

    Raises:
        InputError: it is of another type, or outside the limits.
    """
    _CHECKS[field.kind](value, field, model)
    return value


def _check_text(value: Any, field: Field, model: str) -> None:
    if not isinstance(value, str):
        raise InputError(f"{field.name} must be a str, not {type(value).__name__}.")
    if not value.strip():
        raise InputError(f"{field.name} is empty.", hint="Leave it out, or write at least one word.")
    check_characters(value, f"{field.name} holds")
    check_length(value, field, model)


def check_characters(text: str, what: str) -> None:
    """Refuse characters that cannot be sent.

    Args:
        text: to be sent.
        what: the beginning of the complaint, such as `The lyrics hold`.

    Raises:
        InputError: there is a control character other than a line end or a tab, or half of a pair of surrogates.
    """
    if found := _UNSENDABLE.search(text):
        number = ord(found[0])
        name = "a lone surrogate" if number >= _FIRST_SURROGATE else "a control character"
        raise InputError(f"{what} {name} (U+{number:04X}) at index {found.start()}.")


def check_length(text: str, field: Field, model: str) -> None:
    """Refuse a text of a length that the service's schema rules out.

    Raises:
        InputError: it does.
    """
    if field.strict and not _within(len(text), field):
        unit = "character" if len(text) == 1 else "characters"
        raise InputError(f"{field.name} has {len(text):,} {unit}; {model} takes {field.limits}.")


def _check_integer(value: Any, field: Field, model: str) -> None:
    # True is 1 to Python.
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{field.name} must be a whole number, not {type(value).__name__}.")
    _check_range(value, field, model)


def _check_number(value: Any, field: Field, model: str) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InputError(f"{field.name} must be a number, not {type(value).__name__}.")
    if not math.isfinite(value):
        raise InputError(f"{field.name} must be a finite number; got {value}.")
    _check_range(value, field, model)


def _check_range(value: float, field: Field, model: str) -> None:
    if not _within(value, field):
        raise InputError(f"{field.name} is {value}; {model} takes {field.limits}.")


def _within(value: float, field: Field) -> bool:
    return (field.least is None or value >= field.least) and (field.most is None or value <= field.most)


def _check_flag(value: Any, field: Field, _model: str) -> None:
    if not isinstance(value, bool):
        raise InputError(f"{field.name} must be True or False, not {type(value).__name__}.")


def _check_address(value: Any, field: Field, _model: str) -> None:
    """Look at the shape alone: the service fetches it, and this library never does."""
    if not isinstance(value, str):
        raise InputError(f"{field.name} must be a str, not {type(value).__name__}.")
    if not _ADDRESS.fullmatch(value) or not _is_https(value):
        raise InputError(
            f"{field.name} must be an https address that the service can fetch.",
            hint="minimax/music-cover also takes a file of yours, as reference_audio=.",
        )


def _is_https(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


_CHECKS: dict[FieldKind, Callable[[Any, Field, str], None]] = {
    FieldKind.TEXT: _check_text,
    FieldKind.INTEGER: _check_integer,
    FieldKind.NUMBER: _check_number,
    FieldKind.FLAG: _check_flag,
    FieldKind.ADDRESS: _check_address,
}


def parsed_value(text: str, field: Field) -> Any:
    """Return what a text means that was typed for a field, such as the cell of a table.

    Raises:
        InputError: it is no number, or neither yes nor no.
    """
    word = text.strip()
    if field.kind is FieldKind.FLAG:
        if word.lower() not in _FLAGS:
            raise InputError(f"{word!r:.60} is neither true nor false.")
        return _FLAGS[word.lower()]
    if field.kind in {FieldKind.INTEGER, FieldKind.NUMBER}:
        return _parsed_number(word, whole=field.kind is FieldKind.INTEGER)
    return text


def _parsed_number(word: str, *, whole: bool) -> int | float:
    if re.fullmatch(r"[+-]?[0-9]{1,18}(\.0{1,18})?", word):
        # Spreadsheets write whole numbers as 30.0.
        return int(word.partition(".")[0])
    if not whole and re.fullmatch(r"[+-]?[0-9]{0,18}\.[0-9]{1,18}", word):
        return float(word)
    raise InputError(f"{word!r:.60} is no {'whole number' if whole else 'number'}.")
