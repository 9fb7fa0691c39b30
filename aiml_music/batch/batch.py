"""A batch: a directory of tracks that are wanted, and a ledger that knows how far they are.

The directory is the batch: opening it again, after whatever ended the last run, goes on where that run stood.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread
from attrs import frozen

from aiml_music._calls.session import Session
from aiml_music._calls.settling import look_up_each
from aiml_music._io.background import start_detached
from aiml_music._io.publishing import make_directory
from aiml_music._sansio.batch.budget import Budget
from aiml_music._sansio.batch.job import Job
from aiml_music._sansio.batch.records import AttemptRecord, JobRecord, Totals
from aiml_music._sansio.batch.states import JobState
from aiml_music._sansio.concurrency import MOST
from aiml_music._sansio.errors import LedgerError, MusicError
from aiml_music._sansio.options import Options, check_concurrency
from aiml_music.batch.folder import Folder, write_missing_receipts
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.ledger_thread import LedgerThread
from aiml_music.batch.listing import Listed, list_jobs
from aiml_music.batch.lock import DirectoryLock
from aiml_music.batch.making import Maker
from aiml_music.batch.outcomes import JobOutcome, Outcomes, Told
from aiml_music.batch.resume import resume
from aiml_music.batch.runner import Run, Workplace
from aiml_music.batch.settling import JobSettlement, Settler, send_again


@frozen(kw_only=True)
class BatchReport:
    """Where a batch stands.

    Attributes:
        totals: how many jobs stand where, and the money in credits.
        in_doubt: every call that may have been charged and gave no track.
        paid_lost: every call that was charged and gave no track. In both, also where the job was sent again.
        accepted: every call that was paid for and is being made; the next run collects its track.
    """

    totals: Totals
    in_doubt: tuple[AttemptRecord, ...]
    paid_lost: tuple[AttemptRecord, ...] = ()
    accepted: tuple[AttemptRecord, ...] = ()


class Batch:
    """Many generations into one directory: durable, resumable, within a budget. Made by `AsyncMusicClient.batch`.

    `async with` opens the directory, which one process at a time may do, and settles what an earlier run left under
    way. On leaving, nothing more is sent, what is under way comes to its end, and `index.html` is written.
    Then what ended a run by itself is raised, where its outcomes were left before that was heard.

    Beside each track is its receipt, as JSON. These, the page and the ledger hold lyrics, and can be read by their
    owner alone (mode 0600); tracks by whom the umask lets.
    """

    def __init__(
        self,
        session: Session,
        options: Options,
        directory: str | PathLike[str],
        budget: Decimal | int | str | None,
        max_concurrency: int | None,
        number_copies: bool,  # noqa: FBT001 - given in the order of `AsyncMusicClient.batch`
        unsafe_fs: bool,  # noqa: FBT001 - as above
    ) -> None:
        self._session = session
        self._options = options
        check_concurrency(max_concurrency)
        self._budget = Budget.of_usd(budget)
        self._width = max_concurrency or MOST
        self._number_copies = number_copies
        self._unsafe_fs = unsafe_fs
        self._held = ExitStack()
        self._ledger: LedgerThread | None = None
        self._run: Run | None = None
        self._stopped = False
        # Made with a run: where there is no event loop yet, there is no scope either.
        self._scope: anyio.CancelScope | None = None
        self._ended: anyio.Event | None = None
        self._failure: Exception | None = None
        self._unwritten: list[MusicError] = []
        self.directory: Path = Path(directory)

    async def __aenter__(self) -> Self:
        """Open the directory.

        Raises:
            LedgerBusyError: another process works on it.
            LedgerCorruptError: its ledger cannot be trusted.
            LedgerError: it cannot be opened or made.
        """
        self._unwritten.clear()
        self._ledger = LedgerThread(await anyio.to_thread.run_sync(self._open))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if isinstance(error, anyio.get_cancelled_exc_class()):
            self.abort()
        try:
            with anyio.CancelScope(shield=True):
                await self._run_ended()
                await self._folder.finish()
        finally:
            self._ledger = None
            self._held.close()
        self._tell_unheard(error)

    def run(self, jobs: Iterable[Job] | None = None) -> Outcomes:
        """Make every track of a list that is not made yet, and yield how each job stands as soon as that is known.

        Each job of the list gives one outcome, also one that an earlier run ended; only what was not sent before a
        stop gives none. One failure never stops the others.

        Args:
            jobs: the list, of any length: its jobs are taken one by one, in a thread, into the ledger, and the last one
                is there before anything is sent. Jobs of earlier lists that are not in it stay as they are. None takes
                all that were ever planned in this directory.
        """
        return Outcomes(partial(self._start, None if jobs is None else iter(jobs)), self._finish)

    async def run_all(self, jobs: Iterable[Job] | None = None) -> list[JobOutcome]:
        """Do as `run`, and return all outcomes in the order of the list.

        Raises:
            MusicError: as the iterator of `run`. What its jobs ended with until then is its cause, an `ExceptionGroup`:
                where a disk failed, these hold the tracks.
        """
        outcomes: list[JobOutcome] = []
        try:
            async for outcome in self.run(jobs):
                outcomes.append(outcome)  # noqa: PERF401 - what came is wanted where the rest does not come
        except MusicError as error:
            failures = [outcome.error for outcome in outcomes if outcome.error is not None]
            if failures:
                ended = ExceptionGroup("what jobs of this batch ended with", failures)
                ended.__cause__ = error.__cause__
                raise error from ended
            raise
        return sorted(outcomes, key=lambda outcome: outcome.index)

    def stop(self) -> None:
        """Send nothing more; what is under way comes to its end, and the outcomes end after it."""
        self._stopped = True
        if self._run is not None:
            self._run.stop()

    def abort(self) -> None:
        """Stop at once: tracks that are coming in may land for half a minute, and other calls are left in doubt.

        What the service has accepted under an id is collected by the next run.
        """
        self.stop()
        if self._scope is not None:
            self._scope.cancel()

    @property
    def under_way(self) -> tuple[str, ...]:
        """The names of the files whose calls are being made now, in the order in which they were begun."""
        records = () if self._run is None else tuple(self._run.under_way.values())
        return tuple(record.file_name for record in records)

    async def report(self) -> BatchReport:
        """Return where all jobs stand."""
        return await self._opened.do(_reported)

    @property
    def unwritten(self) -> tuple[MusicError, ...]:
        """Why receipts and the page could not be written; no track is the worse for it.

        Receipts are tried again when the batch is opened again, the page whenever it is closed.
        """
        return tuple(self._unwritten)

    async def write_page(self) -> Path:
        """Write `index.html`, which shows where all jobs stand, and return it.

        It is also written on leaving; then of more than 40 tracks without pictures, which take their time to draw.

        Raises:
            OutputExistsError: there is an `index.html` of somebody else.
            StorageError: it could not be written.
            LedgerError: the ledger cannot be read.
        """
        return await self._folder.write_page()

    async def settle(self, *, wait: float | None = None, absent_is_unpaid: bool = False) -> list[JobSettlement]:
        """Ask the service's own books about every call in doubt, and write down what they say.

        What was proven unpaid is planned again; nothing is sent from here. A call that cannot be looked up stays as it
        was, its error among the results. Calls whose job was sent again by your word are asked after as well.

        Args:
            wait: seconds to keep looking while a job is in doubt, after 30 s, 1, 2, 5, 10 and 30 min; None looks once.
            absent_is_unpaid: your word that calls which are in no book half an hour after they were sent were not paid;
                their jobs are planned again. Should one have been paid all the same, it is paid twice.

        Raises:
            InputError: `wait` is no number of seconds.
            LedgerError: the ledger cannot be read or written.
        """
        look = partial(look_up_each, self._session, self._options)
        settler = Settler(self._opened, look, self._session.clock)
        return await settler.settle(wait=wait, absent_is_unpaid=absent_is_unpaid)

    async def pay_again(self, label_or_key: str, *, reason: str) -> JobRecord:
        """Have a job sent again by the next run, though it may have been paid for, or was; or was refused.

        One that was accepted is collected by the next run anyway; after your word it is not, but paid for once more.
        Also a job that is done, once its track was removed from the directory.

        Args:
            label_or_key: the job's label, its key, or the name of its file.
            reason: why, in your words; it stays in the ledger.

        Raises:
            InputError: no job or several are called so; or it is to be made anyway, under way, or done.
            LedgerError: the ledger cannot be read or written.
        """
        now = self._session.clock.time()
        return await self._opened.do(lambda ledger: send_again(ledger, label_or_key, reason=reason, now=now))

    def _open(self) -> Ledger:
        now = self._session.clock.time
        try:
            make_directory(self.directory)
        except OSError as exc:
            raise LedgerError(f"The directory {self.directory} cannot be made: {exc.strerror}.") from exc
        with ExitStack() as held:
            held.enter_context(DirectoryLock.take(self.directory, now=now(), unsafe_fs=self._unsafe_fs))
            ledger = held.enter_context(Ledger.open(self.directory))
            resume(ledger, self.directory, now=now)
            self._unwritten += write_missing_receipts(ledger, self.directory)
            self._held = held.pop_all()
        return ledger

    @property
    def _folder(self) -> Folder:
        return Folder(self.directory, self._opened, self._session.clock, self._unwritten)

    @property
    def _opened(self) -> LedgerThread:
        if self._ledger is None:
            raise RuntimeError("a batch is used inside `async with client.batch(...) as batch`")
        return self._ledger

    def _start(self, jobs: Iterator[Job] | None) -> Told:
        ledger = self._opened
        if self._ended is not None and not self._ended.is_set():
            raise RuntimeError("a batch does one list at a time")
        self._raise_failure()
        self._stopped = False
        scope, ended, told = anyio.CancelScope(), anyio.Event(), Told()
        self._scope, self._ended = scope, ended
        start_detached(
            partial(self._work, scope, ended, ledger, jobs, told), name=f"aiml_music batch {self.directory.name}"
        )
        return told

    async def _work(
        self,
        scope: anyio.CancelScope,
        ended: anyio.Event,
        ledger: LedgerThread,
        jobs: Iterator[Job] | None,
        told: Told,
    ) -> None:
        try:
            with scope:
                await self._carried_out(ledger, jobs, told)
        except Exception as error:  # noqa: BLE001 - raised by whoever asks for outcomes
            self._failure = _single(error)
        finally:
            told.end()
            ended.set()

    async def _carried_out(self, ledger: LedgerThread, jobs: Iterator[Job] | None, told: Told) -> None:
        listed = None if jobs is None else await ledger.do(partial(self._listed, jobs))
        maker = Maker(self._session, self._options, self.directory, ledger, self._budget)
        workplace = Workplace(
            ledger=ledger,
            directory=self.directory,
            make=maker.track,
            collect=maker.collected,
            keep=Folder(self.directory, ledger, self._session.clock, self._unwritten).keep_receipt,
            clock=self._session.clock,
            budget=self._budget,
            width=self._width,
        )
        self._run = Run(workplace, listed, told)
        if self._stopped:
            # While the list was being written down.
            self._run.stop()
        await self._run.all()
        if self._run.halt is not None:
            raise self._run.halt

    def _listed(self, jobs: Iterator[Job], ledger: Ledger) -> Listed:
        return list_jobs(ledger, jobs, number_copies=self._number_copies, now=self._session.clock.time())

    async def _finish(self) -> None:
        await self._run_ended()
        self._raise_failure()

    def _raise_failure(self) -> None:
        """Raise what ended a run, once: nobody may have listened to its last outcomes."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _tell_unheard(self, leaving: BaseException | None) -> None:
        """Raise what ended a run and nobody heard; where something else leaves the batch, note it there."""
        if leaving is None:
            self._raise_failure()
        elif self._failure is not None:
            leaving.add_note(f"The batch ended with {type(self._failure).__name__}: {self._failure}")

    async def _run_ended(self) -> None:
        if self._ended is not None:
            await self._ended.wait()


def _reported(ledger: Ledger) -> BatchReport:
    states = (JobState.IN_DOUBT, JobState.PAID_LOST, JobState.ACCEPTED)
    in_doubt, paid_lost, accepted = (tuple(ledger.attempts_left(state)) for state in states)
    return BatchReport(totals=ledger.totals(), in_doubt=in_doubt, paid_lost=paid_lost, accepted=accepted)


def _single(error: Exception) -> Exception:
    """Return what a task group wrapped, where it is one error alone."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
