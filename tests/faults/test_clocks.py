"""Clocks that jump, stop, or skip the hours a machine slept: nothing hangs, ends early or changes its order."""

import threading
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from pathlib import Path

import anyio
import pytest

from aiml_music import (
    AsyncMusicClient,
    InDoubtTimeout,
    Money,
    MusicError,
    Outcome,
    RateLimitError,
    Receipt,
    RetryPolicy,
    Timeouts,
)
from aiml_music._io.clock import SystemClock
from aiml_music.testing import FakeClock
from tests.answers import answer, envelope, uploaded
from tests.calls import MADE, REFERENCE, TRACK, client_of, failure, generate
from tests.loopback import Await, Drip, Hang, Script, Send, Signal, loopback

pytestmark = pytest.mark.anyio

DAY = 86_400.0
NOON = 1_700_000_000.0
JUMPS = {"a day ahead": DAY, "a day back": -DAY, "the year 1970": -NOON, "the year 2100": 2.4e9}
BUSY = envelope(429, "too many requests")
CUT = MADE.data.index(TRACK.hex().encode()) + 2000
FIRST, REST = Send(MADE.data[:CUT]), Send(MADE.data[CUT:])


def busy(**headers: str) -> Script:
    told = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return [answer(BUSY, status="429 Too Many Requests", headers=(("x-aimlapi-credits-used", "0"), *told))]


async def in_memory(client: AsyncMusicClient, _: Path) -> Receipt | None:
    return (await generate(client)).receipt


async def in_a_file(client: AsyncMusicClient, directory: Path) -> Receipt | None:
    return (await generate(client, to=directory / "song.mp3")).receipt


async def uploading(client: AsyncMusicClient, _: Path) -> Receipt | None:
    return (await client.upload(REFERENCE, purpose="song")).receipt


