"""Rows 41-54: name, TCP, TLS and proxy, before a byte of the request could leave."""

# ruff: noqa: ASYNC240 - a test may write its own certificates

import asyncio
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from aiml_music import MusicError, NotSentTimeout, Operation, Phase, Timeouts
from aiml_music.testing import FakeClock
from tests._io.test_transport import black_hole
from tests.answers import answer, head
from tests.calls import MADE, client_of
from tests.canary import KEY, assert_keyless
from tests.faults.harness import (
    GENERATE,
    SUCCESS,
    assert_succeeded,
    call,
    failing,
    leaving_nothing,
    unsent,
)
from tests.loopback import Hang, Loopback, ReadOnly, Reset, Script, Send, Tunnel, free_port, loopback

pytestmark = pytest.mark.anyio

SERVICE = "https://service.test"
AGREED = Send(head("200 Connection established"))

Answer = OSError | str
"""What a resolver says: an error, or an address."""


class ScriptedLoop(asyncio.SelectorEventLoop):
    """An event loop whose resolver says what a test tells it to."""

    answers: Sequence[Answer] = ()

    async def getaddrinfo(self, host: Any, port: Any, **how: Any) -> Any:
        """Look a name up."""
        if not self.answers:
            return await super().getaddrinfo(host, port, **how)
        found, *rest = self.answers
        self.answers = rest or self.answers
        return _resolved(found, port)


class ScriptedResolver(trio.abc.HostnameResolver):
    """The same for trio."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.answers = answers

    async def getaddrinfo(  # type: ignore[override]  # nothing but the port counts
        self, _host: Any, port: Any, *_how: Any, **_more: Any
    ) -> Any:
        """Look a name up."""
        found, *rest = self.answers
        self.answers = rest or self.answers
        return _resolved(found, port)

    async def getnameinfo(self, _sockaddr: Any, _flags: int) -> Any:
        """Nobody asks."""
        raise NotImplementedError


def _resolved(found: Answer, port: int) -> Any:
    if isinstance(found, OSError):
        raise found
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (found, port))]


@pytest.fixture(params=[("asyncio", {"loop_factory": ScriptedLoop}), "trio"], ids=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Both event loops, with a resolver that can be told what to say."""
    return request.param


@contextmanager
def resolving(*answers: Answer) -> Iterator[None]:
    """Answer every look-up of a name in turn, the last one for ever."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        before = trio.socket.set_custom_hostname_resolver(ScriptedResolver(answers))
        yield
        trio.socket.set_custom_hostname_resolver(before)
    else:
        assert isinstance(loop, ScriptedLoop)
        loop.answers = answers
        yield
        loop.answers = ()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names no proxy and no authority."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Whoever issues the certificates here."""
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory, environment: pytest.MonkeyPatch) -> None:
    """Let the environment name that authority."""
    file = tmp_path_factory.mktemp("authority") / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    environment.setenv("SSL_CERT_FILE", str(file))


def context_of(authority: trustme.CA, *names: str, **validity: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **validity).configure_cert(context)
    return context


async def unreachable(
    server: Loopback,
    directory: Path,
    attempts: int,
    *says: str,
    operation: Operation = GENERATE,
    error: type[MusicError] | None = None,
    **options: Any,
) -> MusicError:
    """Make a call that cannot connect, and return its error; it waits between its attempts, and on no other time."""
    clock = FakeClock()
    with leaving_nothing():
        async with client_of(server, **{"clock": clock, **options}) as client:
            failed = await failing(client, operation, directory)
    unsent(says=says, error=error or unsent().error).assert_is(failed, operation, attempts)
    assert failed.phase is Phase.CONNECT
    assert clock.slept == [0.25, 0.5][: attempts - 1]
    assert list(directory.iterdir()) == []
    return failed


