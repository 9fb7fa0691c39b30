"""From which state to which, by which mark; and no other way."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiml_music._sansio.batch.states import (
    IllegalTransitionError,
    JobState,
    Mark,
    Standing,
    after,
    fold,
    standing_after,
)
from aiml_music._sansio.errors import LedgerError
from tests._sansio.batch.lives import legal_after

# The doctrine, line by line: state, mark, next state. What is not here is illegal.
LEGAL = {
    (None, "planned"): "planned",
    ("planned", "intent"): "intent",
    ("planned", "cancelled"): "cancelled",
    ("intent", "wire"): "wire",
    ("intent", "not_sent"): "planned",
    ("intent", "died"): "planned",
    ("wire", "head"): "wire",
    ("wire", "accepted"): "accepted",
    ("wire", "received"): "received",
    ("wire", "rejected"): "rejected",
    ("wire", "in_doubt"): "in_doubt",
    ("wire", "died"): "in_doubt",
    ("wire", "not_sent"): "planned",
    ("wire", "deferred"): "planned",
    ("accepted", "received"): "received",
    ("accepted", "sought"): "accepted",
    ("accepted", "deferred"): "planned",
    ("accepted", "rejected"): "rejected",
    ("accepted", "in_doubt"): "in_doubt",
    ("accepted", "paid"): "paid_lost",
    ("accepted", "pay_again"): "planned",
    ("received", "done"): "done",
    ("done", "done"): "done",
    ("done", "pay_again"): "planned",
    ("rejected", "again"): "planned",
    ("in_doubt", "sought"): "in_doubt",
    ("in_doubt", "unpaid"): "planned",
    ("in_doubt", "paid"): "paid_lost",
    ("in_doubt", "pay_again"): "planned",
    ("in_doubt", "received"): "received",
    ("paid_lost", "pay_again"): "planned",
    ("poisoned", "again"): "planned",
    ("cancelled", "again"): "planned",
}
LIFE = [Mark.PLANNED, Mark.INTENT, Mark.WIRE]


@pytest.mark.parametrize("mark", Mark)
@pytest.mark.parametrize("state", [None, *JobState])
def test_the_table_is_the_doctrine(state: JobState | None, mark: Mark) -> None:
    """Every pair of a state and a mark does what the doctrine says, or is refused."""
    expected = LEGAL.get((state, mark))
    if expected is None:
        with pytest.raises(IllegalTransitionError):
            after(state, mark)
    else:
        assert after(state, mark) == expected


def test_a_refusal_names_state_and_mark() -> None:
    """It is a mistake of the program, and an error of the ledger, whichever somebody catches."""
    with pytest.raises(LedgerError, match=r"A job that is 'done' cannot be marked 'wire'\.") as caught:
        after(JobState.DONE, Mark.WIRE)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(IllegalTransitionError, match="not planned yet"):
        after(None, Mark.WIRE)


@given(st.lists(st.integers(0, 9), max_size=40))
def test_nothing_is_sent_without_a_licence(choices: list[int]) -> None:
    """Whatever happens, every wire follows its own intent, and an intent only what frees the job to be paid for."""
    made: list[Mark] = [Mark.PLANNED]
    standing = standing_after(None, Mark.PLANNED)
    for choice in choices:
        legal = legal_after(standing.state)
        made.append(legal[choice % len(legal)])
        standing = standing_after(standing, made[-1])
    assert standing == fold(made)
    evidence = {Mark.HEAD, Mark.SOUGHT}
    steps = [mark for mark in made if mark not in evidence]
    frees = {Mark.PLANNED, Mark.NOT_SENT, Mark.DEFERRED, Mark.UNPAID, Mark.PAY_AGAIN, Mark.AGAIN, Mark.DIED}
    for before, mark in pairwise(steps):
        assert mark is not Mark.WIRE or before is Mark.INTENT
        assert mark is not Mark.INTENT or before in frees
    deaths_on_the_wire = [i for i, mark in enumerate(steps) if mark is Mark.DIED and steps[i - 1] is Mark.WIRE]
    assert all(steps[i + 1 :][:1] != [Mark.INTENT] for i in deaths_on_the_wire)


@pytest.mark.parametrize("ways", [[Mark.NOT_SENT], [Mark.WIRE, Mark.NOT_SENT], [Mark.WIRE, Mark.DEFERRED]])
def test_a_proof_frees_the_job_however_often(ways: list[Mark]) -> None:
    """A verdict is no death: the job may be tried again for ever."""
    assert fold([Mark.PLANNED, *[Mark.INTENT, *ways] * 5]) == Standing(state=JobState.PLANNED)


def test_two_deaths_poison_a_job() -> None:
    """What kills its process twice is not tried a third time by itself."""
    once = [Mark.PLANNED, Mark.INTENT, Mark.DIED]
    assert fold(once) == Standing(state=JobState.PLANNED, deaths=1)
    twice = [*once, Mark.INTENT, Mark.DIED]
    assert fold(twice) == Standing(state=JobState.POISONED, deaths=2)
    assert fold([*twice, Mark.AGAIN]) == Standing(state=JobState.PLANNED)


def test_doubt_is_more_than_poison() -> None:
    """A job whose last attempt died on the wire stays in doubt; it is poisoned once that is settled."""
    marks = [*LIFE, Mark.DIED, Mark.UNPAID, Mark.INTENT, Mark.WIRE, Mark.DIED]
    assert fold(marks) == Standing(state=JobState.IN_DOUBT, deaths=2)
    assert fold([*marks, Mark.UNPAID]) == Standing(state=JobState.POISONED, deaths=2)
    assert fold([*marks, Mark.PAY_AGAIN]) == Standing(state=JobState.PLANNED)


def test_no_marks_are_no_job() -> None:
    """A job is there once it is planned."""
    assert fold([]) is None
