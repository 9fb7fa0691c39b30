"""One run of a batch: its jobs sent a few at a time, each verdict in the ledger before the next thing is done.

Decides nothing: what a failure means, whether it is repeated and when to stop is in `_sansio.batch`.
"""

import math
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import anyio
from attrs import define, field, frozen

from aiml_music._sansio.batch.brake import Brake, Pause
from aiml_music._sansio.batch.budget import Budget
from aiml_music._sansio.batch.records import JobRecord
from aiml_music._sansio.batch.repeats import after_failure, closing
from aiml_music._sansio.batch.states import JobState
from aiml_music._sansio.errors import BudgetExceededError, LedgerError, MusicError, SpendBrakeError
from aiml_music._sansio.models import Track
from aiml_music._sansio.ports import Clock
from aiml_music.batch.attempt_journal import AttemptJournal, StoppedError
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.ledger_thread import LedgerThread
from aiml_music.batch.outcomes import JobOutcome, Told
from aiml_music.batch.tokens import fresh

Make = Callable[[JobRecord, AttemptJournal], Awaitable[Track]]
"""Makes the track of a job in one paid call that the journal licenses."""

Keep = Callable[[JobRecord], Awaitable[None]]
"""Does what is left to do for a track that is there, and raises nothing of its own."""

_PAGE = 50
_LONGEST_SLEEP = 1.0


@frozen(kw_only=True)
class Workplace:
    """What a run works with.

    Attributes:
        width: how many jobs may be under way at once; the client's own queue may let fewer through.
    """

    ledger: LedgerThread
    directory: Path
    make: Make
    keep: Keep
    clock: Clock
    budget: Budget
    width: int


