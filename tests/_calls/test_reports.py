"""What a client tells of its calls: one logged line each, and events for whoever asks for them."""

import logging
import threading
from decimal import Decimal
from typing import Any

import anyio
import pytest

from aiml_music import Event, EventKind, Money, MusicError, NotSentTimeout, Operation, Outcome, Timeouts
from aiml_music.testing import FakeClock
from tests.answers import answer, envelope, generated, uploaded
from tests.calls import MADE, REFERENCE, TRACK, client_of, generate
from tests.canary import KEY
from tests.loopback import Hang, Send, Signal, loopback

pytestmark = pytest.mark.anyio

PAID = answer(
    generated(TRACK),
    headers=[("x-aimlapi-credits-used", "63000"), ("x-aimlapi-usd-spent", "0.0315"), ("x-inference-id", "inf-1")],
)
BUSY = answer(envelope(429, "slow down"), status="429 Too Many Requests")
LYRICS = "##Words that nobody else may read##"


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[str]:
    """Return what was logged at a level, under the library's one name."""
    assert {record.name for record in caplog.records if record.name.startswith("aiml")} <= {"aiml_music"}
    found = [record for record in caplog.records if record.name == "aiml_music" and record.levelno == level]
    return [record.getMessage() for record in found]


def kinds(events: list[Event]) -> list[EventKind]:
    return [event.kind for event in events]


async def test_a_call_that_ends_well_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Operation, id, outcome, money and seconds: in one line at INFO, and neither lyrics nor key anywhere."""
    caplog.set_level(logging.DEBUG)
    with loopback([PAID]) as server:
        async with client_of(server, clock=FakeClock()) as client:
            await generate(client, client_request_id="order-7", lyrics=LYRICS)
    assert lines(caplog) == ["generate order-7: completed, money yes, 63,000 credits ($0.0315), 0.0 s"]
    assert KEY not in caplog.text
    assert "Words that nobody" not in caplog.text


async def test_a_call_that_fails_is_one_line_too(caplog: pytest.LogCaptureFixture) -> None:
    """A failure names its error, and nothing of what the service said about the lyrics."""
    caplog.set_level(logging.INFO)
    echo = answer(envelope(400, f"cannot sing {LYRICS}"), status="400 Bad Request")
    with loopback([echo], []) as server:
        async with client_of(server, clock=FakeClock()) as client:
            for name in ("refused", "lost"):
                with pytest.raises(MusicError):
                    await generate(client, client_request_id=name)
    assert lines(caplog) == [
        "generate refused: rejected, money no, 0.0 s, InvalidRequestError",
        "generate lost: unknown, money unknown, 0.0 s, InDoubtError",
    ]


async def test_an_upload_is_logged_as_a_call_of_unknown_price(caplog: pytest.LogCaptureFixture) -> None:
    """No price of an upload is published, and the line says so."""
    caplog.set_level(logging.INFO)
    with loopback([answer(uploaded())]) as server:
        async with client_of(server, clock=FakeClock()) as client:
            await client.upload(REFERENCE, purpose="song", client_request_id="ref")
    assert lines(caplog) == ["upload ref: completed, money unknown, 0.0 s"]


async def test_a_cancelled_call_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Who gives up a call that is under way still reads in the log what it may have cost."""
    caplog.set_level(logging.INFO)
    begun = threading.Event()
    with loopback([Signal(begun), Hang()]) as server:
        async with client_of(server, clock=FakeClock()) as client, anyio.create_task_group() as group:
            group.start_soon(lambda: generate(client, client_request_id="given-up"))
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            group.cancel_scope.cancel()
        assert server.wait_until_idle()
    assert lines(caplog) == ["generate given-up: unknown, money unknown, 0.0 s"]