CALLS: dict[str, tuple[Callable[[AsyncMusicClient, Path], Awaitable[Receipt | None]], Send]] = {
    "in memory": (in_memory, MADE),
    "in a file": (in_a_file, MADE),
    "upload": (uploading, answer(uploaded())),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("jump", JUMPS)
async def test_the_time_of_day_may_jump_while_a_call_waits(jump: str, call: str, tmp_path: Path) -> None:
    """Somebody sets the clock on the wall: the call goes on, and took as long as it took."""
    clock, begun, gate = FakeClock(unix=NOON), threading.Event(), threading.Event()
    ask, reply = CALLS[call]
    receipts: list[Receipt | None] = []

    async def work(client: AsyncMusicClient) -> None:
        receipts.append(await ask(client, tmp_path))

    with loopback([Signal(begun), Await(gate), reply]) as server:
        async with client_of(server, clock=clock) as client, anyio.create_task_group() as group:
            group.start_soon(work, client)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            clock.set_wall(NOON + JUMPS[jump])
            clock.pass_by(60)
            gate.set()
    assert len(server.requests) == 1
    assert receipts[0] is not None
    assert receipts[0].elapsed == 60
    assert [attempt.elapsed for attempt in receipts[0].attempts] == [60]


@pytest.mark.parametrize("jump", JUMPS)
async def test_the_time_of_day_may_jump_between_attempts(jump: str) -> None:
    """Pauses are as long as without a jump, and attempts stand in their order."""
    clock = FakeClock(unix=NOON, on_sleep=lambda: clock.set_wall(clock.time() + JUMPS[jump]))
    with loopback(busy(retry_after="7"), busy(), [MADE]) as server:
        async with client_of(server, clock=clock) as client:
            track = await generate(client)
    assert track.receipt is not None
    assert [attempt.number for attempt in track.receipt.attempts] == [1, 2, 3]
    assert [attempt.waited for attempt in track.receipt.attempts] == [0, *clock.slept]
    assert clock.slept == [pytest.approx(7.35), 1.0]
    assert track.receipt.elapsed == pytest.approx(8.35)


@pytest.mark.parametrize("jump", ["right", *JUMPS])
async def test_a_date_to_come_back_at_is_read_against_the_answers_own(jump: str) -> None:
    """A wrong clock on this machine does not matter where the service says what time it is."""
    clock = FakeClock(unix=NOON + JUMPS.get(jump, 0))
    told = busy(Retry_After=formatdate(NOON + 7, usegmt=True), Date=formatdate(NOON, usegmt=True))
    with loopback(told, [MADE]) as server:
        async with client_of(server, clock=clock) as client:
            await generate(client)
    assert clock.slept == [pytest.approx(7.35)]


WITHOUT_DATE = {"right": (0, 7.35), "a day ahead": (DAY, 0.5), "the year 2100": (2.4e9, 0.5)}


@pytest.mark.parametrize("jump", WITHOUT_DATE)
async def test_without_it_the_wall_is_asked_and_a_moment_that_has_passed_is_no_wait(jump: str) -> None:
    """A clock that is ahead makes the pause the policy's own, never less."""
    shift, pause = WITHOUT_DATE[jump]
    clock = FakeClock(unix=NOON + shift)
    with loopback(busy(Retry_After=formatdate(NOON + 7, usegmt=True)), [MADE]) as server:
        async with client_of(server, clock=clock) as client:
            await generate(client)
    assert clock.slept == [pytest.approx(pause)]


@pytest.mark.parametrize("shift", [-DAY, -NOON])
async def test_a_moment_that_is_far_off_is_not_waited_for(shift: float) -> None:
    """A clock that is behind makes seven seconds a day: the call ends and says how long it would have been."""
    clock = FakeClock(unix=NOON + shift)
    with loopback(busy(Retry_After=formatdate(NOON + 7, usegmt=True)), [MADE]) as server:
        async with client_of(server, clock=clock) as client:
            error = await failure(client)
    assert isinstance(error, RateLimitError)
    assert error.retry_after == pytest.approx(7 - shift)
    assert (error.money, clock.slept, len(server.requests)) == (Money.NO, [], 1)


async def test_a_clock_that_stands_still_stops_no_limit() -> None:
    """Limits are kept by the event loop as well: silence ends though the clock never moves."""
    clock = FakeClock()
    with loopback([Hang()]) as server:
        async with client_of(server, clock=clock, timeout=Timeouts(total=0.2)) as client:
            with anyio.fail_after(5):
                error = await failure(client)
        assert server.wait_until_idle()
    assert isinstance(error, InDoubtTimeout)
    assert error.elapsed == 0


async def test_a_clock_that_stands_still_ends_no_call() -> None:
    """An answer that comes a little at a time is read to its end."""
    with loopback([FIRST, Drip(MADE.data[CUT : CUT + 20], 0.005), Send(MADE.data[CUT + 20 :])]) as server:
        async with client_of(server, clock=FakeClock(), timeout=Timeouts(idle=0.2)) as client:
            assert (await generate(client)).content == TRACK


async def test_a_machine_that_slept_between_attempts_sends_nothing_after_its_limit() -> None:
    """Time asleep counts: what would begin after the call's limit is not begun, and not one byte is sent."""
    clock = FakeClock(on_sleep=lambda: clock.pass_by(DAY))
    with loopback(busy(), [MADE]) as server:
        async with client_of(server, clock=clock) as client:
            error = await failure(client)
        assert server.wait_until_idle()
    assert len(server.requests) == 1
    assert error.money is Money.NO
    assert [attempt.number for attempt in error.attempts] == list(range(1, len(error.attempts) + 1))
    assert error.elapsed == pytest.approx(DAY + clock.slept[0])


async def test_a_machine_that_slept_between_attempts_goes_on_where_there_is_no_limit() -> None:
    """Without a limit of time a day is no reason to give up."""
    clock = FakeClock(on_sleep=lambda: clock.pass_by(DAY))
    with loopback(busy(), busy(), [MADE]) as server:
        async with client_of(server, clock=clock, timeout=Timeouts(total=None)) as client:
            track = await generate(client)
    assert clock.slept == [0.5, 1.0]
    assert track.receipt is not None
    assert track.receipt.elapsed == pytest.approx(2 * DAY + 1.5)


async def after_a_sleep(seconds: float, before: Script, then: Script, **options: object) -> MusicError | None:
    """Let the machine sleep in mid-call, and return the error, if any."""
    clock, begun, gate = FakeClock(), threading.Event(), threading.Event()
    errors: list[MusicError] = []

    async def call(client: AsyncMusicClient) -> None:
        try:
            assert (await generate(client)).content == TRACK
        except MusicError as error:
            errors.append(error)

    with loopback([*before, Signal(begun), Await(gate), *then]) as server:
        async with client_of(server, clock=clock, **options) as client, anyio.create_task_group() as group:
            group.start_soon(call, client)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            await anyio.wait_all_tasks_blocked()
            clock.pass_by(seconds)
            gate.set()
        assert server.wait_until_idle()
    return errors[0] if errors else None


SLEEPS: dict[str, tuple[Script, Script]] = {
    "before the answer": ([], [MADE]),
    "in mid-body": ([FIRST], [REST]),
    "in mid-body, with little at first": ([FIRST], [Drip(REST.data[:3], 0.01), Send(REST.data[3:])]),
}


@pytest.mark.parametrize("seconds", [1, 120, 599])
@pytest.mark.parametrize("moment", SLEEPS)
async def test_a_machine_that_slept_in_mid_call_keeps_a_track_that_is_in_time(moment: str, seconds: float) -> None:
    """Within the call's own limit, sleep is neither silence nor slowness of the other side."""
    assert await after_a_sleep(seconds, *SLEEPS[moment]) is None


@pytest.mark.parametrize("moment", SLEEPS)
async def test_a_machine_that_slept_a_day_keeps_a_track_that_has_no_limit(moment: str) -> None:
    """Without a limit for the whole call there is none for sleep."""
    assert await after_a_sleep(DAY, *SLEEPS[moment], timeout=Timeouts(total=None)) is None


async def test_a_machine_that_slept_past_the_limit_says_so() -> None:
    """A call that ends too late ends in doubt, paid for all that is known, and is not repeated."""
    error = await after_a_sleep(DAY, [], [Hang()], timeout=Timeouts(total=0.3), retry=RetryPolicy(attempts=3))
    assert isinstance(error, InDoubtTimeout)
    assert (error.outcome, error.money, len(error.attempts)) == (Outcome.UNKNOWN, Money.UNKNOWN, 1)
    assert error.elapsed == DAY


@pytest.fixture
def boot_time() -> int:
    """Return the clock that counts time asleep."""
    number: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return pytest.skip("this platform does not tell how long it slept") if number is None else number


def test_the_clock_of_the_system_counts_time_asleep(boot_time: int) -> None:
    """What a client measures lies between two looks at the clock that goes on while the machine sleeps."""
    before = time.clock_gettime(boot_time)
    assert before <= SystemClock().monotonic() <= time.clock_gettime(boot_time)
