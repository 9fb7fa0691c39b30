"""One run of a batch: its jobs sent a few at a time, each verdict in the ledger before the next thing is done.

What an earlier run paid for and the service has under an id is collected first: it costs nothing, whatever the budget.
Decides nothing: what a failure means, whether it is repeated and when to stop is in `_sansio.batch`.
"""

import math
import os
import uuid
from collections.abc import Awaitable, Callable, Collection, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import anyio
from attrs import define, field, frozen

from aiml_music._io.publishing import hidden
from aiml_music._sansio.batch.brake import Brake, Pause
from aiml_music._sansio.batch.budget import Budget
from aiml_music._sansio.batch.records import JobRecord
from aiml_music._sansio.batch.repeats import after_failure, closing, stated_charge
from aiml_music._sansio.batch.states import JobState, Mark
from aiml_music._sansio.errors import BudgetExceededError, LedgerError, MusicError, SpendBrakeError
from aiml_music._sansio.models import Track
from aiml_music._sansio.ports import Clock
from aiml_music.batch.attempt_journal import AttemptJournal, CollectingJournal, StoppedError
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.ledger_thread import LedgerThread
from aiml_music.batch.listing import Listed
from aiml_music.batch.outcomes import JobOutcome, Told
from aiml_music.batch.stories import is_missing
from aiml_music.batch.tokens import fresh

Make = Callable[[JobRecord, AttemptJournal], Awaitable[Track]]
"""Makes the track of a job in one paid call that the journal licenses."""

Collect = Callable[[JobRecord, CollectingJournal], Awaitable[Track]]
"""Collects the track of a job that was paid for."""

Keep = Callable[[JobRecord], Awaitable[None]]
"""Does what is left to do for a track that is there, and raises nothing of its own."""

Pages = Iterator[list[JobRecord]]

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
    collect: Collect
    keep: Keep
    clock: Clock
    budget: Budget
    width: int


