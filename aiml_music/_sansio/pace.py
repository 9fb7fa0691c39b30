"""How slow is too slow: a peer that trickles holds a call for ever, and never runs into a limit for silence.

Pure: the clock is the caller's. Only time spent waiting for the peer counts, so a slow reader on this side does no
harm.
"""

import math

from attrs import define, field

FLOOR_BYTES_PER_SECOND = 1024
_SEND_SECONDS = 20.0
SEND_PIECE_BYTES = 20 * FLOOR_BYTES_PER_SECOND
"""So much of a request is written at a time: less than this in 20 s is slower than the floor."""


def seconds_to_send(idle: float | None) -> float:
    """Return how long the other side may take over a piece of a request.

    Args:
        idle: the call's limit for silence in seconds; None is no limit.
    """
    return math.inf if idle is None else min(idle, _SEND_SECONDS)


@define
class Floor:
    """The least that must come of a body: so many bytes in every window of waiting.

    Args:
        window: seconds of waiting; None is no floor.
    """

    _window: float | None
    _waited: float = field(default=0.0, init=False)
    _received: int = field(default=0, init=False)

    @property
    def patience(self) -> float:
        """How many seconds more may be waited before the peer is too slow; infinite while it is fast enough."""
        if self._window is None or self._is_met(self._window):
            return math.inf
        return max(0.0, self._window - self._waited)

    def received(self, count: int, *, waited: float) -> None:
        """Count bytes, and the seconds it took to wait for them."""
        self._received += count
        self._waited += waited
        if self._window is not None and self._waited >= self._window and self._is_met(self._window):
            self._waited, self._received = 0.0, 0

    def _is_met(self, window: float) -> bool:
        return self._received >= FLOOR_BYTES_PER_SECOND * window
