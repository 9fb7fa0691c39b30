"""In the frameworks people use: a web app whose visitors hang up, forks, one event loop after another, many threads."""

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
import uvicorn
from attrs import define, field
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware

from aiml_music import AsyncMusicClient, Generation, InDoubtError, MusicClient
from aiml_music.sandbox import RunningSandbox, Settings, running
from tests._io.system import posix
from tests.answers import VOICE_ID, answer, generated
from tests.calls import MADE, TRACK, client_of, generate
from tests.loopback import Hang, Send, Signal, loopback

PATIENCE = 5.0
WORDS: Mapping[str, Any] = {"lyrics": "##Side by side##", "refer_voice": VOICE_ID}
DOCUMENT = answer(generated(TRACK)).data
CUT = DOCUMENT.index(TRACK.hex().encode()) + 2000


@define(eq=False)
class Site:
    """An app that is being served, and what its handlers noticed.

    Attributes:
        words: the arguments of the generations it makes.
        said: what the cancellations of handlers had to say.
        submitted: a generation was submitted.
        gone: a handler ended because its visitor is gone.
    """

    client: Callable[[], AsyncMusicClient]
    words: Mapping[str, Any]
    port: int = 0
    said: list[str] = field(factory=list)
    submitted: threading.Event = field(factory=threading.Event)
    gone: threading.Event = field(factory=threading.Event)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def app(self) -> FastAPI:
        """Return the app: its client lives as long as it does."""

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with self.client() as client:
                app.state.client = client
                yield

        app = FastAPI(lifespan=lifespan)
        app.add_middleware(BaseHTTPMiddleware, dispatch=_pass_on)
        app.add_api_route("/songs/{name}", self.song, methods=["POST"], response_model=None)
        app.add_api_route("/songs/{name}", _collected, methods=["GET"], response_model=None)
        app.add_api_route("/stream", self.stream, methods=["GET"], response_model=None)
        return app

    async def song(self, name: str, request: Request) -> Response:
        """Make a song, unless the visitor hangs up."""

        async def make() -> Response:
            generation = await request.app.state.client.submit(**self.words, client_request_id=name)
            self.submitted.set()
            return Response((await generation).content, media_type="audio/mpeg")

        return await self._while_connected(request, make)

    async def _while_connected(self, request: Request, work: Callable[[], Awaitable[Response]]) -> Response:
        """Cancel a handler whose visitor is gone, as many an app does, since the server does not."""
        answers = []
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                # Behind this middleware `request.is_disconnected` never says so.
                while (await request.receive())["type"] != "http.disconnect":
                    """The rest of the request."""
                group.cancel_scope.cancel()

            group.start_soon(watch)
            try:
                answers.append(await work())
            except anyio.get_cancelled_exc_class() as cancelled:
                self.said.extend(getattr(cancelled, "__notes__", ()))
                self.gone.set()
                raise
            group.cancel_scope.cancel()
        return answers[0] if answers else Response(status_code=499)

    async def stream(self, request: Request) -> Response:
        """Hand a song on while it comes."""
        client: AsyncMusicClient = request.app.state.client

        async def pieces() -> AsyncIterator[bytes]:
            try:
                async with client.stream(**self.words) as audio:
                    async for piece in audio:
                        yield piece
            finally:
                self.gone.set()

        return StreamingResponse(pieces(), media_type="audio/mpeg")


async def _pass_on(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    return await call_next(request)


async def _collected(name: str, request: Request) -> Response:
    """Hand over what was made for somebody who had hung up."""
    client: AsyncMusicClient = request.app.state.client
    try:
        generation = client.generation(name)
    except KeyError:
        return JSONResponse({"detail": "no such song"}, status_code=404)
    return Response((await generation).content, media_type="audio/mpeg")


@contextlib.contextmanager
def served(client: Callable[[], AsyncMusicClient], words: Mapping[str, Any]) -> Iterator[Site]:
    """Serve the app under uvicorn, until the block ends."""
    site = Site(client, words)
    listener = socket.create_server(("127.0.0.1", 0))
    site.port = listener.getsockname()[1]
    config = uvicorn.Config(site.app(), log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="the site")
    thread.start()
    try:
        yield site
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()


def visit(site: Site, method: str, path: str) -> socket.socket:
    """Send a request, and return the connection, on which an answer may come."""
    connection = socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE)
    connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
    return connection


def sandboxed(server: RunningSandbox) -> AsyncMusicClient:
    return AsyncMusicClient(api_key=server.api_key, base_url=server.base_url)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """A service that takes a while."""
    with running(Settings(latency=0.15, longest_track=0.5)) as server:
        yield server


def words_for(server: RunningSandbox) -> dict[str, Any]:
    """Return the arguments of a generation with a voice that the service knows."""
    (voice,) = server.sandbox.add_reference(b"a voice", ("vocal",))
    return {"lyrics": "##Side by side##", "refer_voice": voice}


@pytest.mark.row("85")
def test_a_visitor_who_hangs_up_loses_no_track(sandbox: RunningSandbox) -> None:
    """The handler is cancelled with its visitor; the paid call goes on, and its track is collected by its id, once."""
    with served(lambda: sandboxed(sandbox), words_for(sandbox)) as site:
        with visit(site, "POST", "/songs/mine"):
            assert site.submitted.wait(PATIENCE)
        assert site.gone.wait(PATIENCE)
        with httpx.Client(base_url=site.url, timeout=PATIENCE, verify=False) as visitor:  # noqa: S501 - no TLS here
            track = visitor.get("/songs/mine")
            again = visitor.get("/songs/mine")
            undisturbed = visitor.post("/songs/another")
    assert (track.status_code, again.status_code, undisturbed.status_code) == (200, 404, 200)
    assert track.content
    assert undisturbed.content
    assert [note for note in site.said if "mine" in note] == [
        "aiml_music: generate mine goes on without whoever waited for it; the client's generation() finds it again."
    ]
    assert sandbox.sandbox.charges == 2
    assert [record.client_request_id for record in sandbox.sandbox.requests] == ["mine", "another"]


