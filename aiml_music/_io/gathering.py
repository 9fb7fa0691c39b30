"""Gather audio for a disk that is written in worker threads: one hop for many pieces, and no byte forgotten on the way.

Where it is written is left to `disk`, and what becomes of it to `sinks`.
"""

from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from attrs import define, field

T = TypeVar("T")

# Smaller ones cost more hops, larger ones only memory.
ENOUGH_BYTES = 256 * 1024


@define(eq=False)
class Gathered:
    """Audio that came and was not written yet.

    A task that asyncio itself cancels goes on while its worker thread still writes, or has not begun: the lock makes
    whoever saves the rest wait for that thread, and a thread that comes later finds nothing left.
    """

    _pieces: list[bytes] = field(factory=list, init=False, repr=False)
    _size: int = field(default=0, init=False)
    _lock: Lock = field(factory=Lock, init=False, repr=False)

    def add(self, piece: bytes) -> bool:
        """Take the next bytes, never while others are being written, and say whether that is enough to be written."""
        self._pieces.append(piece)
        self._size += len(piece)
        return self._size >= ENOUGH_BYTES

    def write(self, take: Callable[[bytes], None]) -> None:
        """Hand everything to `take`, and forget it only when it was taken. Blocking."""
        with self._lock:
            if self._pieces:
                # The pieces themselves are not kept beside what they make.
                self._pieces = [b"".join(self._pieces)]
                take(self._pieces[0])
                self._forget()

    def settle(self, take: Callable[[bytes], T]) -> T:
        """Hand everything to `take`, which may be nothing, whatever comes of it: nobody gets it again. Blocking."""
        with self._lock:
            rest = b"".join(self._pieces)
            self._forget()
            return take(rest)

    def _forget(self) -> None:
        self._pieces.clear()
        self._size = 0
