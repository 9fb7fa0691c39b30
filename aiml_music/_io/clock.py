"""The system's clock and dice."""

import random
import time

import anyio


class SystemClock:
    """Real time, real dice."""

    def monotonic(self) -> float:
        """Return seconds on a clock that only goes forward."""
        return time.monotonic()

    def time(self) -> float:
        """Return Unix time."""
        return time.time()

    def dice(self) -> float:
        """Draw from [0, 1)."""
        return random.random()  # noqa: S311 - it spreads repeats, it guards nothing

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)
