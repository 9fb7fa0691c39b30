"""What the service would say, as the bytes that `loopback` sends; every name here is one answer or a part of one."""

import json
from collections.abc import Sequence
from typing import Any

from tests.loopback import Send

TRACE_ID = "04fb6a8721abeee5b66edd452b4d0f33"
VOICE_ID = "vocal-2025082518145625-6XW9wCOF"
INSTRUMENTAL_ID = "instrumental-2025082518145625-vCCEiiES"


def head(status: str = "200 OK", *headers: tuple[str, str]) -> bytes:
    """Return the head of an answer."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def answer(
    body: bytes | dict[str, Any],
    *,
    status: str = "200 OK",
    headers: Sequence[tuple[str, str]] = (),
    length: int | None = None,
) -> Send:
    """Return a whole answer: a document as JSON, bytes as a page of a gateway.

    Args:
        body: what it says.
        status: its status.
        headers: more of them.
        length: the length to announce, where it is to be another than the true one.
    """
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    kind = "application/json" if isinstance(body, dict) else "text/html"
    length = len(content) if length is None else length
    return Send(head(status, ("Content-Type", kind), ("Content-Length", str(length)), *headers) + content)


def chunked(*pieces: bytes, end: bool = True) -> Send:
    """Return an answer in chunks; without its `end`, the terminator is missing."""
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    kind = (("Content-Type", "application/json"), ("Transfer-Encoding", "chunked"))
    return Send(head("200 OK", *kind) + framed + (b"0\r\n\r\n" if end else b""))


def generated(audio: bytes | str, **changes: Any) -> dict[str, Any]:
    """Return the service's document for a generation that succeeded; text stands for audio as it is."""
    return {
        "data": {"status": 2, "audio": audio if isinstance(audio, str) else audio.hex()},
        "extra_info": {},
        "trace_id": TRACE_ID,
        "base_resp": {"status_code": 0, "status_msg": "success"},
        **changes,
    }


def refused(code: int, message: str, **changes: Any) -> dict[str, Any]:
    """Return the document of a refusal that comes with status 200."""
    return {"trace_id": TRACE_ID, "base_resp": {"status_code": code, "status_msg": message}, **changes}


def envelope(status: int, message: str) -> dict[str, Any]:
    """Return the service's flat document for an error status."""
    return {"message": message, "path": "/v2/generate", "requestId": "r-1", "statusCode": str(status)}


def uploaded(**changes: Any) -> dict[str, Any]:
    """Return the service's document for an upload that succeeded."""
    return {
        "voice_id": VOICE_ID,
        "instrumental_id": INSTRUMENTAL_ID,
        "trace_id": TRACE_ID,
        "base_resp": {"status_code": 0, "status_msg": "success"},
        **changes,
    }


GENERATION_ID = "7a1c4f0e-1b1f-4a57-9d0e-2f6d3c1b5a77:minimax/music-2.0"


def accepted(**changes: Any) -> dict[str, Any]:
    """Return the service's document for a generation that it has taken under an id."""
    return {"id": GENERATION_ID, "status": "queued", **changes}


def finished(url: str, **changes: Any) -> dict[str, Any]:
    """Return the service's document for such a generation that is done."""
    return {"id": GENERATION_ID, "status": "completed", "audio_file": {"url": url}, **changes}


def kept(content: bytes, *headers: tuple[str, str], status: str = "200 OK") -> Send:
    """Return the answer of the host of a track, which calls it whatever it likes."""
    kind = (("Content-Type", "application/octet-stream"), ("Content-Length", str(len(content))))
    return Send(head(status, *kind, *headers) + content)
