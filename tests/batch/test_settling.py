"""Doubts of a batch settled from the service's books, by GET alone, and the user's word to send a job again."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from aiml_music import (
    AsyncMusicClient,
    InputError,
    JobSettlement,
    JobState,
    MusicClient,
    ServerError,
    SettlementVerdict,
)
from aiml_music._calls.settling import look_up_each
from aiml_music._sansio.batch.budget import Balance
from aiml_music._sansio.batch.job import Plan
from aiml_music._sansio.batch.settling import NEVER_ARRIVED, word_for
from aiml_music._sansio.batch.states import IllegalTransitionError, Mark
from aiml_music._sansio.settlement import Search
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.settling import Answers, Settler
from aiml_music.sandbox import RunningSandbox, Sandbox, Settings, running
from aiml_music.testing import FakeClock
from tests.answers import answer, envelope
from tests.batch.batches import START, carried_out, job, records
from tests.batch.ledgers import begun, filled, marked
from tests.calls import client_of as loopback_client
from tests.loopback import loopback

pytestmark = pytest.mark.anyio

PLANNED, IN_DOUBT, PAID_LOST = JobState.PLANNED, JobState.IN_DOUBT, JobState.PAID_LOST


@pytest.fixture
def clock() -> FakeClock:
    """The time of day of both sides."""
    return FakeClock(unix=START)


@pytest.fixture
def server(clock: FakeClock) -> Iterator[RunningSandbox]:
    """A sandbox that answers at once, with short tracks."""
    settings = Settings(latency=0, longest_track=0.5)
    with running(sandbox=Sandbox(settings, clock=clock.time)) as served:
        yield served


def client_of(server: RunningSandbox, clock: FakeClock) -> AsyncMusicClient:
    return AsyncMusicClient(api_key=server.api_key, base_url=server.base_url, clock=clock, max_retries=0)


async def lose(client: AsyncMusicClient, server: RunningSandbox, directory: Path, **scenarios: str) -> None:
    """Make calls of a batch that end in these scenarios, each under its label."""
    (voice,) = server.sandbox.add_reference(b"", ("vocal",))
    for label, scenario in scenarios.items():
        server.sandbox.use_scenario(scenario, uses=1)
        await carried_out(client, directory, [job(label, refer_voice=voice)])


def told(found: list[JobSettlement]) -> dict[str, JobState]:
    return {one.label: one.state for one in found}


def facts_of(directory: Path, label: str) -> dict[str, object]:
    """Return what the last mark of a job says."""
    key = records(directory)[label].key
    with Ledger.observe(directory) as ledger:
        return dict(ledger.marks(key)[-1].facts)


async def test_doubts_are_settled_by_the_books(server: RunningSandbox, clock: FakeClock, tmp_path: Path) -> None:
    """Unpaid is planned again, paid is lost, absent stays in doubt; the sandbox saw no other generation."""
    async with client_of(server, clock) as client:
        await lose(client, server, tmp_path, failed="failed_drop", paid="gateway_drop", absent="html_502")
        sent = len(server.sandbox.requests)
        async with client.batch(tmp_path) as batch:
            found = await batch.settle()
            balance = (await batch.report()).totals.balance
    assert told(found) == {"failed": PLANNED, "paid": PAID_LOST, "absent": IN_DOUBT}
    assert [one.probably_never_arrived for one in found] == [False] * 3
    assert [one.settlement is not None and one.settlement.credits for one in found] == [0, 63_000, None]
    assert (balance.spent, balance.in_doubt) == (63_000, 63_000)
    assert {request.method for request in server.sandbox.requests[sent:]} == {"GET"}
    assert {one.label: record.state for one in found for record in [records(tmp_path)[one.label]]} == told(found)


async def test_what_is_absent_after_half_an_hour_is_the_user_s_to_judge(
    server: RunningSandbox, clock: FakeClock, tmp_path: Path
) -> None:
    """It probably never arrived, and stays in doubt; by the user's word, and by that alone, it counts as unpaid."""
    async with client_of(server, clock) as client:
        await lose(client, server, tmp_path, absent="html_502")
        async with client.batch(tmp_path) as batch:
            (early,) = await batch.settle(absent_is_unpaid=True)
            clock.pass_by(1800)
            (still,) = await batch.settle(absent_is_unpaid=True)
            clock.pass_by(1)
            (late,) = await batch.settle()
            assert facts_of(tmp_path, "absent")["label"] == NEVER_ARRIVED
            (by_word,) = await batch.settle(absent_is_unpaid=True)
            assert await batch.settle() == []
    assert [one.state for one in (early, still, late, by_word)] == [IN_DOUBT, IN_DOUBT, IN_DOUBT, PLANNED]
    assert [one.probably_never_arrived for one in (early, still, late, by_word)] == [False, False, True, True]
    assert "by the user's word" in str(facts_of(tmp_path, "absent")["note"])


