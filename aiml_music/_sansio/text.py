"""Make foreign text fit to be shown: a server's words never steer a terminal, fill a log or repeat a key."""

import unicodedata
from collections.abc import Mapping
from typing import Any

MAX_CHARS = 500
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def clean(text: str, *, secret: str | None = None, max_chars: int = MAX_CHARS) -> str:
    """Return text on one line, without control and formatting characters, without the key, and not too long.

    Args:
        text: what somebody else wrote.
        secret: the key, which a server may echo.
        max_chars: the longest result, the ellipsis included.
    """
    # Cut first: ten megabytes of text are not worth looking at, and blanks may shrink.
    head = text[: 4 * max_chars]
    # Most text is fit as it is: to look at each character costs as much as to read the whole document it stands in.
    shown = head if head.isprintable() else "".join(map(_shown, head))
    if secret:
        shown = shown.replace(secret, "***")
        # A cut, ours or the network's, may have gone through the key: what is left of it is not shown either.
        shown = _without_beginning_of(secret, shown)
    shown = " ".join(shown.split())
    return shown if len(shown) <= max_chars else shown[: max_chars - 1] + "…"


def _shown(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character) in _HIDDEN else character


def blotted(value: Any, secret: str) -> Any:
    """Return a JSON value without the key, wherever in it a server may have echoed it, names included."""
    match value:
        case str():
            return value.replace(secret, "***")
        case Mapping():
            return {blotted(name, secret): blotted(member, secret) for name, member in value.items()}
        case list():
            return [blotted(member, secret) for member in value]
    return value


def _without_beginning_of(secret: str, text: str) -> str:
    """Return text without the beginning of a key at its end; three characters of one are any word's."""
    if secret[:4] not in text:
        return text
    length = next((n for n in range(len(secret) - 1, 3, -1) if text.endswith(secret[:n])), 0)
    return text[: len(text) - length]
