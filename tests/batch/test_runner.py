"""A run by itself, with makers of tracks that a test holds back: what is left to the luck of threads elsewhere."""

from pathlib import Path
from typing import NoReturn

import anyio
import pytest

from aiml_music import BudgetExceededError, JobState, LedgerError, MusicError, SpendBrakeError
from aiml_music._sansio.batch.budget import Budget
from aiml_music._sansio.batch.records import JobRecord
from aiml_music._sansio.batch.states import Mark
from aiml_music._sansio.errors import NotReadyError, ServerError, StorageError
from aiml_music.batch.attempt_journal import AttemptJournal, CollectingJournal
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.ledger_thread import LedgerThread
from aiml_music.batch.outcomes import Told
from aiml_music.batch.runner import Run, Workplace
from aiml_music.testing import FakeClock
from tests._io.system import posix
from tests.batch.ledgers import COST, begun, filled, marked

pytestmark = [posix, pytest.mark.anyio]


class Makers:
    """Makers of no track: what was accepted gets its turn when nothing more is begun, for whatever reason."""

    def __init__(self, error: MusicError) -> None:
        self._error = error
        self.runs: list[Run] = []
        self.collected: list[str] = []

    async def make(self, _record: JobRecord, journal: AttemptJournal) -> NoReturn:
        await journal.intent()
        raise self._error

    async def collect(self, record: JobRecord, journal: CollectingJournal) -> NoReturn:
        while self.runs[0].halt is None:
            await anyio.lowlevel.checkpoint()
        await journal.intent()
        self.collected.append(record.label)
        raise NotReadyError("It is not ready.")


async def keep(_record: JobRecord) -> None:
    raise AssertionError("there is no track")


def run_in(directory: Path, ledger: Ledger, makers: Makers, told: Told, budget: Budget = Budget()) -> Run:  # noqa: B008 - frozen
    workplace = Workplace(
        ledger=LedgerThread(ledger),
        directory=directory,
        make=makers.make,
        collect=makers.collect,
        keep=keep,
        clock=FakeClock(),
        budget=budget,
        width=2,
    )
    makers.runs.append(Run(workplace, None, told))
    return makers.runs[0]


async def run_of(directory: Path, makers: Makers, budget: Budget) -> Run:
    """Run a list of which one job was accepted, and the other one is yet to be made."""
    ledger, (accepted, _) = filled(directory, "accepted", "planned")
    with ledger:
        begun(ledger, accepted)
        marked(ledger, accepted, Mark.WIRE, Mark.HEAD)
        marked(ledger, accepted, Mark.ACCEPTED, facts={"generation_id": "60ac7c34"})
        run = run_in(directory, ledger, makers, Told(), budget)
        with anyio.fail_after(20):
            await run.all()
    return run


async def test_each_track_that_only_an_error_of_the_ledger_holds_is_told(tmp_path: Path) -> None:
    """One of the errors ends the run; the tracks of both are in outcomes."""
    ledger, _ = filled(tmp_path, "a", "b")
    told = Told()

    class Full(Makers):
        async def make(self, record: JobRecord, journal: AttemptJournal) -> NoReturn:
            await journal.intent()
            raise LedgerError("The disk is full.", salvage=record.label.encode())

    with ledger, anyio.fail_after(20):
        run = run_in(tmp_path, ledger, Full(ServerError("never raised")), told)
        await run.all()
        outcomes = [await told.next() for _ in range(2)]
    assert isinstance(run.halt, LedgerError)
    assert {outcome and outcome.error and outcome.error.salvage for outcome in outcomes} == {b"a", b"b"}


async def test_no_budget_ends_what_costs_nothing(tmp_path: Path) -> None:
    """A job may get its turn to be collected after another one was refused its money: it is collected all the same."""
    makers = Makers(ServerError("It failed."))
    run = await run_of(tmp_path, makers, Budget(credits=COST))
    assert isinstance(run.halt, BudgetExceededError)
    assert makers.collected == ["accepted"]


async def test_where_nothing_can_be_kept_nothing_is_collected(tmp_path: Path) -> None:
    """The brake ends both: a track is of no use where no file can be made."""
    makers = Makers(StorageError("The disk is full."))
    run = await run_of(tmp_path, makers, Budget())
    assert isinstance(run.halt, SpendBrakeError)
    assert makers.collected == []


class Unlucky(Makers):
    """Makers of two tracks for which there is no place, on a disk whose ledger fails while both are made."""

    def __init__(self, ledger: Ledger, *, one_by_one: bool) -> None:
        super().__init__(ServerError("never raised"))
        self._ledger = ledger
        self._begun: list[str] = []
        self._both = anyio.Event()
        self._one_by_one = one_by_one

    async def make(self, record: JobRecord, journal: AttemptJournal) -> NoReturn:
        await journal.intent()
        self._begun.append(record.label)
        if len(self._begun) == 2:
            self._ledger.close()
            self._both.set()
        await self._both.wait()
        while self._one_by_one and record.label == self._begun[1] and self.runs[0].halt is None:
            await anyio.lowlevel.checkpoint()
        # By then, whoever goes through the list has come to its next page.
        for _ in range(3):
            await self.runs[0]._workplace.ledger.do(bool)
        raise StorageError(f"No place for {record.label}.", salvage=record.label.encode())


@pytest.mark.parametrize("one_by_one", [False, True])
async def test_tracks_that_only_errors_hold_are_told_though_the_ledger_fails(
    tmp_path: Path, *, one_by_one: bool
) -> None:
    """Each job has its outcome, in doubt as far as anybody can say, and the run ends with the ledger's error alone."""
    ledger, _ = filled(tmp_path, "a", "b", *map(str, range(220)))
    told = Told()
    with ledger, anyio.fail_after(20):
        run = run_in(tmp_path, ledger, Unlucky(ledger, one_by_one=one_by_one), told)
        await run.all()
        outcomes = [await told.next() for _ in range(2)]
    assert isinstance(run.halt, LedgerError)
    assert {
        outcome and (outcome.label, outcome.state, outcome.error and outcome.error.salvage) for outcome in outcomes
    } == {
        ("a", JobState.IN_DOUBT, b"a"),
        ("b", JobState.IN_DOUBT, b"b"),
    }
