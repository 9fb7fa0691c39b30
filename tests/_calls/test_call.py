"""One call: what it repeats and after how long, its place in the queue, and what a cancellation leaves behind."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import anyio
import pytest

from aiml_music import (
    AsyncMusicClient,
    Event,
    EventKind,
    InDoubtError,
    Money,
    MusicError,
    NotSentTimeout,
    Outcome,
    Phase,
    RateLimitError,
    RetryPolicy,
    Timeouts,
)
from aiml_music._calls.plans import checked_order, generate_plan
from aiml_music._io.clock import SystemClock
from aiml_music._sansio.outcome import Marks
from aiml_music.testing import FakeClock
from tests.answers import answer, envelope, generated, refused
from tests.calls import MADE, TRACK, Fate, assert_traced, client_of, failure, generate, settled
from tests.loopback import Await, Hang, Loopback, Script, Send, Signal, free_port, loopback

pytestmark = pytest.mark.anyio


def throttled(*headers: tuple[str, str]) -> Send:
    return answer(envelope(429, "slow down"), status="429 Too Many Requests", headers=headers)


REPEATED: dict[str, tuple[Script, list[float]]] = {
    "429": ([throttled()], [0.5]),
    "429 with seconds": ([throttled(("Retry-After", "7"))], [7.35]),
    "429 with a date": (
        [
            throttled(
                ("Date", "Wed, 21 Oct 2026 07:28:00 GMT"),
                ("Retry-After", "Wed, 21 Oct 2026 07:28:10 GMT"),
            )
        ],
        [10.5],
    ),
    "429 with nonsense": ([throttled(("Retry-After", "inf"))], [0.5]),
    "429 at no cost": ([throttled(("x-aimlapi-credits-used", "0"))], [0.5]),
    "code 1002": ([answer(refused(1002, "rate limit"))], [0.5]),
    "code 1039": ([answer(refused(1039, "tokens per minute"))], [0.5]),
    "code 1041": ([answer(refused(1041, "connections"))], [0.5]),
    "code 2045": ([answer(refused(2045, "rate growth"))], [0.5]),
}


@pytest.mark.parametrize("case", REPEATED)
async def test_a_throttling_is_waited_out(case: str) -> None:
    """The service asked for patience and charged nothing: the call waits as long as it was asked to, and goes on."""
    script, slept = REPEATED[case]
    clock = FakeClock()
    with loopback(script, [MADE]) as server:
        async with client_of(server, clock=clock) as client:
            track = await generate(client, client_request_id="one-of-mine")
    assert track.content == TRACK
    assert clock.slept == slept
    assert [request.headers["x-client-request-id"] for request in server.requests] == ["one-of-mine"] * 2
    assert track.receipt is not None
    assert [attempt.outcome for attempt in track.receipt.attempts] == [Outcome.REJECTED, Outcome.COMPLETED]
    assert [attempt.waited for attempt in track.receipt.attempts] == [0.0, *slept]
    assert track.receipt.elapsed == pytest.approx(sum(slept))


LAST = Fate(RateLimitError, Outcome.REJECTED, Money.NO, Phase.READ)
GIVEN_UP: dict[str, tuple[Script, dict[str, Any], Fate]] = {
    "it was charged": (
        [throttled(("x-aimlapi-credits-used", "63000"))],
        {},
        Fate(RateLimitError, Outcome.REJECTED, Money.YES, Phase.READ),
    ),
    "it lasts": ([throttled(("Retry-After", "61"))], {}, LAST),
    "no repeats are wanted": ([throttled()], {"max_retries": 0}, LAST),
    "no time is left": ([throttled(("Retry-After", "20"))], {"timeout": 30}, LAST),
    "too little time is left": ([throttled(("Retry-After", "10"))], {"timeout": 20}, LAST),
    "the plan is used up": ([answer(refused(2056, "window"))], {}, LAST),
}


@pytest.mark.parametrize("case", GIVEN_UP)
async def test_what_patience_cannot_help_is_raised_at_once(case: str) -> None:
    """Nobody sleeps where the repeat would cost again, come too late, or was not wanted."""
    script, options, fate = GIVEN_UP[case]
    clock = FakeClock()
    with loopback(script) as server:
        async with client_of(server, clock=clock, **options) as client:
            error = await failure(client)
    assert Fate.of(error) == fate
    assert clock.slept == []
    assert len(server.requests) == 1
    assert isinstance(error, RateLimitError)


async def test_attempts_come_to_an_end() -> None:
    """After the last attempt the service's refusal is raised, with all attempts and the wait it asked for."""
    clock = FakeClock()
    with loopback([throttled(("Retry-After", "1"))]) as server:
        async with client_of(server, clock=clock, retry=RetryPolicy(attempts=4)) as client:
            error = await failure(client)
    assert Fate.of(error) == Fate(RateLimitError, Outcome.REJECTED, Money.NO, Phase.READ, attempts=4)
    assert clock.slept == [1.05, 1.05, 2.05]
    assert len(server.requests) == 4
    assert_traced(error)
    assert isinstance(error, RateLimitError)
    assert (error.retry_after, error.status, error.api_message) == (1.0, 429, "slow down")


