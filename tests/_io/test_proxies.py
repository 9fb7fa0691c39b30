"""Proxies of the environment: which one is asked, and that asking it is not mistaken for the request."""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from attrs import define, field

from aiml_music import InDoubtError, Money, NotSentError, NotSentTimeout, Outcome, Phase, Timeouts
from aiml_music._io.proxies import proxy_for
from aiml_music.testing import FakeClock
from tests._io.test_tls import context_of
from tests.answers import answer, head
from tests.calls import MADE, TRACK, Fate, client_of, failure, generate
from tests.canary import KEY
from tests.loopback import Hang, Loopback, Reset, Script, Send, Tunnel, free_port, loopback

pytestmark = pytest.mark.anyio

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
AGREED = Send(head("200 Connection established"))
SERVICE = "https://service.test"
UNSENT = Fate(NotSentError, Outcome.NOT_SENT, Money.NO, Phase.CONNECT)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names no proxy."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, SERVICE, None),
        ({"https_proxy": "http://proxy.test:3128"}, SERVICE, "http://proxy.test:3128"),
        ({"HTTPS_PROXY": "proxy.test:3128"}, SERVICE, "http://proxy.test:3128"),
        ({"https_proxy": "http://proxy.test"}, "http://service.test", None),
        ({"http_proxy": "http://proxy.test"}, "http://service.test", "http://proxy.test"),
        ({"all_proxy": "socks5://proxy.test"}, SERVICE, "socks5://proxy.test"),
        ({"https_proxy": "http://one.test", "all_proxy": "http://two.test"}, SERVICE, "http://one.test"),
        ({"https_proxy": "http://proxy.test", "no_proxy": "service.test"}, SERVICE, None),
        ({"https_proxy": "http://proxy.test", "no_proxy": "*"}, SERVICE, None),
        ({"https_proxy": "http://proxy.test", "no_proxy": ".test"}, f"{SERVICE}:8443/v2", None),
        ({"https_proxy": "http://proxy.test", "no_proxy": "service.test:8443"}, f"{SERVICE}:8443", None),
        ({"https_proxy": "http://proxy.test", "no_proxy": "service.test:1"}, SERVICE, "http://proxy.test"),
        ({"https_proxy": "http://proxy.test"}, "https://127.0.0.1:8000", None),
        ({"https_proxy": "http://proxy.test"}, "https://127.9.9.9", None),
        ({"https_proxy": "http://proxy.test"}, "https://[::1]:8000", None),
        ({"https_proxy": "http://proxy.test"}, "https://localhost", None),
        ({"https_proxy": "http://proxy.test"}, "https://music.localhost", None),
        ({"https_proxy": "http://proxy.test"}, "https://127.evil.test", "http://proxy.test"),
    ],
)
def test_the_environment_names_the_proxy(
    variables: dict[str, str], url: str, proxy: str | None, environment: pytest.MonkeyPatch
) -> None:
    """The usual four variables are read as everywhere, and this machine itself is never reached through a proxy."""
    for name, value in variables.items():
        environment.setenv(name, value)
    assert proxy_for(url) == proxy


async def test_loopback_goes_past_the_proxy(environment: pytest.MonkeyPatch) -> None:
    """A server on this machine is asked directly."""
    with loopback([Reset()]) as proxy, loopback([MADE]) as server:
        environment.setenv("http_proxy", proxy.url)
        async with client_of(server) as client:
            assert (await generate(client)).content == TRACK
    assert proxy.connections == 0


