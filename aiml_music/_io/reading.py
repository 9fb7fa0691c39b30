"""Read what is open, one thread at a time: bytes in memory, or a file from one position to its end.

Opening is left to `sources`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import IO

from attrs import define

from aiml_music._sansio.errors import InputError
from aiml_music._sansio.outcome import Phase
from aiml_music._sansio.ports import Source


class Guard:
    """Keeps what is open, one thread at a time, and lets go of it for good.

    A task that asyncio itself cancels goes on while its worker thread still runs: the lock makes closing wait for
    that thread, and what comes later finds the door shut.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept = ExitStack()
        self._closed = False

    @contextmanager
    def held(self) -> Iterator[ExitStack]:
        """Hold the door open for one step."""
        with self._lock:
            if self._closed:
                raise ValueError("it is closed already")
            yield self._kept

    def close(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._closed = True
            self._kept.close()


@contextmanager
def readable(label: str) -> Iterator[None]:
    """Say in one way that something cannot be read."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError) as exc:
        raise InputError(f"{label} cannot be read: {getattr(exc, 'strerror', None) or exc}.") from exc


class MemorySource:
    """Bytes that are in memory already."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self.size = view.nbytes

    def read_at(self, offset: int, count: int, /) -> bytes:
        """Return bytes from a place; fewer only at the end."""
        return bytes(self._view[offset : offset + count])

    def check_unchanged(self) -> None:
        """Do nothing: bytes stay, and a copy to compare a bytearray with would cost its size."""


@define(eq=False, kw_only=True)
class FileSource:
    """A seekable file from one position to its end."""

    size: int
    _file: IO[bytes]
    _label: str
    _start: int = 0
    _guard: Guard
    _stamp: Callable[[], object]
    """Answers differently once the file is no longer the one that was opened."""
    _stamp_at_opening: object

    def read_at(self, offset: int, count: int, /) -> bytes:
        """Return bytes from a place; fewer only at the end. Blocking: call it from a worker thread.

        Raises:
            InputError: the file cannot be read any more.
        """
        with readable(self._label), self._guard.held():
            self._file.seek(self._start + offset)
            return _read_fully(self._file, min(count, self.size - offset))

    def check_unchanged(self) -> None:
        """Make sure that the file is still the one that was opened. Blocking as well.

        Raises:
            InputError: it was changed, cut, replaced or removed meanwhile.
        """
        with readable(self._label), self._guard.held():
            if self._stamp() != self._stamp_at_opening:
                raise InputError(f"{self._label} changed while it was read.", phase=Phase.SEND)


def _read_fully(file: IO[bytes], count: int) -> bytes:
    data = file.read(count)
    # A file object of the caller's may answer with less than it was asked for.
    while len(data) < count and (more := file.read(count - len(data))):
        data += more
    return data


def blocks_of(source: Source, block_bytes: int) -> Iterator[bytes]:
    """Yield the bytes of a source, a block at a time, and make sure at the end that they are still the same.

    Raises:
        InputError: the source cannot be read, ended early, or changed.
    """
    for offset in range(0, source.size, block_bytes):
        block = source.read_at(offset, block_bytes)
        if len(block) != min(block_bytes, source.size - offset):
            raise InputError("The reference became shorter while it was sent.", phase=Phase.SEND)
        yield block
        # Or there were two of them while the next one is read.
        del block
    source.check_unchanged()
