"""What the guide promises about batches, clause by clause: each clause has the test that bears its words.

A clause of the guide that no test here bears, in these words, is one too many, and so is a test of no clause.
"""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest
from attrs import frozen

from aiml_music import BudgetExceededError, JobState, LedgerError, SpendBrakeError, StorageError
from aiml_music._sansio.batch.states import Mark
from aiml_music._sansio.models import SettlementVerdict
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.lock import DirectoryLock
from aiml_music.testing import (
    ScriptedAnswer,
    ScriptedTransport,
    finished_track,
    gateway_page,
    lost,
    on_generate,
    silent_mp3,
)
from tests._io.system import failing, limited, posix
from tests.batch.batches import START, carried_out, jobs, names, patient_client, records, states_of
from tests.canary import KEY

# ruff: noqa: ASYNC240 - a test may look at its own disk

pytestmark = pytest.mark.anyio

F = TypeVar("F", bound=Callable[..., object])

DONE, PLANNED, IN_DOUBT = JobState.DONE, JobState.PLANNED, JobState.IN_DOUBT
TRACK = on_generate(finished_track())
IN_VAIN = on_generate(gateway_page())
LONG = silent_mp3(50)
GUIDE = Path(__file__).parents[2] / "docs/guides/batches-and-resume.md"
ROOT = str(Path(__file__).parents[2])
# Of how far a process comes before it kills itself, by what it has seen then.
MOMENTS = ("before", "arrived", "answering", "received", "done")

_CLAUSES: dict[str, str] = {}
_PROMISES = re.compile(r"^## What is promised\n(.*?)^## What is in", re.MULTILINE | re.DOTALL)
_CLAUSE = re.compile(r"^ *- \*\*(\w+)\*\* (.*?)(?=^ *- |^\d\. |^## |\n\n|\Z)", re.MULTILINE | re.DOTALL)


def promised(number: str, words: str) -> Callable[[F], F]:
    """Bind a test to a clause of the guide."""

    def bound(test: F) -> F:
        assert number not in _CLAUSES
        _CLAUSES[number] = words
        return test

    return bound


def test_the_guide_promises_what_is_tested_here() -> None:
    """Word for word, and in this order."""
    section = _PROMISES.search(GUIDE.read_text(encoding="utf-8"))
    assert section is not None
    said = {number: " ".join(words.split()) for number, words in _CLAUSE.findall(section[1])}
    assert list(said.items()) == list(_CLAUSES.items())
    # A line of the list that bears no number promises nothing by itself.
    assert len(re.findall(r"^ *- ", section[1], re.MULTILINE)) == len(said)


def marks_of(directory: Path, label: str = "a") -> list[Mark]:
    with Ledger.observe(directory) as ledger:
        return [entry.mark for entry in ledger.marks(records(directory)[label].key)]


PROGRAM = """
import os, signal, sys, anyio
from pathlib import Path
from tests.batch.test_contract import MOMENTS, killed_at
for moment in MOMENTS:
    child = os.fork()
    if not child:
        anyio.run(killed_at, Path(sys.argv[1], moment), moment)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, moment
"""


def die() -> NoReturn:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives this")


@frozen(kw_only=True)
class Deadly(ScriptedAnswer):
    """An answer in whose middle, or behind whose end, the process is killed."""

    share: float

    def pieces(self) -> Iterator[bytes]:
        piece = len(self.body) // 10
        for number in range(11):
            if number >= 10 * self.share:
                die()
            yield self.body[number * piece : (number + 1) * piece]


