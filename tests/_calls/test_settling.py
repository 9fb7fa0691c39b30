"""From a lost answer to a settlement: the client asks the books of a real server, and never sends a generation."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from aiml_music import (
    AsyncMusicClient,
    AuthenticationError,
    Event,
    EventKind,
    InDoubtError,
    InDoubtTimeout,
    InputError,
    Money,
    MusicClient,
    MusicError,
    NotSentError,
    Operation,
    Outcome,
    PayloadError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    Settlement,
    SettlementVerdict,
)
from aiml_music.sandbox import RunningSandbox, Sandbox, Settings, running
from aiml_music.testing import FakeClock, ScriptedTransport, lost, on_generate, on_request, refusal
from aiml_music.testing import answer as answered
from tests.answers import answer, chunked, envelope, refused
from tests.calls import client_of, generate
from tests.canary import KEY, assert_keyless
from tests.loopback import Hang, Script, free_port, loopback

pytestmark = pytest.mark.anyio

PAID, UNPAID, UNSETTLED = SettlementVerdict.PAID, SettlementVerdict.UNPAID, SettlementVerdict.UNSETTLED
NOT_SEEN = SettlementVerdict.NOT_SEEN
START = 1_800_000_000.0
FREE = {"usd": 0, "credits": 0}


@pytest.fixture
def clock() -> FakeClock:
    """The time of day of both sides."""
    return FakeClock(unix=START, draw=0.0)


@pytest.fixture
def server(clock: FakeClock) -> Iterator[RunningSandbox]:
    """A sandbox whose books lag a minute behind."""
    settings = Settings(latency=0, longest_track=1, log_delay=60)
    with running(sandbox=Sandbox(settings, clock=clock.time)) as served:
        yield served


def sandbox_client(server: RunningSandbox, clock: FakeClock, **options: Any) -> AsyncMusicClient:
    return AsyncMusicClient(api_key=server.api_key, base_url=server.base_url, clock=clock, **options)


async def lose(client: AsyncMusicClient, server: RunningSandbox, scenario: str, **options: Any) -> MusicError:
    """Let a generation end badly in a scenario."""
    (voice,) = server.sandbox.add_reference(b"", ("vocal",))
    server.sandbox.use_scenario(scenario, uses=1)
    with pytest.raises(MusicError) as caught:
        await client.generate(lyrics="la", refer_voice=voice, **options)
    return caught.value


def methods(server: RunningSandbox) -> list[str]:
    """Return the methods of the requests since the generation."""
    return [request.method for request in server.sandbox.requests][1:]


def write(server: RunningSandbox, count: int, *, name: str = "other", charged: int = 63_000) -> None:
    """Let the service know of more calls."""
    for number in range(count):
        server.sandbox.books.write(
            model="music-01", inference_id=f"{name}-{number}", client_request_id=name, charged_credits=charged
        )


@pytest.mark.parametrize(
    ("scenario", "verdict", "money", "credits_used"),
    [
        ("gateway_drop", PAID, Money.YES, 63_000),
        ("gateway_timeout", PAID, Money.YES, 63_000),
        ("cut_mid_body", PAID, Money.YES, 63_000),
        ("failed_drop", UNPAID, Money.NO, 0),
        ("html_502", NOT_SEEN, Money.UNKNOWN, None),
    ],
)
async def test_a_lost_answer_is_settled(
    server: RunningSandbox,
    clock: FakeClock,
    scenario: str,
    verdict: SettlementVerdict,
    money: Money,
    credits_used: int | None,
) -> None:
    """What the settlement says is what was charged; it is found out by GET alone."""
    async with sandbox_client(server, clock) as client:
        sent_at = datetime.fromtimestamp(clock.time(), UTC)
        error = await lose(client, server, scenario)
        clock.pass_by(60)
        assert error.client_request_id is not None
        found = await client.settle(error.client_request_id, sent_at=sent_at, model="music-01")
    assert (found.verdict, found.money, found.credits) == (verdict, money, credits_used)
    assert server.sandbox.charges == (verdict is PAID)
    assert found.checked_at == datetime.fromtimestamp(START + 60, UTC)
    assert set(methods(server)) == {"GET"}
    if verdict is PAID:
        assert found.usd == Decimal("0.0315")
        assert found.inference_id == server.sandbox.requests[0].inference_id
        assert found.log_row is not None
        assert found.log_row["client_request_id"] == error.client_request_id


async def test_the_hint_is_what_to_type(server: RunningSandbox, clock: FakeClock) -> None:
    """An error in doubt names the call that settles it."""
    async with sandbox_client(server, clock) as client:
        error = await lose(client, server, "gateway_drop", client_request_id="order-1")
    assert str(error).endswith('look for order-1 in the usage log: client.settle("order-1").')


async def test_a_row_of_an_earlier_attempt_settles_nothing(clock: FakeClock) -> None:
    """A call that was throttled and then lost is not unpaid because of the row of the throttling; the hint says so."""
    row = {"status": "failed", "cost": FREE, "client_request_id": "order-1", "inference_id": "a"}
    page = {"data": [row], "pagination": {"has_more": False}}
    steps = [on_generate(refusal(429, "slow down")), on_generate(lost())]
    steps += [on_request("GET", "/v2/logs", answered(200, page))] * 2
    with ScriptedTransport(*steps) as transport:
        async with AsyncMusicClient(api_key=KEY, transport=transport, clock=clock) as client:
            with pytest.raises(InDoubtError, match=r'client\.settle\("order-1", attempts=2\)'):
                await generate(client, client_request_id="order-1")
            both = await client.settle("order-1", attempts=2)
            one = await client.settle("order-1")
    assert (both.verdict, one.verdict) == (UNSETTLED, UNPAID)


async def test_a_service_out_of_reach_is_tried_again(clock: FakeClock) -> None:
    """And then the error and the events say that only reading failed."""
    events: list[Event] = []
    async with AsyncMusicClient(
        api_key=KEY, base_url=f"http://127.0.0.1:{free_port()}", clock=clock, on_event=events.append
    ) as client:
        with pytest.raises(NotSentError) as caught:
            await client.settle("order-1")
    error = caught.value
    assert (error.outcome, error.money, error.operation) == (Outcome.NOT_SENT, Money.NO, Operation.READ)
    assert len(error.attempts) == 3
    assert [event.kind for event in events][-1] is EventKind.ENDED
    assert {event.operation for event in events} == {Operation.READ}


async def test_one_look_does_not_wait(server: RunningSandbox, clock: FakeClock) -> None:
    """Unless it is asked to, it looks once and tells what there is by now."""
    async with sandbox_client(server, clock) as client:
        await lose(client, server, "gateway_drop", client_request_id="order-1")
        found = await client.settle("order-1", sent_at=clock.time())
    assert (found.verdict, clock.slept) == (NOT_SEEN, [])
    assert "look again" in str(found)


async def test_it_can_wait_for_the_row(server: RunningSandbox, clock: FakeClock) -> None:
    """The charge lands after a minute, so the third look finds it, and no further one is taken."""
    async with sandbox_client(server, clock) as client:
        await lose(client, server, "gateway_drop", client_request_id="order-1")
        found = await client.settle("order-1", sent_at=clock.time(), wait=1800)
    assert (found.verdict, clock.slept) == (PAID, [30, 30])


async def test_waiting_ends(server: RunningSandbox, clock: FakeClock) -> None:
    """A row that never comes is not waited for longer than was said."""
    async with sandbox_client(server, clock) as client:
        found = await client.settle("order-1", wait=100)
    assert (found.verdict, clock.slept) == (NOT_SEEN, [30, 30, 40])


async def test_the_log_is_read_to_its_end(server: RunningSandbox, clock: FakeClock) -> None:
    """A row behind 250 others is found, after three pages; one that is not there, after all of them."""
    write(server, 1, name="order-1")
    write(server, 250)
    clock.pass_by(60)
    async with sandbox_client(server, clock) as client:
        found = await client.settle("order-1")
        missing = await client.settle("order-2", sent_at=clock.time())
    assert (found.verdict, found.rows_read) == (PAID, 251)
    assert (missing.verdict, missing.rows_read) == (NOT_SEEN, 251)
    assert len(server.sandbox.requests) == 6


async def test_a_charge_is_looked_up_in_the_ledger(server: RunningSandbox, clock: FakeClock) -> None:
    """Where the log does not say what was charged, the ledger does, page after page."""
    write(server, 1, name="order-1")
    write(server, 150)
    clock.pass_by(60)
    server.sandbox.use_log_fault("no_cost")
    async with sandbox_client(server, clock) as client:
        found = await client.settle("order-1", sent_at=clock.time())
    assert (found.verdict, found.credits, found.usd) == (PAID, 63_000, Decimal("0.0315"))
    assert found.transaction is not None
    assert found.transaction["reference_id"] == found.inference_id == "order-1-0"
    assert [request.route for request in server.sandbox.requests] == ["/v2/logs"] * 2 + ["/v2/billing/transactions"] * 2


async def test_a_failure_without_a_cost_stays_open(server: RunningSandbox, clock: FakeClock) -> None:
    """Neither the log nor the ledger says that it cost nothing, so nobody is told that it did."""
    write(server, 1, name="order-1", charged=0)
    clock.pass_by(60)
    server.sandbox.use_log_fault("no_cost")
    async with sandbox_client(server, clock) as client:
        found = await client.settle("order-1")
    assert (found.verdict, found.money, found.transaction) == (UNSETTLED, Money.UNKNOWN, None)


async def test_a_ledger_that_fails_withholds_nothing(clock: FakeClock) -> None:
    """What the log has said stands, without an amount."""
    row = {"status": "succeeded", "client_request_id": "order-1", "inference_id": "a"}
    logs: Script = [answer({"data": [row]})]
    with loopback(logs, [answer(envelope(500, "sorry"), status="500 Sorry")]) as loop:
        async with client_of(loop, clock=clock) as client:
            found = await client.settle("order-1")
    assert (found.verdict, found.credits) == (PAID, None)
    assert [urlsplit(request.path).path for request in loop.requests] == ["/v2/logs"] + ["/v2/billing/transactions"] * 3


async def test_too_many_looks_are_waited_out(server: RunningSandbox, clock: FakeClock) -> None:
    """A throttled look is repeated when the service says, and costs nothing but time."""
    write(server, 1, name="order-1")
    clock.pass_by(60)
    for _ in range(200):
        server.sandbox.books.seconds_until_read()
    clock.pass_by(20)
    async with sandbox_client(server, clock) as client:
        found = await client.settle("order-1")
    assert (found.verdict, clock.slept) == (PAID, [40])


async def test_no_log_settles_nothing(server: RunningSandbox, clock: FakeClock) -> None:
    """A service that has no such route has not said that nothing was paid, nor that the call never arrived."""
    server.sandbox.use_log_fault("missing")
    async with sandbox_client(server, clock) as client:
        found = await client.settle("order-1")
    assert (found.verdict, found.money, found.rows_read) == (UNSETTLED, Money.UNKNOWN, 0)
    assert "no usage log here (404)" in str(found)


BROKEN: dict[str, tuple[Script, type[MusicError], Outcome, int]] = {
    "key": ([answer(envelope(401, "who?"), status="401 No")], AuthenticationError, Outcome.REJECTED, 1),
    "permission": ([answer(envelope(403, "no"), status="403 No")], PermissionDeniedError, Outcome.REJECTED, 1),
    "throttled": ([answer(envelope(429, "slow"), status="429 No")], RateLimitError, Outcome.REJECTED, 3),
    "down": ([answer(envelope(500, "sorry"), status="500 No")], ServerError, Outcome.REJECTED, 3),
    "code": ([answer(refused(1002, "slow down"))], RateLimitError, Outcome.REJECTED, 3),
    "page": ([answer(b"<html>")], InDoubtError, Outcome.UNKNOWN, 3),
    "gateway": ([answer(b"<html>", status="502 Bad")], InDoubtError, Outcome.UNKNOWN, 3),
    "nothing": ([], InDoubtError, Outcome.UNKNOWN, 3),
    "cut": ([answer(b'{"data": [', length=99)], InDoubtError, Outcome.UNKNOWN, 3),
    "no list": ([answer({"data": {"rows": []}})], PayloadError, Outcome.DAMAGED, 1),
    "audio": ([answer({"data": {"audio": "00ff"}})], PayloadError, Outcome.DAMAGED, 1),
    "not json": ([chunked(b'{"data": [NaN]}')], PayloadError, Outcome.DAMAGED, 3),
    "deep": ([chunked(b'{"data": ' + b"[" * 40 + b"]" * 40 + b"}")], PayloadError, Outcome.DAMAGED, 3),
    "huge": ([answer({"data": ["x" * (1 << 20)]})], PayloadError, Outcome.DAMAGED, 3),
    "blanks": ([chunked(b'{"data": ', b" " * (1 << 20), b"[]}")], PayloadError, Outcome.DAMAGED, 3),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_log_that_cannot_be_read_is_an_error_of_the_reading(name: str, clock: FakeClock) -> None:
    """It says nothing about the call, costs nothing, is repeated where that may help, and shows no key."""
    script, kind, outcome, attempts = BROKEN[name]
    with loopback(script) as loop:
        async with client_of(loop, clock=clock) as client:
            with pytest.raises(MusicError) as caught:
                await client.settle("order-1")
    error = caught.value
    assert (type(error), error.outcome, error.money) == (kind, outcome, Money.NO)
    assert (len(error.attempts), error.operation) == (attempts, Operation.READ)
    assert "Only the account was looked into; no money was spent." in str(error)
    assert {request.method for request in loop.requests} == {"GET"}
    assert_keyless(error)


async def test_a_limit_of_time_is_one_of_the_whole_look(clock: FakeClock) -> None:
    """A server that says nothing is not waited for beyond it."""
    with loopback([Hang()]) as loop:
        async with client_of(loop, clock=clock, max_retries=0) as client:
            with pytest.raises(InDoubtTimeout) as caught:
                await client.settle("order-1", timeout=0.05)
            assert caught.value.money is Money.NO


async def test_a_list_without_an_end_is_left(clock: FakeClock) -> None:
    """A server that repeats one page for ever is read no further than 20,000 rows, and nothing follows from it."""
    rows = [{"client_request_id": "other", "n": number} for number in range(100)]
    with loopback([answer({"data": rows, "pagination": {"has_more": True}})]) as loop:
        async with client_of(loop, clock=clock) as client:
            found = await client.settle("order-1")
    assert (found.verdict, found.rows_read, len(loop.requests)) == (UNSETTLED, 20_000, 200)


async def test_a_ledger_without_an_end_is_left(clock: FakeClock) -> None:
    """The same of charges."""
    row = {"status": "succeeded", "client_request_id": "order-1", "inference_id": "a"}
    charges = {"data": [{}] * 4000, "pagination": {"next_cursor": "again", "has_more": True}}
    with loopback([answer({"data": [row]})], [answer(charges)]) as loop:
        async with client_of(loop, clock=clock) as client:
            found = await client.settle("order-1")
    assert (found.verdict, found.credits, len(loop.requests)) == (PAID, None, 6)


async def test_rows_that_shift_count_once(clock: FakeClock) -> None:
    """The same row on two pages is one attempt, not two."""
    row = {"status": "failed", "cost": FREE, "client_request_id": "order-1", "inference_id": "a"}
    first, last = (
        answer({"data": [row], "pagination": {"has_more": True}}),
        answer({"data": [row, {}], "pagination": {"has_more": False}}),
    )
    with loopback([first], [last]) as loop:
        async with client_of(loop, clock=clock) as client:
            found = await client.settle("order-1", attempts=2)
    assert found.verdict is UNSETTLED


async def test_what_is_sent_is_a_get_and_nothing_more(clock: FakeClock) -> None:
    """No body, no length, the key in its place, an id of its own, the window around the call, and 100 rows a page."""
    with loopback([answer({"data": []})]) as loop:
        async with client_of(loop, clock=clock, default_headers={"x-team": "a"}) as client:
            await client.settle("order-1", sent_at=START, model="music-01")
            await client.with_options(timeout=None).settle("order-1", sent_at=START)
    bounded, unbounded = (parse_qs(urlsplit(request.path).query) for request in loop.requests)
    request = loop.requests[0]
    assert (request.method, request.body) == ("GET", b"")
    assert not {"content-length", "content-type", "transfer-encoding"} & request.headers.keys()
    assert (request.headers["authorization"], request.headers["x-team"]) == (f"Bearer {KEY}", "a")
    assert request.headers["x-client-request-id"] != "order-1"
    assert bounded == {
        "start": ["2027-01-15T07:00:00Z"],
        "end": ["2027-01-15T09:10:00Z"],
        "model": ["music-01"],
        "limit": ["100"],
        "offset": ["0"],
    }
    assert unbounded["end"] == ["2027-04-17T07:00:00Z"]


@pytest.mark.parametrize(
    "arguments", [{"sent_at": "now"}, {"attempts": 0}, {"wait": -1}, {"client_request_id": "a b"}], ids=str
)
async def test_arguments_are_checked_first(server: RunningSandbox, clock: FakeClock, arguments: dict[str, Any]) -> None:
    """Nothing is sent for a question that makes no sense."""
    async with sandbox_client(server, clock) as client:
        with pytest.raises(InputError):
            await client.settle(**{"client_request_id": "order-1", **arguments})
    assert server.sandbox.requests == ()


async def test_a_look_waits_behind_no_generation(server: RunningSandbox, clock: FakeClock) -> None:
    """A client whose only place is taken can still be asked what became of a call."""
    (voice,) = server.sandbox.add_reference(b"", ("vocal",))
    client = sandbox_client(server, clock, max_concurrency=1)
    async with client, client.stream(lyrics="la", refer_voice=voice) as audio:
        found = await client.settle("order-1")
        async for _ in audio:
            """Only to let it end."""
    assert found.verdict is NOT_SEEN
    with pytest.raises(RuntimeError, match="closed"):
        await client.settle("order-1")


def test_the_blocking_client_settles_as_well(server: RunningSandbox, clock: FakeClock) -> None:
    """The same question without `await`."""
    write(server, 1, name="order-1")
    clock.pass_by(60)
    with MusicClient(api_key=server.api_key, base_url=server.base_url, clock=clock) as client:
        found: Settlement = client.settle("order-1", sent_at=clock.time())
    assert str(found).startswith("order-1: paid, 63,000 credits ($0.0315).")


async def test_a_reading_that_breaks_off_says_where(clock: FakeClock) -> None:
    """What speaks of audio to one who waits for a track, does not to one who reads a list."""
    with loopback([answer(b'{"data": [', length=99)]) as loop:
        async with client_of(loop, clock=clock, max_retries=0) as client:
            with pytest.raises(
                InDoubtError, match=r"after HTTP 200 and before its end: .* What was asked about is as open"
            ):
                await client.settle("order-1")
