"""The errors of this library, each saying what happened to the request and to the money.

```
MusicError
├── ConfigError (ValueError)             key, base_url, options
├── InputError (ValueError)              lyrics, ids, reference audio: refused here, before money
├── NotSentError (ConnectionError)       no complete request left
│   └── NotSentTimeout (TimeoutError)
├── InDoubtError (ConnectionError)       sent, and no authentic answer came back
│   └── InDoubtTimeout (TimeoutError)
├── APIError                             the service itself answered, and not with a track
│   ├── InvalidRequestError · AuthenticationError · CreditsError · PermissionDeniedError · NotFoundError
│   └── ContentRefusedError · RateLimitError · ServerError
├── NotReadyError (TimeoutError)         accepted under an id, and not collected yet
├── PayloadError                         success announced, audio unusable
│   └── ResultGoneError                  the finished track can no longer be fetched
├── StorageError (OSError)               a file could not be made or kept
│   └── OutputExistsError (FileExistsError)
├── LedgerError
│   └── LedgerBusyError · LedgerCorruptError
├── BudgetExceededError                  nothing was sent
└── SpendBrakeError                      a batch stopped by itself
```

They hold plain data, so they pickle and copy; never the key, never an object of the HTTP library.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, TypedDict, Unpack

from aiml_music._sansio.outcome import Attempt, Money, Operation, Outcome, Phase

Salvage = bytes | Path


class Circumstances(TypedDict, total=False):
    """What every error can say about the call it ended."""

    outcome: Outcome
    money: Money
    phase: Phase
    operation: Operation | None
    attempts: tuple[Attempt, ...]
    elapsed: float
    client_request_id: str | None
    generation_id: str | None
    inference_id: str | None
    trace_id: str | None
    credits_used: int | None
    usd_spent: Decimal | None
    retry_quota_exhausted: bool
    hint: str | None
    salvage: Salvage | None


_WHAT_HAPPENED = {
    (Outcome.NOT_SENT, Money.NO): "No complete request was sent; no money was spent.",
    (Outcome.NOT_SENT, Money.YES): "No complete request was sent, and yet a charge was reported.",
    (Outcome.NOT_SENT, Money.UNKNOWN): "No complete request was sent; whether anything was charged is not known.",
    (Outcome.REJECTED, Money.NO): "The service refused the request; no money was spent.",
    (Outcome.REJECTED, Money.YES): "The service refused the request, and says that it charged for it.",
    (Outcome.REJECTED, Money.UNKNOWN): "The service refused the request; whether it charged for it is not known.",
    (Outcome.ACCEPTED, Money.NO): "The service has taken the request under an id, and says that it charged nothing.",
    (Outcome.ACCEPTED, Money.YES): "The service has taken the request under an id, and charged it.",
    (Outcome.ACCEPTED, Money.UNKNOWN): "The service has taken the request under an id, and probably charged it.",
    (Outcome.UNKNOWN, Money.NO): "The request may have been carried out; the service says that it charged nothing.",
    (Outcome.UNKNOWN, Money.YES): "The request may have been carried out, and it was charged. It was not repeated.",
    (Outcome.UNKNOWN, Money.UNKNOWN): "The request may have been carried out and charged. It was not repeated.",
    (Outcome.DAMAGED, Money.NO): "The service announced success and charged nothing.",
    (Outcome.DAMAGED, Money.YES): "The request was carried out and charged.",
    (Outcome.DAMAGED, Money.UNKNOWN): "The request was carried out, and probably charged.",
    (Outcome.COMPLETED, Money.NO): "The track was made and received; nothing was charged.",
    (Outcome.COMPLETED, Money.YES): "The track was made, charged and received.",
    (Outcome.COMPLETED, Money.UNKNOWN): "The track was made and received, and probably charged.",
}


def what_happened(outcome: Outcome, money: Money, operation: Operation | None = None) -> str:
    """Return one or two plain sentences about the request and the money."""
    if operation is Operation.READ:
        return "Only the account was looked into; no money was spent."
    words = _WHAT_HAPPENED[outcome, money]
    # An upload in doubt may well have been repeated.
    return words.removesuffix(" It was not repeated.") if operation is Operation.UPLOAD else words


class MusicError(Exception):
    """Anything this library raises about a call.

    Args:
        message: what went wrong, one sentence.
        circumstances: the attributes below, by name; what is left out keeps its default.
    """

    outcome: Outcome = Outcome.NOT_SENT
    money: Money = Money.NO
    phase: Phase = Phase.INPUT
    operation: Operation | None = None
    attempts: tuple[Attempt, ...] = ()
    elapsed: float = 0.0
    client_request_id: str | None = None
    generation_id: str | None = None
    inference_id: str | None = None
    trace_id: str | None = None
    credits_used: int | None = None
    usd_spent: Decimal | None = None
    retry_quota_exhausted: bool = False
    hint: str | None = None
    salvage: Salvage | None = None

    is_timeout: ClassVar[bool] = False

    def __init__(self, message: str, **circumstances: Unpack[Circumstances]) -> None:
        super().__init__(message)
        self.message = message
        self.__dict__.update(circumstances)

    @property
    def happened(self) -> str:
        """What became of the request and the money, in a sentence or two."""
        return what_happened(self.outcome, self.money, self.operation)

    def __str__(self) -> str:
        return " ".join(filter(None, (self.message, self.happened, self.hint)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(kind: type[MusicError], args: tuple[Any, ...], state: dict[str, Any]) -> MusicError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigError(MusicError, ValueError):
    """The key, the base URL or an option cannot be used."""


class InputError(MusicError, ValueError):
    """Lyrics, an id or a reference cannot be used; refused here, before money."""


class NotSentError(MusicError, ConnectionError):
    """No complete request left this machine.

    Attributes:
        is_lasting: trying again within minutes cannot help: a certificate that is not trusted, say.
    """

    is_lasting: bool = False

    def __init__(self, message: str, *, is_lasting: bool = False, **circumstances: Unpack[Circumstances]) -> None:
        super().__init__(message, **circumstances)
        self.is_lasting = is_lasting


class NotSentTimeout(NotSentError, TimeoutError):  # noqa: N818 - named after what it is: a timeout
    """Time ran out before a complete request had left."""

    is_timeout: ClassVar[bool] = True


class InDoubtError(MusicError, ConnectionError):
    """The request was sent, and no authentic answer came back."""

    status: int | None = None

    def __init__(self, message: str, *, status: int | None = None, **circumstances: Unpack[Circumstances]) -> None:
        super().__init__(message, **circumstances)
        self.status = status


class InDoubtTimeout(InDoubtError, TimeoutError):  # noqa: N818 - named after what it is: a timeout
    """Time ran out after the request had been sent."""

    is_timeout: ClassVar[bool] = True


class APIError(MusicError):
    """The service itself answered, and not with a track.

    Attributes:
        status: the HTTP status.
        api_code: the code in `base_resp`, where the answer had one.
        api_message: the service's own words, without control characters, at most 500 characters.
        fields: the fields the service complained about, as dotted paths.
        retry_after: seconds the service asks to wait.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        api_code: int | None = None,
        api_message: str = "",
        fields: tuple[str, ...] = (),
        retry_after: float | None = None,
        **circumstances: Unpack[Circumstances],
    ) -> None:
        super().__init__(message, **circumstances)
        self.status = status
        self.api_code = api_code
        self.api_message = api_message
        self.fields = fields
        self.retry_after = retry_after


