"""A run by itself, with makers of tracks that a test holds back: what is left to the luck of threads elsewhere."""

from pathlib import Path
from typing import NoReturn

import anyio
import pytest

from aiml_music import BudgetExceededError, MusicError, SpendBrakeError
from aiml_music._sansio.batch.budget import Budget
from aiml_music._sansio.batch.records import JobRecord
from aiml_music._sansio.batch.states import Mark
from aiml_music._sansio.errors import NotReadyError, ServerError, StorageError
from aiml_music.batch.attempt_journal import AttemptJournal, CollectingJournal
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


async def run_of(directory: Path, makers: Makers, budget: Budget) -> Run:
    """Run a list of which one job was accepted, and the other one is yet to be made."""
    ledger, (accepted, _) = filled(directory, "accepted", "planned")
    with ledger:
        begun(ledger, accepted)
        marked(ledger, accepted, Mark.WIRE, Mark.HEAD)
        marked(ledger, accepted, Mark.ACCEPTED, facts={"generation_id": "60ac7c34"})
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
        run = Run(workplace, None, Told())
        makers.runs.append(run)
        with anyio.fail_after(20):
            await run.all()
    return run


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
