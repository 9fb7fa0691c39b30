"""What happened to the request, and to the money.

Pure: the transport says how far an attempt got (`Marks`), the reader of answers says what the answer is worth
(`Answer`), and `classify` turns both into one `Outcome`. Whatever is not proven falls on the expensive side.
"""

from enum import Enum, StrEnum

from attrs import frozen


class Outcome(StrEnum):
    """What is known about a call once it has ended."""

    NOT_SENT = "not_sent"
    """A complete request cannot have reached the service."""
    REJECTED = "rejected"
    """The service itself said that it did no work."""
    ACCEPTED = "accepted"
    """The service has taken it under an id; its track can be collected by that."""
    UNKNOWN = "unknown"
    """A complete request may have arrived, and nothing authentic says how it ended."""
    DAMAGED = "damaged"
    """Success was announced, but the payload is unusable."""
    COMPLETED = "completed"
    """The verified payload is in hand."""


class Money(StrEnum):
    """Whether the call was charged."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


class Phase(StrEnum):
    """Where in its life a call stood."""

    INPUT = "input"
    PREPARE = "prepare"
    QUEUE = "queue"
    CONNECT = "connect"
    SEND = "send"
    WAIT = "wait"
    READ = "read"
    DECODE = "decode"
    STORE = "store"


class Operation(StrEnum):
    """What a call asks of the service."""

    UPLOAD = "upload"
    GENERATE = "generate"
    READ = "read"
    """A look into the account: the usage log or the billing ledger. It costs nothing."""
    POLL = "poll"
    """A question after a generation that was accepted, or the collecting of its track. It costs nothing."""
    FETCH = "fetch"
    """The download of a finished track, from wherever the service has put it. It costs nothing."""


@frozen(kw_only=True)
class Marks:
    """How far one attempt got, as the transport and our own request body saw it.

    `request_begun`: the first byte of the request may have been written. `body_handed_over`: the last byte of the
    body was given to the transport to write; from here on the service may hold a complete request.
    """

    request_begun: bool = False
    body_handed_over: bool = False
    response_begun: bool = False

    @property
    def phase(self) -> Phase:
        """The phase an attempt with these marks is in."""
        if self.response_begun:
            return Phase.READ
        if self.body_handed_over:
            return Phase.WAIT
        return Phase.SEND if self.request_begun else Phase.CONNECT


@frozen(kw_only=True)
class Attempt:
    """One attempt of a call. Durations are seconds."""

    number: int
    outcome: Outcome
    phase: Phase
    elapsed: float
    waited: float = 0.0
    """The pause before this attempt."""
    status: int | None = None
    problem: str = ""
    """What went wrong, in a few words; empty where nothing did."""


class Answer(Enum):
    """What the answer to one attempt is worth."""

    NONE = "nothing came"
    FOREIGN = "something else than the service answered: a gateway, a proxy, a captive portal"
    UNREACHED = "an edge server says that it never reached the service"
    REFUSAL = "the service says that it did no work"
    UNSETTLED = "the service answered, but the work may have been done"
    UNUSABLE = "the service announced success with a payload that cannot be used"
    VERIFIED = "the service announced success with a payload that was checked"


_BY_ANSWER = {
    Answer.REFUSAL: Outcome.REJECTED,
    Answer.UNUSABLE: Outcome.DAMAGED,
    Answer.VERIFIED: Outcome.COMPLETED,
}


def classify(marks: Marks, answer: Answer = Answer.NONE) -> Outcome:
    """Say what became of a request, taking the expensive side wherever nothing is proven.

    Args:
        marks: how far the request got.
        answer: what came back.
    """
    if answer in _BY_ANSWER:
        return _BY_ANSWER[answer]
    # An HTTP server cannot act on a request whose declared length it never received (RFC 9112 §8).
    if not marks.body_handed_over or answer is Answer.UNREACHED:
        return Outcome.NOT_SENT
    return Outcome.UNKNOWN


_MONEY = {
    Outcome.NOT_SENT: Money.NO,
    Outcome.REJECTED: Money.NO,
    Outcome.ACCEPTED: Money.YES,
    Outcome.UNKNOWN: Money.UNKNOWN,
    Outcome.DAMAGED: Money.YES,
    Outcome.COMPLETED: Money.YES,
}


def money_of(outcome: Outcome, *, credits_used: int | None = None, unproven: bool = False) -> Money:
    """Say whether a call was charged.

    Args:
        outcome: what became of the request.
        credits_used: what the answer's own header says was charged; it decides where it is present.
        unproven: the outcome alone proves no charge and no absence of one: a fault on the service's side, work done
            and withheld, an operation without a published price.
    """
    if credits_used is not None:
        return Money.YES if credits_used > 0 else Money.NO
    if unproven and outcome is not Outcome.NOT_SENT:
        return Money.UNKNOWN
    return _MONEY[outcome]
