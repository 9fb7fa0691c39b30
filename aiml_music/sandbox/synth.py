"""Play a score: notes in, 16-bit samples out, in plain Python.

How one note sounds belongs to `instruments.py`; here the notes are laid on top of each other and finished.
"""

import struct
from array import array
from functools import lru_cache
from operator import add

from aiml_music.sandbox.instruments import Samples, sound
from aiml_music.sandbox.score import SLOTS, Note, Score, Singer, Song, compose

_TAIL = 1.2
_FADE_IN = 0.02
_FADE_OUT = 0.6
_PEAK = 0.89 * 32767


@lru_cache(maxsize=4)
def play(song: Song, *, sample_rate_hz: int, longest: float = 60.0, exactly: float | None = None) -> bytes:
    """Return a song as 16-bit little-endian mono samples.

    Args:
        song: what to play.
        sample_rate_hz: samples per second.
        longest: seconds that the track does not exceed.
        exactly: seconds that the track lasts instead, whatever the lyrics.
    """
    score, seconds = _composed(song, longest, exactly)
    mix = _mixed(score, sample_rate_hz, round(seconds * sample_rate_hz))
    _echo(mix, round(score.slot * 1.5 * sample_rate_hz))
    return _mastered(mix, sample_rate_hz)


def seconds_of(song: Song, *, longest: float) -> float:
    """Return how long a song is, without playing it."""
    return _composed(song, longest, None)[1]


def _composed(song: Song, longest: float, exactly: float | None) -> tuple[Score, float]:
    score = compose(song, longest=longest - _TAIL, exactly=exactly)
    return score, exactly or min(longest, score.slots * score.slot + _TAIL)


def _mixed(score: Score, rate: int, length: int) -> Samples:
    mix = array("i", bytes(4 * length))
    for number, notes in enumerate(score.band):
        _lay(mix, int(number * SLOTS * score.slot * rate), _bar(notes, score.slot, rate))
    for note in score.melody:
        _lay(mix, int(note.start * score.slot * rate), _played(note, score.slot, rate, score.singer))
    return mix


# A band repeats its bars: mixing one once and laying it down often takes a quarter of the time.
@lru_cache(maxsize=32)
def _bar(notes: tuple[Note, ...], slot: float, rate: int) -> Samples:
    sounds = [(int(note.start * slot * rate), _played(note, slot, rate, Singer())) for note in notes]
    bar = array("i", bytes(4 * max(start + len(heard) for start, heard in sounds)))
    for start, heard in sounds:
        _lay(bar, start, heard)
    return bar


def _played(note: Note, slot: float, rate: int, singer: Singer) -> Samples:
    return sound(note.part, note.pitch, note.vowel, round(note.length * slot * rate), singer, rate)


def _lay(mix: Samples, start: int, heard: Samples) -> None:
    """Add samples to the mix where they begin; what would sound after its end is lost."""
    end = min(len(mix), start + len(heard))
    mix[start:end] = array("i", [*map(add, mix[start:end], heard)])


def _echo(mix: Samples, delay: int) -> None:
    """Add a quiet repeat, which puts room around a dry sound."""
    repeats = [sample >> 2 for sample in mix[:-delay]]
    mix[delay:] = array("i", [*map(add, mix[delay:], repeats)])


def _mastered(mix: Samples, rate: int) -> bytes:
    """Bring the loudest sample to one fixed peak, and let both ends be silent."""
    extremes = (max(mix), -min(mix), 1)
    gain = int(_PEAK / max(extremes) * 65536)
    _fade(mix, range(min(len(mix), int(_FADE_IN * rate))))
    _fade(mix, range(len(mix) - 1, max(0, len(mix) - int(_FADE_OUT * rate)) - 1, -1))
    seconds = (mix[at : at + rate] for at in range(0, len(mix), rate))
    return b"".join(struct.pack(f"<{len(part)}h", *[sample * gain >> 16 for sample in part]) for part in seconds)


def _fade(mix: Samples, positions: range) -> None:
    for count, at in enumerate(positions):
        mix[at] = mix[at] * count // len(positions)
