"""Open the file of a ledger with care, notice when it is another one, and put SQLite's errors in plain words."""

import os
import shlex
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from attrs import define, field

from aiml_music._sansio.errors import InputError, LedgerBusyError, LedgerCorruptError, LedgerError
from aiml_music.batch.lock import is_without_locks
from aiml_music.batch.receipts import read_receipt
from aiml_music.batch.schema import READABLE, checked_version, migrate
from aiml_music.batch.tokens import PREFIX

LEDGER_NAME = "ledger.sqlite3"

_BUSY_SECONDS = 30.0
# Committing means: the journal is synced, then the ledger, then the end of the journal. Nothing is promised before.
_PRAGMAS = ("journal_mode=TRUNCATE", "synchronous=EXTRA", "foreign_keys=ON", "temp_store=MEMORY", "trusted_schema=OFF")
_CORRUPT = frozenset({"SQLITE_CORRUPT", "SQLITE_NOTADB"})
_BUSY = frozenset({"SQLITE_BUSY", "SQLITE_LOCKED"})
_IO = "SQLITE_IOERR"
_WHERE = "Choose a directory that exists, and that this user may write to."
_HINTS = {
    "SQLITE_FULL": "Make room on the disk.",
    "SQLITE_READONLY": _WHERE,
    "SQLITE_CANTOPEN": _WHERE,
    _IO: "Look at the disk.",
    "SQLITE_PROTOCOL": "Choose a directory on a local disk.",
}
_WAIT = "Try again when whatever reads or writes it is done."
_TORN = "Its last writer was killed midway: resume the batch, which takes the torn half back."
_KEEP = "Keep the directory as it is: the tracks and receipts in it are unharmed, and nothing is sent meanwhile."


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite says about a ledger into a `LedgerError`.

    Raises:
        LedgerCorruptError: its content cannot be trusted.
        LedgerBusyError: another process keeps it locked.
        LedgerError: anything else.
    """
    try:
        yield
    except sqlite3.Error as exc:
        code = _code(exc)
        if code in _CORRUPT:
            raise corrupt(path, str(exc)) from exc
        if code in _BUSY:
            raise LedgerBusyError(f"Something keeps the ledger {str(path)!r} locked.", hint=_WAIT) from exc
        hint = _TORN if getattr(exc, "sqlite_errorname", "") == "SQLITE_READONLY_ROLLBACK" else _HINTS.get(code)
        raise LedgerError(f"The ledger {str(path)!r} failed: {exc}.", hint=hint) from exc


@contextmanager
def reached(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file of its own into a `LedgerError`.

    Raises:
        LedgerError: it went wrong.
    """
    try:
        yield
    except OSError as exc:
        raise LedgerError(f"The ledger {str(path)!r} cannot be used: {exc.strerror}.", hint=_WHERE) from exc


def corrupt(path: Path, what: str) -> LedgerCorruptError:
    """Say that a ledger cannot be trusted."""
    mend = shlex.join(["aiml-music", "rescue", str(path.parent)])
    hint = f"{_KEEP} To have a new ledger of what proves itself: {mend}"
    return LedgerCorruptError(f"The ledger {str(path)!r} is damaged: {what}.", hint=hint)


