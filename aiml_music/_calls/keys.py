"""The API key on its way from the caller to one call, out of sight of whatever reports the locals of a frame.

What a key may look like is decided in `_sansio.secret`.
"""

import inspect
from collections.abc import Awaitable, Callable

from aiml_music._sansio.secret import KeyInput, KeySource, Secret, check_key


def hidden(key: KeyInput | Secret | None) -> KeySource | None:
    """Return a key that does not show itself, unchecked still; delete the name it came under."""
    # Of a wrong type too, such as the bytes of a file: what refuses it must not show it.
    return key if key is None or callable(key) or isinstance(key, Secret) else Secret(key)


def key_source(key: KeySource) -> KeySource:
    """Return a key that was checked, or what is asked for one at every call.

    Raises:
        ConfigError: it is neither.
    """
    if callable(key):
        return key
    return check_key(key.reveal() if isinstance(key, Secret) else key)


async def ask_for_key(source: KeySource) -> Secret:
    """Return the key of one call.

    Raises:
        ConfigError: what a callable gave is no key.
    """
    if isinstance(source, Secret):
        return source
    return check_key(await _answer_of(source), origin="the key that api_key() returned")


async def _answer_of(source: Callable[[], str] | Callable[[], Awaitable[str]]) -> str:
    # In a frame of its own, which is gone when a wrong key is refused.
    value = source()
    return await value if inspect.isawaitable(value) else value
