"""What becomes of a ledger when disks, processes and people interfere."""

import gzip
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aiml_music._sansio.batch.states import JobState, Mark
from aiml_music._sansio.errors import LedgerBusyError, LedgerCorruptError, LedgerError
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.schema import APPLICATION_ID, STEPS, migrate
from tests._io.system import limited, posix
from tests.batch.ledgers import begun, filled, marked, plans

pytestmark = posix

FIRST_VERSION = Path(__file__).parent / "data" / "ledger-version-1.sqlite3.gz"

# Writes more than it can keep in memory, so that half of it is on the disk when it is killed.
WRITER = """
import sys
from pathlib import Path
from aiml_music.batch.ledger import Ledger
from tests.batch.ledgers import many

def plans():
    for plan in many(3000):
        yield plan
    print("now", flush=True)
    sys.stdin.read()

ledger = Ledger.open(Path(sys.argv[1]))
ledger._file.connection.execute("PRAGMA cache_size = 10")
ledger.add(plans(), now=2.0)
"""


@pytest.mark.row("141")
def test_a_writer_killed_midway_leaves_what_was_before(tmp_path: Path) -> None:
    """The torn half is taken back when the ledger is opened; nobody who only looks on takes it for the truth."""
    ledger, (key,) = filled(tmp_path, "kept")
    with ledger:
        begun(ledger, key)
    before = ledger.path.read_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"now\n"
        writer.send_signal(signal.SIGKILL)
        assert writer.wait() == -signal.SIGKILL
    assert ledger.path.read_bytes() != before
    with pytest.raises(LedgerError, match="resume the batch"):
        Ledger.observe(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        assert [record.label for record in ledger.jobs()] == ["kept"]
        assert ledger.job(key).state is JobState.INTENT
    assert ledger.path.read_bytes() == before


@pytest.mark.row("142")
def test_a_corrupt_middle_is_noticed_when_opening(tmp_path: Path) -> None:
    """Before anything is sent by what it says."""
    ledger, (key,) = filled(tmp_path, "a")
    ledger.close()
    size = ledger.path.stat().st_size
    with ledger.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(LedgerCorruptError, match="damaged") as caught:
        Ledger.open(tmp_path)
    assert "Keep the directory as it is" in str(caught.value)
    with Ledger.observe(tmp_path) as observer, pytest.raises(LedgerCorruptError):
        observer.job(key)


@pytest.mark.row("142")
def test_a_page_that_lies_is_noticed_when_opening(tmp_path: Path) -> None:
    """A check of the whole file finds what no question would have asked for."""
    ledger, _ = filled(tmp_path, "a")
    index = "SELECT rootpage FROM sqlite_master WHERE name = 'marks_of_job'"
    page = ledger._file.connection.execute(index).fetchone()[0]
    ledger.close()
    content = bytearray(ledger.path.read_bytes())
    # The number of cells: an index without any, over a table with one.
    content[(page - 1) * 4096 + 3 : (page - 1) * 4096 + 5] = b"\0\0"
    ledger.path.write_bytes(content)
    with pytest.raises(LedgerCorruptError, match="damaged"):
        Ledger.open(tmp_path)


def test_a_file_of_something_else_stays_as_it_is(tmp_path: Path) -> None:
    """Text, a picture, somebody's database: none of them is a ledger, and none is touched."""
    path = tmp_path / "ledger.sqlite3"
    path.write_text("a diary, and a long one, for a header has a hundred bytes " * 3, encoding="ascii")
    with pytest.raises(LedgerCorruptError, match="not a database"):
        Ledger.open(tmp_path)
    path.unlink()
    foreign = sqlite3.connect(path)
    foreign.execute("PRAGMA journal_mode=WAL")
    foreign.execute("CREATE TABLE diary (day)")
    foreign.close()
    before = path.read_bytes()
    for open_ledger in (Ledger.open, Ledger.observe):
        with pytest.raises(LedgerError, match="a database of something else"):
            open_ledger(tmp_path)
    assert path.read_bytes() == before


@pytest.mark.row("144")
def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    """Whoever knows less than the ledger would misread it."""
    ledger, _ = filled(tmp_path, "a")
    ledger._file.connection.execute("PRAGMA user_version = 3")
    ledger.close()
    for open_ledger in (Ledger.open, Ledger.observe):
        with pytest.raises(LedgerError, match=r"has version 3; this release wants version 2.*Upgrade aiml_music"):
            open_ledger(tmp_path)


@pytest.mark.row("144")
def test_an_older_ledger_is_copied_and_then_changed(tmp_path: Path) -> None:
    """Every step on the way to the newest version is made, whole, and the old one is kept beside it."""
    ledger, _ = filled(tmp_path, "a")
    connection = ledger._file.connection
    steps = (*STEPS, "CREATE TABLE more (x);", "INSERT INTO more VALUES (1);")
    copy = tmp_path / "ledger.sqlite3.v2"
    copy.write_bytes(b"half a copy of an earlier try")
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, ledger.path, (*STEPS, "CREATE TABLE more (x);", "nonsense;"))
    connection.execute("ROLLBACK")
    migrate(connection, ledger.path, steps)
    migrate(connection, ledger.path, steps)
    assert connection.execute("SELECT count(*) FROM more").fetchone()[0] == 1
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 4
    ledger.close()
    assert copy.stat().st_mode & 0o777 == 0o600
    old = sqlite3.connect(copy)
    assert old.execute("SELECT label FROM jobs").fetchall() == [("a",)]
    assert old.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    assert old.execute("PRAGMA user_version").fetchone()[0] == 2
    old.close()


