"""Rows 32-40: places in the queue, event loops, threads and processes, before a call begins."""

# ruff: noqa: ASYNC240 - a test may look at its own disk

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import anyio
import pytest

from aiml_music import (
    AsyncMusicClient,
    BlockingWarning,
    MusicClient,
    MusicError,
    NotSentTimeout,
    Operation,
    Phase,
    Timeouts,
)
from aiml_music.testing import FakeClock
from tests._io.system import posix
from tests.answers import VOICE_ID
from tests.calls import MADE, TRACK, client_of, generate
from tests.canary import KEY
from tests.faults.harness import (
    GENERATE,
    SUCCESS,
    assert_succeeded,
    call,
    failing,
    leaving_nothing,
    unsent,
)
from tests.loopback import Await, Hang, Loopback, Script, Send, Signal, loopback

BACKENDS = ["asyncio", "trio"]


async def begun(event: threading.Event) -> None:
    """Wait until a server got to a place in its script."""
    assert await anyio.to_thread.run_sync(event.wait, 5)


@pytest.mark.row("32")
@pytest.mark.anyio
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_a_full_queue_has_a_limit_of_its_own(operation: Operation, tmp_path: Path) -> None:
    """Who waits too long for a place has sent nothing, and says so."""
    asked = threading.Event()
    with leaving_nothing(), loopback([Signal(asked), Hang()]) as server:
        async with client_of(server, max_concurrency=1) as client, anyio.create_task_group() as group:
            group.start_soon(generate, client)
            await begun(asked)
            error = await failing(client, operation, tmp_path, timeout=Timeouts(queue=0.05))
            group.cancel_scope.cancel()
        assert server.wait_until_idle()
    assert (type(error), error.phase, error.attempts) == (NotSentTimeout, Phase.QUEUE, ())
    assert (error.outcome, error.money) == (unsent().outcome, unsent().money)
    assert error.is_timeout
    assert server.connections == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.row("32")
@pytest.mark.anyio
async def test_the_time_in_the_queue_is_not_the_calls(tmp_path: Path) -> None:
    """A call that waited longer for its place than it may take itself still has all its time."""
    asked, gate = threading.Event(), threading.Event()
    clock = FakeClock()
    with leaving_nothing(), loopback([Signal(asked), Await(gate), MADE], [MADE]) as server:
        async with client_of(server, max_concurrency=1, clock=clock) as client, anyio.create_task_group() as group:
            group.start_soon(generate, client)
            await begun(asked)
            results: list[Any] = []

            async def queued() -> None:
                results.append(await call(client, GENERATE, tmp_path, timeout=10))

            group.start_soon(queued)
            await anyio.wait_all_tasks_blocked()
            clock.pass_by(1000)
            gate.set()
    assert_succeeded(results[0], GENERATE, tmp_path)
    assert len(server.requests) == 2


@pytest.mark.row("33")
@pytest.mark.anyio
async def test_no_pool_can_run_dry() -> None:
    """As many calls as the queue lets through have as many connections, at once."""
    arrived, gate = threading.Semaphore(0), threading.Event()

    class Arrived:
        def play(self, _connection: object) -> None:
            arrived.release()

    count = 30
    with leaving_nothing(), loopback([Arrived(), Await(gate), MADE]) as server:
        async with client_of(server, max_concurrency=count) as client, anyio.create_task_group() as group:
            for _ in range(2 * count):
                group.start_soon(generate, client)
            for _ in range(count):
                assert await anyio.to_thread.run_sync(lambda: arrived.acquire(timeout=5))
            gate.set()
        assert server.wait_until_idle()
    assert server.peak == count
    assert (server.connections, len(server.requests)) == (2 * count, 2 * count)


def pass_through(server: Loopback) -> None:
    """Return once the server has done with every connection that was made before."""
    server.scripts = [[Send(b"!")]]
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as last:
        last.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert last.recv(1) == b"!"
    assert server.wait_until_idle()


class Arrive:
    """Wait until so many connections are here."""

    def __init__(self, together: threading.Barrier) -> None:
        self._together = together

    def play(self, _connection: object) -> None:
        self._together.wait(5)


@pytest.mark.row("34")
@pytest.mark.anyio
async def test_cancelled_calls_take_nothing_with_them() -> None:
    """However many calls were cancelled, wherever they stood, as many fit in at once as before."""
    places = 5
    tracks: list[bytes | None] = []

    async def call(client: AsyncMusicClient) -> None:
        tracks.append((await generate(client)).content)

    with leaving_nothing(), loopback([Hang()]) as silent:
        async with client_of(silent, max_concurrency=places) as client:
            for turn in range(40):
                async with anyio.create_task_group() as group:
                    for _ in range(places + 2):
                        group.start_soon(generate, client)
                    for _ in range(turn):
                        await anyio.lowlevel.checkpoint()
                    group.cancel_scope.cancel()
            assert silent.connections > 0
            await anyio.to_thread.run_sync(pass_through, silent)
            # None of them is answered before all of them are there.
            together = threading.Barrier(places)
            silent.scripts = [[Arrive(together), MADE]]
            async with anyio.create_task_group() as group:
                for _ in range(places):
                    group.start_soon(call, client)
        assert silent.wait_until_idle()
    assert tracks == [TRACK] * places


