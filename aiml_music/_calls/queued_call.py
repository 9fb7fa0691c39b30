"""A call whose answer is an id: the track is asked after by that, free of charge, and fetched when it is done.

From the moment the id is known, nothing is lost any more: whatever ends the call then, the id is in its error, in the
note on a cancellation and in the journal, and the track can be collected by it.
"""

from collections.abc import Callable
from typing import Any

import anyio
from attrs import evolve

from aiml_music._calls.asking import Asking
from aiml_music._calls.attempt import EndedBadlyError, Plan
from aiml_music._calls.call import Call
from aiml_music._calls.fetching import FetchEndedError, Fetching
from aiml_music._sansio import acceptance, verdict
from aiml_music._sansio.errors import MusicError
from aiml_music._sansio.events import EventKind
from aiml_music._sansio.journal import marked
from aiml_music._sansio.outcome import Answer, Phase
from aiml_music._sansio.polling import Course, Turnstile
from aiml_music._sansio.queued import Polled, State, read_polled, read_submitted
from aiml_music._sansio.result_url import Fetch, next_fetch
from aiml_music._sansio.verdict import Evidence, Problem
from aiml_music._sansio.wire import Reply, Tracing


class QueuedCall(Call):
    """A call with the surface of `Call`; its place in the queue is kept until the track is in hand.

    Args:
        course: how it goes on.
        turnstile: lets the questions of all calls of a client through one by one.
        plan: of the submit; or of the first question, where the id is known already.
        rest: as `Call`.
    """

    def __init__(self, course: Course, turnstile: Turnstile, plan: Plan, **rest: Any) -> None:
        super().__init__(plan, **rest)
        self._course = course
        self._turnstile = turnstile
        self.generation_id = course.generation_id
        self._usage = Tracing()
        self._is_confirmed = False
        self._polled: Polled | None = None
        self._url: str | None = None
        self._asking: Asking
        self._fetching: Fetching | None = None
        self._gone = self._broken = 0
        self._until = 0.0

    async def open(self) -> None:
        """Submit, wait until the track is done, and return once it begins to come.

        Raises:
            MusicError: it ended otherwise; from the acceptance on, with the id.
        """
        with self._noting_cancellation():
            self._until = self._deadline()
            if self.generation_id is None:
                await self._send(self._until)
                if self._current.reply is not None:
                    await self._accept(self._current.reply)
            # Without an id, the service gives the track at once after all.
            if self.generation_id is not None:
                await self._reading(self._begin(self.generation_id))
            self._tell(EventKind.ANSWERED, status=self.evidence.status)

    async def read(self) -> bytes:
        """Return the next audio, empty at the end; a download that breaks is taken up again.

        Raises:
            MusicError: it cannot be had, or not now.
        """
        if self._fetching is None:
            return await super().read()
        return await self._reading(self._next(self._fetching))

    async def read_on(self, take: Callable[[bytes], None]) -> None:
        """Hand all audio that is still to come to `take`, in order; raises as `read`."""
        if self._fetching is None:
            await super().read_on(take)
        else:
            while piece := await self.read():
                take(piece)

    @property
    def is_answered(self) -> bool:
        """Whether the track was read to its end."""
        return super().is_answered if self.generation_id is None else bool(self._fetching and self._fetching.is_whole)

    @property
    def reply(self) -> Reply:
        """What the service says about the track, once that is done."""
        if self._polled is None:
            return super().reply
        polled = self._polled
        return Reply(accepted=True, facts=polled.facts, trace_id=polled.trace_id, raw=polled.raw)

    @property
    def evidence(self) -> Evidence:
        """What is known of the submit, and since of the track."""
        sent = super().evidence
        if self.generation_id is None:
            return sent
        return evolve(
            sent,
            generation_id=self.generation_id,
            is_confirmed=self._is_confirmed,
            tracing=evolve(
                sent.tracing,
                # A zero is a price that is not stated yet.
                credits_used=self._usage.credits_used or sent.tracing.credits_used or None,
                usd_spent=self._usage.usd_spent or sent.tracing.usd_spent or None,
            ),
            audio_bytes=0 if self._fetching is None else self._fetching.handed_on,
        )

    async def aclose(self) -> None:
        """Let go of the connection and of the place in the queue."""
        try:
            if self._fetching is not None:
                await self._fetching.aclose()
        finally:
            await super().aclose()

    async def _accept(self, reply: Reply) -> None:
        """Note the id before anything else is done: for the caller, and where there is one, in the journal."""
        submitted = read_submitted(reply.raw)
        self.generation_id, self._usage, self._is_confirmed = submitted.id, submitted.usage, True
        trouble = self.journal_trouble
        if self.journal is not None and submitted.id is not None and trouble is None:
            try:
                # A cancellation that came now would leave the id nowhere but in its note.
                with anyio.CancelScope(shield=True):
                    await marked(self.journal.accepted(submitted.id, self._receipt(reply.trace_id, Answer.NONE)))
            except MusicError as error:
                trouble = error
        self._tell(EventKind.ACCEPTED, state=submitted.status)
        if self.on_accepted is not None:
            self.on_accepted()
        if trouble is not None:
            raise self._unrecorded(trouble)
        await self._current.aclose()

    def _unrecorded(self, trouble: MusicError) -> MusicError:
        evidence = self.evidence
        trouble.message = f"{trouble.message} The generation is {self.generation_id}."
        trouble.hint = " ".join(filter(None, (trouble.hint, verdict.in_doubt_hint(evidence))))
        trouble.outcome, trouble.money = evidence.judge(Answer.NONE)
        trouble.phase = Phase.READ
        return self.sign(trouble)

    async def _begin(self, generation_id: str) -> None:
        clock, transport = self._clock, self._transport
        self._asking = Asking(
            self.plan,
            self._course,
            generation_id,
            deadline=self._until,
            evidence=lambda: self.evidence,
            heard=self._heard,
            turnstile=self._turnstile,
            transport=transport,
            clock=clock,
        )
        self._fetching = Fetching(
            transport=transport,
            clock=clock,
            timeouts=self.plan.timeouts,
            deadline=self._until,
            reach=self._course.reach,
        )
        if self._attempting is not None and self._attempting.reply is not None:
            # What is done when it is submitted need not be asked after.
            self._polled = read_polled(self._attempting.reply.raw)
            if self._polled.state is not State.RUNNING:
                self._url = self._asking.where(self._polled)
        await self._fetch(self._fetching, at_once=self._attempting is None)

    async def _fetch(self, fetching: Fetching, *, at_once: bool) -> None:
        """Wait for the track, and begin to fetch it; each time from where the service says now that it is."""
        while True:
            if self._url is None:
                self._polled, self._url = await self._asking.until_done(at_once=at_once)
            try:
                await fetching.open(self._url)
            except FetchEndedError as ended:
                await self._wait_after(ended)
                at_once = True
            else:
                return

    async def _next(self, fetching: Fetching) -> bytes:
        while True:
            try:
                return await fetching.read()
            except FetchEndedError as ended:
                await self._wait_after(ended)
            await self._fetch(fetching, at_once=True)

    async def _wait_after(self, ended: FetchEndedError) -> None:
        """Wait until it is worth asking for the track again.

        Raises:
            EndedBadlyError: it is not.
        """
        self._gone += ended.ending is Fetch.GONE
        self._broken += ended.ending is Fetch.AGAIN
        pause = next_fetch(ended.ending, gone=self._gone, broken=self._broken)
        if pause is None:
            raise EndedBadlyError(self._end_of(ended))
        if pause >= self._until - self._clock.monotonic():
            raise EndedBadlyError(acceptance.of_not_ready(self.evidence, f"{ended.what}, and the time is up"))
        self._url = None
        await self._clock.sleep(pause)

    def _end_of(self, ended: FetchEndedError) -> Problem:
        if ended.ending is Fetch.FORBIDDEN:
            return acceptance.of_refused_address(self.evidence, self._url or "", ended.what)
        if ended.ending is Fetch.UNFIT:
            return verdict.of_broken_answer(self.evidence, ended.what)
        if ended.ending is Fetch.GONE:
            return acceptance.of_gone(self.evidence, ended.what, self._course.lives_seconds)
        return acceptance.of_not_ready(self.evidence, ended.what)

    def _heard(self, what: Polled | Problem) -> None:
        if isinstance(what, Problem):
            self._tell(EventKind.POLLED, problem=what.message)
            return
        self._is_confirmed = True
        self._usage = Tracing(
            credits_used=what.usage.credits_used or self._usage.credits_used,
            usd_spent=what.usage.usd_spent or self._usage.usd_spent,
        )
        self._tell(EventKind.POLLED, state=what.status)
