"""Give a finished file its name, so that no name ever stands for half a track and no file is overwritten unasked.

Owns the calls to the operating system that need care, and the names of files on their way. Whose bytes they are is
left to `sinks`.
"""

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, count, takewhile
from pathlib import Path
from typing import Any, Literal, Unpack

from attrs import frozen

from aiml_music._sansio.errors import Circumstances, OutputExistsError, StorageError

_NAME_MAX_BYTES = 255

# macOS cannot reserve, and Windows has no modes.
_FALLOCATE: Callable[[int, int, int], None] | None = getattr(os, "posix_fallocate", None)
_CHMOD: Callable[[int, int], None] | None = getattr(os, "fchmod", None)


def _free_bytes(directory: Path) -> int:
    return shutil.disk_usage(directory).free


@frozen(kw_only=True)
class FileSystem:
    """The calls that fail in ways worth provoking; None where the platform has none."""

    write: Callable[[int, memoryview], int] = os.write
    fsync: Callable[[int], None] = os.fsync
    link: Callable[[Path, Path], None] = os.link
    replace: Callable[[Path, Path], None] = os.replace
    unlink: Callable[[Path], None] = os.unlink
    fallocate: Callable[[int, int, int], None] | None = _FALLOCATE
    chmod: Callable[[int, int], None] | None = _CHMOD
    free_bytes: Callable[[Path], int] = _free_bytes


def fitted(beginning: str, end: str) -> str:
    """Return a file name of both, the beginning cut so that the whole has at most 255 bytes."""
    room = _NAME_MAX_BYTES - len(os.fsencode(end))
    kept = os.fsencode(beginning)
    return (beginning if len(kept) <= room else kept[: max(room, 0)].decode(errors="ignore")) + end


def hidden(target: Path, token: str, stage: Literal["part", "ready"]) -> Path:
    """Return where a track waits for its name.

    Args:
        target: the name it waits for.
        token: sets this call's files apart from every other's.
        stage: a `part` may be anything; what is `ready` is whole, checked and synced.
    """
    return target.with_name(fitted(f".{target.name}", f".{token}.{stage}"))


def reserve_bytes(file: io.FileIO, count: int, directory: Path, system: FileSystem) -> None:
    """Make sure that a file can grow to so many bytes.

    Raises:
        OSError: the disk has no room.
    """
    if system.fallocate is not None:
        try:
            system.fallocate(file.fileno(), 0, count)
        except OSError as exc:
            # These say that the file system cannot reserve, or that there is nothing to reserve.
            if exc.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:
                raise
        else:
            return
    # What is only looked at, somebody else may take: ask for twice as much.
    if system.free_bytes(directory) < 2 * count:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def place(part: Path, target: Path, *, overwrite: bool, system: FileSystem) -> None:
    """Give a finished file its name, in one step that happens whole or not at all.

    Raises:
        FileExistsError: the name is taken, and `overwrite` is off.
        OSError: it could not be done; the part is still there.
    """
    if overwrite:
        system.replace(part, target)
        return
    try:
        system.link(part, target)
    except FileExistsError:
        # Over NFS a link may be made, its answer lost, and the repeat refused: open(2) says to look.
        if not os.path.samestat(part.lstat(), target.lstat()):
            raise
    except OSError:
        _replace_placeholder(part, target, system)


def _replace_placeholder(part: Path, target: Path, system: FileSystem) -> None:
    # FAT, many network shares and Android have no hard links, and a rename overwrites. An exclusive create takes the
    # name first: a late racer loses there, and all that the rename overwrites is an empty file of ours.
    io.FileIO(target, "x").close()
    try:
        system.replace(part, target)
    except OSError:
        target.unlink(missing_ok=True)
        raise


def place_beside(part: Path, target: Path, kind: str, *, system: FileSystem) -> Path:
    """Give a file a name like its target's that says what it is, numbered where that is taken, and return it.

    Raises:
        OSError: as `place`.
    """
    names = _beside(target, kind)
    while True:
        kept = next(names)
        try:
            place(part, kept, overwrite=False, system=system)
        except FileExistsError:
            continue
        return kept


def kept_beside(target: Path) -> list[Path]:
    """Return the files that hold what came of a track, `partial` or `unverified`."""
    return [kept for kind in ("partial", "unverified") for kept in takewhile(Path.is_file, _beside(target, kind))]


def _beside(target: Path, kind: str) -> Iterator[Path]:
    """Return names like a target's that say what a file is, numbered from the second on."""
    marks = chain([f".{kind}"], (f".{kind}-{number}" for number in count(2)))
    return (target.with_name(fitted(target.stem, mark + target.suffix)) for mark in marks)


def sync_directory(directory: Path, system: FileSystem) -> None:
    """Make the names in a directory survive a loss of power, where the platform lets us.

    Raises:
        OSError: the disk refused.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        # Windows opens no directories; elsewhere one may be writable and not readable.
        return
    try:
        system.fsync(descriptor)
    except OSError as exc:
        # Some network file systems sync no directories, and say so.
        if exc.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def make_directory(directory: Path, *, system: FileSystem = FileSystem()) -> None:
    """Make a directory, and those above it that are missing, so that they survive a loss of power.

    One that is there is synced too: whoever made it may have been killed before that.

    Raises:
        OSError: it cannot be made, or the disk refused.
    """
    missing = list(takewhile(lambda path: not path.exists(), directory.parents))
    directory.mkdir(parents=True, exist_ok=True)
    for path in (directory, *missing):
        sync_directory(path.parent, system)


_HINTS = {
    errno.EEXIST: "Choose another name, or pass overwrite=True.",
    errno.ENOENT: "Make its directory first.",
    errno.ENOTDIR: "A part of the path is a file, not a directory.",
    errno.EISDIR: "Give the name of a file in it.",
    errno.EACCES: "Choose a directory that this user may write to.",
    errno.EPERM: "Choose a directory that this user may write to.",
    errno.EROFS: "Choose a directory on a disk that can be written to.",
    errno.ENOSPC: "Make room on the disk, or choose another one.",
    errno.EDQUOT: "Make room within the quota, or choose another disk.",
    errno.EFBIG: "Raise the limit on the size of a file, or choose another disk.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EMFILE: "Run fewer calls at once, or raise the limit of open files (ulimit -n).",
    errno.ENFILE: "Run fewer calls at once.",
}


def storage_error(path: Path, exc: OSError | ValueError, **circumstances: Unpack[Circumstances]) -> StorageError:
    """Say that a file cannot be made or kept, why, and what to do about it."""
    # ValueError is Python's word for a name that no operating system takes, such as one with a NUL.
    number = (exc.errno if isinstance(exc, OSError) else None) or errno.EINVAL
    reason = getattr(exc, "strerror", None) or str(exc)
    kind = OutputExistsError if isinstance(exc, FileExistsError) else StorageError
    known: Any = {"hint": _HINTS.get(number)} | circumstances
    return kind(f"{str(path)!r} cannot be written: {reason}.", errno=number, filename=str(path), **known)


@contextmanager
def told(path: Path, circumstances: Circumstances) -> Iterator[None]:
    """Say of whatever the system refuses inside which file it was, and what that means for the call."""
    try:
        yield
    except StorageError:
        raise
    except (OSError, ValueError) as exc:
        raise storage_error(path, exc, **circumstances) from exc
