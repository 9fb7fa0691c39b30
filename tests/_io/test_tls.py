"""TLS as the transport meets it: authorities that are trusted or not, names, and handshakes that fail."""

import ssl
from pathlib import Path

import pytest
import trustme

from aiml_music import Money, NotSentError, NotSentTimeout, Outcome, Phase, Timeouts
from aiml_music.testing import FakeClock
from tests.calls import MADE, TRACK, Fate, client_of, failure, generate
from tests.loopback import Hang, ReadOnly, Reset, Script, Send, loopback

pytestmark = pytest.mark.anyio

UNSENT = Fate(NotSentError, Outcome.NOT_SENT, Money.NO, Phase.CONNECT)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def context_of(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))


@pytest.mark.usefixtures("trusted")
async def test_an_authority_of_the_environment_is_trusted(authority: trustme.CA) -> None:
    """`SSL_CERT_FILE` names whom to trust, and the track comes through TLS."""
    with loopback([MADE], secure=context_of(authority, "127.0.0.1")) as server:
        async with client_of(server) as client:
            for _ in range(2):
                assert (await generate(client)).content == TRACK
        assert server.wait_until_idle()
    assert len(server.requests) == 2


async def test_a_stranger_is_not_trusted_and_not_asked_again(authority: trustme.CA) -> None:
    """Without its authority a certificate proves nothing; trying again would not help, and nothing was sent."""
    with loopback([MADE], secure=context_of(authority, "127.0.0.1")) as server:
        async with client_of(server) as client:
            error = await failure(client)
    assert Fate.of(error) == UNSENT
    assert server.requests == []
    assert server.connections == 1
    assert "unable to get local issuer certificate" in str(error)
    assert error.hint is not None
    assert "SSL_CERT_FILE" in error.hint
    assert "clock" in error.hint


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_of_another_host_is_refused(authority: trustme.CA) -> None:
    """A certificate stands for the names in it."""
    with loopback([MADE], secure=context_of(authority, "elsewhere.test")) as server:
        async with client_of(server) as client:
            error = await failure(client)
    assert Fate.of(error) == UNSENT
    assert server.requests == []
    assert "certificate is not valid for '127.0.0.1'" in str(error)


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_authorities_that_cannot_be_read_are_named(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong `SSL_CERT_FILE` is an error of this library like any other, and nothing is connected."""
    file = tmp_path / f"{content}.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with loopback([MADE]) as server:
        async with client_of(server, base_url=f"https://127.0.0.1:{server.port}") as client:
            error = await failure(client)
    assert Fate.of(error) == UNSENT
    assert server.connections == 0
    assert "no certificate authorities could be read" in str(error)


HANDSHAKES: dict[str, Script] = {
    "plain http": [ReadOnly(5), Send(b"HTTP/1.1 400 Bad Request\r\n\r\n")],
    "cut": [ReadOnly(5)],
    "reset": [ReadOnly(5), Reset()],
}


@pytest.mark.parametrize("case", HANDSHAKES)
async def test_a_handshake_that_fails_is_tried_again(case: str) -> None:
    """No request left before TLS stood, so the call goes on; a peer that speaks no TLS is believed the second time."""
    clock = FakeClock()
    with loopback(HANDSHAKES[case]) as server:
        async with client_of(server, base_url=f"https://127.0.0.1:{server.port}", clock=clock) as client:
            error = await failure(client)
        assert server.wait_until_idle()
    attempts = 2 if case == "plain http" else 3
    assert Fate.of(error) == Fate(NotSentError, Outcome.NOT_SENT, Money.NO, Phase.CONNECT, attempts)
    assert server.connections == attempts
    assert clock.slept == [0.25, 0.5][: attempts - 1]
    assert "not permitted" not in str(error)  # The system's word for a number that is OpenSSL's.
    if case == "plain http":
        assert "wrong version number" in str(error)
        assert error.hint is not None
        assert "http on an https port" in error.hint


async def test_a_handshake_that_hangs_runs_into_the_limit_for_connecting() -> None:
    """The limit for connecting covers name, TCP and TLS together."""
    with loopback([ReadOnly(5), Hang()]) as server:
        timeouts = Timeouts(connect=0.1)
        url = f"https://127.0.0.1:{server.port}"
        async with client_of(server, base_url=url, timeout=timeouts, max_retries=0) as client:
            error = await failure(client)
        assert server.wait_until_idle()
    assert Fate.of(error) == Fate(NotSentTimeout, Outcome.NOT_SENT, Money.NO, Phase.CONNECT)
    assert "no connection within 0.1 s" in str(error)