@pytest.mark.row("144")
def test_a_ledger_of_the_first_version_goes_on(tmp_path: Path) -> None:
    """A file that an older release wrote: it can be looked at as it is, and its jobs may be accepted from now on."""
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(gzip.decompress(FIRST_VERSION.read_bytes()))
    with Ledger.observe(tmp_path) as ledger:
        before = {record.label: record.state for record in ledger.jobs()}
        money = ledger.balance()
    assert {label.replace(" ", "_"): str(state) for label, state in before.items()} == {
        **{state: state for state in ("planned", "done", "rejected", "in_doubt", "paid_lost", "cancelled")},
        "on_the_wire": "wire",
    }
    with Ledger.open(tmp_path) as ledger:
        assert {record.label: record.state for record in ledger.jobs()} == before
        assert ledger.balance() == money
        key = next(record.key for record in ledger.jobs() if record.label == "on the wire")
        marked(ledger, key, Mark.ACCEPTED, facts={"generation_id": "g"})
        assert ledger.job(key).state is JobState.ACCEPTED
    copy = sqlite3.connect(tmp_path / "ledger.sqlite3.v1")
    assert copy.execute("PRAGMA user_version").fetchone()[0] == 1
    copy.close()


def test_an_observer_waits_for_somebody_to_begin(tmp_path: Path) -> None:
    """It makes no ledger, and changes none."""
    with pytest.raises(LedgerError, match="No such file"):
        Ledger.observe(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "ledger.sqlite3").touch()
    with pytest.raises(LedgerError, match=r"has version 0.*Resume the batch"):
        Ledger.observe(tmp_path)


def _delete(path: Path) -> None:
    path.unlink()


def _replace(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").rename(path)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 4096)


@pytest.mark.row("143")
@pytest.mark.parametrize(
    ("harm", "complaint"), [(_delete, "is gone"), (_replace, "was replaced"), (_cut, "was cut short")]
)
def test_harm_during_the_run_stops_the_next_mark(tmp_path: Path, harm: Callable[[Path], None], complaint: str) -> None:
    """A mark that goes into no file, or into another one, licenses nothing."""
    ledger, (key,) = filled(tmp_path, "a")
    with ledger:
        begun(ledger, key)
        harm(ledger.path)
        with pytest.raises(LedgerError, match=complaint):
            marked(ledger, key, Mark.WIRE)


@pytest.mark.row("143")
def test_harm_during_a_mark_is_noticed_as_well(tmp_path: Path) -> None:
    """It may have been written where nobody will find it."""
    ledger, _ = filled(tmp_path, "a")

    def deleting() -> Iterator[object]:
        yield from plans("b")
        ledger.path.unlink()

    with ledger, pytest.raises(LedgerError, match="is gone"):
        ledger.add(deleting(), now=1.0)  # type: ignore[arg-type]  # plans, and a deed at their end


def test_a_disk_that_failed_is_not_asked_again(tmp_path: Path) -> None:
    """Its next yes may be about pages that it has lost already."""
    ledger, (key,) = filled(tmp_path, "a")
    with ledger:
        with limited("RLIMIT_FSIZE", 1), pytest.raises(LedgerError, match=r"I/O error.*Look at the disk"):
            begun(ledger, key)
        with pytest.raises(LedgerError, match="must be opened anew"):
            begun(ledger, key)
    with Ledger.open(tmp_path) as ledger:
        assert ledger.job(key).state is JobState.PLANNED
        begun(ledger, key)


def test_somebody_who_keeps_reading_is_told_of(tmp_path: Path) -> None:
    """A mark waits for readers, and not for ever; nothing of it is left then."""
    ledger, (key,) = filled(tmp_path, "a")
    reader = sqlite3.connect(ledger.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM jobs").fetchone()
    with ledger:
        ledger._file.connection.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(LedgerBusyError, match="whatever reads or writes it"):
            begun(ledger, key)
        reader.close()
        begun(ledger, key)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_ledger_stays_with_its_process(tmp_path: Path) -> None:
    """A child that was forked off would write over its parent's shoulder."""
    ledger, (key,) = filled(tmp_path, "a")
    with ledger:
        child = os.fork()
        if child == 0:
            # Nothing of pytest may run in the child.
            code = 1
            try:
                begun(ledger, key)
            except LedgerError as error:
                code = 0 if "forked" in str(error) else 2
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        begun(ledger, key)


@pytest.mark.parametrize("name", ["ledger.sqlite3", "ledger.sqlite3-journal"])
def test_a_planted_link_is_not_followed(tmp_path: Path, name: str) -> None:
    """Neither the ledger nor its journal is written through one."""
    target = tmp_path / "precious"
    target.touch()
    (tmp_path / name).symlink_to(target)
    with pytest.raises(LedgerError):
        Ledger.open(tmp_path)
    with pytest.raises(LedgerError):
        Ledger.observe(tmp_path)
    assert target.read_bytes() == b""


def test_a_pipe_is_no_ledger(tmp_path: Path) -> None:
    """Nobody waits for its other end."""
    os.mkfifo(tmp_path / "ledger.sqlite3")
    for open_ledger in (Ledger.open, Ledger.observe):
        with pytest.raises(LedgerError, match="not a plain file"):
            open_ledger(tmp_path)


def test_a_ledger_that_cannot_be_written_is_told_before_anything(own_directory: Path) -> None:
    """Where there is no ledger, there is no call."""
    with pytest.raises(LedgerError, match=r"Choose a directory that exists, and that this user may write to\."):
        Ledger.open(own_directory / "missing")
    own_directory.chmod(0o500)
    with pytest.raises(LedgerError, match="Permission denied"):
        Ledger.open(own_directory)
