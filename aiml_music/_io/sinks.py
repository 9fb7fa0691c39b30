"""Keep decoded audio while it comes: in memory, or in a file that gets its name only once it is whole.

Everything that can fail for want of a place fails when the place is reserved, before money is spent. Every method is
plain and may block on a disk: `write` and `read_at` are meant for the event loop (70 us of thread hop buy nothing, but
where a disk stalls), the others for a worker thread.
"""

import errno
import io
import os
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import RLock
from typing import IO, Literal, Self

from attrs import define, field, frozen

from aiml_music._io.digest import sha256_of
from aiml_music._io.names import release, take, to_be_replaced
from aiml_music._io.publishing import (
    FileSystem,
    hidden,
    place,
    place_beside,
    reserve_bytes,
    storage_error,
    sync_directory,
    told,
)
from aiml_music._sansio.errors import Circumstances, StorageError
from aiml_music._sansio.outcome import Money, Outcome, Phase

_PIECE_BYTES = 1024 * 1024

_BEFORE_MONEY: Circumstances = {"outcome": Outcome.NOT_SENT, "money": Money.NO, "phase": Phase.PREPARE}
_AFTER_MONEY: Circumstances = {"outcome": Outcome.COMPLETED, "money": Money.YES, "phase": Phase.STORE}


class MemorySink:
    """Audio in memory."""

    def __init__(self) -> None:
        # A BytesIO gives its bytes away without a copy; pieces joined at the end would need twice their size.
        self._buffer = io.BytesIO()

    @property
    def size(self) -> int:
        """How many bytes were taken."""
        return self._buffer.tell()

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._buffer.write(data)

    def read_at(self, offset: int, count: int, /) -> bytes:
        """Return bytes already taken."""
        with self._buffer.getbuffer() as view:
            return bytes(view[offset : offset + count])

    def content(self) -> bytes:
        """Return all bytes."""
        return self._buffer.getvalue()


@frozen(kw_only=True)
class ReadyFile:
    """A track that is whole, checked and synced, under a hidden name; and the SHA-256 of its bytes."""

    path: Path
    sha256: str


