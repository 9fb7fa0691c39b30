"""What went wrong with an attempt: which error, what happened to the money, what to type next, and may it be repeated.

Pure: evidence in, a `Problem` out. The loop that has the evidence only asks.
"""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from aiml_music._sansio.errors import (
    InDoubtError,
    InDoubtTimeout,
    MusicError,
    NotReadyError,
    NotSentError,
    NotSentTimeout,
    PayloadError,
    StorageError,
)
from aiml_music._sansio.outcome import Answer, Marks, Money, Operation, Outcome, Phase, classify, money_of
from aiml_music._sansio.ports import FaultKind, TransportFault
from aiml_music._sansio.queued import read_submitted
from aiml_music._sansio.refusal import Meaning, Refusal, is_redirect
from aiml_music._sansio.retry import Failure, Trouble
from aiml_music._sansio.text import clean
from aiml_music._sansio.wire import Reply, Tracing


@frozen(kw_only=True)
class Problem:
    """How one attempt ended badly.

    Attributes:
        error: the error it becomes when it is not repeated.
        details: arguments of that error beside the circumstances every error has.
        failure: what the retry policy needs to know.
        crowded: fewer calls at once would have fared better.
    """

    error: type[MusicError]
    message: str
    outcome: Outcome
    money: Money
    phase: Phase
    hint: str | None = None
    trace_id: str | None = None
    details: Mapping[str, Any] = field(factory=dict)
    failure: Failure
    crowded: bool = False


_FREE = frozenset({Operation.READ, Operation.POLL, Operation.FETCH})


@frozen(kw_only=True)
class Evidence:
    """What is known of an attempt, beside what ended it."""

    operation: Operation
    host: str
    client_request_id: str
    marks: Marks
    tracing: Tracing = Tracing()
    status: int | None = None
    audio_bytes: int = 0
    sent: int = 1
    """How many attempts of the call may have reached the service, this one included."""
    is_queued: bool = False
    """An id is wanted, and the audio comes later."""
    generation_id: str | None = None
    """Under which the service has taken the request."""
    is_confirmed: bool = False
    """The service itself has given that id, or answered for it."""

    def judge(self, answer: Answer, *, unproven: bool = False) -> tuple[Outcome, Money]:
        """Return outcome and money for an answer of this kind."""
        outcome = classify(self.marks, answer)
        used = self.tracing.credits_used
        if self.generation_id is not None:
            if outcome in {Outcome.NOT_SENT, Outcome.UNKNOWN}:
                outcome = Outcome.ACCEPTED
            # Charged when it was taken: a zero is a price that is not stated yet.
            return outcome, money_of(outcome, credits_used=used or None, unproven=not self.is_confirmed)
        if self.operation in _FREE:
            return outcome, Money.NO
        if used and outcome is Outcome.NOT_SENT:
            # Something was charged, so the service had a whole request, whatever our marks or an edge say.
            outcome = Outcome.UNKNOWN
        # No price of an upload is published, so that its success proves no charge; its refusal still proves none.
        unpriced = self.operation is Operation.UPLOAD and outcome is not Outcome.REJECTED
        return outcome, money_of(outcome, credits_used=used, unproven=unproven or unpriced)


_NEVER_SENT_HINTS = {
    FaultKind.DNS: "Check the network, and this machine's resolver.",
    FaultKind.NO_NAME: "Check the host name in base_url, and the network.",
    FaultKind.EXHAUSTED: "Raise this process's limit of open files (ulimit -n), or lower max_concurrency.",
    FaultKind.CONNECT: "Check base_url, and whether a firewall is in between.",
    FaultKind.NO_TLS: "Something in between may speak no TLS: a captive portal, or http on an https port.",
    FaultKind.TLS_TRUST: "Check this machine's clock and its certificate authorities (SSL_CERT_FILE).",
    FaultKind.PROXY: "Check HTTPS_PROXY, ALL_PROXY and NO_PROXY.",
    FaultKind.PROXY_SETUP: "Check HTTPS_PROXY, ALL_PROXY and NO_PROXY.",
}
_MOVED = "If the service has moved, change base_url."
_REFUSED_MIDWAY = "The server may have refused it before it was whole: check the size of the reference."
_LASTING = frozenset({FaultKind.TLS_TRUST, FaultKind.PROXY_SETUP})
_STUBBORN = frozenset({FaultKind.NO_NAME, FaultKind.NO_TLS})
# What the outcome of an attempt is to a retry policy; a refusal is looked at more closely.
_TROUBLE = {
    Outcome.NOT_SENT: Trouble.NOT_SENT,
    Outcome.REJECTED: Trouble.REFUSED,
    Outcome.ACCEPTED: Trouble.IN_DOUBT,
    Outcome.UNKNOWN: Trouble.IN_DOUBT,
    Outcome.DAMAGED: Trouble.DAMAGED,
}