@define(eq=False)
class Run:
    """A run under way.

    Args:
        places: the index of each job in the list, by its key; None is every job of the ledger, by its position.
        told: where outcomes go.

    Attributes:
        halt: why nothing more is sent; None while there is no reason.
        under_way: the jobs whose call has its turn, by their keys.
    """

    _workplace: Workplace
    _places: Mapping[str, int] | None
    _told: Told
    _brake: Brake = field(factory=Brake, init=False)
    _stopped: bool = field(default=False, init=False)
    _rest_until: float = field(default=-math.inf, init=False)
    halt: MusicError | None = field(default=None, init=False)
    under_way: dict[str, JobRecord] = field(factory=dict, init=False)

    def stop(self) -> None:
        """Begin no other call; those under way come to their end."""
        self._stopped = True

    async def all(self) -> None:
        """Do every job of the list that is to be done, and tell of each."""
        slots = anyio.Semaphore(self._workplace.width)
        pages = await self._workplace.ledger.do(_pages)
        async with anyio.create_task_group() as group:
            while page := await self._workplace.ledger.do(lambda _: next(pages, [])):
                for record in page:
                    if self._places is None or record.key in self._places:
                        await self._next(record, slots, group)

    async def _next(self, record: JobRecord, slots: anyio.Semaphore, group: anyio.abc.TaskGroup) -> None:
        if record.state is not JobState.PLANNED:
            self._tell(record, record.state)
            return
        await slots.acquire()
        await self._rested()
        if self._stopped:
            slots.release()
            return
        group.start_soon(self._job, record, slots)

    async def _job(self, record: JobRecord, slots: anyio.Semaphore) -> None:
        try:
            await self._done(record)
        finally:
            slots.release()

    async def _done(self, record: JobRecord) -> None:
        """Make calls for a job until one of them ends it, and tell how it stands."""
        errors: list[MusicError] = []
        while True:
            try:
                track = await self._attempt(record)
            except StoppedError:
                return
            except MusicError as error:
                if self._halts(error):
                    return
                errors.append(error)
                if not await self._is_repeated(errors):
                    break
            else:
                self._noted(None)
                await self._workplace.keep(record)
                self._tell(record, JobState.DONE, track=track)
                return
        self._noted(errors[-1])
        state = await self._workplace.ledger.do(lambda ledger: ledger.job(record.key).state)
        self._tell(record, state, error=errors[-1])

    async def _is_repeated(self, errors: list[MusicError]) -> bool:
        clock = self._workplace.clock
        following = after_failure(errors, dice=clock.dice)
        if following.rest is not None:
            self._rest_until = max(self._rest_until, clock.monotonic() + following.rest)
        if following.repeat is None:
            return False
        await self._sleep_until(clock.monotonic() + following.repeat)
        await self._rested()
        return not self._stopped

    async def _attempt(self, record: JobRecord) -> Track:
        journal = AttemptJournal(
            self._workplace.ledger,
            self._workplace.clock,
            key=record.key,
            attempt=fresh(),
            client_request_id=str(uuid.uuid4()),
            cost=record.cost,
            budget=self._workplace.budget,
            on_turn=partial(self._begin, record),
        )
        try:
            return await self._workplace.make(record, journal)
        except MusicError as error:
            if not isinstance(error, LedgerError):
                await self._judge(journal, error)
            raise
        except BaseException:
            await self._judge(journal, None)
            raise
        finally:
            self.under_way.pop(record.key, None)

    def _begin(self, record: JobRecord) -> None:
        """Let a call that has its turn be made, unless the batch was stopped while it waited."""
        if self._stopped:
            raise StoppedError("The batch was stopped before this call was made.")
        self.under_way[record.key] = record

    async def _judge(self, journal: AttemptJournal, error: MusicError | None) -> None:
        """Put into the ledger what an attempt came to, as far as this process can know.

        Args:
            journal: of the attempt.
            error: how it ended; None is a cancellation.
        """
        try:
            # Whoever stops a batch loses no verdict by it.
            with anyio.CancelScope(shield=True):
                for mark in closing(journal.latest, error, is_ready=await self._is_ready(journal)):
                    await journal.mark(mark, **_evidence(error))
        except LedgerError as trouble:
            # How the call ended is told all the same: where one disk fails both, its track is in its error alone.
            self._halt(trouble)

    async def _is_ready(self, journal: AttemptJournal) -> bool:
        """Say whether the track of an attempt is whole on the disk; then it is collected when the batch is resumed."""
        directory = self._workplace.directory
        return await anyio.to_thread.run_sync(lambda: any(directory.glob(f".*.{journal.attempt}.ready")))

    def _halts(self, error: MusicError) -> bool:
        """Stop for good where no other job could be done either."""
        if not isinstance(error, BudgetExceededError | LedgerError):
            return False
        self._halt(error)
        return True

    def _halt(self, error: MusicError) -> None:
        self.halt = self.halt or error
        self.stop()

    def _noted(self, error: MusicError | None) -> None:
        self._brake = self._brake.after(error)
        if self._brake.pause is not None:
            self._halt(_braked(self._brake.pause, error))

    async def _rested(self) -> None:
        while not self._stopped and self._rest_until > self._workplace.clock.monotonic():
            await self._sleep_until(self._rest_until)

    async def _sleep_until(self, moment: float) -> None:
        """Sleep a second at a time: a stop may come from any thread, and is not to wait for a service that is busy."""
        clock = self._workplace.clock
        while not self._stopped and (left := moment - clock.monotonic()) > 0:
            await clock.sleep(min(left, _LONGEST_SLEEP))

    def _tell(
        self, record: JobRecord, state: JobState, *, track: Track | None = None, error: MusicError | None = None
    ) -> None:
        index = record.position - 1 if self._places is None else self._places[record.key]
        self._told.tell(
            JobOutcome(
                index=index,
                label=record.label,
                state=state,
                path=self._workplace.directory / record.file_name,
                track=track,
                error=error,
            )
        )


def _pages(ledger: Ledger) -> Iterator[list[JobRecord]]:
    jobs = ledger.jobs()
    while page := list(islice(jobs, _PAGE)):
        yield page


def _evidence(error: MusicError | None) -> dict[str, Any]:
    if error is None:
        return {"problem": "the call was cancelled"}
    salvage = error.salvage.name if isinstance(error.salvage, Path) else None
    return {
        "problem": error.message,
        "error": type(error).__name__,
        "outcome": str(error.outcome),
        "money": str(error.money),
        "inference_id": error.inference_id,
        "salvage": salvage,
    }


def _braked(pause: Pause, error: MusicError | None) -> SpendBrakeError:
    return SpendBrakeError(
        f"The batch stopped by itself: {pause}.", hint=None if error is None else f"The last of them: {error.message}"
    )