@define(eq=False)
class Run:
    """A run under way.

    Args:
        listed: where the jobs of the list stand in it; None is every job of the ledger, by its position.
        told: where outcomes go.

    Attributes:
        halt: why nothing more is paid for; None while there is no reason.
        under_way: the jobs whose call has its turn, by their keys.
    """

    _workplace: Workplace
    _listed: Listed | None
    _told: Told
    _brake: Brake = field(factory=Brake, init=False)
    _stopped: bool = field(default=False, init=False)
    _rest_until: float = field(default=-math.inf, init=False)
    _collected: set[int] = field(factory=set, init=False)
    halt: MusicError | None = field(default=None, init=False)
    under_way: dict[str, JobRecord] = field(factory=dict, init=False)

    def stop(self) -> None:
        """Begin no other call; those under way come to their end."""
        self._stopped = True

    async def all(self) -> None:
        """Do every job of the list that is to be done, and tell of each."""
        slots = anyio.Semaphore(self._workplace.width)
        async with anyio.create_task_group() as group:
            try:
                await self._begin_each(_accepted, slots, group)
                await self._begin_each(_pages, slots, group)
            except LedgerError as trouble:
                # Those under way come to their end all the same: they are paid for.
                self._halt(trouble)

    async def _begin_each(
        self, pages_of: Callable[[Ledger], Pages], slots: anyio.Semaphore, group: anyio.abc.TaskGroup
    ) -> None:
        pages = await self._workplace.ledger.do(pages_of)
        while page := await self._workplace.ledger.do(lambda _: next(pages, [])):
            missing = await anyio.to_thread.run_sync(_missing, page, self._workplace.directory)
            for record in page:
                if self._place(record) and record.position not in self._collected:
                    await self._next(record, missing, slots, group)

    def _place(self, record: JobRecord) -> int:
        """Return where a job stands in the list, from 1; 0 where it is not in it."""
        return record.position if self._listed is None else self._listed.at(record.position)

    async def _next(
        self, record: JobRecord, missing: Collection[str], slots: anyio.Semaphore, group: anyio.abc.TaskGroup
    ) -> None:
        if record.state is JobState.ACCEPTED:
            self._collected.add(record.position)
        elif record.state is not JobState.PLANNED:
            self._tell(record, record.state, is_missing=record.key in missing)
            return
        collects = record.state is JobState.ACCEPTED
        await slots.acquire()
        await self._rested(collects=collects)
        if self._is_over(collects=collects):
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
        attempt = self._collect if record.state is JobState.ACCEPTED else self._attempt
        while True:
            try:
                track = await attempt(record)
            except StoppedError:
                return
            except MusicError as error:
                if self._halts(error):
                    if error.salvage is not None:
                        # Of several such errors one is raised, and each may be all that holds a track.
                        self._tell(record, await self._state(record), error=error)
                    return
                errors.append(error)
                if not await self._is_repeated(errors):
                    break
                # What was accepted is not: it is planned again, at the service's word that it failed and cost nothing.
                attempt = self._attempt
            else:
                self._noted(None)
                await self._workplace.keep(record)
                self._tell(record, JobState.DONE, track=track)
                return
        self._noted(errors[-1])
        self._tell(record, await self._state(record), error=errors[-1])

    async def _state(self, record: JobRecord) -> JobState:
        """Return where a job stands after a failure; in doubt where nobody can say: its error may hold its track."""
        try:
            return await self._workplace.ledger.do(lambda ledger: ledger.job(record.key).state)
        except LedgerError as trouble:
            self._halt(trouble)
            return JobState.IN_DOUBT

    async def _is_repeated(self, errors: list[MusicError]) -> bool:
        clock = self._workplace.clock
        following = after_failure(errors, dice=clock.dice)
        if following.rest is not None:
            self._rest_until = max(self._rest_until, clock.monotonic() + following.rest)
        if following.repeat is None:
            return False
        await self._sleep_until(clock.monotonic() + following.repeat, collects=False)
        await self._rested(collects=False)
        return not self._is_over(collects=False)

    async def _attempt(self, record: JobRecord) -> Track:
        known = self._known(record, attempt=fresh(), client_request_id=str(uuid.uuid4()), collects=False)
        journal = AttemptJournal(self._workplace.ledger, self._workplace.clock, **known)
        return await self._judged(record, journal, self._workplace.make(record, journal))

    async def _collect(self, record: JobRecord) -> Track:
        """Go on with the attempt that an earlier run paid for."""
        found = await self._workplace.ledger.do(partial(_acceptance, record))
        known = self._known(record, attempt=found.attempt, client_request_id=found.client_request_id, collects=True)
        journal = CollectingJournal(
            self._workplace.ledger, self._workplace.clock, generation_id=found.generation_id, **known
        )
        return await self._judged(record, journal, self._workplace.collect(record, journal))

    def _known(self, record: JobRecord, *, attempt: str, client_request_id: str, collects: bool) -> dict[str, Any]:
        return {
            "key": record.key,
            "model": record.job.model,
            "attempt": attempt,
            "client_request_id": client_request_id,
            "cost": record.cost,
            "budget": self._workplace.budget,
            "on_turn": partial(self._begin, record, collects=collects),
        }

    async def _judged(self, record: JobRecord, journal: AttemptJournal, track: Awaitable[Track]) -> Track:
        """Wait for a track, and let no end of its call go without a verdict."""
        try:
            return await track
        except MusicError as error:
            if not isinstance(error, LedgerError):
                await self._judge(record, journal, error)
            raise
        except BaseException:
            await self._judge(record, journal, None)
            raise
        finally:
            self.under_way.pop(record.key, None)

    def _is_over(self, *, collects: bool) -> bool:
        """Say whether nothing of a kind is begun any more: what only collects costs nothing, and no budget ends it."""
        return self._stopped or (self.halt is not None and not collects)

    def _begin(self, record: JobRecord, *, collects: bool) -> None:
        """Let a call that has its turn be made, unless the batch was stopped while it waited."""
        if self._is_over(collects=collects):
            raise StoppedError("The batch was stopped before this call was made.")
        self.under_way[record.key] = record

    async def _judge(self, record: JobRecord, journal: AttemptJournal, error: MusicError | None) -> None:
        """Put into the ledger what an attempt came to, as far as this process can know.

        Args:
            record: the job.
            journal: of the attempt.
            error: how it ended; None is a cancellation.
        """
        ready = hidden(self._workplace.directory / record.file_name, journal.attempt, "ready")
        charged = stated_charge(journal.latest, error)
        try:
            # Whoever stops a batch loses no verdict by it.
            with anyio.CancelScope(shield=True):
                # Then it is collected when the batch is resumed. Asked so that no disk makes it raise.
                is_ready = await anyio.to_thread.run_sync(os.path.isfile, ready)
                for mark in closing(journal.latest, error, is_ready=is_ready):
                    await journal.mark(mark, charged=charged, **_evidence(error))
        except LedgerError as trouble:
            # How the call ended is told all the same: where one disk fails both, its track is in its error alone.
            self._halt(trouble)

    def _halts(self, error: MusicError) -> bool:
        """Stop for good where no other job could be done either."""
        if not isinstance(error, BudgetExceededError | LedgerError):
            return False
        self._halt(error)
        return True

    def _halt(self, error: MusicError) -> None:
        if self.halt is None:
            self.halt = error
        elif isinstance(error, LedgerError) and str(error) != str(self.halt):
            # Only one of them is raised, and each may name a track of its own.
            self.halt.add_note(f"And at the same time: {error}")
        if not isinstance(error, BudgetExceededError):
            self.stop()

    def _noted(self, error: MusicError | None) -> None:
        self._brake = self._brake.after(error)
        if self._brake.pause is not None:
            self._halt(_braked(self._brake.pause, error))

    async def _rested(self, *, collects: bool) -> None:
        while not self._is_over(collects=collects) and self._rest_until > self._workplace.clock.monotonic():
            await self._sleep_until(self._rest_until, collects=collects)

    async def _sleep_until(self, moment: float, *, collects: bool) -> None:
        """Sleep a second at a time: a stop may come from any thread, and is not to wait for a service that is busy."""
        clock = self._workplace.clock
        while not self._is_over(collects=collects) and (left := moment - clock.monotonic()) > 0:
            await clock.sleep(min(left, _LONGEST_SLEEP))

    def _tell(
        self,
        record: JobRecord,
        state: JobState,
        *,
        track: Track | None = None,
        error: MusicError | None = None,
        is_missing: bool = False,
    ) -> None:
        self._told.tell(
            JobOutcome(
                index=self._place(record) - 1,
                label=record.label,
                state=state,
                path=self._workplace.directory / record.file_name,
                track=track,
                error=error,
                is_missing=is_missing,
            )
        )


def _pages(ledger: Ledger, states: Collection[JobState] = ()) -> Pages:
    jobs = ledger.jobs(states)
    while page := list(islice(jobs, _PAGE)):
        yield page


def _accepted(ledger: Ledger) -> Pages:
    return _pages(ledger, [JobState.ACCEPTED])


@frozen
class _Acceptance:
    """The attempt that a job was accepted in, and the id under which it was."""

    attempt: str
    client_request_id: str
    generation_id: str


def _acceptance(record: JobRecord, ledger: Ledger) -> _Acceptance:
    latest = ledger.attempts(record.key)[-1]
    mark = next(mark for mark in reversed(ledger.marks(record.key)) if mark.mark is Mark.ACCEPTED)
    return _Acceptance(latest.attempt, latest.client_request_id, str(mark.facts["generation_id"]))


def _missing(page: list[JobRecord], directory: Path) -> set[str]:
    return {record.key for record in page if is_missing(record, directory)}


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
