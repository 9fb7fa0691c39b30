"""What went wrong with an attempt: which error, what happened to the money, what to type next, and may it be repeated.

Pure: evidence in, a `Problem` out. The loop that has the evidence only asks.
"""

from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from aiml_music._sansio.errors import (
    InDoubtError,
    InDoubtTimeout,
    MusicError,
    NotSentError,
    NotSentTimeout,
    PayloadError,
    StorageError,
)
from aiml_music._sansio.outcome import Answer, Marks, Money, Operation, Outcome, Phase, classify, money_of
from aiml_music._sansio.ports import FaultKind, TransportFault
from aiml_music._sansio.refusal import Refusal
from aiml_music._sansio.retry import Failure
from aiml_music._sansio.text import clean
from aiml_music._sansio.wire import Reply, Tracing


@frozen(kw_only=True)
class Problem:
    """How one attempt ended badly.

    Attributes:
        error: the error it becomes when it is not repeated.
        details: arguments of that error beside the circumstances every error has.
        failure: what the retry policy needs to know.
    """

    error: type[MusicError]
    message: str
    outcome: Outcome
    money: Money
    phase: Phase
    hint: str | None = None
    trace_id: str | None = None
    details: Mapping[str, Any] = field(factory=dict)
    failure: Failure = Failure()


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

    def judge(self, answer: Answer, *, unproven: bool = False) -> tuple[Outcome, Money]:
        """Return outcome and money for an answer of this kind."""
        outcome = classify(self.marks, answer)
        # No price of an upload is published, so that its success proves no charge; its refusal still proves none.
        unpriced = self.operation is Operation.UPLOAD and outcome is not Outcome.REJECTED
        used = self.tracing.credits_used
        return outcome, money_of(outcome, credits_used=used, unproven=unproven or unpriced)


_NEVER_SENT_HINTS = {
    FaultKind.DNS: "Check the host name in base_url, and the network.",
    FaultKind.CONNECT: "Check base_url, and whether a firewall is in between.",
    FaultKind.TLS: "Something in between may speak no TLS: a captive portal, or http on an https port.",
    FaultKind.TLS_TRUST: "Check this machine's clock and its certificate authorities (SSL_CERT_FILE).",
    FaultKind.PROXY: "Check HTTPS_PROXY, ALL_PROXY and NO_PROXY.",
    FaultKind.PROXY_SETUP: "Check HTTPS_PROXY, ALL_PROXY and NO_PROXY.",
}
_LASTING = frozenset({FaultKind.TLS_TRUST, FaultKind.PROXY_SETUP})


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
            hint=_NEVER_SENT_HINTS.get(fault.kind),
            failure=Failure(never_connected=not marks.request_begun, lasting=fault.kind in _LASTING),
        )
    answered = "without an answer" if evidence.status is None else f"after HTTP {evidence.status} and before any audio"
    return Problem(
        error=InDoubtTimeout if timed_out else InDoubtError,
        message=f"{evidence.host} took the request, and the connection ended {answered}: {fault.detail.rstrip('.')}.",
        outcome=outcome,
        money=money,
        phase=marks.phase,
        hint=in_doubt_hint(evidence),
        details={"status": evidence.status},
    )


def of_timeout(evidence: Evidence, seconds: float, *, idle: bool = False) -> Problem:
    """Judge a limit of time that ran out.

    Args:
        evidence: what is known of the attempt.
        seconds: the limit.
        idle: it was the limit for silence while a body comes, not the one for the whole call.
    """
    what = f"nothing came for {seconds:g} s" if idle else f"the time limit of {seconds:g} s ran out"
    if evidence.audio_bytes:
        return of_broken_answer(evidence, what)
    outcome, money = evidence.judge(Answer.NONE)
    not_sent = outcome is Outcome.NOT_SENT
    return Problem(
        error=NotSentTimeout if not_sent else InDoubtTimeout,
        message=f"{evidence.host}: {what}.",
        outcome=outcome,
        money=money,
        phase=evidence.marks.phase,
        hint=None if not_sent else in_doubt_hint(evidence),
        details={} if not_sent else {"status": evidence.status},
    )


def _clause(sentence: str) -> str:
    """Return a sentence as it stands in the middle of another: no full stop, and no capital but of a name."""
    text = sentence.rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def in_doubt_hint(evidence: Evidence) -> str:
    """Return what to do about a call nobody can say the end of."""
    if evidence.operation is Operation.UPLOAD:
        return "Uploading the same reference again only makes another id."
    return f"Before you pay again, look for {evidence.client_request_id} in the usage log (GET /v2/logs)."


def of_refusal(evidence: Evidence, refusal: Refusal, retry_after: float | None) -> Problem:
    """Judge an answer that is not a track."""
    meaning = refusal.meaning
    words = f": {refusal.api_message.rstrip('.')}" if refusal.api_message else ""
    code = f" (code {refusal.api_code})" if refusal.api_code is not None else ""
    if not refusal.authentic:
        return _intercepted(evidence, meaning.answer, f"HTTP {refusal.status}{words}")
    outcome, money = evidence.judge(meaning.answer, unproven=meaning.unproven)
    return Problem(
        error=meaning.error,
        message=f"{evidence.host} answered HTTP {refusal.status}{code}{words}.",
        outcome=outcome,
        money=money,
        phase=evidence.marks.phase,
        hint=meaning.hint,
        details={
            "status": refusal.status,
            "api_code": refusal.api_code,
            "api_message": refusal.api_message,
            "fields": refusal.fields,
            "retry_after": retry_after,
        },
        failure=Failure(
            throttled=meaning.throttled and money is Money.NO, retry_after=retry_after, lasting=meaning.lasting
        ),
    )


def of_foreign_body(evidence: Evidence, content_type: str, beginning: str) -> Problem:
    """Judge a 2xx that is not the service's JSON: a captive portal, a gateway's page."""
    return _intercepted(evidence, Answer.FOREIGN, f"with {content_type}, not JSON: {beginning!r}")


def _intercepted(evidence: Evidence, answer: Answer, what: str) -> Problem:
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
            words = f": {refusal.api_message.rstrip('.')}" if refusal.api_message else ""
            what = f"audio came together with error code {refusal.api_code}{words}"
            return of_broken_answer(evidence, what, trace_id=reply.trace_id)
        if reply.audio_link is not None or reply.in_progress:
            # No clean refusal: there may be a track, so nothing is sent again.
            what = f"error code {refusal.api_code} came together with {reply.audio_link or 'an unfinished track'}"
            return of_broken_answer(evidence, what, trace_id=reply.trace_id)
        return evolve(of_refusal(evidence, refusal, retry_after), trace_id=reply.trace_id)
    missing = _missing(evidence, reply)
    return None if missing is None else of_broken_answer(evidence, missing, trace_id=reply.trace_id)


def _missing(evidence: Evidence, reply: Reply) -> str | None:
    if evidence.operation is Operation.UPLOAD:
        return None if reply.voice_id or reply.instrumental_id else "it holds neither a voice id nor an instrumental id"
    if evidence.audio_bytes:
        return None
    if reply.in_progress:
        return "it calls the track unfinished and holds no audio"
    if reply.audio_link is not None:
        link = reply.audio_link
        is_link = link.startswith(("https://", "http://"))
        return f"the audio is a link to be fetched soon: {link}" if is_link else "the audio is not hexadecimal"
    return "it holds no audio"
