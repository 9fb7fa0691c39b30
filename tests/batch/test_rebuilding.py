"""A damaged ledger gives way to a new one: of what proves itself, and of doubts; nothing in it is guessed."""

import hashlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from aiml_music import JobRecord, JobState
from aiml_music._io.publishing import FileSystem
from aiml_music._sansio.batch.budget import Balance
from aiml_music._sansio.batch.job import planned
from aiml_music._sansio.batch.states import Mark
from aiml_music._sansio.errors import LedgerCorruptError
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.rebuilding import Rebuilt, rebuild
from aiml_music.batch.receipts import TrackReceipt, write_receipt
from aiml_music.batch.remains import remains_of
from aiml_music.batch.resume import resume
from aiml_music.testing import ScriptedTransport, finished_track, gateway_page, on_generate
from tests._io.system import posix
from tests.batch.batches import START, carried_out, job, jobs, names, patient_client, records
from tests.batch.ledgers import COST, begun, marked

# ruff: noqa: ASYNC240 - a test may look at its own disk

pytestmark = [pytest.mark.anyio, posix]

TRACK = on_generate(finished_track())
LABELS = "abcd"


async def lived(directory: Path) -> list[str]:
    """Leave a batch of a track, a call in doubt, a track without its name, and a job to be made; return their keys."""
    with ScriptedTransport(TRACK, on_generate(gateway_page())) as transport:
        async with patient_client(transport) as client:
            await carried_out(client, directory, jobs("a", "b"))
    with Ledger.open(directory) as ledger:
        ledger.add(planned((one, None) for one in jobs(*LABELS)), now=START)
        keys = [record.key for record in ledger.jobs()]
        begun(ledger, keys[2], "batch-3")
        marked(ledger, keys[2], Mark.WIRE)
    shutil.copyfile(directory / "a.mp3", directory / ".c.mp3.batch-3.ready")
    return keys


def damage_an_index(directory: Path) -> None:
    """Damage what no row is in: each job can be read still."""
    path = directory / "ledger.sqlite3"
    connection = sqlite3.connect(path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'marks_of_job'").fetchone()
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 + 3 : (page - 1) * 4096 + 5] = b"\0\0"
    path.write_bytes(content)


def destroy(directory: Path) -> None:
    """Leave nothing to read."""
    (directory / "ledger.sqlite3").write_bytes(b"\xff" * 20_000)


def rebuilt(directory: Path, *labels: str) -> Rebuilt:
    """Do as `rescue`, with a list of these jobs."""
    with pytest.raises(LedgerCorruptError):
        Ledger.open(directory)
    made = rebuild(directory, planned((one, None) for one in jobs(*labels)), now=START)
    with Ledger.open(directory) as ledger:
        resume(ledger, directory, now=lambda: START)
    return made


def states(directory: Path) -> dict[str, JobState]:
    return {label: record.state for label, record in records(directory).items()}


EXPECTED = {"a": JobState.DONE, "b": JobState.IN_DOUBT, "c": JobState.DONE, "d": JobState.IN_DOUBT}


@pytest.mark.row("142")
@pytest.mark.parametrize("whole", [True, False])
async def test_what_proves_itself_is_done_and_all_else_is_in_doubt(tmp_path: Path, *, whole: bool) -> None:
    """Read from the damaged ledger, or from the list and the receipts: the same list sends nothing afterwards."""
    await lived(tmp_path)
    request = calls(tmp_path, "b")[-1]
    (damage_an_index if whole else destroy)(tmp_path)
    damaged = (tmp_path / "ledger.sqlite3").read_bytes()
    made = rebuilt(tmp_path, *("" if whole else LABELS))
    assert made == Rebuilt(kept=tmp_path / "ledger.damaged.sqlite3", done=1, in_doubt=3)
    assert made.kept.read_bytes() == damaged
    assert states(tmp_path) == EXPECTED
    assert (calls(tmp_path, "b")[-1] == request) is whole
    assert names(tmp_path) >= {"a.mp3", "c.mp3"}
    async with patient_client(ScriptedTransport()) as client:
        again = await carried_out(client, tmp_path, jobs(*LABELS))
    assert {label: one.state for label, one in again.items()} == EXPECTED
    with Ledger.observe(tmp_path) as ledger:
        assert ledger.balance() == Balance(spent=2 * COST, in_doubt=2 * COST)


