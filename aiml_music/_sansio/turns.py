"""How long this library may hold an event loop up in one of its turns, and which of its bodies are served first.

Reads that find bytes waiting never give the event loop a turn by themselves: hundreds of them in a row would hold
everything else up for seconds. So work is cut into slices, one for each turn of the loop. And a body that is served
half holds its buffers until its next piece: so a few are served at a time, and the others wait with nothing in memory.

Pure: the clock is the caller's.
"""

import math
from collections.abc import Hashable, Iterator

from attrs import define, field

SLICE_SECONDS = 0.001
SLICE_STEPS = 16
"""A turn has no more than these, however fast they are: a promise that no clock has to keep."""
MOST_AT_ONCE = 32
IDLE_SECONDS = 0.005
"""Who has a place and makes no use of it for so long loses it, if others wait."""
PATIENCE_SECONDS = 2.0
"""Who has waited so long is let in at somebody's cost: far below every limit for silence."""

_AT_WORK = math.inf


@define(eq=False)
class Slice:
    """What is left of one turn of an event loop."""

    seconds: float = SLICE_SECONDS
    turn: int = 0
    _began: float = -math.inf
    _steps: int = 0

    def grants(self, now: float, *, slept_in: int | None = None) -> bool:
        """Say whether there is time left for one more step, and count it.

        Args:
            now: seconds on any clock that only goes forward.
            slept_in: the turn in which whoever asks has given way to others; None if it has not yet.
        """
        if slept_in == self.turn:
            # The first to come back from there: this is another turn.
            self.turn += 1
            self._began, self._steps = now, 0
        granted = self._steps < SLICE_STEPS and now - self._began < self.seconds
        self._steps += granted
        return granted


@define(eq=False)
class Places:
    """Who may work, and who waits for it, in order."""

    most: int = MOST_AT_ONCE
    _held: dict[Hashable, float] = field(factory=dict, init=False)
    """Since when a place is not made use of, in the order they were given."""
    _waiting: dict[Hashable, float] = field(factory=dict, init=False)
    """Since when somebody waits."""
    _rotated: float = field(default=-math.inf, init=False)

    @property
    def first(self) -> Hashable | None:
        """Who is next, or None if nobody waits."""
        return next(iter(self._waiting), None)

    def holds(self, who: Hashable) -> bool:
        """Say whether somebody has a place."""
        return who in self._held

    def enter(self, who: Hashable, now: float) -> bool:
        """Make use of a place, of one's own or of a free one, or wait; say whether there was one."""
        if who not in self._held and (self._waiting or len(self._held) >= self.most):
            self._waiting.setdefault(who, now)
            return False
        self._held[who] = _AT_WORK
        return True

    def pause(self, who: Hashable, now: float) -> None:
        """Keep a place, if it is still held, for a moment."""
        if who in self._held:
            self._held[who] = now

    def leave(self, who: Hashable) -> None:
        """Give a place back, or wait no longer."""
        self._held.pop(who, None)
        self._waiting.pop(who, None)

    def admit(self, now: float) -> Iterator[Hashable]:
        """Give places to those who wait, as far as there are any, and yield who got one."""
        while self._waiting and (len(self._held) < self.most or self._makes_room(now)):
            who = next(iter(self._waiting))
            del self._waiting[who]
            self._held[who] = _AT_WORK
            yield who

    def _makes_room(self, now: float) -> bool:
        loser = next((who for who, since in self._held.items() if now - since >= IDLE_SECONDS), None)
        if loser is None:
            began = next(iter(self._waiting.values()))
            if now - began < PATIENCE_SECONDS or now - self._rotated < IDLE_SECONDS:
                return False
            self._rotated = now
            loser = next(iter(self._held))
        del self._held[loser]
        return True
