"""What the service says about a generation under an id, in every shape that was seen or can be."""

from decimal import Decimal
from typing import Any

import pytest

from aiml_music import (
    APIError,
    AuthenticationError,
    ContentRefusedError,
    CreditsError,
    InputError,
    InvalidRequestError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from aiml_music._sansio.queued import State, check_generation_id, read_polled, read_submitted

SHORT, LONG = "1wnJb1WFzXgrzDXEXAMPL", "60ac7c34-3224-4b14-8e7d-0aa0db708325:minimax/music-2.0"
URL = "https://cdn.example.com/a/b.mp3?Expires=1&Signature=a%2Bb"


@pytest.mark.parametrize("name", [SHORT, LONG, "a", "x" * 512])
def test_an_id_is_taken_as_it_is(name: str) -> None:
    """Both shapes are ids, and so is any other without blanks."""
    submitted = read_submitted({"id": name, "status": "queued"})
    assert (submitted.id, submitted.status) == (name, "queued")
    assert check_generation_id(name) == name


def test_a_number_is_an_id_as_well() -> None:
    """Whatever the service calls it, the track is collected by that."""
    assert read_submitted({"id": 12345}).id == "12345"


@pytest.mark.parametrize("name", [None, "", " ", "a b", "a\nb", "é", "x" * 513, True, 1.5, ["a"], {}])
def test_what_is_no_id_is_none(name: Any) -> None:
    """A submit without one has nothing to collect, and nobody may ask for such a one."""
    assert read_submitted({"id": name}).id is None
    with pytest.raises(InputError, match="A generation id is 1 to 512 characters"):
        check_generation_id(name)


@pytest.mark.parametrize(
    ("usage", "credits_used", "usd"),
    [
        ({"credits_used": 390000, "usd_spent": 0.195}, 390_000, Decimal("0.195")),
        ({"credits_used": "390000", "usd_spent": "0.195"}, 390_000, Decimal("0.195")),
        ({"credits_used": 390000.0}, 390_000, None),
        ({"credits_used": 0}, 0, None),
        ({"credits_used": -1, "usd_spent": -1}, None, None),
        ({"credits_used": True, "usd_spent": False}, None, None),
        ({"credits_used": "many", "usd_spent": "NaN"}, None, None),
        ({"credits_used": float("nan"), "usd_spent": float("inf")}, None, None),
        ({"credits_used": None}, None, None),
        ({}, None, None),
        ([], None, None),
    ],
)
def test_the_usage_is_read_where_it_can_be(usage: Any, credits_used: int | None, usd: Decimal | None) -> None:
    """What is malformed counts as not said."""
    found = read_submitted({"id": SHORT, "meta": {"usage": usage}}).usage
    assert (found.credits_used, found.usd_spent) == (credits_used, usd)


def test_a_meta_of_another_kind_says_nothing() -> None:
    """As if it were not there."""
    assert read_submitted({"id": SHORT, "meta": "none"}).usage.credits_used is None


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *((word, State.RUNNING) for word in ("queued", "generating", "waiting", "active", "processing")),
        *((word, State.RUNNING) for word in ("", "COMPLETING", "done-ish", "succeeded", None, 2, ["completed"])),
        *((word, State.DONE) for word in ("completed", "complete", "Completed")),
        *((word, State.FAILED) for word in ("error", "failed", "ERROR")),
    ],
)
def test_a_status_that_nobody_knows_is_still_running(status: Any, state: State) -> None:
    """Only the words that were documented or seen end the waiting."""
    assert read_polled({"id": SHORT, "status": status, "audio_file": {"url": URL}}).state is state


def test_a_finished_generation_as_recorded() -> None:
    """Extra keys, zeros and both vocabularies of facts are taken as they come."""
    document = {
        "id": LONG,
        "status": "completed",
        "audio_file": {"url": URL, "content_type": "application/octet-stream", "file_name": "b.mp3", "file_size": 0},
        "error": None,
        "extra_info": {"music_duration": 61_000, "music_size": 0, "bitrate": 256_000, "music_channel": 2},
        "trace_id": "04fb6a87",
        "meta": {"usage": {"credits_used": 390_000, "usd_spent": 0.195}},
        "surprise": [1, 2],
    }
    polled = read_polled(document)
    assert (polled.state, polled.status, polled.url) == (State.DONE, "completed", URL)
    assert (polled.facts.duration_ms, polled.facts.size_bytes, polled.facts.channels) == (61_000, None, 2)
    assert (polled.trace_id, polled.usage.credits_used, polled.raw) == ("04fb6a87", 390_000, document)


@pytest.mark.parametrize(
    ("file", "url"), [(URL, URL), ({"url": ""}, None), ({"url": 1}, None), ({}, None), (None, None), ([URL], None)]
)
def test_the_address_is_found_or_not(file: Any, url: str | None) -> None:
    """An object with a `url`, or the address itself."""
    assert read_polled({"status": "completed", "audio_file": file}).url == url


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        ({"name": "ContentPolicyViolation", "message": "no"}, ContentRefusedError, "ContentPolicyViolation: no"),
        ({"name": "BadRequestError", "message": "no"}, InvalidRequestError, "BadRequestError: no"),
        ({"name": "ValidationError"}, InvalidRequestError, "ValidationError"),
        ({"name": "InsufficientBalance"}, CreditsError, "InsufficientBalance"),
        ({"name": "RateLimitError"}, RateLimitError, "RateLimitError"),
        ({"name": "UnauthorizedError"}, AuthenticationError, "UnauthorizedError"),
        ({"name": "ForbiddenError"}, PermissionDeniedError, "ForbiddenError"),
        (
            {"name": "InternalServerError", "message": "invalid state"},
            ServerError,
            "InternalServerError: invalid state",
        ),
        ({"name": "Error", "message": "flagged by our content filter"}, ContentRefusedError, None),
        ({"message": "You've run out of credits"}, CreditsError, "You've run out of credits"),
        ({"name": 1, "message": ["x"]}, ServerError, ""),
        ("the provider failed", ServerError, "the provider failed"),
        (None, ServerError, ""),
    ],
)
def test_a_failure_is_what_its_words_say(error: Any, kind: type[APIError], words: str | None) -> None:
    """By its name first; in running text only whole phrases count."""
    polled = read_polled({"status": "error", "error": error})
    assert (polled.state, polled.error) == (State.FAILED, kind)
    assert words is None or polled.problem == words


def test_an_error_without_a_status_is_one() -> None:
    """And one beside a status that runs is not the end."""
    assert read_polled({"error": {"message": "no"}}).state is State.FAILED
    assert read_polled({"status": "generating", "error": {"message": "no"}}).state is State.RUNNING


def test_words_of_the_service_are_fit_to_be_shown() -> None:
    """Neither control characters nor no end."""
    polled = read_polled({"status": "error\x1b[2J", "error": {"message": "a\r\nb" + "x" * 9999}})
    assert polled.status == "error[2J"
    failed = read_polled({"status": "error", "error": {"message": "a\r\nb" + "x" * 9999}})
    assert failed.problem.startswith("a b")
    assert len(failed.problem) <= 500
