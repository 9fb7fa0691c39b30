"""How one note sounds: a formant voice that sings vowels, and a small band.

A wave is one cycle in a table, read in whole-number steps; loudness over time is a table too. Finished notes are kept,
since a song repeats them and so does the next song: that is what makes plain Python quick enough.
"""

import math
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import mul
from typing import TypeAlias

from attrs import frozen

from aiml_music.sandbox.dice import Dice
from aiml_music.sandbox.score import Part, Singer

# In quotes: `array` cannot be subscripted at run time before Python 3.12.
Samples: TypeAlias = "array[int]"

_CYCLE = 2048
_MOST_OVERTONES = 28
_SINE = [math.sin(2 * math.pi * at / _CYCLE) for at in range(_CYCLE)]
# For each position in the cycle, where the fundamental and its overtones stand. Overtones that all began together
# would meet in one sharp peak; Schroeder's phases (1970), growing with the square, spread them over the cycle.
_HARMONICS = [
    [
        _SINE[(at * harmonic + harmonic**2 * _CYCLE // (2 * _MOST_OVERTONES)) % _CYCLE]
        for harmonic in range(1, _MOST_OVERTONES + 1)
    ]
    for at in range(_CYCLE)
]

# Time is counted in 1/256 of a sample, positions in the table in 1/65536 of an entry.
_TIME_BITS = 8
_STEP_BITS = 16
_LOUDNESS_BITS = 15
_FULL = 1 << _LOUDNESS_BITS


@frozen
class _Character:
    """A part's level, and how its loudness moves, in seconds; `decay` is the time to fall to 1/e, 0 is held."""

    level: int
    attack: float
    release: float
    decay: float = 0.0
    overtones: tuple[float, ...] = ()


_CHARACTERS = {
    Part.VOICE: _Character(level=9000, attack=0.05, release=0.09),
    Part.PAD: _Character(level=2000, attack=0.15, release=0.5, overtones=(1.0, 0.5, 0.25, 0.18, 0.1, 0.06)),
    Part.BASS: _Character(level=6000, attack=0.012, release=0.08, decay=0.9, overtones=(1.0, 0.6, 0.3, 0.12, 0.05)),
    Part.PLUCK: _Character(
        level=2900, attack=0.004, release=0.7, decay=0.32, overtones=(1.0, 0.35, 0.22, 0.08, 0.05, 0.03)
    ),
    Part.KICK: _Character(level=8000, attack=0.002, release=0.1, decay=0.08),
    Part.SHAKER: _Character(level=1100, attack=0.012, release=0.05, decay=0.035),
}

# The first three formants of five sung vowels, in Hz, of an average tract; how loud and how wide each formant is.
_FORMANTS_HZ = {
    "a": (760, 1180, 2600),
    "e": (440, 1800, 2550),
    "i": (290, 2150, 2900),
    "o": (450, 820, 2600),
    "u": (330, 680, 2400),
}
_FORMANT_LEVELS = (1.0, 0.5, 0.22)
_FORMANT_WIDTHS_HZ = (110, 140, 190)

_VIBRATO_DEPTH = 0.006
_VIBRATO_BEGINS = 0.25
# Six eighths at the slowest tempo last 2.4 s.
_LONGEST_NOTE = 3
_KICK_HZ = (110.0, 44.0)


@lru_cache(maxsize=512)
def sound(part: Part, pitch: int, vowel: str, held: int, singer: Singer, rate: int) -> Samples:
    """Return the samples of one note, its release included; `held` is in samples, `rate` in Hz."""
    character = _CHARACTERS[part]
    total = held + round(character.release * rate)
    wave = _wave(part, pitch, vowel, total, singer, rate)
    return array("i", [sample >> _LOUDNESS_BITS for sample in map(mul, wave, _loudness(character, held, total, rate))])


def _wave(part: Part, pitch: int, vowel: str, total: int, singer: Singer, rate: int) -> Iterable[int]:
    if part is Part.KICK:
        return _kick(total, rate)
    if part is Part.SHAKER:
        return _shaker(total)
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    step = round(hertz * _CYCLE / rate * (1 << _STEP_BITS))
    if part is Part.VOICE:
        table = _voice_table(vowel, pitch, singer.tract, rate)
        times: Sequence[int] = _wavering(singer.vibrato_hz, rate)[:total]
    else:
        table = _band_table(part, min(len(_CHARACTERS[part].overtones), int(rate / 2 / hertz)))
        times = range(0, total << _TIME_BITS, 1 << _TIME_BITS)
    shift, mask = _STEP_BITS + _TIME_BITS, _CYCLE - 1
    return [table[time * step >> shift & mask] for time in times]


@lru_cache(maxsize=64)
def _loudness(character: _Character, held: int, total: int, rate: int) -> Sequence[int]:
    """Rise in a straight line, hold or decay, and fall to nothing in a straight line."""
    attack = min(held, max(1, round(character.attack * rate)))
    rise = (_FULL * at // attack for at in range(attack))
    fall = (_FULL * left // (total - held) for left in range(total - held, 0, -1))
    curve = [*rise, *[_FULL] * (held - attack), *fall]
    if not character.decay:
        return curve
    keep = math.exp(-1 / (character.decay * rate))
    level = 1 / keep
    return [int(value * (level := level * keep)) for value in curve]


@lru_cache(maxsize=16)
def _wavering(vibrato_hz: float, rate: int) -> Samples:
    """Return times that run a little fast and slow by turns: a wave read by them has vibrato."""
    depth = _VIBRATO_DEPTH / (2 * math.pi * vibrato_hz) * rate
    swing = 2 * math.pi * vibrato_hz / rate
    times = (
        at + depth * min(1.0, at / rate / _VIBRATO_BEGINS) * math.sin(at * swing) for at in range(_LONGEST_NOTE * rate)
    )
    return array("q", [max(0, int(time * (1 << _TIME_BITS))) for time in times])


@lru_cache(maxsize=256)
def _voice_table(vowel: str, pitch: int, tract: float, rate: int) -> Sequence[int]:
    """Return one cycle of a vowel: the harmonics of the glottis as loud as the formants let them pass."""
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    formants = tuple(zip(_FORMANTS_HZ[vowel], _FORMANT_LEVELS, _FORMANT_WIDTHS_HZ, strict=True))
    harmonics = range(1, min(_MOST_OVERTONES, int(0.45 * rate / hertz)) + 1)
    return _cycle(
        Part.VOICE,
        [
            sum(level / (1 + ((hertz * harmonic - centre * tract) / width) ** 2) for centre, level, width in formants)
            / harmonic**0.5
            + 0.12 / harmonic
            for harmonic in harmonics
        ],
    )


@lru_cache(maxsize=32)
def _band_table(part: Part, audible: int) -> Sequence[int]:
    return _cycle(part, _CHARACTERS[part].overtones[:audible])


def _cycle(part: Part, levels: Sequence[float]) -> Sequence[int]:
    """Add sines and bring their power to the part's level, so that every pitch and vowel is about as loud."""
    power = math.sqrt(sum(level * level for level in levels) / 2)
    scaled = [level * _CHARACTERS[part].level / power for level in levels]
    return array("i", [int(sum(map(mul, scaled, sines))) for sines in _HARMONICS])


def _kick(total: int, rate: int) -> Iterable[int]:
    """A sine that falls quickly from its first pitch to its second."""
    top, bottom = _KICK_HZ
    level = _CHARACTERS[Part.KICK].level
    keep = math.exp(-1 / (0.03 * rate))
    above, phase, samples = top - bottom, 0.0, []
    for _ in range(total):
        samples.append(int(level * math.sin(phase)))
        phase += 2 * math.pi * (bottom + above) / rate
        above *= keep
    return samples


def _shaker(total: int) -> Iterable[int]:
    """Noise without its low half: the difference of neighbouring dice."""
    level = _CHARACTERS[Part.SHAKER].level
    dice = Dice("shaker")
    noise = [(dice.roll(256) - 128) * level >> 7 for _ in range(total + 1)]
    return [after - before for before, after in pairwise(noise)]