@pytest.mark.row("41")
@pytest.mark.parametrize(
    ("trouble", "attempts", "hint"),
    [
        (socket.EAI_AGAIN, 3, "resolver"),
        (socket.EAI_FAIL, 3, "resolver"),
        (socket.EAI_NONAME, 2, "Check the host name in base_url"),
    ],
)
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_a_name_nobody_knows(
    operation: Operation, trouble: int, attempts: int, hint: str, tmp_path: Path
) -> None:
    """A resolver in trouble is asked again; a name that does not exist once more, and then it is the caller's."""
    words = f"the resolver's words {trouble}"
    with resolving(socket.gaierror(trouble, words)):
        server = Loopback([], 1)
        await unreachable(server, tmp_path, attempts, words, hint, operation=operation, base_url=SERVICE)


@pytest.mark.row("41", "54")
@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_a_name_that_is_found_at_last(operation: Operation, authority: trustme.CA, tmp_path: Path) -> None:
    """A call goes on when its name resolves, to a private address too, and sends one request."""
    clock = FakeClock()
    secure = context_of(authority, "service.test")
    with leaving_nothing(), loopback(SUCCESS[operation], secure=secure) as server:
        base_url = f"{SERVICE}:{server.port}"
        with resolving(socket.gaierror(socket.EAI_AGAIN, "later"), "127.0.0.1"):
            async with client_of(server, base_url=base_url, clock=clock) as client:
                assert_succeeded(await call(client, operation, tmp_path), operation, tmp_path)
        assert server.wait_until_idle()
    assert clock.slept == [0.25]
    assert (server.connections, len(server.requests)) == (1, 1)
    assert server.requests[0].headers["host"] == f"service.test:{server.port}"


class HungResolver(ScriptedResolver):
    """A resolver that never answers."""

    async def getaddrinfo(self, *_name: Any, **_how: Any) -> Any:
        """Wait for ever."""
        await trio.sleep_forever()


@contextmanager
def hung_resolver() -> Iterator[None]:
    """Let no look-up of a name ever end."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        before = trio.socket.set_custom_hostname_resolver(HungResolver(()))
        yield
        trio.socket.set_custom_hostname_resolver(before)
    else:
        # Asyncio looks names up in threads of the loop: here is one, and it is busy.
        over = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            loop.set_default_executor(pool)
            loop.run_in_executor(None, over.wait)
            yield
            over.set()


@pytest.mark.row("42")
async def test_a_resolver_that_hangs(tmp_path: Path) -> None:
    """A name that is never answered for runs into the limit for connecting, and leaves no thread behind each time."""
    with hung_resolver():
        before = threading.active_count()
        for _ in range(3):
            options: dict[str, Any] = {"timeout": Timeouts(connect=0.05), "base_url": SERVICE}
            says = "no connection within 0.05 s"
            await unreachable(Loopback([], 1), tmp_path, 3, says, error=NotSentTimeout, **options)
        # Threads for files are kept for the next file.
        assert threading.active_count() <= before + 2


@pytest.mark.row("43")
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_a_port_nobody_listens_on(operation: Operation, tmp_path: Path) -> None:
    """A refused connection is tried again, and the error has the system's words for it."""
    await unreachable(Loopback([], free_port()), tmp_path, 3, "Connection refused", "firewall", operation=operation)


@pytest.mark.row("43")
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_a_port_somebody_listens_on_at_last(operation: Operation, tmp_path: Path) -> None:
    """A service that comes up between two attempts gets one request."""
    port = free_port()
    servers: list[Loopback] = []
    with leaving_nothing(), ExitStack() as opened:

        def come_up() -> None:
            servers.append(opened.enter_context(loopback(SUCCESS[operation], port=port)))

        async with client_of(Loopback([], port), clock=FakeClock(on_sleep=come_up)) as client:
            assert_succeeded(await call(client, operation, tmp_path), operation, tmp_path)
    assert [(server.connections, len(server.requests)) for server in servers] == [(1, 1)]


