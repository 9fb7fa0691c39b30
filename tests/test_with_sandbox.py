"""The client and the sandbox together: two readings of the same documentation, written apart, must agree."""

import pathlib
from collections.abc import Iterator

import anyio
import pytest

from aiml_music import (
    AsyncMusicClient,
    ContentRefusedError,
    CreditsError,
    Flag,
    InDoubtError,
    Money,
    MusicError,
    Outcome,
    PayloadError,
    RateLimitError,
    Reference,
    ServerError,
    Track,
)
from aiml_music.sandbox import SCENARIOS, RunningSandbox, Settings, make_reference, running
from aiml_music.testing import FakeClock

pytestmark = pytest.mark.anyio

Fate = tuple[type[MusicError] | None, Outcome, Money]
MADE: Fate = (None, Outcome.COMPLETED, Money.YES)
DAMAGED: Fate = (PayloadError, Outcome.DAMAGED, Money.YES)

FATES: dict[str, Fate] = {
    "slow_body": MADE,
    "cut_mid_body": DAMAGED,
    "reset_mid_body": DAMAGED,
    "gateway_drop": (InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN),
    "failed_drop": (InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN),
    "throttled": (RateLimitError, Outcome.REJECTED, Money.NO),
    "throttled_in_200": (RateLimitError, Outcome.REJECTED, Money.NO),
    "error_in_200": (ServerError, Outcome.UNKNOWN, Money.NO),
    "content_refused": (ContentRefusedError, Outcome.REJECTED, Money.NO),
    "out_of_credits": (CreditsError, Outcome.REJECTED, Money.NO),
    "odd_hex": DAMAGED,
    "foreign_hex": DAMAGED,
    "upper_hex": MADE,
    "url_audio": DAMAGED,
    "no_audio": DAMAGED,
    "in_progress_with_audio": MADE,
    "wrong_size": MADE,
    "zero_info": MADE,
    "audio_last": MADE,
    "html_502": (InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN),
    "server_error": (ServerError, Outcome.REJECTED, Money.NO),
    "gateway_timeout": (ServerError, Outcome.UNKNOWN, Money.UNKNOWN),
}
FLAGS = {
    "in_progress_with_audio": {Flag.IN_PROGRESS},
    "wrong_size": {Flag.SIZE_DIFFERS, Flag.DURATION_DIFFERS},
}


@pytest.fixture(scope="module")
def song() -> bytes:
    """A reference of twelve seconds."""
    return make_reference(12)


@pytest.fixture
def server() -> Iterator[RunningSandbox]:
    """A sandbox that answers at once, with tracks of a second."""
    with running(Settings(latency=0, longest_track=1, drip_seconds=0.05)) as served:
        yield served


def client_of(server: RunningSandbox, *, max_retries: int = 0, max_concurrency: int = 20) -> AsyncMusicClient:
    return AsyncMusicClient(
        api_key=server.api_key,
        base_url=server.base_url,
        max_retries=max_retries,
        max_concurrency=max_concurrency,
        clock=FakeClock(),
    )


def test_every_scenario_has_a_fate() -> None:
    """No fault of music-01 that the sandbox can play is left without a word on what the client makes of it."""
    assert set(FATES) == {name for name, scenario in SCENARIOS.items() if scenario.concerns(direct=True)}


@pytest.mark.parametrize("name", FATES)
async def test_the_client_knows_what_a_fault_did_to_the_money(name: str, server: RunningSandbox, song: bytes) -> None:
    """Outcome and money of every fault are what the sandbox's own books say, and nothing was sent twice."""
    async with client_of(server) as client:
        reference = await client.upload(song, purpose="song")
        server.sandbox.use_scenario(name)
        track, error = await attempt(client, reference)
    charged = server.sandbox.charges
    kind, outcome, money = FATES[name]
    assert charged == SCENARIOS[name].charged
    assert money in {Money.UNKNOWN, Money.YES if charged else Money.NO}
    if track is None:
        assert error is not None
        assert (type(error), error.outcome, error.money) == (kind, outcome, money)
    else:
        assert kind is None
        assert track.receipt is not None
        assert (track.receipt.outcome, track.receipt.money) == (outcome, money)
        assert set(track.flags) == FLAGS.get(name, set())
    generations = [request for request in server.sandbox.requests if request.route.endswith("/generate")]
    assert len(generations) == 1


def names(directory: pathlib.Path) -> set[str]:
    """Return what is in a directory."""
    return {path.name for path in directory.iterdir()}


async def attempt(client: AsyncMusicClient, reference: Reference) -> tuple[Track | None, MusicError | None]:
    """Ask for a track and return it, or the error."""
    try:
        return await client.generate(lyrics="##Side by side##", reference=reference), None
    except MusicError as error:
        return None, error


@pytest.mark.parametrize("name", ["throttled", "throttled_in_200"])
async def test_throttling_is_waited_out_and_paid_once(name: str, server: RunningSandbox, song: bytes) -> None:
    """A service that asks for patience gets it, and one charge."""
    async with client_of(server, max_retries=2) as client:
        reference = await client.upload(song, purpose="song")
        server.sandbox.use_scenario(name, uses=2)
        track, error = await attempt(client, reference)
    assert error is None
    assert track is not None
    assert track.receipt is not None
    assert [attempt.outcome for attempt in track.receipt.attempts] == ["rejected", "rejected", "completed"]
    assert server.sandbox.charges == 1


async def test_a_hundred_at_once_are_a_hundred_tracks(
    server: RunningSandbox, song: bytes, tmp_path: pathlib.Path
) -> None:
    """Every one of a hundred calls started at once ends in its own file, paid once, under its own id."""
    tracks: dict[int, Track] = {}
    async with client_of(server, max_concurrency=50) as client:
        reference = await client.upload(song, purpose="song")

        async def one(number: int) -> None:
            target = tmp_path / f"{number}.mp3"
            tracks[number] = await client.generate(lyrics=f"la {number % 10}", reference=reference, to=target)

        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(one, number)
    assert names(tmp_path) == {f"{number}.mp3" for number in range(100)}
    assert all(not track.flags for track in tracks.values())
    assert len({track.receipt.inference_id for track in tracks.values() if track.receipt}) == 100
    assert server.sandbox.charges == 100


@pytest.mark.parametrize("audio_format", ["mp3", "wav", "pcm"])
async def test_frames_and_service_agree(
    audio_format: str, server: RunningSandbox, song: bytes, tmp_path: pathlib.Path
) -> None:
    """What is asked for is what comes, and what the service says of it is what the bytes say."""
    setting = {"format": audio_format, "sample_rate": 32_000}
    async with client_of(server) as client:
        reference = await client.upload(song, purpose="song")
        target = tmp_path / f"song.{audio_format}"
        track = await client.generate(lyrics="la", reference=reference, audio_setting=setting, to=target)
    assert target.stat().st_size == track.size_bytes == track.facts.size_bytes
    assert track.facts.sample_rate_hz == 32_000
    assert track.flags == ()
    if track.audio is None:
        assert audio_format == "pcm"
        assert track.duration == pytest.approx(track.size_bytes / 64_000, abs=0.001)
    else:
        assert (track.audio.container, track.audio.sample_rate_hz) == (audio_format, 32_000)
