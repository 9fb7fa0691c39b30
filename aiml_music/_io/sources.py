"""Open what a caller gives to `upload`: whatever it is, its bytes can then be read at any place, more than once.

Owns opening, the limit on size, and the spool for what can be read only once. Reading is left to `reading`; what the
bytes mean, to the audio probe; how they travel, to `multipart`.
"""

import inspect
import io
import os
import stat
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import anyio
from anyio import to_thread
from attrs import frozen

from aiml_music._io.reading import FileSource, Guard, MemorySource, readable
from aiml_music._sansio.errors import InputError, StorageError
from aiml_music._sansio.outcome import Phase
from aiml_music._sansio.ports import Source

Buffer = bytes | bytearray | memoryview
SourceInput = str | os.PathLike[str] | Buffer | IO[bytes] | tuple[str, Buffer] | AsyncIterable[bytes]

# Ten minutes of 44.1 kHz 16-bit stereo WAV, the longest the service takes, are 106 MB.
MAX_BYTES = 256 * 1024 * 1024
_SPOOL_MEMORY_BYTES = 1024 * 1024
_PIECE_BYTES = 256 * 1024
_ACCEPTED = 'Give a path, bytes, a file opened with "rb", (name, bytes) or an async iterator of bytes.'


@asynccontextmanager
async def open_source(value: SourceInput, *, max_bytes: int | None = MAX_BYTES) -> AsyncGenerator[Source]:
    """Open a reference for reading, and let go of it at the end.

    A file object is read from its current position to its end, is put back to that position, and stays open; one that
    cannot seek is, like an async iterator, read once into a spool: memory to 1 MiB, a nameless temporary file beyond.
    Bytes are not copied, so leave a bytearray alone meanwhile. The name in `(name, bytes)` goes nowhere.

    Args:
        value: the reference.
        max_bytes: the most it may have; None is no limit.

    Raises:
        InputError: it cannot be read, is empty or too big, or is nothing that can be sent.
        StorageError: the spool could not be written.
    """
    guard = Guard()
    try:
        yield await open_into(guard, value, max_bytes=max_bytes)
    finally:
        try:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(guard.close)
        finally:
            # A cancellation by asyncio itself takes no notice of a shield; closed twice is closed.
            guard.close()


async def open_into(guard: Guard, value: SourceInput, *, max_bytes: int | None = MAX_BYTES) -> Source:
    """Open a reference for reading until its guard closes; otherwise as `open_source`."""
    return await _open(value, guard, _Limit(max_bytes))


async def _open(value: Any, guard: Guard, limit: "_Limit") -> Source:
    match value:
        case bytes() | bytearray() | memoryview() as data:
            return _open_memory(data, guard, limit)
        case (str(), bytes() | bytearray() | memoryview() as data):
            return _open_memory(data, guard, limit)
        case str() | os.PathLike():
            return await to_thread.run_sync(_open_path, os.fsdecode(value), guard, limit)
        case AsyncIterable():
            return await _spool(value, guard, limit)
    if not callable(getattr(value, "read", None)):
        raise InputError(f"A reference cannot be a {type(value).__name__}.", hint=_ACCEPTED)
    if inspect.iscoroutinefunction(value.read):
        raise InputError("A reference cannot be a file whose read() is async.", hint=f"Give its `.file`. {_ACCEPTED}")
    if await to_thread.run_sync(_can_seek, value, abandon_on_cancel=True):
        return await to_thread.run_sync(_open_file, value, guard, limit)
    return await _spool(_pieces_of(value), guard, limit)


@frozen
class _Limit:
    """How many bytes a reference may have."""

    _max_bytes: int | None

    def allow(self, size: int, label: str) -> None:
        """Refuse more than the limit."""
        if self._max_bytes is not None and size > self._max_bytes:
            raise InputError(f"{label} has more than {self._max_bytes:,} bytes.")

    def check(self, size: int, label: str) -> int:
        """Return a size that is neither nothing nor too much."""
        # Less than 0 lies between a position beyond the end and the end.
        if size <= 0:
            raise InputError(f"{label} has no bytes to send.")
        self.allow(size, label)
        return size


def _open_memory(data: Buffer, guard: Guard, limit: _Limit) -> MemorySource:
    with readable("The reference"), guard.held() as kept:
        # Let go of at the end: a bytearray cannot be resized while a view of it lives.
        view = kept.enter_context(memoryview(data))
        if not view.c_contiguous:
            raise InputError("A memoryview with gaps cannot be sent.", hint="Give its tobytes().")
        limit.check(view.nbytes, "The reference")
        return MemorySource(kept.enter_context(view.cast("B")))


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a character device", stat.S_IFBLK: "a block device"}


