"""The chunks of a WAV: encodings, lengths that are not true, files that are broken."""

import struct

import pytest

from aiml_music._sansio.audio import AudioFormatError, probe, probe_bytes
from tests._sansio.audio_files import Meter, adpcm, chunk, extensible, fmt, ms_adpcm_samples, rf64, wav


@pytest.mark.parametrize(
    ("tag", "bits", "encoding"),
    [
        (1, 8, "pcm_u8"),
        (1, 16, "pcm_s16"),
        (1, 24, "pcm_s24"),
        (1, 32, "pcm_s32"),
        (3, 32, "float32"),
        (3, 64, "float64"),
        (6, 8, "alaw"),
        (7, 8, "mulaw"),
    ],
)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_every_plain_encoding_is_measured(tag: int, bits: int, encoding: str, channels: int) -> None:
    """Each encoding of fixed size, told plainly or by GUID, gives its name, length and bitrate."""
    sound = bytes(channels * bits // 8 * 44_100 * 2)
    for form in (fmt(tag, channels, 44_100, bits), extensible(tag, channels, bits)):
        info = probe_bytes(wav(sound, form))
        assert (info.container, info.encoding, info.channels) == ("wav", encoding, channels)
        assert (info.duration, info.sample_rate_hz) == (2.0, 44_100)
        assert info.bitrate == channels * bits * 44_100
        assert info.audio_bytes == len(sound)
        assert not info.variable_bitrate


@pytest.mark.parametrize(("bits", "block"), [(12, 2), (20, 3), (24, 4)])
def test_samples_may_fill_their_bytes_in_part(bits: int, block: int) -> None:
    """A sample of 20 bits in three bytes is three bytes long."""
    info = probe_bytes(wav(bytes(block * 8000), fmt(1, 1, 8000, bits, block)))
    assert (info.encoding, info.duration) == (f"pcm_s{8 * block}", 1.0)


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        (fmt(0x31, 1, 8000, 0, 65), "encoding 0x0031"),
        (fmt(1, 2, 8000, 16, 0), "blocks of 0 bytes"),
        (fmt(1, 2, 8000, 16, 3), "blocks of 3 bytes"),
        (fmt(1, 2, 8000, 16, 5), "blocks of 5 bytes"),
        (fmt(1, 1, 8000, 64), "64 bits"),
        (fmt(1, 1, 8000, 24, 2), "24 bits"),
        (fmt(1, 1, 8000, 0, 2), "0 bits"),
        (fmt(3, 1, 8000, 16), "encoding 0x0003"),
        (fmt(2, 2, 8000, 4, 14), "encoding 0x0002"),
        (fmt(2, 2, 8000, 3, 1024), "encoding 0x0002"),
        (extensible(tail="210700d31186 44c8c1ca00000000"), "encoding 0xfffe"),
        (fmt(0xFFFE), "encoding 0xfffe"),
        (fmt(0x55, bits=0, block=1), "MP3 wrapped in WAV"),
        (fmt(1, 0, 8000, 16, 2), "claims 0 channels at 8000 Hz"),
        (fmt(1, 65), "claims 65 channels"),
        (fmt(1, 2, 0), "at 0 Hz"),
        (fmt(1, 2, 999), "at 999 Hz"),
        (fmt(1, 2, 0xFFFF_FFFF), "at 4294967295 Hz"),
        (chunk(b"fmt ", bytes(15)), "cut short"),
    ],
)
def test_a_format_that_makes_no_sense_is_refused(form: bytes, reason: str) -> None:
    """A format that is unknown or contradicts itself is refused by its own words."""
    with pytest.raises(AudioFormatError, match=reason):
        probe_bytes(wav(bytes(1000), form))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (wav(b""), "no sound in it"),
        (wav(bytes(3)), "no sound in it"),
        (wav(bytes(400), b""), "before its format"),
        (wav(bytes(400), b"", after=fmt()), "before its format"),
        (b"RIFF\x04\0\0\0WAVE", "ends before its sound"),
        (b"RIFF\x04\0\0\0WAVE" + fmt(), "ends before its sound"),
        (b"RIFF\x04\0\0\0WAVE" + fmt() + b"data\0\0\0", "ends before its sound"),
        (wav(bytes(400), before=chunk(b"LIST", b"", says=0xFFFF_FFFF)), "ends before its sound"),
        (wav(bytes(400), before=chunk(b"junk", b"") * 256), "more than 256 chunks"),
    ],
)
def test_a_file_without_sound_is_refused(data: bytes, reason: str) -> None:
    """Chunks that lack, or never come to the sound, are a reason to refuse."""
    with pytest.raises(AudioFormatError, match=reason):
        probe_bytes(data)


