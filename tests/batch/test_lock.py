"""One dispatcher for each ledger."""

import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aiml_music._sansio.errors import LedgerBusyError, LedgerError
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.lock import DirectoryLock, Holder, flock_of, is_without_locks
from tests._io.system import posix

pytestmark = posix

HOLDER = """
import sys
from pathlib import Path
from aiml_music.batch.lock import DirectoryLock

lock = DirectoryLock.take(Path(sys.argv[1]), now=1700000000.4)
print("held", flush=True)
sys.stdin.read()
"""


def failing(number: int) -> Callable[[int], None]:
    """Return a system's call that always fails in one way."""

    def lock(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    return lock


@pytest.mark.row("138")
@pytest.mark.row("140")
def test_another_process_is_told_who_has_it_and_gets_it_when_that_one_dies(tmp_path: Path) -> None:
    """The kernel takes the lock back from the dead; nobody decides by the clock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        for _ in range(2):
            with pytest.raises(LedgerBusyError) as caught:
                DirectoryLock.take(tmp_path, now=1.0)
        holder.kill()
        holder.wait()
    host = os.uname().nodename
    assert f"process {holder.pid} on {host}, since Unix time 1700000000" in str(caught.value)
    assert "no money was spent" in str(caught.value)
    DirectoryLock.take(tmp_path, now=1.0).release()


def test_a_lock_is_given_back(tmp_path: Path) -> None:
    """Once; its file stays, so that nobody locks another one of the same name."""
    with DirectoryLock.take(tmp_path, now=1.0) as lock:
        with pytest.raises(LedgerBusyError, match=f"process {os.getpid()} on"):
            DirectoryLock.take(tmp_path, now=1.0)
        lock.release()
        again = DirectoryLock.take(tmp_path, now=2.0)
    with pytest.raises(LedgerBusyError, match="since Unix time 2"):
        DirectoryLock.take(tmp_path, now=3.0)
    again.release()
    assert (tmp_path / ".ledger.lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("words", [b"", b"{}", b"[1]", b'{"pid": "x", "host": "h", "since": 1}', b"\xff"])
def test_whoever_says_nothing_holds_it_as_well(tmp_path: Path, words: bytes) -> None:
    """The words in the file are for people; the lock is what counts."""
    with DirectoryLock.take(tmp_path, now=1.0):
        (tmp_path / ".ledger.lock").write_bytes(words)
        with pytest.raises(LedgerBusyError, match="its lock file does not say"):
            DirectoryLock.take(tmp_path, now=1.0)


def test_the_words_of_a_stranger_are_cleaned(tmp_path: Path) -> None:
    """Whoever wrote them does not steer a terminal."""
    with DirectoryLock.take(tmp_path, now=1.0):
        (tmp_path / ".ledger.lock").write_text('{"pid": 1, "host": "a\\u001b[31m\\nb", "since": 2}', encoding="ascii")
        with pytest.raises(LedgerBusyError, match=r"process 1 on a\[31m b, since Unix time 2"):
            DirectoryLock.take(tmp_path, now=1.0)


@pytest.mark.row("136")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_refused(tmp_path: Path, number: int) -> None:
    """Two dispatchers would pay twice."""
    with pytest.raises(LedgerError, match=r"cannot be locked: .*Choose a directory on a local disk\."):
        DirectoryLock.take(tmp_path, now=1.0, lock=failing(number))
    with pytest.raises(LedgerError, match="Input/output error"):
        DirectoryLock.take(tmp_path, now=1.0, lock=failing(errno.EIO))
    DirectoryLock.take(tmp_path, now=1.0).release()


def test_a_platform_without_locks_is_refused(tmp_path: Path) -> None:
    """It says so plainly, and makes no file."""
    with pytest.raises(LedgerError, match="This platform has no locks"):
        DirectoryLock.take(tmp_path, now=1.0, lock=flock_of("a_module_of_another_system"))
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_is_no_link(tmp_path: Path) -> None:
    """A planted one would have somebody else's file emptied."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"words")
    (tmp_path / ".ledger.lock").symlink_to(precious)
    with pytest.raises(LedgerError, match="cannot be opened"):
        DirectoryLock.take(tmp_path, now=1.0)
    assert precious.read_bytes() == b"words"


def test_a_holder_says_who_it_is() -> None:
    """With the machine's run, where the system tells: the same number may be another process after a restart."""
    me = Holder.me(5.0)
    assert (me.pid, me.host, me.since) == (os.getpid(), os.uname().nodename, 5.0)
    assert (me.boot != "") == Path("/proc/sys/kernel/random/boot_id").exists()


@pytest.mark.row("136")
def test_a_disk_whose_locks_hold_nobody_off_is_refused(tmp_path: Path) -> None:
    """Some say yes to everybody: whoever has the lock asks for it once more, and must be refused."""
    with pytest.raises(LedgerError, match=r"hold nobody off.*--unsafe-fs"):
        DirectoryLock.take(tmp_path, now=1.0, lock=lambda _: None)
    with Ledger.open(tmp_path) as ledger, DirectoryLock.take(tmp_path, now=1.0):
        assert ledger.path.exists()


@pytest.mark.row("136")
@pytest.mark.parametrize("lock", [failing(errno.ENOLCK), lambda _: None])
def test_by_the_users_word_a_disk_without_locks_is_used(tmp_path: Path, lock: Any) -> None:
    """The ledger is opened without locks then, also by who looks on; the next holder decides anew."""
    with pytest.raises(LedgerError, match="Input/output error"):
        DirectoryLock.take(tmp_path, now=1.0, lock=failing(errno.EIO), unsafe_fs=True)
    Ledger.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3", isolation_level=None)) as other:
        # What would keep everybody else out, were there locks.
        other.execute("BEGIN EXCLUSIVE")
        with DirectoryLock.take(tmp_path, now=1.0, lock=lock, unsafe_fs=True):
            assert is_without_locks(tmp_path)
            with Ledger.open(tmp_path) as ledger, Ledger.observe(tmp_path) as observer:
                assert ledger.totals() == observer.totals()
        other.execute("ROLLBACK")
    DirectoryLock.take(tmp_path, now=2.0, unsafe_fs=True).release()
    assert not is_without_locks(tmp_path)


@pytest.mark.row("136")
def test_the_users_word_lets_nobody_else_in(tmp_path: Path) -> None:
    """Where there are locks, it changes nothing."""
    with DirectoryLock.take(tmp_path, now=1.0, unsafe_fs=True):
        with pytest.raises(LedgerBusyError):
            DirectoryLock.take(tmp_path, now=1.0, unsafe_fs=True)
        assert not is_without_locks(tmp_path)
    assert not is_without_locks(tmp_path / "nowhere")
