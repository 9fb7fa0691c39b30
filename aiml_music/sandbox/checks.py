"""What the service itself refuses, decided from plain values.

The gateway looks at the shape of a request and answers with a list of issues; the provider behind it looks at the
meaning and answers with a code inside an HTTP 200.
"""

import json
import math
from collections.abc import Callable
from typing import Any

from attrs import frozen

from aiml_music.sandbox.answers import Issues, Refusal, base_resp_refusal, flat_refusal
from aiml_music.sandbox.encoding import BITRATES, FORMATS, SAMPLE_RATES_HZ, AudioSetting
from aiml_music.sandbox.issues import MISSING, choice, text, wrong_type
from aiml_music.sandbox.probe import AT_MOST, LONGER_THAN
from aiml_music.sandbox.score import Song

MODEL = "music-01"
PURPOSES: dict[str, tuple[str, ...]] = {
    "song": ("vocal", "instrumental"),
    "voice": ("vocal",),
    "instrumental": ("instrumental",),
}

_INVALID_PARAMS = 2013
_WRONG_DURATION = 2037


@frozen
class GenerationRequest:
    """A request of the right shape; whether its references exist is another question."""

    lyrics: str
    refer_voice: str | None
    refer_instrumental: str | None
    setting: AudioSetting


def parse_json(body: bytes) -> Any | Refusal:
    """Return the value of a JSON body, or the refusal that a broken one gets."""
    try:
        return json.loads(body, parse_constant=_not_json)
    except (ValueError, RecursionError):
        return flat_refusal(400, "The body is not valid JSON")


def _not_json(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def read_generation(payload: Any, *, models: tuple[str, ...] = (MODEL,)) -> GenerationRequest | Issues:
    """Return the request in a payload, or everything that is wrong with its shape; only these models are served."""
    if not isinstance(payload, dict):
        return [wrong_type((), "object", payload)]
    setting = payload.get("audio_setting", {"format": "mp3"})
    issues = [
        *choice(payload, ("model",), models),
        *text(payload, "lyrics"),
        *(issue for name in ("refer_voice", "refer_instrumental") if name in payload for issue in text(payload, name)),
        *_setting_issues(setting),
    ]
    if issues:
        return issues
    return GenerationRequest(
        lyrics=payload["lyrics"],
        refer_voice=payload.get("refer_voice"),
        refer_instrumental=payload.get("refer_instrumental"),
        setting=AudioSetting(
            format=setting["format"],
            **{name: int(setting[name]) for name in ("sample_rate", "bitrate") if name in setting},
        ),
    )


def _setting_issues(setting: Any) -> Issues:
    if not isinstance(setting, dict):
        return [wrong_type(("audio_setting",), "object", setting)]
    issues = choice(setting, ("audio_setting", "format"), FORMATS)
    for name, choices in (("sample_rate", SAMPLE_RATES_HZ), ("bitrate", BITRATES)):
        if name in setting:
            issues += choice(setting, ("audio_setting", name), choices)
    return issues


def find_song(
    request: GenerationRequest, known: Callable[[str, str], bytes | None], *, max_lyrics: int | None
) -> Song | Refusal:
    """Return what is to be played, or the provider's refusal.

    Args:
        request: of the right shape.
        known: the digest behind an id of a kind, `vocal` or `instrumental`, if there is one.
        max_lyrics: characters.
    """
    if not request.lyrics.strip() or len(request.lyrics) > (max_lyrics or math.inf):
        return base_resp_refusal(_INVALID_PARAMS, "invalid params, lyrics is empty or too long")
    if request.refer_voice is None and request.refer_instrumental is None:
        return base_resp_refusal(_INVALID_PARAMS, "invalid params, refer_voice or refer_instrumental is required")
    digests = []
    for name, value, kind in (
        ("refer_voice", request.refer_voice, "vocal"),
        ("refer_instrumental", request.refer_instrumental, "instrumental"),
    ):
        digest = None if value is None else known(value, kind)
        if value is not None and digest is None:
            return base_resp_refusal(_INVALID_PARAMS, f"invalid params, {name} not found")
        digests.append(digest)
    return Song(request.lyrics, voice=digests[0], instrumental=digests[1])


def check_purpose(purpose: str | None) -> Issues:
    """Return what is wrong with the purpose of an upload."""
    return choice({} if purpose is None else {"purpose": purpose}, ("purpose",), tuple(PURPOSES))


def missing_file() -> Issues:
    """Return the issue of an upload without a file."""
    return [wrong_type(("file",), "string", MISSING)]


def check_duration(seconds: float | None) -> Refusal | None:
    """Return why a reference of this many seconds is refused; `None` seconds is a file that is neither WAV nor MP3."""
    if seconds is None:
        return base_resp_refusal(_INVALID_PARAMS, "invalid params, file must be WAV or MP3 audio")
    if not LONGER_THAN < seconds <= AT_MOST:
        return base_resp_refusal(
            _WRONG_DURATION,
            f"invalid audio duration {seconds:.3f} s: it must be longer than {LONGER_THAN:g} s"
            f" and at most {AT_MOST:g} s",
        )
    return None
