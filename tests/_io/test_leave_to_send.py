"""Nothing of a request leaves before its journal has marked that: not through TLS, not through proxies."""

# ruff: noqa: ASYNC240 - a test may look at its own disk

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme
from attrs import frozen

from aiml_music import AsyncMusicClient, Money, Outcome, Phase, Timeouts
from aiml_music._sansio.errors import LedgerError
from tests._io.test_proxies import AGREED, authority, environment
from tests._io.test_tls import context_of
from tests.calls import MADE, TRACK, Fate, assert_traced, client_of
from tests.canary import assert_keyless
from tests.journals import Recorder, journalled, raising
from tests.loopback import Listen, Loopback, Script, Signal, Tunnel, loopback

pytestmark = pytest.mark.anyio

__all__ = ["authority", "environment"]

UNLICENSED = Fate(LedgerError, Outcome.NOT_SENT, Money.NO, Phase.CONNECT, attempts=0)


@frozen
class Way:
    """A way to the service."""

    service: Loopback
    first: Loopback
    """Whom the client connects to: the service, or a proxy."""
    options: dict[str, Any]

    def client(self, **options: Any) -> AsyncMusicClient:
        """Return a client of the service."""
        return client_of(self.service, **{**self.options, **options})


Ways = Callable[[str, Script], Any]


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """An empty directory for the track."""
    made = tmp_path / "tracks"
    made.mkdir()
    return made


@pytest.fixture
def way_to(authority: trustme.CA, environment: pytest.MonkeyPatch) -> Ways:
    """Return what makes a way to a service that plays a script."""

    @contextmanager
    def make(kind: str, script: Script) -> Iterator[Way]:
        with ExitStack() as opened:
            secure = context_of(authority, "127.0.0.1", "service.test") if kind in {"tls", "tunnel"} else None
            service = opened.enter_context(loopback(script, secure=secure))
            if kind == "tunnel":
                proxy = opened.enter_context(loopback([AGREED, Tunnel(service.port)]))
                environment.setenv("https_proxy", proxy.url)
                yield Way(service, proxy, {"base_url": "https://service.test"})
            elif kind == "forward":
                environment.setenv("http_proxy", service.url)
                yield Way(service, service, {"base_url": "http://service.test", "allow_insecure_http": True})
            else:
                yield Way(service, service, {})

    return make


WAYS = ["plain", "tls", "tunnel", "forward"]


@pytest.mark.parametrize("kind", WAYS)
async def test_a_wire_mark_that_fails_lets_nothing_out(kind: str, way_to: Ways, room: Path) -> None:
    """The connection is there and is closed again; no byte of the request was on it, and nothing is tried again."""
    heard, connected = bytearray(), threading.Event()
    trouble = LedgerError("The disk of the ledger is full.")

    async def fail() -> None:
        assert await anyio.to_thread.run_sync(connected.wait, 5)
        raise trouble

    journal = Recorder(room, {"wire": fail})
    with way_to(kind, [Signal(connected), Listen(heard)]) as way:
        async with way.client() as client:
            with pytest.raises(LedgerError) as caught:
                await journalled(client, journal)
        assert way.service.wait_until_idle()
        assert way.first.connections == way.service.connections == 1
    assert caught.value is trouble
    assert Fate.of(trouble) == UNLICENSED
    assert_traced(trouble)
    assert_keyless(trouble)
    assert heard == b""
    assert journal.marks == ["intent", "wire"]
    assert not any(room.iterdir())


@pytest.mark.parametrize("kind", WAYS)
async def test_a_cancelled_wire_mark_lets_nothing_out(kind: str, way_to: Ways, room: Path) -> None:
    """Whoever is cancelled while the mark is made has spent nothing, and is told so."""
    heard, connected = bytearray(), threading.Event()
    notes: list[str] = []
    with anyio.CancelScope() as scope:

        async def cancel() -> None:
            assert await anyio.to_thread.run_sync(connected.wait, 5)
            scope.cancel()
            await anyio.sleep_forever()

        journal = Recorder(room, {"wire": cancel})
        with way_to(kind, [Signal(connected), Listen(heard)]) as way:
            async with way.client() as client:
                try:
                    await journalled(client, journal)
                except anyio.get_cancelled_exc_class() as cancelled:
                    notes += cancelled.__notes__
                    raise
                finally:
                    assert way.service.wait_until_idle()
    assert scope.cancelled_caught
    assert heard == b""
    assert len(notes) == 1
    assert "cancelled in phase connect. No complete request was sent; no money was spent." in notes[0]
    assert not any(room.iterdir())


@pytest.mark.parametrize("kind", WAYS)
async def test_one_mark_lets_one_request_out(kind: str, way_to: Ways, room: Path) -> None:
    """A proxy that is asked to connect is not the request: the mark is made once, when the way to the service is up."""
    seen: list[int] = []
    journal = Recorder(room)
    with way_to(kind, [MADE]) as way:

        async def look() -> None:
            seen.append(len(way.service.requests))

        journal.acts = {"wire": look}
        async with way.client() as client:
            track = await journalled(client, journal)
        assert track.path is not None
        assert track.path.read_bytes() == TRACK
        assert [len(way.service.requests), seen] == [1, [0]]
    assert journal.marks == ["intent", "wire", "head", "received", "done"]


async def test_a_slow_ledger_is_no_slow_connection(way_to: Ways, room: Path) -> None:
    """Once the connection is made, its own limit of time does not run on while the mark is made."""
    limits: list[float] = []

    async def look() -> None:
        limits.append(anyio.current_effective_deadline())

    journal = Recorder(room, {"wire": look, "head": look})
    with way_to("plain", [MADE]) as way:
        async with way.client(timeout=Timeouts(total=None, connect=10)) as client:
            await journalled(client, journal)
    assert limits == [math.inf, math.inf]


@pytest.mark.parametrize("mark", ["intent", "wire"])
async def test_whatever_a_journal_stands_on_may_fail(mark: str, way_to: Ways, room: Path) -> None:
    """What is no error of this library becomes one, is not taken for trouble of the network, and costs nothing."""
    heard, trouble = bytearray(), OSError("no room")
    journal = Recorder(room, {mark: raising(trouble)})
    with way_to("plain", [Listen(heard)]) as way:
        async with way.client() as client:
            with pytest.raises(LedgerError, match="OSError: no room") as caught:
                await journalled(client, journal)
    assert caught.value.__cause__ is trouble
    assert (caught.value.outcome, caught.value.money) == (Outcome.NOT_SENT, Money.NO)
    assert_traced(caught.value)
    assert heard == b""
    assert journal.marks[-1] == mark
    assert not any(room.iterdir())
