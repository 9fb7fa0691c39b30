"""The models that are submitted and polled, from the client through the sandbox: every one, and every fault of theirs.

The sandbox counts charges and writes down the headers that came to its store of results, so that both are known from
the other side.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import anyio
import pytest

from aiml_music import (
    AsyncMusicClient,
    Event,
    EventKind,
    InDoubtError,
    Money,
    MusicClient,
    MusicError,
    NotFoundError,
    NotReadyError,
    Outcome,
    PayloadError,
    ResultGoneError,
    ServerError,
    Track,
)
from aiml_music._sansio.catalogue import MODELS, Route
from aiml_music.sandbox import SCENARIOS, RunningSandbox, Settings, running
from aiml_music.testing import FakeClock
from tests.clocks import PatientClock

pytestmark = pytest.mark.anyio

PROMPT = "A quiet song by the sea"
LYRICS = "Over the water\nthe morning is new"
ADDRESS = "https://example.org/reference.mp3"
ASKED: dict[str, dict[str, Any]] = {
    "minimax-music": {"lyrics": "##Side by side##", "reference_audio_url": ADDRESS},
    "minimax/music-1.5": {"prompt": PROMPT, "lyrics": LYRICS},
    "minimax/music-2.0": {"prompt": PROMPT, "lyrics": LYRICS},
    "minimax/music-2.6": {"prompt": PROMPT, "lyrics": LYRICS},
    "minimax/music-cover": {"prompt": PROMPT, "reference_audio_url": ADDRESS},
    "google/lyria2": {"prompt": PROMPT},
    "stable-audio": {"prompt": PROMPT, "seconds_total": 2},
    "elevenlabs/eleven_music": {"prompt": PROMPT},
}
SONG: dict[str, Any] = {"model": "minimax/music-2.0", "prompt": PROMPT, "lyrics": LYRICS}

Fate = tuple[type[MusicError] | None, Outcome, Money]
MADE: Fate = (None, Outcome.COMPLETED, Money.YES)
FATES: dict[str, Fate] = {
    "submit_lost": (InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN),
    "submit_without_id": (PayloadError, Outcome.DAMAGED, Money.YES),
    "poll_404": (NotFoundError, Outcome.ACCEPTED, Money.YES),
    "poll_500": MADE,
    "poll_html": MADE,
    "poll_throttled": MADE,
    "poll_slow": MADE,
    "status_unknown": MADE,
    "status_variants": MADE,
    "status_error": (ServerError, Outcome.REJECTED, Money.UNKNOWN),
    "status_error_paid": (ServerError, Outcome.REJECTED, Money.UNKNOWN),
    "stall": (NotReadyError, Outcome.ACCEPTED, Money.YES),
    "result_403": (ResultGoneError, Outcome.DAMAGED, Money.YES),
    "result_expired": (ResultGoneError, Outcome.DAMAGED, Money.YES),
    "result_redirect": MADE,
    "result_endless": (PayloadError, Outcome.DAMAGED, Money.YES),
    "result_wrong_bytes": (PayloadError, Outcome.DAMAGED, Money.YES),
    "result_private": (PayloadError, Outcome.DAMAGED, Money.YES),
    "result_cut": MADE,
}
NEVER_AT_A_RESULT = {"authorization", "x-client-request-id", "x-mine", "cookie", "content-type"}


@pytest.fixture
def server() -> Iterator[RunningSandbox]:
    """A sandbox that is done at once, with tracks of a second."""
    with running(Settings(latency=0, longest_track=1, drip_seconds=0.05)) as served:
        yield served


def client_of(server: RunningSandbox, **options: Any) -> AsyncMusicClient:
    defaults = {"clock": PatientClock(), "default_headers": {"x-mine": "mine"}, "max_retries": 0}
    return AsyncMusicClient(api_key=server.api_key, base_url=server.base_url, **{**defaults, **options})


def assert_no_key_at_results(server: RunningSandbox) -> None:
    """Make sure that the store of results saw no key, and no header of the client's own."""
    for fetch in server.sandbox.fetches:
        assert fetch.method == "GET"
        assert not NEVER_AT_A_RESULT & set(fetch.header_names)


def test_every_queued_model_is_asked_for() -> None:
    """A row of the catalogue that is missing here would go untested."""
    assert set(ASKED) == {row.id for row in MODELS.values() if row.route is Route.QUEUED}


@pytest.mark.parametrize("model", ASKED)
async def test_a_model_makes_a_track(model: str, server: RunningSandbox, tmp_path: Path) -> None:
    """Into a file, charged once, its id in the receipt; and the same track is collected again for nothing."""
    events: list[Event] = []
    async with client_of(server, on_event=events.append) as client:
        track = await client.generate(model=model, to=tmp_path / "song", **ASKED[model])
        assert track.receipt is not None
        generation = track.receipt.generation_id
        assert generation is not None
        again = await client.collect(generation, model=model)
    assert server.sandbox.charges == 1
    assert track.path is not None
    assert track.path.read_bytes() == again.content
    assert track.audio is not None
    assert track.format == again.format == track.audio.container
    assert (track.receipt.outcome, track.receipt.money) == (Outcome.COMPLETED, Money.YES)
    told = [event.kind for event in events if event.operation == "generate" and event.kind is not EventKind.LIMIT]
    assert [kind for kind, _ in groupby(told)] == [
        *(EventKind.QUEUED, EventKind.STARTED, EventKind.ATTEMPT, EventKind.ACCEPTED),
        *(EventKind.POLLED, EventKind.ANSWERED, EventKind.ENDED),
    ]
    assert {event.generation_id for event in events if event.kind is EventKind.POLLED} == {generation}
    assert len(server.sandbox.fetches) == 2
    assert_no_key_at_results(server)


