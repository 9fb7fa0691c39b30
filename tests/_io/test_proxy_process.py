"""Tracks through a proxy that is a process of its own, forwarding and tunnelling as proxies do."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from tests._io.test_proxies import authority, environment
from tests._io.test_tls import context_of
from tests._sansio.audio_files import cbr
from tests.answers import answer, generated, uploaded
from tests.calls import REFERENCE, client_of, generate
from tests.canary import KEY
from tests.loopback import loopback

pytestmark = pytest.mark.anyio

__all__ = ["authority", "environment"]

ROOT = Path(__file__).parents[2]
LONG = cbr(4000)
BOTH = ([answer(uploaded())], [answer(generated(LONG))])


@contextmanager
def proxy_to(port: int, seen: list[str]) -> Iterator[str]:
    """Run a proxy whose every host is a port of this machine; yield its address, and then what it was asked for."""
    command = [sys.executable, "-m", "tests.forward_proxy", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()
        seen += process.stdout.read().splitlines()


async def test_a_proxy_forwards(environment: pytest.MonkeyPatch) -> None:
    """Without TLS the proxy is given whole addresses, and an upload and a track pass through it."""
    seen: list[str] = []
    with loopback(*BOTH) as service, proxy_to(service.port, seen) as proxy:
        environment.setenv("http_proxy", proxy)
        async with client_of(service, base_url="http://service.test", allow_insecure_http=True) as client:
            await client.upload(REFERENCE, purpose="song")
            assert (await generate(client)).content == LONG
    assert [line.split("/v2")[0] for line in seen] == ["POST http://service.test"] * 2
    assert REFERENCE in service.requests[0].body


async def test_a_proxy_tunnels(authority: trustme.CA, environment: pytest.MonkeyPatch) -> None:
    """With TLS it is asked to connect, and sees nothing else: not the key, and no path."""
    seen: list[str] = []
    with (
        loopback(
            [answer(uploaded())], [answer(generated(LONG))], secure=context_of(authority, "service.test")
        ) as service,
        proxy_to(service.port, seen) as proxy,
    ):
        environment.setenv("https_proxy", proxy)
        async with client_of(service, base_url="https://service.test") as client:
            await client.upload(REFERENCE, purpose="song")
            assert (await generate(client)).content == LONG
    assert seen == ["CONNECT service.test:443 HTTP/1.1"] * 2
    assert service.requests[1].headers["authorization"] == f"Bearer {KEY}"
