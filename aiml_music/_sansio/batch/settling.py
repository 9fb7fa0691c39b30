"""What a look into the service's books means for a job in doubt, and which word of the user sends a job again.

A call counts as unpaid by the books alone; that one is in none of them settles nothing unless the user says so.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import field, frozen

from aiml_music._sansio.batch.states import JobState, Mark
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.models import Settlement, SettlementVerdict

ARRIVES_WITHIN = timedelta(minutes=30)
"""A row of the usage log that is not there after so long will probably never be."""

NEVER_ARRIVED = "probably never arrived"
_ABSENT = "Half an hour after it was sent, no row bears its id: it probably never arrived."
_BY_YOUR_WORD = "It counts as unpaid by the user's word: no row bore its id half an hour after it was sent."

_WORDS = {
    JobState.ACCEPTED: Mark.PAY_AGAIN,
    JobState.IN_DOUBT: Mark.PAY_AGAIN,
    JobState.PAID_LOST: Mark.PAY_AGAIN,
    JobState.REJECTED: Mark.AGAIN,
    JobState.POISONED: Mark.AGAIN,
    JobState.CANCELLED: Mark.AGAIN,
}
_NO_NEED = {
    JobState.PLANNED: "it is to be made as it is",
    JobState.DONE: "its track is there",
}


@frozen(kw_only=True)
class Finding:
    """What goes into the ledger after a look.

    Attributes:
        mark: `unpaid`, `paid`, or `sought`, which settles nothing.
        charged: credits, as the books have them; None where they do not say.
        facts: what else to remember.
        is_absent: the call is in no book, and should be by now.
    """

    mark: Mark
    charged: int | None = None
    facts: dict[str, Any] = field(factory=dict)
    is_absent: bool = False


def finding(settlement: Settlement, *, sent_at: float, absent_is_unpaid: bool) -> Finding:
    """Return what a look means.

    Args:
        settlement: what the books said.
        sent_at: when the call was sent, in Unix time.
        absent_is_unpaid: the user's word that a call which is in no book after half an hour was not paid.
    """
    late = settlement.checked_at - datetime.fromtimestamp(sent_at, UTC) > ARRIVES_WITHIN
    is_absent = settlement.verdict is SettlementVerdict.NOT_SEEN and late
    mark = {SettlementVerdict.PAID: Mark.PAID, SettlementVerdict.UNPAID: Mark.UNPAID}.get(
        settlement.verdict, Mark.UNPAID if is_absent and absent_is_unpaid else Mark.SOUGHT
    )
    note = settlement.note
    if is_absent:
        note = _ABSENT if mark is Mark.SOUGHT else _BY_YOUR_WORD
    facts = {
        "verdict": str(settlement.verdict),
        "note": note,
        "usd": None if settlement.usd is None else str(settlement.usd),
        "inference_id": settlement.inference_id,
        "label": NEVER_ARRIVED if is_absent else None,
    }
    return Finding(
        mark=mark,
        charged=settlement.credits,
        facts={name: fact for name, fact in facts.items() if fact is not None},
        is_absent=is_absent,
    )


def word_for(state: JobState, *, is_missing: bool = False) -> Mark:
    """Return the mark by which the user has a job sent again.

    Args:
        state: of the job.
        is_missing: the job is done, and its track is not there any more.

    Raises:
        InputError: such a job cannot be sent again.
    """
    if is_missing:
        return Mark.PAY_AGAIN
    if state not in _WORDS:
        raise InputError(f"This job cannot be sent again: {_NO_NEED.get(state, 'it is under way')}.")
    return _WORDS[state]
