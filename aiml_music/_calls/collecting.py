"""Collect a track that was paid for before: its generation is known by an id, and nothing is sent but questions."""

from os import PathLike
from pathlib import Path

from aiml_music._calls.delivery import Target, deliver
from aiml_music._calls.plans import collect_plan
from aiml_music._calls.session import Session
from aiml_music._sansio.catalogue import find_model, unknown_model
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.inspection import largest_bytes
from aiml_music._sansio.models import AudioFormat, Track
from aiml_music._sansio.options import Options, TimeoutInput, Unset


async def collect(
    session: Session,
    options: Options,
    generation_id: str,
    *,
    to: str | PathLike[str] | None,
    overwrite: bool,
    audio_format: AudioFormat | None,
    model: str | None,
    timeout: TimeoutInput | Unset,
    client_request_id: str | None,
) -> Track:
    """Collect a track; see `AsyncMusicClient.collect`."""
    if audio_format not in {None, "mp3", "wav", "pcm"}:
        raise InputError(f"audio_format must be 'mp3', 'wav', 'pcm' or None; got {audio_format!r}.")
    row = unknown_model("unknown") if model is None else find_model(model)
    target = None
    if to is not None:
        room = largest_bytes(None, row)
        target = Target(path=Path(to), overwrite=overwrite, room_bytes=room, slow_disk=options.slow_disk)
    plan = await collect_plan(options, generation_id, row, timeout, client_request_id)
    async with session.call(plan) as call:
        return await deliver(call, target, audio_format=audio_format)
