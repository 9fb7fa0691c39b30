"""What the page on costs and repeats says and no other test shows: numbers, quota, ids, and what is never done."""

import re
import threading
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from aiml_music import AsyncMusicClient, MusicError, Operation, ServerError, Track
from aiml_music._sansio.concurrency import MOST, START, ConcurrencyLimit
from aiml_music._sansio.outcome import Answer, Marks, Money, Outcome
from aiml_music._sansio.verdict import Evidence
from aiml_music.testing import FakeClock
from tests.answers import answer, envelope, generated, refused, uploaded
from tests.calls import MADE, REFERENCE, TRACK, client_of, failure, generate
from tests.loopback import Await, Loopback, Script, Signal, free_port, loopback

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[1] / "docs/guides/what-a-call-costs.md"
COST = (("x-aimlapi-credits-used", "63000"), ("x-aimlapi-usd-spent", "0.0315"))
BUSY = answer(envelope(429, "slow down"), status="429 Too Many Requests")
FAILED = answer(envelope(500, "oops"), status="500 Internal Server Error")
LEARNED = answer(uploaded())


async def upload(client: AsyncMusicClient) -> None:
    """Upload a reference."""
    await client.upload(REFERENCE, purpose="song")


async def test_a_receipt_has_the_numbers_of_the_headers() -> None:
    """What an answer says it cost is in the receipt; what it does not say is None."""
    scripts: list[Script] = [
        [answer(generated(TRACK), headers=COST)],
        [answer(uploaded(), headers=COST)],
        [MADE],
        [LEARNED],
    ]
    with loopback(*scripts) as server:
        async with client_of(server) as client:
            receipts = [
                made.receipt
                for _ in range(2)
                for made in (await generate(client), await client.upload(REFERENCE, purpose="song"))
            ]
    told = [(receipt.credits_used, receipt.usd_spent) for receipt in receipts if receipt is not None]
    assert told == [(63_000, Decimal("0.0315"))] * 2 + [(None, None)] * 2


async def test_an_error_has_the_numbers_of_the_headers() -> None:
    """What an answer says it cost is in the error as well; what it does not say is None."""
    late = [answer(envelope(504, "late"), status="504 Gateway Timeout", headers=headers) for headers in (COST, ())]
    with loopback(*([one] for one in late)) as server:
        async with client_of(server) as client:
            errors = [await failure(client), await failure(client)]
    assert [(error.credits_used, error.usd_spent) for error in errors] == [(63_000, Decimal("0.0315")), (None, None)]


SENT = Marks(request_begun=True, body_handed_over=True)
ENDINGS: list[tuple[Marks, Answer, bool]] = [
    (Marks(), Answer.NONE, False),
    (SENT, Answer.REFUSAL, False),
    (SENT, Answer.REFUSAL, True),
    (SENT, Answer.NONE, False),
    (SENT, Answer.UNUSABLE, False),
    (SENT, Answer.UNUSABLE, True),
    (SENT, Answer.VERIFIED, False),
]


def judged(operation: Operation, marks: Marks, reply: Answer, *, unproven: bool) -> tuple[Outcome, Money]:
    """Return outcome and money of an ending."""
    evidence = Evidence(operation=operation, host="service.test", client_request_id="mine", marks=marks)
    return evidence.judge(reply, unproven=unproven)