def calls(directory: Path, label: str) -> list[str]:
    with Ledger.observe(directory) as ledger:
        return [call.client_request_id for call in ledger.attempts(records(directory)[label].key)]


async def test_what_cannot_be_read_is_not_guessed(tmp_path: Path) -> None:
    """Without a list of the jobs, nothing is done, and the hint says what to type."""
    await lived(tmp_path)
    destroy(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(LedgerCorruptError, match="not each of its jobs") as caught:
        rebuild(tmp_path, [], now=START)
    assert f"aiml-music rescue {tmp_path} --jobs LIST" in (caught.value.hint or "")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


async def test_a_track_that_is_not_the_one_that_was_made_proves_nothing(tmp_path: Path) -> None:
    """Somebody cut it, say; nor does one without a receipt, whatever its name."""
    await lived(tmp_path)
    destroy(tmp_path)
    (tmp_path / "a.mp3").write_bytes(b"another")
    (tmp_path / "d.mp3").write_bytes(b"mine")
    (tmp_path / "mine.json").write_text("not a receipt")
    assert rebuilt(tmp_path, *LABELS).done == 0
    assert states(tmp_path) == EXPECTED | {"a": JobState.IN_DOUBT}


async def test_a_track_without_its_receipt_is_known_by_what_can_be_read(tmp_path: Path) -> None:
    """Where the damaged ledger still has its hash."""
    await lived(tmp_path)
    (tmp_path / "a.json").unlink()
    damage_an_index(tmp_path)
    assert rebuilt(tmp_path).done == 1
    assert states(tmp_path) == EXPECTED


async def test_names_and_earlier_calls_are_kept(tmp_path: Path) -> None:
    """What an earlier call may have cost is still in doubt, what cost nothing is not, and no file changes hands."""
    keys = await lived(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        ledger.append(keys[1], Mark.PAY_AGAIN, now=START)
        for attempt, mark in (("b2", Mark.NOT_SENT), ("b3", Mark.DEFERRED)):
            begun(ledger, keys[1], attempt)
            marked(ledger, keys[1], Mark.WIRE, mark)
        begun(ledger, keys[1], "b4")
        marked(ledger, keys[1], Mark.WIRE)
        ledger.append(keys[1], Mark.RECEIVED, now=START, facts={"sha256": "no"})
        ledger.add(planned([(job("a", lyrics="other words"), None)]), now=START)
    files = {record.key: record.file_name for record in all_records(tmp_path)}
    damage_an_index(tmp_path)
    rebuilt(tmp_path)
    assert {record.key: record.file_name for record in all_records(tmp_path)} == files
    with Ledger.observe(tmp_path) as ledger:
        assert [call.attempt for call in ledger.attempts(keys[1])][1:] == ["b4"]
        assert len(list(ledger.attempts_left(JobState.IN_DOUBT))) == 4
        assert ledger.job(keys[1]).state is JobState.IN_DOUBT


def all_records(directory: Path) -> list[JobRecord]:
    with Ledger.observe(directory) as ledger:
        return list(ledger.jobs())


async def test_a_receipt_names_the_file_of_its_job(tmp_path: Path) -> None:
    """A label may have changed its file name since; a receipt that leads elsewhere is not followed."""
    (plan,) = planned([(job("a"), None)])
    for file, state in (("other.mp3", JobState.DONE), ("other.wav", JobState.IN_DOUBT)):
        destroy(tmp_path)
        (tmp_path / file).write_bytes(b"a track")
        digest = hashlib.sha256(b"a track").hexdigest()
        (tmp_path / "other.json").unlink(missing_ok=True)
        write_receipt(tmp_path / file, TrackReceipt(label="a", file=file, sha256=digest, job_key=plan.key))
        rebuilt(tmp_path, "a")
        assert states(tmp_path) == {"a": state}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE jobs SET spec = replace(spec, '##a##', '##z##') WHERE position = 1",
        "UPDATE jobs SET spec = 'nothing' WHERE position = 1",
        "UPDATE jobs SET name = '../a' WHERE position = 1",
        "DELETE FROM jobs WHERE position = 2",
        "UPDATE marks SET facts = 'nothing' WHERE mark = 'received'",
    ],
)
async def test_a_row_that_is_not_itself_any_more_counts_as_unread(tmp_path: Path, change: str) -> None:
    """A key is the hash of its job, and marks name the jobs that there were; of a mark, nothing is taken at all."""
    await lived(tmp_path)
    connection = sqlite3.connect(tmp_path / "ledger.sqlite3")
    for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute(change)
    connection.commit()
    connection.close()
    remains = remains_of(tmp_path / "ledger.sqlite3")
    assert remains.is_whole is change.startswith("UPDATE marks")
    assert len(remains.plans) == (4 if remains.is_whole else 3)
    assert not (remains.is_whole and any(remains.hashes.values()))


