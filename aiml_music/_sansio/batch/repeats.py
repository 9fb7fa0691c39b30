"""What comes after a failed call of a batch: which marks are its verdict, and whether and when it is made again.

The rules and numbers are those of a single call, but for the waits: a batch has more time than a person.
"""

from collections.abc import Callable, Sequence

from attrs import frozen

from aiml_music._sansio.batch.states import Mark
from aiml_music._sansio.errors import (
    AuthenticationError,
    ConfigError,
    CreditsError,
    InputError,
    MusicError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    RateLimitError,
    ResultGoneError,
    ServerError,
    StorageError,
)
from aiml_music._sansio.outcome import Money, Operation, Outcome
from aiml_music._sansio.retry import QUOTA, Failure, RetryPolicy, Trouble

POLICY = RetryPolicy(wait_max=60.0, retry_after_max=900.0)
"""How a batch repeats: at most a minute of its own choosing, a quarter of an hour at the service's word."""

_FOREVER = float("inf")
_NO_FAULT_OF_THE_JOB = (
    AuthenticationError,
    CreditsError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
# What this machine lacks, or its user wrote, is the same the next time.
_LASTING = (ConfigError, InputError, StorageError)
_TROUBLE = {
    Outcome.NOT_SENT: Trouble.NOT_SENT,
    Outcome.REJECTED: Trouble.REFUSED,
    # Nothing is paid for once more: it is collected by the next run.
    Outcome.ACCEPTED: Trouble.IN_DOUBT,
    Outcome.UNKNOWN: Trouble.IN_DOUBT,
    Outcome.DAMAGED: Trouble.DAMAGED,
    Outcome.COMPLETED: Trouble.DAMAGED,
}


def verdict(error: MusicError) -> tuple[Mark, ...]:
    """Return the marks that say what a failed call was, to be made durable before anything else.

    A track that is whole on the disk is looked for first: then the error is about the disk alone.
    """
    if error.outcome in {Outcome.NOT_SENT, Outcome.REJECTED} and error.money is Money.NO:
        if error.outcome is Outcome.NOT_SENT:
            return (Mark.NOT_SENT,)
        return (Mark.DEFERRED if isinstance(error, _NO_FAULT_OF_THE_JOB) else Mark.REJECTED,)
    # An amount is proof of a charge; an outcome alone is none.
    return (Mark.IN_DOUBT, Mark.PAID) if error.credits_used else (Mark.IN_DOUBT,)


def closing(latest: Mark | None, error: MusicError | None, *, is_ready: bool) -> tuple[Mark, ...]:
    """Return the marks that close an attempt which gave no track, by what is known in the process that made it.

    Args:
        latest: its last mark that is known to be in the ledger; None before the first.
        error: how it ended; None is a cancellation.
        is_ready: its track is whole on the disk all the same, and is collected when the batch is resumed.
    """
    if latest is Mark.INTENT:
        return (Mark.NOT_SENT,)
    if latest is Mark.ACCEPTED and not is_ready:
        return () if error is None else _of_accepted(error)
    if latest not in {Mark.WIRE, Mark.HEAD} or is_ready:
        return ()
    return (Mark.IN_DOUBT,) if error is None else verdict(error)


def stated_charge(latest: Mark | None, error: MusicError | None) -> int | None:
    """Return what the service says of the cost of a generation that was accepted and failed; None is that it does not.

    Args:
        latest: as for `closing`.
        error: as for `closing`.
    """
    if error is None or latest is not Mark.ACCEPTED:
        return None
    # A zero is a charge that is not stated yet, but as the price of nothing.
    return 0 if error.money is Money.NO else error.credits_used or None


def _of_accepted(error: MusicError) -> tuple[Mark, ...]:
    """Return the marks after a generation that was accepted: only the service's own word ends it."""
    if isinstance(error, ResultGoneError):
        return (Mark.PAID,)
    if error.outcome is not Outcome.REJECTED:
        return (Mark.SOUGHT,)
    # What was stated when it was taken is no proof any more: of one that failed it may have been given back.
    return {Money.YES: (Mark.PAID,), Money.UNKNOWN: (Mark.IN_DOUBT,)}.get(error.money) or verdict(error)


@frozen(kw_only=True)
class Next:
    """What comes next: the job is tried again, the whole batch rests, or neither.

    Attributes:
        repeat: seconds until the job is tried again; None is not by itself.
        rest: seconds in which nothing is sent at all, at the service's word.
    """

    repeat: float | None = None
    rest: float | None = None


def after_failure(errors: Sequence[MusicError], *, dice: Callable[[], float], policy: RetryPolicy = POLICY) -> Next:
    """Say what comes after a failed call.

    Args:
        errors: of each attempt of the job in this run, the latest last.
        dice: draws from [0, 1).
        policy: the numbers.
    """
    failures = [Failure(trouble=_trouble(error), retry_after=_asked(error), lasting=_lasts(error)) for error in errors]
    latest = failures[-1]
    if latest.trouble is Trouble.THROTTLED and (latest.retry_after or 0.0) > policy.retry_after_max:
        # However often the job was tried: what is said to one call holds for all of the same key.
        return Next(rest=latest.retry_after)
    decision = policy.decide(Operation.GENERATE, failures, remaining=_FOREVER, useful=0.0, quota=QUOTA, dice=dice)
    return Next() if decision.stop else Next(repeat=decision.wait)


def _trouble(error: MusicError) -> Trouble:
    if error.money is not Money.NO and error.outcome in {Outcome.NOT_SENT, Outcome.REJECTED}:
        return Trouble.IN_DOUBT
    if error.outcome is Outcome.REJECTED and _throttled(error):
        return Trouble.THROTTLED
    return _TROUBLE[error.outcome]


def _throttled(error: MusicError) -> bool:
    # A service that says when to come back, and that nothing was charged, is only busy.
    if isinstance(error, ServerError) and error.status == 503:  # noqa: PLR2004 - RFC 9110 §15.6.4
        return error.retry_after is not None and error.credits_used == 0
    return isinstance(error, RateLimitError)


def _lasts(error: MusicError) -> bool:
    return isinstance(error, _LASTING) or (isinstance(error, NotSentError) and error.is_lasting)


def _asked(error: MusicError) -> float | None:
    return error.retry_after if isinstance(error, RateLimitError | ServerError) else None