@pytest.fixture
def authority(tmp_path: Path, environment: pytest.MonkeyPatch) -> trustme.CA:
    """An authority that is trusted."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    environment.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return made


async def test_a_track_comes_through_a_tunnel(authority: trustme.CA, environment: pytest.MonkeyPatch) -> None:
    """The proxy is asked to connect, and sees neither the key nor anything else of the request."""
    with (
        loopback([MADE], secure=context_of(authority, "service.test")) as service,
        loopback([AGREED, Tunnel(service.port)]) as proxy,
    ):
        environment.setenv("https_proxy", proxy.url.replace("http://", "http://user:word@"))
        async with client_of(service, base_url=SERVICE) as client:
            assert (await generate(client)).content == TRACK
        assert service.wait_until_idle()
        assert proxy.wait_until_idle()
    assert [(request.method, request.path) for request in proxy.requests] == [("CONNECT", "service.test:443")]
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic dXNlcjp3b3Jk"
    assert all(KEY not in value for value in proxy.requests[0].headers.values())
    assert service.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "proxy-authorization" not in service.requests[0].headers


async def test_a_service_that_hangs_up_behind_the_proxy_leaves_a_doubt(
    authority: trustme.CA, environment: pytest.MonkeyPatch
) -> None:
    """Behind a tunnel a request counts as sent as it does without one."""
    with (
        loopback([], secure=context_of(authority, "service.test")) as service,
        loopback([AGREED, Tunnel(service.port)]) as proxy,
    ):
        environment.setenv("https_proxy", proxy.url)
        async with client_of(service, base_url=SERVICE) as client:
            error = await failure(client)
    assert Fate.of(error) == Fate(InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN, Phase.WAIT)
    assert len(service.requests) == 1


@define
class InnerServer:
    """A service behind a proxy, played by the proxy itself: TLS within the TLS of the connection."""

    context: ssl.SSLContext
    seen: list[bytes] = field(factory=list)

    def play(self, connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secure = self.context.wrap_bio(incoming, outgoing, server_side=True)

        def done(step: Callable[[], Any]) -> Any:
            while True:
                try:
                    result = step()
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    data = connection.recv(65536)
                    if not data:
                        raise OSError("the client has gone") from None
                    incoming.write(data)
                else:
                    connection.sendall(outgoing.read())
                    return result

        done(secure.do_handshake)
        request = b""
        while not request.endswith(b"}"):
            request += done(lambda: secure.read(65536))
        self.seen.append(request)
        answered = memoryview(MADE.data)
        while answered:
            answered = answered[done(lambda: secure.write(answered)) :]  # noqa: B023 - called at once


async def test_a_track_comes_through_tls_within_tls(authority: trustme.CA, environment: pytest.MonkeyPatch) -> None:
    """A proxy may itself be spoken to by https; its certificate is checked as the service's is."""
    service = InnerServer(context_of(authority, "service.test"))
    with loopback([AGREED, service], secure=context_of(authority, "127.0.0.1")) as proxy:
        environment.setenv("https_proxy", proxy.url)
        async with client_of(proxy, base_url=SERVICE) as client:
            assert (await generate(client)).content == TRACK
        assert proxy.wait_until_idle()
    assert f"Bearer {KEY}".encode() in service.seen[0]
    assert KEY.encode() not in repr(proxy.requests).encode()


@pytest.mark.parametrize("names", [("service.test", "elsewhere.test"), ("elsewhere.test", "127.0.0.1")])
async def test_neither_certificate_may_be_a_strangers(
    names: tuple[str, str], authority: trustme.CA, environment: pytest.MonkeyPatch
) -> None:
    """Whether the proxy or the service is not who it should be, nothing is sent."""
    service = InnerServer(context_of(authority, names[0]))
    with loopback([AGREED, service], secure=context_of(authority, names[1])) as proxy:
        environment.setenv("https_proxy", proxy.url)
        async with client_of(proxy, base_url=SERVICE) as client:
            error = await failure(client)
        assert proxy.wait_until_idle()
    assert Fate.of(error) == UNSENT
    assert service.seen == []


