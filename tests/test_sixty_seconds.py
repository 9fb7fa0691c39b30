"""What the page on sixty seconds says and no other test shows: probes, pace, and the words of every kind of end."""

import os
import re
import socket
import stat
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

import aiml_music
from aiml_music import MusicError, Timeouts
from aiml_music._io.proxies import proxy_for
from aiml_music._sansio.pace import SEND_PIECE_BYTES, Floor, seconds_to_send
from aiml_music.testing import FakeClock
from tests.answers import VOICE_ID, answer
from tests.calls import MADE, TRACK, client_of, failure, generate
from tests.loopback import Await, Drip, Hang, Loopback, ReadHead, Repeat, Script, Send, Signal, free_port, loopback

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[1] / "docs/sixty-seconds.md"
CUT = MADE.data.index(TRACK.hex().encode()) + 2000


@contextmanager
def connections_to(port: int) -> Iterator[list[socket.socket]]:
    """Yield this process's own ends of connections to a port."""
    # First the numbers, then the copies: a copy is an open descriptor too.
    numbers = [number for number in range(3, 1024) if _is_socket(number)]
    copies = [socket.socket(fileno=os.dup(number)) for number in numbers]
    try:
        yield [copy for copy in copies if _leads_to(copy) == port]
    finally:
        for copy in copies:
            copy.close()


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def _leads_to(end: socket.socket) -> object:
    try:
        return end.getpeername()[1] if end.family == socket.AF_INET else None
    except OSError:
        return None


async def test_a_silent_connection_is_probed_every_twenty_seconds() -> None:
    """After 20 s of silence the system asks whether the other side is there, every 20 s, three times."""
    if not hasattr(socket, "TCP_KEEPIDLE") or os.name != "posix":
        pytest.skip("this platform names its options otherwise")
    wanted = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    begun = threading.Event()
    with loopback([Signal(begun), Hang()]) as server:
        async with client_of(server) as client, anyio.create_task_group() as group:
            group.start_soon(generate, client)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            with connections_to(server.port) as ends:
                numbers = [[end.getsockopt(socket.IPPROTO_TCP, option) for option in wanted] for end in ends]
                on = [end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) for end in ends]
            group.cancel_scope.cancel()
        assert server.wait_until_idle()
    assert (numbers, on) == ([[20, 20, 3]], [1])


async def test_the_silence_before_an_answer_is_the_service_at_work() -> None:
    """`idle` is for a body that is coming: before the head, a service may be silent for longer."""
    with loopback([Repeat(b"", 1, 0.3), MADE]) as server:
        async with client_of(server, timeout=Timeouts(idle=0.1)) as client:
            assert (await generate(client)).content == TRACK


def test_the_floor_is_a_kibibyte_for_each_second() -> None:
    """Thirty seconds of waiting must bring 30 KiB; a byte less is too slow, and then there is no patience left."""
    floors = []
    for count in (30 * 1024 - 1, 30 * 1024):
        floor = Floor(30)
        floor.received(count, waited=30)
        floors.append(floor.patience)
    assert floors == [0, 30]


async def test_a_slow_listener_is_no_slow_server() -> None:
    """Who takes an hour over a piece of a stream still gets the rest of it."""
    clock, gate = FakeClock(), threading.Event()
    script: Script = [Send(MADE.data[:CUT]), Await(gate), Send(MADE.data[CUT:])]
    heard = b""
    with loopback(script) as server:
        timeouts = Timeouts(total=None, idle=5)
        client = client_of(server, clock=clock, timeout=timeouts)
        async with client.stream(lyrics="la", refer_voice=VOICE_ID) as audio:
            async for piece in audio:
                heard += piece
                clock.pass_by(3600)
                gate.set()
    assert heard == TRACK


