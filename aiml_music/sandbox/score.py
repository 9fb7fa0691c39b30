"""Compose: lyrics and references in, notes out. Pure, and always the same for the same words.

The accompaniment's key, tempo and chords come from its reference, the melody from the lyrics, the singer from the
voice. How a note sounds is the business of `synth.py`.
"""

import math
from collections.abc import Iterator
from enum import Enum
from itertools import cycle

from attrs import frozen

from aiml_music.sandbox.dice import Dice
from aiml_music.sandbox.syllables import Line, lines_of, wants_accompaniment

SHORTEST_TRACK = 10.0

_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_MINOR = (0, 2, 3, 5, 7, 8, 10)
# Degrees of the scale, one chord a bar: the turns that most popular songs are made of.
_PROGRESSIONS = {
    _MAJOR: ((0, 4, 5, 3), (5, 3, 0, 4), (0, 5, 3, 4), (0, 3, 5, 4), (3, 0, 4, 5)),
    _MINOR: ((0, 5, 2, 6), (0, 3, 6, 2), (0, 6, 5, 6), (0, 2, 6, 5), (5, 6, 0, 0)),
}
SLOTS = 8  # eighths in a bar
_TEMPI = (76, 84, 92, 100, 108, 116)
# How many eighths a syllable may take; doubled entries are likelier.
_RHYTHMS = ((1, 1, 2), (1, 1, 1, 2), (2, 1, 1), (1, 2, 1), (1, 1))
_ARPEGGIOS = ((0, 1, 2, 3, 2, 1, 2, 1), (0, 2, 1, 2, 3, 2, 1, 2), (0, 1, 2, 1, 3, 1, 2, 1), (3, 2, 1, 2, 0, 1, 2, 1))
_MELODY_STEPS = (-2, -1, -1, 0, 1, 1, 2)
_MELODY_RANGE = (-3, 9)


class Part(Enum):
    """Who plays a note."""

    VOICE = "voice"
    PAD = "pad"
    BASS = "bass"
    PLUCK = "pluck"
    KICK = "kick"
    SHAKER = "shaker"


@frozen
class Note:
    """One note: when it begins and how long it is held, in eighths; its pitch as a MIDI number."""

    part: Part
    start: int
    length: int
    pitch: int
    vowel: str = "a"


@frozen
class Singer:
    """What makes one voice unlike another."""

    octave: int = 0
    tract: float = 1.0
    vibrato_hz: float = 5.5


@frozen
class Song:
    """What is asked for: words and the digests of what they shall sound like. At least one digest is there."""

    lyrics: str
    voice: bytes | None = None
    instrumental: bytes | None = None

    @property
    def sung(self) -> bool:
        """Whether there is a voice in it."""
        return self.voice is not None

    @property
    def accompanied(self) -> bool:
        """Whether there are instruments in it: `##` asks for them where there is a voice to accompany."""
        return self.instrumental is not None and (not self.sung or wants_accompaniment(self.lyrics))


@frozen
class Score:
    """All notes of a track: the melody from its beginning, the band bar by bar, each from the bar's beginning.

    `slot` is the length of an eighth in seconds, `slots` how many there are.
    """

    melody: tuple[Note, ...]
    band: tuple[tuple[Note, ...], ...]
    singer: Singer
    slot: float
    slots: int


@frozen
class _Style:
    key: int
    scale: tuple[int, ...]
    chords: tuple[int, ...]
    tempo: int
    arpeggio: tuple[int, ...]
    drums: bool

    def pitch(self, degree: int) -> int:
        """Return the MIDI number of a degree of the scale; negative degrees lie below the key note."""
        octave, step = divmod(degree, len(self.scale))
        return self.key + 12 * octave + self.scale[step]


def compose(song: Song, *, longest: float, exactly: float | None = None) -> Score:
    """Return the notes of a song.

    Args:
        song: what to set to music.
        longest: the track ends with the last whole bar before this many seconds, but has at least one bar.
        exactly: fill this many seconds instead, repeating the lines as needed.
    """
    style = _style_of(song)
    slot = 30 / style.tempo
    bar = slot * SLOTS
    fewest = math.ceil((exactly or SHORTEST_TRACK) / bar)
    most = fewest if exactly else max(1, int(longest / bar))
    intro = 1 if song.accompanied and most > 2 else 0  # noqa: PLR2004 - room for an intro and an ending
    # The band ends with a bar of its own; without one, the voice sings to the end.
    melody, used = _sing(song, style, first=intro, fewest=fewest - song.accompanied, most=most)
    bars = min(most, max(fewest, used + song.accompanied))
    return Score(
        melody=tuple(note for note in melody if note.start < bars * SLOTS) if song.sung else (),
        band=tuple(_accompany(style, bars)) if song.accompanied else (),
        singer=_singer_of(song),
        slot=slot,
        slots=bars * SLOTS,
    )


