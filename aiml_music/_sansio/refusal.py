"""What the service's refusals mean: statuses, `base_resp` codes and four shapes of body, as data.

Bodies come flat (`message`, `requestId`, `statusCode`), nested (`error` with `name`, `message` and issues in `data`),
as HTML from a gateway in between, and as a 200 whose `base_resp.status_code` is not 0.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from attrs import evolve, frozen

from aiml_music._sansio.errors import (
    APIError,
    AuthenticationError,
    ContentRefusedError,
    CreditsError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from aiml_music._sansio.outcome import Answer
from aiml_music._sansio.ports import ResponseHead
from aiml_music._sansio.text import clean


@frozen(kw_only=True)
class Meaning:
    """What one status or code stands for.

    Attributes:
        unproven: whether the call was charged is not settled by the answer's kind.
        throttled: the service asks for fewer requests.
        failed: the service says that it failed, and did no work.
        lasting: waiting seconds will not help.
    """

    error: type[APIError]
    answer: Answer = Answer.REFUSAL
    unproven: bool = False
    throttled: bool = False
    failed: bool = False
    lasting: bool = False
    hint: str | None = None


@frozen(kw_only=True)
class Refusal:
    """An answer that is not a track, read."""

    meaning: Meaning
    authentic: bool
    status: int
    moved_to: str = ""
    """The host a redirect names; it is never followed."""
    api_code: int | None = None
    api_message: str = ""
    fields: tuple[str, ...] = ()


_INVALID = Meaning(error=InvalidRequestError)
_KEY = Meaning(error=AuthenticationError, lasting=True, hint="Check the key, and that it belongs to this base URL.")
_CREDITS = Meaning(error=CreditsError, lasting=True, hint="Top up the account, or raise the key's own limit.")
_PERMISSION = Meaning(error=PermissionDeniedError, lasting=True)
_NOT_FOUND = Meaning(error=NotFoundError, lasting=True, hint="Check base_url; the model may have been withdrawn.")
_THROTTLED = Meaning(error=RateLimitError, throttled=True, hint="Send fewer at once (max_concurrency), or later.")
_WINDOW = Meaning(error=RateLimitError, lasting=True, hint="The allowance of this plan is used up for now.")
_CONTENT = Meaning(error=ContentRefusedError, hint="Change the lyrics; the filter judged them.")
# The result was made and then withheld: the provider's table does not say who pays for that.
_WITHHELD = Meaning(error=ContentRefusedError, unproven=True, hint="The result was made and withheld by the filter.")
_FAILED = Meaning(error=ServerError, unproven=True, failed=True)
_UNSETTLED = Meaning(error=ServerError, answer=Answer.UNSETTLED)
_OTHER = Meaning(error=APIError)

_BY_STATUS = {
    400: _INVALID,
    401: _KEY,
    402: _CREDITS,
    403: _PERMISSION,
    404: _NOT_FOUND,
    405: _PERMISSION,
    408: evolve(_UNSETTLED, error=APIError),
    409: evolve(_UNSETTLED, error=APIError, lasting=True),
    410: _NOT_FOUND,
    411: _INVALID,
    413: evolve(_INVALID, hint="The request is larger than the service takes."),
    414: _INVALID,
    415: _INVALID,
    422: _INVALID,
    425: _OTHER,
    428: _OTHER,
    429: _THROTTLED,
    431: _INVALID,
    451: _PERMISSION,
    500: _FAILED,
    503: _FAILED,
}

_BY_CODE = (
    dict.fromkeys((1002, 1039, 1041, 2045), _THROTTLED)
    | {2056: _WINDOW, 1008: _CREDITS, 1026: _CONTENT, 1027: _WITHHELD, 2044: _PERMISSION}
    | dict.fromkeys((1000, 1001, 1013, 1024, 1033), _UNSETTLED)
    | dict.fromkeys((1004, 2049), _KEY)
    | dict.fromkeys((1042, 2013, 20132, 2037, 2042, 2048), _INVALID)
)

# An edge in front of the service says that it never had a usable connection to it; 520 and 522 do not say so.
_EDGE_UNREACHED = frozenset({521, 523, 525, 526})
# It and the service do not agree on TLS, which no repeat will change.
_EDGE_MISCONFIGURED = frozenset({525, 526})
# Of what an edge refuses or redirects, only these may fare better the next time.
_PASSING = frozenset({408, 425, 429})

_NO_CREDITS = re.compile(r"out of credits|spending limit|insufficient (balance|credits|funds)", re.IGNORECASE)
_ALLOWANCE = re.compile(r"free[- ]tier|per (hour|day|month)", re.IGNORECASE)


def refusal_of_status(head: ResponseHead, body: bytes, *, client_request_id: str, secret: str | None = None) -> Refusal:
    """Read an answer whose status is not one of the 2xx.

    Args:
        head: its status and headers.
        body: its beginning, as far as it was read.
        client_request_id: the id that was sent; an answer that echoes it passed through the service.
        secret: the key, blotted out of what is shown.
    """
    document = _as_object(body)
    message, fields, shaped = _words(document)
    authentic = shaped or is_traced(head, client_request_id)
    return Refusal(
        meaning=_meaning_of_status(head.status, message) if authentic else _meaning_of_edge(head.status),
        authentic=authentic,
        status=head.status,
        moved_to=clean(_host_of(head.header("location") or ""), secret=secret, max_chars=200),
        api_code=base_code(document),
        api_message=clean(message, secret=secret),
        fields=tuple(clean(name, secret=secret, max_chars=80) for name in fields[:20]),
    )


def refusal_of_document(head: ResponseHead, document: Mapping[str, Any], *, secret: str | None = None) -> Refusal:
    """Read a 2xx whose `base_resp` says that there is no track."""
    code = base_code(document)
    return Refusal(
        meaning=_UNSETTLED if code is None else _BY_CODE.get(code, _UNSETTLED),
        authentic=True,
        status=head.status,
        api_code=code,
        api_message=clean(_base_message(document), secret=secret),
    )


def base_code(document: Mapping[str, Any]) -> int | None:
    """Return `base_resp.status_code`, or None where there is none that is a number."""
    base = document.get("base_resp")
    code = base.get("status_code") if isinstance(base, Mapping) else None
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def _base_message(document: Mapping[str, Any]) -> str:
    base = document.get("base_resp")
    message = base.get("status_msg") if isinstance(base, Mapping) else None
    return message if isinstance(message, str) else ""


def is_traced(head: ResponseHead, client_request_id: str) -> bool:
    """Say whether an answer bears the marks of the service itself."""
    return bool(head.header("x-inference-id")) or head.header("x-client-request-id") == client_request_id


def _meaning_of_status(status: int, message: str) -> Meaning:
    if status == 403 and _NO_CREDITS.search(message):  # noqa: PLR2004 - the service's way to say 402
        return _CREDITS
    if status == 429 and _ALLOWANCE.search(message):  # noqa: PLR2004 - a billing stop in a throttle's clothes
        return _WINDOW
    if is_redirect(status):
        return evolve(_UNSETTLED, lasting=True)
    known = _BY_STATUS.get(status)
    if known is not None:
        return known
    return _OTHER if 400 <= status < 500 else _UNSETTLED  # noqa: PLR2004 - RFC 9110 §15.5


def _meaning_of_edge(status: int) -> Meaning:
    answer = Answer.UNREACHED if status in _EDGE_UNREACHED else Answer.FOREIGN
    lasting = status in _EDGE_MISCONFIGURED or (300 <= status < 500 and status not in _PASSING)  # noqa: PLR2004 - classes
    return Meaning(error=ServerError, answer=answer, lasting=lasting)


def is_redirect(status: int) -> bool:
    """Say whether a status is one of the 3xx, none of which is ever followed."""
    return 300 <= status < 400  # noqa: PLR2004 - RFC 9110 §15.4


def _host_of(location: str) -> str:
    try:
        return urlsplit(location).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def _as_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _words(document: dict[str, Any]) -> tuple[str, tuple[str, ...], bool]:
    """Return message, complained fields, and whether this is one of the service's own shapes."""
    error = document.get("error")
    if isinstance(error, dict) and ("message" in error or "name" in error):
        message = error.get("message")
        issues = error.get("data")
        return (message if isinstance(message, str) else ""), _fields(issues), True
    message = document.get("message")
    shaped = "statusCode" in document or "requestId" in document or base_code(document) is not None
    return (message if isinstance(message, str) else _base_message(document)), (), shaped


def _fields(issues: object) -> tuple[str, ...]:
    if not isinstance(issues, list):
        return ()
    paths = [issue.get("path") for issue in issues if isinstance(issue, dict)]
    return tuple(".".join(_steps(path)) for path in paths if isinstance(path, list))


def _steps(path: list[object]) -> list[str]:
    # Keys and indices: the text of anything else could be as deep as the parser allowed.
    return [str(step) for step in path if isinstance(step, str | int)]