async def killed_at(directory: Path, moment: str) -> None:
    """Carry out a batch of one job in a process that is killed at a moment: run by `PROGRAM`."""
    made = finished_track(LONG)
    deadly = Deadly(headers=made.headers, body=made.body, share=0.9)
    # Its final name is taken meanwhile: the track stays under the hidden one.
    arrived: dict[str, Callable[[], object]] = {"arrived": die, "received": (directory / "a.mp3").mkdir}
    answers = on_generate(deadly if moment == "answering" else made, on_arrival=arrived.get(moment))
    async with patient_client(ScriptedTransport(answers)) as client, client.batch(directory) as batch:
        if moment == "before":
            await batch.run_all([])
            die()
        async for _ in batch.run(jobs("a")):
            die()


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a batch for each moment, whose process was killed there."""
    directory = tmp_path_factory.mktemp("dead")
    # One program for all of them: to start it takes longer than to kill its children.
    words = [sys.executable, "-c", PROGRAM, str(directory)]
    subprocess.run(words, cwd=ROOT, check=True, timeout=120)
    (directory / "received" / "a.mp3").rmdir()
    return directory


@pytest.fixture
def killed(dead: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Return what gives the directory of a batch that was killed at a moment."""
    return lambda moment: shutil.copytree(dead / moment, tmp_path / moment)


@promised(
    "1a", "Milliseconds after its last byte it is checked and on the disk, and from then on it survives anything."
)
@posix
async def test_1a_a_whole_track_survives(killed: Callable[[str], Path]) -> None:
    """A process that died between the last byte and the name of the track leaves it whole; nothing is sent for it."""
    directory = killed("received")
    assert [path.suffix for path in directory.glob(".a.*")] == [".ready"]
    with ScriptedTransport() as transport:
        async with patient_client(transport) as client:
            made = await carried_out(client, directory, jobs("a"))
    assert made["a"].state is DONE
    assert (directory / "a.mp3").read_bytes() == LONG
    assert not transport.requests


@promised("1b", "If the program is killed before that, what had come stays in a file.")
@posix
async def test_1b_what_came_of_a_track_stays(killed: Callable[[str], Path]) -> None:
    """Killed while the track comes in: its beginning is a file that is named on record."""
    directory = killed("answering")
    async with patient_client(ScriptedTransport()) as client, client.batch(directory) as batch:
        (call,) = (await batch.report()).in_doubt
    kept = directory / call.last.facts["salvage"]
    assert len(kept.read_bytes()) > len(LONG) // 2
    assert LONG.startswith(kept.read_bytes())


@promised("1c", "If the power fails before that, at least the record stays that the call is in doubt.")
async def test_1c_the_record_of_a_call_is_on_the_disk_before_its_first_byte(tmp_path: Path) -> None:
    """What the ledger's file alone holds when the request arrives says so, and is synced with all that leads to it."""
    after = tmp_path / "after"

    def power_fails() -> None:
        after.mkdir()
        shutil.copyfile(tmp_path / "before" / "ledger.sqlite3", after / "ledger.sqlite3")

    with ScriptedTransport(on_generate(lost(), on_arrival=power_fails)) as transport:
        async with patient_client(transport) as client:
            async with client.batch(tmp_path / "before") as batch:
                connection = batch._opened._ledger._file.connection
                # EXTRA: the ledger, its journal and their directory are synced before a mark is called made.
                assert connection.execute("PRAGMA synchronous").fetchone()[0] == 3
                await batch.run_all(jobs("a"))
            async with client.batch(after) as batch:
                assert await states_of(batch) == {IN_DOUBT: 1}
                assert len((await batch.report()).in_doubt) == 1


@promised("1d", "If the disk fails, the error holds the bytes.")
@posix
@pytest.mark.parametrize("at_once", [True, False])
async def test_1d_a_disk_that_fails_costs_no_track(tmp_path: Path, at_once: bool) -> None:  # noqa: FBT001 - a case
    """All of the track is in the error of its job, also where the batch stops and `run_all` has no list to return."""
    with ExitStack() as full:

        def fills_up() -> None:
            full.enter_context(limited("RLIMIT_FSIZE", 150_000))

        with ScriptedTransport(on_generate(finished_track(LONG), on_arrival=fills_up)) as transport:
            async with patient_client(transport) as client, client.batch(tmp_path) as batch:
                if at_once:
                    with pytest.raises(SpendBrakeError, match="disk") as caught:
                        await batch.run_all(jobs("a"))
                    assert isinstance(caught.value.__cause__, ExceptionGroup)
                    (error,) = caught.value.__cause__.exceptions
                else:
                    outcomes = batch.run(jobs("a"))
                    error = (await anext(outcomes)).error
                    with pytest.raises(SpendBrakeError, match="disk"):
                        await anext(outcomes)
                full.close()
    assert isinstance(error, StorageError)
    assert error.salvage == LONG


