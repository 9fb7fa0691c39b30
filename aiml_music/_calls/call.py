"""One call: its place in the queue, its attempts, its limit of time, and the errors it ends with.

No limit of time and no task group is held between two steps: the blocking facade drives every step from another task.
"""

import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
from attrs import evolve

from aiml_music._calls.attempt import Attempting, EndedBadlyError, Plan
from aiml_music._calls.queue import Queue
from aiml_music._calls.reports import Reports
from aiml_music._sansio import verdict
from aiml_music._sansio.errors import (
    Circumstances,
    MusicError,
)
from aiml_music._sansio.events import Event, EventKind
from aiml_music._sansio.journal import Journal
from aiml_music._sansio.models import Receipt
from aiml_music._sansio.outcome import Answer, Attempt, Marks, Outcome, Phase, money_of
from aiml_music._sansio.ports import Clock, Transport
from aiml_music._sansio.retry import Decision, Failure, RetryQuota, Stop, min_useful
from aiml_music._sansio.standing import Standing
from aiml_music._sansio.verdict import Evidence, Problem
from aiml_music._sansio.wire import Reply, Tracing

E = TypeVar("E", bound=MusicError)
T = TypeVar("T")


class Call:
    """A running call: take a place (`async with`), `open` it, `read` it to its end, take its `reply` and `receipt`."""

    journal: Journal | None = None
    """Told of every step before it is taken; such a call is made once."""

    def __init__(
        self, plan: Plan, *, transport: Transport, queue: Queue, quota: RetryQuota, reports: Reports, clock: Clock
    ) -> None:
        self.plan = plan
        self.last_words: str | None = None
        """What to say of a track that was kept, should the call be cancelled."""
        self._transport = transport
        self._queue = queue
        self._quota = quota
        self._reports = reports
        self._clock = clock
        self._has_place = False
        self._ended = False
        self._number = 0
        self._taken = 0
        self._waited = self._attempt_began = 0.0
        self._began = clock.monotonic()
        self._attempting: Attempting | None = None
        self._attempts: list[Attempt] = []
        self._settled: Problem | None = None
        self._error: MusicError | None = None

    async def __aenter__(self) -> Self:
        try:
            with self._noting_cancellation():
                await self._take_place()
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, anyio.get_cancelled_exc_class()):
            self.note(error)
        await self.aclose()

    async def open(self) -> None:
        """Send the request, and return once audio begins or a whole answer is in.

        Raises:
            MusicError: it ended otherwise, and repeating it was not allowed or did not help.
        """
        with self._noting_cancellation():
            total = self.plan.timeouts.total
            deadline = math.inf if total is None else self._clock.monotonic() + total
            failures: list[Failure] = []
            decision = Decision()
            while (problem := await self._attempt(len(failures) + 1, decision.wait, deadline)) is not None:
                failures.append(problem.failure)
                decision = self._decide(failures, deadline)
                if decision.stop is not None:
                    raise self._given_up_for(problem, decision.stop)
                self._quota.take(decision.cost)
                self._tell(EventKind.REPEAT, wait=decision.wait, problem=problem.message)
                self._settled = problem
                await self._clock.sleep(decision.wait)
                self._settled = None
            self._taken = decision.cost
            self._tell(EventKind.ANSWERED, status=self.evidence.status)

    def _given_up_for(self, problem: Problem, stop: Stop) -> MusicError:
        error = self.error(problem)
        error.retry_quota_exhausted = stop is Stop.QUOTA
        return error

    def _decide(self, failures: Sequence[Failure], deadline: float) -> Decision:
        if self.journal is not None:
            # Its marks are of one attempt; whoever keeps it decides about others.
            return Decision(stop=Stop.ENOUGH)
        operation = self.plan.operation
        return self.plan.retry.decide(
            operation,
            failures,
            remaining=deadline - self._clock.monotonic(),
            useful=min_useful(operation, self.plan.timeouts.total),
            quota=self._quota.left,
            dice=self._clock.dice,
        )

    async def read(self) -> bytes:
        """Return the next audio; empty at the end.

        Raises:
            MusicError: the answer ended otherwise than it began to.
        """
        return await self._reading(self._current.read())

    async def read_on(self, take: Callable[[bytes], None]) -> None:
        """Hand all audio that is still to come to `take`, in order.

        Raises:
            MusicError: as `read`.
        """
        await self._reading(self._current.read_on(take))

    async def _reading(self, step: Awaitable[T]) -> T:
        # Once for every piece of a stream, and a context manager would cost as much as the reading.
        try:
            return await step
        except EndedBadlyError as ended:
            problem = ended.problem
        except anyio.get_cancelled_exc_class() as cancelled:
            self.note(cancelled)
            raise
        raise self.error(problem)

    @property
    def is_answered(self) -> bool:
        """Whether the answer was read to its end, and is what was asked for."""
        return self._attempting is not None and self._attempting.reply is not None

    @property
    def reply(self) -> Reply:
        """The answer without its audio, once it was read to its end."""
        reply = self._current.reply
        if reply is None:
            raise RuntimeError("the answer has not been read to its end")
        return reply

    @property
    def receipt(self) -> Receipt:
        """What the call did and cost, once its answer was read to its end."""
        tracing = self._current.tracing
        return Receipt(
            operation=self.plan.operation,
            outcome=Outcome.COMPLETED,
            money=self.evidence.judge(Answer.VERIFIED)[1],
            client_request_id=self.plan.client_request_id,
            inference_id=tracing.inference_id,
            trace_id=self.reply.trace_id,
            credits_used=tracing.credits_used,
            usd_spent=tracing.usd_spent,
            attempts=tuple(self._attempts),
            elapsed=self._clock.monotonic() - self._began,
        )

    def header(self, name: str) -> str | None:
        """Return a header of the answer, by its name in lower case; None where it has none."""
        head = self._current.head
        return None if head is None else head.header(name)

    async def aclose(self) -> None:
        """Let go of the connection and of the place in the queue."""
        try:
            if self._attempting is not None:
                with self._noting_cancellation():
                    await self._attempting.aclose()
        finally:
            if self._has_place:
                self._has_place = False
                self._queue.leave(self)
            self._end()

    def give_up(self, what: str) -> MusicError:
        """Return the error of a call that this side gave up, whatever it had come to.

        Args:
            what: why, a clause without a full stop.
        """
        if self._error is not None:
            return self._error
        if self._settled is not None:
            return self.error(self._settled)
        problem = verdict.of_giving_up(self.evidence, what)
        if len(self._attempts) < self._number:
            self._record(problem)
        return self.error(problem)

    def error(self, problem: Problem) -> MusicError:
        """Return the error a problem becomes, with everything known about this call."""
        if self._attempts and len(self._attempts) == self._number:
            # An attempt is recorded when its answer begins; what ends the call may come behind that.
            last = self._attempts[-1]
            self._attempts[-1] = evolve(last, outcome=problem.outcome, problem=problem.message)
        circumstances: Circumstances = {
            "outcome": problem.outcome,
            "money": problem.money,
            "phase": problem.phase,
            "hint": problem.hint,
        }
        error = problem.error(problem.message, **problem.details, **circumstances)
        if self.journal_trouble is not None:
            error.add_note(f"aiml_music: the journal of this call failed as well: {self.journal_trouble.message}")
        return self.sign(error, problem.trace_id)

    @property
    def evidence(self) -> Evidence:
        """What is known of the latest attempt; before the first one, that nothing was sent."""
        if self._attempting is not None:
            return self._attempting.evidence
        plan = self.plan
        return Evidence(
            operation=plan.operation, host=plan.host, client_request_id=plan.client_request_id, marks=Marks()
        )

    @property
    def journal_trouble(self) -> MusicError | None:
        """What the journal raised when the answer began."""
        return None if self._attempting is None else self._attempting.journal_trouble

    def stamp(self, error: E, outcome: Outcome, phase: Phase) -> E:
        """Return an error of the disk, or of the journal, with what this call knows written on it."""
        used = self._current.tracing.credits_used
        error.outcome, error.money, error.phase = outcome, money_of(outcome, credits_used=used), phase
        reply = self._current.reply
        return self.sign(error, None if reply is None else reply.trace_id)

    def sign(self, error: E, trace_id: str | None = None) -> E:
        """Return an error with everything written on it that tells which call it ended."""
        tracing = Tracing() if self._attempting is None else self._attempting.tracing
        error.operation = self.plan.operation
        error.attempts = tuple(self._attempts)
        error.elapsed = self._clock.monotonic() - self._began
        error.client_request_id = self.plan.client_request_id
        error.inference_id = tracing.inference_id
        error.credits_used = tracing.credits_used
        error.usd_spent = tracing.usd_spent
        error.trace_id = trace_id
        self._error = error
        return error

    @property
    def _current(self) -> Attempting:
        if self._attempting is None:
            raise RuntimeError("the call has not been opened")
        return self._attempting

    async def _take_place(self) -> None:
        limit = self.plan.timeouts.queue
        self._tell(EventKind.QUEUED)
        with anyio.move_on_after(limit):
            await self._queue.join(self)
            self._has_place = True
            self._tell(EventKind.STARTED)
            return
        raise self.error(verdict.of_no_place(self._queue.places, limit or 0.0))

    @property
    def _arrived(self) -> int:
        """How many attempts may have reached the service so far."""
        return sum(attempt.outcome is not Outcome.NOT_SENT for attempt in self._attempts)

    async def _attempt(self, number: int, waited: float, deadline: float) -> Problem | None:
        self._number, self._waited, self._attempt_began = number, waited, self._clock.monotonic()
        current = self._attempting = Attempting(
            self.plan,
            transport=self._transport,
            clock=self._clock,
            deadline=deadline,
            sent=1 + self._arrived,
            journal=self.journal,
        )
        self._tell(EventKind.ATTEMPT)
        problem: Problem | None = None
        try:
            await current.begin()
        except EndedBadlyError as ended:
            problem = ended.problem
            await current.aclose()
        except MusicError as error:
            # A reference that changed while it was sent is found out by the body, and what a journal lacks by the
            # journal: neither knows anything of the call.
            error.outcome, error.money = current.evidence.judge(Answer.NONE)
            error.phase = current.evidence.marks.phase
            self.sign(error)
            raise
        self._record(problem)
        self._adapt(problem)
        return problem

    def _record(self, problem: Problem | None) -> None:
        self._attempts.append(
            Attempt(
                number=self._number,
                outcome=Outcome.COMPLETED if problem is None else problem.outcome,
                phase=self.evidence.marks.phase,
                elapsed=self._clock.monotonic() - self._attempt_began,
                waited=self._waited,
                status=self.evidence.status,
                problem="" if problem is None else problem.message,
            )
        )

    def _adapt(self, problem: Problem | None) -> None:
        """Let the queue learn from how an attempt went."""
        if problem is None:
            adapted = self._queue.succeeded()
        else:
            adapted = problem.crowded and self._queue.throttled(began=self._attempt_began)
        if adapted:
            self._tell(EventKind.LIMIT, limit=self._queue.places)

    @contextmanager
    def _noting_cancellation(self) -> Iterator[None]:
        """Let a cancellation pass as it is, with a note that says what happened to the request and the money."""
        try:
            yield
        except anyio.get_cancelled_exc_class() as cancelled:
            self.note(cancelled)
            raise

    def note(self, cancelled: BaseException) -> None:
        """Write on a cancellation what became of this call, unless that stands there already."""
        if not any(note.startswith("aiml_music: ") for note in getattr(cancelled, "__notes__", ())):
            cancelled.add_note(self._standing.parting_words if self.last_words is None else self.last_words)

    @property
    def _standing(self) -> Standing:
        known: MusicError | Problem | Receipt | None = self._error or self._settled
        if known is None and self.is_answered:
            known = self.receipt
        return Standing(
            evidence=self.evidence,
            settled=None if known is None else (known.outcome, known.money),
            is_begun=self._attempting is not None,
            is_answered=self.is_answered,
            is_between=self._settled is not None,
        )

    def _end(self) -> None:
        """Tell of the call's end, once."""
        if self._ended:
            return
        self._ended = True
        standing = self._standing
        outcome, money = standing.ending
        if outcome is Outcome.COMPLETED:
            self._quota.succeeded(self._taken)
        tracing = standing.evidence.tracing
        self._tell(
            EventKind.ENDED,
            outcome=outcome,
            money=money,
            credits_used=tracing.credits_used,
            usd_spent=tracing.usd_spent,
            error="" if self._error is None else type(self._error).__name__,
        )

    def _tell(self, kind: EventKind, **facts: Any) -> None:
        if not self._reports.wants(kind):
            return
        plan = self.plan
        self._reports.tell(
            Event(
                kind=kind,
                operation=plan.operation,
                client_request_id=plan.client_request_id,
                elapsed=self._clock.monotonic() - self._began,
                attempt=self._number,
                **facts,
            )
        )
