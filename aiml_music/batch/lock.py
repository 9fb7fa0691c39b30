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
_ELSEWHERE = (
    "Choose a directory on a local disk. "
    "If no other process works there, unsafe_fs does without locks, at a prompt --unsafe-fs."
)
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
    def take(
        cls,
        directory: Path,
        *,
        now: float,
        lock: Callable[[int], None] | None = _FLOCK,
        unsafe_fs: bool = False,
    ) -> Self:
        """Lock a directory, at once or not at all.

        Args:
            directory: where the ledger is.
            now: Unix time, written into the lock file for others to read.
            lock: the system's call; None where it has none.
            unsafe_fs: the user's word that no other process works here, on a file system that has no working locks.

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
            is_locked = _locked(descriptor, path, lock, unsafe_fs=unsafe_fs)
            _write(descriptor, Holder.me(now), is_locked=is_locked)
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


def is_without_locks(directory: Path) -> bool:
    """Say whether whoever worked in a directory last did so without locks, by the user's word."""
    try:
        return bool(json.loads((directory / LOCK_NAME).read_bytes()[:_MOST_BYTES])["unlocked"])
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _locked(descriptor: int, path: Path, lock: Callable[[int], None], *, unsafe_fs: bool) -> bool:
    """Lock a file, and return whether that holds anybody off; if not, the user has said that it need not."""
    try:
        lock(descriptor)
        holds = _holds(path, lock)
    except BlockingIOError as exc:
        raise LedgerBusyError(
            f"Another process works on {str(path.parent)!r}: {_told(descriptor)}.",
            hint="Wait for it, or stop it: the lock ends with its process.",
        ) from exc
    except OSError as exc:
        if unsafe_fs and exc.errno in _NOT_HERE:
            return False
        hint = _ELSEWHERE if exc.errno in _NOT_HERE else None
        raise LedgerError(f"{str(path)!r} cannot be locked: {exc.strerror}.", hint=hint) from exc
    if not holds and not unsafe_fs:
        raise LedgerError(f"The locks of {str(path.parent)!r} hold nobody off.", hint=_ELSEWHERE)
    return holds


def _holds(path: Path, lock: Callable[[int], None]) -> bool:
    """Say whether a lock that is held keeps another descriptor of the file from it."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        lock(descriptor)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _write(descriptor: int, holder: Holder, *, is_locked: bool) -> None:
    words = {"pid": holder.pid, "host": holder.host, "since": holder.since, "boot": holder.boot}
    words |= {} if is_locked else {"unlocked": 1}
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
