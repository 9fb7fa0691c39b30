"""One dispatcher for each ledger: a lock that the kernel takes back from whoever dies.

It is a lock of the open file (`flock`): those of POSIX vanish as soon as the process closes any descriptor of the file.
"""

import errno
import json
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from attrs import define, frozen

from aiml_music._sansio.errors import LedgerBusyError, LedgerError
from aiml_music._sansio.text import clean

LOCK_NAME = ".ledger.lock"
_MOST_BYTES = 4096
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NOT_HERE = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})


def flock_of(module: str = "fcntl") -> Callable[[int], None] | None:
    """Return the system's call that locks an open file at once or raises; None where there is none, as on Windows."""
    try:
        fcntl = import_module(module)
    except ImportError:
        return None
    return partial(_flock, fcntl)


def _flock(fcntl: Any, descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_FLOCK = flock_of()


@frozen(kw_only=True)
class Holder:
    """Who holds a lock: for people to read, never to decide by.

    Attributes:
        since: Unix time.
        boot: the id of the machine's run, where the system tells.
    """

    pid: int
    host: str
    since: float
    boot: str = ""

    @classmethod
    def me(cls, now: float) -> Self:
        """Return this process."""
        boot = ""
        with suppress(OSError):
            boot = _BOOT_ID.read_text(encoding="ascii").strip()
        return cls(pid=os.getpid(), host=socket.gethostname(), since=now, boot=boot)


@define(eq=False)
class DirectoryLock:
    """The right to be the one dispatcher in a directory, until `release` or the end of the process."""

    _descriptor: int | None

    @classmethod
    def take(cls, directory: Path, *, now: float, lock: Callable[[int], None] | None = _FLOCK) -> Self:
        """Lock a directory, at once or not at all.

        Args:
            directory: where the ledger is.
            now: Unix time, written into the lock file for others to read.
            lock: the system's call; None where it has none.

        Raises:
            LedgerBusyError: another process has it; the message says which.
            LedgerError: the file system, or the platform, has no locks.
        """
        if lock is None:
            raise LedgerError(
                "This platform has no locks that end with their process.",
                hint="Batches need Linux, macOS or another POSIX system; single calls work here.",
            )
        path = directory / LOCK_NAME
        try:
            # It stays on the disk: whoever removed it would let a third process lock a new one.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise LedgerError(f"The lock file {str(path)!r} cannot be opened: {exc.strerror}.") from exc
        try:
            _locked(descriptor, path, lock)
            _write(descriptor, Holder.me(now))
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Let others have it; do nothing when called again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _locked(descriptor: int, path: Path, lock: Callable[[int], None]) -> None:
    try:
        lock(descriptor)
    except BlockingIOError as exc:
        raise LedgerBusyError(
            f"Another process works on {str(path.parent)!r}: {_told(descriptor)}.",
            hint="Wait for it, or stop it: the lock ends with its process.",
        ) from exc
    except OSError as exc:
        hint = "Choose a directory on a local disk." if exc.errno in _NOT_HERE else None
        raise LedgerError(f"{str(path)!r} cannot be locked: {exc.strerror}.", hint=hint) from exc


def _write(descriptor: int, holder: Holder) -> None:
    words = {"pid": holder.pid, "host": holder.host, "since": holder.since, "boot": holder.boot}
    # The words are for people: a disk that is full does not take the lock away.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(words).encode(), 0)


def _told(descriptor: int) -> str:
    try:
        words: dict[str, Any] = dict(json.loads(os.pread(descriptor, _MOST_BYTES, 0)))
        return clean(f"process {int(words['pid'])} on {words['host']}, since Unix time {float(words['since']):.0f}")
    except (OSError, ValueError, TypeError, KeyError):
        return "which one, its lock file does not say"