@promised("2a", "The same list again sends nothing that was sent before, whether it gave a track or is in doubt.")
async def test_2a_nothing_is_sent_twice(tmp_path: Path) -> None:
    """One track, one doubt: the same list again sends nothing."""
    with ScriptedTransport(TRACK, IN_VAIN) as transport:
        async with patient_client(transport) as client:
            made = await carried_out(client, tmp_path, jobs("a", "b"))
            again = await carried_out(client, tmp_path, jobs("a", "b"))
    assert [one.state for one in made.values()] == [one.state for one in again.values()] == [DONE, IN_DOUBT]
    assert len(transport.requests) == 2


@promised(
    "2b", "If the service's books say that a call was not charged, the job is sent again, and the ledger says why."
)
async def test_2b_what_was_not_charged_is_sent_again(tmp_path: Path) -> None:
    """Only when its row was found, and what it said is on record."""
    with ScriptedTransport(IN_VAIN, TRACK) as transport:
        async with patient_client(transport) as client:
            await carried_out(client, tmp_path, jobs("a"))
            with Ledger.open(tmp_path) as ledger:
                key = records(tmp_path)["a"].key
                ledger.append(key, Mark.UNPAID, now=START, facts={"verdict": str(SettlementVerdict.UNPAID)})
            made = await carried_out(client, tmp_path, jobs("a"))
    assert made["a"].state is DONE
    assert marks_of(tmp_path).count(Mark.UNPAID) == 1


@promised("2c", "If you say so, it is sent again, and the ledger says why in your words.")
async def test_2c_your_word_sends_again(tmp_path: Path) -> None:
    """Your reason stays beside the call that it licensed."""
    with ScriptedTransport(IN_VAIN, TRACK) as transport:
        async with patient_client(transport) as client:
            await carried_out(client, tmp_path, jobs("a"))
            async with client.batch(tmp_path) as batch:
                await batch.pay_again("a", reason="for the wedding")
                assert [one.state for one in await batch.run_all(jobs("a"))] == [DONE]
    with Ledger.observe(tmp_path) as ledger:
        (word,) = [e for e in ledger.marks(records(tmp_path)["a"].key) if e.mark is Mark.PAY_AGAIN]
    assert word.facts == {"reason": "for the wedding"}


@promised("3a", "It is listed as in doubt, with its id, its time and what is known about it.")
async def test_3a_every_doubt_is_listed(tmp_path: Path) -> None:
    """Each with the id that its request bore."""
    with ScriptedTransport(IN_VAIN, on_generate(lost()), TRACK) as transport:
        async with patient_client(transport) as client, client.batch(tmp_path, max_concurrency=1) as batch:
            await batch.run_all(jobs("a", "b", "c"))
            doubts = (await batch.report()).in_doubt
    assert [call.client_request_id for call in doubts] == [sent.client_request_id for sent in transport.requests[:2]]
    assert [call.last.at >= START for call in doubts] == [True, True]
    assert all(call.last.facts["problem"] for call in doubts)


@promised(
    "4a",
    "Whatever the moment, there is then a track, a doubt or a job to be made, and never a second call for the first "
    "two.",
)
@pytest.mark.parametrize("moment", MOMENTS)
@posix
async def test_4a_a_killed_batch_goes_on(killed: Callable[[str], Path], moment: str) -> None:
    """Only what was not sent is sent."""
    directory = killed(moment)
    steps = [TRACK] if moment == "before" else []
    with ScriptedTransport(*steps) as transport:
        async with patient_client(transport) as client:
            made = await carried_out(client, directory, jobs("a"))
    assert made["a"].state is (IN_DOUBT if moment in {"arrived", "answering"} else DONE)
    assert len(transport.requests) == len(steps)
    assert ("a.mp3" in names(directory)) == (made["a"].state is DONE)