REFUSALS: dict[str, tuple[Script, int, str]] = {
    "forbidden": ([Send(head("403 Forbidden"))], 2, "403 Forbidden"),
    "unreachable": ([answer(b"no such host", status="502 Bad Gateway")], 2, "502 Bad Gateway"),
    "a password is wanted": ([Send(head("407 Proxy Authentication Required"))], 1, "407 Proxy Authentication Required"),
    "cut": ([], 2, "Server disconnected"),
    "reset": ([Reset()], 2, ""),
    "cut after it agreed": ([AGREED], 2, ""),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_asking_the_proxy_is_not_the_request(case: str, environment: pytest.MonkeyPatch) -> None:
    """Whatever a proxy does before the tunnel stands, nothing was sent; one that wants a password is asked once."""
    script, attempts, words = REFUSALS[case]
    clock = FakeClock()
    with loopback(script) as proxy:
        environment.setenv("https_proxy", proxy.url)
        async with client_of(proxy, base_url=SERVICE, clock=clock, max_retries=1) as client:
            error = await failure(client)
        assert proxy.wait_until_idle()
    assert Fate.of(error) == Fate(NotSentError, Outcome.NOT_SENT, Money.NO, Phase.CONNECT, attempts=attempts)
    assert [request.method for request in proxy.requests] == ["CONNECT"] * attempts
    assert words in str(error)


@pytest.mark.parametrize("script", [[Hang()], [AGREED, Hang()]])
async def test_a_proxy_that_hangs_runs_into_the_limit_for_connecting(
    script: Script, environment: pytest.MonkeyPatch
) -> None:
    """The limit for connecting covers the tunnel and the TLS inside it."""
    with loopback(script) as proxy:
        environment.setenv("https_proxy", proxy.url)
        timeouts = Timeouts(connect=0.1)
        async with client_of(proxy, base_url=SERVICE, timeout=timeouts, max_retries=0) as client:
            error = await failure(client)
        assert proxy.wait_until_idle()
    assert Fate.of(error) == Fate(NotSentTimeout, Outcome.NOT_SENT, Money.NO, Phase.CONNECT)


async def test_a_proxy_that_is_down_is_nothing_sent(environment: pytest.MonkeyPatch) -> None:
    """A proxy that refuses the connection itself is like a service that does."""
    environment.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")
    async with client_of(Loopback([], 1), base_url=SERVICE, max_retries=0) as client:
        error = await failure(client)
    assert Fate.of(error) == UNSENT


async def test_plain_http_is_handed_to_the_proxy_whole(environment: pytest.MonkeyPatch) -> None:
    """Without TLS there is no tunnel: the proxy gets the request itself, and its marks are those of the request."""
    with loopback([MADE], []) as proxy:
        environment.setenv("http_proxy", proxy.url)
        async with client_of(proxy, base_url="http://service.test", allow_insecure_http=True) as client:
            assert (await generate(client)).content == TRACK
            error = await failure(client)
    assert proxy.requests[0].path == "http://service.test/v2/generate/audio/minimax/generate"
    assert Fate.of(error) == Fate(InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN, Phase.WAIT)


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("ftp://user:pass-word@proxy.test", "no address of an http, https or socks5 proxy"),
        ("http://user:pass-word@proxy.test:port", "no address of an http, https or socks5 proxy"),
        ("http://user:pass/word@proxy.test", "no address of an http, https or socks5 proxy"),
        ("socks5://user:pass-word@proxy.test", "'socksio'"),
    ],
)
async def test_a_proxy_that_cannot_be_used_is_said_so_without_its_password(
    proxy: str, words: str, environment: pytest.MonkeyPatch
) -> None:
    """A mistake in the environment is an error of this library, is not tried again, and shows no password."""
    environment.setenv("https_proxy", proxy)
    async with client_of(Loopback([], 1), base_url=SERVICE) as client:
        error = await failure(client)
    assert Fate.of(error) == UNSENT
    assert words in str(error)
    assert "word@" not in repr(vars(error))
    assert "pass" not in str(error)
    assert error.hint is not None
    assert "HTTPS_PROXY" in error.hint
