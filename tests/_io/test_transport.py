"""The transport on real sockets: connections that cannot be made, what it sends, and that it lets go of everything."""

# ruff: noqa: ASYNC240 - a test may wait for its own disk

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio
import pytest

from aiml_music import InDoubtError, Money, NotSentError, NotSentTimeout, Outcome, Phase, Timeouts
from aiml_music._io.bodies import BytesBody
from aiml_music._io.transport import HttpxTransport
from aiml_music._sansio.ports import FaultKind, Progress, RequestHead, TransportFault
from aiml_music._sansio.secret import Secret
from aiml_music.testing import FakeClock
from tests.answers import VOICE_ID, answer, generated, head
from tests.calls import MADE, SENDING, TRACK, Fate, client_of, failure, generate
from tests.canary import KEY, shown
from tests.loopback import Hang, Loopback, ReadOnly, Reset, Script, Send, Signal, free_port, loopback

pytestmark = pytest.mark.anyio

UNSENT = Fate(NotSentError, Outcome.NOT_SENT, Money.NO, Phase.CONNECT)


@contextmanager
def black_hole() -> Iterator[int]:
    """Yield a port whose queue of connections is full: the next one is neither accepted nor refused."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = opened.enter_context(socket.socket())
            filler.setblocking(False)  # noqa: FBT003 - the socket's own signature
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_a_port_nobody_listens_on_is_tried_three_times() -> None:
    """A refused connection carried nothing, and pauses grow between the attempts."""
    clock = FakeClock()
    async with client_of(Loopback([], free_port()), clock=clock) as client:
        error = await failure(client)
    assert Fate.of(error) == Fate(NotSentError, Outcome.NOT_SENT, Money.NO, Phase.CONNECT, attempts=3)
    assert clock.slept == [0.25, 0.5]
    assert [attempt.waited for attempt in error.attempts] == [0.0, 0.25, 0.5]
    assert "could not be reached before anything was sent: Connection refused" in str(error)


async def test_a_service_that_comes_up_meanwhile_is_reached() -> None:
    """What could not be sent at first is sent once the port is open, once and no more."""
    port = free_port()
    servers: list[Loopback] = []
    with ExitStack() as opened:
        clock = FakeClock(on_sleep=lambda: servers.append(opened.enter_context(loopback([MADE], port=port))))
        async with client_of(Loopback([], port), clock=clock) as client:
            track = await generate(client)
    assert track.content == TRACK
    assert [len(server.requests) for server in servers] == [1]
    assert track.receipt is not None
    assert [attempt.outcome for attempt in track.receipt.attempts] == [Outcome.NOT_SENT, Outcome.COMPLETED]
    assert [attempt.waited for attempt in track.receipt.attempts] == [0.0, 0.25]


async def test_a_black_hole_runs_into_the_limit_for_connecting() -> None:
    """A connection that is neither made nor refused is given up, and tried again like any that was not made."""
    clock = FakeClock()
    with black_hole() as port:
        timeouts = Timeouts(connect=0.05)
        async with client_of(Loopback([], port), clock=clock, timeout=timeouts, max_retries=1) as client:
            error = await failure(client)
    assert Fate.of(error) == Fate(NotSentTimeout, Outcome.NOT_SENT, Money.NO, Phase.CONNECT, attempts=2)
    assert isinstance(error, TimeoutError)
    assert "no connection within 0.05 s" in str(error)


async def test_the_total_ends_a_connecting_that_has_no_limit() -> None:
    """Without a limit for connecting the call's own still holds; then nothing is left to repeat it in."""
    with black_hole() as port:
        async with client_of(Loopback([], port), timeout=Timeouts(connect=None, total=0.1)) as client:
            error = await failure(client)
    assert Fate.of(error) == Fate(NotSentTimeout, Outcome.NOT_SENT, Money.NO, Phase.CONNECT)
    assert "the time limit of 0.1 s ran out" in str(error)


async def test_what_the_caller_is_busy_with_is_not_blamed() -> None:
    """A call made while another exception is handled tells of its own trouble alone."""
    with loopback([]) as server:
        async with client_of(server) as client:
            try:
                Path("no-such-file").read_bytes()
            except FileNotFoundError:
                error = await failure(client)
    assert Fate.of(error) == Fate(InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN, Phase.WAIT)
    assert "No such file" not in error.message


async def test_an_address_the_library_cannot_read_is_not_sent() -> None:
    """What no library can turn into a request never left."""
    async with client_of(Loopback([], 1), base_url="https://xn--.test", max_retries=0) as client:
        error = await failure(client)
    assert Fate.of(error) == UNSENT


async def test_a_cancelled_connection_is_let_go_of() -> None:
    """Whatever a call was waiting for when it was cancelled, its socket is closed at once."""
    begun = threading.Event()
    cases: list[tuple[Script, str]] = [
        ([ReadOnly(5), Signal(begun), Hang()], "https"),
        ([Signal(begun), Hang()], "http"),
        ([Send(head("200 OK", ("Content-Length", "9")) + b'{"data":'), Signal(begun), Hang()], "http"),
    ]
    for script, scheme in cases:
        begun.clear()
        with loopback(script) as server:
            async with (
                client_of(server, base_url=f"{scheme}://127.0.0.1:{server.port}") as client,
                anyio.create_task_group() as group,
            ):
                group.start_soon(generate, client)
                assert await anyio.to_thread.run_sync(begun.wait, 5)
                group.cancel_scope.cancel()
            assert server.wait_until_idle()


