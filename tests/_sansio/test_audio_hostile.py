"""Files made to hurt: however large or broken, a probe ends after a bounded number of bounded reads."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiml_music._sansio.audio import AudioFormatError, AudioInfo, probe, probe_bytes
from tests._sansio.audio_files import (
    Meter,
    adpcm,
    ape,
    cbr,
    chunk,
    extensible,
    fmt,
    frame,
    frame_seconds,
    id3,
    id3v1,
    lyrics3,
    rf64,
    vbr,
    wav,
    xing,
)

HUGE = 3 * 2**30
WINDOW = 256 * 1024
SCRAP = frame(320) * 3 + b"\1"

GOOD = [
    cbr(12),
    cbr(12, 8, 8000, mono=True),
    xing(12) + vbr(12),
    id3(bytes(40)) + id3(b"", footer=True) + cbr(8) + id3v1(),
    ape(bytes(40)) + vbr(8) + lyrics3(b"la") + id3v1(),
    wav(bytes(400)),
    wav(bytes(400), extensible(), before=chunk(b"LIST", b"odd")),
    wav(bytes(400), fmt(3, 1, 8000, 32)),
    rf64(bytes(400)),
    adpcm(2, 2, 4000),
    adpcm(0x11, 2, None),
]


def measured(data: bytes) -> AudioInfo | None:
    """What the probe finds in `data`, `None` if it refuses; reading is bounded either way."""
    meter = Meter(data, len(data))
    try:
        info = probe(meter, len(data))
    except AudioFormatError:
        info = None
    assert meter.reads <= 300
    return info


@pytest.mark.parametrize(
    ("name", "head", "filling", "reads"),
    [
        ("zeros", b"", b"\0", 2),
        ("ones", b"", b"\xff", 2),
        ("tiny tags", b"", id3(b""), 2),
        ("large tags", b"", id3(bytes(10_000)), 70),
        ("fake sync words", b"", b"\xff\xfb\x90\x40", 2),
        ("fake sync words that line up", b"", b"\xff\xfb\x94\x40", 2),
        ("noise", b"", random.Random(5).randbytes(99_991), 2),
        ("pairs of frames", b"", frame() * 2 + b"\1", 2),
        ("MP4", b"\0\0\0\x20ftypM4A ", b"\0", 2),
        ("tiny chunks", b"RIFF\0\0\0\0WAVE", chunk(b"junk", b""), 3),
        ("chunks to the end", b"RIFF\0\0\0\0WAVE", chunk(b"junk", bytes(8000)), 300),
        ("a chunk beyond the end", b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xff", b"\0", 3),
        ("WAV of zeros", b"RIFF\0\0\0\0WAVE", b"\0", 3),
    ],
)
def test_three_gigabytes_of_nothing_are_refused_at_once(name: str, head: bytes, filling: bytes, reads: int) -> None:
    """A file of any size without sound in it is refused after a look at its beginning."""
    meter = Meter(head, HUGE, filling)
    with pytest.raises(AudioFormatError):
        probe(meter, HUGE)
    assert meter.reads <= reads, name
    assert meter.asked <= reads * WINDOW, name


def test_a_start_before_three_gigabytes_of_zeros_is_measured() -> None:
    """Thirty seconds of sound before gigabytes of zeros are thirty seconds, cut off."""
    head = cbr(1150)
    meter = Meter(head, HUGE)
    info = probe(meter, HUGE)
    assert info.duration == pytest.approx(1150 * frame_seconds())
    assert info.truncated
    assert meter.reads <= 6
    assert meter.asked <= 6 * WINDOW


def test_sound_without_end_is_given_up() -> None:
    """Gigabytes of true frames are read for 64 MiB and then refused."""
    one = frame(320, 32_000)
    meter = Meter(b"", HUGE, one * 100)
    with pytest.raises(AudioFormatError, match="no end to it within 64 MiB"):
        probe(meter, HUGE)
    assert meter.asked <= 64 * 1024 * 1024 + 12
    assert meter.reads <= 260


def test_sound_broken_again_and_again_is_given_up() -> None:
    """A byte of junk behind every third frame, for ever, uses up what may be skipped or read, not more."""
    meter = Meter(b"", HUGE, SCRAP * 50)
    with pytest.raises(AudioFormatError, match="no end to it within 64 MiB"):
        probe(meter, HUGE)
    assert meter.asked <= 64 * 1024 * 1024 + 12


def test_broken_sound_that_ends_is_read_little_more_than_once() -> None:
    """Finding the next frame after each of ten thousand breaks does not read the file again."""
    data = SCRAP * 10_000
    meter = Meter(data, len(data))
    info = probe(meter, len(data))
    assert info.duration == pytest.approx(30_000 * frame_seconds())
    assert meter.asked <= len(data) * 1.5


@pytest.mark.parametrize("seed", range(3))
def test_a_megabyte_of_noise_is_refused(seed: int) -> None:
    """Noise is no MP3, though sync words occur in it by chance."""
    with pytest.raises(AudioFormatError):
        probe_bytes(random.Random(seed).randbytes(1_000_000))


def test_the_longest_reference_allowed_is_cheap() -> None:
    """Ten minutes of 44.1 kHz stereo WAV, 106 MB, take two small reads."""
    head = wav(b"", says=4 * 600 * 44_100)
    meter = Meter(head, len(head) + 4 * 600 * 44_100)
    assert probe(meter, meter.size).duration == 600.0
    assert meter.reads <= 2
    assert meter.asked <= 5000


def test_no_mutation_of_a_good_file_breaks_the_probe() -> None:
    """Whatever is changed, cut, doubled or moved in a good file, the answer is facts within the file, or a refusal."""
    dice = random.Random(20)
    found = 0
    for _ in range(4000):
        data = bytearray(dice.choice(GOOD))
        for _ in range(dice.randint(1, 8)):
            # Half of the changes hit the headers, where they hurt.
            at = dice.randrange(min(len(data), dice.choice((64, 1 << 20))))
            piece = data[at : at + dice.choice((1, 4, 100))]
            change = dice.choice((b"", b"\0", b"\xff\xff\xff\xff", dice.randbytes(len(piece)), bytes(piece * 2)))
            data[at : at + len(piece)] = change
            data = data or bytearray(1)
        info = measured(bytes(data))
        if info is not None:
            found += 1
            assert info.audio_bytes <= len(data)
            assert info.bitrate > 0
    assert 400 < found < 4000


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"ID3", b"RIFF\0\0\0\0WAVE", b"RF64\0\0\0\0WAVEds64", b"\xff\xfb"])
)
def test_no_bytes_break_the_probe(tail: bytes, head: bytes) -> None:
    """Any bytes behind any beginning give facts or a refusal."""
    measured(head + tail)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([*GOOD, frame(), frame(32, 8000), id3(b"a"), id3v1(), b"\0", b"\xff", fmt()]), max_size=12)
)
def test_no_mixture_of_good_parts_breaks_the_probe(parts: list[bytes]) -> None:
    """Parts of good files in any order give facts or a refusal, and never more sound than there are bytes."""
    data = b"".join(parts)
    info = measured(data)
    assert info is None or info.audio_bytes <= len(data)