async def test_a_doubt_ends_the_repeats() -> None:
    """Once a request may have been carried out, what went before does not license another one."""
    clock = FakeClock()
    with loopback([throttled()], []) as server:
        async with client_of(server, clock=clock, max_retries=9) as client:
            error = await failure(client)
    assert Fate.of(error) == Fate(InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN, Phase.WAIT, attempts=2)
    assert len(server.requests) == 2


async def test_a_full_queue_has_a_limit_of_its_own() -> None:
    """Who waits too long for a place has sent nothing; the time in the queue is not taken from the call's own."""
    begun = threading.Event()
    with loopback([Signal(begun), Hang()]) as server:
        async with client_of(server, max_concurrency=1) as client, anyio.create_task_group() as group:
            group.start_soon(generate, client)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            error = await failure(client, timeout=Timeouts(queue=0.05))
            group.cancel_scope.cancel()
    assert Fate.of(error) == Fate(NotSentTimeout, Outcome.NOT_SENT, Money.NO, Phase.QUEUE, attempts=0)
    assert "No place among 1 concurrent calls within 0.05 s." in str(error)
    assert isinstance(error, TimeoutError)
    assert_traced(error)
    assert server.connections == 1


async def test_a_call_that_was_not_opened_says_so() -> None:
    """What a call answers with is there once it has been opened and read."""
    async with client_of(Loopback([], 1)) as client:
        audio = client.stream(lyrics="la", refer_voice="vocal-1")
        for look in (lambda: audio.receipt, lambda: audio.raw, lambda: audio.trace_id):
            with pytest.raises(RuntimeError, match="use 'async with'"):
                look()


async def test_a_bare_call_answers_only_when_read() -> None:
    """No reply exists before the end of the answer, and before the request nothing is known to be sent."""
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            plan = await generate_plan(client._options, _order(), None, None)
            call = client._session.call(plan)
            assert call.evidence.marks == Marks()
            with pytest.raises(RuntimeError, match="has not been opened"):
                _ = call.reply
            async with call:
                assert server.connections == 0
                await call.open()
                with pytest.raises(RuntimeError, match="has not been read to its end"):
                    _ = call.reply
                while await call.read():
                    """Read on."""
                assert call.reply.trace_id
            await call.aclose()