class InvalidRequestError(APIError):
    """The service found a field missing, malformed or out of range."""


class AuthenticationError(APIError):
    """The key is missing, expired or wrong."""


class CreditsError(APIError):
    """The account, or the key's own limit, has no credits left."""


class PermissionDeniedError(APIError):
    """The key may not do this."""


class NotFoundError(APIError):
    """The route, the model or the resource does not exist (any more)."""


class ContentRefusedError(APIError):
    """A content filter refused the lyrics or the result."""


class RateLimitError(APIError):
    """Too many requests, or too many at once."""


class ServerError(APIError):
    """The service, or the provider behind it, failed."""


class NotReadyError(MusicError, TimeoutError):
    """The service has taken the request under `generation_id`, and the track is not in hand yet: collect it by that."""

    is_timeout: ClassVar[bool] = True


class PayloadError(MusicError):
    """Success was announced, but the audio is unusable; `salvage` holds what came."""


class ResultGoneError(PayloadError):
    """The track was made, and can no longer be fetched from where the service had put it."""


class StorageError(MusicError, OSError):
    """A file could not be made or kept; `salvage` holds a track that was paid for."""

    def __init__(
        self,
        message: str,
        *,
        errno: int | None = None,
        filename: str | None = None,
        **circumstances: Unpack[Circumstances],
    ) -> None:
        super().__init__(message, **circumstances)
        self.errno = errno
        self.filename = filename

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_storage, (*super().__reduce__()[1], self.errno, self.filename)


def _rebuild_storage(
    kind: type[StorageError], args: tuple[Any, ...], state: dict[str, Any], errno: int | None, filename: str | None
) -> MusicError:
    error = _rebuild(kind, args, state)
    # OSError keeps these two in C slots, outside the instance's dictionary.
    error.errno, error.filename = errno, filename  # type: ignore[attr-defined]  # every kind here is an OSError
    return error


class OutputExistsError(StorageError, FileExistsError):
    """The output file exists already; nothing is ever overwritten unasked."""


class LedgerError(MusicError):
    """The ledger of a batch cannot be used."""


class LedgerBusyError(LedgerError):
    """Another process holds the ledger."""


class LedgerCorruptError(LedgerError):
    """The ledger cannot be trusted any more."""


class BudgetExceededError(MusicError):
    """The next call could overrun the budget; it was not sent."""


class SpendBrakeError(MusicError):
    """A batch stopped by itself, because going on would have spent money in vain; the next call was not sent."""

    @property
    def happened(self) -> str:
        """What became of the call that would have come next, and where those before it are."""
        return "The next call was not made, and cost nothing; what those before it cost is in the batch's report."
