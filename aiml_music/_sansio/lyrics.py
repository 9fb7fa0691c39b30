"""Check lyrics and reference ids before they cost anything.

What is certainly wrong is an `InputError`; what only looks wrong is advice. The service is the judge of the rest.
"""

import re
import unicodedata
from typing import Literal

from aiml_music._sansio.catalogue import Field, Model
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.field_values import check_characters, check_length

LyricsCheck = Literal["warn", "refuse", "off"]

# The provider refuses lyrics with too many invisible characters (its code 1042) without publishing the ratio.
_INVISIBLE_RATIO = 0.1
_PLACEHOLDER_ID = re.compile(r"(vocal|instrumental)-2025010100000000-[aA0]{8}", re.IGNORECASE)
_ID = re.compile(r"[!-~]{1,256}")
_PREFIXES = {"refer_voice": "vocal-", "refer_instrumental": "instrumental-"}


class LyricsWarning(UserWarning):
    """Lyrics that will be sent as they are, and may not do what their author wants."""


def check_lyrics(lyrics: str, model: Model) -> tuple[str, tuple[str, ...]]:
    r"""Return the lyrics as they will be sent, and advice about them.

    `\r\n` and `\r` become `\n`; nothing else is changed.

    Args:
        lyrics: the words.
        model: the row whose limits apply.

    Raises:
        InputError: there are none, they hold a character that cannot be sent, or the model takes none so long.
    """
    # The type is checked for callers without a type checker: a list of lines would be joined by nobody.
    if not isinstance(lyrics, str):
        raise InputError(f"Lyrics must be a str, not {type(lyrics).__name__}.")
    if not lyrics.replace("#", "").strip():
        raise InputError(
            "The lyrics are empty.", hint=f"{model.id} sings the lyrics it is given; write at least one word."
        )
    check_characters(lyrics, "The lyrics hold")
    text = one_line_end(lyrics)
    field = model.field("lyrics") or Field(name="lyrics")
    check_length(text, field, model.id)
    return text, tuple(_advice(text, model, field))


def one_line_end(text: str) -> str:
    r"""Return a text whose lines all end in `\n`."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _advice(text: str, model: Model, field: Field) -> list[str]:
    advice = []
    if field.most is not None and len(text) > field.most:
        advice.append(f"{len(text)} characters; {model.id} is documented for at most {field.most}")
    invisible = 0 if text.isascii() else sum(unicodedata.category(character) == "Cf" for character in text)
    if invisible > len(text) * _INVISIBLE_RATIO:
        advice.append(f"{invisible} of {len(text)} characters are invisible; the provider refuses too many")
    return advice + (_accompaniment_advice(text.strip()) if model.accompaniment_marks else [])


def _accompaniment_advice(text: str) -> list[str]:
    head, tail = text.startswith("##"), text.endswith("##")
    if head != tail:
        return [f"'##' stands only at the {'head' if head else 'tail'}; accompaniment needs it at both ends"]
    if text.startswith("###") or text.endswith("###"):
        return ["'##' is doubled; accompaniment wants exactly two at each end"]
    if "##" in (text[2:-2] if head else text):
        return ["'##' stands inside the lyrics, where it may be sung or end the accompaniment"]
    return []


def check_reference_id(field: str, value: str) -> str:
    """Return a reference id that can be sent.

    Args:
        field: `refer_voice` or `refer_instrumental`.
        value: what `upload` returned for it.

    Raises:
        InputError: it is the other kind of id, a placeholder of the documentation, or no id at all.
    """
    if not isinstance(value, str):
        raise InputError(f"{field} must be a str, not {type(value).__name__}.")
    if not _ID.fullmatch(value):
        raise InputError(f"{field} is not an id: use what upload() returned, without blanks.")
    if _PLACEHOLDER_ID.fullmatch(value):
        raise InputError(f"{field} is the placeholder of the documentation.", hint="Upload a reference for a real id.")
    other = next(name for name in _PREFIXES if name != field)
    if value.startswith(_PREFIXES[other]):
        raise InputError(f"{field} was given an id that belongs in {other}.", hint="Swap the two ids.")
    return value
