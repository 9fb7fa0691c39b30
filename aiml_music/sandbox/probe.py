"""Is an uploaded file audio that the service would take, and how long is it?"""

from base64 import b64decode

from aiml_music.sandbox.mp3 import Bytes, walk_frames
from aiml_music.sandbox.wav import measure_wav

LONGER_THAN = 10.0
AT_MOST = 600.0

_COVER_SECONDS = (6.0, 360.0)
_COVER_BYTES = 50_000_000


def measure(data: Bytes) -> float | None:
    """Return the seconds of audio in a WAV or MP3 file, judged by its bytes; `None` when it is neither."""
    extent = measure_wav(data)
    if extent is not None:
        return extent.seconds
    seconds = sum(frame.samples / frame.sample_rate_hz for frame in walk_frames(data))
    return seconds or None


def wrong_cover(encoded: str) -> str | None:
    """Return what is wrong with a song in base64 that shall be covered, if anything is."""
    content = b64decode(encoded)
    if len(content) > _COVER_BYTES:
        return f"invalid params, the reference is larger than {_COVER_BYTES} bytes"
    seconds = measure(content)
    if seconds is None:
        return "invalid params, the reference must be WAV or MP3 audio"
    least, most = _COVER_SECONDS
    if not least <= seconds <= most:
        return f"invalid audio duration {seconds:.3f} s: it must be from {least:g} s to {most:g} s"
    return None
