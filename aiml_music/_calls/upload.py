"""One upload: a reference opened, looked at, and taught to the service."""

import anyio
import anyio.to_thread

from aiml_music._calls.call import Call
from aiml_music._calls.plans import upload_plan
from aiml_music._calls.reference_audio import measured
from aiml_music._calls.session import Session
from aiml_music._io.multipart import MultipartBody
from aiml_music._io.sources import SourceInput, open_source
from aiml_music._sansio.audio import AudioInfo
from aiml_music._sansio.catalogue import MUSIC_01
from aiml_music._sansio.models import Purpose, Reference
from aiml_music._sansio.options import Options, TimeoutInput, Unset
from aiml_music._sansio.ports import Source


async def upload(
    session: Session,
    options: Options,
    source: SourceInput,
    *,
    purpose: Purpose,
    check_audio: bool,
    timeout: TimeoutInput | Unset,
    client_request_id: str | None,
) -> Reference:
    """Upload a reference; see `AsyncMusicClient.upload`."""
    call: Call | None = None
    try:
        async with open_source(source) as opened:
            media_type, audio = await anyio.to_thread.run_sync(_examine, opened, check_audio)
            body = MultipartBody(opened, purpose=str(purpose), media_type=media_type)
            call = session.call(await upload_plan(options, body, timeout, client_request_id))
            return await _answered(call, purpose, audio)
    except anyio.get_cancelled_exc_class() as cancelled:
        # Also where only the reference was still to be let go of.
        if call is not None:
            call.note(cancelled)
        raise


async def _answered(call: Call, purpose: Purpose, audio: AudioInfo | None) -> Reference:
    async with call:
        await call.open()
        while await call.read():
            """An upload's answer holds no audio; if it ever does, it is read past."""
        reply = call.reply
        return Reference(
            voice_id=reply.voice_id,
            instrumental_id=reply.instrumental_id,
            purpose=purpose,
            audio=audio,
            trace_id=reply.trace_id,
            receipt=call.receipt,
            raw=reply.raw,
        )


def _examine(source: Source, check: bool) -> tuple[str, AudioInfo | None]:  # noqa: FBT001 - called in a worker thread
    """Return the media type of a reference, and what its bytes say where they are to be looked at."""
    if not check:
        return ("audio/wav" if source.read_at(0, 4) in {b"RIFF", b"RF64"} else "audio/mpeg"), None
    audio = measured(source, MUSIC_01)
    return audio.media_type, audio