async def test_where_there_are_no_books_nothing_is_absent(
    server: RunningSandbox, clock: FakeClock, tmp_path: Path
) -> None:
    """A service without a usage log cannot say that a call never arrived, whatever the user allows."""
    async with client_of(server, clock) as client:
        await lose(client, server, tmp_path, paid="gateway_drop")
        clock.pass_by(7200)
        server.sandbox.use_log_fault("missing")
        async with client.batch(tmp_path) as batch:
            (found,) = await batch.settle(absent_is_unpaid=True)
    assert (found.state, found.probably_never_arrived) == (IN_DOUBT, False)
    assert found.settlement is not None
    assert found.settlement.verdict is SettlementVerdict.UNSETTLED


async def test_one_look_that_fails_leaves_the_others_their_answer(
    server: RunningSandbox, clock: FakeClock, tmp_path: Path
) -> None:
    """The job stays as it was, its error is told, and one of another day is looked up."""
    async with client_of(server, clock) as client:
        await lose(client, server, tmp_path, one="gateway_drop")
        clock.pass_by(24 * 3600)
        await lose(client, server, tmp_path, two="gateway_drop")
        server.sandbox.use_log_fault("down", uses=1)
        async with client.batch(tmp_path) as batch:
            one, two = await batch.settle()
    assert isinstance(one.error, ServerError)
    assert (one.state, one.settlement, two.state) == (IN_DOUBT, None, PAID_LOST)
    assert facts_of(tmp_path, "one").keys() >= {"problem"}


def doubtful(directory: Path, *labels: str) -> None:
    """Leave a batch all of whose calls are in doubt, with the ids `id-a`, `id-b` and so on."""
    ledger, keys = filled(directory, *labels)
    with ledger:
        for label, key in zip(labels, keys, strict=True):
            begun(ledger, key, label)
            marked(ledger, key, Mark.WIRE, Mark.IN_DOUBT)


async def test_all_doubts_are_looked_up_in_one_reading(clock: FakeClock, tmp_path: Path) -> None:
    """The books are read once for all calls of the same time, and no further than the last of them that was paid."""
    labels = [f"{number:02}" for number in range(30)]
    doubtful(tmp_path, *labels)
    rows = [
        {"status": "succeeded", "cost": {"credits": 63_000}, "client_request_id": f"id-{label}"} for label in labels
    ]
    others: list[dict[str, Any]] = [{}] * 100
    pages = [
        answer({"data": part, "pagination": {"has_more": True}})
        for part in (others, rows[:10], others, rows[10:], others)
    ]
    with loopback(*([page] for page in pages)) as books:
        async with loopback_client(books, clock=clock) as client, client.batch(tmp_path) as batch:
            found = await batch.settle()
            balance = (await batch.report()).totals.balance
    assert len(books.requests) == 4
    assert [(one.label, one.state) for one in found] == [(label, PAID_LOST) for label in labels]
    assert (balance.spent, balance.in_doubt) == (30 * 63_000, 0)


async def test_where_the_log_of_all_is_too_long_each_is_looked_up(clock: FakeClock, tmp_path: Path) -> None:
    """What a row says that was found stands; what was not reached may lie within the time of its own call."""
    doubtful(tmp_path, "a", "b", "c")
    paid = {"status": "succeeded", "cost": {"credits": 63_000}, "client_request_id": "id-a"}
    endless = answer({"data": [paid, *[{"n": n} for n in range(9_999)]], "pagination": {"has_more": True}})
    unpaid = {"status": "failed", "cost": {"credits": 0}, "client_request_id": "id-b"}
    last = answer({"data": [unpaid], "pagination": {"has_more": False}})
    with loopback(
        [endless], [endless], [last], [answer(envelope(500, "down"), status="500 Internal Server Error")]
    ) as books:
        async with loopback_client(books, clock=clock, max_retries=0) as client, client.batch(tmp_path) as batch:
            found = await batch.settle()
    assert told(found) == {"a": PAID_LOST, "b": PLANNED, "c": IN_DOUBT}
    assert [type(one.error) for one in found] == [type(None), type(None), ServerError]
    assert len(books.requests) == 4