def test_every_fault_of_the_sandbox_has_a_fate() -> None:
    """No fault of these models is left without a word on what the client makes of it."""
    assert set(FATES) == {name for name, scenario in SCENARIOS.items() if not scenario.direct}


@pytest.mark.parametrize("name", FATES)
async def test_the_client_knows_what_a_fault_did_to_the_money(name: str, server: RunningSandbox) -> None:
    """What it says of the money is what the sandbox's own books say, and nothing was submitted twice."""
    kind, outcome, money = FATES[name]
    server.sandbox.use_scenario(name)
    async with client_of(server, clock=FakeClock() if name == "stall" else PatientClock()) as client:
        track, error = await attempt(client)
    if error is not None:
        assert (type(error), error.outcome, error.money) == (kind, outcome, money), str(error)
        assert (error.generation_id is None) == name.startswith("submit_")
        assert error.generation_id is None or error.generation_id in str(error)
    if track is not None:
        assert kind is None
        assert track.receipt is not None
        assert (track.receipt.outcome, track.receipt.money) == (outcome, money)
        assert track.flags == ()
    assert server.sandbox.charges == SCENARIOS[name].charged
    submits = [record for record in server.sandbox.requests if record.method == "POST"]
    assert len(submits) == 1
    assert_no_key_at_results(server)


async def attempt(client: AsyncMusicClient) -> tuple[Track | None, MusicError | None]:
    """Ask for a track and return it, or the error."""
    try:
        return await client.generate(**SONG), None
    except MusicError as error:
        return None, error


async def test_a_broken_download_is_taken_up_where_it_broke(server: RunningSandbox, tmp_path: Path) -> None:
    """The file is whole, byte for byte, after two fetches."""
    server.sandbox.use_scenario("result_cut", uses=1)
    async with client_of(server) as client:
        track = await client.generate(**SONG, to=tmp_path / "song.mp3")
        assert track.receipt is not None
        whole = await client.collect(track.receipt.generation_id or "")
    assert track.path is not None
    assert track.path.read_bytes() == whole.content
    assert len(server.sandbox.fetches) == 3


async def test_a_stream_and_a_submitted_generation(server: RunningSandbox) -> None:
    """Both know the id; a submitted one as soon as the service has taken it."""
    async with client_of(server) as client:
        generation = await client.submit(**SONG)
        name = await generation.accepted()
        assert generation.id == name
        track = await generation
        async with client.stream(**SONG) as audio:
            streamed = b"".join([piece async for piece in audio])
        assert audio.receipt.generation_id not in {None, name}
        assert audio.facts.size_bytes in {None, len(streamed)}
    assert track.receipt is not None
    assert track.receipt.generation_id == name
    assert track.content is not None
    assert server.sandbox.charges == 2
    assert_no_key_at_results(server)


async def test_a_track_is_collected_after_the_waiting_was_given_up(server: RunningSandbox) -> None:
    """The error of a wait that was too short has the id; the track is fetched by it, and not paid again."""
    server.sandbox.use_scenario("stall")
    async with client_of(server, clock=FakeClock()) as client:
        with pytest.raises(NotReadyError, match=r"client\.collect\(.*aiml-music collect") as caught:
            await client.generate(**SONG, timeout=60)
        assert caught.value.is_timeout
        assert isinstance(caught.value, TimeoutError)
        with pytest.raises(NotReadyError) as again:
            await client.collect(caught.value.generation_id or "", timeout=100)
    assert again.value.money is Money.YES
    assert server.sandbox.charges == 1


async def test_a_cancellation_says_how_to_collect(server: RunningSandbox) -> None:
    """Whoever stops waiting for an accepted generation finds its id in the note."""
    notes: list[str] = []
    server.sandbox.use_scenario("stall")
    scope = anyio.CancelScope()

    def stop(event: Event) -> None:
        if event.kind is EventKind.POLLED:
            scope.cancel()

    async with client_of(server, on_event=stop) as client:
        with scope:
            try:
                await client.generate(**SONG)
            except anyio.get_cancelled_exc_class() as cancelled:
                notes.extend(cancelled.__notes__)
                raise
    assert len(notes) == 1
    assert "was cancelled after it was accepted as" in notes[0]
    assert "client.collect(" in notes[0]
    assert server.sandbox.charges == 1


async def test_an_id_nobody_gave_is_not_found(server: RunningSandbox) -> None:
    """And says that nothing was paid for the asking, without claiming to know of the generation's own charge."""
    async with client_of(server) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.collect("nobody-gave-this-one!")
    assert (caught.value.outcome, caught.value.money) == (Outcome.ACCEPTED, Money.UNKNOWN)
    assert caught.value.generation_id == "nobody-gave-this-one!"


def test_the_blocking_client_does_the_same(server: RunningSandbox, tmp_path: Path) -> None:
    """Generate, submit, stream and collect."""
    with MusicClient(api_key=server.api_key, base_url=server.base_url, clock=PatientClock()) as client:
        track = client.generate(**SONG, to=tmp_path / "song.mp3")
        assert track.receipt is not None
        generation = client.submit(**SONG)
        name = generation.accepted()
        assert generation.id == name == generation.accepted()
        assert generation.result().content is not None
        with client.stream(**SONG) as audio:
            assert audio.format == "mp3"
            assert b"".join(audio)
        again = client.collect(track.receipt.generation_id or "", to=tmp_path / "again.mp3")
    assert again.path is not None
    assert again.path.read_bytes() == (tmp_path / "song.mp3").read_bytes()
    assert server.sandbox.charges == 3
    assert_no_key_at_results(server)
