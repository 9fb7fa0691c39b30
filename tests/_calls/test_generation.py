"""A submitted generation: nobody who waits for it can lose it, and a client that closes says what it left."""

import asyncio
import threading
from pathlib import Path

import anyio
import pytest

from aiml_music import (
    AsyncMusicClient,
    Event,
    EventKind,
    InDoubtError,
    InvalidRequestError,
    Money,
    NotSentError,
    Outcome,
    OutputExistsError,
    RateLimitError,
    Track,
)
from aiml_music._calls.generation import Generation
from aiml_music.testing import FakeClock
from tests.answers import VOICE_ID, answer, envelope, generated
from tests.calls import MADE, TRACK, client_of
from tests.canary import assert_keyless
from tests.loopback import Await, Hang, Loopback, Send, Signal, loopback

pytestmark = pytest.mark.anyio


async def submit(client: AsyncMusicClient, name: str = "order-1", to: Path | None = None) -> Generation:
    """Submit a generation under a name."""
    return await client.submit(lyrics="##Side by side##", refer_voice=VOICE_ID, client_request_id=name, to=to)


async def cancelled_while_waiting(generation: Generation) -> list[str]:
    """Give up waiting for a generation, and return the notes of the cancellation."""
    notes: list[str] = []

    async def wait() -> None:
        try:
            await generation
        except anyio.get_cancelled_exc_class() as cancelled:
            notes.extend(cancelled.__notes__)
            raise

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    return notes


async def test_a_submitted_call_runs_without_anybody_waiting() -> None:
    """`submit` returns before the service has answered; the track can be taken as often as wanted."""
    go = threading.Event()
    with loopback([Await(go), MADE]) as server:
        async with client_of(server) as client:
            generation = await submit(client)
            assert not generation.done()
            assert repr(generation) == "<Generation order-1, under way>"
            with pytest.raises(RuntimeError, match="order-1 is still under way: await it"):
                generation.result()
            go.set()
            track = await generation
            assert generation.done()
            assert await generation is generation.result() is track
            assert repr(generation) == "<Generation order-1, done>"
    assert track.content == TRACK
    assert track.receipt is not None
    assert track.receipt.client_request_id == "order-1"
    assert len(server.requests) == 1


async def test_who_is_cancelled_loses_nothing() -> None:
    """A cancelled waiter takes nothing along: another finds the generation by its name, and it is paid once."""
    go = threading.Event()
    with loopback([Await(go), MADE]) as server:
        async with client_of(server) as client:
            notes = await cancelled_while_waiting(await submit(client))
            assert notes == [
                (
                    "aiml_music: generate order-1 goes on without whoever waited for it;"
                    " the client's generation() finds it again."
                )
            ]
            assert [found.client_request_id for found in client.generations] == ["order-1"]
            go.set()
            assert (await client.generation("order-1")).content == TRACK
            assert client.generations == ()
    assert len(server.requests) == 1


async def test_a_track_lands_in_its_file_whoever_waits(tmp_path: Path) -> None:
    """With `to=`, the file is there once the client has closed, though nobody ever waited."""
    song = tmp_path / "song.mp3"
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            generation = await submit(client, to=song)
        assert generation.done()
        assert client.generation("order-1") is generation
        assert (await generation).path == song
    assert song.read_bytes() == TRACK


async def test_a_failure_waits_for_whoever_asks() -> None:
    """What went wrong is raised where somebody waits, each time, and nowhere else."""
    refusal = answer(envelope(400, "no such voice"), status="400 Bad Request")
    with loopback([refusal]) as server:
        async with client_of(server) as client:
            generation = await submit(client)
            for _ in range(2):
                with pytest.raises(InvalidRequestError, match="no such voice") as caught:
                    await generation
                assert_keyless(caught.value)
            assert repr(generation) == "<Generation order-1, failed>"
            assert client.generations == ()


async def test_what_cannot_be_kept_is_not_paid(tmp_path: Path) -> None:
    """A file that exists ends a submitted call before it costs anything, like any other call."""
    song = tmp_path / "song.mp3"
    song.write_bytes(b"older")
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            with pytest.raises(OutputExistsError):
                await (await submit(client, to=song))
    assert server.connections == 0