@pytest.mark.row("44")
async def test_a_black_hole(tmp_path: Path) -> None:
    """A connection that is neither made nor refused has a limit of its own, and is tried again."""
    with black_hole() as port:
        says = "no connection within 0.05 s"
        options: dict[str, Any] = {"timeout": Timeouts(connect=0.05)}
        error = await unreachable(Loopback([], port), tmp_path, 3, says, error=NotSentTimeout, **options)
    assert isinstance(error, TimeoutError)


NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
DISTRUSTED: list[Any] = [
    pytest.param("127.0.0.1", {}, False, "unable to get local issuer", id="unknown", marks=pytest.mark.row("45")),
    pytest.param("elsewhere.test", {}, True, "not valid for '127.0.0.1'", id="another", marks=pytest.mark.row("45")),
    pytest.param(
        "127.0.0.1",
        {"not_before": NOW - 9 * DAY, "not_after": NOW - DAY},
        True,
        "expired",
        id="expired",
        marks=pytest.mark.row("45"),
    ),
    pytest.param(
        "127.0.0.1",
        {"not_before": NOW + DAY, "not_after": NOW + 9 * DAY},
        True,
        "not yet valid",
        id="not valid yet",
        marks=pytest.mark.row("45", "53"),
    ),
]


@pytest.mark.parametrize(("name", "validity", "is_known", "words"), DISTRUSTED)
async def test_a_certificate_that_is_not_trusted(
    name: str,
    validity: dict[str, Any],
    is_known: bool,  # noqa: FBT001 - a parameter of the test
    words: str,
    authority: trustme.CA,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """No repeat makes a stranger a friend: one attempt, the verifier's words, and a hint at clock and authorities."""
    if is_known:
        request.getfixturevalue("trusted")
    with loopback([MADE], secure=context_of(authority, name, **validity)) as server:
        await unreachable(server, tmp_path, 1, words, "clock", "SSL_CERT_FILE")
        assert server.wait_until_idle()
    assert (server.connections, len(server.requests)) == (1, 0)


HANDSHAKES: list[Any] = [
    pytest.param([ReadOnly(5)], 3, (), id="closed", marks=pytest.mark.row("46")),
    pytest.param([ReadOnly(5), Reset()], 3, (), id="reset", marks=pytest.mark.row("46")),
    pytest.param(
        [ReadOnly(5), Send(b"HTTP/1.1 400 Bad Request\r\n\r\n")],
        2,
        ("wrong version number", "http on an https port"),
        id="plain http",
        marks=pytest.mark.row("48"),
    ),
    pytest.param(
        [ReadOnly(5), Send(b"220 hello\r\n")], 2, ("no TLS",), id="another protocol", marks=pytest.mark.row("48")
    ),
]


@pytest.mark.parametrize(("script", "attempts", "says"), HANDSHAKES)
async def test_a_handshake_that_fails(script: Script, attempts: int, says: Sequence[str], tmp_path: Path) -> None:
    """A handshake that broke is tried again; what speaks no TLS is asked twice, and hinted at."""
    with loopback(script) as server:
        await unreachable(server, tmp_path, attempts, *says, base_url=f"https://127.0.0.1:{server.port}")
        assert server.wait_until_idle()
    assert server.connections == attempts


@pytest.mark.row("46")
@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_a_handshake_that_succeeds_at_last(operation: Operation, authority: trustme.CA, tmp_path: Path) -> None:
    """What broke off before TLS stood was no request, and the next attempt is the only one that is."""
    port = free_port()
    with leaving_nothing(), ExitStack() as opened:
        broken = opened.enter_context(ExitStack())
        broken.enter_context(loopback([ReadOnly(5), Reset()], port=port))
        secure = context_of(authority, "127.0.0.1")
        servers: list[Loopback] = []

        def come_up() -> None:
            broken.close()
            servers.append(opened.enter_context(loopback(SUCCESS[operation], port=port, secure=secure)))

        base_url = f"https://127.0.0.1:{port}"
        clock = FakeClock(on_sleep=come_up)
        async with client_of(Loopback([], port), base_url=base_url, clock=clock) as client:
            assert_succeeded(await call(client, operation, tmp_path), operation, tmp_path)
        assert servers[0].wait_until_idle()
    assert len(servers[0].requests) == 1


@pytest.mark.row("47")
async def test_a_handshake_that_hangs(tmp_path: Path) -> None:
    """The limit for connecting covers the handshake, and then it is tried again."""
    with loopback([ReadOnly(5), Hang()]) as server:
        options: dict[str, Any] = {"timeout": Timeouts(connect=0.1), "base_url": f"https://127.0.0.1:{server.port}"}
        says = "no connection within 0.1 s"
        await unreachable(server, tmp_path, 3, says, error=NotSentTimeout, **options)
        assert server.wait_until_idle()


@pytest.mark.row("48")
async def test_plain_http_to_a_port_of_tls_is_no_request(authority: trustme.CA, tmp_path: Path) -> None:
    """A server that expects TLS does not understand the request, and gives no answer that could be taken for one."""
    with leaving_nothing(), loopback([MADE], secure=context_of(authority, "127.0.0.1")) as server:
        async with client_of(server, base_url=f"http://127.0.0.1:{server.port}", clock=FakeClock()) as client:
            error = await failing(client, GENERATE, tmp_path)
        assert server.wait_until_idle()
    assert len(error.attempts) == 1
    assert (server.connections, len(server.requests)) == (1, 0)
    assert_keyless(error)


@pytest.mark.row("49")
@pytest.mark.usefixtures("trusted")
async def test_a_proxy_sees_a_tunnel_and_no_key(
    authority: trustme.CA, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A proxy is asked to connect, and gets neither key nor request; the service does not get the proxy's password."""
    with (
        leaving_nothing(),
        loopback([MADE], secure=context_of(authority, "service.test")) as service,
        loopback([AGREED, Tunnel(service.port)]) as proxy,
    ):
        environment.setenv("https_proxy", proxy.url.replace("http://", "http://user:word@"))
        async with client_of(service, base_url=SERVICE) as client:
            assert_succeeded(await call(client, GENERATE, tmp_path), GENERATE, tmp_path)
        assert service.wait_until_idle()
        assert proxy.wait_until_idle()
    assert [request.method for request in proxy.requests] == ["CONNECT"]
    assert KEY not in repr(proxy.requests)
    assert "proxy-authorization" not in service.requests[0].headers


@pytest.mark.row("49")
async def test_this_machine_is_reached_without_a_proxy(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A proxy's loopback is another machine's."""
    with leaving_nothing(), loopback([Reset()]) as proxy, loopback([MADE]) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            environment.setenv(name, proxy.url)
        async with client_of(server) as client:
            assert_succeeded(await call(client, GENERATE, tmp_path), GENERATE, tmp_path)
    assert (proxy.connections, server.connections) == (0, 1)


PROXIES: dict[str, tuple[Script, int, str]] = {
    "forbidden": ([Send(head("403 Forbidden"))], 3, "403 Forbidden"),
    "unreachable": ([answer(b"no such host", status="502 Bad Gateway")], 3, "502 Bad Gateway"),
    "a password is wanted": ([Send(head("407 Proxy Authentication Required"))], 1, "407 Proxy Authentication"),
    "cut": ([], 3, "disconnected"),
    "reset": ([Reset()], 3, ""),
    "cut after it agreed": ([AGREED], 3, ""),
    "garbage": ([Send(b"\x00\x01garbage\r\n\r\n")], 3, ""),
}


@pytest.mark.row("50")
@pytest.mark.parametrize("case", PROXIES)
async def test_a_proxy_that_does_not_connect(case: str, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever a proxy does before its tunnel stands, nothing was sent; one that wants a password is asked once."""
    script, attempts, words = PROXIES[case]
    with loopback(script) as proxy:
        environment.setenv("https_proxy", proxy.url.replace("http://", "http://user:pass-word@"))
        error = await unreachable(proxy, tmp_path, attempts, words, base_url=SERVICE)
        assert proxy.wait_until_idle()
    assert [request.method for request in proxy.requests] == ["CONNECT"] * attempts
    assert "pass-word" not in f"{error!s}{vars(error)}"


@pytest.mark.row("50")
@pytest.mark.parametrize("script", [[Hang()], [AGREED, Hang()]], ids=["at once", "after it agreed"])
async def test_a_proxy_that_hangs(script: Script, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The limit for connecting covers the tunnel and the TLS inside it."""
    with loopback(script) as proxy:
        environment.setenv("https_proxy", proxy.url)
        options: dict[str, Any] = {"timeout": Timeouts(connect=0.1), "base_url": SERVICE}
        says = "no connection within 0.1 s"
        await unreachable(proxy, tmp_path, 3, says, error=NotSentTimeout, **options)
        assert proxy.wait_until_idle()


@pytest.mark.row("51")
async def test_a_netrc_is_not_read(
    environment: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The key is the caller's, whatever password a file at home has for the host."""
    home = tmp_path_factory.mktemp("home")
    for name in (".netrc", "_netrc"):
        (home / name).write_text("machine 127.0.0.1 login user password word\ndefault login user password word\n")
        (home / name).chmod(0o600)
    environment.setenv("HOME", str(home))
    environment.setenv("USERPROFILE", str(home))
    environment.setenv("NETRC", str(home / ".netrc"))
    with leaving_nothing(), loopback([MADE]) as server:
        async with client_of(server) as client:
            assert_succeeded(await call(client, GENERATE, tmp_path), GENERATE, tmp_path)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.row("52")
@pytest.mark.usefixtures("trusted")
async def test_the_secrets_of_tls_are_written_nowhere(
    authority: trustme.CA, environment: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The environment says whom to trust, and not where to write down what would open the traffic."""
    log = tmp_path_factory.mktemp("log") / "secrets.log"
    environment.setenv("SSLKEYLOGFILE", str(log))
    with leaving_nothing(), loopback([MADE], secure=context_of(authority, "127.0.0.1")) as server:
        async with client_of(server) as client:
            assert_succeeded(await call(client, GENERATE, tmp_path), GENERATE, tmp_path)
        assert server.wait_until_idle()
    assert not log.exists() or "CLIENT" not in log.read_text(encoding="ascii")


@pytest.mark.row("52")
@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_authorities_that_cannot_be_read(
    content: str | None, environment: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A machine without authorities is told so, with the name of the variable, and nothing is connected."""
    file = tmp_path_factory.mktemp("authority") / "authority.pem"
    if content is not None:
        file.write_text(content)
    environment.setenv("SSL_CERT_FILE", str(file))
    with loopback([MADE]) as server:
        base_url = f"https://127.0.0.1:{server.port}"
        says = ("no certificate authorities could be read", "SSL_CERT_FILE")
        await unreachable(server, tmp_path, 1, *says, base_url=base_url)
    assert server.connections == 0


@pytest.mark.row("54")
async def test_a_private_address_of_a_public_name_is_allowed(tmp_path: Path) -> None:
    """Companies have their own resolvers: where a name leads is not for this client to judge."""
    with leaving_nothing(), loopback([MADE]) as server, resolving("127.0.0.1"):
        options: dict[str, Any] = {"base_url": f"http://api.aimlapi.com:{server.port}", "allow_insecure_http": True}
        async with client_of(server, **options) as client:
            assert_succeeded(await call(client, GENERATE, tmp_path), GENERATE, tmp_path)
    assert len(server.requests) == 1