@define(eq=False)
class LedgerFile:
    """An open ledger, and what its file looked like when it was last seen."""

    path: Path
    connection: sqlite3.Connection
    _identity: tuple[int, int]
    _size: int = 0
    _trouble: str | None = None
    _is_writing: bool = field(default=False, init=False)
    _process: int = field(factory=os.getpid, init=False)

    @classmethod
    def writable(cls, path: Path) -> Self:
        """Open a ledger, or begin one.

        Raises:
            LedgerError: it cannot be used.
        """
        with reached(path), told(path):
            identity = _present(path)
            if not path.stat().st_size and _was_at_work(path.parent):
                raise corrupt(path, "it is empty, and a batch was carried out here")
            file = cls(path, _connected(path, "rwc"), identity)
            try:
                # First: a database of somebody else stays as it is, to the mode of its journal.
                checked_version(file.connection, path)
                for pragma in _PRAGMAS:
                    file.connection.execute(f"PRAGMA {pragma}")
                file._check_content()
                migrate(file.connection, path)
                file.check()
            except BaseException:
                file.connection.close()
                raise
        return file

    @classmethod
    def readable(cls, path: Path) -> Self:
        """Open a ledger to look at it, while another process may be writing.

        Raises:
            LedgerError: it cannot be used.
        """
        with reached(path), told(path):
            identity = _identity(path, path.lstat())
            file = cls(path, _connected(path, "ro"), identity)
            try:
                checked_version(file.connection, path, least=READABLE)
            except BaseException:
                file.connection.close()
                raise
        return file

    def _check_content(self) -> None:
        found = self.connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise corrupt(self.path, str(found).replace("\n", " "))

    def check(self) -> None:
        """Make sure that what is written goes, or went, into the file that was opened.

        Raises:
            LedgerError: it was deleted, replaced or cut short, or its disk failed.
        """
        self._check_trouble()
        try:
            found = self.path.lstat()
        except OSError as exc:
            raise LedgerError(f"The ledger {str(self.path)!r} is gone: {exc.strerror}.", hint=_KEEP) from exc
        if (found.st_dev, found.st_ino) != self._identity:
            raise LedgerError(f"The ledger {str(self.path)!r} was replaced by another file.", hint=_KEEP)
        if found.st_size < self._size:
            raise corrupt(self.path, "it was cut short")
        self._size = found.st_size

    def _check_trouble(self) -> None:
        trouble = "was opened before the process forked: it is its parent's" if os.getpid() != self._process else None
        trouble = trouble or self._trouble
        if trouble is not None:
            raise LedgerError(f"The ledger {str(self.path)!r} {trouble}.")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write what is written inside, whole and durably, or not at all.

        One inside another is taken back alone if it fails, and is durable when the outer one is.

        Raises:
            LedgerError: it was not written, as far as the disk can be believed.
        """
        if self._is_writing:
            with told(self.path), self._noting_trouble(), self._part():
                yield
            return
        self.check()
        with told(self.path), self._noting_trouble():
            self.connection.execute("BEGIN IMMEDIATE")
            self._is_writing = True
            try:
                yield
                self._check_trouble()
                self.connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
                raise
            finally:
                self._is_writing = False
        self.check()

    @contextmanager
    def _part(self) -> Iterator[None]:
        if not self.connection.in_transaction:
            # SQLite took all of it back, for what went wrong in another part: a savepoint would begin a new one.
            raise LedgerError(f"What was to be written into {str(self.path)!r} together with this went wrong.")
        self.connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK TO part")
            raise
        finally:
            with suppress(sqlite3.Error):
                self.connection.execute("RELEASE part")

    @contextmanager
    def _noting_trouble(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            # A disk that failed to sync may say yes the next time, and have lost what it was given.
            if _code(exc) == _IO:
                self._trouble = "had trouble with its disk, and must be opened anew"
            raise


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    unlocked = "&nolock=1" if is_without_locks(path.parent) else ""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}{unlocked}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.row_factory = sqlite3.Row
    return connection


def _code(exc: sqlite3.Error) -> str:
    # Extended codes have more words than the plain ones: SQLITE_IOERR_FSYNC.
    return "_".join(getattr(exc, "sqlite_errorname", "").split("_")[:2])


def _present(path: Path) -> tuple[int, int]:
    """Make sure that a regular file is there, which is ours and no link; return what sets it apart."""
    # To be closed before SQLite opens it: closing any descriptor of a file takes the process's locks on it away.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return _identity(path, found)


def _was_at_work(directory: Path) -> bool:
    """Say whether something lies in a directory that only calls of a batch leave."""
    return any(directory.glob(f".*.{PREFIX}*")) or any(map(_is_receipt, directory.glob("*.json")))


def _is_receipt(path: Path) -> bool:
    with suppress(InputError):
        return bool(read_receipt(path).sha256)
    return False


def _identity(path: Path, found: os.stat_result) -> tuple[int, int]:
    journal = path.with_name(f"{path.name}-journal")
    if not stat.S_ISREG(found.st_mode) or journal.is_symlink():
        raise LedgerError(f"{str(path)!r} or its journal is not a plain file.")
    return found.st_dev, found.st_ino
