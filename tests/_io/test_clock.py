"""The system's clock and dice."""

import time

import pytest

from aiml_music._io.clock import SystemClock

pytestmark = pytest.mark.anyio


async def test_a_sleep_takes_the_time_it_says() -> None:
    """The clock that sleeps is the clock that measures."""
    clock = SystemClock()
    began = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() >= began + 0.01


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this system's clock tells nothing of its sleep")
def test_the_time_a_machine_sleeps_counts() -> None:
    """A limit of time goes on while a laptop is shut: the clock is the one that counts sleep."""
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= SystemClock().monotonic() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_the_time_of_day_is_unix_time() -> None:
    """It lies between two looks at the system's own."""
    before = time.time()
    assert before <= SystemClock().time() <= time.time()


def test_the_dice_draw_from_zero_to_below_one() -> None:
    """They spread, and stay within their bounds."""
    drawn = [SystemClock().dice() for _ in range(100)]
    assert 0 <= min(drawn) < max(drawn) < 1