def test_a_request_leaves_in_pieces_of_twenty_kibibytes() -> None:
    """The other side may take 20 s over each of them, or `idle` where that is less."""
    assert SEND_PIECE_BYTES == 20 * 1024
    assert [seconds_to_send(idle) for idle in (30, 20, 5, None)] == [20, 20, 5, float("inf")]


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_a_host_can_be_kept_from_the_proxy(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service is asked directly where `NO_PROXY` names it."""
    for name in ("NO_PROXY", "no_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy.test:3128")
    assert proxy_for("https://api.aimlapi.com/v2/generate/audio") == "http://proxy.test:3128"
    monkeypatch.setenv(variable, "api.aimlapi.com")
    assert proxy_for("https://api.aimlapi.com/v2/generate/audio") is None


def ending(*script: Any, **options: Any) -> Callable[[], Awaitable[MusicError]]:
    """Return a call that ends as the script and the client's options have it."""

    async def work() -> MusicError:
        with loopback(script) as server:
            async with client_of(server, max_retries=0, **options) as client:
                return await failure(client)

    return work


async def without_a_place() -> MusicError:
    begun = threading.Event()
    with loopback([Signal(begun), Hang()]) as server:
        async with client_of(server, max_concurrency=1) as client, anyio.create_task_group() as group:
            group.start_soon(generate, client)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            error = await failure(client, timeout=Timeouts(queue=0.05))
            group.cancel_scope.cancel()
    return error


async def without_a_service() -> MusicError:
    async with client_of(Loopback([], free_port()), max_retries=0) as client:
        return await failure(client)


async def without_a_handshake() -> MusicError:
    """Ask for TLS where nobody answers."""
    with loopback([Hang()]) as server:
        options = {"base_url": f"https://127.0.0.1:{server.port}", "timeout": Timeouts(connect=0.1)}
        async with client_of(server, max_retries=0, **options) as client:
            return await failure(client)


async def without_a_reader() -> MusicError:
    over = threading.Event()
    with loopback([ReadHead(), Await(over)]) as server:
        async with client_of(server, max_retries=0, timeout=Timeouts(idle=0.1)) as client:
            with pytest.raises(MusicError) as caught:
                await client.upload(bytes(12_000_000), purpose="song", check_audio=False)
        over.set()
    return caught.value


ENDINGS: dict[str, Callable[[], Awaitable[MusicError]]] = {
    "No place among … concurrent calls within": without_a_place,
    "could not be reached before anything was sent": without_a_service,
    "no connection within": without_a_handshake,
    "the other side stopped taking the request": without_a_reader,
    "took the request, and the connection ended without an answer": ending(),
    "Something between here and … answered HTTP 504": ending(
        answer(b"<html>late</html>", status="504 Gateway Time-out")
    ),
    "the time limit of … ran out": ending(Hang(), timeout=0.1),
    "nothing came for … bytes of audio": ending(Send(MADE.data[:CUT]), Hang(), timeout=Timeouts(idle=0.1)),
    "less than 1 KiB/s came for … bytes of audio": ending(
        Send(MADE.data[: CUT - 1900]), Drip(MADE.data[CUT - 1900 :], 0.01), timeout=Timeouts(idle=0.4)
    ),
    "the connection broke … bytes of audio": ending(Send(MADE.data[:CUT])),
}


def table_of_texts() -> dict[str, tuple[str, str]]:
    """Return what the page says of each text: the error's class, and the money."""
    rows = re.findall(r"^\| (.*) \| `(\w+)` \| (\w+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {text.replace("`", ""): (error, money) for text, error, money in rows}


@pytest.mark.parametrize("text", ENDINGS)
async def test_the_table_of_texts_is_the_real_one(text: str) -> None:
    """What the page says about a text is what an error of that text says itself."""
    table = table_of_texts()
    assert table.keys() == ENDINGS.keys()
    error = await ENDINGS[text]()
    assert re.search(".*".join(map(re.escape, re.split(" ?… ?", text))), str(error)), str(error)
    assert (type(error), str(error.money)) == (getattr(aiml_music, table[text][0]), table[text][1])
