"""Sound for tests, made without an encoder."""

import math

# MPEG-1 Layer III, 32 kbit/s, 44.1 kHz, mono, no checksum. With nothing but zeros behind this header, a frame says that
# it holds no sound.
_HEADER = b"\xff\xfb\x10\xc0"
_FRAME = _HEADER.ljust(144 * 32_000 // 44_100, b"\0")
_FRAME_SECONDS = 1152 / 44_100


def silent_mp3(seconds: float = 1.0) -> bytes:
    """Return an MP3 of silence, 4 kB for each second and never shorter than asked for.

    A reference must be longer than ten seconds: `silent_mp3(12)` passes for one.
    """
    return _FRAME * max(1, math.ceil(seconds / _FRAME_SECONDS))
