"""Ask after a generation until it is done: free questions, each over a connection of its own, at the model's pace.

When to ask again, and when to stop, is decided in `_sansio.polling`.
"""

import uuid
from collections.abc import Callable
from contextlib import suppress

from attrs import evolve

from aiml_music._calls.attempt import Attempting, EndedBadlyError, Plan
from aiml_music._io.bodies import BytesBody
from aiml_music._sansio import acceptance, verdict, wire
from aiml_music._sansio.hexjson import JsonLimits
from aiml_music._sansio.outcome import Operation
from aiml_music._sansio.polling import POLL_SECONDS, Course, Next, Turnstile, Watch
from aiml_music._sansio.ports import Clock, Transport
from aiml_music._sansio.queued import Polled, State, read_polled
from aiml_music._sansio.verdict import Evidence, Problem

# More than any answer to a question says.
_LIMITS = JsonLimits(max_bytes=1 << 20)


class Asking:
    """The questions after one generation.

    Args:
        plan: of the call that it is for, whose key and limits the questions share.
        course: where it is asked after, and how often.
        generation_id: which one.
        deadline: when the call must have ended.
        evidence: tells what is known of the call.
        heard: told of every answer, and of what came instead.
        turnstile: lets the questions of all calls of a client through one by one.
    """

    def __init__(
        self,
        plan: Plan,
        course: Course,
        generation_id: str,
        *,
        deadline: float,
        evidence: Callable[[], Evidence],
        heard: Callable[[Polled | Problem], object],
        turnstile: Turnstile,
        transport: Transport,
        clock: Clock,
    ) -> None:
        self._plan = plan
        self._course = course
        self._generation_id = generation_id
        self._deadline = deadline
        self._evidence = evidence
        self._heard = heard
        self._turnstile = turnstile
        self._transport = transport
        self._clock = clock
        self._watch = Watch()

    async def until_done(self, *, at_once: bool) -> tuple[Polled, str]:
        """Return the answer that says it is done, and where its track is.

        Args:
            at_once: ask for the first time now, and not when the model's pace has it.

        Raises:
            EndedBadlyError: it failed, is not done in time, or the service refuses to say.
        """
        while True:
            await self._wait(at_once=at_once)
            at_once = False
            with suppress(_NoAnswerError):
                polled = await self._answer()
                self._heard(polled)
                if (url := self.where(polled)) is not None:
                    return polled, url

    def where(self, polled: Polled) -> str | None:
        """Return where the track is, by an answer; None where it has to be asked after again.

        Raises:
            EndedBadlyError: it will never be anywhere.
        """
        step = self._watch.answered(polled)
        if step is not Next.TELL:
            return polled.url if step is Next.FETCH else None
        if polled.state is State.FAILED:
            raise EndedBadlyError(acceptance.of_failed(self._evidence(), polled))
        missing = "it calls the track done and says nowhere where it is"
        raise EndedBadlyError(verdict.of_broken_answer(self._evidence(), missing, trace_id=polled.trace_id))

    async def _wait(self, *, at_once: bool) -> None:
        """Wait until it is time for the next question.

        Raises:
            EndedBadlyError: that time does not come.
        """
        pace = self._course.pace
        pause = 0.0 if at_once else self._watch.pause(pace, remaining=self._left, dice=self._clock.dice)
        if pause is not None:
            await self._clock.sleep(pause)
            # Taken only now: a turn is for who asks next, and not for who decided first.
            pause = self._turnstile.wait(self._clock.monotonic())
            if pause < self._left:
                await self._clock.sleep(pause)
                return
        total = self._plan.timeouts.total
        limit = "it is not done" if total is None else f"it is not done within {total:g} s"
        raise EndedBadlyError(acceptance.of_not_ready(self._evidence(), f"{limit}, and {self._watch.seen}"))

    async def _answer(self) -> Polled:
        asking = Attempting(
            self._question(),
            transport=self._transport,
            clock=self._clock,
            deadline=min(self._deadline, self._clock.monotonic() + POLL_SECONDS),
        )
        try:
            await asking.begin()
            # No answer to a question holds audio; if one ever does, it is read past.
            await asking.read_on(lambda _audio: None)
            return read_polled({} if asking.reply is None else asking.reply.raw)
        except EndedBadlyError as ended:
            problem = ended.problem
        finally:
            await asking.aclose()
        self._troubled(problem)
        raise _NoAnswerError

    def _troubled(self, problem: Problem) -> None:
        self._heard(problem)
        if problem.crowded:
            self._turnstile.hold(self._clock.monotonic(), problem.failure.retry_after)
        if self._watch.troubled(problem) is Next.TELL:
            raise EndedBadlyError(acceptance.of_asking(self._evidence(), problem))

    def _question(self) -> Plan:
        request_id = str(uuid.uuid4())
        request = wire.read_head(
            self._course.poll_url,
            [("generation_id", self._generation_id)],
            client_request_id=request_id,
            default_headers=self._course.default_headers,
        )
        return evolve(
            self._plan,
            operation=Operation.POLL,
            request=request,
            body=BytesBody(b""),
            client_request_id=request_id,
            timeouts=evolve(self._plan.timeouts, total=POLL_SECONDS),
            limits=_LIMITS,
            course=None,
            let_go=None,
        )

    @property
    def _left(self) -> float:
        return self._deadline - self._clock.monotonic()


class _NoAnswerError(Exception):
    """A question got no usable answer, and is asked again; never seen outside."""