async def test_it_keeps_looking_while_something_is_in_doubt(
    server: RunningSandbox, clock: FakeClock, tmp_path: Path
) -> None:
    """Charges land later: every doubt is looked up again at its time."""
    async with client_of(server, clock) as client:
        await lose(client, server, tmp_path, paid="gateway_drop", absent="html_502")
        async with client.batch(tmp_path) as batch:
            looks = len(server.sandbox.requests)
            found = await batch.settle(wait=90)
            with pytest.raises(InputError, match="wait must be"):
                await batch.settle(wait=-1)
    assert clock.slept[-3:] == [30, 30, 30]
    assert told(found) == {"paid": PAID_LOST, "absent": IN_DOUBT}
    # The first look found the charge as well; what is not there was looked for under its model, and under any.
    assert len(server.sandbox.requests) - looks == 4 * 2


async def test_a_job_that_moved_on_is_not_judged_by_an_old_look(
    server: RunningSandbox, clock: FakeClock, tmp_path: Path
) -> None:
    """The user's word while the books were read has the job sent again, and that stays so."""
    async with client_of(server, clock) as client:
        await lose(client, server, tmp_path, paid="gateway_drop")
        async with client.batch(tmp_path) as batch:

            async def meanwhile(searches: Sequence[Search]) -> Answers:
                if searches:
                    await batch.pay_again("paid", reason="in a hurry")
                return await look_up_each(client._session, client._options, searches)

            (found,) = await Settler(batch._opened, meanwhile, clock).settle(wait=None, absent_is_unpaid=False)
    assert (found.state, found.is_earlier) == (PLANNED, True)
    assert records(tmp_path)["paid"].state is PLANNED
    assert facts_of(tmp_path, "paid")["verdict"] == "paid"


async def test_the_user_s_word_sends_a_job_again(server: RunningSandbox, clock: FakeClock, tmp_path: Path) -> None:
    """By label, key or file; with a reason that stays; the doubt about the first call stays on record."""
    async with client_of(server, clock) as client:
        await lose(client, server, tmp_path, paid="gateway_drop", rude="content_refused")
        async with client.batch(tmp_path, max_concurrency=1) as batch:
            for nonsense in ("", "nobody"):
                with pytest.raises(InputError, match="no job"):
                    await batch.pay_again(nonsense, reason="why not")
            with pytest.raises(InputError, match="reason"):
                await batch.pay_again("paid", reason=" ")
            assert (await batch.pay_again("paid", reason="needed today")).state is PLANNED
            assert (await batch.pay_again("rude.mp3", reason="try once more")).state is PLANNED
            assert facts_of(tmp_path, "paid") == {"reason": "needed today"}
            with pytest.raises(InputError, match="to be made as it is"):
                await batch.pay_again(records(tmp_path)["rude"].key, reason="again")
            outcomes = await batch.run_all()
            assert [(one.label, one.state) for one in outcomes] == [("paid", JobState.DONE), ("rude", JobState.DONE)]
            assert len((await batch.report()).in_doubt) == 1
            (earlier,) = await batch.settle()
            report = await batch.report()
            with pytest.raises(InputError, match="its track is there"):
                await batch.pay_again("paid", reason="again")
    with Ledger.observe(tmp_path) as ledger:
        marks = {label: [mark.mark for mark in ledger.marks(record.key)] for label, record in records(tmp_path).items()}
    assert Mark.PAY_AGAIN in marks["paid"]
    assert (earlier.label, earlier.state, earlier.is_earlier, earlier.in_doubt) == ("paid", JobState.DONE, True, False)
    assert (report.in_doubt, [call.client_request_id for call in report.paid_lost]) == ((), [earlier.client_request_id])
    assert (report.totals.balance.spent, report.totals.balance.in_doubt) == (3 * 63_000, 0)
    assert report.totals.jobs[JobState.DONE] == 2
    assert Mark.AGAIN in marks["rude"]


def test_a_job_under_way_is_not_sent_again() -> None:
    """What is being sent is not in need of a word."""
    with pytest.raises(InputError, match="under way"):
        word_for(JobState.WIRE)