@define(eq=False, kw_only=True)
class FileSink:
    """Audio in a hidden part file beside its target, under whose name it appears only when it is whole.

    Until it is published, salvaged or discarded it holds a descriptor and a file.
    """

    target: Path
    part: Path
    _ready: Path
    _file: io.FileIO
    _mode: int
    _overwrite: bool
    _system: FileSystem
    _size: int = 0
    _kept: Path | None = None
    _has_name: bool = True
    # Reading and writing share one position, and whoever stops waiting for `publish` may discard while it still runs.
    _lock: RLock = field(factory=RLock, repr=False)

    @classmethod
    def reserve(
        cls,
        target: str | os.PathLike[str],
        *,
        expected_bytes: int,
        token: str,
        overwrite: bool = False,
        private: bool = False,
        system: FileSystem = FileSystem(),  # noqa: B008 - a frozen value
        circumstances: Circumstances = _BEFORE_MONEY,
    ) -> Self:
        """Take a place on the disk for a track that is yet to come.

        Args:
            target: the file to make, in a directory that exists.
            expected_bytes: how much room to reserve; more can be written if there is more room.
            token: sets this part file apart from every other one; fit for a file name.
            overwrite: replace a file that exists.
            private: a new file is for its owner alone, whatever the umask lets; one that is replaced keeps its mode.
            system: the operating system's calls.
            circumstances: what an error says about the request and the money.

        Raises:
            OutputExistsError: the target exists, and `overwrite` is off.
            StorageError: no file can be made there, or it would not have the room.
        """
        path = Path(os.fsdecode(target)).absolute()
        with told(path, circumstances):
            found = to_be_replaced(path, overwrite=overwrite)
            part, ready = hidden(path, token, "part"), hidden(path, token, "ready")
            # Of two calls for one name, one track would be paid for and have no place.
            take(path)
            try:
                file = _create(part)
            except BaseException:
                release(path)
                raise
        mode = (found or os.fstat(file.fileno())).st_mode & (0o600 if private and found is None else 0o777)
        sink = cls(target=path, part=part, ready=ready, file=file, mode=mode, overwrite=overwrite, system=system)
        try:
            with told(path, circumstances):
                # Created like any new file, to learn its mode: asking for the umask means to set it for a moment.
                sink._set_mode(0o600)
                reserve_bytes(file, expected_bytes, path.parent, system)
        except StorageError:
            sink.discard()
            raise
        return sink

    @property
    def size(self) -> int:
        """How many bytes were taken."""
        return self._size

    def write(self, data: bytes) -> None:
        """Take the next bytes, all of them or, as far as anybody can see, none.

        Raises:
            OSError: the disk refused; what was taken before can still be read.
        """
        with self._lock:
            self._file.seek(self._size)
            rest = memoryview(data)
            while rest:
                rest = rest[self._system.write(self._file.fileno(), rest) :]
            self._size += len(data)

    def read_at(self, offset: int, count: int, /) -> bytes:
        """Return bytes already taken."""
        with self._lock:
            self._file.seek(offset)
            return self._file.read(max(0, min(count, self._size - offset)))

    def to_memory(self) -> MemorySink:
        """Return a sink in memory that has all that was taken; discard this one afterwards.

        Raises:
            OSError: the disk does not give it back.
        """
        sink = MemorySink()
        for offset in range(0, self._size, _PIECE_BYTES):
            sink.write(self.read_at(offset, _PIECE_BYTES))
        return sink

    def publish(self) -> Path:
        """Give the finished file its name and make it durable.

        Raises:
            OutputExistsError: the name was taken meanwhile; the track is in `salvage`, `song.kept.mp3` beside it.
            StorageError: the disk failed. Without `salvage` the sink is still open: take `to_memory`, and never try
                again on the same file, which may report success after it lost pages.
        """
        with self._lock:
            with told(self.target, _AFTER_MONEY):
                self._finish()
            with told(self.target, self._kept_in(self.part)):
                self._close()
                self._place()
            self._kept = self.target
            try:
                with told(self.target, self._kept_in(self.target)):
                    sync_directory(self.target.parent, self._system)
            finally:
                self._remove_part()
        return self.target

    def _place(self) -> None:
        try:
            place(self.part, self.target, overwrite=self._overwrite, system=self._system)
        except FileExistsError as exc:
            # Somebody was faster: the track takes a name of its own, in sight.
            self._kept = place_beside(self.part, self.target, "kept", system=self._system)
            self._remove_part()
            raise storage_error(self.target, exc, **self._kept_in(self._kept)) from exc

    def _kept_in(self, path: Path) -> Circumstances:
        return {**_AFTER_MONEY, "salvage": path, "hint": f"The track is in {path}."}

    def make_ready(self) -> ReadyFile:
        """Make the finished file durable under a hidden name that says that it is whole and checked.

        Raises:
            StorageError: the disk failed; as for `publish`, the sink is still open where there is no `salvage`.
        """
        with self._lock:
            with told(self.target, _AFTER_MONEY):
                self._finish()
                ready = ReadyFile(path=self._ready, sha256=sha256_of(self._file))
            with told(self.target, self._kept_in(self.part)):
                self._file.close()
                self._kept = self.part
                self._system.replace(self.part, self._ready)
            self._kept = self._ready
            with told(self.target, self._kept_in(self._ready)):
                sync_directory(self.target.parent, self._system)
        return ready

    def publish_ready(self) -> Path:
        """Give a file that is ready its name, and make that durable; its hidden name stays until `forget_ready`.

        Raises:
            OutputExistsError: the name was taken meanwhile; the track stays under its hidden name, its `salvage`.
            StorageError: the disk failed; `salvage` is the file that has the track.
        """
        with self._lock:
            try:
                with told(self.target, self._kept_in(self._ready)):
                    place(self._ready, self.target, overwrite=self._overwrite, system=self._system)
                self._kept = self.target
                with told(self.target, self._kept_in(self.target)):
                    sync_directory(self.target.parent, self._system)
            finally:
                self._release()
        return self.target

    def forget_ready(self) -> None:
        """Remove the hidden name of a track that has its own."""
        with suppress(OSError):
            self._system.unlink(self._ready)

    def rescue(self, kind: Literal["partial", "unverified", "ready"] | None) -> Path | None:
        """Settle it at once, whatever became of whoever waited for that, and return where the track is.

        Args:
            kind: what came, as for `salvage`; None is a whole track that was checked, to be published; of one that is
                `ready`, somebody has to be told first.
        """
        with self._lock:
            if kind in {None, "ready"} and not self._file.closed:
                with suppress(StorageError):
                    return self.publish() if kind is None else self.make_ready().path
            return self._kept or self.salvage("unverified" if kind == "unverified" else "partial")

    def salvage(self, kind: Literal["partial", "unverified"]) -> Path | None:
        """Keep what was taken beside the target as `song.partial.mp3`, numbered where that is taken.

        It never raises: what cannot be renamed stays in the part file, and what cannot be synced is kept unsynced.

        Returns:
            The file; None where nothing was taken, or where it is settled already, or where somebody removed the part
            file: then `to_memory` still has the bytes.
        """
        with self._lock:
            if self._file.closed or self._size == 0:
                self.discard()
                return None
            with suppress(OSError):
                self._finish()
            if not os.path.lexists(self.part):
                return None
            try:
                self._close()
                self._kept = kept = place_beside(self.part, self.target, kind, system=self._system)
            except OSError:
                self._kept = self.part
                return self.part
            with suppress(OSError):
                sync_directory(kept.parent, self._system)
            self._remove_part()
        return kept

    def discard(self) -> None:
        """Remove what was not published or salvaged; do nothing where it was, or is gone."""
        with self._lock:
            if not self._file.closed:
                with suppress(OSError):
                    self._close()
                self._remove_part()
            self._release()

    def _close(self) -> None:
        self._release()
        self._file.close()

    def _release(self) -> None:
        # Once: afterwards, the name may be another call's.
        if self._has_name:
            self._has_name = False
            release(self.target)

    def _remove_part(self) -> None:
        # A hidden file left behind is a nuisance; an error in its place would hide what became of the track.
        with suppress(OSError):
            self.part.unlink()

    def _set_mode(self, mode: int) -> None:
        # Windows cannot; FAT has no modes, and refuses.
        if self._system.chmod is not None:
            with suppress(OSError):
                self._system.chmod(self._file.fileno(), mode)

    def _finish(self) -> None:
        self._file.truncate(self._size)
        self._set_mode(self._mode)
        self._system.fsync(self._file.fileno())
        # Somebody may have removed the directory since: then the bytes live as long as this descriptor.
        self.part.lstat()


