"""Every ready-made reaction, and what a client makes of it."""

from decimal import Decimal
from typing import Any

import pytest

from aiml_music import (
    APIError,
    AuthenticationError,
    ContentRefusedError,
    InDoubtError,
    InDoubtTimeout,
    Money,
    NotSentError,
    NotSentTimeout,
    Outcome,
    PayloadError,
    Phase,
    RateLimitError,
    ServerError,
)
from aiml_music.testing import (
    FakeClock,
    FaultKind,
    ScriptedAnswer,
    ScriptedFault,
    ScriptedTransport,
    answer,
    broken_off,
    error_code,
    finished_track,
    gateway_page,
    lost,
    new_reference,
    on_generate,
    on_upload,
    refusal,
    silent_mp3,
    unreachable,
)
from tests.calls import REFERENCE, TRACK, Fate, failure, generate
from tests.testing.clients import client_of

pytestmark = pytest.mark.anyio

CUT = finished_track().cut()

FATES: dict[str, tuple[ScriptedAnswer | ScriptedFault, Fate]] = {
    "a refusal": (refusal(401, "no"), Fate(AuthenticationError, Outcome.REJECTED, Money.NO, Phase.READ)),
    "a fault of the service": (refusal(500, "oh"), Fate(ServerError, Outcome.REJECTED, Money.NO, Phase.READ)),
    "a fault without a bill": (
        refusal(500, "oh", credits_used=None),
        Fate(ServerError, Outcome.REJECTED, Money.UNKNOWN, Phase.READ),
    ),
    "a refusal with a bill": (
        refusal(401, "no", credits_used=7),
        Fate(AuthenticationError, Outcome.REJECTED, Money.YES, Phase.READ),
    ),
    "an error code": (error_code(1026, "no"), Fate(ContentRefusedError, Outcome.REJECTED, Money.NO, Phase.READ)),
    "a gateway's page": (gateway_page(), Fate(InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN, Phase.READ)),
    "a gateway's 200": (gateway_page(200), Fate(InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN, Phase.READ)),
    "a bare answer": (answer(418), Fate(InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN, Phase.READ)),
    "no connection": (unreachable(), Fate(NotSentError, Outcome.NOT_SENT, Money.NO, Phase.CONNECT)),
    "no connection in time": (
        unreachable(FaultKind.TIMEOUT),
        Fate(NotSentTimeout, Outcome.NOT_SENT, Money.NO, Phase.CONNECT),
    ),
    "a connection that is not trusted": (
        unreachable(FaultKind.TLS_TRUST),
        Fate(NotSentError, Outcome.NOT_SENT, Money.NO, Phase.CONNECT),
    ),
    "a request broken off": (broken_off(), Fate(NotSentError, Outcome.NOT_SENT, Money.NO, Phase.SEND)),
    "a lost answer": (lost(), Fate(InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN, Phase.WAIT)),
    "a lost answer in time": (
        lost(FaultKind.TIMEOUT),
        Fate(InDoubtTimeout, Outcome.UNKNOWN, Money.UNKNOWN, Phase.WAIT),
    ),
    "a cut track": (CUT, Fate(PayloadError, Outcome.DAMAGED, Money.YES, Phase.DECODE)),
    "a track cut off at its head": (
        finished_track(credits_used=None).cut(0),
        Fate(InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN, Phase.READ),
    ),
}


@pytest.mark.parametrize("case", FATES)
async def test_a_reaction_ends_a_call(case: str) -> None:
    """The error is the one that its real counterpart would be, with outcome, money and phase."""
    reaction, fate = FATES[case]
    with ScriptedTransport(on_generate(reaction)) as transport:
        error = await failure(client_of(transport, max_retries=0))
    assert Fate.of(error) == fate
    assert len(transport.requests) == 1


@pytest.mark.parametrize("kind", FaultKind)
async def test_every_kind_of_trouble_has_its_words(kind: FaultKind) -> None:
    """Whatever a network can do may be scripted, and the error says what it was."""
    with ScriptedTransport(on_generate(lost(kind))) as transport:
        error = await failure(client_of(transport))
    assert isinstance(error, InDoubtError)
    assert "the connection ended without an answer: " in error.message


async def test_a_finished_track_is_without_blemish() -> None:
    """It is silence of a second, costs what a track costs, and gives no reason to look again."""
    with ScriptedTransport(on_generate(finished_track())) as transport:
        track = await generate(client_of(transport))
    assert track.content == silent_mp3(1)
    assert track.flags == ()
    assert track.facts.size_bytes == track.size_bytes
    receipt = track.receipt
    assert receipt is not None
    assert (receipt.money, receipt.credits_used, receipt.usd_spent) == (Money.YES, 63_000, Decimal("0.0315"))
    assert receipt.inference_id
    assert track.trace_id


async def test_a_finished_track_is_what_the_test_wants() -> None:
    """Audio, cost, headers and members of the JSON are the test's to choose."""
    step = on_generate(
        finished_track(TRACK, credits_used=None, headers={"X-Inference-Id": "mine"}, trace_id="t", extra_info={}, new=1)
    )
    with ScriptedTransport(step) as transport:
        track = await generate(client_of(transport))
    assert (track.content, track.trace_id, track.raw["new"]) == (TRACK, "t", 1)
    assert track.facts.size_bytes is None
    receipt = track.receipt
    assert receipt is not None
    assert (receipt.credits_used, receipt.usd_spent, receipt.inference_id) == (None, None, "mine")