async def test_a_name_of_several_jobs_is_refused(clock: FakeClock, tmp_path: Path, server: RunningSandbox) -> None:
    """Two labels may be the same; keys are not."""
    with Ledger.open(tmp_path) as ledger:
        ledger.add((Plan(key=f"{n}" * 64, job=job("a", lyrics=f"{n}"), cost=1) for n in (1, 2)), now=START)
    async with client_of(server, clock) as client, client.batch(tmp_path) as batch:
        with pytest.raises(InputError, match="2 jobs are called 'a'") as caught:
            await batch.pay_again("a", reason="both")
        assert "1" * 64 in (caught.value.hint or "")


def test_a_call_that_was_paid_over_again_is_settled_for_the_money(tmp_path: Path, server: RunningSandbox) -> None:
    """Its job stays where its later call leaves it; blocking, as everything else here would be."""
    ledger, (key, refused) = filled(tmp_path, "a", "b")
    with ledger:
        begun(ledger, refused, "b1")
        marked(ledger, refused, Mark.WIRE, Mark.REJECTED)
        for attempt in ("a1", "a2"):
            begun(ledger, key, attempt)
            marked(ledger, key, Mark.WIRE, Mark.IN_DOUBT, attempt=attempt)
            if attempt == "a1":
                ledger.append(key, Mark.PAY_AGAIN, now=4.0)
    with (
        MusicClient(api_key=server.api_key, base_url=server.base_url, clock=FakeClock(unix=START)) as client,
        client.batch(tmp_path) as batch,
    ):
        earlier, later = batch.settle(absent_is_unpaid=True)
        assert (earlier.client_request_id, earlier.state, earlier.is_earlier) == ("id-a1", IN_DOUBT, True)
        assert (later.client_request_id, later.state, later.is_earlier) == ("id-a2", PLANNED, False)
        assert (earlier.in_doubt, later.in_doubt) == (False, False)
        assert (batch.report().in_doubt, batch.report().totals.balance.in_doubt) == ((), 0)
        with pytest.raises(InputError):
            batch.pay_again("a", reason="again")
        assert batch.pay_again("b", reason="again").state is PLANNED
        assert batch.write_page() == tmp_path / "index.html"
        assert batch.unwritten == ()
        assert batch.directory == tmp_path


def test_an_earlier_call_that_is_not_to_be_found_keeps_its_doubt(tmp_path: Path) -> None:
    """Only a call in doubt is settled so, and none that still leaves its job in doubt; nothing is written otherwise."""
    ledger, (key,) = filled(tmp_path, "a")
    with ledger:
        begun(ledger, key, "a1")
        marked(ledger, key, Mark.WIRE, Mark.IN_DOUBT)
        for attempt in ("a1", "none"):
            with pytest.raises(IllegalTransitionError, match="no earlier call in doubt"):
                ledger.settle_earlier(key, attempt, Mark.EARLIER_PAID, now=5.0, charged=None, facts={})
        with pytest.raises(IllegalTransitionError, match="settle_earlier"):
            ledger.append(key, Mark.EARLIER_PAID, now=4.0)
        ledger.append(key, Mark.PAY_AGAIN, now=4.0)
        ledger.settle_earlier(key, "a1", Mark.EARLIER_PAID, now=5.0, charged=7, facts={})
        assert (ledger.job(key).state, ledger.balance()) == (PLANNED, Balance(spent=7))
        with pytest.raises(IllegalTransitionError, match="no earlier call in doubt"):
            ledger.settle_earlier(key, "a1", Mark.EARLIER_UNPAID, now=5.0, charged=None, facts={})


async def test_an_earlier_call_is_asked_after_until_it_is_settled(
    server: RunningSandbox, clock: FakeClock, tmp_path: Path
) -> None:
    """What is in no book yet stays in doubt, though its job is done, and is looked up again at its time."""
    async with client_of(server, clock) as client:
        await lose(client, server, tmp_path, absent="html_502")
        async with client.batch(tmp_path) as batch:
            await batch.pay_again("absent", reason="in a hurry")
            await batch.run_all()
            (found,) = await batch.settle(wait=30)
            server.sandbox.use_log_fault("down", uses=1)
            (failed,) = await batch.settle()
    assert clock.slept[-1] == 30
    for one in (found, failed):
        assert (one.state, one.in_doubt, one.is_earlier) == (JobState.DONE, True, True)
