"""One call: its place in the queue, its attempts, its limit of time, and what it says when it ends.

No limit of time and no task group is held between two steps: the blocking facade drives every step from another task.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

import anyio

from aiml_music._calls.attempt import Attempting, EndedBadlyError, Plan
from aiml_music._sansio.errors import (
    Circumstances,
    InputError,
    MusicError,
    NotSentTimeout,
    StorageError,
    what_happened,
)
from aiml_music._sansio.models import Receipt
from aiml_music._sansio.outcome import Answer, Attempt, Money, Operation, Outcome, Phase, money_of
from aiml_music._sansio.ports import Clock, Transport
from aiml_music._sansio.verdict import Evidence, Problem
from aiml_music._sansio.wire import Reply, Tracing

E = TypeVar("E", bound=MusicError)


class Call:
    """A running call: take a place (`async with`), `open` it, `read` it to its end, take its `reply` and `receipt`."""

    def __init__(self, plan: Plan, *, transport: Transport, limiter: anyio.CapacityLimiter, clock: Clock) -> None:
        self.plan = plan
        self._transport = transport
        self._limiter = limiter
        self._clock = clock
        self._has_place = False
        self._began = clock.monotonic()
        self._attempting: Attempting | None = None
        self._attempts: list[Attempt] = []
        self._settled: Problem | None = None

    async def __aenter__(self) -> Self:
        with self._noting_cancellation():
            await self._take_place()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def open(self) -> None:
        """Send the request, and return once audio begins or a whole answer is in.

        Raises:
            MusicError: it ended otherwise, and repeating it was not allowed or did not help.
        """
        with self._noting_cancellation():
            total = self.plan.timeouts.total
            deadline = math.inf if total is None else self._clock.monotonic() + total
            number, waited = 0, 0.0
            while True:
                number += 1
                problem = await self._attempt(number, waited, deadline)
                if problem is None:
                    return
                wait = self.plan.retry.decide(
                    problem.failure,
                    attempt=number,
                    remaining=deadline - self._clock.monotonic(),
                    min_useful=self.plan.min_useful,
                    dice=self._clock.dice,
                )
                if wait is None:
                    raise self.error(problem)
                self._settled = problem
                await self._clock.sleep(wait)
                self._settled = None
                waited = wait

    async def read(self) -> bytes:
        """Return the next audio; empty at the end.

        Raises:
            MusicError: the answer ended otherwise than it began to.
        """
        with self._noting_cancellation():
            try:
                return await self._current.read()
            except EndedBadlyError as ended:
                problem = ended.problem
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
        unproven = self.plan.operation is Operation.UPLOAD
        return Receipt(
            operation=self.plan.operation,
            outcome=Outcome.COMPLETED,
            money=money_of(Outcome.COMPLETED, credits_used=tracing.credits_used, unproven=unproven),
            client_request_id=self.plan.client_request_id,
            inference_id=tracing.inference_id,
            trace_id=self.reply.trace_id,
            credits_used=tracing.credits_used,
            usd_spent=tracing.usd_spent,
            attempts=tuple(self._attempts),
            elapsed=self._clock.monotonic() - self._began,
        )

    async def aclose(self) -> None:
        """Let go of the connection and of the place in the queue."""
        try:
            if self._attempting is not None:
                await self._attempting.aclose()
        finally:
            if self._has_place:
                self._has_place = False
                self._limiter.release_on_behalf_of(self)

    def error(self, problem: Problem) -> MusicError:
        """Return the error a problem becomes, with everything known about this call."""
        circumstances: Circumstances = {
            "outcome": problem.outcome,
            "money": problem.money,
            "phase": problem.phase,
            "hint": problem.hint,
        }
        return self.sign(problem.error(problem.message, **problem.details, **circumstances), problem.trace_id)

    @property
    def evidence(self) -> Evidence:
        """What is known of the latest attempt."""
        return self._current.evidence

    def stamp(self, error: StorageError, outcome: Outcome, phase: Phase) -> StorageError:
        """Return an error of the disk with what this call knows written on it."""
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
        error.trace_id = trace_id
        return error

    @property
    def _current(self) -> Attempting:
        if self._attempting is None:
            raise RuntimeError("the call has not been opened")
        return self._attempting

    async def _take_place(self) -> None:
        limit = self.plan.timeouts.queue
        with anyio.move_on_after(limit):
            await self._limiter.acquire_on_behalf_of(self)
            self._has_place = True
            return
        message = f"No place among {self._limiter.total_tokens:g} concurrent calls within {limit:g} s."
        raise self.error(
            Problem(
                error=NotSentTimeout,
                message=message,
                outcome=Outcome.NOT_SENT,
                money=Money.NO,
                phase=Phase.QUEUE,
                hint="Raise max_concurrency or Timeouts.queue.",
            )
        )

    async def _attempt(self, number: int, waited: float, deadline: float) -> Problem | None:
        began = self._clock.monotonic()
        current = self._attempting = Attempting(
            self.plan, transport=self._transport, clock=self._clock, deadline=deadline
        )
        problem: Problem | None = None
        try:
            await current.begin()
        except EndedBadlyError as ended:
            problem = ended.problem
            await current.aclose()
        except InputError as error:
            # A reference that changed while it was sent is found out by the body, which knows nothing of the call.
            self.sign(error)
            raise
        self._attempts.append(
            Attempt(
                number=number,
                outcome=Outcome.COMPLETED if problem is None else problem.outcome,
                phase=current.evidence.marks.phase,
                elapsed=self._clock.monotonic() - began,
                waited=waited,
                status=current.status,
                problem="" if problem is None else problem.message,
            )
        )
        return problem

    @contextmanager
    def _noting_cancellation(self) -> Iterator[None]:
        """Let a cancellation pass as it is, with a note that says what happened to the request and the money."""
        try:
            yield
        except anyio.get_cancelled_exc_class() as cancelled:
            cancelled.add_note(self._parting_words())
            raise

    def _parting_words(self) -> str:
        name = f"aiml_music: {self.plan.operation} {self.plan.client_request_id} was cancelled"
        if self._attempting is None:
            return f"{name} in the queue. {what_happened(Outcome.NOT_SENT, Money.NO)}"
        if self._settled is not None:
            return f"{name} before it was tried again. {what_happened(self._settled.outcome, self._settled.money)}"
        evidence = self._attempting.evidence
        answer = Answer.UNUSABLE if evidence.audio_bytes else Answer.NONE
        return f"{name} in phase {evidence.marks.phase!s}. {what_happened(*evidence.judge(answer))}"