def _order() -> Any:
    return checked_order("la", None, "vocal-1", None, "music-01", None, "off", None)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            [Hang()],
            (
                "in phase wait. The request may have been carried out and charged. It was not repeated."
                ' Before you pay again, look for mine in the usage log: client.settle("mine").'
            ),
        ),
        (
            [Send(answer(generated(TRACK)).data[:1000]), Hang()],
            "in phase read. The request was carried out and charged.",
        ),
    ],
)
async def test_a_cancelled_call_says_what_became_of_it(script: Script, words: str) -> None:
    """The cancellation stays what it is, and carries the id of the call and the state of the money."""
    begun = threading.Event()
    notes: list[str] = []

    async def call(server: Loopback) -> None:
        async with client_of(server) as client:
            try:
                await generate(client, client_request_id="mine")
            except anyio.get_cancelled_exc_class() as cancelled:
                notes.extend(cancelled.__notes__)
                raise

    with loopback([*script[:-1], Signal(begun), script[-1]]) as server:
        async with anyio.create_task_group() as group:
            group.start_soon(call, server)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        assert server.wait_until_idle()
    assert notes == [f"aiml_music: generate mine was cancelled {words}"]


async def test_a_call_cancelled_in_the_queue_spent_nothing() -> None:
    """Whoever is cancelled while waiting for a place says so, and the place is not lost."""
    begun, gate = threading.Event(), threading.Event()
    notes: list[str] = []

    async def call(client: Any) -> None:
        try:
            await generate(client, client_request_id="mine")
        except anyio.get_cancelled_exc_class() as cancelled:
            notes.extend(cancelled.__notes__)
            raise

    with loopback([Signal(begun), Await(gate), MADE], [MADE]) as server:
        async with client_of(server, max_concurrency=1) as client, anyio.create_task_group() as first:
            first.start_soon(generate, client)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            async with anyio.create_task_group() as second:
                second.start_soon(call, client)
                await anyio.wait_all_tasks_blocked()
                second.cancel_scope.cancel()
            gate.set()
            assert (await generate(client)).content == TRACK
    assert notes == [
        "aiml_music: generate mine was cancelled in the queue. No complete request was sent; no money was spent."
    ]
    assert server.connections == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
class TestNativeAsyncio:
    """What asyncio's own ways to cancel do to a call."""

    async def test_a_cancelled_task_is_cancelled(self) -> None:
        """`Task.cancel` ends a call with its own exception and message, and with our note."""
        begun = threading.Event()
        with loopback([Signal(begun), Hang()]) as server:
            async with client_of(server) as client:
                task = asyncio.create_task(generate(client))
                assert await asyncio.to_thread(begun.wait, 5)
                task.cancel("enough")
                with pytest.raises(asyncio.CancelledError) as caught:
                    await task
            assert server.wait_until_idle()
        assert task.cancelled()
        assert caught.value.args == ("enough",)
        assert "in phase wait" in caught.value.__notes__[0]

    async def test_a_timeout_of_asyncio_is_a_timeout(self) -> None:
        """`asyncio.timeout` around a call ends it and raises its own error, which leads to our note."""
        with loopback([Hang()]) as server:
            async with client_of(server) as client:
                with pytest.raises(TimeoutError) as caught:
                    async with asyncio.timeout(0.1):
                        await generate(client)
            assert server.wait_until_idle()
        assert not isinstance(caught.value, MusicError)
        assert "in phase wait" in caught.value.__cause__.__notes__[0]  # type: ignore[union-attr]
        current = asyncio.current_task()
        assert current is not None
        assert current.cancelling() == 0

    async def test_gather_loses_no_result(self) -> None:
        """Of many calls at once, the one that fails takes no other with it."""
        refusal = [answer(envelope(400, "no"), status="400 Bad Request")]
        with loopback([MADE], refusal, [MADE]) as server:
            async with client_of(server) as client:
                results = await asyncio.gather(*(generate(client) for _ in range(40)), return_exceptions=True)
            assert server.wait_until_idle()
        assert sorted(type(result).__name__ for result in results) == ["InvalidRequestError", *["Track"] * 39]


