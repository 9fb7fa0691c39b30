"""The service's words: requests going out, values coming back.

What is assumed about the service without being documented is listed in the architecture page of the documentation.
"""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from attrs import frozen

from aiml_music._sansio.errors import InputError
from aiml_music._sansio.models import AudioFacts, AudioSetting
from aiml_music._sansio.ports import RequestHead, ResponseHead
from aiml_music._sansio.refusal import base_code
from aiml_music._sansio.text import blotted, clean
from aiml_music._version import __version__

_CLIENT_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_IN_PROGRESS = 1
_ID_CHARS = 200
# A link that is cut is of no use: the signed ones of object stores run to more than a thousand characters.
_LINK_CHARS = 4096


def check_client_request_id(value: str) -> str:
    """Return an id the service will keep: an ill-formed one is dropped silently, and the call billed all the same.

    Raises:
        InputError: it is not 1 to 128 of `A-Za-z0-9._:-`.
    """
    if not isinstance(value, str) or not _CLIENT_REQUEST_ID.fullmatch(value):
        raise InputError("client_request_id must be 1 to 128 of the characters A-Z a-z 0-9 . _ : -")
    return value


def request_head(
    url: str, *, content_type: str, client_request_id: str, default_headers: tuple[tuple[str, str], ...] = ()
) -> RequestHead:
    """Return the head of a POST; the transport adds host, length and key.

    `identity`: hex of audio hardly shrinks, and a truncated gzip body can look complete.
    """
    kind = (("content-type", content_type),)
    return RequestHead(method="POST", url=url, headers=_headers(client_request_id, default_headers, kind))


def read_head(
    url: str,
    query: Sequence[tuple[str, str]],
    *,
    client_request_id: str,
    default_headers: tuple[tuple[str, str], ...] = (),
) -> RequestHead:
    """Return the head of a GET; the transport adds host and key."""
    target = f"{url}?{urlencode(query)}" if query else url
    return RequestHead(method="GET", url=target, headers=_headers(client_request_id, default_headers))


def _headers(
    client_request_id: str, default_headers: tuple[tuple[str, str], ...], kind: tuple[tuple[str, str], ...] = ()
) -> tuple[tuple[str, str], ...]:
    own = (
        ("accept", "application/json"),
        ("accept-encoding", "identity"),
        ("connection", "close"),
        *kind,
        ("user-agent", f"aiml_music/{__version__}"),
        ("x-client-request-id", client_request_id),
    )
    names = {name for name, _ in default_headers}
    return tuple(pair for pair in own if pair[0] not in names) + default_headers


def generate_payload(
    *,
    model: str,
    lyrics: str,
    refer_voice: str | None,
    refer_instrumental: str | None,
    audio_setting: AudioSetting | None,
    extra_body: Mapping[str, Any],
) -> bytes:
    """Return the JSON of a generation; what is absent is left out, because the service refuses null.

    Raises:
        InputError: `extra_body` repeats a field, or holds something JSON has no word for.
    """
    own = {
        "model": model,
        "lyrics": lyrics,
        "refer_voice": refer_voice,
        "refer_instrumental": refer_instrumental,
        "audio_setting": None if audio_setting is None else _audio_setting(audio_setting),
    }
    present = {name: value for name, value in own.items() if value is not None}
    repeated = sorted(set(own) & set(extra_body))
    if repeated:
        raise InputError(f"extra_body repeats {', '.join(repeated)}: use the argument of that name.")
    try:
        return json.dumps({**present, **extra_body}, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError):
        # The text of the original error may hold the lyrics whole.
        raise InputError("extra_body holds a value that JSON has no word for.") from None


def _audio_setting(setting: AudioSetting) -> dict[str, Any]:
    fields = {"format": setting.format, "sample_rate": setting.sample_rate, "bitrate": setting.bitrate}
    return {name: value for name, value in fields.items() if value is not None}


@frozen(kw_only=True)
class Tracing:
    """What the headers of an answer say about the request and its cost."""

    inference_id: str | None = None
    credits_used: int | None = None
    usd_spent: Decimal | None = None


def read_tracing(head: ResponseHead, *, secret: str | None = None) -> Tracing:
    """Read the tracing and cost headers; what is malformed counts as absent, and an echoed key is blotted out."""
    inference_id = head.header("x-inference-id")
    credits_text = head.header("x-aimlapi-credits-used") or ""
    return Tracing(
        inference_id=clean(inference_id, secret=secret, max_chars=_ID_CHARS) if inference_id else None,
        credits_used=int(credits_text) if re.fullmatch(r"[0-9]{1,15}", credits_text) else None,
        usd_spent=_decimal(head.header("x-aimlapi-usd-spent")),
    )


def _decimal(text: str | None) -> Decimal | None:
    try:
        amount = Decimal(text or "")
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def looks_like_json(beginning: bytes) -> bool:
    """Say whether a body begins like the service's own: with an object, after an optional byte order mark."""
    return beginning.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


@frozen(kw_only=True)
class Reply:
    """A 2xx document of the service, read tolerantly: unknown keys are kept in `raw`, wrong types count as absent."""

    accepted: bool
    """`base_resp` says success, or says nothing that is a number."""
    voice_id: str | None = None
    instrumental_id: str | None = None
    in_progress: bool = False
    audio_link: str | None = None
    """What stood where the hex was expected, when it was text of another kind."""
    facts: AudioFacts = AudioFacts()
    trace_id: str | None = None
    raw: Mapping[str, Any]


def read_reply(document: Mapping[str, Any], *, secret: str | None = None) -> Reply:
    """Read the document of an upload or a generation, its audio already taken out, and blot out an echoed key."""
    document = blotted(document, secret) if secret else document
    data = document.get("data")
    data = data if isinstance(data, Mapping) else {}
    return Reply(
        accepted=base_code(document) in {0, None},
        voice_id=_text(document, "voice_id"),
        instrumental_id=_text(document, "instrumental_id"),
        in_progress=data.get("status") == _IN_PROGRESS and not isinstance(data.get("status"), bool),
        audio_link=_shown(data, "audio", secret, _LINK_CHARS),
        facts=_facts(document.get("extra_info")),
        trace_id=_shown(document, "trace_id", secret, _ID_CHARS),
        raw=document,
    )


def _shown(mapping: Mapping[str, Any], name: str, secret: str | None, max_chars: int) -> str | None:
    value = _text(mapping, name)
    return clean(value, secret=secret, max_chars=max_chars) if value else None


def _text(mapping: Mapping[str, Any], name: str) -> str | None:
    value = mapping.get(name)
    return value if isinstance(value, str) and value else None


def _facts(extra_info: object) -> AudioFacts:
    """Read both vocabularies, the older `audio_…` and the newer `music_…`; a zero says nothing."""
    extra = extra_info if isinstance(extra_info, Mapping) else {}

    def number(*names: str) -> int | None:
        values = (extra.get(name) for name in names)
        return next((v for v in values if isinstance(v, int) and not isinstance(v, bool) and v > 0), None)

    return AudioFacts(
        duration_ms=number("audio_length", "music_duration"),
        size_bytes=number("audio_size", "music_size"),
        bitrate=number("audio_bitrate", "bitrate"),
        sample_rate_hz=number("audio_sample_rate", "music_sample_rate"),
        channels=number("audio_channel", "music_channel"),
    )
