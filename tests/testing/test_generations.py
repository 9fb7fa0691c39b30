"""Scripts of generations that are made later, under an id: from the submit to the track, and what goes wrong."""

from pathlib import Path
from typing import Any

import pytest

from aiml_music import (
    InDoubtError,
    Money,
    MusicError,
    NotReadyError,
    Outcome,
    ResultGoneError,
)
from aiml_music.testing import (
    FakeClock,
    ScriptedAnswer,
    ScriptedTransport,
    Step,
    accepted,
    answer,
    audio_file,
    gateway_page,
    generation_failed,
    lost,
    new_reference,
    on_fetch,
    on_generate,
    on_question,
    on_upload,
    ready_at,
    silent_mp3,
    still_running,
)
from tests.testing.clients import blocking_client_of, client_of

pytestmark = pytest.mark.anyio

WALTZ: dict[str, Any] = {"model": "minimax/music-2.6", "prompt": "a slow waltz"}
HERE = "https://tracks.invalid/here.mp3"


async def test_a_track_is_submitted_asked_after_and_fetched(tmp_path: Path) -> None:
    """Each step is checked for what matters, and what it cost is that of the submit."""
    with ScriptedTransport(
        on_generate(accepted("one"), prompt="a slow waltz", model="minimax/music-2.6"),
        on_question(still_running("one"), generation_id="one"),
        on_question(gateway_page()),
        on_question(ready_at(HERE, generation_id="one")),
        on_fetch(audio_file(silent_mp3(3)), url=HERE, headers={"authorization": None}),
    ) as transport:
        async with client_of(transport, clock=FakeClock()) as client:
            track = await client.generate(**WALTZ, to=tmp_path / "waltz.mp3")
    assert (tmp_path / "waltz.mp3").read_bytes() == silent_mp3(3)
    assert track.receipt is not None
    assert (track.receipt.generation_id, track.receipt.credits_used) == ("one", 390_000)
    assert [str(request) for request in transport.requests] == ["generate", *["poll"] * 3, "fetch"]
    assert [request.with_key for request in transport.requests] == [True] * 4 + [False]
    assert [request.generation_id for request in transport.requests] == [None, *["one"] * 3, None]


def test_the_blocking_client_collects_a_script() -> None:
    """By an id alone; what comes by default is a second of silence."""
    with (
        ScriptedTransport(on_question(ready_at()), on_fetch(audio_file())) as transport,
        blocking_client_of(transport) as client,
    ):
        assert client.collect("two", model="minimax/music-2.6").content == silent_mp3(1)


@pytest.mark.parametrize(
    ("steps", "error", "outcome", "money"),
    [
        ([on_generate(lost())], InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN),
        (
            [on_generate(accepted(credits_used=None)), on_question(generation_failed("no"))],
            MusicError,
            Outcome.REJECTED,
            Money.NO,
        ),
        (
            [on_generate(accepted()), on_question(generation_failed("no", credits_used=None))],
            MusicError,
            Outcome.REJECTED,
            Money.UNKNOWN,
        ),
        (
            [on_generate(accepted()), *[on_question(still_running())] * 2],
            NotReadyError,
            Outcome.ACCEPTED,
            Money.YES,
        ),
        (
            [on_generate(accepted()), *[on_question(ready_at()), on_fetch(answer(404))] * 3],
            ResultGoneError,
            Outcome.DAMAGED,
            Money.YES,
        ),
    ],
    ids=["lost", "failed", "failed, and no word of the cost", "late", "gone"],
)
async def test_what_becomes_of_a_generation(
    steps: list[Step], error: type[MusicError], outcome: Outcome, money: Money
) -> None:
    """Every end that a script can lead to has its error."""
    with ScriptedTransport(*steps) as transport:
        async with client_of(transport, clock=FakeClock(), timeout=18) as client:
            with pytest.raises(error) as caught:
                await client.generate(**WALTZ)
    assert (caught.value.outcome, caught.value.money) == (outcome, money)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (on_question(still_running(), generation_id="two"), "generation: expected 'two', came 'one'"),
        (on_upload(new_reference()), "expected upload, came poll"),
        (on_generate(accepted()), "expected generate, came poll"),
        (on_fetch(audio_file()), "expected fetch, came poll"),
    ],
)
async def test_a_question_that_is_not_expected_fails(step: Step, words: str) -> None:
    """The message says what was expected, and what came."""
    transport = ScriptedTransport(on_generate(accepted("one")), step)
    async with client_of(transport, clock=FakeClock()) as client:
        with pytest.raises(AssertionError, match=words):
            await client.generate(**WALTZ)


async def test_a_download_from_elsewhere_fails() -> None:
    """The address is the one that the service named."""
    transport = ScriptedTransport(on_question(ready_at()), on_fetch(audio_file(), url=HERE))
    async with client_of(transport, clock=FakeClock()) as client:
        with pytest.raises(
            AssertionError, match=f"address: expected '{HERE}', came 'https://tracks.invalid/track.mp3'"
        ):
            await client.collect("one", model="minimax/music-2.6")


def test_what_comes_is_what_the_service_says() -> None:
    """Members of the JSON may be others, and headers are added."""
    reactions: list[ScriptedAnswer] = [
        accepted(status="active", headers={"x-mine": "1"}),
        still_running(headers={"x-mine": "1"}),
        ready_at(headers={"x-mine": "1"}, trace_id="t"),
        generation_failed("no", headers={"x-mine": "1"}),
        audio_file(headers={"x-mine": "1"}),
    ]
    assert all(("x-mine", "1") in reaction.head.headers for reaction in reactions)
    assert b'"status": "active"' in reactions[0].body
    assert b'"trace_id": "t"' in reactions[2].body
