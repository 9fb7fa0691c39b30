"""Which names a call may make a file for, and which of them are somebody's already."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

# The names that calls of this process are making files for.
_taken: set[Path] = set()


def take(path: Path) -> None:
    """Keep a name for one call: of two, one track would be paid for and have no place.

    Raises:
        FileExistsError: another call has it.
    """
    if path in _taken:
        raise FileExistsError(errno.EEXIST, "another call of this process is making it")
    _taken.add(path)


def release(path: Path) -> None:
    """Let others have a name that was taken."""
    _taken.discard(path)


def to_be_replaced(path: Path, *, overwrite: bool) -> os.stat_result | None:
    """Return what stands in a name's place; None where nothing does, or a link to nowhere.

    Raises:
        OSError: something stands there that must not be replaced.
    """
    try:
        path.lstat()
    except FileNotFoundError:
        return None
    found = None
    with suppress(FileNotFoundError):
        found = path.stat()
    if found and stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not overwrite:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    if found and not stat.S_ISREG(found.st_mode):
        # Renaming over /dev/null would replace the device.
        raise OSError(errno.EINVAL, "it is not a regular file")
    return found
