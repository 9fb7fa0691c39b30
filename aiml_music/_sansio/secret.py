"""The API key: checked before anything else sees it, and shown to nobody."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiml_music._sansio.errors import ConfigError

KEY_VARIABLES = ("AIML_API_KEY", "AIMLAPI_API_KEY")
KEY_HINT = f"Set {KEY_VARIABLES[0]} (or {KEY_VARIABLES[1]}), or pass api_key=."

# Of the documentation's `<YOUR_AIMLAPI_KEY>` and its many spellings, the letters alone.
_PLACEHOLDER_LETTERS = re.compile(r"your(aiml[a-z]*)?(api)?key", re.IGNORECASE)


class Secret:
    """An API key that does not show itself: not printed, not formatted, not pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the key, for the one place that writes it on the wire."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __reduce__(self) -> Any:
        raise TypeError("an API key is not pickled or copied; read it anew where it is needed")


KeyInput = str | Callable[[], str] | Callable[[], Awaitable[str]]
KeySource = Secret | Callable[[], str] | Callable[[], Awaitable[str]]


def check_key(value: object, *, origin: str = "api_key") -> Secret:
    """Return a key that fits into a header, without ever repeating it in a message.

    Args:
        value: the key; blanks and line ends around it are dropped, as `.env` files leave them there.
        origin: where it came from, for the message.

    Raises:
        ConfigError: it is no key.
    """
    found = _read(value)
    # Reports of crashes show the locals of every frame: this one must not hold the key when it raises.
    del value
    if isinstance(found, str):
        raise ConfigError(f"{origin} {found}.", hint=KEY_HINT)
    return found


def _read(value: object) -> Secret | str:
    """Return the key, or what is wrong with it."""
    if not isinstance(value, str):
        return f"must be a str, not {type(value).__name__}"
    key = value.strip()
    if not key:
        return "is empty"
    if _is_placeholder(key):
        return "is a placeholder, not a key"
    for index, character in enumerate(key, start=value.index(key)):
        if not "!" <= character <= "~":
            kind = "a blank" if character.isspace() else "a character no key has"
            return f"holds {kind} (U+{ord(character):04X}) at index {index}"
    return Secret(key)


def _is_placeholder(key: str) -> bool:
    if key.startswith("<") and key.endswith(">"):
        return True
    return _PLACEHOLDER_LETTERS.fullmatch(re.sub(r"[\W_]", "", key)) is not None
