"""The header of one MPEG audio Layer III frame (ISO 11172-3, 13818-3, and the 2.5 extension), as a table.

Reads no stream: what a run of frames amounts to is for `mp3.py`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import frozen

MAX_FRAME_BYTES: Final = 1441

_KBITS: Final = {
    1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
# The version bits of the second byte, the table of bitrates, and the three rates that go with them.
_VERSIONS: Final = (
    (0b11, 1, (44_100, 48_000, 32_000)),
    (0b10, 2, (22_050, 24_000, 16_000)),
    (0b00, 2, (11_025, 12_000, 8_000)),
)
_SYNC_LAYER_3: Final = 0b1110_0010
_MONO: Final = 0b11

# The encoder's own header comes after that of the frame, 9 to 32 bytes of side information and, at times, a checksum.
_CLAIM: Final = re.compile(rb"(?:Xing|Info)...(.)(.{4})|VBRI.{10}(.{4})", re.DOTALL)
_CLAIM_UP_TO: Final = 4 + 2 + 32


@frozen(eq=False)
class FrameHeader:
    """What the first three bytes of a frame say; one object for each meaning, so that identity is equality.

    No two MPEG versions share a sample rate: frames that agree on it are of one stream.
    """

    size: int
    samples: int
    sample_rate_hz: int
    bitrate: int


def _headers() -> Iterator[tuple[bytes, FrameHeader]]:
    for version_bits, family, rates in _VERSIONS:
        samples = 1152 if family == 1 else 576
        for rate_index, rate in enumerate(rates):
            for bitrate_index, kbits in enumerate(_KBITS[family], 1):
                for padding in (0, 1):
                    size = samples // 8 * kbits * 1000 // rate + padding
                    header = FrameHeader(size, samples, rate, kbits * 1000)
                    third = bitrate_index << 4 | rate_index << 2 | padding << 1
                    for unprotected in (0, 1):
                        second = _SYNC_LAYER_3 | version_bits << 3 | unprotected
                        for private in (0, 1):
                            yield bytes((0xFF, second, third | private)), header


HEADERS: Final = dict(_headers())
# For each sample rate. One look-up a frame is what lets ten minutes be walked in milliseconds.
FRAME_BYTES: Final[Mapping[int, Mapping[bytes, int]]] = {
    rate: {head: frame.size for head, frame in HEADERS.items() if frame.sample_rate_hz == rate}
    for rate in {frame.sample_rate_hz for frame in HEADERS.values()}
}


def channels_of(frame: bytes) -> int:
    """Return how many channels a frame has, by its fourth byte."""
    return 1 if frame[3] >> 6 == _MONO else 2


def claimed_frames(frame: bytes) -> int | None:
    """Return how many frames the encoder announces in this one, 0 if it does not say, `None` if the frame is sound."""
    claim = _CLAIM.search(frame, 4)
    if claim is None or claim.start() > _CLAIM_UP_TO:
        return None
    flags, xing, vbri = claim.groups()
    if flags is not None and not flags[0] & 1:
        return 0
    return int.from_bytes(xing or vbri, "big")
