"""A clock that a test moves, and dice that it loads."""

import time
from collections.abc import Callable, Iterable
from itertools import repeat

import anyio.lowlevel


class FakeClock:
    """Time passes when somebody sleeps, and at no other moment; every sleep is written down.

    Give it to a client as `clock=`: the pauses between attempts then take no time, and `slept` says how long they
    would have been. Limits of time still end what really takes long.

    Args:
        draw: what the dice give, from 0 up to but not including 1: one number for every throw, or a number for each.
        on_sleep: what happens during a sleep.
        unix: the time of day, as Unix time; default: the true one.

    Attributes:
        slept: the sleeps so far, in order.
    """

    def __init__(
        self,
        *,
        draw: float | Iterable[float] = 0.5,
        on_sleep: Callable[[], object] | None = None,
        unix: float | None = None,
    ) -> None:
        self.slept: list[float] = []
        self._draws = iter(draw) if isinstance(draw, Iterable) else repeat(draw)
        self._on_sleep = on_sleep
        self._wall = time.time() if unix is None else unix
        self._now = 1000.0

    def monotonic(self) -> float:
        """Return seconds on a clock that only goes forward."""
        return self._now

    def time(self) -> float:
        """Return Unix time."""
        return self._wall

    def dice(self) -> float:
        """Return what the dice were loaded with.

        Raises:
            AssertionError: they were loaded for fewer throws than this.
        """
        throw = next(self._draws, None)
        if throw is None:
            raise AssertionError("the dice were thrown once more than they were loaded for")
        return throw

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self._wall += seconds

    def set_wall(self, unix: float) -> None:
        """Set the time of day, forward or back, as somebody sets a clock on a wall; no time passes."""
        self._wall = unix

    async def sleep(self, seconds: float) -> None:
        """Let time pass at once, and write it down."""
        self.slept.append(seconds)
        self.pass_by(seconds)
        if self._on_sleep is not None:
            self._on_sleep()
        await anyio.lowlevel.checkpoint()
