"""What a failed call of a batch is, and what comes next."""

from typing import Any

import pytest

from aiml_music._sansio.batch.repeats import POLICY, Next, after_failure, closing, stated_charge, verdict
from aiml_music._sansio.batch.states import IllegalTransitionError, Mark, fold
from aiml_music._sansio.errors import (
    APIError,
    AuthenticationError,
    ContentRefusedError,
    CreditsError,
    InDoubtError,
    InvalidRequestError,
    MusicError,
    NotFoundError,
    NotReadyError,
    NotSentError,
    PayloadError,
    PermissionDeniedError,
    RateLimitError,
    ResultGoneError,
    ServerError,
    StorageError,
)
from aiml_music._sansio.outcome import Money, Outcome

REFUSED: Any = {"outcome": Outcome.REJECTED, "money": Money.NO}


def throttled(retry_after: float | None = None, money: Money = Money.NO) -> MusicError:
    return RateLimitError("slower", status=429, retry_after=retry_after, outcome=Outcome.REJECTED, money=money)


def failed(status: int, *, retry_after: float | None, credits_used: int | None, money: Money) -> MusicError:
    return ServerError(
        "failed",
        status=status,
        retry_after=retry_after,
        credits_used=credits_used,
        outcome=Outcome.REJECTED,
        money=money,
    )


ACCEPTED: Any = {"outcome": Outcome.ACCEPTED, "money": Money.YES}
NOT_READY = NotReadyError("not yet", **ACCEPTED)
UNSENT = NotSentError("no network")
DOUBT = InDoubtError("cut", outcome=Outcome.UNKNOWN, money=Money.UNKNOWN)
BUSY = failed(503, retry_after=5.0, credits_used=0, money=Money.NO)
FAILED = failed(500, retry_after=5.0, credits_used=0, money=Money.NO)
UNCLEAR = failed(500, retry_after=None, credits_used=None, money=Money.UNKNOWN)


@pytest.mark.parametrize(
    ("error", "marks"),
    [
        (UNSENT, [Mark.NOT_SENT]),
        (NotSentError("odd", money=Money.YES, credits_used=5), [Mark.IN_DOUBT, Mark.PAID]),
        (NotSentError("odd", money=Money.UNKNOWN), [Mark.IN_DOUBT]),
        *(
            (kind("no", **REFUSED), [Mark.DEFERRED])
            for kind in (AuthenticationError, CreditsError, PermissionDeniedError, NotFoundError, RateLimitError)
        ),
        *((kind("no", **REFUSED), [Mark.REJECTED]) for kind in (InvalidRequestError, ContentRefusedError, APIError)),
        (BUSY, [Mark.DEFERRED]),
        (FAILED, [Mark.DEFERRED]),
        (UNCLEAR, [Mark.IN_DOUBT]),
        (throttled(money=Money.UNKNOWN), [Mark.IN_DOUBT]),
        (ContentRefusedError("withheld", outcome=Outcome.REJECTED, money=Money.UNKNOWN), [Mark.IN_DOUBT]),
        (APIError("paid", outcome=Outcome.REJECTED, money=Money.YES, credits_used=9), [Mark.IN_DOUBT, Mark.PAID]),
        (DOUBT, [Mark.IN_DOUBT]),
        (InDoubtError("cut", outcome=Outcome.UNKNOWN, money=Money.NO, credits_used=0), [Mark.IN_DOUBT]),
        (PayloadError("cut", outcome=Outcome.DAMAGED, money=Money.YES), [Mark.IN_DOUBT]),
        (PayloadError("cut", outcome=Outcome.DAMAGED, money=Money.YES, credits_used=9), [Mark.IN_DOUBT, Mark.PAID]),
        (StorageError("full", outcome=Outcome.COMPLETED, money=Money.YES), [Mark.IN_DOUBT]),
    ],
)
def test_every_failure_has_a_verdict(error: MusicError, marks: list[Mark]) -> None:
    """Free only where it is proven; lost only where a charge is; and always a way that the states allow."""
    assert list(verdict(error)) == marks
    before = [Mark.PLANNED, Mark.INTENT]
    if marks != [Mark.NOT_SENT]:
        with pytest.raises(IllegalTransitionError):
            fold([*before, *marks])
    assert fold([*before, Mark.WIRE, *marks])


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([UNSENT], Next(repeat=0.25)),
        ([UNSENT, UNSENT], Next(repeat=0.5)),
        ([UNSENT, UNSENT, UNSENT], Next()),
        ([NotSentError("not trusted", is_lasting=True)], Next()),
        ([throttled()], Next(repeat=0.5)),
        ([throttled(), throttled()], Next(repeat=1.0)),
        ([throttled(20.0)], Next(repeat=21.0)),
        ([throttled(900.0)], Next(repeat=902.5)),
        ([throttled(901.0)], Next(rest=901.0)),
        ([throttled(901.0)] * 3, Next(rest=901.0)),
        ([throttled(20.0, Money.UNKNOWN)], Next()),
        ([BUSY], Next(repeat=5.25)),
        ([FAILED], Next()),
        ([failed(503, retry_after=None, credits_used=0, money=Money.NO)], Next()),
        ([failed(503, retry_after=5.0, credits_used=None, money=Money.UNKNOWN)], Next()),
        ([UNCLEAR], Next()),
        ([DOUBT], Next()),
        ([UNSENT, DOUBT], Next()),
        ([PayloadError("cut", outcome=Outcome.DAMAGED, money=Money.YES)], Next()),
        ([StorageError("full", outcome=Outcome.COMPLETED, money=Money.YES)], Next()),
        ([NotSentError("odd", money=Money.YES)], Next()),
        ([AuthenticationError("no", **REFUSED)], Next()),
        ([NOT_READY], Next()),
    ],
)
def test_only_what_costs_nothing_is_repeated(errors: list[MusicError], expected: Next) -> None:
    """Never sent, or throttled by the service itself at no cost; anything else waits for proof or for a word."""
    assert after_failure(errors, dice=lambda: 0.5) == expected


