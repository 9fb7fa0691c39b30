"""What became of a request, and of the money: the whole table."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiml_music._sansio.outcome import Answer, Marks, Money, Outcome, Phase, classify, money_of

EVERY_MARKS = [
    Marks(request_begun=begun, body_handed_over=handed_over, response_begun=answered)
    for begun, handed_over, answered in product((False, True), repeat=3)
]

# Per answer: the outcome while the body was not handed over whole, and from then on.
TABLE = {
    Answer.NONE: (Outcome.NOT_SENT, Outcome.UNKNOWN),
    Answer.FOREIGN: (Outcome.NOT_SENT, Outcome.UNKNOWN),
    Answer.UNSETTLED: (Outcome.NOT_SENT, Outcome.UNKNOWN),
    Answer.UNREACHED: (Outcome.NOT_SENT, Outcome.NOT_SENT),
    Answer.REFUSAL: (Outcome.REJECTED, Outcome.REJECTED),
    Answer.UNUSABLE: (Outcome.DAMAGED, Outcome.DAMAGED),
    Answer.VERIFIED: (Outcome.COMPLETED, Outcome.COMPLETED),
}

MONEY = {
    Outcome.NOT_SENT: Money.NO,
    Outcome.REJECTED: Money.NO,
    Outcome.UNKNOWN: Money.UNKNOWN,
    Outcome.DAMAGED: Money.YES,
    Outcome.COMPLETED: Money.YES,
}

marks_of_any_kind = st.builds(
    Marks, request_begun=st.booleans(), body_handed_over=st.booleans(), response_begun=st.booleans()
)


@pytest.mark.parametrize("marks", EVERY_MARKS, ids=str)
@pytest.mark.parametrize("answer", Answer, ids=lambda answer: answer.name)
def test_every_attempt_has_one_outcome(marks: Marks, answer: Answer) -> None:
    """How far a request got and what came back decide its outcome, and no pair of the two is left out."""
    incomplete, complete = TABLE[answer]
    assert classify(marks, answer) is (complete if marks.body_handed_over else incomplete)


def test_silence_after_a_whole_request_is_in_doubt() -> None:
    """A complete request without an answer is taken for carried out until something proves otherwise."""
    assert classify(Marks(request_begun=True, body_handed_over=True)) is Outcome.UNKNOWN


@given(marks=marks_of_any_kind, more=marks_of_any_kind, answer=st.sampled_from(Answer))
def test_more_marks_never_make_a_call_look_unsent(marks: Marks, more: Marks, answer: Answer) -> None:
    """A call in doubt stays in doubt, however much further the request is found to have got."""
    further = Marks(
        request_begun=marks.request_begun or more.request_begun,
        body_handed_over=marks.body_handed_over or more.body_handed_over,
        response_begun=marks.response_begun or more.response_begun,
    )
    if classify(marks, answer) is Outcome.UNKNOWN:
        assert classify(further, answer) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("marks", "phase"),
    [
        (Marks(), Phase.CONNECT),
        (Marks(request_begun=True), Phase.SEND),
        (Marks(request_begun=True, body_handed_over=True), Phase.WAIT),
        (Marks(request_begun=True, body_handed_over=True, response_begun=True), Phase.READ),
        (Marks(request_begun=True, response_begun=True), Phase.READ),
    ],
    ids=["nothing", "begun", "whole", "answered", "answered early"],
)
def test_marks_name_a_phase(marks: Marks, phase: Phase) -> None:
    """The furthest mark says which phase an attempt is in."""
    assert marks.phase is phase


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_implies_money(outcome: Outcome) -> None:
    """Where the service states no cost, the outcome says whether there was one."""
    assert money_of(outcome) is MONEY[outcome]


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize(("credits_used", "money"), [(0, Money.NO), (1, Money.YES), (63_000, Money.YES)])
@pytest.mark.parametrize("unproven", [False, True], ids=["proven", "unproven"])
def test_a_stated_cost_decides(outcome: Outcome, credits_used: int, money: Money, *, unproven: bool) -> None:
    """What the service says it charged outweighs everything that could be concluded."""
    assert money_of(outcome, credits_used=credits_used, unproven=unproven) is money


@pytest.mark.parametrize("outcome", Outcome)
def test_what_is_unproven_is_not_known(outcome: Outcome) -> None:
    """An outcome that proves nothing about money says so, unless nothing was sent."""
    expected = Money.NO if outcome is Outcome.NOT_SENT else Money.UNKNOWN
    assert money_of(outcome, unproven=True) is expected