async def send(server: Loopback, data: bytes = b"{}", progress: Progress | None = None) -> tuple[int, bytes]:
    """Send a request through the bare transport, and return status and body of the answer."""
    request = RequestHead(method="POST", url=f"{server.url}/path", headers=(("x-own", "1"),))
    progress = Progress() if progress is None else progress
    exchange = await HttpxTransport(stock=SENDING[0] == "stock").send(
        request, BytesBody(data), key=Secret(KEY), progress=progress, connect_timeout=None, idle_timeout=None
    )
    body = b""
    try:
        while data := await exchange.read():
            body += data
    finally:
        await exchange.aclose()
    assert exchange.head.header("content-type") == "application/json"
    return exchange.head.status, body


async def test_one_request_is_what_goes_over_the_wire() -> None:
    """Host, length and key are added to the headers given, and nothing else; the marks follow the request."""
    progress = Progress()
    with loopback([answer({"a": 1})]) as server:
        assert await send(server, b'{"b": 2}', progress) == (200, b'{"a": 1}')
    assert progress.phase is Phase.READ
    assert server.requests[0].body == b'{"b": 2}'
    assert server.requests[0].headers == {
        "host": f"127.0.0.1:{server.port}",
        "x-own": "1",
        "content-length": "8",
        "authorization": f"Bearer {KEY}",
    }


async def test_a_body_of_nothing_is_handed_over_with_the_head() -> None:
    """A request without a body is complete when its head is."""
    progress = Progress()
    with loopback([answer({})]) as server:
        assert await send(server, b"", progress) == (200, b"{}")
    assert progress.marks.body_handed_over


async def test_a_fault_has_no_chain_that_could_hold_the_key() -> None:
    """The frames of the library hold the headers: what is raised does not lead to them."""
    for script in ([Reset()], [Send(answer(generated(TRACK)).data[:5000])]):
        with loopback(script) as server, pytest.raises(TransportFault) as caught:
            await send(server)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        assert caught.value.kind in {FaultKind.READ, FaultKind.PROTOCOL}


async def test_a_cancellation_amid_a_call_shows_no_key() -> None:
    """A cancellation goes through the library's frames, and their locals, too, keep the key to themselves."""
    begun = threading.Event()
    caught: list[BaseException] = []

    async def call(url: str) -> None:
        async with client_of(Loopback([], 1), base_url=url) as client:
            try:
                await generate(client)
            except anyio.get_cancelled_exc_class() as error:
                caught.append(error)
                raise

    with loopback([Signal(begun), Hang()]) as server:
        async with anyio.create_task_group() as group:
            group.start_soon(call, server.url)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            group.cancel_scope.cancel()
    for text in shown(caught[0]):
        assert KEY not in text


async def test_keep_alive_probes_are_on() -> None:
    """A silent minute behind a router survives, because the system probes the connection after 20 s at most."""
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("this platform does not list its connections")
    begun = threading.Event()
    with loopback([Signal(begun), Hang()]) as server:
        async with client_of(server) as client, anyio.create_task_group() as group:
            group.start_soon(generate, client)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            rows = [line.split() for line in table.read_text().splitlines()]
            timers = [row[5] for row in rows if row[2].endswith(f":{server.port:04X}") and row[3] == "01"]
            group.cancel_scope.cancel()
    # The kernel's own table: kind 2 is the timer of keep-alive, due in so many hundredths of a second.
    kind, due = timers[0].split(":")
    assert kind == "02"
    assert int(due, 16) <= 2000


PROGRAM = f"""
import sys, threading, anyio
from aiml_music import AsyncMusicClient

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{"httpx", "httpcore", "h11"}}:
            seen.append((threading.current_thread() is threading.main_thread(), name))

async def main():
    async with AsyncMusicClient(api_key="a-key", base_url=sys.argv[1]) as client, anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(call, client)

async def call(client):
    track = await client.generate(lyrics="la", refer_voice={VOICE_ID!r})
    print("track", track.size_bytes)

seen = []
sys.meta_path.insert(0, Watch())
anyio.run(main, backend=sys.argv[2])
print("on the loop", *(name for on_the_loop, name in seen if on_the_loop))
print("elsewhere", *(name for on_the_loop, name in seen if not on_the_loop and "." not in name))
"""


async def test_the_library_is_imported_off_the_event_loop(anyio_backend_name: str) -> None:
    """First calls that come at once hold the loop up with no import, neither of httpx nor of what it is made of."""
    with loopback([MADE]) as server:
        command = [sys.executable, "-c", PROGRAM, server.url, anyio_backend_name]
        ran = await anyio.run_process(command)
    tracks, others = ran.stdout.decode().splitlines()[:5], ran.stdout.decode().splitlines()[5:]
    assert tracks == [f"track {len(TRACK)}"] * 5
    assert others[0] == "on the loop"
    assert set(others[1].split()[1:]) == {"httpx", "httpcore", "h11"}
