"""The API key: checked before anything else sees it, and shown to nobody."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiml_music._sansio.errors import ConfigError

KEY_VARIABLES = ("AIML_API_KEY", "AIMLAPI_API_KEY")
KEY_HINT = f"Set {KEY_VARIABLES[0]} (or {KEY_VARIABLES[1]}), or pass api_key=."

_PLACEHOLDER_KEY = re.compile(r"<.*>|\W*your[\W_]*(aiml\w*)?[\W_]*(api)?[\W_]*key\W*", re.IGNORECASE)


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
    if not isinstance(value, str):
        raise ConfigError(f"{origin} must be a str, not {type(value).__name__}.")
    key = value.strip()
    if not key:
        raise ConfigError(f"{origin} is empty.", hint=KEY_HINT)
    if _PLACEHOLDER_KEY.fullmatch(key):
        raise ConfigError(f"{origin} is a placeholder, not a key.", hint=KEY_HINT)
    for index, character in enumerate(key):
        if not "!" <= character <= "~":
            kind = "a blank" if character.isspace() else "a character no key has"
            raise ConfigError(f"{origin} holds {kind} (U+{ord(character):04X}) at index {index}.")
    return Secret(key)
