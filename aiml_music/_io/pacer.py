"""Keep an event loop responsive while hundreds of bodies come in at once; what is decided is in `_sansio.turns`."""

import time
from collections import deque

import anyio
import anyio.lowlevel

from aiml_music._sansio.turns import Slice

PIECE_BYTES = 256 * 1024
"""How much is read in one step: what a piece costs beside its bytes is a tenth of it then, and nobody keeps it."""


class Pacer:
    """What all connections of one event loop share: its time, and one buffer."""

    def __init__(self) -> None:
        # Nothing is kept in it from one step to the next, and an event loop takes one step at a time.
        self.buffer = memoryview(bytearray(PIECE_BYTES))
        self._slice = Slice()
        self._waiting: deque[anyio.Event] = deque()
        self._called: set[anyio.Event] = set()
        self._is_new = False

    async def step(self) -> None:
        """Wait until this turn of the loop, or a later one, has room for one step."""
        if self._slice.grants(time.perf_counter()):
            return
        mine = anyio.Event()
        self._waiting.append(mine)
        while not await self._is_granted(mine):
            # Called in vain, one is the first to be called again.
            mine = anyio.Event()
            self._waiting.appendleft(mine)

    async def _is_granted(self, mine: anyio.Event) -> bool:
        if not self._called:
            self._call()
        try:
            # Shielded: a limit for somebody's silence must not run out because it is us who are busy.
            with anyio.CancelScope(shield=True):
                await mine.wait()
            if self._is_new:
                self._is_new = False
                self._slice.begin(time.perf_counter())
            return self._slice.grants(time.perf_counter(), called=True)
        finally:
            self._go(mine)

    def _call(self) -> None:
        for _ in range(self._slice.to_call(len(self._waiting))):
            one = self._waiting.popleft()
            self._called.add(one)
            one.set()
        self._is_new = True

    def _go(self, mine: anyio.Event) -> None:
        """Wait no longer; the last of those who were called calls the next."""
        if mine in self._called:
            self._called.remove(mine)
        else:
            self._waiting.remove(mine)
        if self._waiting and not self._called:
            self._call()


def pacer() -> Pacer:
    """Return the pacer of the event loop that runs here."""
    try:
        return _PACERS.get()
    except LookupError:
        made = Pacer()
        _PACERS.set(made)
        return made


_PACERS: anyio.lowlevel.RunVar[Pacer] = anyio.lowlevel.RunVar("aiml_music.pacer")
