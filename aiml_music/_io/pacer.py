"""Keep an event loop responsive while hundreds of bodies come in at once; what is decided is in `_sansio.turns`."""

import math
import time
from collections.abc import Hashable

import anyio
import anyio.lowlevel

from aiml_music._sansio.turns import IDLE_SECONDS, Places, Slice

_BUFFER_BYTES = 64 * 1024


class Pacer:
    """What all connections of one event loop share: its time, its places, and one buffer."""

    def __init__(self) -> None:
        # Nothing is kept in it from one step to the next, and an event loop takes one step at a time.
        self.buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._slice = Slice()
        self._places = Places()
        self._events: dict[Hashable, anyio.Event] = {}
        self._watching: Hashable | None = None

    async def step(self) -> None:
        """Wait for the time to take one short step."""
        who = object()
        await self.enter(who)
        self.leave(who)

    def holds(self, who: Hashable) -> bool:
        """Say whether somebody has a place."""
        return self._places.holds(who)

    async def enter(self, who: Hashable) -> None:
        """Wait for a place, and for time in this turn of the loop. Cancelled, the place is given back."""
        try:
            if not self._places.enter(who, time.perf_counter()):
                await self._admitted(who)
            slept_in = None
            while not self._slice.grants(time.perf_counter(), slept_in=slept_in):
                slept_in = self._slice.turn
                await anyio.lowlevel.checkpoint()
        except BaseException:
            self.leave(who)
            raise

    def pause(self, who: Hashable) -> None:
        """Keep a place for the next step, which is about to come."""
        self._places.pause(who, time.perf_counter())

    def leave(self, who: Hashable) -> None:
        """Give a place back, if it is held."""
        self._places.leave(who)
        self._admit()

    async def _admitted(self, who: Hashable) -> None:
        try:
            while not self._places.holds(who):
                event = self._events[who] = anyio.Event()
                # The first alone looks at the clock: for those who make no use of their places.
                first = self._places.first is who
                self._watching = who if first else self._watching
                with anyio.move_on_after(IDLE_SECONDS if first else math.inf):
                    await event.wait()
                self._admit()
        finally:
            del self._events[who]

    def _admit(self) -> None:
        for who in self._places.admit(time.perf_counter()):
            self._events[who].set()
        first = self._places.first
        if first is not None and first is not self._watching:
            self._events[first].set()


def pacer() -> Pacer:
    """Return the pacer of the event loop that runs here."""
    try:
        return _PACERS.get()
    except LookupError:
        made = Pacer()
        _PACERS.set(made)
        return made


_PACERS: anyio.lowlevel.RunVar[Pacer] = anyio.lowlevel.RunVar("aiml_music.pacer")
