"""What the page of a batch shows: one entry a job, and the sums above them. Plain values; nothing is read from disk."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from attrs import frozen


class PageState(StrEnum):
    """How a job stands, in the words of the ledger."""

    DONE = "done"
    IN_DOUBT = "in_doubt"
    PAID_LOST = "paid_lost"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    POISONED = "poisoned"
    ATTEMPTING = "attempting"
    PLANNED = "planned"
    CANCELLED = "cancelled"


@frozen(kw_only=True)
class PageEntry:
    """One job on the page.

    Attributes:
        label: what its author calls it.
        file: the name of the track, or of what came of it, in the folder of the page; None where there is none.
        receipt: the name of the receipt beside it.
        seconds: how long it plays.
        credits_used: what it cost; None where the service did not say.
        usd_spent: the same in US dollars.
        request_id: the id that logs and bills know it by.
        reason: what went wrong, or what is known of it, in a sentence or two.
        next_step: the command to type next.
        flags: what deserves a look.
    """

    label: str
    state: PageState
    file: str | None = None
    receipt: str | None = None
    seconds: float | None = None
    credits_used: int | None = None
    usd_spent: Decimal | None = None
    lyrics: str = ""
    request_id: str | None = None
    reason: str = ""
    next_step: str = ""
    flags: tuple[str, ...] = ()


@frozen(kw_only=True)
class PageTotals:
    """The sums of a batch.

    Attributes:
        title: what the batch is called.
        jobs: how many tracks were wanted.
        tracks: how many there are.
        seconds: how long they play together.
        credits_used: what is known to have been charged.
        usd_spent: the same in US dollars; None where the service did not say.
        in_doubt: how many calls may have been paid for and gave no track.
        usd_in_doubt: what these may have cost at most.
        failed: how many jobs were refused, set aside, or charged without a track.
        lost: how many of these were charged.
        written: when the page was made.
    """

    title: str
    jobs: int
    tracks: int
    seconds: float
    credits_used: int
    usd_spent: Decimal | None
    in_doubt: int
    usd_in_doubt: Decimal | None = None
    failed: int
    lost: int = 0
    written: datetime