def of_fault(evidence: Evidence, fault: TransportFault) -> Problem:
    """Judge trouble of the network."""
    marks = evidence.marks
    if evidence.audio_bytes:
        return of_broken_answer(evidence, f"the connection broke: {fault.detail.rstrip('.')}")
    outcome, money = evidence.judge(Answer.NONE)
    timed_out = fault.kind is FaultKind.TIMEOUT
    if outcome is Outcome.NOT_SENT:
        what = "before the request was sent" if marks.request_begun else "before anything was sent"
        return Problem(
            error=NotSentTimeout if timed_out else NotSentError,
            message=f"{evidence.host} could not be reached {what}: {fault.detail.rstrip('.')}.",
            outcome=outcome,
            money=money,
            phase=marks.phase,
            hint=_REFUSED_MIDWAY if marks.request_begun else _NEVER_SENT_HINTS.get(fault.kind),
            failure=Failure(trouble=Trouble.NOT_SENT, lasting=fault.kind in _LASTING, stubborn=fault.kind in _STUBBORN),
            details={"is_lasting": fault.kind in _LASTING},
            crowded=fault.kind is FaultKind.EXHAUSTED,
        )
    wanted = "its end" if evidence.operation in _FREE or evidence.is_queued else "any audio"
    answered = "without an answer" if evidence.status is None else f"after HTTP {evidence.status} and before {wanted}"
    return Problem(
        error=InDoubtTimeout if timed_out else InDoubtError,
        message=f"{evidence.host} took the request, and the connection ended {answered}: {fault.detail.rstrip('.')}.",
        outcome=outcome,
        money=money,
        phase=marks.phase,
        hint=in_doubt_hint(evidence),
        details={"status": evidence.status},
        failure=Failure(trouble=Trouble.IN_DOUBT),
    )


def of_timeout(evidence: Evidence, what: str) -> Problem:
    """Judge a limit of time that ran out.

    Args:
        evidence: what is known of the attempt.
        what: which limit, a clause without a full stop.
    """
    return _of_end(evidence, what, NotSentTimeout, InDoubtTimeout)


def of_giving_up(evidence: Evidence, what: str) -> Problem:
    """Judge a call that this side gave up while it was under way.

    Args:
        evidence: what is known of the attempt.
        what: why, a clause without a full stop.
    """
    return _of_end(evidence, what, NotSentError, InDoubtError)


def of_no_place(places: int, seconds: float) -> Problem:
    """Judge a call that waited in this client's own queue for as long as it may.

    Args:
        places: how many calls may be under way.
        seconds: how long it waited.
    """
    return Problem(
        error=NotSentTimeout,
        message=f"No place among {places} concurrent calls within {seconds:g} s.",
        outcome=Outcome.NOT_SENT,
        money=Money.NO,
        phase=Phase.QUEUE,
        hint="Give Timeouts.queue more time, or max_concurrency a higher number.",
        failure=Failure(trouble=Trouble.NOT_SENT),
    )


def _of_end(evidence: Evidence, what: str, unsent: type[NotSentError], in_doubt: type[InDoubtError]) -> Problem:
    if evidence.audio_bytes and evidence.generation_id is None:
        return of_broken_answer(evidence, what)
    outcome, money = evidence.judge(Answer.NONE)
    not_sent, accepted = outcome is Outcome.NOT_SENT, outcome is Outcome.ACCEPTED
    return Problem(
        error=NotReadyError if accepted else unsent if not_sent else in_doubt,
        message=f"{evidence.host}: {what}.",
        outcome=outcome,
        money=money,
        phase=evidence.marks.phase,
        hint=None if not_sent else in_doubt_hint(evidence),
        details={} if not_sent or accepted else {"status": evidence.status},
        failure=Failure(trouble=_TROUBLE[outcome]),
    )