@pytest.mark.row("35")
@pytest.mark.anyio
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_a_closed_client_says_so(operation: Operation, tmp_path: Path) -> None:
    """After closing, a call says what is wrong, and nothing is connected or left on the disk."""
    with leaving_nothing(), loopback([MADE]) as server:
        client = client_of(server)
        async with client:
            assert_succeeded(await call(client, GENERATE, tmp_path), GENERATE, tmp_path)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="this client is closed"):
                await call(client, operation, tmp_path)
    assert server.connections == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.row("35")
def test_one_loop_after_another() -> None:
    """An idle client moves from loop to loop, and from one kind of loop to the other."""
    with loopback([MADE]) as server:
        client = client_of(server)
        for backend in ("asyncio", "asyncio", "trio", "asyncio"):
            assert anyio.run(generate, client, backend=backend).content == TRACK
    assert len(server.requests) == 4


@pytest.mark.row("35")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("other", BACKENDS)
def test_two_loops_at_once(backend: str, other: str) -> None:
    """A client at work in one loop tells another what to do instead."""
    asked, over = threading.Event(), threading.Event()

    async def work(client: AsyncMusicClient) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(generate, client)
            await anyio.to_thread.run_sync(over.wait, 5)
            group.cancel_scope.cancel()

    with loopback([Signal(asked), Hang()]) as server:
        client = client_of(server)
        thread = threading.Thread(target=anyio.run, args=(work, client), kwargs={"backend": backend})
        thread.start()
        assert asked.wait(5)
        with pytest.raises(RuntimeError, match="make one client for each loop"):
            anyio.run(generate, client, backend=other)
        over.set()
        thread.join(5)
        assert server.wait_until_idle()
    assert server.connections == 1


FORKING = f"""
import os, sys, anyio
from aiml_music import AsyncMusicClient, MusicClient

def call(client):
    return client.generate(lyrics="la", refer_voice={VOICE_ID!r})

async def call_async(client):
    return await call(client)

blocking, plain = (kind(api_key="a-key", base_url=sys.argv[1]) for kind in (MusicClient, AsyncMusicClient))
sizes = [call(blocking).size_bytes, anyio.run(call_async, plain).size_bytes]
child = os.fork()
sizes += [call(blocking).size_bytes, anyio.run(call_async, plain).size_bytes]
blocking.close()
code = os.waitpid(child, 0)[1] if child else 0
print(sizes, flush=True)
os._exit(code or set(sizes) != {{{len(TRACK)}}})
"""