async def test_a_damaged_ledger_is_kept_under_a_name_of_its_own(tmp_path: Path) -> None:
    """With what belongs to it, and however often; what an earlier try left is cleared away."""
    await lived(tmp_path)
    for kept in ("ledger.damaged.sqlite3", "ledger.damaged-2.sqlite3", "ledger.damaged-3.sqlite3"):
        destroy(tmp_path)
        (tmp_path / "ledger.sqlite3-journal").write_bytes(b"")
        (tmp_path / ".ledger.rebuilt").mkdir()
        (tmp_path / ".ledger.rebuilt" / "ledger.sqlite3").write_bytes(b"half")
        assert rebuilt(tmp_path, *LABELS).kept == tmp_path / kept
        assert (tmp_path / f"{kept}-journal").exists()
        assert not (tmp_path / ".ledger.rebuilt").exists()


async def test_without_links_the_damaged_ledger_is_copied(tmp_path: Path) -> None:
    """The old one has its name until the new one takes it."""
    await lived(tmp_path)
    destroy(tmp_path)

    def none(*_: object) -> None:
        raise OSError(1, "no links here")

    made = rebuild(tmp_path, planned((one, None) for one in jobs("a")), now=START, system=FileSystem(link=none))
    assert made.kept.read_bytes() == b"\xff" * 20_000
    assert states(tmp_path) == {"a": JobState.DONE}


@pytest.mark.parametrize("is_there", [True, False], ids=["emptied", "removed"])
async def test_a_ledger_that_is_gone_is_not_begun_anew(tmp_path: Path, *, is_there: bool) -> None:
    """What lies beside it was paid for: the same list again would pay for it twice."""
    await lived(tmp_path)
    (tmp_path / "ledger.sqlite3").unlink()
    if is_there:
        (tmp_path / "ledger.sqlite3").touch()
    async with patient_client(ScriptedTransport()) as client:
        with pytest.raises(LedgerCorruptError, match="it is empty, and a batch was carried out here"):
            await carried_out(client, tmp_path, jobs(*LABELS))
    assert rebuilt(tmp_path, *LABELS).done == 1
    assert states(tmp_path) == EXPECTED


async def test_a_directory_with_files_of_its_user_is_no_batch_yet(tmp_path: Path) -> None:
    """Neither his JSON nor his hidden files say that anything was paid for."""
    for name in ("notes.json", "list.json", ".hidden.part"):
        (tmp_path / name).write_text("[]" if name == "list.json" else "{}")
    with ScriptedTransport(TRACK) as transport:
        async with patient_client(transport) as client:
            await carried_out(client, tmp_path, jobs("a"))
    assert states(tmp_path) == {"a": JobState.DONE}


async def test_a_track_that_was_waiting_says_that_a_batch_was_carried_out(tmp_path: Path) -> None:
    """Also where no other one was made."""
    (tmp_path / ".c.mp3.batch-3.ready").write_bytes(b"audio")
    with pytest.raises(LedgerCorruptError, match="it is empty"):
        Ledger.open(tmp_path)


async def test_what_was_accepted_is_collected_by_what_can_be_read(tmp_path: Path) -> None:
    """Its id is worth a track: asking after it costs nothing, whatever became of it since."""
    await lived(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        key = records(tmp_path)["d"].key
        begun(ledger, key, "batch-4")
        marked(ledger, key, Mark.WIRE)
        marked(ledger, key, Mark.ACCEPTED, facts={"generation_id": "its-id"})
    damage_an_index(tmp_path)
    made = rebuilt(tmp_path)
    assert (made.done, made.accepted, made.in_doubt) == (1, 1, 2)
    assert states(tmp_path) == EXPECTED | {"d": JobState.ACCEPTED}
    with Ledger.observe(tmp_path) as ledger:
        (mark,) = [entry for entry in ledger.marks(records(tmp_path)["d"].key) if entry.mark is Mark.ACCEPTED]
    assert mark.facts["generation_id"] == "its-id"
