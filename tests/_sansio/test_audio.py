"""The probe as its callers meet it: the whole corpus, impostors, and the first look at a stream."""

import pytest

from aiml_music._sansio.audio import AudioFormatError, probe, probe_bytes, sniff
from tests._sansio.audio_files import (
    Meter,
    Sample,
    cbr,
    corpus,
    frame,
    id3,
    id3v1,
    wav,
)

CORPUS = corpus()

IMPOSTORS = {
    b"fLaC\0\0\0\x22": "a FLAC file",
    b"OggS\0\x02": "an Ogg file",
    b"\0\0\0\x20ftypM4A \0\0\0\0": "an MP4 or M4A file",
    b"FORM\0\0\0\0AIFFCOMM": "an AIFF file",
    b"FORM\0\0\0\0AIFCFVER": "an AIFF file",
    b"RIFF\0\0\0\0AVI LIST": "an AVI video",
    b"RIFF\0\0\0\0WEBPVP8 ": "a RIFF file, but not a plain WAV",
    b"RIFX\0\0\0\0WAVEfmt ": "a big-endian WAV file",
    b"caff\0\x01\0\0desc": "a Core Audio file",
    b".snd\0\0\0\x18": "a Sun audio file",
    b"#!AMR\n": "an AMR file",
    b"MThd\0\0\0\x06": "a MIDI file",
    b"wvpk\0\0\0\0": "a WavPack file",
    b"MAC \x96\x0f": "a Monkey's Audio file",
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"): "a Windows Media file",
    b"\x1a\x45\xdf\xa3\x01": "a Matroska or WebM file",
    b"PK\x03\x04\x14\0": "a ZIP archive",
    b"\x1f\x8b\x08\0": "a gzip archive",
    b"%PDF-1.7": "a PDF document",
}

WEAK = {
    b"<!DOCTYPE html><html>": "an HTML page",
    b"\n <HTML lang=en>": "an HTML page",
    b'\xef\xbb\xbf<?xml version="1.0"?>': "an XML document",
    b'{"error": {"message": "no"}}': "JSON text",
    b"[1, 2]": "JSON text",
    bytes(100_000): "zero bytes",
    b"\xff\xf1\x50\x80\x2e\x7f\xfc" * 100: "an AAC (ADTS) stream",
    frame(128, layer=2) * 50: "MPEG audio of Layer II",
    frame(128, layer=3) * 50: "MPEG audio of Layer I",
    b"\xff\xfb\x00\x40".ljust(400, b"\0") * 50: "MP3 of free format, which tells no bitrate",
}


@pytest.mark.parametrize("sample", CORPUS, ids=[sample.name for sample in CORPUS])
def test_duration_is_that_of_the_sound_present(sample: Sample) -> None:
    """Whatever a file says about itself, the probe tells how many seconds of sound are in it, and whether some lack."""
    info = probe_bytes(sample.data)
    assert info.duration == pytest.approx(sample.seconds, rel=1e-9)
    assert info.truncated is sample.truncated


@pytest.mark.parametrize("sample", CORPUS, ids=[sample.name for sample in CORPUS])
def test_bitrate_is_the_mean_of_the_sound_present(sample: Sample) -> None:
    """Bitrate and duration account for every byte of sound, to within the one byte a frame is rounded by."""
    info = probe_bytes(sample.data)
    assert info.bitrate * info.duration / 8 == pytest.approx(info.audio_bytes, rel=0.005)
    assert info.audio_bytes <= len(sample.data)


@pytest.mark.parametrize("sample", CORPUS, ids=[sample.name for sample in CORPUS])
def test_reading_is_in_proportion(sample: Sample) -> None:
    """An MP3 is read once and in large pieces, a WAV a few thousand bytes in all."""
    meter = Meter(sample.data, len(sample.data))
    info = probe(meter, len(sample.data))
    if info.container == "wav":
        assert meter.reads <= 3
        assert meter.asked <= 10_000
    else:
        assert meter.reads <= 8 + info.audio_bytes // 200_000
        assert meter.asked <= info.audio_bytes * 1.01 + 1_000_000


def test_a_small_file_is_read_once() -> None:
    """A file that fits a window is read once, after the look at its first 12 bytes."""
    data = cbr(100) + id3v1()
    meter = Meter(data, len(data))
    probe(meter, len(data))
    assert (meter.reads, meter.asked) == (2, 12 + len(data))


def test_media_type_is_the_name_in_http() -> None:
    """Each container has its media type."""
    assert probe_bytes(cbr(100)).media_type == "audio/mpeg"
    assert probe_bytes(wav(bytes(400))).media_type == "audio/wav"


@pytest.mark.parametrize(("head", "name"), IMPOSTORS.items(), ids=IMPOSTORS.values())
def test_impostors_are_named(head: bytes, name: str) -> None:
    """A file of another kind is refused by its name, a tag in front or not."""
    assert sniff(head) == name
    for data in (head + bytes(1000), id3(b"title") + head + bytes(1000)):
        with pytest.raises(AudioFormatError, match=f"^this is {name}$") as caught:
            probe_bytes(data)
        assert caught.value.reason == f"this is {name}"


@pytest.mark.parametrize(("data", "name"), WEAK.items(), ids=WEAK.values())
def test_what_is_no_audio_is_guessed(data: bytes, name: str) -> None:
    """A file with no sound in it is refused, with a guess at what it is."""
    assert sniff(data) is None
    with pytest.raises(AudioFormatError) as caught:
        probe_bytes(data)
    assert caught.value.reason == f"this is {name}"


@pytest.mark.parametrize("size", [0, -1])
def test_an_empty_file_is_refused_unread(size: int) -> None:
    """A file without bytes is refused without reading."""
    meter = Meter(b"", size)
    with pytest.raises(AudioFormatError, match="the file is empty"):
        probe(meter, size)
    assert meter.reads == 0


def test_bytes_of_any_make_are_taken() -> None:
    """Bytes and memory views of any item size are probed alike."""
    for data in (cbr(20, 64, 32_000), wav(bytes(4000))):
        expected = probe_bytes(data)
        assert probe_bytes(memoryview(data)) == expected
        assert probe_bytes(memoryview(data).cast("I")) == expected


@pytest.mark.parametrize("there", [100_000, 417 * 700])
def test_a_file_shorter_than_announced_ends_where_it_ends(there: int) -> None:
    """When fewer bytes come than the size promised, what came is measured."""
    data = cbr()[:there]
    assert probe(Meter(data, there), len(cbr())) == probe_bytes(data)


def test_what_the_reader_raises_goes_through() -> None:
    """An error of the door is not made into an error of the format."""

    def broken(offset: int, count: int) -> bytes:
        raise OSError(f"no {count} bytes at {offset}")

    with pytest.raises(OSError, match="no 12 bytes at 0"):
        probe(broken, 1000)
