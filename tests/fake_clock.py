"""A clock that a test moves, and dice that it loads."""

import time
from collections.abc import Callable

import anyio.lowlevel
from attrs import define, field


@define(eq=False)
class FakeClock:
    """Time passes when somebody sleeps, and at no other moment; every sleep is written down.

    Attributes:
        draw: what every throw of the dice gives.
        slept: the sleeps, in order.
        on_sleep: what happens meanwhile.
        unix: the time of day.
    """

    draw: float = 0.5
    slept: list[float] = field(factory=list)
    on_sleep: Callable[[], object] = field(default=lambda: None)
    unix: float = field(factory=time.time)
    _now: float = 1000.0

    def monotonic(self) -> float:
        """Return seconds on a clock that only goes forward."""
        return self._now

    def time(self) -> float:
        """Return Unix time."""
        return self.unix

    def dice(self) -> float:
        """Return what the dice were loaded with."""
        return self.draw

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self.unix += seconds

    async def sleep(self, seconds: float) -> None:
        """Let time pass at once, and write it down."""
        self.slept.append(seconds)
        self.pass_by(seconds)
        self.on_sleep()
        await anyio.lowlevel.checkpoint()
