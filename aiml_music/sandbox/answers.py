"""What the service says, as values: tracks, and its four ways to refuse.

The audio of an answer is spelled in hex only while it is sent, piece by piece: a track may be 20 MB of digits.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from attrs import field, frozen

Issues = list[dict[str, Any]]

_PIECE = 65536
_AUDIO_GOES_HERE = "@audio@"


class Tracing(Enum):
    """Which of the tracing headers an answer carries."""

    ALL = "all"
    NO_BILL = "no bill"
    NONE = "none"


@frozen(kw_only=True)
class Refusal:
    """An answer without a track. `body` receives the request's path and its inference id."""

    status: int
    shape: str
    message: str
    code: int = 0
    issues: Issues = field(factory=list)
    headers: Mapping[str, str] = field(factory=dict)
    tracing: Tracing = Tracing.ALL

    @property
    def media_type(self) -> str:
        """The Content-Type of the body."""
        return "text/html" if self.shape == "html" else "application/json"

    def body(self, *, path: str, inference_id: str, trace_id: str) -> bytes:
        """Return the body in the shape that the service uses for this kind of refusal."""
        if self.shape == "html":
            return self.message.encode()
        if self.shape == "issues":
            return _json({"error": {"name": "BadRequestException", "message": self.message, "data": self.issues}})
        if self.shape == "base_resp":
            return _json({"trace_id": trace_id, "base_resp": {"status_code": self.code, "status_msg": self.message}})
        return _json(
            {
                "message": self.message,
                "path": path,
                "requestId": inference_id,
                "statusCode": str(self.status),
                "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            }
        )


class RefusedError(Exception):
    """Ends a request with a refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def flat_refusal(
    status: int, message: str, *, headers: Mapping[str, str] | None = None, tracing: Tracing = Tracing.ALL
) -> Refusal:
    """Return a refusal as a flat object, the service's usual shape."""
    return Refusal(status=status, shape="flat", message=message, headers=headers or {}, tracing=tracing)


def issues_refusal(issues: Issues) -> Refusal:
    """Return a refusal that lists what is wrong with the fields of a request."""
    return Refusal(status=400, shape="issues", message="Invalid payload provided", issues=issues)


def html_refusal(status: int, page: str, *, tracing: Tracing) -> Refusal:
    """Return a refusal as the page of a proxy."""
    return Refusal(status=status, shape="html", message=page, tracing=tracing)


def base_resp_refusal(code: int, message: str) -> Refusal:
    """Return a refusal that hides in an HTTP 200."""
    return Refusal(status=200, shape="base_resp", message=message, code=code)


@frozen(kw_only=True)
class Digits:
    """Audio as hex, with the flaws that a scenario wants."""

    audio: bytes = field(repr=False)
    upper: bool = False
    missing: int = 0
    foreign_at: int | None = None

    def __len__(self) -> int:
        return 2 * len(self.audio) - self.missing

    def pieces(self) -> Iterator[bytes]:
        """Yield the digits, some 128 KiB at a time."""
        left = len(self)
        for at in range(0, len(self.audio), _PIECE):
            digits = self.audio[at : at + _PIECE].hex()[:left]
            left -= len(digits)
            if self.foreign_at is not None and 0 <= self.foreign_at - 2 * at < len(digits):
                flaw = self.foreign_at - 2 * at
                digits = digits[:flaw] + "g" + digits[flaw + 1 :]
            yield (digits.upper() if self.upper else digits).encode()


@frozen(kw_only=True)
class Answer:
    """A finished track as the service announces it."""

    digits: Digits
    extra_info: Mapping[str, int]
    trace_id: str
    url: str
    status: int = 2
    has_audio: bool = True
    as_url: bool = False
    audio_last: bool = False

    def content_length(self) -> int:
        """Return the exact size of the body in bytes."""
        head, tail = self._around()
        return len(head) + len(self._audio()) + len(tail)

    def pieces(self) -> Iterator[bytes]:
        """Yield the body."""
        head, tail = self._around()
        yield head
        yield from self._pieces_of_audio()
        yield tail

    def _audio(self) -> Digits | bytes:
        if not self.has_audio:
            return b""
        return self.url.encode() if self.as_url else self.digits

    def _pieces_of_audio(self) -> Iterable[bytes]:
        audio = self._audio()
        return audio.pieces() if isinstance(audio, Digits) else (audio,)

    def _around(self) -> tuple[bytes, bytes]:
        data: dict[str, Any] = {"status": self.status}
        if self.has_audio:
            data["audio"] = _AUDIO_GOES_HERE
        members: dict[str, Any] = {
            "data": data,
            "extra_info": dict(self.extra_info),
            "analysis_info": None,
            "trace_id": self.trace_id,
            "base_resp": {"status_code": 0, "status_msg": "success"},
        }
        if self.audio_last:
            members = dict(reversed(members.items()))
        head, _, tail = _json(members).partition(_AUDIO_GOES_HERE.encode())
        return head, tail


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")
