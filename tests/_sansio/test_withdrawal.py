"""Which refusals are about the model, and what is said of those that live."""

import pytest

from aiml_music._sansio.catalogue import MODELS, MUSIC_01, living_models
from aiml_music._sansio.outcome import Marks, Operation
from aiml_music._sansio.ports import ResponseHead
from aiml_music._sansio.refusal import Refusal, refusal_of_status
from aiml_music._sansio.verdict import Evidence, Problem, of_refusal
from aiml_music._sansio.withdrawal import explained

EVIDENCE = Evidence(
    operation=Operation.GENERATE,
    host="service",
    client_request_id="mine",
    marks=Marks(request_begun=True, body_handed_over=True, response_begun=True),
)
ISSUE = b'{"error": {"name": "E", "message": "Validation", "data": [{"path": ["%s"]}]}}'


def refused(status: int, body: bytes) -> tuple[Problem, Refusal]:
    """Return a refusal, and the problem it is."""
    refusal = refusal_of_status(ResponseHead(status=status), body, client_request_id="mine")
    return of_refusal(EVIDENCE, refusal, None), refusal


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, ISSUE % b"model"),
        (422, ISSUE % b"model"),
        (400, b'{"statusCode": "400", "message": "Unknown model: music-01"}'),
        (404, b'{"statusCode": "404", "message": "Not found"}'),
        (410, b'{"statusCode": "410", "message": "Gone"}'),
    ],
)
def test_a_refused_model_is_told_with_those_that_live(status: int, body: bytes) -> None:
    """Every living one is named, and the refused one is not among them."""
    problem, refusal = refused(status, body)
    hint = explained(problem, refusal, MUSIC_01).hint or ""
    assert "does not take music-01" in hint
    assert "withdrawn since 2026-08-17" in hint
    named = hint.partition("those that live: ")[2].rstrip(".").split(", ")
    assert named == [row.id for row in living_models()]


def test_a_living_model_that_is_refused_is_not_called_withdrawn() -> None:
    """It may be out of work for a while; the others are named all the same."""
    problem, refusal = refused(404, b'{"statusCode": "404"}')
    hint = explained(problem, refusal, MODELS["minimax/music-2.0"]).hint or ""
    assert "withdrawn" not in hint
    assert "minimax/music-2.0," not in hint


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, ISSUE % b"lyrics"),
        (401, b'{"statusCode": "401", "message": "no such model"}'),
        (429, b'{"statusCode": "429", "message": "the model is busy"}'),
        (404, b"<html>model</html>"),
    ],
)
def test_other_refusals_stay_as_they_are(status: int, body: bytes) -> None:
    """Also those that only speak of a model, and what is not the service's own."""
    problem, refusal = refused(status, body)
    assert explained(problem, refusal, MUSIC_01) == problem


def test_where_no_model_was_asked_for_none_is_named() -> None:
    """A look into the account has none."""
    problem, refusal = refused(404, b'{"statusCode": "404"}')
    assert explained(problem, refusal, None) == problem
