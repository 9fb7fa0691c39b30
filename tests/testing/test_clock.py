"""The clock that tests move, and its dice."""

import time
from collections.abc import Iterable
from itertools import count

import pytest

from aiml_music import RateLimitError, RetryPolicy
from aiml_music.testing import FakeClock, ScriptedTransport, finished_track, on_generate, refusal
from tests.calls import generate
from tests.testing.clients import client_of

pytestmark = pytest.mark.anyio


async def test_time_passes_when_somebody_sleeps() -> None:
    """A sleep moves both clocks at once, is written down, and then tells whoever wants to know."""
    heard: list[float] = []
    clock = FakeClock(unix=0.0, on_sleep=lambda: heard.append(clock.time()))
    began = clock.monotonic()
    await clock.sleep(3600)
    await clock.sleep(0.5)
    assert clock.slept == [3600, 0.5]
    assert heard == [3600, 3600.5]
    assert clock.monotonic() - began == 3600.5


def test_time_stands_still_otherwise() -> None:
    """Nothing but the test moves the clock, which begins at the true time of day."""
    clock = FakeClock()
    first = (clock.monotonic(), clock.time())
    assert abs(clock.time() - time.time()) < 60
    assert (clock.monotonic(), clock.time()) == first
    clock.pass_by(7)
    assert (clock.monotonic(), clock.time()) == (first[0] + 7, first[1] + 7)
    assert clock.slept == []


def test_the_wall_clock_can_be_set() -> None:
    """Somebody sets the time of day back: the clock that only goes forward does not notice."""
    clock = FakeClock(unix=1_000_000.0)
    began = clock.monotonic()
    clock.set_wall(10.0)
    clock.pass_by(1)
    assert (clock.time(), clock.monotonic()) == (11.0, began + 1)


@pytest.mark.parametrize(
    ("draw", "thrown"),
    [(0.25, [0.25, 0.25, 0.25]), ([0.1, 0.9, 0.0], [0.1, 0.9, 0.0]), (count(), [0, 1, 2])],
    ids=["a number", "some numbers", "numbers without end"],
)
def test_the_dice_are_loaded(draw: float | Iterable[float], thrown: list[float]) -> None:
    """One number is thrown for ever, several one after the other."""
    clock = FakeClock(draw=draw)
    assert [clock.dice() for _ in thrown] == thrown


def test_dice_that_were_loaded_for_less_say_so() -> None:
    """A throw that nobody foresaw fails the test."""
    clock = FakeClock(draw=[0.5])
    clock.dice()
    with pytest.raises(AssertionError, match="thrown once more"):
        clock.dice()


async def test_a_client_waits_by_it() -> None:
    """The pauses between the attempts of a call are those of the dice, and take no time."""
    clock = FakeClock(draw=[0.5, 0.75])
    slow_down = on_generate(refusal(429, "slow down"))
    with ScriptedTransport(slow_down, slow_down, on_generate(finished_track())) as transport:
        client = client_of(transport, clock=clock, retry=RetryPolicy(attempts=3, wait_throttled=1.0))
        track = await generate(client)
    assert clock.slept == [0.5, 1.5]
    assert track.receipt is not None
    assert track.receipt.elapsed == pytest.approx(2.0)


async def test_a_date_is_read_by_it() -> None:
    """A `Retry-After` that is a date, without a `Date` beside it, counts from the clock on the wall."""
    clock = FakeClock(draw=0.0)
    clock.set_wall(784_111_777.0)  # Sun, 06 Nov 1994 08:49:37 GMT
    late = refusal(429, "slow down", headers={"Retry-After": "Sun, 06 Nov 1994 08:59:37 GMT"})
    with ScriptedTransport(on_generate(late)) as transport, pytest.raises(RateLimitError) as caught:
        await generate(client_of(transport, clock=clock))
    assert caught.value.retry_after == 600.0