def test_the_table_of_money_is_the_real_one() -> None:
    """Outcome by outcome, the page says of both operations what the client concludes."""
    rows = re.findall(r"^\| `(\w+)`.*? \| (\w+) \| (\w+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    real = []
    for marks, reply, unproven in ENDINGS:
        (outcome, generation), (_, reference) = (
            judged(operation, marks, reply, unproven=unproven) for operation in (Operation.GENERATE, Operation.UPLOAD)
        )
        real.append((str(outcome), str(generation), str(reference)))
    taken = Evidence(
        operation=Operation.GENERATE,
        host="service.test",
        client_request_id="mine",
        marks=SENT,
        generation_id="its-own",
        is_confirmed=True,
    )
    outcome, money = taken.judge(Answer.NONE)
    real.insert(3, (str(outcome), str(money), "never"))
    assert rows == real
    assert {row[0] for row in rows} == set(Outcome)


async def test_attempts_say_what_went_wrong() -> None:
    """Number, outcome, pause and trouble of each attempt are in the receipt, and in the error."""
    with loopback([BUSY], [MADE], [BUSY]) as server:
        async with client_of(server, clock=FakeClock(), max_retries=1) as client:
            track = await generate(client)
            error = await failure(client)
    assert track.receipt is not None
    told = [
        [(attempt.number, str(attempt.outcome), attempt.waited, attempt.problem) for attempt in attempts]
        for attempts in (track.receipt.attempts, error.attempts)
    ]
    trouble = f"127.0.0.1:{server.port} answered HTTP 429: slow down."
    assert told == [
        [(1, "rejected", 0.0, trouble), (2, "completed", 0.5, "")],
        [(1, "rejected", 0.0, trouble), (2, "rejected", 0.5, trouble)],
    ]


async def test_views_share_the_quota_and_operations_do_not() -> None:
    """What a view has used up its client lacks; uploads have a quota of their own."""
    with loopback([BUSY], [MADE], [BUSY], [BUSY], [BUSY], [BUSY], [LEARNED]) as server:
        async with client_of(server, clock=FakeClock()) as client:
            client._session.quotas[Operation.GENERATE].left = 5
            view = client.with_options(timeout=300)
            await generate(view)
            assert (await failure(view)).retry_quota_exhausted
            assert (await failure(client)).retry_quota_exhausted
            await upload(client)
    assert len(server.requests) == 2 + 2 + 1 + 2


async def test_an_outage_is_not_answered_with_a_storm() -> None:
    """Of sixty calls that meet a service in trouble, fifty may repeat, and the rest end at their first failure."""
    with loopback([BUSY]) as server:
        async with client_of(server, clock=FakeClock()) as client:
            errors = [await failure(client) for _ in range(60)]
    assert [len(error.attempts) for error in errors] == [3] * 50 + [1] * 10
    assert [error.retry_quota_exhausted for error in errors] == [False] * 50 + [True] * 10
    assert len(server.requests) == 160


async def test_no_retries_are_none() -> None:
    """With `max_retries=0`, of a client or of a view, nothing is repeated: neither what never left nor an upload."""
    async with client_of(Loopback([], free_port()), clock=FakeClock(), max_retries=0) as client:
        assert len((await failure(client)).attempts) == 1
    with loopback([]) as server:
        async with client_of(server, clock=FakeClock()) as client:
            for one in (client.with_options(max_retries=0), client):
                with pytest.raises(MusicError):
                    await upload(one)
    assert len(server.requests) == 1 + 3


async def test_an_upload_is_repeated_after_a_code_that_leaves_it_open() -> None:
    """A code that does not say whether the work was done is a doubt, and an upload in doubt is made again."""
    with loopback([answer(refused(1000, "unknown error"))], [LEARNED]) as server:
        async with client_of(server, clock=FakeClock()) as client:
            await upload(client)
    assert len(server.requests) == 2


async def test_a_slow_call_stays_one_request() -> None:
    """Ten minutes without an answer, less a second, are no reason to send a second request."""
    clock, begun, gate = FakeClock(), threading.Event(), threading.Event()
    tracks: list[Track] = []

    async def work(client: AsyncMusicClient) -> None:
        tracks.append(await generate(client))

    with loopback([Signal(begun), Await(gate), MADE], [MADE]) as server:
        async with client_of(server, clock=clock) as client, anyio.create_task_group() as group:
            group.start_soon(work, client)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            clock.pass_by(599)
            await anyio.wait_all_tasks_blocked()
            gate.set()
    assert tracks[0].content == TRACK
    assert tracks[0].receipt is not None
    assert (tracks[0].receipt.elapsed, len(tracks[0].receipt.attempts)) == (599, 1)
    assert (server.connections, clock.slept) == (1, [])


async def test_failures_do_not_keep_the_next_call_away() -> None:
    """After any number of failures in a row, the next call is sent like the first."""
    with loopback(*[[FAILED]] * 30, [MADE]) as server:
        async with client_of(server, clock=FakeClock()) as client:
            assert {type(await failure(client)) for _ in range(30)} == {ServerError}
            assert (await generate(client)).content == TRACK
    assert len(server.requests) == 31


def test_a_queue_grows_to_twenty_and_shrinks_to_one() -> None:
    """Successes let twenty through in the end and no more, throttlings one, and no fewer."""
    limit = ConcurrencyLimit.of(None)
    seen = [limit.calls]
    for second in range(1000):
        limit.succeeded(now=second, under_way=limit.calls)
        seen.append(limit.calls)
    assert (seen[0], max(seen), seen[-1]) == (START, MOST, MOST) == (4, 20, 20)
    for second in range(1000, 1020):
        limit.throttled(now=second, began=second)
        seen.append(limit.calls)
    assert (min(seen), seen[-1]) == (1, 1)


async def test_every_call_has_an_id_of_its_own() -> None:
    """An id is the caller's or a new one; it goes with the request, and is in the receipt and the error."""
    with loopback([MADE], [MADE], [MADE], []) as server:
        async with client_of(server) as client:
            tracks = [await generate(client), await generate(client), await generate(client, client_request_id="mine")]
            error = await failure(client)
    sent = [request.headers["x-client-request-id"] for request in server.requests]
    kept = [track.receipt.client_request_id for track in tracks if track.receipt is not None]
    assert sent == [*kept, error.client_request_id]
    assert len(set(sent)) == 4
    assert sent[2] == "mine"


async def test_two_calls_of_one_id_are_two_requests() -> None:
    """A name is no key: whoever calls twice has asked twice."""
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            for _ in range(2):
                await generate(client, client_request_id="mine")
    assert [request.headers["x-client-request-id"] for request in server.requests] == ["mine", "mine"]
