"""Clients and calls for tests: a key that must not show, and arguments that are good until a test says otherwise."""

from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from attrs import frozen

from aiml_music import AsyncMusicClient, Money, MusicError, Operation, Outcome, Phase, Track
from tests._sansio.audio_files import cbr, frame_seconds
from tests.answers import VOICE_ID, answer, generated
from tests.canary import KEY, assert_keyless
from tests.loopback import Loopback, Send

TRACK = cbr(8)
TRACK_SECONDS = 8 * frame_seconds()
MADE: Send = answer(generated(TRACK))
# Longer than ten seconds, and forty kilobytes.
REFERENCE = cbr(400, kbits=32)


# What sends the requests of the test that runs, by the only entry: None is what every user has.
SENDING: list[Literal["stock"] | None] = [None]


def client_of(server: Loopback, **options: Any) -> AsyncMusicClient:
    """Return a client of a server on this machine."""
    return AsyncMusicClient(**{"api_key": KEY, "base_url": server.url, "transport": SENDING[0], **options})


async def generate(client: AsyncMusicClient, **changes: Any) -> Track:
    """Ask for a track."""
    return await client.generate(**{"lyrics": "##Side by side##", "refer_voice": VOICE_ID, **changes})


async def failure(client: AsyncMusicClient, **changes: Any) -> MusicError:
    """Ask for a track that cannot be had, and return the error, which shows the key to nobody."""
    with pytest.raises(MusicError) as caught:
        await generate(client, **changes)
    assert_keyless(caught.value)
    return caught.value


async def settled(directory: Path) -> list[Path]:
    """Return the files of a directory, once no part file is among them.

    A `cancel()` of asyncio leaves a worker thread behind; what that still makes, it takes away again.
    """
    files = list(directory.iterdir())  # noqa: ASYNC240 - a test may look at its own disk
    with anyio.move_on_after(5):
        while any(path.suffix == ".part" for path in files):
            # A thread tells nobody when it has done.
            await anyio.sleep(0.001)
            files = list(directory.iterdir())  # noqa: ASYNC240 - as above
    return files


@frozen
class Fate:
    """What became of a call that failed."""

    error: type[MusicError]
    outcome: Outcome
    money: Money
    phase: Phase
    attempts: int = 1

    @classmethod
    def of(cls, error: MusicError) -> "Fate":
        """Return the fate that an error tells of."""
        return cls(type(error), error.outcome, error.money, error.phase, len(error.attempts))


def assert_traced(error: MusicError, operation: Operation = Operation.GENERATE) -> None:
    """Make sure that an error says which call it ended, and that its parts agree."""
    assert error.operation is operation
    assert error.client_request_id
    assert error.elapsed >= 0
    assert [attempt.number for attempt in error.attempts] == list(range(1, len(error.attempts) + 1))
    assert error.message in str(error)