@promised("5a", "The cost of a call is reserved on the disk before it is sent.")
async def test_5a_the_cost_is_reserved_first(tmp_path: Path) -> None:
    """When the request arrives, its worst case is in the ledger; a call that has no room is not sent."""
    reserved: list[int] = []

    def look() -> None:
        with Ledger.observe(tmp_path) as ledger:
            reserved.append(ledger.balance().reserved)

    with ScriptedTransport(on_generate(finished_track(), on_arrival=look)) as transport:
        async with patient_client(transport) as client:
            with pytest.raises(BudgetExceededError):
                await carried_out(client, tmp_path, jobs("a", "b"), budget="0.0629")
    assert reserved == [63_000]
    assert len(transport.requests) == 1


@promised("5b", "A call in doubt keeps its reservation.")
async def test_5b_a_doubt_keeps_its_reservation(tmp_path: Path) -> None:
    """The next call has only the room that is left, also in a later run."""
    with ScriptedTransport(IN_VAIN) as transport:
        async with patient_client(transport) as client:
            for wanted in (jobs("a"), jobs("a", "b")):
                async with client.batch(tmp_path, budget="0.0629") as batch:
                    if len(wanted) == 1:
                        await batch.run_all(wanted)
                    else:
                        with pytest.raises(BudgetExceededError):
                            await batch.run_all(wanted)
                    assert (await batch.report()).totals.balance.in_doubt == 63_000
    assert len(transport.requests) == 1


@promised("6a", "That the service charges once. This side sends once; what it is billed for is up to the service.")
async def test_6a_this_side_sends_once(tmp_path: Path) -> None:
    """However the only request ends, no second one follows."""
    for number, answers in enumerate((TRACK, IN_VAIN, on_generate(lost()))):
        with ScriptedTransport(answers) as transport:
            async with patient_client(transport, max_retries=5) as client:
                await carried_out(client, tmp_path / str(number), jobs("a"))
        assert len(transport.requests) == 1


@promised(
    "6b",
    "That a call in doubt can be collected. What was lost with its answer has no id, and the usage log tells none.",
)
async def test_6b_what_was_lost_is_not_collected(tmp_path: Path) -> None:
    """To settle a call that was charged brings its price, and no track."""
    with ScriptedTransport(IN_VAIN) as transport:
        async with patient_client(transport) as client:
            await carried_out(client, tmp_path, jobs("a"))
            with Ledger.open(tmp_path) as ledger:
                ledger.append(records(tmp_path)["a"].key, Mark.PAID, now=START)
            made = await carried_out(client, tmp_path, jobs("a"))
    assert made["a"].state is JobState.PAID_LOST
    assert names(tmp_path) == {"index.html"}


@promised(
    "6c",
    "Anything on a file system without working locks and syncs, as some network disks are. Without locks, a batch is "
    "refused, unless you say that no other process works there (`unsafe_fs=True`, `--unsafe-fs`); on Windows, it "
    "always is.",
)
def test_6c_without_locks_there_is_no_batch(tmp_path: Path) -> None:
    """What cannot be locked is refused, and so is a platform that has no such locks."""
    for lock in (None, failing(errno.ENOLCK)):
        with pytest.raises(LedgerError, match=r"no locks|cannot be locked"):
            DirectoryLock.take(tmp_path, now=START, lock=lock)
    DirectoryLock.take(tmp_path, now=START, lock=failing(errno.ENOLCK), unsafe_fs=True).release()
    with pytest.raises(LedgerError, match="This platform has no locks"):
        DirectoryLock.take(tmp_path, now=START, lock=None, unsafe_fs=True)


@promised(
    "6d",
    "Secrecy of lyrics on the disk. They are in the ledger, in receipts and on the page, which only their owner may "
    "read (mode 0600), and which are not encrypted. The key is in none.",
)
@posix
async def test_6d_lyrics_are_on_the_disk_and_the_key_is_not(tmp_path: Path) -> None:
    """In all three, in plain words; they are their owner's alone."""
    with ScriptedTransport(TRACK) as transport:
        async with patient_client(transport) as client:
            await carried_out(client, tmp_path, jobs("Cuckoo"))
    for name in ("ledger.sqlite3", "Cuckoo.json", "index.html"):
        assert b"##Cuckoo##" in (tmp_path / name).read_bytes()
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert not [path for path in tmp_path.iterdir() if KEY.encode() in path.read_bytes()]
