"""Generations that are submitted and polled, for tests: a service, a host of tracks, and calls to both."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from attrs import frozen

from aiml_music import AsyncMusicClient, MusicError, Track
from aiml_music.testing import FakeClock
from tests.answers import accepted, answer, finished, kept
from tests.calls import TRACK, client_of
from tests.canary import KEY, assert_keyless, shows_key
from tests.loopback import Loopback, Script, Send, loopback

SONG: dict[str, Any] = {
    "model": "minimax/music-2.0",
    "prompt": "A quiet song by the sea",
    "lyrics": "Over the water\nthe morning",
}
TAKEN: Send = answer(accepted())
RUNNING: Send = answer(accepted(status="generating"))


@frozen
class Service:
    """A service, and the host that has its tracks.

    Attributes:
        api: answers submits and questions, one connection after the other.
        store: the host of the tracks, which must see no key.
    """

    api: Loopback
    store: Loopback

    @property
    def submits(self) -> int:
        """How many paid requests came."""
        return sum(request.method == "POST" for request in self.api.requests)

    @property
    def polls(self) -> int:
        """How many questions came."""
        return sum(request.method == "GET" for request in self.api.requests)

    def client(self, **options: Any) -> AsyncMusicClient:
        """Return a client of it, with a header of its own."""
        return client_of(self.api, **{"clock": FakeClock(), "default_headers": {"x-mine": "mine"}, **options})


@contextmanager
def service(*scripts: Script | None, store: tuple[Script, ...] = ([kept(TRACK)],)) -> Iterator[Service]:
    """Serve a submit and its questions, and make sure that the host of the track saw nothing of the client's own.

    Args:
        scripts: what each connection to the service does; None says that the generation is done, and where it is.
        store: what each connection to the host of the tracks does.
    """
    with loopback(*store) as host:
        done = [answer(finished(f"{host.url}/song.mp3?signed=1"))]
        with loopback(*(done if script is None else script for script in scripts)) as api:
            yield Service(api, host)
            assert api.wait_until_idle()
        assert host.wait_until_idle()
    for request in host.requests:
        assert (request.method, request.body) == ("GET", b"")
        assert set(request.headers) == {"host", "accept", "accept-encoding", "connection", "user-agent"}
        assert not shows_key(f"{request.path} {request.headers}")
    for request in api.requests:
        assert request.headers["authorization"] == f"Bearer {KEY}"


async def make(client: AsyncMusicClient, **changes: Any) -> Track:
    """Ask for a track."""
    return await client.generate(**{**SONG, **changes})


async def failing(client: AsyncMusicClient, **changes: Any) -> MusicError:
    """Ask for a track that cannot be had, and return the error, which shows the key to nobody."""
    with pytest.raises(MusicError) as caught:
        await make(client, **changes)
    assert_keyless(caught.value)
    return caught.value
