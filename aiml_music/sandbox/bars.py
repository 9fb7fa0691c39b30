"""MP3s without an encoder: ready-made bars of music, joined frame by frame.

The bars lie beside this module, for each sampling rate four of a band and four of a voice, of a second or so. None
borrows bits from the frame before it, so any may follow any, and a frame may be moved to a higher bit rate by filling
it up. `tests/sandbox/make_bars.py` made them.
"""

from collections.abc import Iterator
from functools import cache
from importlib import resources

from aiml_music.sandbox.dice import Dice
from aiml_music.sandbox.mp3 import Frame, refit, walk_frames
from aiml_music.sandbox.score import Song

_BARS = 4


def join(song: Song, *, seconds: float, sample_rate_hz: int, bitrate: int) -> bytes:
    """Return frames of about so many seconds, in an order that is the song's own.

    A song with voice and band lets them take turns, for frames cannot be mixed.
    """
    kinds = ("voice",) * song.sung + ("band",) * song.accompanied
    shelves = [_bars(kind, sample_rate_hz) for kind in kinds]
    samples = shelves[0][0][0][0].samples
    wanted = round(seconds * sample_rate_hz / samples)
    dice = Dice("bars", song.lyrics, song.voice or b"", song.instrumental or b"")
    picked: list[tuple[Frame, bytes]] = []
    while len(picked) < wanted:
        for shelf in shelves:
            picked += dice.pick(shelf)
    return b"".join(_refitted(picked[:wanted], bitrate))


def _refitted(frames: list[tuple[Frame, bytes]], bitrate: int) -> Iterator[bytes]:
    owed = 0
    for frame, content in frames:
        if frame.bitrate == bitrate:
            yield content
            continue
        # A frame is a whole number of bytes: what is cut off is owed, and paid with a padding byte.
        owed += frame.samples // 8 * bitrate % frame.sample_rate_hz
        padded = owed >= frame.sample_rate_hz
        owed -= frame.sample_rate_hz * padded
        yield refit(content, bitrate=bitrate, padded=padded)


@cache
def _bars(kind: str, sample_rate_hz: int) -> tuple[tuple[tuple[Frame, bytes], ...], ...]:
    data = resources.files(__package__).joinpath("bars", f"{kind}-{sample_rate_hz}.frames").read_bytes()
    frames, at = [], 0
    for frame in walk_frames(data):
        frames.append((frame, data[at : at + frame.size]))
        at += frame.size
    size = len(frames) // _BARS
    return tuple(tuple(frames[bar * size : (bar + 1) * size]) for bar in range(_BARS))
