"""What all views of one client share: the transport, the clock, the queue, and whether it is still open."""

import os

import anyio
import anyio.lowlevel

from aiml_music._calls.attempt import Plan
from aiml_music._calls.call import Call
from aiml_music._sansio.ports import Clock, Transport


class Session:
    """The shared part of a client and of every view `with_options` made of it.

    Args:
        max_concurrency: how many calls may be under way at once; the rest wait here, in order.
    """

    def __init__(self, *, transport: Transport, clock: Clock, max_concurrency: int) -> None:
        self.transport = transport
        self.clock = clock
        self.closed = False
        self._max_concurrency = max_concurrency
        self._limiter: anyio.CapacityLimiter | None = None
        self._loop: object = None
        self._process = os.getpid()

    def call(self, plan: Plan) -> Call:
        """Return a call that will queue with all others of this session.

        Raises:
            RuntimeError: the client is closed, or at work in another event loop.
        """
        if self.closed:
            raise RuntimeError("this client is closed; make another one")
        return Call(plan, transport=self.transport, limiter=self._queue(), clock=self.clock)

    def _queue(self) -> anyio.CapacityLimiter:
        process, loop = os.getpid(), anyio.lowlevel.current_token()
        if self._limiter is None or self._loop != loop or self._process != process:
            # Nothing but the queue belongs to an event loop, so an idle client simply moves to the next one. After a
            # fork, whatever was under way is the parent's.
            if self._limiter is not None and self._process == process and self._limiter.borrowed_tokens:
                raise RuntimeError("this client is at work in another event loop; make one client for each loop")
            self._limiter, self._loop, self._process = anyio.CapacityLimiter(self._max_concurrency), loop, process
        return self._limiter
