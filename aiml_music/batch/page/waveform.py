"""Draw a track: how loud it is along the way. With the extra `audio`; without it there is no picture, and no gap.

A track is decoded piece by piece, so its length is nobody's memory; it takes tenths of a second for a minute of MP3.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

BARS = 120
LOUDEST = 100

# To look at, a twentieth of a second in telephone quality is enough.
_RATE_HZ = 8000
_PIECE_FRAMES = 400


def peaks_of(path: Path, *, load: Callable[[str], Any] = import_module) -> tuple[int, ...]:
    """Return the loudness of a track along its way, each from 0 to 100; nothing where it cannot be decoded.

    It takes the time of a decoder, and is meant for a worker thread.

    Args:
        path: MP3, WAV, FLAC or Vorbis.
        load: imports the decoder.
    """
    try:
        miniaudio = load("miniaudio")
    except ImportError:
        return ()
    try:
        return bars(list(_loudness(miniaudio, path)))
    except (OSError, miniaudio.MiniaudioError):
        return ()


def _loudness(miniaudio: Any, path: Path) -> Iterator[int]:
    pieces: Iterator[Sequence[int]] = miniaudio.stream_file(
        str(path), nchannels=1, sample_rate=_RATE_HZ, frames_to_read=_PIECE_FRAMES
    )
    for samples in pieces:
        yield max((max(samples), -min(samples)))


def bars(loudness: Sequence[int], count: int = BARS) -> tuple[int, ...]:
    """Return so many means, the loudest of them 100; fewer where there is less to tell."""
    count = min(count, len(loudness))
    edges = [len(loudness) * index // max(count, 1) for index in range(count + 1)]
    means = [sum(loudness[begin:end]) / (end - begin) for begin, end in pairwise(edges)]
    loudest = max(means, default=0) or 1
    return tuple(round(LOUDEST * mean / loudest) for mean in means)
