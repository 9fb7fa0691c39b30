"""Choices that a hash makes: the same words always fall the same way, on every Python and machine."""

from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """An endless row of small numbers drawn from a seed."""

    def __init__(self, *seed: bytes | str) -> None:
        """Seed with words; each is hashed on its own, so ("ab", "c") and ("a", "bc") differ."""
        # A lone surrogate is legal in JSON text and must not stop the music.
        parts = (part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass") for part in seed)
        self._key = sha256(b"".join(sha256(part).digest() for part in parts)).digest()
        self._rows = count()
        self._left = b""

    def roll(self, sides: int) -> int:
        """Return a number from 0 to `sides` - 1, where `sides` is at most 256."""
        if not self._left:
            self._left = sha256(self._key + next(self._rows).to_bytes(8, "big")).digest()
        first, self._left = self._left[0], self._left[1:]
        return first * sides >> 8

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of up to 256 choices."""
        return choices[self.roll(len(choices))]
