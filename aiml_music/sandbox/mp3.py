"""MPEG audio layer III as bytes: read frame headers, walk frames, write an ID3 tag.

Knows nothing of what the frames sound like; making and joining them belongs to `encoding.py`.
"""

import mmap
import re
from collections.abc import Iterator
from itertools import pairwise

from attrs import frozen

Bytes = bytes | mmap.mmap

# ISO/IEC 11172-3 table 3-B.2 and 13818-3: kbit/s of layer III by the header's four bits, MPEG-1 and MPEG-2/2.5.
_KILOBITS_MPEG_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KILOBITS_MPEG_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)

_SAMPLE_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MPEG_1 = 3

# Headers that follow each other before a file is believed: two sync words also meet by chance in compressed noise.
_AGREEING = 3
_SEARCH_BYTES = 65536

# Within a frame that says how many follow it, and has no sound of its own.
_ANNOUNCEMENT = re.compile(rb"Info|Xing")
_SIDE_INFO_BYTES = 40


@frozen
class Frame:
    """One frame, as its header describes it."""

    size: int
    samples: int
    sample_rate_hz: int
    bitrate: int
    header: bytes


def highest_bitrate(sample_rate_hz: int) -> int:
    """Return the most bits per second that layer III can have at a sampling rate."""
    table = _KILOBITS_MPEG_1 if sample_rate_hz in _SAMPLE_RATES_HZ[_MPEG_1] else _KILOBITS_MPEG_2
    return table[-1] * 1000


def read_frame(data: Bytes, at: int = 0) -> Frame | None:
    """Return the layer III frame whose header begins at a position, or `None` when there is none."""
    header = bytes(data[at : at + 4])
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:  # noqa: PLR2004 - sync word and layer III
        return None
    version = header[1] >> 3 & 3
    rate_index, bitrate_index = header[2] >> 2 & 3, header[2] >> 4
    if version not in _SAMPLE_RATES_HZ or rate_index == 3 or bitrate_index in {0, 15}:  # noqa: PLR2004 - reserved values
        return None
    rate = _SAMPLE_RATES_HZ[version][rate_index]
    kilobits = (_KILOBITS_MPEG_1 if version == _MPEG_1 else _KILOBITS_MPEG_2)[bitrate_index]
    samples = 1152 if version == _MPEG_1 else 576
    size = samples // 8 * kilobits * 1000 // rate + (header[2] >> 1 & 1)
    return Frame(size=size, samples=samples, sample_rate_hz=rate, bitrate=kilobits * 1000, header=header)


def walk_frames(data: Bytes) -> Iterator[Frame]:
    """Yield the complete frames of sound in a file, from the first believable one to the first gap."""
    at = _first_frame(data)
    if (frame := read_frame(data, at)) and _ANNOUNCEMENT.search(data[at : at + _SIDE_INFO_BYTES]):
        at += frame.size
    while (frame := read_frame(data, at)) and at + frame.size <= len(data):
        yield frame
        at += frame.size


def _first_frame(data: Bytes) -> int:
    start = _size_of_tag(data)
    for at in range(start, min(start + _SEARCH_BYTES, len(data))):
        if data[at] == 0xFF and _looks_like_a_stream(data, at):  # noqa: PLR2004 - sync byte
            return at
    return len(data)


def _looks_like_a_stream(data: Bytes, at: int) -> bool:
    frames = []
    for _ in range(_AGREEING):
        frame = read_frame(data, at)
        if frame is None:
            return False
        frames.append(frame)
        at += frame.size
    return all(one.sample_rate_hz == other.sample_rate_hz for one, other in pairwise(frames))


def _size_of_tag(data: Bytes) -> int:
    if bytes(data[:3]) != b"ID3" or len(data) < 10:  # noqa: PLR2004 - the length of an ID3v2 header
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))


def refit(frame: bytes, *, bitrate: int, padded: bool) -> bytes:
    """Return a frame at a higher bit rate: the same sound with unused bytes behind it.

    Only for frames that are whole in themselves, without a bit reservoir.
    """
    old = frame[2] & 0x0D
    table = _KILOBITS_MPEG_1 if frame[1] >> 3 & 3 == _MPEG_1 else _KILOBITS_MPEG_2
    header = bytes((frame[0], frame[1], table.index(bitrate // 1000) << 4 | padded << 1 | old, frame[3]))
    described = read_frame(header)
    return (header + frame[4:]).ljust(described.size if described else 0, b"\0")


def info_frame(stream: bytes) -> bytes:
    """Return the silent frame that announces how many frames and bytes follow, for a stream of constant bit rate.

    The convention is Xing's; without it, players estimate the length and say so.
    """
    frames = list(walk_frames(stream))
    first = frames[0]
    unpadded = bytes((*first.header[:2], first.header[2] & 0xFD, first.header[3]))
    size = described.size if (described := read_frame(unpadded)) else 0
    side_info = bytes(17 if first.samples == 1152 else 9)  # noqa: PLR2004 - mono, MPEG-1 and MPEG-2
    counts = len(frames).to_bytes(4, "big") + (size + len(stream)).to_bytes(4, "big")
    return (unpadded + side_info + b"Info\0\0\0\x03" + counts).ljust(size, b"\0")


def id3_tag(title: str, comment: str) -> bytes:
    """Return an ID3v2.3 tag with a title and an English comment, both Latin-1."""
    frames = _id3_frame(b"TIT2", b"\0" + title.encode("latin-1")) + _id3_frame(
        b"COMM", b"\0eng\0" + comment.encode("latin-1")
    )
    size = bytes(len(frames) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frames


def _id3_frame(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "big") + b"\0\0" + content