def _style_of(song: Song) -> _Style:
    dice = Dice("style", song.instrumental or song.voice or b"")
    scale = dice.pick((_MAJOR, _MAJOR, _MINOR))
    return _Style(
        scale=scale,
        key=dice.roll(8) + 45,
        chords=dice.pick(_PROGRESSIONS[scale]),
        tempo=dice.pick(_TEMPI),
        arpeggio=dice.pick(_ARPEGGIOS),
        drums=dice.roll(4) > 0,
    )


def _singer_of(song: Song) -> Singer:
    dice = Dice("singer", song.voice or b"")
    octave = dice.roll(2)
    return Singer(
        octave=octave,
        tract=dice.pick((0.88, 0.94, 1.0)) + octave * 0.12,
        vibrato_hz=dice.pick((4.9, 5.4, 5.9)),
    )


def _sing(song: Song, style: _Style, *, first: int, fewest: int, most: int) -> tuple[list[Note], int]:
    """Return the melody, and the number of the bar after it. A line begins with a bar."""
    dice = Dice("melody", song.lyrics, song.voice or b"")
    octave = _singer_of(song).octave
    lines = lines_of(song.lyrics) or (Line(vowels=("a", "a", "o")),)
    notes: list[Note] = []
    bar, degree = first, 2 + dice.roll(3)
    sung = 0
    while bar < most and (sung < len(lines) or bar < fewest):
        line = lines[sung % len(lines)]
        sung += 1
        notes += _phrase(line, dice, style, start=bar * SLOTS, degree=degree, octave=octave)
        end = notes[-1].start + notes[-1].length + (SLOTS // 2 if line.pause else 0)
        bar = -(-end // SLOTS)
    return notes, bar


def _phrase(line: Line, dice: Dice, style: _Style, *, start: int, degree: int, octave: int) -> Iterator[Note]:
    rhythm = cycle(dice.pick(_RHYTHMS))
    at = start
    for count, vowel in enumerate(line.vowels, start=1):
        length = next(rhythm)
        if count == len(line.vowels):
            length = max(2, min(6, SLOTS - at % SLOTS))
        degree = _next_degree(dice, degree, chord=style.chords[at // SLOTS % len(style.chords)], strong=at % 4 == 0)
        yield Note(Part.VOICE, at, length, style.pitch(degree) + 12 * octave, vowel)
        at += length


def _next_degree(dice: Dice, degree: int, *, chord: int, strong: bool) -> int:
    """Walk along the scale; on a strong beat land on a note of the chord."""
    lowest, highest = _MELODY_RANGE
    wanted = min(highest, max(lowest, degree + dice.pick(_MELODY_STEPS)))
    if not strong:
        return wanted
    chord_tones = [tone for tone in range(lowest, highest + 1) if (tone - chord) % 7 in {0, 2, 4}]
    return min(chord_tones, key=lambda tone: abs(tone - wanted))


def _accompany(style: _Style, bars: int) -> Iterator[tuple[Note, ...]]:
    for bar in range(bars - 1):
        chord = style.chords[bar % len(style.chords)]
        yield (*_chord(style, chord), *_groove(style, chord))
    yield (
        *_chord(style, 0),
        Note(Part.BASS, 0, SLOTS, style.pitch(0) - 12),
        Note(Part.PLUCK, 0, SLOTS, style.key + 24),
    )


def _chord(style: _Style, chord: int) -> Iterator[Note]:
    highest = style.key + 19
    for step in (0, 2, 4):
        pitch = style.pitch(chord + step) + 12
        yield Note(Part.PAD, 0, SLOTS, pitch - 12 if pitch > highest else pitch)


def _groove(style: _Style, chord: int) -> Iterator[Note]:
    for at, length in ((0, 3), (3, 1), (4, 4)):
        yield Note(Part.BASS, at, length, style.pitch(chord) - 12)
    tones = [style.pitch(chord + step) + 24 for step in (0, 2, 4, 7)]
    for at, tone in enumerate(style.arpeggio):
        yield Note(Part.PLUCK, at, 2, tones[tone])
    if style.drums:
        yield from (Note(Part.KICK, at, 1, 0) for at in (0, 4))
        yield from (Note(Part.SHAKER, at, 1, 0) for at in (2, 3, 6, 7))