@pytest.mark.row("85")
def test_a_site_that_ends_lets_a_paid_track_land(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """The app's own end waits for what was submitted, though nobody waits for it any more."""
    words = {**words_for(sandbox), "to": str(tmp_path / "song.mp3")}
    with served(lambda: sandboxed(sandbox), words) as site, visit(site, "POST", "/songs/mine"):
        assert site.submitted.wait(PATIENCE)
    assert (tmp_path / "song.mp3").stat().st_size > 0
    assert sandbox.sandbox.charges == 1


@pytest.mark.row("85")
def test_a_listener_who_hangs_up_closes_our_connection() -> None:
    """A stream whose visitor leaves is left as well: its connection is closed, and nothing stays behind."""
    with loopback([Send(DOCUMENT[:CUT]), Hang()]) as server:
        with served(lambda: client_of(server), WORDS) as site:
            with visit(site, "GET", "/stream") as connection:
                heard = b""
                while TRACK[:500] not in heard:
                    heard += connection.recv(65536)
            assert site.gone.wait(PATIENCE)
            assert server.wait_until_idle()
        assert len(server.requests) == 1


def test_a_listener_who_stays_hears_all_of_it() -> None:
    """A stream passes the middleware whole."""
    with (
        loopback([MADE]) as server,
        served(lambda: client_of(server), WORDS) as site,
        httpx.Client(base_url=site.url, timeout=PATIENCE, verify=False) as visitor,  # noqa: S501 - no TLS here
    ):
        assert visitor.get("/stream").content == TRACK


FORKING = """
import os, sys
{preparation}
made = [make()]
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        # Nothing of the parent's own end belongs here.
        code = 1
        try:
            code = 0 if make() == made[0] else 2
        finally:
            os._exit(code)
    children.append(child)
made.append(make())
print([os.waitpid(child, 0)[1] for child in children], len(set(made)))
"""
ASYNC_CLIENT = """
import asyncio
from aiml_music import AsyncMusicClient
client = AsyncMusicClient(api_key="sk-of-a-test", base_url=sys.argv[1], max_concurrency=1)
async def call():
    return (await client.generate(lyrics="##Side by side##", refer_voice=sys.argv[2])).content
def make():
    return asyncio.run(call())
"""
BLOCKING_CLIENT = """
from aiml_music import MusicClient
client = MusicClient(api_key="sk-of-a-test", base_url=sys.argv[1], max_concurrency=1)
def make():
    return client.generate(lyrics="##Side by side##", refer_voice=sys.argv[2]).content
"""


@posix
@pytest.mark.row("36")
@pytest.mark.parametrize("preparation", [ASYNC_CLIENT, BLOCKING_CLIENT], ids=["async", "blocking"])
def test_a_client_survives_a_fork(preparation: str) -> None:
    """Made and used before a fork, as under a server that preloads, a client works in parent and children."""
    with loopback([MADE]) as server:
        done = subprocess.run(
            [sys.executable, "-c", FORKING.format(preparation=preparation), server.url, VOICE_ID],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "[0, 0] 1\n"), done.stderr
        assert server.wait_until_idle()
    assert len(server.requests) == 4


@pytest.mark.row("35")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_loop_that_ends_takes_its_calls_along(backend: str) -> None:
    """What was submitted ends with its event loop and says so; the client works on in the next one."""

    async def submit(client: AsyncMusicClient) -> Generation:
        generation = await client.submit(**WORDS, client_request_id="mine")
        assert await anyio.to_thread.run_sync(begun.wait, PATIENCE)
        return generation

    async def collect(generation: Generation) -> None:
        with pytest.raises(InDoubtError, match="may have been carried out"):
            await generation

    begun = threading.Event()
    with loopback([Signal(begun), Hang()], [MADE]) as server:
        client = client_of(server, max_concurrency=1)
        generation = anyio.run(submit, client, backend=backend)
        assert generation.done()
        for following in ("asyncio", "trio"):
            anyio.run(collect, generation, backend=following)
            assert anyio.run(generate, client, backend=following).content == TRACK
        assert server.wait_until_idle()
    assert len(server.requests) == 3


def test_many_threads_share_one_blocking_client(sandbox: RunningSandbox) -> None:
    """Every thread gets its own track, each call is charged once, and no more calls are under way than may be."""
    words = words_for(sandbox)
    names = [f"call-{number}" for number in range(24)]
    with MusicClient(api_key=sandbox.api_key, base_url=sandbox.base_url, max_concurrency=8) as client:

        def make(name: str) -> str:
            track = client.generate(**words, client_request_id=name)
            assert track.content
            assert track.receipt is not None
            return track.receipt.client_request_id

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(make, names)) == names
    assert sandbox.sandbox.charges == len(names)
    assert sorted(str(record.client_request_id) for record in sandbox.sandbox.requests) == sorted(names)


def test_threads_collect_what_others_submitted(sandbox: RunningSandbox) -> None:
    """A generation that one thread submitted is collected by another, by its id."""
    words = words_for(sandbox)
    with MusicClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
        names = [f"call-{number}" for number in range(4)]
        with ThreadPoolExecutor(4) as pool:
            submitted = list(pool.map(lambda name: client.submit(**words, client_request_id=name), names))
            tracks = list(pool.map(lambda name: client.generation(name).result(timeout=PATIENCE), names))
        assert all(generation.done() for generation in submitted)
        assert all(track.content for track in tracks)
    assert sandbox.sandbox.charges == 4
