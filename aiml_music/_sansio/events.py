"""What happens to a call, step by step, for whoever wants to watch."""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from aiml_music._sansio.outcome import Money, Operation, Outcome


class EventKind(StrEnum):
    """What an event tells of."""

    QUEUED = "queued"
    """A call waits for a place among the client's own calls."""
    STARTED = "started"
    """It has its place."""
    ATTEMPT = "attempt"
    """An attempt begins; `attempt` is its number."""
    ANSWERED = "answered"
    """A success was announced: audio begins, or the whole of another answer is in."""
    ACCEPTED = "accepted"
    """The service has taken the generation under the id `generation_id`."""
    POLLED = "polled"
    """It was asked after; `state` is the service's word for how far it is, or `problem` says why there is none."""
    REPEAT = "repeat"
    """An attempt failed and will be repeated after `wait` seconds."""
    ENDED = "ended"
    """The call is over, however it ended: `outcome`, `money`, `credits_used` and `usd_spent` say how."""
    LIMIT = "limit"
    """The number of calls that may be under way at once is now `limit`."""


@frozen(kw_only=True)
class Event:
    """One step of one call. Durations are seconds.

    Attributes:
        elapsed: seconds since the call began.
        generation_id: the service's id of a generation that it has taken under one; from then on.
        attempt: the number of the latest attempt, 0 before the first.
        problem: what went wrong with an attempt, in a few words.
        error: the class of the error a call ended with; empty where it ended well, and where it was cancelled.
    """

    kind: EventKind
    operation: Operation
    client_request_id: str
    generation_id: str | None = None
    elapsed: float
    attempt: int = 0
    wait: float | None = None
    status: int | None = None
    state: str = ""
    problem: str = ""
    error: str = ""
    outcome: Outcome | None = None
    money: Money | None = None
    credits_used: int | None = None
    usd_spent: Decimal | None = None
    limit: int | None = None


EventHandler = Callable[[Event], object]


def summary(event: Event) -> str:
    """Return the one line that is logged when a call ends: neither lyrics, nor what the service said about them."""
    cost = "" if event.credits_used is None else f", {event.credits_used:,} credits"
    usd = "" if event.usd_spent is None else f" (${event.usd_spent})"
    end = f"{event.outcome}, money {event.money}{cost}{usd}, {event.elapsed:.1f} s"
    return ", ".join(filter(None, (f"{event.operation} {event.client_request_id}: {end}", event.error)))
