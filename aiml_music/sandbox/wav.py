"""RIFF WAVE as bytes: write a file with a comment inside, and read how long one lasts."""

import struct

from attrs import frozen

from aiml_music.sandbox.mp3 import Bytes

# A file with more chunks than this before its audio is not one that a person recorded.
_MOST_CHUNKS = 1000


@frozen
class Extent:
    """What a WAV header and the bytes behind it say."""

    seconds: float
    sample_rate_hz: int


def wav_file(pcm: bytes, *, sample_rate_hz: int, title: str, comment: str) -> bytes:
    """Return 16-bit mono PCM as a WAV file that carries a title and a comment, both Latin-1."""
    form = struct.pack("<HHIIHH", 1, 1, sample_rate_hz, sample_rate_hz * 2, 2, 16)
    words = (
        b"INFO" + _chunk(b"INAM", title.encode("latin-1") + b"\0") + _chunk(b"ICMT", comment.encode("latin-1") + b"\0")
    )
    return _chunk(b"RIFF", b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"LIST", words) + _chunk(b"data", pcm))


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)


def measure_wav(data: Bytes) -> Extent | None:
    """Return how long a WAV file lasts, counting only bytes that are there; `None` when it is not one."""
    if bytes(data[:4]) != b"RIFF" or bytes(data[8:12]) != b"WAVE":
        return None
    at, rates = 12, None
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(data):
            break
        name, size = struct.unpack_from("<4sI", data, at)
        at += 8
        if name == b"fmt " and at + 16 <= len(data):
            rates = struct.unpack_from("<II", data, at + 4)
        if name == b"data" and rates and all(rates):
            return Extent(seconds=min(size, len(data) - at) / rates[1], sample_rate_hz=rates[0])
        at += size + (size & 1)
    return None