async def test_a_stream_left_early_is_logged_as_paid(caplog: pytest.LogCaptureFixture) -> None:
    """Audio had begun to come, so the track was paid for."""
    caplog.set_level(logging.INFO)
    with loopback([Send(MADE.data[:-200]), Hang()]) as server:
        client = client_of(server, clock=FakeClock())
        async with client.stream(lyrics="la", refer_voice="vocal-1", client_request_id="left") as audio:
            await anext(audio)
    assert lines(caplog) == ["generate left: damaged, money yes, 0.0 s"]


async def test_a_call_that_never_got_a_place_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A call that waited in vain cost nothing."""
    caplog.set_level(logging.INFO)
    begun = threading.Event()
    events: list[Event] = []
    with loopback([Signal(begun), Hang()]) as server:
        client = client_of(
            server, clock=FakeClock(), max_concurrency=1, timeout=Timeouts(queue=0.05), on_event=events.append
        )
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: generate(client, client_request_id="first"))
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            with pytest.raises(NotSentTimeout):
                await generate(client, client_request_id="second")
            group.cancel_scope.cancel()
        assert server.wait_until_idle()
    assert "generate second: not_sent, money no, 0.0 s, NotSentTimeout" in lines(caplog)
    assert kinds([event for event in events if event.client_request_id == "second"]) == [
        EventKind.QUEUED,
        EventKind.ENDED,
    ]


async def test_events_tell_a_call_step_by_step() -> None:
    """A call that is repeated once is told from the queue to its end."""
    events: list[Event] = []
    clock = FakeClock()
    with loopback([BUSY], [PAID]) as server:
        async with client_of(server, clock=clock, on_event=events.append, max_concurrency=1) as client:
            await generate(client, client_request_id="order-8")
    assert kinds(events) == [
        EventKind.QUEUED,
        EventKind.STARTED,
        EventKind.ATTEMPT,
        EventKind.REPEAT,
        EventKind.ATTEMPT,
        EventKind.ANSWERED,
        EventKind.ENDED,
    ]
    assert {(event.operation, event.client_request_id) for event in events} == {(Operation.GENERATE, "order-8")}
    assert [event.attempt for event in events] == [0, 0, 1, 1, 2, 2, 2]
    repeat, answered, ended = events[3], events[5], events[6]
    assert (repeat.wait, repeat.problem) == (0.5, f"127.0.0.1:{server.port} answered HTTP 429: slow down.")
    assert (answered.status, answered.elapsed) == (200, 0.5)
    assert (ended.outcome, ended.money, ended.error) == (Outcome.COMPLETED, Money.YES, "")
    assert (ended.credits_used, ended.usd_spent) == (63_000, Decimal("0.0315"))


async def test_a_throttled_client_says_that_it_makes_way() -> None:
    """An adaptive client tells when the number of its calls changes, and never goes below one."""
    events: list[Event] = []
    with loopback([BUSY]) as server:
        async with client_of(server, clock=FakeClock(), on_event=events.append, max_retries=0) as client:
            for _ in range(4):
                with pytest.raises(MusicError):
                    await generate(client)
    assert [event.limit for event in events if event.kind is EventKind.LIMIT] == [2, 1]


async def test_a_fixed_number_of_calls_stays() -> None:
    """A number that was asked for is kept, however the service answers."""
    events: list[Event] = []
    with loopback([BUSY], [MADE]) as server:
        async with client_of(server, clock=FakeClock(), on_event=events.append, max_concurrency=3) as client:
            await generate(client)
    assert EventKind.LIMIT not in kinds(events)


async def test_a_listener_that_fails_costs_nobody_a_track(caplog: pytest.LogCaptureFixture) -> None:
    """What goes wrong in `on_event` is logged, and the call goes on."""

    def fail(event: Event) -> Any:
        raise ValueError(f"no room for {event.kind}")

    with loopback([MADE]) as server:
        async with client_of(server, on_event=fail) as client:
            assert (await generate(client, client_request_id="order-9")).content == TRACK
    assert lines(caplog, logging.ERROR)[0] == "on_event failed at queued of order-9"
    assert "no room for queued" in caplog.text