def _clause(sentence: str) -> str:
    """Return a sentence as it stands in the middle of another: no full stop, and no capital but of a name."""
    text = sentence.rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def in_doubt_hint(evidence: Evidence) -> str:
    """Return what to do about a call nobody can say the end of, or whose track is still to be collected."""
    if evidence.generation_id is not None:
        return collect_hint(evidence.generation_id)
    if evidence.operation is Operation.UPLOAD:
        return "Uploading the same reference again only makes another id."
    if evidence.operation in _FREE:
        return "What was asked about is as open as before; asking again costs nothing."
    name = evidence.client_request_id
    # A row of an earlier attempt would otherwise be taken for that of the last one.
    several = f", attempts={evidence.sent}" if evidence.sent > 1 else ""
    return f'Before you pay again, look for {name} in the usage log: client.settle("{name}"{several}).'


def collect_hint(generation_id: str) -> str:
    """Return how to come by the track of a generation that was accepted."""
    # A server has written it: nobody who pastes the line is to run what it says.
    python, shell = json.dumps(generation_id), shlex.quote(generation_id)
    return f"Do not pay again, collect it: client.collect({python}, to=...), or aiml-music collect {shell} -o FILE."


def of_refusal(evidence: Evidence, refusal: Refusal, retry_after: float | None) -> Problem:
    """Judge an answer that is not a track."""
    meaning = refusal.meaning
    if not refusal.authentic:
        return _of_foreign_refusal(evidence, refusal)
    code = f" (code {refusal.api_code})" if refusal.api_code is not None else ""
    outcome, money = evidence.judge(meaning.answer, unproven=meaning.unproven)
    doubtful = money is not Money.NO and (outcome is Outcome.UNKNOWN or meaning.failed)
    return Problem(
        error=meaning.error,
        message=f"{evidence.host} answered HTTP {refusal.status}{code}{_words(refusal)}.",
        outcome=outcome,
        money=money,
        phase=evidence.marks.phase,
        hint=in_doubt_hint(evidence) if doubtful else meaning.hint,
        details={
            "status": refusal.status,
            "api_code": refusal.api_code,
            "api_message": refusal.api_message,
            "fields": refusal.fields,
            "retry_after": retry_after,
        },
        failure=Failure(
            trouble=_trouble_of_refusal(evidence, meaning, outcome, money, retry_after),
            retry_after=retry_after,
            lasting=meaning.lasting,
        ),
        crowded=meaning.throttled,
    )


def _of_foreign_refusal(evidence: Evidence, refusal: Refusal) -> Problem:
    where = f", a redirect to {refusal.moved_to}, which is not followed" if refusal.moved_to else ""
    what = f"HTTP {refusal.status}{_words(refusal)}{where}"
    problem = _intercepted(evidence, refusal.meaning.answer, what, lasting=refusal.meaning.lasting)
    hints = filter(None, (problem.hint, _MOVED if is_redirect(refusal.status) else None))
    return evolve(problem, hint=" ".join(hints) or None)


def _words(refusal: Refusal) -> str:
    return f": {refusal.api_message.rstrip('.')}" if refusal.api_message else ""


def _trouble_of_refusal(
    evidence: Evidence, meaning: Meaning, outcome: Outcome, money: Money, retry_after: float | None
) -> Trouble:
    if outcome is not Outcome.REJECTED:
        return _TROUBLE[outcome]
    # A service that says when to come back, and that nothing was charged, is only busy (503 with Retry-After).
    busy = meaning.failed and retry_after is not None and evidence.tracing.credits_used == 0
    if (meaning.throttled and money is Money.NO) or (busy and evidence.status == 503):  # noqa: PLR2004 - as it says
        return Trouble.THROTTLED
    return Trouble.SERVER if meaning.failed else Trouble.REFUSED


