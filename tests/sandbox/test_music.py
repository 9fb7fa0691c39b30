"""The music: it depends on what was asked and on nothing else, and it is fit to be heard."""

import math
from array import array
from itertools import pairwise

import pytest

from aiml_music.sandbox.dice import Dice
from aiml_music.sandbox.score import Part, Song, compose
from aiml_music.sandbox.syllables import Line, lines_of, wants_accompaniment
from aiml_music.sandbox.synth import play, seconds_of

RATE = 16000
LYRICS = "##Side by side, through thick and thin\n\nWith a laugh we always win##"
BOTH = Song(LYRICS, voice=b"v", instrumental=b"i")
PARTS = {
    "both": BOTH,
    "voice": Song(LYRICS, voice=b"v"),
    "band": Song(LYRICS, instrumental=b"i"),
}


def samples(pcm: bytes) -> "array[int]":
    return array("h", pcm)


def rms(values: "array[int]") -> float:
    return math.sqrt(sum(value * value for value in values) / len(values))


def difference(one: Song, other: Song) -> float:
    """Say how loud two songs are apart, beside how loud the first is."""
    first, second = (samples(play(song, sample_rate_hz=RATE, exactly=4.0)) for song in (one, other))
    return rms(array("i", (a - b for a, b in zip(first, second, strict=True)))) / rms(first)


@pytest.mark.parametrize(
    "other",
    [
        Song("##Quite other words for another day##", voice=b"v", instrumental=b"i"),
        Song(LYRICS, voice=b"w", instrumental=b"i"),
        Song(LYRICS, voice=b"v", instrumental=b"j"),
        Song(LYRICS, voice=b"v"),
        Song(LYRICS, instrumental=b"i"),
    ],
    ids=["lyrics", "voice", "instrumental", "a cappella", "no vocals"],
)
def test_everything_asked_for_is_heard(other: Song) -> None:
    """Other words, another voice, another or no accompaniment: another sound."""
    assert difference(BOTH, other) > 0.2


def test_the_same_song_sounds_the_same() -> None:
    """Nothing is left to chance."""
    assert difference(BOTH, Song(LYRICS, voice=b"v", instrumental=b"i")) == 0


@pytest.mark.parametrize("rate", [16000, 32000])
@pytest.mark.parametrize("name", PARTS)
def test_it_is_loud_enough_and_never_clips(name: str, rate: int) -> None:
    """The loudest sample stands just below full scale, and the whole is neither faint nor a roar."""
    sound = samples(play(PARTS[name], sample_rate_hz=rate, longest=6.0))
    extremes = (max(sound), -min(sound))
    assert 0.85 < max(extremes) / 32768 < 0.95
    assert 0.05 < rms(sound) / 32768 < 0.4


@pytest.mark.parametrize("name", PARTS)
def test_it_begins_and_ends_in_silence_without_clicks(name: str) -> None:
    """Both ends are faded, and no sample jumps far from the one before it."""
    sound = samples(play(PARTS[name], sample_rate_hz=32000, longest=6.0))
    assert abs(sound[0]) < 50
    assert abs(sound[-1]) < 50
    assert max(abs(after - before) for before, after in pairwise(sound)) < 9000


