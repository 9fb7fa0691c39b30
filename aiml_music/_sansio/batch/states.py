"""The states of a job, the marks that lead from one to the next, and no other way.

```
planned ─ intent ─ wire ──────────── received ─ done
   ▲        │       ├──── rejected      ▲               planned again by the user's word
   │        │       ├──── in_doubt ─────┼─ paid_lost    planned again by the user's word
   │        │       └──── accepted ─────┘
   ├────────┴─ proven: not sent
   └─ proven: unpaid
```

What the service has accepted under an id was paid for, and can be collected by that as often as it takes: timeouts,
cancellations and crashes leave it accepted. It is rejected, in doubt or paid and lost where the service says that the
generation failed, by what it says of the money; and paid and lost where it says that the track is gone.

A mark is durable before the act it licenses. The state is a fold over the marks of a job, in their order.
"""

from collections.abc import Iterable
from enum import StrEnum

from attrs import frozen

from aiml_music._sansio.errors import LedgerError

MOST_DEATHS = 2
"""So many attempts of a job may die before nothing but a user's word sends it again."""


class JobState(StrEnum):
    """Where a job stands."""

    PLANNED = "planned"
    """Known; nothing is under way."""
    INTENT = "intent"
    """An attempt is licensed to connect; no byte of its request has left."""
    WIRE = "wire"
    """The first byte may have left, and the service may have the request."""
    ACCEPTED = "accepted"
    """Paid for; the service makes the track under an id that is on record, and it can be collected by that."""
    RECEIVED = "received"
    """The whole track is on the disk, checked and synced, under a hidden name."""
    DONE = "done"
    """The track has its final name."""
    REJECTED = "rejected"
    """The service refused for good, and charged nothing."""
    IN_DOUBT = "in_doubt"
    """Sent, and nothing proves how it ended."""
    PAID_LOST = "paid_lost"
    """Charged, and there is no track."""
    POISONED = "poisoned"
    """Attempts died again and again without a verdict."""
    CANCELLED = "cancelled"
    """The user does not want it any more."""


class Mark(StrEnum):
    """What can be written down about a job."""

    PLANNED = "planned"
    """The job is known."""
    INTENT = "intent"
    """An attempt will be made; its cost is reserved. Licenses connecting."""
    WIRE = "wire"
    """Licenses the first byte of the request."""
    HEAD = "head"
    """Evidence: what the head of an answer said."""
    ACCEPTED = "accepted"
    """The service has taken the generation, under an id. Licenses asking after it, now and whenever it is resumed."""
    RECEIVED = "received"
    """The whole track is on the disk. Licenses its final name."""
    DONE = "done"
    """The track has its final name. Licenses removing the hidden one."""
    NOT_SENT = "not_sent"
    """Verdict: no complete request left this machine."""
    DEFERRED = "deferred"
    """Verdict: refused for now, at no cost, for no fault of the job."""
    REJECTED = "rejected"
    """Verdict: refused for good, at no cost."""
    IN_DOUBT = "in_doubt"
    """Verdict: none. The request may have been carried out and charged."""
    DIED = "died"
    """Found when resuming: the process ended with this attempt under way."""
    SOUGHT = "sought"
    """Evidence: the service was asked about a call in doubt, or after an accepted one, and that settled nothing."""
    UNPAID = "unpaid"
    """Settled: a call in doubt was not charged."""
    PAID = "paid"
    """Settled: a call was charged, and gives no track."""
    EARLIER_UNPAID = "earlier_unpaid"
    """Settled: a call in doubt, whose job was sent again by the user's word, was not charged."""
    EARLIER_PAID = "earlier_paid"
    """Settled: such a call was charged."""
    PAY_AGAIN = "pay_again"
    """The user's word: send it again, though it may have been paid for, or was; or its track was, and was removed."""
    AGAIN = "again"
    """The user's word: send it again, which was never charged."""
    CANCELLED = "cancelled"
    """The user's word: leave it."""


class IllegalTransitionError(LedgerError, ValueError):
    """A mark was to be made that cannot follow on the state of its job; it was not made."""


