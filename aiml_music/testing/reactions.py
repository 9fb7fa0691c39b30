"""What becomes of a scripted request: the service answers, something in between does, or the network fails.

Answers of the service are complete: ids, cost and the service's own shapes are in them, so that the client takes
them for authentic.
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from attrs import evolve, field, frozen
from attrs.validators import ge, gt, optional

from aiml_music._sansio.catalogue import MUSIC_01
from aiml_music._sansio.outcome import Phase
from aiml_music._sansio.ports import FaultKind, ResponseHead, TransportFault
from aiml_music.testing.audio import silent_mp3

TRACE_ID = "0123456789abcdef0123456789abcdef"
INFERENCE_ID = "01234567-89ab-4cde-8f01-23456789abcd"
VOICE_ID = "vocal-2026010112000000-AbCdEfGh"
INSTRUMENTAL_ID = "instrumental-2026010112000000-IjKlMnOp"

CREDITS_PER_USD = 2_000_000
# In words like the system's and OpenSSL's.
_WORDS = {
    FaultKind.DNS: "Temporary failure in name resolution",
    FaultKind.NO_NAME: "Name or service not known",
    FaultKind.CONNECT: "Connection refused",
    FaultKind.FORBIDDEN: "the name stands for no address on the public internet",
    FaultKind.EXHAUSTED: "Too many open files",
    FaultKind.TLS: "tlsv1 alert internal error",
    FaultKind.NO_TLS: "wrong version number",
    FaultKind.TLS_TRUST: "unable to get local issuer certificate",
    FaultKind.PROXY: "503 Service Unavailable",
    FaultKind.PROXY_SETUP: "407 Proxy Authentication Required",
    FaultKind.WRITE: "Broken pipe",
    FaultKind.READ: "Connection reset by peer",
    FaultKind.PROTOCOL: "the peer closed the connection before its answer was complete",
    FaultKind.TIMEOUT: "Connection timed out",
}


def trouble(kind: FaultKind) -> TransportFault:
    """Return trouble of the network."""
    return TransportFault(kind, _WORDS[kind])


@frozen(kw_only=True)
class ScriptedFault:
    """The network fails, or falls silent; `unreachable`, `broken_off`, `lost` and `no_answer` make it.

    Args:
        phase: when: `CONNECT`, `SEND`, or `WAIT`, which is after the whole request.
        kind: how; None is silence for as long as the client waits.
    """

    phase: Phase
    kind: FaultKind | None

    def __str__(self) -> str:
        return f"{self.kind or 'no answer'} in phase {self.phase}"


@frozen(kw_only=True)
class ScriptedAnswer:
    """Somebody answers; `answer`, `finished_track`, `refusal` and others make it.

    Args:
        status: the HTTP status.
        headers: as they are sent; `content-length` is added.
        body: all of it.
        piece_bytes: how much of it comes at a time; None is all at once.
        breaks_after: how many bytes of the body come before the connection breaks; None is all, and it does not break.
        breaks_by: how it breaks.
    """

    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = field(default=b"", repr=False)
    piece_bytes: int | None = field(default=None, validator=optional(gt(0)))
    breaks_after: int | None = field(default=None, validator=optional(ge(0)))
    breaks_by: FaultKind = FaultKind.PROTOCOL

    def __str__(self) -> str:
        return f"HTTP {self.status}" if self.breaks_after is None else f"HTTP {self.status}, cut"

    def in_pieces(self, size: int) -> "ScriptedAnswer":
        """Return the same answer, of whose body so many bytes come at a time."""
        return evolve(self, piece_bytes=size)

    def cut(self, after: int | None = None, *, kind: FaultKind = FaultKind.PROTOCOL) -> "ScriptedAnswer":
        """Return the same answer, broken off in its body.

        Args:
            after: how many bytes of the body still come; default: half of them.
            kind: how the connection breaks.
        """
        return evolve(self, breaks_after=len(self.body) // 2 if after is None else after, breaks_by=kind)

    @property
    def head(self) -> ResponseHead:
        """Status and headers, as they come over the wire."""
        given = {name.lower(): value for name, value in self.headers.items()}
        headers = {"content-length": str(len(self.body))} | given
        return ResponseHead(status=self.status, headers=tuple(headers.items()))

    def pieces(self) -> Iterator[bytes]:
        """Yield what comes of the body, and raise what breaks it off."""
        coming = self.body[: self.breaks_after]
        size = self.piece_bytes or max(1, len(coming))
        for at in range(0, len(coming), size):
            yield coming[at : at + size]
        if self.breaks_after is not None:
            raise trouble(self.breaks_by)


Reaction = ScriptedAnswer | ScriptedFault


def answer(
    status: int = 200, body: bytes | Mapping[str, Any] = b"", *, headers: Mapping[str, str] | None = None
) -> ScriptedAnswer:
    """Return any answer at all, with no more in it than is given.

    Args:
        status: the HTTP status.
        body: bytes as they are, or an object for JSON.
        headers: more of them.
    """
    if isinstance(body, bytes):
        return ScriptedAnswer(status=status, headers=headers or {}, body=body)
    kind = {"content-type": "application/json"}
    return ScriptedAnswer(status=status, headers=kind | dict(headers or {}), body=json.dumps(body).encode())


def finished_track(
    audio: bytes | None = None,
    *,
    credits_used: int | None = MUSIC_01.price_credits,
    headers: Mapping[str, str] | None = None,
    **changes: Any,
) -> ScriptedAnswer:
    """Return the service's answer to a generation that succeeded.

    Args:
        audio: the track; default: a second of silence, as an MP3.
        credits_used: what the answer says it cost; None is nothing said.
        headers: more of them.
        changes: members of the JSON, in place of those of the same name.
    """
    content = silent_mp3() if audio is None else audio
    document = {
        "data": {"status": 2, "audio": content.hex()},
        "extra_info": {"audio_size": len(content)},
        "trace_id": TRACE_ID,
        "base_resp": {"status_code": 0, "status_msg": "success"},
    }
    return answer(200, document | changes, headers=_traced(credits_used, headers))


def new_reference(
    *,
    voice_id: str | None = VOICE_ID,
    instrumental_id: str | None = INSTRUMENTAL_ID,
    credits_used: int | None = None,
    headers: Mapping[str, str] | None = None,
    **changes: Any,
) -> ScriptedAnswer:
    """Return the service's answer to an upload that succeeded.

    Args:
        voice_id: None for an instrumental, which has none.
        instrumental_id: None for a voice alone, which has none.
        credits_used: what the answer says it cost; None is nothing said.
        headers: more of them.
        changes: members of the JSON, in place of those of the same name.
    """
    ids = {"voice_id": voice_id, "instrumental_id": instrumental_id}
    document = {
        **{name: value for name, value in ids.items() if value is not None},
        "trace_id": TRACE_ID,
        "base_resp": {"status_code": 0, "status_msg": "success"},
    }
    return answer(200, document | changes, headers=_traced(credits_used, headers))


def refusal(
    status: int,
    message: str,
    *,
    retry_after: float | None = None,
    credits_used: int | None = 0,
    headers: Mapping[str, str] | None = None,
) -> ScriptedAnswer:
    """Return the service's own refusal by an HTTP status, such as 403 or 429.

    Args:
        status: the HTTP status.
        message: the service's words.
        retry_after: seconds it asks to wait.
        credits_used: what the answer says it cost; None is nothing said.
        headers: more of them.
    """
    document = {"message": message, "requestId": INFERENCE_ID, "statusCode": str(status)}
    asked = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return answer(status, document, headers=_traced(credits_used, asked | dict(headers or {})))


def error_code(
    code: int, message: str, *, credits_used: int | None = 0, headers: Mapping[str, str] | None = None
) -> ScriptedAnswer:
    """Return a refusal that hides in an HTTP 200: a `base_resp` whose code is not 0, such as 1002 or 1026.

    Args:
        code: the code.
        message: the service's words.
        credits_used: what the answer says it cost; None is nothing said.
        headers: more of them.
    """
    document = {"trace_id": TRACE_ID, "base_resp": {"status_code": code, "status_msg": message}}
    return answer(200, document, headers=_traced(credits_used, headers))


def gateway_page(status: int = 502, page: str = "<html><title>Bad Gateway</title></html>") -> ScriptedAnswer:
    """Return the page of something in between, which says nothing about the work: the call ends in doubt."""
    return answer(status, page.encode(), headers={"content-type": "text/html"})


def unreachable(kind: FaultKind = FaultKind.CONNECT) -> ScriptedFault:
    """Let no connection come about: nothing was sent."""
    return ScriptedFault(phase=Phase.CONNECT, kind=kind)


def broken_off(kind: FaultKind = FaultKind.WRITE) -> ScriptedFault:
    """Let the connection break before the last byte of the request: no complete request was sent."""
    return ScriptedFault(phase=Phase.SEND, kind=kind)


def lost(kind: FaultKind = FaultKind.READ) -> ScriptedFault:
    """Let the connection break once the whole request is out, without an answer: the call ends in doubt."""
    return ScriptedFault(phase=Phase.WAIT, kind=kind)


def no_answer() -> ScriptedFault:
    """Take the whole request and say nothing, until the client gives up or is cancelled."""
    return ScriptedFault(phase=Phase.WAIT, kind=None)


def _traced(credits_used: int | None, headers: Mapping[str, str] | None) -> dict[str, str]:
    cost = {}
    if credits_used is not None:
        usd = (Decimal(credits_used) / CREDITS_PER_USD).normalize()
        cost = {"x-aimlapi-credits-used": str(credits_used), "x-aimlapi-usd-spent": f"{usd:f}"}
    return {"x-inference-id": INFERENCE_ID} | cost | dict(headers or {})
