"""What the server says and what clients must make of it: tracks, and the documents that carry them.

A track is MP3 of the highest bitrate, its frames filled with noise: it passes the client's own check, and no part of it
is cheaper to decode than another.
"""

import json
import random
from binascii import hexlify

from tests._sansio.audio_files import frame

LEAST_FRAMES = 8
_FRAME = frame(320)
_HEADER = _FRAME[:4]
_SECONDS_A_BYTE_OF_WAV = 1 / (4 * 44_100)

DOCUMENT_HEAD = b'{"data":{"audio":"'
DOCUMENT_TAIL = b'","status":2},"base_resp":{"status_code":0,"status_msg":"success"}}'
UPLOADED = (
    b'{"voice_id":"vocal-1","instrumental_id":"instrumental-1","base_resp":{"status_code":0,"status_msg":"success"}}'
)
REQUEST = {"model": "music-01", "lyrics": "##Side by side##", "refer_voice": "vocal-2025082518145625-6XW9wCOF"}
REQUEST_BYTES = json.dumps(REQUEST).encode()
GENERATE_PATH = "/v2/generate/audio/minimax/generate"
UPLOAD_PATH = "/v2/generate/audio/minimax/upload"


def track(size_bytes: int) -> bytes:
    """Return a track of about this size, always the same."""
    noise = random.Random(1)
    count = max(LEAST_FRAMES, size_bytes // len(_FRAME))
    return b"".join(_HEADER + noise.randbytes(len(_FRAME) - len(_HEADER)) for _ in range(count))


def document(audio: bytes) -> bytes:
    """Return the answer that carries a track."""
    return DOCUMENT_HEAD + hexlify(audio) + DOCUMENT_TAIL


def recording(size_bytes: int) -> bytes:
    """Return a WAV file of exactly this size; the client refuses one of less than ten seconds."""
    sound = size_bytes - 44
    if sound * _SECONDS_A_BYTE_OF_WAV <= 10:
        raise ValueError("a reference is longer than ten seconds")
    form = (16).to_bytes(4, "little") + b"\1\0\2\0" + (44_100).to_bytes(4, "little")
    form += (4 * 44_100).to_bytes(4, "little") + b"\4\0\20\0"
    head = b"RIFF" + (size_bytes - 8).to_bytes(4, "little") + b"WAVEfmt " + form + b"data" + sound.to_bytes(4, "little")
    return head + bytes(sound)