@pytest.mark.parametrize("changes", [{}, {"instrumental_id": None}, {"voice_id": None}, {"voice_id": "vocal-mine"}])
async def test_a_reference_has_the_ids_it_is_given(changes: dict[str, Any]) -> None:
    """An id that is None is left out, as the service does."""
    expected = {
        "voice_id": "vocal-2026010112000000-AbCdEfGh",
        "instrumental_id": "instrumental-2026010112000000-IjKlMnOp",
    }
    with ScriptedTransport(on_upload(new_reference(**changes, extra=1))) as transport:
        reference = await client_of(transport).upload(REFERENCE, purpose="song")
    expected |= changes
    assert {"voice_id": reference.voice_id, "instrumental_id": reference.instrumental_id} == expected
    assert {name for name in reference.raw if name.endswith("_id")} == {
        "trace_id",
        *(name for name, value in expected.items() if value is not None),
    }
    assert reference.raw["extra"] == 1


async def test_a_refusal_asks_to_wait() -> None:
    """The seconds are those of the header, and the words are the service's."""
    with ScriptedTransport(on_generate(refusal(429, "slow down", retry_after=90))) as transport:
        error = await failure(client_of(transport))
    assert isinstance(error, RateLimitError)
    assert (error.status, error.api_message, error.retry_after, error.credits_used) == (429, "slow down", 90.0, 0)


async def test_an_error_code_has_its_words() -> None:
    """The refusal that hides in a 200 tells code and message."""
    with ScriptedTransport(on_generate(error_code(1002, "rate limit"))) as transport:
        error = await failure(client_of(transport, max_retries=0))
    assert isinstance(error, APIError)
    assert (error.status, error.api_code, error.api_message) == (200, 1002, "rate limit")


@pytest.mark.parametrize("size", [1, 7, 1000, 10**9])
async def test_an_answer_comes_in_pieces(size: int) -> None:
    """However small the pieces, the track is the same."""
    with ScriptedTransport(on_generate(finished_track(TRACK).in_pieces(size))) as transport:
        track = await generate(client_of(transport))
    assert track.content == TRACK


async def test_what_came_before_the_cut_is_kept() -> None:
    """A track that is cut leaves its beginning, in whatever pieces it came."""
    whole = finished_track(TRACK)
    reaction = whole.cut(len(whole.body) // 2, kind=FaultKind.READ).in_pieces(100)
    with ScriptedTransport(on_generate(reaction)) as transport:
        error = await failure(client_of(transport))
    assert isinstance(error.salvage, bytes)
    assert TRACK.startswith(error.salvage)
    assert 0 < len(error.salvage) < len(TRACK)
    assert "Connection reset by peer" in error.message


async def test_a_break_behind_the_answer_is_nobodys_loss() -> None:
    """A connection that breaks once the whole document is there spoils nothing."""
    whole = finished_track(TRACK)
    with ScriptedTransport(on_generate(whole.cut(len(whole.body)))) as transport:
        track = await generate(client_of(transport))
    assert track.content == TRACK


@pytest.mark.parametrize("size", [0, -1])
def test_a_piece_holds_something(size: int) -> None:
    """A body in pieces of nothing would never end."""
    with pytest.raises(ValueError, match="piece_bytes"):
        finished_track().in_pieces(size)


def test_a_cut_is_in_the_body_or_behind_it() -> None:
    """Less than nothing cannot come."""
    with pytest.raises(ValueError, match="breaks_after"):
        finished_track().cut(-1)


async def test_any_answer_can_be_given() -> None:
    """Bytes go as they are, with headers in any case of letters."""
    given = answer(200, finished_track(TRACK).body, headers={"Content-Type": "application/json", "X-Inference-Id": "i"})
    assert dict(given.head.headers) == {
        "content-length": str(len(given.body)),
        "content-type": "application/json",
        "x-inference-id": "i",
    }
    with ScriptedTransport(on_generate(given)) as transport:
        track = await generate(client_of(transport))
    assert track.content == TRACK


async def test_a_lost_reference_is_told_from_a_lost_track() -> None:
    """The same faults serve uploads."""
    with ScriptedTransport(on_upload(broken_off(FaultKind.TIMEOUT))) as transport:
        client = client_of(transport, max_retries=0)
        with pytest.raises(NotSentTimeout) as caught:
            await client.upload(REFERENCE, purpose="song")
    assert caught.value.phase is Phase.SEND
    assert [request.complete for request in transport.requests] == [False]


async def test_what_may_be_repeated_is() -> None:
    """A throttling at no cost is repeated, a lost answer is not."""
    clock = FakeClock()
    steps = [on_generate(unreachable()), on_generate(error_code(1002, "rate limit")), on_generate(lost())]
    with ScriptedTransport(*steps) as transport:
        error = await failure(client_of(transport, clock=clock))
    assert [attempt.outcome for attempt in error.attempts] == [Outcome.NOT_SENT, Outcome.REJECTED, Outcome.UNKNOWN]
    assert len(clock.slept) == 2
