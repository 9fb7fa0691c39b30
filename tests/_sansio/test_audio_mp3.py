"""The walk through an MP3: headers, runs of frames, tags, junk, cuts."""

import random

import pytest

from aiml_music._sansio.audio import AudioFormatError, probe_bytes
from tests._sansio.audio_files import (
    ALL_FRAMES,
    ape,
    cbr,
    frame,
    frame_seconds,
    id3,
    id3v1,
    vbr,
    vbri,
    xing,
)

SMALL = cbr(20, 8, 8000)
SMALL_BYTES = 72


@pytest.mark.parametrize(("rate", "kbits"), ALL_FRAMES)
@pytest.mark.parametrize("mono", [False, True])
def test_every_header_is_read(rate: int, kbits: int, mono: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Each version, rate, bitrate, padding and mode of Layer III gives its length, channels and bitrate."""
    data = (frame(kbits, rate, mono=mono) + frame(kbits, rate, mono=mono, padding=1)) * 5
    info = probe_bytes(data)
    assert (info.container, info.encoding) == ("mp3", "mp3")
    assert info.duration == pytest.approx(10 * frame_seconds(rate))
    assert info.sample_rate_hz == rate
    assert info.channels == (1 if mono else 2)
    assert info.bitrate == kbits * 1000
    assert not info.variable_bitrate
    assert info.audio_bytes == len(data)


@pytest.mark.parametrize("second", [0xFA, 0xFB])
@pytest.mark.parametrize("private", [0, 1])
def test_bits_of_no_weight_are_ignored(second: int, private: int) -> None:
    """A checksum or a private bit does not change how long a frame is."""
    one = bytes((0xFF, second, 0x90 | private, 0x44)).ljust(417, b"\0")
    assert probe_bytes(one * 10).duration == pytest.approx(10 * frame_seconds())


def test_a_bitrate_is_variable_when_frames_differ() -> None:
    """Variable means that frames differ; the encoder's own header is no frame of sound."""
    assert probe_bytes(vbr(50)).variable_bitrate
    assert not probe_bytes(xing(50, b"Info") + cbr(50, 320)).variable_bitrate


def test_a_mean_bitrate_weighs_by_time() -> None:
    """Half the time at 32 kbit/s and half at 320 is 176 on average."""
    assert probe_bytes(cbr(50, 32) + cbr(50, 320)).bitrate == 176_000


def test_a_checksum_does_not_hide_the_header_of_the_encoder() -> None:
    """The encoder's header is found two bytes further on, too."""
    first = bytes((0xFF, 0xFA, 0x90, 0x40)) + bytes(2 + 32) + b"Info\0\0\0\x01\0\0\0\x10"
    assert probe_bytes(first.ljust(417, b"\0") + cbr(16)).duration == pytest.approx(16 * frame_seconds())


def test_a_name_deep_in_a_frame_is_sound() -> None:
    """Four letters where no header can be do not cost a frame."""
    first = frame(body=bytes(100) + b"Xing\0\0\0\x01\0\0\0\x10")
    assert probe_bytes(first + cbr(16)).duration == pytest.approx(17 * frame_seconds())


@pytest.mark.parametrize("claim", [xing(21), xing(20), vbri(20)])
def test_a_claim_of_one_more_is_no_truncation(claim: bytes) -> None:
    """Some encoders count their own header as a frame."""
    assert not probe_bytes(claim + cbr(20)).truncated


@pytest.mark.parametrize("claim", [xing(22), vbri(22)])
def test_a_claim_of_two_more_is_truncation(claim: bytes) -> None:
    """An MP3 cut exactly between frames is known by its encoder's count."""
    info = probe_bytes(claim + cbr(20))
    assert info.truncated
    assert info.duration == pytest.approx(20 * frame_seconds())


@pytest.mark.parametrize("behind", [b"", frame()[:100], id3v1(), bytes(500)])
def test_no_frame_of_sound_is_refused(behind: bytes) -> None:
    """A file with the encoder's header and no whole frame behind it has no sound."""
    with pytest.raises(AudioFormatError):
        probe_bytes(xing(5) + behind)


@pytest.mark.parametrize("cut", range(3 * SMALL_BYTES, len(SMALL)))
def test_a_cut_anywhere_leaves_the_whole_frames(cut: int) -> None:
    """An MP3 cut anywhere has the frames that are whole, and is truncated unless the cut is between two."""
    info = probe_bytes(SMALL[:cut])
    whole, rest = divmod(cut, SMALL_BYTES)
    assert info.duration == pytest.approx(whole * frame_seconds(8000))
    assert info.truncated is (rest > 0)


@pytest.mark.parametrize("behind", [b"\0", b"\xff\x00", b"end", id3v1(), ape(b"x"), bytes(5000), b"\xff\xfb\x90"])
def test_a_tail_that_is_no_frame_is_no_truncation(behind: bytes) -> None:
    """Tags, padding and scraps behind the last frame are neither sound nor a loss of it."""
    info = probe_bytes(cbr(20, 64, 48_000) + behind)
    assert info.duration == pytest.approx(20 * frame_seconds(48_000))
    assert not info.truncated


@pytest.mark.parametrize("junk", [1, 417, 1000, 65_000, 65_536])
def test_junk_before_the_first_frame_is_skipped(junk: int) -> None:
    """Up to 64 KiB of anything may stand before the sound."""
    noise = random.Random(junk).randbytes(junk)
    info = probe_bytes(noise + cbr(100))
    assert info.duration == pytest.approx(100 * frame_seconds())


def test_the_footer_of_a_tag_is_no_junk() -> None:
    """The ten bytes that end a tag belong to it, and leave the 64 KiB whole."""
    data = id3(b"", footer=True) + b"\1" * 65_536 + cbr(100)
    assert probe_bytes(data).duration == pytest.approx(100 * frame_seconds())


def test_more_junk_is_refused() -> None:
    """One byte more than 64 KiB before the sound is too much."""
    with pytest.raises(AudioFormatError, match="no two consecutive MPEG frames in the first 64 KiB"):
        probe_bytes(b"\x01" * 65_537 + cbr(100))


def test_junk_is_counted_over_the_whole_file() -> None:
    """What was skipped at one place cannot be skipped again at another: the walk ends there, and says so."""
    half = b"\x01" * 40_000
    info = probe_bytes(half + cbr(50) + half + cbr(50))
    assert info.duration == pytest.approx(50 * frame_seconds())
    assert info.truncated
    assert not probe_bytes(half + cbr(50) + half[:20_000] + cbr(50)).truncated


def test_a_splice_of_two_rates_is_added_up() -> None:
    """Where the sample rate changes, each part counts by its own."""
    info = probe_bytes(cbr(50, 128, 44_100) + cbr(50, 64, 22_050, mono=True))
    assert info.duration == pytest.approx(50 * frame_seconds(44_100) + 50 * frame_seconds(22_050))
    assert (info.sample_rate_hz, info.channels) == (44_100, 2)


def test_a_stray_frame_behind_the_sound_is_not_counted() -> None:
    """A header of another sample rate does not go on with the stream."""
    info = probe_bytes(cbr(50) + frame(rate=48_000) + b"\1" * 2000)
    assert info.duration == pytest.approx(50 * frame_seconds())


def test_the_smallest_frames_are_not_taken_for_forgeries() -> None:
    """Frames of 24 bytes, each with the same header, are sound."""
    assert probe_bytes(cbr(100, 8, 24_000)).duration == pytest.approx(100 * frame_seconds(24_000))


def test_one_header_among_junk_is_no_frame() -> None:
    """A header needs two agreeing ones behind it: a lone one, or a pair, in front of the sound is junk."""
    rogue = frame(32, 8000 * 4)
    for junk in (rogue[:4], rogue[:4].ljust(300, b"\1"), rogue + b"\1" * 50, rogue * 2 + b"\1" * 50):
        assert probe_bytes(junk + cbr(100)).duration == pytest.approx(100 * frame_seconds())


def test_a_header_that_disagrees_in_rate_is_no_follower() -> None:
    """Frames of different sample rates do not bear each other out."""
    mixed = frame(rate=44_100) + frame(rate=48_000) + frame(rate=32_000)
    with pytest.raises(AudioFormatError):
        probe_bytes(mixed * 60)


@pytest.mark.parametrize("count", [1, 2])
def test_few_frames_are_enough_when_the_file_ends(count: int) -> None:
    """The end of the file bears a frame out as well as another frame does."""
    assert probe_bytes(cbr(count)).duration == pytest.approx(count * frame_seconds())


def test_a_frame_cut_short_is_no_sound() -> None:
    """A single frame that is not whole is nothing."""
    with pytest.raises(AudioFormatError):
        probe_bytes(frame()[:-1])


@pytest.mark.parametrize("says", [50, 100, 250_000_000])
def test_a_tag_as_long_as_the_file_is_refused(says: int) -> None:
    """A tag that claims every byte there is, or more, leaves no sound, and is not waited for."""
    with pytest.raises(AudioFormatError, match="nothing in it but tags"):
        probe_bytes(id3(bytes(50), says=says))


@pytest.mark.parametrize("tag", [b"ID3\x04\0\0\x80\0\0\0", b"ID2" + bytes(7), b"APETAGE" + bytes(25)])
def test_what_only_resembles_a_tag_is_junk(tag: bytes) -> None:
    """A tag with an impossible length, or a name that is not quite one, is skipped as junk."""
    assert probe_bytes(tag + cbr(50)).duration == pytest.approx(50 * frame_seconds())
    with pytest.raises(AudioFormatError, match="no two consecutive"):
        probe_bytes(tag)


def test_frames_inside_a_tag_are_not_sound() -> None:
    """A tag is skipped by its length: music in its picture does not count."""
    assert probe_bytes(id3(cbr(100)) + cbr(50)).duration == pytest.approx(50 * frame_seconds())


def test_sixty_four_tags_are_skipped_and_more_refused() -> None:
    """Tags are skipped as long as there is an end to them."""
    assert probe_bytes(id3(b"") * 64 + cbr(50)).duration == pytest.approx(50 * frame_seconds())
    with pytest.raises(AudioFormatError, match="it has more than 64 tags"):
        probe_bytes(id3(b"") * 65 + cbr(50))


def test_frames_across_the_edges_of_a_window_are_counted_once() -> None:
    """Wherever reading is cut into pieces, no frame is lost or counted twice."""
    for lead in range(0, 1500, 99):
        data = b"\0" * lead + vbr(2000, seed=lead)
        info = probe_bytes(data)
        assert info.duration == pytest.approx(2000 * frame_seconds())
        assert info.audio_bytes == len(data) - lead


@pytest.mark.parametrize("lead", range(1320, 1330))
def test_the_largest_frame_may_lie_across_the_edge(lead: int) -> None:
    """A frame of 1441 bytes of which all but one are in the window is counted."""
    data = bytes(lead) + frame(320, 32_000, padding=1) * 400
    assert probe_bytes(data).audio_bytes == len(data) - lead
