"""What became of a request, and of the money: the whole table."""

from collections.abc import Callable
from itertools import product

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiml_music._sansio.outcome import Answer, Attempt, Marks, Money, Outcome, Phase, classify, money_of

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
    Outcome.ACCEPTED: Money.YES,
    Outcome.UNKNOWN: Money.UNKNOWN,
    Outcome.DAMAGED: Money.YES,
    Outcome.COMPLETED: Money.YES,
}

# From the cheapest to the dearest: what has to be feared of a call.
FEARED = (Money.NO, Money.UNKNOWN, Money.YES)

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


def further_than(marks: Marks, more: Marks) -> Marks:
    """Return the marks of a request that is found to have got as far as either of two."""
    return Marks(
        request_begun=marks.request_begun or more.request_begun,
        body_handed_over=marks.body_handed_over or more.body_handed_over,
        response_begun=marks.response_begun or more.response_begun,
    )


@given(marks=marks_of_any_kind, more=marks_of_any_kind, answer=st.sampled_from(Answer))
def test_more_marks_never_make_a_call_look_unsent(marks: Marks, more: Marks, answer: Answer) -> None:
    """However much further a request is found to have got, what counted as sent stays sent, and doubt stays doubt."""
    before, after = classify(marks, answer), classify(further_than(marks, more), answer)
    if before is not Outcome.NOT_SENT:
        assert after is before


@given(
    marks=marks_of_any_kind,
    more=marks_of_any_kind,
    answer=st.sampled_from(Answer),
    credits_used=st.none() | st.integers(0, 10**15),
    unproven=st.booleans(),
)
def test_more_marks_never_make_a_call_look_cheaper(
    marks: Marks, more: Marks, answer: Answer, credits_used: int | None, *, unproven: bool
) -> None:
    """However much further a request is found to have got, there is as much to fear for the money, or more."""

    def feared(marks: Marks) -> int:
        return FEARED.index(money_of(classify(marks, answer), credits_used=credits_used, unproven=unproven))

    assert feared(further_than(marks, more)) >= feared(marks)


def test_only_the_service_and_its_edge_can_free_a_whole_request() -> None:
    """A request that was handed over whole counts as free for two answers alone; every other is on the dear side."""
    whole = [marks for marks in EVERY_MARKS if marks.body_handed_over]
    free = {answer for marks, answer in product(whole, Answer) if money_of(classify(marks, answer)) is Money.NO}
    assert free == {Answer.REFUSAL, Answer.UNREACHED}
    assert {money_of(classify(marks)) for marks in whole} == {Money.UNKNOWN}


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


@pytest.mark.parametrize(
    "unnamed",
    [
        lambda: Marks(1),  # type: ignore[call-arg,arg-type]  # that is the point
        lambda: money_of(Outcome.COMPLETED, 0),  # type: ignore[call-arg]  # as above
        lambda: Attempt(1),  # type: ignore[call-arg]  # as above
    ],
    ids=["marks", "money", "attempt"],
)
def test_what_could_be_mistaken_is_named(unnamed: Callable[[], object]) -> None:
    """Nobody can mistake one mark for another, or a cost for a doubt: each is given by its name."""
    with pytest.raises(TypeError, match=r"takes \d positional argument"):
        unnamed()


def test_an_attempt_records_what_is_told_of_it() -> None:
    """A first attempt that went well waited for nothing and met no problem; what is on record stays as it is."""
    first = Attempt(number=1, outcome=Outcome.COMPLETED, phase=Phase.READ, elapsed=57.3)
    assert (first.waited, first.status, first.problem) == (0.0, None, "")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        first.number = 2  # type: ignore[misc]  # that is the point