async def test_one_name_is_one_call() -> None:
    """A name is free again once its track was collected."""
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            generation = await submit(client)
            with pytest.raises(RuntimeError, match="order-1 was submitted already"):
                await submit(client)
            await generation
            await (await submit(client))
            with pytest.raises(KeyError):
                client.generation("order-1")
    assert len(server.requests) == 2


async def test_closing_waits_for_what_was_submitted() -> None:
    """`close` returns once everything has landed, and nothing was left."""
    go = threading.Event()
    with loopback([Await(go), MADE]) as server:
        client = client_of(server)
        generation = await submit(client)
        async with anyio.create_task_group() as group:
            group.start_soon(client.close)
            await anyio.wait_all_tasks_blocked()
            assert client.is_closed()
            go.set()
        assert (await generation).content == TRACK
        assert await client.close() == ()


async def test_a_view_closes_nothing() -> None:
    """Closing what `with_options` made leaves calls and client alone."""
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            generation = await submit(client)
            assert await client.with_options(max_retries=0).close() == ()
            assert (await generation).content == TRACK
            assert not client.is_closed()


async def test_a_bounded_close_says_what_it_left(caplog: pytest.LogCaptureFixture) -> None:
    """What is not done in time is given up; its error says whether it may have been paid, and it is logged."""
    begun = threading.Event()
    with loopback([Signal(begun), Hang()]) as server:
        client = client_of(server, max_concurrency=1)
        sent = await submit(client, "sent")
        assert await anyio.to_thread.run_sync(begun.wait, 5)
        queued = await submit(client, "queued")
        assert await client.close(drain=0.05) == (sent, queued)
        with pytest.raises(InDoubtError, match="given up when the client was closed") as in_doubt:
            await sent
        with pytest.raises(NotSentError) as unsent:
            await queued
        assert server.wait_until_idle()
    assert (in_doubt.value.outcome, in_doubt.value.money) == (Outcome.UNKNOWN, Money.UNKNOWN)
    assert in_doubt.value.client_request_id == "sent"
    assert "look for sent in the usage log" in str(in_doubt.value)
    assert "was cancelled in phase wait" in in_doubt.value.__notes__[0]
    assert (unsent.value.outcome, unsent.value.money) == (Outcome.NOT_SENT, Money.NO)
    assert "was cancelled in the queue" in unsent.value.__notes__[0]
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "<Generation sent, failed> was left behind when its client was closed",
        "<Generation queued, failed> was left behind when its client was closed",
    ]
    assert_keyless(in_doubt.value)


async def test_a_call_given_up_between_two_attempts_tells_of_the_first() -> None:
    """A client that closes while a call waits to be repeated leaves the error of the attempt that failed."""
    busy = answer(envelope(429, "slow down"), status="429 Too Many Requests", headers=[("Retry-After", "30")])
    waiting = anyio.Event()

    def tell(event: Event) -> None:
        if event.kind is EventKind.REPEAT:
            waiting.set()

    with loopback([busy]) as server:
        client = client_of(server, on_event=tell)
        generation = await submit(client)
        await waiting.wait()
        assert await client.close(drain=0) == (generation,)
        with pytest.raises(RateLimitError, match="slow down") as caught:
            await generation
    assert (caught.value.outcome, caught.value.money) == (Outcome.REJECTED, Money.NO)
    assert "was cancelled before it was tried again" in caught.value.__notes__[0]


async def test_a_call_given_up_in_its_second_attempt_tells_of_both() -> None:
    """What the first attempt came to stays as it was, and the one under way is told of too."""
    busy = answer(envelope(429, "slow down"), status="429 Too Many Requests")
    begun = threading.Event()
    with loopback([busy], [Signal(begun), Hang()]) as server:
        client = client_of(server, clock=FakeClock())
        generation = await submit(client)
        assert await anyio.to_thread.run_sync(begun.wait, 5)
        assert await client.close(drain=0) == (generation,)
        with pytest.raises(InDoubtError) as caught:
            await generation
        assert server.wait_until_idle()
    assert [(attempt.number, attempt.outcome) for attempt in caught.value.attempts] == [
        (1, Outcome.REJECTED),
        (2, Outcome.UNKNOWN),
    ]