def python(program: str, *arguments: str) -> "subprocess.Popen[str]":
    """Start a program of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@posix
@pytest.mark.row("36")
def test_parent_and_child_of_a_fork_both_go_on() -> None:
    """Clients that were used before a fork work in both processes, with connections and ids of their own."""
    with loopback([MADE]) as server, python(FORKING, server.url) as process:
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert out.splitlines() == [str([len(TRACK)] * 4)] * 2
    ids = [request.headers["x-client-request-id"] for request in server.requests]
    assert (len(ids), len(set(ids))) == (6, 6)


@pytest.mark.row("37")
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_blocking_client_works_in_a_running_loop(backend: str) -> None:
    """In a notebook it gives its track, and warns once that it holds the loop up and that there is another client."""

    async def cell(client: MusicClient) -> list[warnings.WarningMessage]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(2):
                assert client.generate(lyrics="la", refer_voice=VOICE_ID).content == TRACK
        return caught

    with loopback([MADE]) as server, MusicClient(api_key=KEY, base_url=server.url) as client:
        caught = anyio.run(cell, client, backend=backend)
    assert [warning.category for warning in caught] == [BlockingWarning]
    assert "AsyncMusicClient" in str(caught[0].message)


CALLING = f"""
import sys, threading
from aiml_music import MusicClient
client = MusicClient(api_key="a-key", base_url=sys.argv[1])
call = dict(lyrics="la", refer_voice={VOICE_ID!r}, client_request_id="mine")
"""
IN_A_THREAD = "threading.Thread(target=client.generate, daemon=True, kwargs=call).start(); input(); sys.exit()"


@pytest.mark.row("38")
def test_the_interpreter_ends_while_a_thread_still_calls() -> None:
    """A call in a thread nobody waits for does not hold the program up, and was sent once."""
    asked = threading.Event()
    with loopback([Signal(asked), Hang()]) as server:
        with python(CALLING + IN_A_THREAD, server.url) as process:
            assert asked.wait(10)
            process.communicate(input="\n", timeout=20)
        assert server.wait_until_idle()
    assert process.returncode == 0
    assert (server.connections, len(server.requests)) == (1, 1)


@posix
@pytest.mark.row("38")
def test_an_interrupted_program_tells_about_the_money() -> None:
    """Ctrl-C ends a call that was sent, and its last words are the id and what may have been paid."""
    asked = threading.Event()
    with loopback([Signal(asked), Hang()]) as server:
        with python(CALLING + "client.generate(**call)", server.url) as process:
            assert asked.wait(10)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
        assert server.wait_until_idle()
    assert "generate mine was cancelled in phase wait." in err.splitlines()[-1]
    assert "may have been carried out and charged" in err.splitlines()[-1]
    assert server.connections == 1


@pytest.mark.row("39")
@pytest.mark.anyio
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_who_is_cancelled_in_the_queue_leaves_the_place_to_the_next(operation: Operation, tmp_path: Path) -> None:
    """A cancellation in the queue is a plain one that spent nothing, and no place is lost by it."""
    asked, gate = threading.Event(), threading.Event()
    notes: list[str] = []

    async def queued(client: AsyncMusicClient) -> None:
        try:
            await call(client, operation, tmp_path, client_request_id="mine")
        except anyio.get_cancelled_exc_class() as cancelled:
            notes.extend(cancelled.__notes__)
            raise

    with leaving_nothing(), loopback([Signal(asked), Await(gate), MADE], SUCCESS[operation]) as server:
        async with client_of(server, max_concurrency=1) as client, anyio.create_task_group() as group:
            group.start_soon(generate, client)
            await begun(asked)
            for _ in range(3):
                async with anyio.create_task_group() as waiting:
                    for _ in range(3):
                        waiting.start_soon(queued, client)
                    await anyio.wait_all_tasks_blocked()
                    waiting.cancel_scope.cancel()
            gate.set()
            assert_succeeded(await call(client, operation, tmp_path), operation, tmp_path)
    words = (
        f"aiml_music: {operation} mine was cancelled in the queue. No complete request was sent; no money was spent."
    )
    assert notes == [words] * 9
    assert server.connections == 2


@pytest.mark.row("39")
@pytest.mark.anyio
async def test_a_place_that_comes_with_a_cancellation_is_handed_on(tmp_path: Path) -> None:
    """Who gets a place and a cancellation in the same moment leaves the place to the next."""
    asked, gate = threading.Event(), threading.Event()
    with leaving_nothing(), loopback([Signal(asked), Await(gate), MADE], [MADE]) as server:
        async with client_of(server, max_concurrency=1) as client:
            for _ in range(5):
                asked.clear()
                gate.clear()
                async with anyio.create_task_group() as group, anyio.create_task_group() as waiting:
                    waiting.start_soon(generate, client)
                    if server.connections == 0:
                        await begun(asked)
                    waiting.start_soon(generate, client)
                    await anyio.wait_all_tasks_blocked()
                    waiting.cancel_scope.cancel()
                    group.start_soon(generate, client)
                    gate.set()
            assert_succeeded(await call(client, GENERATE, tmp_path), GENERATE, tmp_path)
        assert server.wait_until_idle()


STAGES: dict[str, Script] = {
    "waiting": [Hang()],
    "reading": [Send(MADE.data[:1500]), Hang()],
}


@pytest.mark.row("40")
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("delay", [0.0, 0.02, 0.048, 0.049, 0.05, 0.051, 0.052])
async def test_a_cancellation_is_not_swallowed_by_a_limit_of_our_own(stage: str, delay: float, tmp_path: Path) -> None:
    """Where asyncio cancels a task just as a limit inside it runs out, the task is cancelled, or had ended before."""
    with leaving_nothing(), loopback(STAGES[stage]) as server:
        async with client_of(server, timeout=Timeouts(total=0.05), max_retries=0) as client:
            task = asyncio.create_task(call(client, GENERATE, tmp_path, to=None))
            asyncio.get_running_loop().call_later(delay, task.cancel, "enough")
            ended = (await asyncio.gather(task, return_exceptions=True))[0]
        assert server.wait_until_idle()
    assert isinstance(ended, asyncio.CancelledError if task.cancelling() else MusicError)
    assert task.cancelled() is (task.cancelling() > 0)
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


@pytest.mark.row("40")
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_call_that_succeeds_has_not_been_cancelled(tmp_path: Path) -> None:
    """After a call that returned, and after a timeout around one, the task counts no cancellation."""
    current = asyncio.current_task()
    assert current is not None
    with leaving_nothing(), loopback([Hang()], [MADE]) as server:
        async with client_of(server, max_concurrency=1) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await call(client, GENERATE, tmp_path)
            assert current.cancelling() == 0
            assert_succeeded(await call(client, GENERATE, tmp_path), GENERATE, tmp_path)
            assert current.cancelling() == 0
        assert server.wait_until_idle()