def test_a_batch_waits_longer_than_a_person() -> None:
    """A minute of its own choosing, a quarter of an hour at the service's word."""
    assert (POLICY.wait_max, POLICY.retry_after_max, POLICY.attempts) == (60.0, 900.0, 3)


@pytest.mark.parametrize("is_ready", [True, False])
@pytest.mark.parametrize("error", [None, UNSENT, DOUBT])
@pytest.mark.parametrize("latest", [None, *Mark])
def test_what_is_known_closes_an_attempt(latest: Mark | None, error: MusicError | None, *, is_ready: bool) -> None:
    """Before the wire nothing was sent; on it, what is not proven is in doubt; a whole track settles it later."""
    marks = closing(latest, error, is_ready=is_ready)
    if latest is Mark.INTENT:
        assert marks == (Mark.NOT_SENT,)
    elif latest in {Mark.WIRE, Mark.HEAD} and not is_ready:
        assert marks == ((Mark.NOT_SENT,) if error is UNSENT else (Mark.IN_DOUBT,))
    elif latest is Mark.ACCEPTED and not is_ready and error is not None:
        assert marks == (Mark.SOUGHT,)
    else:
        assert marks == ()


@pytest.mark.parametrize(
    ("error", "marks"),
    [
        (NOT_READY, [Mark.SOUGHT]),
        (NotFoundError("no such id", **ACCEPTED), [Mark.SOUGHT]),
        (PayloadError("no audio", outcome=Outcome.DAMAGED, money=Money.YES), [Mark.SOUGHT]),
        (StorageError("full", outcome=Outcome.COMPLETED, money=Money.YES), [Mark.SOUGHT]),
        (ResultGoneError("gone", outcome=Outcome.DAMAGED, money=Money.YES), [Mark.PAID]),
        (APIError("failed", outcome=Outcome.REJECTED, money=Money.YES, credits_used=9), [Mark.PAID]),
        (APIError("failed", outcome=Outcome.REJECTED, money=Money.UNKNOWN, credits_used=9), [Mark.IN_DOUBT]),
        (ContentRefusedError("failed", **REFUSED), [Mark.REJECTED]),
        (ServerError("failed", **REFUSED), [Mark.DEFERRED]),
    ],
)
def test_what_was_accepted_ends_by_the_word_of_the_service_alone(error: MusicError, marks: list[Mark]) -> None:
    """It failed, or its track is gone; anything else leaves it to be collected."""
    made = closing(Mark.ACCEPTED, error, is_ready=False)
    assert [*made] == marks
    fold([Mark.PLANNED, Mark.INTENT, Mark.WIRE, Mark.ACCEPTED, *made])


@pytest.mark.parametrize(
    ("latest", "error", "charged"),
    [
        (Mark.ACCEPTED, ContentRefusedError("failed", **REFUSED), 0),
        (Mark.ACCEPTED, APIError("failed", outcome=Outcome.REJECTED, money=Money.YES, credits_used=9), 9),
        (Mark.ACCEPTED, APIError("failed", outcome=Outcome.REJECTED, money=Money.UNKNOWN, credits_used=0), None),
        (Mark.ACCEPTED, NOT_READY, None),
        (Mark.ACCEPTED, None, None),
        (Mark.WIRE, ContentRefusedError("failed", **REFUSED), None),
    ],
)
def test_what_a_failed_generation_cost_is_what_the_service_says(
    latest: Mark, error: MusicError | None, charged: int | None
) -> None:
    """A zero counts only as the price of nothing; of what was never accepted, its own answer tells."""
    assert stated_charge(latest, error) == charged
