"""How a generation ends badly that the service had taken under an id: which error, what money, what to type next.

Pure, as `verdict`, whose problems these are. Nothing here is ever repeated by paying: the id is there.
"""

from attrs import evolve

from aiml_music._sansio.errors import NotReadyError, ResultGoneError
from aiml_music._sansio.outcome import Answer, Money, Operation, Outcome, Phase
from aiml_music._sansio.queued import Polled
from aiml_music._sansio.retry import Failure
from aiml_music._sansio.text import clean
from aiml_music._sansio.verdict import Evidence, Problem, collect_hint, of_broken_answer

_LINK_CHARS = 4096


def of_not_ready(evidence: Evidence, what: str) -> Problem:
    """Judge a track that was not in hand in time.

    Args:
        evidence: what is known of the call.
        what: why, a clause without a full stop.
    """
    outcome, money = evidence.judge(Answer.NONE)
    return Problem(
        error=NotReadyError,
        message=f"{evidence.host}: the track of {evidence.generation_id} is not in hand: {what}.",
        outcome=outcome,
        money=money,
        phase=Phase.WAIT,
        hint=_hint(evidence),
        failure=Failure(),
    )


def of_asking(evidence: Evidence, trouble: Problem) -> Problem:
    """Judge a question after a generation that the service refused for good: the generation is as it was."""
    outcome, money = evidence.judge(Answer.NONE)
    return evolve(
        trouble,
        message=f"{trouble.message.rstrip('.')}, when it was asked after {evidence.generation_id}.",
        outcome=outcome,
        money=money,
        hint=" ".join(filter(None, (trouble.hint, _hint(evidence)))),
    )


def of_failed(evidence: Evidence, polled: Polled) -> Problem:
    """Judge a generation of which the service says that it failed."""
    stated = polled.usage.credits_used
    charged = Money.NO if stated == 0 else Money.YES if stated else Money.UNKNOWN
    return Problem(
        error=polled.error,
        message=f"{evidence.host}: the generation {evidence.generation_id} failed{_words(polled)}.",
        outcome=Outcome.REJECTED,
        money=charged,
        phase=Phase.WAIT,
        trace_id=polled.trace_id,
        hint=None if charged is Money.NO else _failed_hint(evidence),
        details={"api_message": polled.problem},
        failure=Failure(),
    )


def _failed_hint(evidence: Evidence) -> str:
    # Of an id that somebody else was given, the name of the call that was given it is not known.
    own = evidence.operation is not Operation.POLL
    which = f'client.settle("{evidence.client_request_id}")' if own else "client.settle of the call that submitted it"
    return f"It is charged when it is submitted, and a failed one is not, says the service: {which} tells."


def _words(polled: Polled) -> str:
    return f": {polled.problem.rstrip('.')}" if polled.problem else ""


def of_gone(evidence: Evidence, what: str, lives_seconds: float | None) -> Problem:
    """Judge a finished track that is not, or no longer, where the service says it is.

    Args:
        evidence: what is known of the call.
        what: what its host answered, a clause without a full stop.
        lives_seconds: how long such a track is kept; None where that is not known.
    """
    kept = "" if lives_seconds is None else f" Such tracks are kept for {lives_seconds / 3600:g} hours."
    return evolve(
        of_broken_answer(evidence, f"the track of {evidence.generation_id} cannot be fetched: {what}"),
        error=ResultGoneError,
        phase=Phase.READ,
        hint=f"{_hint(evidence)}{kept}",
    )


def of_refused_address(evidence: Evidence, url: str, reason: str) -> Problem:
    """Judge the address of a finished track that is not fetched.

    Args:
        evidence: what is known of the call.
        url: the address.
        reason: why, a clause without a full stop.
    """
    return evolve(
        of_broken_answer(
            evidence, f"the address of the track of {evidence.generation_id} is not fetched, for {reason}"
        ),
        phase=Phase.READ,
        hint=f"{_hint(evidence)} The address was {clean(url, max_chars=_LINK_CHARS)}",
    )


def _hint(evidence: Evidence) -> str:
    return collect_hint(evidence.generation_id or "")