def of_foreign_body(evidence: Evidence, content_type: str, beginning: str) -> Problem:
    """Judge a 2xx that is not the service's JSON: a captive portal, a gateway's page."""
    return _intercepted(evidence, Answer.FOREIGN, f"with {content_type}, not JSON: {beginning!r}")


def _intercepted(evidence: Evidence, answer: Answer, what: str, *, lasting: bool = False) -> Problem:
    outcome, money = evidence.judge(answer)
    not_sent = outcome is Outcome.NOT_SENT
    return Problem(
        error=NotSentError if not_sent else InDoubtError,
        message=f"Something between here and {evidence.host} answered {what}.",
        outcome=outcome,
        money=money,
        phase=evidence.marks.phase,
        hint=None if not_sent else in_doubt_hint(evidence),
        details={} if not_sent else {"status": evidence.status},
        failure=Failure(trouble=_TROUBLE[outcome], lasting=lasting),
    )


def of_broken_answer(evidence: Evidence, what: str, *, trace_id: str | None = None) -> Problem:
    """Judge a success that was announced and cannot be used.

    Args:
        evidence: what is known of the attempt.
        what: what is wrong with it, a sentence or a clause, without a full stop.
        trace_id: the service's own id of the call, where the answer got that far.
    """
    outcome, money = evidence.judge(Answer.UNUSABLE, unproven=evidence.audio_bytes == 0)
    received = f" after {evidence.audio_bytes:,} bytes of audio" if evidence.audio_bytes else ""
    return Problem(
        error=PayloadError,
        message=f"{evidence.host} answered, but {_clause(what)}{received}.",
        outcome=outcome,
        money=money,
        phase=Phase.DECODE,
        trace_id=trace_id,
        hint=in_doubt_hint(evidence),
        failure=Failure(trouble=Trouble.DAMAGED),
    )


def of_lost_disk(evidence: Evidence, trouble: OSError) -> Problem:
    """Judge a disk that neither takes the rest of a track nor gives back what it has of it."""
    problem = of_broken_answer(evidence, f"the disk failed: {clean(trouble.strerror or str(trouble))}")
    return evolve(
        problem,
        error=StorageError,
        phase=Phase.STORE,
        hint="Look at the disk; what had come of the track is in this error's salvage.",
        details={"errno": trouble.errno, "filename": trouble.filename},
    )


def of_reply(evidence: Evidence, reply: Reply, refusal: Refusal, retry_after: float | None) -> Problem | None:
    """Judge a document that was read to its end; None where it is what was asked for.

    Args:
        evidence: what is known of the attempt.
        reply: the document.
        refusal: the same document, read as a refusal.
        retry_after: seconds the answer asks to wait.
    """
    if not reply.accepted:
        if evidence.audio_bytes:
            what = f"audio came together with error code {refusal.api_code}{_words(refusal)}"
            return of_broken_answer(evidence, what, trace_id=reply.trace_id)
        if reply.audio_link is not None or reply.in_progress:
            # No clean refusal: there may be a track, so nothing is sent again.
            what = f"error code {refusal.api_code} came together with {reply.audio_link or 'an unfinished track'}"
            return of_broken_answer(evidence, what, trace_id=reply.trace_id)
        return evolve(of_refusal(evidence, refusal, retry_after), trace_id=reply.trace_id)
    missing = _missing(evidence, reply)
    return None if missing is None else of_broken_answer(evidence, missing, trace_id=reply.trace_id)


def _missing(evidence: Evidence, reply: Reply) -> str | None:
    if evidence.operation in _FREE:
        return None
    if evidence.operation is Operation.UPLOAD:
        return None if reply.voice_id or reply.instrumental_id else "it holds neither a voice id nor an instrumental id"
    if evidence.audio_bytes or (evidence.is_queued and read_submitted(reply.raw).id):
        return None
    return "it holds no id to collect the track by" if evidence.is_queued else _missing_audio(reply)


def _missing_audio(reply: Reply) -> str:
    if reply.in_progress:
        return "it calls the track unfinished and holds no audio"
    if reply.audio_link is not None:
        link = reply.audio_link
        is_link = link.startswith(("https://", "http://"))
        return f"the audio is a link to be fetched soon: {link}" if is_link else "the audio is not hexadecimal"
    return "it holds no audio"