class _CancelledAt:
    """Awaits something step by step, and calls `cancel` just before it waits for the n-th time."""

    def __init__(self, work: Awaitable[Any], step: int, cancel: Callable[[], object]) -> None:
        self._work, self._step, self._cancel = work, step, cancel
        self.steps = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self._work.__await__()
        sent: Any = None
        thrown: BaseException | None = None
        while True:
            try:
                waited_for = inner.send(sent) if thrown is None else inner.throw(thrown)
            except StopIteration as end:
                return end.value
            thrown = None
            self.steps += 1
            if self.steps == self._step:
                self._cancel()
            try:
                sent = yield waited_for
            except BaseException as error:  # noqa: BLE001 - it goes on where it belongs
                thrown = error


@pytest.mark.parametrize("kept", ["in memory", "in a file"])
@pytest.mark.parametrize("way", ["scope", "task"])
async def test_a_cancellation_at_any_step_leaves_nothing_behind(
    way: str, kept: str, tmp_path: Any, anyio_backend_name: str
) -> None:
    """Wherever a call is cancelled, its place, its sockets and its part file are given back, or the track is kept."""
    if way == "task" and anyio_backend_name != "asyncio":
        pytest.skip("this way to cancel is asyncio's own")
    target = tmp_path / "song.mp3"
    to = target if kept == "in a file" else None
    with loopback([MADE]) as server:
        async with client_of(server, max_concurrency=1) as client:
            for step in range(1, 200):
                finished, steps = await _cancel_at(step, client, to, native=way == "task")
                assert server.wait_until_idle()
                home = client._session._home
                assert home is not None or step < 5
                assert home is None or home.is_idle
                left = {path.name for path in await settled(tmp_path)}
                assert left <= {"song.mp3"}, f"step {step}"
                assert left == set() or target.read_bytes() == TRACK
                target.unlink(missing_ok=True)
                if finished and steps < step:
                    break
            else:
                pytest.fail("the call has no end")
            assert (await generate(client)).content == TRACK
    assert step > 5


async def _cancel_at(step: int, client: Any, target: Any, *, native: bool) -> tuple[bool, int]:
    """Cancel a call at a step; return whether it came to its end all the same, and how many steps it took."""
    finished: list[Any] = []
    with anyio.CancelScope() as scope:
        if native:
            task = asyncio.current_task()
            assert task is not None

            async def call() -> None:
                inner = asyncio.current_task()
                assert inner is not None
                work = _CancelledAt(generate(client, to=target), step, inner.cancel)
                seen.append(work)
                finished.append(await work)

            seen: list[_CancelledAt] = []
            outer = asyncio.create_task(call())
            await asyncio.wait([outer])
            if not outer.cancelled():
                outer.result()
            return bool(finished), seen[0].steps
        work = _CancelledAt(generate(client, to=target), step, scope.cancel)
        finished.append(await work)
    return bool(finished), work.steps


async def test_no_limit_is_no_limit() -> None:
    """`timeout=None` takes the call's own limit away, and repeats are bound by their number alone."""
    clock = FakeClock()
    async with client_of(Loopback([], free_port()), clock=clock, timeout=None, max_retries=1) as client:
        error = await failure(client)
    assert clock.slept == [0.25]
    assert len(error.attempts) == 2


async def test_a_cancellation_between_attempts_tells_of_the_refusal() -> None:
    """Whoever is cancelled while waiting to try again has been refused, and knows that nothing was spent."""
    notes: list[str] = []
    refusal = answer(envelope(429, "slow"), status="429 Too Many Requests", headers=[("Retry-After", "30")])

    async def call(client: AsyncMusicClient) -> None:
        try:
            await generate(client)
        except anyio.get_cancelled_exc_class() as cancelled:
            notes.extend(cancelled.__notes__)
            raise

    refused = anyio.Event()

    def tell(event: Event) -> None:
        if event.kind is EventKind.REPEAT:
            refused.set()

    with loopback([refusal]) as server:
        client = client_of(server, clock=SystemClock(), on_event=tell)
        async with anyio.create_task_group() as group:
            group.start_soon(call, client)
            await refused.wait()
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    assert len(server.requests) == 1
    assert len(notes) == 1
    assert "was cancelled before it was tried again. The service refused the request; no money was spent." in notes[0]
