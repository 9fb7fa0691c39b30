"""Is an uploaded file audio that the service would take, and how long is it?"""

from aiml_music.sandbox.mp3 import Bytes, walk_frames
from aiml_music.sandbox.wav import measure_wav

LONGER_THAN = 10.0
AT_MOST = 600.0


def measure(data: Bytes) -> float | None:
    """Return the seconds of audio in a WAV or MP3 file, judged by its bytes; `None` when it is neither."""
    extent = measure_wav(data)
    if extent is not None:
        return extent.seconds
    seconds = sum(frame.samples / frame.sample_rate_hz for frame in walk_frames(data))
    return seconds or None
