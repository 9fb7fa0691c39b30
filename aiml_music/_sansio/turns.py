"""How much this library may do in one turn of an event loop that it shares with others.

Reads that find bytes waiting never give the loop a turn by themselves: hundreds of them in a row would hold everything
else up for seconds. So work is done in steps, and a turn has room for so many of them; whoever finds no room is called
again in a later turn, in order.

Pure: the clock is the caller's.
"""

from attrs import define, field

SLICE_SECONDS = 0.001
SLICE_STEPS = 8


@define(eq=False)
class Slice:
    """What is left of one turn of an event loop: a millisecond, and eight steps should the clock be coarse."""

    seconds: float = SLICE_SECONDS
    steps: int = SLICE_STEPS
    _end: float = field(default=0.0, init=False)
    _left: int = field(default=0, init=False)
    _served: int = field(default=0, init=False)

    def to_call(self, waiting: int) -> int:
        """Return how many of those who wait are to be called into the next turn.

        One more than found room in this one: one body that has much to read fills a turn, many that have little share
        it, and whoever is called in vain costs as much as a step.
        """
        return min(waiting, self._served + 1, self.steps)

    def begin(self, now: float) -> None:
        """Begin a turn: those who were called are coming.

        Args:
            now: seconds on any clock that only goes forward.
        """
        self._end = now + self.seconds
        self._left = self.steps
        self._served = 0

    def grants(self, now: float, *, called: bool = False) -> bool:
        """Say whether there is room for a step, and count it.

        Args:
            now: as for `begin`.
            called: whoever asks has been called for it.
        """
        if self._left <= 0 or now >= self._end:
            return False
        self._left -= 1
        self._served += called
        return True
