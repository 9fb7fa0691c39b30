"""Sockets as the HTTP library gets them: whole bytes, true errors, nothing left open."""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import httpcore
import pytest
import trustme

from aiml_music._io.network.backend import Backend
from aiml_music._io.network.connecting import Address, Race, connected, first_of, in_turn
from aiml_music._io.network.streams import SocketStream
from aiml_music._io.network.tunnelled import TunnelledStream
from aiml_music._io.pacer import pacer
from tests._io.test_tls import context_of
from tests._io.test_transport import black_hole
from tests.loopback import free_port

pytestmark = pytest.mark.anyio

LARGE = bytes(range(256)) * 40_000


@contextmanager
def pair() -> Iterator[tuple[SocketStream, socket.socket]]:
    """Yield a stream and the other end of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener, closing(socket.socket()) as mine:
        mine.connect(listener.getsockname())
        mine.setblocking(False)  # noqa: FBT003 - the socket's own signature
        theirs, _ = listener.accept()
        theirs.settimeout(5)
        with theirs:
            stream = SocketStream(mine, pacer(), httpcore)
            try:
                yield stream, theirs
            finally:
                stream._socket.close()


def listening() -> tuple[socket.socket, Address]:
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, address_of(listener.getsockname()[1])


def address_of(port: int) -> Address:
    return (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))


async def everything(stream: Any) -> bytes:
    data = b""
    while piece := await stream.read(65536):
        data += piece
    return data


async def test_what_is_written_comes_back_whole() -> None:
    """More than any buffer holds goes out, and comes in, in pieces and in order."""
    with pair() as (stream, theirs):

        def echo() -> None:
            data = b""
            while len(data) < len(LARGE):
                data += theirs.recv(65536)
            theirs.sendall(data)
            theirs.shutdown(socket.SHUT_WR)

        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, echo)
            await stream.write(LARGE)
            assert await everything(stream) == LARGE
        assert await stream.read(65536) == b""
        assert stream.get_extra_info("ssl_object") is None
        await stream.aclose()


async def test_no_read_is_longer_than_asked_for() -> None:
    """The library says how much it takes."""
    with pair() as (stream, theirs):
        theirs.sendall(b"abcdef")
        assert [await stream.read(4), await stream.read(4)] == [b"abcd", b"ef"]
        await stream.aclose()


async def test_errors_are_the_librarys_own() -> None:
    """What the system says lies beneath."""
    with pair() as (stream, theirs):
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        with pytest.raises(httpcore.ReadError) as caught:
            await stream.read(10)
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"x")
        await stream.aclose()
        await stream.aclose()
        with pytest.raises(httpcore.ReadError):
            await stream.read(10)
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"x")
    with pytest.raises(httpcore.ConnectError):
        await Backend(httpcore).connect_tcp("127.0.0.1", free_port())


async def test_closing_wakes_whoever_reads() -> None:
    """A task that waits for bytes when another closes the stream is told so."""
    caught: list[Exception] = []

    async def read(stream: SocketStream) -> None:
        try:
            await stream.read(10)
        except httpcore.ReadError as error:
            caught.append(error)

    with pair() as (stream, _):
        async with anyio.create_task_group() as group:
            group.start_soon(read, stream)
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
            await stream.aclose()
    assert len(caught) == 1


class Secured:
    """The other end of a connection, speaking TLS in a thread of its own."""

    def __init__(self, theirs: socket.socket, context: ssl.SSLContext) -> None:
        self.theirs, self.context = theirs, context
        self.go_on = threading.Event()

    def echo(self) -> None:
        with self.context.wrap_socket(self.theirs, server_side=True) as secure:
            data = b""
            while len(data) < len(LARGE):
                data += secure.recv(65536)
            secure.sendall(data)

    def break_off(self) -> None:
        """Send a record that is good and one that is not."""
        with self.context.wrap_socket(self.theirs, server_side=True) as secure:
            secure.sendall(b"paid for")
            raw = socket.socket(fileno=secure.detach())
            with raw:
                raw.setblocking(True)  # noqa: FBT003 - the socket's own signature
                raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
                self.go_on.set()
                raw.recv(10)


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_tls_joins_records() -> None:
    """A record holds 16 KiB at most: what has come is read in one piece, and in order."""
    authority = trustme.CA()
    with pair() as (stream, theirs):
        other = Secured(theirs, context_of(authority, "service.test"))
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, other.echo)
            secure = await stream.start_tls(trusting(authority), "service.test")
            assert secure.get_extra_info("ssl_object").version().startswith("TLS")
            assert secure.get_extra_info("is_readable") is None
            await secure.write(LARGE)
            longest, data = 0, b""
            while piece := await secure.read(65536):
                longest, data = max(longest, len(piece)), data + piece
        assert data == LARGE
        assert longest > 16_384
        await secure.aclose()


async def test_tls_within_a_stream_carries_as_much() -> None:
    """What passes through another stream comes whole as well, and ends where the other side ends."""
    authority = trustme.CA()
    with pair() as (stream, theirs):
        other = Secured(theirs, context_of(authority, "service.test"))
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, other.echo)
            secure = TunnelledStream(stream, trusting(authority), "service.test", httpcore)
            await secure.shake_hands()
            assert secure.get_extra_info("ssl_object").version().startswith("TLS")
            assert secure.get_extra_info("is_readable") is None
            await secure.write(LARGE)
            assert await everything(secure) == LARGE
        await secure.aclose()


@pytest.mark.parametrize("within", [False, True])
async def test_what_came_before_a_broken_record_is_handed_on(*, within: bool) -> None:
    """A fault behind good bytes does not take them along; it comes with the next read, and nothing can be written."""
    authority = trustme.CA()
    with pair() as (stream, theirs):
        other = Secured(theirs, context_of(authority, "service.test"))
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, other.break_off)
            if within:
                secure: Any = TunnelledStream(stream, trusting(authority), "service.test", httpcore)
                await secure.shake_hands()
            else:
                secure = await stream.start_tls(trusting(authority), "service.test")
            assert await anyio.to_thread.run_sync(other.go_on.wait, 5)
            assert await secure.read(65536) == b"paid for"
            with pytest.raises(httpcore.ReadError) as caught:
                await secure.read(65536)
            with pytest.raises(httpcore.WriteError):
                await secure.write(b"x")
            await secure.aclose()
        assert isinstance(caught.value.__cause__, ssl.SSLError)


async def test_the_families_take_turns() -> None:
    """IPv6 first, and then one of each, as long as there are both."""
    families = [socket.AF_INET, socket.AF_INET, socket.AF_INET, socket.AF_INET6, socket.AF_INET6]
    given: list[Address] = [(family, 1, 6, "", (place,)) for place, family in enumerate(families)]
    assert [address[4] for address in in_turn(given)] == [(3,), (0,), (4,), (1,), (2,)]


async def test_an_address_that_says_nothing_is_overtaken() -> None:
    """The next address is tried while the first is still silent, and who loses is closed."""
    listener, good = listening()
    with black_hole() as silent, listener:
        made = await first_of([address_of(silent), good], [])
        assert made.getpeername() == good[4]
        made.close()


async def test_two_that_connect_in_one_turn_are_one_connection() -> None:
    """Of several winners one is kept, and the others are closed."""
    listener, good = listening()
    with listener:
        (await first_of([good, good], [])).close()
        (await first_of([address_of(free_port()), good], [])).close()
        race = Race([])
        for _ in range(2):
            await race.run(good, anyio.Event(), anyio.CancelScope())
        race.kept.close()


async def test_every_address_may_refuse() -> None:
    """Then all of their reasons lie beneath the error."""
    refused = address_of(free_port())
    with pytest.raises(OSError, match="no address could be reached") as caught:
        await first_of([refused, refused], [])
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert [type(error) for error in caught.value.__cause__.exceptions] == [ConnectionRefusedError] * 2


async def test_a_race_that_is_cancelled_leaves_nothing_open() -> None:
    """Neither the attempts nor their sockets stay."""
    with black_hole() as silent, anyio.move_on_after(0.01) as scope:
        await first_of([address_of(silent)] * 2, [])
    assert scope.cancelled_caught


async def test_a_name_is_resolved() -> None:
    """A name of this machine leads to it, by whichever of its addresses listens."""
    listener, address = listening()
    with listener:
        made = await connected("localhost", address[4][1], [])  # type: ignore[arg-type]  # a port
        made.close()
