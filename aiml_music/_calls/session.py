"""What all views of one client share: the transport, the clock, the queue, the quota, and whether it is still open."""

import logging
import os
from functools import partial

import anyio
import anyio.lowlevel
from attrs import define, field, frozen

from aiml_music._calls.attempt import Plan
from aiml_music._calls.call import Call
from aiml_music._calls.delivery import SHELTER_SECONDS, Target
from aiml_music._calls.generation import Generation
from aiml_music._calls.queue import Queue
from aiml_music._calls.queued_call import QueuedCall
from aiml_music._calls.reports import Reports
from aiml_music._calls.track_call import TrackCall
from aiml_music._io.event_loops import get_ready_for_loops
from aiml_music._sansio.concurrency import ConcurrencyLimit
from aiml_music._sansio.events import EventHandler
from aiml_music._sansio.models import AudioFormat
from aiml_music._sansio.outcome import Operation
from aiml_music._sansio.polling import Turnstile
from aiml_music._sansio.ports import Clock, Transport
from aiml_music._sansio.retry import RetryQuota
from aiml_music._sansio.wire import Reply

_LOGGER = logging.getLogger("aiml_music")
# Looks into the account are small, and must not wait behind generations that take minutes.
_READS_AT_ONCE = 4


@frozen
class Remembered:
    """An answer that the service need not send again while it bears the same tag (RFC 9110 §13.1.2)."""

    etag: str
    reply: Reply


@frozen
class _Home:
    """What belongs to one event loop of one process."""

    process: int
    loop: object
    queue: Queue
    reads: Queue
    generations: dict[str, Generation] = field(factory=dict)

    @property
    def is_idle(self) -> bool:
        busy = self.queue.under_way or self.reads.under_way
        return not busy and all(generation.done() for generation in self.generations.values())


@define(eq=False)
class Session:
    """The shared part of a client and of every view `with_options` made of it.

    Args:
        max_concurrency: how many calls may be under way at once, None to find out; the rest wait here, in order.
        on_event: told of every step of every call.
    """

    transport: Transport
    clock: Clock
    _max_concurrency: int | None = field(default=None, alias="max_concurrency")
    _on_event: EventHandler | None = field(default=None, alias="on_event")
    closed: bool = False
    remembered: dict[str, Remembered] = field(factory=dict, init=False)
    """Answers of the same address, whoever asked."""
    quotas: dict[Operation, RetryQuota] = field(init=False)
    _reports: Reports = field(init=False)
    _turnstile: Turnstile = field(factory=Turnstile, init=False)
    _home: _Home | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.quotas = {operation: RetryQuota() for operation in Operation}
        self._reports = Reports(self._on_event)
        get_ready_for_loops()

    def call(self, plan: Plan) -> Call:
        """Return a call that will queue with all others of this client.

        Raises:
            RuntimeError: the client is closed, or at work in another event loop.
        """
        if self.closed:
            raise RuntimeError("this client is closed; make another one")
        home = self._at_home()
        kind = Call if plan.course is None else partial(QueuedCall, plan.course, self._turnstile)
        return kind(
            plan,
            transport=self.transport,
            queue=home.reads if plan.operation is Operation.READ else home.queue,
            quota=self.quotas[plan.operation],
            reports=self._reports,
            clock=self.clock,
        )

    def submit(self, call: TrackCall, target: Target | None, *, audio_format: AudioFormat | None) -> Generation:
        """Start a call in a task of its own, and keep it until somebody has collected it."""
        generations = self._at_home().generations
        name = call.plan.client_request_id
        if name in generations:
            raise RuntimeError(f"{name} was submitted already, and not collected yet; every call has an id of its own")
        generation = generations[name] = Generation(
            call, target, audio_format=audio_format, on_collected=lambda: generations.pop(name, None)
        )
        generation.start()
        return generation

    @property
    def generations(self) -> tuple[Generation, ...]:
        """What was submitted and nobody has collected, in order."""
        home = self._home
        # After a fork, whatever was under way is the parent's.
        return () if home is None or home.process != os.getpid() else tuple(home.generations.values())

    async def drain(self, seconds: float | None) -> tuple[Generation, ...]:
        """Wait for what was submitted, so long at most; then, or when cancelled, give up the rest and return it."""
        try:
            with anyio.move_on_after(seconds):
                await self._all_ended()
        finally:
            left = await self._give_up()
        return left

    async def drain_cancelled(self) -> None:
        """Let what was submitted land although the block around is cancelled: half a minute at most.

        A second cancellation, where an event loop knows one, ends that at once.
        """
        with anyio.CancelScope(shield=True):
            await self.drain(SHELTER_SECONDS)

    async def _give_up(self) -> tuple[Generation, ...]:
        left = tuple(generation for generation in self.generations if not generation.done())
        for generation in left:
            generation.give_up()
        # A track that is coming into a file takes its time to land, and bounds it itself.
        with anyio.CancelScope(shield=True):
            await self._all_ended()
        for generation in left:
            _LOGGER.warning("%r was left behind when its client was closed", generation)
        return left

    async def _all_ended(self) -> None:
        for generation in self.generations:
            await generation.ended()

    def _at_home(self) -> _Home:
        process, loop = os.getpid(), anyio.lowlevel.current_token()
        home = self._home
        if home is None or home.loop != loop or home.process != process:
            # Nothing but this belongs to an event loop, so an idle client simply moves to the next one. After a fork,
            # whatever was under way is the parent's.
            if home is not None and home.process == process and not home.is_idle:
                raise RuntimeError("this client is at work in another event loop; make one client for each loop")
            queue, reads = self._queue(self._max_concurrency), self._queue(_READS_AT_ONCE)
            # What has ended and was not collected was paid for all the same.
            uncollected = home.generations if home is not None and home.process == process else {}
            home = self._home = _Home(process, loop, queue, reads, uncollected)
        return home

    def _queue(self, calls: int | None) -> Queue:
        return Queue(ConcurrencyLimit.of(calls), self.clock)
