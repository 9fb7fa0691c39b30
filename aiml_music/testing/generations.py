"""What becomes of scripted requests about generations that the service makes later, under an id."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aiml_music._sansio.catalogue import MODELS
from aiml_music.testing.audio import silent_mp3
from aiml_music.testing.reactions import CREDITS_PER_USD, ScriptedAnswer, answer

GENERATION_ID = "60ac7c34-3224-4b14-8e7d-0aa0db708325"
TRACK_URL = "https://tracks.invalid/track.mp3"


def accepted(
    generation_id: str = GENERATION_ID,
    *,
    credits_used: int | None = MODELS["minimax/music-2.6"].price_credits,
    headers: Mapping[str, str] | None = None,
    **changes: Any,
) -> ScriptedAnswer:
    """Return the service's answer to a generation that it makes later: an id, by which the track is collected.

    Args:
        generation_id: the id.
        credits_used: what the answer says it cost; None is nothing said.
        headers: more of them.
        changes: members of the JSON, in place of those of the same name.
    """
    return _of(generation_id, "queued", _bill(credits_used) | changes, headers)


def still_running(
    generation_id: str = GENERATION_ID, *, status: str = "generating", headers: Mapping[str, str] | None = None
) -> ScriptedAnswer:
    """Return the service's answer that a track is not there yet.

    Args:
        generation_id: the id.
        status: the service's word for it.
        headers: more of them.
    """
    return _of(generation_id, status, {}, headers)


def ready_at(
    url: str = TRACK_URL,
    *,
    generation_id: str = GENERATION_ID,
    headers: Mapping[str, str] | None = None,
    **changes: Any,
) -> ScriptedAnswer:
    """Return the service's answer that a track is there, and where: the client's next request is for that address.

    Args:
        url: where the track is.
        generation_id: the id.
        headers: more of them.
        changes: members of the JSON, in place of those of the same name.
    """
    return _of(generation_id, "completed", {"audio_file": {"url": url}} | changes, headers)


def generation_failed(
    message: str,
    *,
    generation_id: str = GENERATION_ID,
    credits_used: int | None = 0,
    headers: Mapping[str, str] | None = None,
) -> ScriptedAnswer:
    """Return the service's answer that a generation which it had taken has failed.

    Args:
        message: the service's words.
        generation_id: the id.
        credits_used: what the answer says it cost; None is nothing said.
        headers: more of them.
    """
    problem = {"error": {"name": "Error", "message": message}}
    return _of(generation_id, "error", problem | _bill(credits_used), headers)


def audio_file(audio: bytes | None = None, *, headers: Mapping[str, str] | None = None) -> ScriptedAnswer:
    """Return a track from the host that has it.

    Args:
        audio: the track; default: a second of silence, as an MP3.
        headers: more of them.
    """
    kind = {"content-type": "application/octet-stream"}
    return answer(200, silent_mp3() if audio is None else audio, headers=kind | dict(headers or {}))


def _of(
    generation_id: str, status: str, members: Mapping[str, Any], headers: Mapping[str, str] | None
) -> ScriptedAnswer:
    return answer(200, {"id": generation_id, "status": status, **members}, headers=headers)


def _bill(credits_used: int | None) -> dict[str, Any]:
    if credits_used is None:
        return {}
    usd = float(Decimal(credits_used) / CREDITS_PER_USD)
    return {"meta": {"usage": {"credits_used": credits_used, "usd_spent": usd}}}
