"""A batch that is stopped sends nothing more: not what waits in the queue, nor what sleeps before it is repeated."""

from pathlib import Path

import pytest

from aiml_music import Batch, Event, EventKind, Job, JobState
from aiml_music.testing import FakeClock
from tests.answers import VOICE_ID, answer, envelope, refused
from tests.calls import MADE, client_of
from tests.loopback import Send, loopback

pytestmark = pytest.mark.anyio


def busy(seconds: int) -> Send:
    """Return the service's word to come back later."""
    headers = [("Retry-After", str(seconds))]
    return answer(envelope(429, "slow down"), status="429 Too Many Requests", headers=headers)


def jobs(count: int) -> list[Job]:
    return [Job(label=f"Song {number}", lyrics="la", refer_voice=VOICE_ID) for number in range(count)]


async def test_what_waits_in_the_queue_is_not_sent_after_a_stop(tmp_path: Path) -> None:
    """Jobs that were begun and had no turn yet stay planned, and cost nothing."""
    opened: list[Batch] = []

    def stop_at_the_first_answer(event: Event) -> None:
        if event.kind is EventKind.ANSWERED:
            opened[0].stop()

    with loopback([MADE], [MADE], [MADE]) as server:
        client = client_of(server, max_concurrency=1, on_event=stop_at_the_first_answer)
        async with client, client.batch(tmp_path) as batch:
            opened.append(batch)
            outcomes = await batch.run_all(jobs(3))
            totals = (await batch.report()).totals
    assert [outcome.state for outcome in outcomes] == [JobState.DONE]
    assert len(server.requests) == 1
    assert (totals.jobs[JobState.DONE], totals.jobs[JobState.PLANNED]) == (1, 2)
    assert totals.balance.committed == 63_000


@pytest.mark.parametrize("seconds", [800, 7200])
async def test_nobody_sleeps_on_after_a_stop(seconds: int, tmp_path: Path) -> None:
    """A service that asks for a long wait does not hold up who stops the batch meanwhile."""
    opened: list[Batch] = []

    def stop() -> None:
        opened[0].stop()

    clock = FakeClock(on_sleep=stop)
    with loopback([busy(seconds)], [MADE]) as server:
        async with client_of(server, clock=clock) as client, client.batch(tmp_path, max_concurrency=1) as batch:
            opened.append(batch)
            await batch.run_all(jobs(2))
            totals = (await batch.report()).totals
    assert clock.slept == [1.0]
    assert len(server.requests) == 1
    assert totals.jobs[JobState.PLANNED] == 2


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (answer(refused(1026, "input new_sensitive")), JobState.REJECTED),
        (answer(b"", status="502 Bad"), JobState.IN_DOUBT),
    ],
)
async def test_an_abort_loses_no_verdict(reply: Send, state: JobState, tmp_path: Path) -> None:
    """What a call that has ended came to is in the ledger, however soon after its end the batch is aborted."""
    opened: list[Batch] = []

    def abort_at_the_end(event: Event) -> None:
        if event.kind is EventKind.ENDED:
            opened[0].abort()

    with loopback([reply]) as server:
        client = client_of(server, on_event=abort_at_the_end)
        async with client, client.batch(tmp_path, max_concurrency=1) as batch:
            opened.append(batch)
            await batch.run_all(jobs(2))
            report = await batch.report()
    assert (report.totals.jobs[state], report.totals.jobs[JobState.PLANNED]) == (1, 1)
    assert len(report.in_doubt) == (state is JobState.IN_DOUBT)
    assert len(server.requests) == 1


async def test_what_is_being_made_is_named(tmp_path: Path) -> None:
    """While jobs are under way, the batch names their files; before and afterwards, none."""
    seen: list[tuple[str, ...]] = []
    opened: list[Batch] = []
    with loopback([MADE]) as server:
        client = client_of(server, on_event=lambda _: seen.append(opened[0].under_way))
        async with client, client.batch(tmp_path) as batch:
            opened.append(batch)
            assert batch.under_way == ()
            await batch.run_all(jobs(1))
            assert batch.under_way == ()
    assert set(seen) == {(), ("Song-0.mp3",)}
