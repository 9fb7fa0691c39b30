"""The system's clock and dice."""

import random
import time

import anyio

# On Linux `time.monotonic` stands still while the machine sleeps; a limit of time must not.
_AWAKE_OR_NOT: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class SystemClock:
    """Real time, real dice."""

    def monotonic(self) -> float:
        """Return seconds on a clock that only goes forward, sleep of the machine included where the system tells."""
        return time.monotonic() if _AWAKE_OR_NOT is None else time.clock_gettime(_AWAKE_OR_NOT)

    def time(self) -> float:
        """Return Unix time."""
        return time.time()

    def dice(self) -> float:
        """Draw from [0, 1)."""
        return random.random()  # noqa: S311 - it spreads repeats, it guards nothing

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)
