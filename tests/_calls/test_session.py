"""What the views of one client share: the queue, in whatever event loop, process and state the client is."""

import os
import threading

import anyio
import pytest

from aiml_music import AsyncMusicClient, Track
from tests._io.system import posix
from tests.calls import MADE, TRACK, client_of, generate
from tests.loopback import Hang, Signal, loopback


def test_an_idle_client_moves_to_the_next_loop() -> None:
    """One client serves one event loop after another, on either backend."""
    with loopback([MADE]) as server:
        client = client_of(server)
        for backend in ("asyncio", "asyncio", "trio"):
            assert anyio.run(generate, client, backend=backend).content == TRACK
    assert len(server.requests) == 3


def test_what_nobody_collected_moves_along() -> None:
    """A track that was made in one event loop is found again in the next, after other calls too."""

    async def make(client: AsyncMusicClient) -> None:
        await (await client.submit(lyrics="la", refer_voice="vocal-1", client_request_id="mine")).ended()

    async def collect(client: AsyncMusicClient) -> Track:
        await generate(client)
        return await client.generation("mine")

    with loopback([MADE]) as server:
        client = client_of(server)
        anyio.run(make, client)
        assert anyio.run(collect, client).content == TRACK
        assert client.generations == ()
    assert len(server.requests) == 2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_client_at_work_stays_in_its_loop(backend: str) -> None:
    """A second loop is refused while calls of the first are under way."""
    begun, over = threading.Event(), threading.Event()

    async def work(client: AsyncMusicClient) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(generate, client)
            await anyio.to_thread.run_sync(over.wait, 5)
            group.cancel_scope.cancel()

    with loopback([Signal(begun), Hang()]) as server:
        client = client_of(server)
        thread = threading.Thread(target=anyio.run, args=(work, client), kwargs={"backend": backend})
        thread.start()
        assert begun.wait(5)
        with pytest.raises(RuntimeError, match="at work in another event loop"):
            anyio.run(generate, client)
        over.set()
        thread.join(5)
        assert server.wait_until_idle()


@posix
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_queue_of_its_own() -> None:
    """What is under way in the parent takes no place in the child."""
    begun, over = threading.Event(), threading.Event()

    async def work(client: AsyncMusicClient) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(generate, client)
            await anyio.to_thread.run_sync(over.wait, 5)
            group.cancel_scope.cancel()

    with loopback([Signal(begun), Hang()], [MADE]) as server:
        client = client_of(server, max_concurrency=1)
        thread = threading.Thread(target=anyio.run, args=(work, client))
        thread.start()
        assert begun.wait(5)
        child = os.fork()
        if child == 0:
            # Nothing of pytest may run in the child.
            code = 1
            try:
                code = 0 if anyio.run(generate, client).content == TRACK else 2
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        over.set()
        thread.join(5)
        assert server.wait_until_idle()


@pytest.mark.anyio
async def test_a_closed_client_takes_no_calls() -> None:
    """After `close`, every call says so, and nothing is connected."""
    with loopback([MADE]) as server:
        client = client_of(server)
        assert not client.is_closed()
        await client.aclose()
        assert client.is_closed()
        for _ in range(2):
            with pytest.raises(RuntimeError, match="this client is closed"):
                await generate(client)
        with pytest.raises(RuntimeError, match="this client is closed"):
            await client.upload(b"x", purpose="song", check_audio=False)
    assert server.connections == 0


@pytest.mark.anyio
async def test_calls_under_way_survive_the_closing() -> None:
    """`close` takes no more calls; those that have begun end as they would have."""
    begun = threading.Event()
    tracks = []

    async def call(client: AsyncMusicClient) -> None:
        tracks.append(await generate(client))

    with loopback([Signal(begun), MADE]) as server:
        client = client_of(server)
        async with anyio.create_task_group() as group:
            group.start_soon(call, client)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            await client.close()
    assert [track.content for track in tracks] == [TRACK]