@pytest.mark.parametrize("lyrics", ["la", "Just one line", "two\nlines of it"])
def test_a_voice_alone_sings_to_the_end(lyrics: str) -> None:
    """However short the words are, no track ends in a bar that nobody sings or plays."""
    heard = samples(play(Song(lyrics, voice=b"v"), sample_rate_hz=RATE, longest=60.0))
    quarters = [heard[at : at + RATE // 4] for at in range(0, len(heard) - RATE // 4, RATE // 4)]
    silent = [max(map(abs, quarter)) < 200 for quarter in quarters]
    assert silent[::-1].index(False) < 12


def test_length_follows_the_lyrics() -> None:
    """More words take longer; few take ten seconds at least, and none take more than a minute."""
    short, longer, endless = (
        seconds_of(Song("##la la##" + "\nside by side we go" * lines, voice=b"v", instrumental=b"i"), longest=60)
        for lines in (0, 8, 200)
    )
    assert 10 <= short < longer < endless <= 60


@pytest.mark.parametrize(("longest", "rate"), [(0.5, 16000), (3.0, 44100), (9.0, 24000)])
def test_a_limit_of_length_is_kept(longest: float, rate: int) -> None:
    """A track may be cut short by choice, to the sample."""
    assert len(play(BOTH, sample_rate_hz=rate, longest=longest)) // 2 <= longest * rate


def test_an_exact_length_is_met() -> None:
    """A reference lasts as long as it should, with its lines sung again where they are too few."""
    assert len(play(BOTH, sample_rate_hz=RATE, exactly=21.5)) == 2 * 21.5 * RATE


@pytest.mark.parametrize(
    ("song", "voice", "band"),
    [
        (BOTH, True, True),
        (Song("no marks", voice=b"v", instrumental=b"i"), True, False),
        (Song(LYRICS, voice=b"v"), True, False),
        (Song(LYRICS, instrumental=b"i"), False, True),
        (Song("no marks", instrumental=b"i"), False, True),
    ],
    ids=["both", "both unmarked", "voice", "instrumental", "instrumental unmarked"],
)
def test_who_plays(song: Song, *, voice: bool, band: bool) -> None:
    """A voice sings where there is one; a band joins it only between `##`, and plays alone without."""
    score = compose(song, longest=60)
    assert {note.part for note in score.melody} == ({Part.VOICE} if voice else set())
    assert bool(score.band) == band


def test_some_bands_have_no_drums() -> None:
    """Whether there are drums is a matter of the reference."""
    bands = [compose(Song("la", instrumental=bytes([seed])), longest=60).band for seed in range(12)]
    drummed = [any(note.part is Part.KICK for bar in band for note in bar) for band in bands]
    assert set(drummed) == {True, False}


def test_each_syllable_has_a_note() -> None:
    """What can be sung is sung, in order and without overlap."""
    song = Song("Over the water\nthe morning is new", voice=b"v")
    melody = compose(song, longest=60).melody
    sung = "".join(vowel for line in lines_of(song.lyrics) for vowel in line.vowels)
    assert "".join(note.vowel for note in melody).startswith(sung)
    assert all(before.start + before.length <= after.start for before, after in pairwise(melody))


@pytest.mark.parametrize(
    ("lyrics", "lines"),
    [
        ("Side by side", [Line(("i", "i", "i"))]),
        ("##Storms may come##", [Line(("o", "a", "o"))]),
        ("one\n\ntwo\n\n\n", [Line(("o",), pause=True), Line(("o",), pause=True)]),
        ("the\nrhythm", [Line(("e",)), Line(("i",))]),
        ("Hmm 7", [Line(("a", "a"))]),
        ("don\u2019t", [Line(("o",))]),
        ("d\u00e9j\u00e0 vu", [Line(("e", "a", "u"))]),
        ("\u6708\u4eae", [Line(("i", "i"))]),
        ("...\n--", []),
        ("\n\nla", [Line(("a",))]),
        ("", []),
    ],
)
def test_lines_of_syllables(lyrics: str, lines: list[Line]) -> None:
    """Latin words fall into vowels, other scripts into characters; an empty line is a pause."""
    assert [len(line.vowels) for line in lines_of(lyrics)] == [len(line.vowels) for line in lines]
    assert [line.pause for line in lines_of(lyrics)] == [line.pause for line in lines]
    if lyrics.isascii():
        assert list(lines_of(lyrics)) == lines


def test_a_syllable_block_is_one_character() -> None:
    """A Korean block is one syllable, though it can be taken apart into letters."""
    (line,) = lines_of("\uc0ac\ub791")
    assert len(line.vowels) == 2


@pytest.mark.parametrize("lyrics", ["", "!?", "\u266a \u266a"])
def test_a_song_without_words_is_hummed(lyrics: str) -> None:
    """Nothing to sing is no reason for silence."""
    assert compose(Song(lyrics, voice=b"v"), longest=60).melody


@pytest.mark.parametrize(
    ("lyrics", "wanted"),
    [("##la##", True), ("\n##\nla\n##\n", True), ("##la", False), ("la##", False), ("####", False), ("la", False)],
)
def test_marks_at_both_ends_ask_for_accompaniment(lyrics: str, *, wanted: bool) -> None:
    """One mark alone asks for nothing."""
    assert wants_accompaniment(lyrics) == wanted


def test_dice_fall_the_same_way_for_ever() -> None:
    """The numbers are pinned, so a track sounds the same in the next release."""
    dice = Dice("a", b"b")
    assert [dice.roll(6) for _ in range(40)][::4] == [2, 0, 1, 3, 1, 2, 2, 5, 2, 2]


def test_dice_tell_their_seeds_apart() -> None:
    """Where one word ends and the next begins matters."""
    assert [Dice("ab", "c").roll(256) for _ in range(1)] != [Dice("a", "bc").roll(256) for _ in range(1)]