def _open_path(name: str, guard: Guard, limit: _Limit) -> FileSource:
    if name.lower().startswith(("http://", "https://")):
        raise InputError("A reference cannot be a URL.", hint="Download it first, and give the file.")
    label = repr(name)
    with readable(label), guard.held() as kept:
        path = Path(name).absolute()
        file = kept.enter_context(io.FileIO(path, opener=_open_without_waiting))
        # Asked of the open file: what the name stands for may change between a look and the opening.
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{label} is {_KINDS.get(stat.S_IFMT(found.st_mode))}, not a regular file.")
        return FileSource(
            size=limit.check(found.st_size, label),
            file=file,
            label=label,
            guard=guard,
            stamp=lambda: _identity(path.stat()),
            stamp_at_opening=_identity(found),
        )


def _open_without_waiting(path: str, flags: int) -> int:
    # Opening a pipe would wait for somebody to write into it.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _can_seek(file: IO[bytes]) -> bool:
    with readable("The file object"):
        if not isinstance(file.read(0), bytes):
            raise InputError("The file object reads text.", hint='Open it with "rb".')
        return file.seekable()


def _open_file(file: IO[bytes], guard: Guard, limit: _Limit) -> FileSource:
    label = "The file object"
    with readable(label), guard.held() as kept:
        start = file.tell()
        kept.callback(_put_back, file, start)
        return FileSource(
            size=limit.check(_end_of(file) - start, label),
            file=file,
            label=label,
            start=start,
            guard=guard,
            stamp=partial(_stamp_of, file),
            stamp_at_opening=_stamp_of(file),
        )


def _put_back(file: IO[bytes], position: int) -> None:
    # The caller may have closed it meanwhile.
    with suppress(OSError, ValueError):
        file.seek(position)


def _end_of(file: IO[bytes]) -> int:
    file.seek(0, os.SEEK_END)
    return file.tell()


def _stamp_of(file: IO[bytes]) -> object:
    # Only what `open` returns is asked for its descriptor: to answer, a SpooledTemporaryFile would move to disk.
    raw = getattr(file, "raw", file)
    return _identity(os.fstat(raw.fileno())) if isinstance(raw, io.FileIO) else _end_of(file)


async def _pieces_of(file: IO[bytes]) -> AsyncGenerator[bytes]:
    # A pipe may stay silent for ever: a cancelled call leaves the waiting thread behind.
    while (piece := await to_thread.run_sync(_read_piece, file, abandon_on_cancel=True)) != b"":
        yield piece


def _read_piece(file: IO[bytes]) -> bytes:
    with readable("The file object"):
        return file.read(_PIECE_BYTES)


async def _spool(chunks: AsyncIterable[bytes], guard: Guard, limit: _Limit) -> FileSource:
    """Read once what can be read only once."""
    label = "The reference"
    with guard.held() as kept:
        spool = tempfile.SpooledTemporaryFile(_SPOOL_MEMORY_BYTES)  # noqa: SIM115 - the guard closes it
        kept.callback(_close, spool)
    size = 0
    pending = bytearray()
    async with AsyncExitStack() as ending:
        if isinstance(chunks, AsyncGenerator):
            # Nobody else can: `upload(produce())` keeps no name for it.
            await ending.enter_async_context(aclosing(chunks))
        async for chunk in chunks:
            if not isinstance(chunk, Buffer):
                raise InputError(f"{label} came as {type(chunk).__name__}, not as bytes.", hint=_ACCEPTED)
            size += memoryview(chunk).nbytes
            limit.allow(size, label)
            pending += chunk
            if len(pending) >= _PIECE_BYTES:
                await to_thread.run_sync(_append, spool, guard, pending)
                pending = bytearray()
    await to_thread.run_sync(_append, spool, guard, pending)
    return FileSource(
        size=limit.check(size, label),
        file=spool,
        label=label,
        guard=guard,
        stamp=lambda: None,
        stamp_at_opening=None,
    )


def _append(spool: IO[bytes], guard: Guard, data: bytearray) -> None:
    try:
        with guard.held():
            spool.write(data)
            spool.flush()
    except OSError as exc:
        raise StorageError(
            f"The reference cannot be kept until it is sent: {exc.strerror}.",
            phase=Phase.PREPARE,
            errno=exc.errno,
            filename=tempfile.gettempdir(),
            hint="TMPDIR names the directory of temporary files.",
        ) from exc


def _close(spool: IO[bytes]) -> None:
    # A full disk refuses once more what is still in the file's buffer; nobody wants it any more.
    with suppress(OSError):
        spool.close()