_AFTER: dict[JobState | None, dict[Mark, JobState]] = {
    None: {Mark.PLANNED: JobState.PLANNED},
    JobState.PLANNED: {Mark.INTENT: JobState.INTENT, Mark.CANCELLED: JobState.CANCELLED},
    JobState.INTENT: {Mark.WIRE: JobState.WIRE, Mark.NOT_SENT: JobState.PLANNED, Mark.DIED: JobState.PLANNED},
    JobState.WIRE: {
        Mark.HEAD: JobState.WIRE,
        Mark.ACCEPTED: JobState.ACCEPTED,
        Mark.RECEIVED: JobState.RECEIVED,
        Mark.REJECTED: JobState.REJECTED,
        Mark.IN_DOUBT: JobState.IN_DOUBT,
        Mark.DIED: JobState.IN_DOUBT,
        # A live process may have the proof that a dead one cannot give: these two need no user.
        Mark.NOT_SENT: JobState.PLANNED,
        Mark.DEFERRED: JobState.PLANNED,
    },
    JobState.ACCEPTED: {
        Mark.RECEIVED: JobState.RECEIVED,
        Mark.SOUGHT: JobState.ACCEPTED,
        # The service says that it failed, and what that cost, or does not; or that the track is gone.
        Mark.DEFERRED: JobState.PLANNED,
        Mark.REJECTED: JobState.REJECTED,
        Mark.IN_DOUBT: JobState.IN_DOUBT,
        Mark.PAID: JobState.PAID_LOST,
        Mark.PAY_AGAIN: JobState.PLANNED,
    },
    JobState.RECEIVED: {Mark.DONE: JobState.DONE},
    # Only where the user removed the track, which no table can know.
    JobState.DONE: {Mark.DONE: JobState.DONE, Mark.PAY_AGAIN: JobState.PLANNED},
    JobState.REJECTED: {Mark.AGAIN: JobState.PLANNED},
    JobState.IN_DOUBT: {
        Mark.SOUGHT: JobState.IN_DOUBT,
        Mark.UNPAID: JobState.PLANNED,
        Mark.PAID: JobState.PAID_LOST,
        Mark.PAY_AGAIN: JobState.PLANNED,
        # A whole track that is found after all settles every doubt.
        Mark.RECEIVED: JobState.RECEIVED,
    },
    JobState.PAID_LOST: {Mark.PAY_AGAIN: JobState.PLANNED},
    JobState.POISONED: {Mark.AGAIN: JobState.PLANNED},
    JobState.CANCELLED: {Mark.AGAIN: JobState.PLANNED},
}
OF_EARLIER_CALLS = frozenset({Mark.EARLIER_UNPAID, Mark.EARLIER_PAID})
"""They settle money alone: the job has a later call, or will have one, and stands where that leaves it."""

_WORDS_OF_THE_USER = frozenset({Mark.AGAIN, Mark.PAY_AGAIN})


def after(state: JobState | None, mark: Mark) -> JobState:
    """Return the state that a mark leads to.

    Args:
        state: where the job stands; None before its first mark.
        mark: what is to be written down.

    Raises:
        IllegalTransitionError: the mark cannot follow on that state.
    """
    try:
        return _AFTER[state][mark]
    except KeyError:
        where = "not planned yet" if state is None else f"'{state}'"
        raise IllegalTransitionError(f"A job that is {where} cannot be marked '{mark}'.") from None


@frozen(kw_only=True)
class Standing:
    """What the marks of a job so far amount to.

    Attributes:
        deaths: attempts that died without a verdict since the user's last word.
    """

    state: JobState
    deaths: int = 0


def standing_after(standing: Standing | None, mark: Mark) -> Standing:
    """Return the standing that a mark leads to.

    A job whose attempts died too often is poisoned where it would be planned again by itself. While the last of them is
    in doubt, it stays so: that is the more that is known.

    Args:
        standing: so far; None before the job's first mark.
        mark: what is to be written down.

    Raises:
        IllegalTransitionError: the mark cannot follow.
    """
    if standing is not None and mark in OF_EARLIER_CALLS:
        return standing
    state = after(None if standing is None else standing.state, mark)
    deaths = 0 if standing is None or mark in _WORDS_OF_THE_USER else standing.deaths + (mark is Mark.DIED)
    if state is JobState.PLANNED and deaths >= MOST_DEATHS:
        state = JobState.POISONED
    return Standing(state=state, deaths=deaths)


def fold(marks: Iterable[Mark]) -> Standing | None:
    """Return what marks, in their order, amount to; None for none.

    Raises:
        IllegalTransitionError: one of them cannot follow on those before it.
    """
    standing = None
    for mark in marks:
        standing = standing_after(standing, mark)
    return standing
