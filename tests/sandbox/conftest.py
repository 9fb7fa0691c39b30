"""A served sandbox, and a client that knows its key."""

import socket
from collections.abc import Callable, Iterator

import httpx
import pytest

from aiml_music.sandbox import RunningSandbox, Sandbox, Settings, make_reference, running
from tests.sandbox.queues import PLAIN, Body, Queue

UPLOAD = "/v2/generate/audio/minimax/upload"
GENERATE = "/v2/generate/audio/minimax/generate"


def dial(server: RunningSandbox) -> httpx.Client:
    """Return a client for a server, to be closed by the caller."""
    headers = {"authorization": f"Bearer {server.api_key}"}
    return httpx.Client(base_url=server.base_url, headers=headers, timeout=20, verify=PLAIN)


@pytest.fixture(scope="session")
def reference() -> bytes:
    """A song of twelve seconds."""
    return make_reference(12)


def settle(server: RunningSandbox) -> None:
    """Return when the server has noticed every connection that was closed before.

    It answers a last request later than it sees the ends that came earlier, and closes its side before ours reads on.
    """
    with socket.create_connection(("127.0.0.1", int(server.base_url.rpartition(":")[2])), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while connection.recv(65536):
            pass


@pytest.fixture(scope="session")
def server() -> Iterator[RunningSandbox]:
    """A sandbox that answers at once, with tracks of a second. Its counts go on from test to test."""
    with running(Settings(latency=0, longest_track=1)) as running_sandbox:
        settle(running_sandbox)
        yield running_sandbox


@pytest.fixture
def client(server: RunningSandbox) -> Iterator[httpx.Client]:
    """A client of that sandbox."""
    with dial(server) as open_client:
        yield open_client
    settle(server)


@pytest.fixture
def charges(server: RunningSandbox) -> Callable[[], int]:
    """Count the charges since the test began."""
    before = server.sandbox.charges
    return lambda: server.sandbox.charges - before


@pytest.fixture
def body(server: RunningSandbox) -> Callable[..., Body]:
    """Build a good request for a generation; what is given replaces what is in it."""
    voice, instrumental = server.sandbox.add_reference(b"a reference", ("vocal", "instrumental"))

    def build(**changes: object) -> Body:
        return {
            "model": "music-01",
            "lyrics": "##Side by side##",
            "refer_voice": voice,
            "refer_instrumental": instrumental,
            **changes,
        }

    return build


@pytest.fixture(scope="session")
def queueing() -> Iterator[RunningSandbox]:
    """A sandbox that is done at once with what is submitted. Its MP3s are joined from bars, which takes no time."""
    with running(sandbox=Sandbox(Settings(latency=0, longest_track=1, drip_seconds=0.05), encoder=None)) as sandbox:
        settle(sandbox)
        yield sandbox


@pytest.fixture
def queue(queueing: RunningSandbox) -> Iterator[Queue]:
    """A client that submits to that sandbox, polls it and fetches from it."""
    with dial(queueing) as open_client:
        yield Queue(queueing, open_client)
    settle(queueing)
