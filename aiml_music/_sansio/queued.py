"""What the service says about a generation it has taken under an id: that it was taken, how far it is, where it is.

Read tolerantly: a status nobody has seen yet is one that is still running, never one that is done. The documents are
those of a `wire.Reply`: the key is blotted out of them already.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from attrs import frozen

from aiml_music._sansio.errors import (
    APIError,
    AuthenticationError,
    ContentRefusedError,
    CreditsError,
    InputError,
    InvalidRequestError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from aiml_music._sansio.models import AudioFacts
from aiml_music._sansio.text import clean
from aiml_music._sansio.wire import Tracing, read_reply

MOST_ID_CHARS = 512
_BLANK_OR_HIDDEN = re.compile(r"[^!-~]")
_DONE = frozenset({"completed", "complete"})
_FAILED = frozenset({"error", "failed"})
_STATUS_CHARS = 40


class State(StrEnum):
    """How far a generation is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@frozen(kw_only=True)
class Submitted:
    """The answer to a submit: the id, without which there is nothing to collect."""

    id: str | None
    status: str
    usage: Tracing


@frozen(kw_only=True)
class Polled:
    """The answer to a question after a generation.

    Attributes:
        status: the service's own word for it.
        url: where the track can be fetched; a generation that is done may still be without one.
        error: what a failure is.
        problem: the service's words about it.
    """

    state: State = State.RUNNING
    status: str = ""
    url: str | None = None
    error: type[APIError] = ServerError
    problem: str = ""
    facts: AudioFacts = AudioFacts()
    trace_id: str | None = None
    usage: Tracing = Tracing()
    raw: Mapping[str, Any]


def check_generation_id(value: str) -> str:
    """Return an id that can be asked after.

    Raises:
        InputError: no service gives such an id.
    """
    found = _id({"id": value})
    if found is None:
        raise InputError(
            f"A generation id is 1 to {MOST_ID_CHARS} characters without blanks.",
            hint="Give the id that Generation.id, an error's generation_id or a receipt has.",
        )
    return found


def read_submitted(document: Mapping[str, Any]) -> Submitted:
    """Read the answer to a submit."""
    return Submitted(id=_id(document), status=_status(document), usage=_usage(document))


def read_polled(document: Mapping[str, Any]) -> Polled:
    """Read the answer to a question after a generation; the answer to a submit has the same members."""
    reply = read_reply(document)
    status = _status(document)
    state = _state(status, document)
    error, problem = _failure(document) if state is State.FAILED else (ServerError, "")
    return Polled(
        state=state,
        status=status,
        url=_url(document),
        error=error,
        problem=problem,
        facts=reply.facts,
        trace_id=reply.trace_id,
        usage=_usage(document),
        raw=reply.raw,
    )


def _state(status: str, document: Mapping[str, Any]) -> State:
    word = status.lower()
    if word in _DONE:
        return State.DONE
    # An error that comes without a status is one all the same.
    if word in _FAILED or (not word and isinstance(document.get("error"), Mapping)):
        return State.FAILED
    return State.RUNNING


def _id(document: Mapping[str, Any]) -> str | None:
    value = document.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= MOST_ID_CHARS or _BLANK_OR_HIDDEN.search(value):
        return None
    return value


def _status(document: Mapping[str, Any]) -> str:
    value = document.get("status")
    return clean(value, max_chars=_STATUS_CHARS) if isinstance(value, str) else ""


def _url(document: Mapping[str, Any]) -> str | None:
    file = document.get("audio_file")
    value = file.get("url") if isinstance(file, Mapping) else file
    return value if isinstance(value, str) and value else None


def _usage(document: Mapping[str, Any]) -> Tracing:
    """Return what `meta.usage` says was charged; what is malformed counts as absent."""
    meta = document.get("meta")
    usage = meta.get("usage") if isinstance(meta, Mapping) else None
    usage = usage if isinstance(usage, Mapping) else {}
    used = _amount(usage.get("credits_used"))
    return Tracing(credits_used=None if used is None else int(used), usd_spent=_amount(usage.get("usd_spent")))


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


# The service publishes no list of these names: what a word in one most likely means, the first that fits.
_BY_NAME = tuple(
    (re.compile(pattern, re.IGNORECASE), error)
    for pattern, error in (
        (r"credit|balance|insufficient.?funds|payment", CreditsError),
        (r"content|policy|moderat|sensitive|safety|nsfw|copyright|prohibited", ContentRefusedError),
        (r"rate.?limit|too.?many|throttl", RateLimitError),
        (r"unauthori[sz]ed|authenticat|api.?key", AuthenticationError),
        (r"permission|forbidden", PermissionDeniedError),
        (r"invalid|validation|bad.?request|unprocessable", InvalidRequestError),
    )
)
# In running text a word such as `invalid` or `content` may be about anything.
_BY_MESSAGE = tuple(
    (re.compile(pattern, re.IGNORECASE), error)
    for pattern, error in (
        (r"out of credits|insufficient (balance|credits|funds)", CreditsError),
        (r"content (policy|filter)|moderation|sensitive|prohibited content|copyright", ContentRefusedError),
    )
)


def _failure(document: Mapping[str, Any]) -> tuple[type[APIError], str]:
    """Return the class of a failure, and the service's words about it."""
    error = document.get("error")
    if isinstance(error, str):
        error = {"message": error}
    told = error if isinstance(error, Mapping) else {}
    name, message = (_words(told.get(member)) for member in ("name", "message"))
    kinds = (kind for text, table in ((name, _BY_NAME), (message, _BY_MESSAGE)) for kind in _named(text, table))
    return next(kinds, ServerError), ": ".join(filter(None, (name, message)))


def _named(text: str, table: tuple[tuple[re.Pattern[str], type[APIError]], ...]) -> list[type[APIError]]:
    return [error for pattern, error in table if pattern.search(text)]


def _words(value: object) -> str:
    return clean(value) if isinstance(value, str) else ""