@pytest.mark.parametrize("cut", range(1, 397))
def test_a_cut_anywhere_in_the_sound_leaves_what_is_there(cut: int) -> None:
    """A WAV that lacks bytes has the whole samples that are there, and is truncated."""
    info = probe_bytes(wav(bytes(400))[:-cut])
    assert info.duration == (400 - cut) // 4 / 44_100
    assert info.truncated


@pytest.mark.parametrize("says", [0, 0x7FFF_F000, 0x7FFF_FFFF - 36, 0xFFFF_FFFF - 36, 0xFFFF_FFFF])
def test_a_streamed_length_means_to_the_end(says: int) -> None:
    """What a writer leaves that cannot go back is no claim, and so no truncation."""
    info = probe_bytes(wav(bytes(4 * 44_100), says=says))
    assert info.duration == 1.0
    assert not info.truncated


def test_a_length_of_64_bits_is_believed_up_to_what_is_there() -> None:
    """In RF64 the length stands in another chunk, and the bytes there are its limit."""
    sound = bytes(4 * 44_100)
    assert probe_bytes(rf64(sound, says=2 * 44_100)).duration == 0.5
    info = probe_bytes(rf64(sound, says=8 * 44_100))
    assert (info.duration, info.truncated) == (1.0, True)
    assert probe_bytes(rf64(sound, says=2**64 - 100)).duration == 1.0


def test_sound_beyond_four_gigabytes_is_measured() -> None:
    """A length that needs 64 bits is measured without reading the sound."""
    size = 5 * 2**30
    head = rf64(b"", says=size)
    meter = Meter(head, len(head) + size)
    assert probe(meter, meter.size).duration == size // 4 / 44_100
    assert meter.asked < 10_000


@pytest.mark.parametrize("missing", [0, 1, 1017, 1018, 1023])
@pytest.mark.parametrize("whole", [0, 9])
def test_a_block_of_adpcm_cut_short_counts_for_what_it_holds(whole: int, missing: int) -> None:
    """The samples of a last block that is not whole are those its bytes hold."""
    rest = 1024 - missing
    samples = ms_adpcm_samples(whole) + (2 + 2 * (rest - 7) if rest >= 7 else 0)
    data = adpcm(2, whole + 1, None)
    kept = data[: len(data) - missing]
    if samples:
        assert probe_bytes(kept).duration == pytest.approx(samples / 22_050)
    else:
        with pytest.raises(AudioFormatError, match="no sound in it"):
            probe_bytes(kept)


@pytest.mark.parametrize(("fact", "taken_off"), [(0, 0), (1, 0), (-1, 1), (-2035, 2035), (-2036, 0), (1000, 0)])
def test_a_fact_takes_off_at_most_a_block(fact: int, taken_off: int) -> None:
    """The count of samples that ADPCM declares is believed within its last block only."""
    samples = ms_adpcm_samples(10)
    info = probe_bytes(adpcm(2, 10, fact if fact in {0, 1} else samples + fact))
    assert info.duration == pytest.approx((samples - taken_off) / 22_050)


def test_a_fact_does_not_touch_plain_sound() -> None:
    """Where bytes tell the length, a count beside them does not."""
    data = wav(bytes(4 * 44_100), fmt() + chunk(b"fact", struct.pack("<I", 44_099)))
    assert probe_bytes(data).duration == 1.0


def test_adpcm_has_two_samples_a_byte_and_channel() -> None:
    """Both kinds of ADPCM are measured in mono and stereo."""
    assert probe_bytes(adpcm(0x11, 3, None, channels=2)).duration == pytest.approx(3 * (1 + 1016) / 22_050)
    assert probe_bytes(adpcm(2, 3, None, channels=2)).duration == pytest.approx(3 * (2 + 1010) / 22_050)
    assert probe_bytes(adpcm(0x11, 3, None)).encoding == "adpcm_ima"
    assert probe_bytes(adpcm(2, 3, None)).encoding == "adpcm_ms"


def test_the_last_format_before_the_sound_holds() -> None:
    """Chunks of any number and order before the sound are read in turn."""
    before = chunk(b"LIST", b"odd") + fmt(1, 1, 8000, 8) + chunk(b"bext", bytes(10_001))
    assert probe_bytes(wav(bytes(4 * 44_100), before=before)).duration == 1.0