async def test_a_block_that_is_cancelled_still_lands_what_was_paid() -> None:
    """Leaving `async with` by a cancellation waits for the paid calls, and the cancellation goes on."""
    begun, go = threading.Event(), threading.Event()
    kept: list[Generation] = []

    async def work(server: Loopback) -> None:
        async with client_of(server) as client:
            kept.append(await submit(client))
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            await anyio.sleep_forever()

    async def release(scope: anyio.CancelScope) -> None:
        await anyio.to_thread.run_sync(begun.wait, 5)
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        go.set()

    with loopback([Signal(begun), Await(go), MADE]) as server:
        async with anyio.create_task_group() as outer:
            with anyio.CancelScope() as scope:
                outer.start_soon(release, scope)
                await work(server)
            assert scope.cancelled_caught
    assert (await kept[0]).content == TRACK


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_block_left_by_two_cancellations_leaves_at_once() -> None:
    """The second `cancel()` of asyncio ends the wait: what is under way is given up, and its error says so."""
    begun = threading.Event()
    kept: list[Generation] = []

    async def work(server: Loopback) -> None:
        async with client_of(server) as client:
            kept.append(await submit(client))
            await anyio.sleep_forever()

    with loopback([Signal(begun), Hang()]) as server:
        task = asyncio.create_task(work(server))
        assert await anyio.to_thread.run_sync(begun.wait, 5)
        for _ in range(2):
            task.cancel()
            await anyio.wait_all_tasks_blocked()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert server.wait_until_idle()
    with pytest.raises(InDoubtError):
        await kept[0]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
async def test_the_end_of_the_loop_ends_what_nobody_closed(backend: str) -> None:
    """A program that ends without closing its client does not hang, and a generation of a dead loop has ended."""
    begun = threading.Event()
    kept: list[tuple[AsyncMusicClient, Generation]] = []

    async def work(server: Loopback) -> None:
        client = client_of(server)
        kept.append((client, await submit(client)))
        assert await anyio.to_thread.run_sync(begun.wait, 5)

    with loopback([Signal(begun), Hang()]) as server:
        await anyio.to_thread.run_sync(lambda: anyio.run(work, server, backend=backend))
        assert await anyio.to_thread.run_sync(server.wait_until_idle)
        client, generation = kept[0]
        assert generation.done()
        assert await client.close() == ()
        with pytest.raises(InDoubtError):
            await generation


async def test_a_file_half_come_is_kept_when_the_client_closes(tmp_path: Path) -> None:
    """A track that is coming in when its client gives up is brought home first, and its error says where it is."""
    begun, go = threading.Event(), threading.Event()
    whole = answer(generated(TRACK)).data
    with loopback([Send(whole[:-400]), Signal(begun), Await(go), Send(whole[-400:])]) as server:
        client = client_of(server)
        generation = await submit(client, to=tmp_path / "song.mp3")
        assert await anyio.to_thread.run_sync(begun.wait, 5)
        closed: list[tuple[Generation, ...]] = []

        async def close() -> None:
            closed.append(await client.close(drain=0))

        async with anyio.create_task_group() as group:
            group.start_soon(close)
            await anyio.wait_all_tasks_blocked()
            go.set()
        assert closed == [(generation,)]
        with pytest.raises(Exception, match="given up") as caught:
            await generation
    assert (tmp_path / "song.mp3").read_bytes() == TRACK
    assert any("the track was kept all the same" in note for note in caught.value.__notes__)


async def test_many_waiters_get_the_same_track() -> None:
    """Everybody who awaits a generation gets it, and the call is made once."""
    tracks: list[Track] = []

    async def wait(generation: Generation) -> None:
        tracks.append(await generation)

    with loopback([MADE]) as server:
        async with client_of(server) as client:
            generation = await submit(client)
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(wait, generation)
    assert [track.content for track in tracks] == [TRACK] * 5
    assert len(server.requests) == 1
