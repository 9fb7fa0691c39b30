"""Requests to hosts that nobody here knows: no key on the wire, and no connection to where they may not go."""

import pytest
from attrs import evolve

from aiml_music._io.bodies import BytesBody
from aiml_music._io.network.connecting import ForbiddenAddressError, connected
from aiml_music._io.transport import HttpxTransport
from aiml_music._sansio.ports import FaultKind, Progress, RequestHead, TransportFault
from aiml_music._sansio.result_url import Reach
from aiml_music._sansio.secret import Secret
from aiml_music._sansio.wire import fetch_head
from tests.answers import kept
from tests.calls import SENDING
from tests.canary import KEY, shows_key
from tests.loopback import loopback

pytestmark = pytest.mark.anyio

HERE = Reach(loopback=True, plain=True)


async def send(request: RequestHead, key: Secret | None = None) -> bytes:
    """Send a request, and return the whole body of its answer."""
    exchange = await HttpxTransport(stock=SENDING[0] == "stock").send(
        request, BytesBody(b""), key=key, progress=Progress(), connect_timeout=5, idle_timeout=5
    )
    try:
        content = b""
        while piece := await exchange.read():
            content += piece
        return content
    finally:
        await exchange.aclose()


async def test_a_host_of_tracks_sees_four_headers_and_no_key() -> None:
    """Every byte of the head is known: what no client can do without, and its name."""
    with loopback([kept(b"abc")]) as server:
        assert await send(fetch_head(f"{server.url}/a?b=c", HERE)) == b"abc"
        (request,) = server.requests
    assert (request.method, request.path, request.body) == ("GET", "/a?b=c", b"")
    assert set(request.headers) == {"host", "accept", "accept-encoding", "connection", "user-agent"}
    assert not shows_key(str(request.headers))


async def test_with_a_key_it_is_sent_as_ever() -> None:
    """The same request with a key has one header more."""
    with loopback([kept(b"abc")]) as server:
        await send(evolve(fetch_head(f"{server.url}/a", HERE), reach=None), Secret(KEY))
        (request,) = server.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1"])
async def test_a_host_that_may_not_be_reached_never_is(host: str) -> None:
    """Whatever its name promises and however it is written: what is dialled is judged, before it is dialled."""
    with loopback([kept(b"abc")]) as server:
        with pytest.raises(TransportFault) as caught:
            await send(fetch_head(f"http://{host}:{server.port}/a", Reach()))
        assert server.connections == 0
    assert caught.value.kind is FaultKind.FORBIDDEN


async def test_of_several_addresses_only_those_that_may_be_are_dialled() -> None:
    """A reach that knows this machine connects to it, and one that does not says so in words of its own."""
    with loopback([kept(b"abc")]) as server:
        made = await connected("localhost", server.port, (), reach=HERE)
        made.close()
        with pytest.raises(ForbiddenAddressError, match="no address on the public internet"):
            await connected("localhost", server.port, (), reach=Reach())
