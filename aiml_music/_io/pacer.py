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
        self._in_vain = 0

    async def step(self) -> None:
        """Wait until this turn of the loop, or a later one, has room for one step."""
        if self._slice.grants(time.perf_counter()):
            return
        mine = anyio.Event()
        self._waiting.append(mine)
        self._call_next()
        while not await self._is_granted(mine):
            mine = anyio.Event()
            # Before those who were not called yet, and behind those who were called earlier.
            self._waiting.insert(self._in_vain, mine)
            self._in_vain += 1
            self._call_next()

    async def _is_granted(self, mine: anyio.Event) -> bool:
        try:
            # Shielded: a limit for somebody's silence must not run out because it is us who are busy.
            with anyio.CancelScope(shield=True):
                await mine.wait()
        except BaseException:
            self._forget(mine)
            self._call_next()
            raise
        if self._is_new:
            self._is_new = False
            self._slice.begin(time.perf_counter())
        granted = self._slice.grants(time.perf_counter(), called=True)
        self._forget(mine)
        if granted:
            self._call_next()
        return granted

    def _call_next(self) -> None:
        """Call some of those who wait into the next turn, once all who were called have come."""
        if self._called or not self._waiting:
            return
        for _ in range(self._slice.to_call(len(self._waiting))):
            one = self._waiting.popleft()
            self._called.add(one)
            one.set()
        self._is_new, self._in_vain = True, 0

    def _forget(self, mine: anyio.Event) -> None:
        if mine in self._called:
            self._called.remove(mine)
        else:
            self._waiting.remove(mine)


def pacer() -> Pacer:
    """Return the pacer of the event loop that runs here."""
    try:
        return _PACERS.get()
    except LookupError:
        made = Pacer()
        _PACERS.set(made)
        return made


_PACERS: anyio.lowlevel.RunVar[Pacer] = anyio.lowlevel.RunVar("aiml_music.pacer")