def _create(part: Path) -> io.FileIO:
    try:
        # Mode `x` creates, and follows no link.
        return io.FileIO(part, "x+")
    except FileExistsError as exc:
        raise OSError(errno.EBUSY, f"{part.name} is in its way") from exc


def write_file(
    content: bytes | Path,
    target: Path,
    overwrite: bool,  # noqa: FBT001 - positional in `models.Writer`
    *,
    token: str | None = None,
    private: bool = False,
    system: FileSystem = FileSystem(),  # noqa: B008 - a frozen value
) -> Path:
    """Write a whole file, or copy one: synced and under its name, or not there at all.

    Args:
        content: what is to be in it, or the file that has it.
        target: the file to make.
        overwrite: replace a file that exists.
        token: sets its part file apart from every other one; None for one of chance.
        private: as for `FileSink.reserve`.
        system: the operating system's calls.

    Raises:
        OutputExistsError: the target exists, and `overwrite` is off.
        StorageError: it could not be written, or the file to copy not be read.
    """
    with ExitStack() as opened:
        if isinstance(content, bytes):
            source: IO[bytes] = io.BytesIO(content)
            size = len(content)
        else:
            with told(content, _AFTER_MONEY):
                source = opened.enter_context(content.open("rb"))
                size = os.fstat(source.fileno()).st_size
        sink = FileSink.reserve(
            target,
            expected_bytes=size,
            token=token or os.urandom(8).hex(),
            overwrite=overwrite,
            private=private,
            system=system,
            circumstances=_AFTER_MONEY,
        )
        try:
            with told(target, _AFTER_MONEY):
                while piece := source.read(_PIECE_BYTES):
                    sink.write(piece)
            return sink.publish()
        except StorageError as error:
            # The track is still where it was; a hidden copy of it would only be in the way.
            error.salvage = None
            raise
        finally:
            sink.discard()
            with suppress(OSError):
                sink.part.unlink()
