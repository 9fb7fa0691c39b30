"""Clocks for tests that talk to real servers."""

import anyio

from aiml_music._io.clock import SystemClock
from aiml_music.testing import FakeClock


class PatientClock(FakeClock):
    """A fake clock for a wait at whose other end real work is done: a pause takes a moment."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass in a moment, and write it down."""
        await anyio.sleep(0.02)
        await super().sleep(seconds)


class HastyClock(SystemClock):
    """The true clock for many who wait at once, none of whom waits long."""

    async def sleep(self, seconds: float) -> None:
        """Sleep a moment."""
        await super().sleep(min(seconds, 0.02))
