"""Files: every setting gives what it promises, with and without an encoder, and other decoders agree."""

import io
import shutil
import subprocess
import wave
from itertools import product
from pathlib import Path

import miniaudio  # type: ignore[import-untyped]  # it has no stubs
import pytest
import tinytag

from aiml_music.sandbox import Encoder, Sandbox, Settings, find_encoder, make_reference, running
from aiml_music.sandbox.encoding import (
    BITRATES,
    FORMATS,
    MARKER,
    SAMPLE_RATES_HZ,
    AudioSetting,
    Recording,
    Take,
    record,
)
from aiml_music.sandbox.mp3 import highest_bitrate, read_frame, walk_frames
from aiml_music.sandbox.probe import measure
from aiml_music.sandbox.score import Song
from aiml_music.sandbox.studio import Studio
from aiml_music.sandbox.wav import measure_wav, wav_file
from tests.sandbox.conftest import GENERATE, dial

SONG = Song("##Side by side##", voice=b"v", instrumental=b"i")
KINDS = {
    "both": SONG,
    "voice": Song("Side by side", voice=b"v"),
    "band": Song("Side by side", instrumental=b"i"),
}
LAME = find_encoder()
SHAPES = list(product(SAMPLE_RATES_HZ, BITRATES))
ENCODERS = [
    pytest.param(LAME, id="lame", marks=pytest.mark.skipif(LAME is None, reason="lameenc is not installed")),
    pytest.param(None, id="bars"),
]


def make(setting: AudioSetting, encoder: Encoder | None, song: Song = SONG, longest: float = 2.0) -> Recording:
    return record(Take(song, setting), longest=longest, encoder=encoder)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(("rate", "bitrate"), SHAPES)
def test_mp3s_are_what_they_claim(rate: int, bitrate: int, encoder: Encoder | None) -> None:
    """Rate, constant bit rate and length are as said: MPEG-2 has at most 160 kbit/s."""
    recording = make(AudioSetting(sample_rate=rate, bitrate=bitrate), encoder)
    decoded = miniaudio.decode(recording.audio, nchannels=1, sample_rate=rate)
    frames = list(walk_frames(recording.audio))
    assert recording.bitrate == min(bitrate, highest_bitrate(rate))
    assert {(frame.sample_rate_hz, frame.bitrate) for frame in frames} == {(rate, recording.bitrate)}
    assert decoded.num_frames == sum(frame.samples for frame in frames)
    assert recording.length_ms == round(decoded.num_frames / rate * 1000)
    assert recording.length_ms == pytest.approx(2000, abs=160)
    assert sum(frame.size for frame in frames) * 8000 / recording.length_ms == pytest.approx(
        recording.bitrate, rel=0.02
    )


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("rate", SAMPLE_RATES_HZ)
def test_mp3s_announce_how_much_follows(rate: int, encoder: Encoder | None) -> None:
    """Players need not guess the length: the first frame says how many frames and bytes there are, itself included."""
    audio = make(AudioSetting(sample_rate=rate, bitrate=64_000), encoder).audio
    at = audio.index(b"Info")
    stream = len(audio) - audio.index(b"\xff\xf3" if rate < 32_000 else b"\xff\xfb")
    counts = int.from_bytes(audio[at + 8 : at + 12], "big"), int.from_bytes(audio[at + 12 : at + 16], "big")
    assert counts == (len(list(walk_frames(audio))), stream)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(("rate", "bitrate"), SHAPES)
def test_ffmpeg_has_nothing_to_say(rate: int, bitrate: int, encoder: Encoder | None, tmp_path: Path) -> None:
    """A decoder that nobody here wrote takes every kind of MP3 without a warning."""
    recording = make(AudioSetting(sample_rate=rate, bitrate=bitrate), encoder)
    # From a file: of a pipe, whose length it cannot know, ffmpeg always complains.
    path = tmp_path / "track.mp3"
    path.write_bytes(recording.audio)
    command = ["ffmpeg", "-v", "warning", "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=20)
    assert done.stderr == b""


@pytest.mark.parametrize("encoder", ENCODERS)
def test_mp3s_carry_the_marker(encoder: Encoder | None) -> None:
    """Whoever opens the file with a player reads what it is, and the tag counts as part of the file."""
    recording = make(AudioSetting(), encoder)
    tag = tinytag.TinyTag.get(file_obj=io.BytesIO(recording.audio))
    assert (tag.title, tag.comment) == ("Sandbox track", MARKER)
    assert recording.extra_info["audio_size"] == len(recording.audio)
    assert measure(recording.audio) == pytest.approx(recording.length_ms / 1000, abs=0.001)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("name", KINDS)
def test_mp3s_are_music(name: str, encoder: Encoder | None) -> None:
    """Every second of every kind has something to hear."""
    recording = make(AudioSetting(), encoder, KINDS[name], longest=6.0)
    decoded = miniaudio.decode(recording.audio, nchannels=1, sample_rate=44100).samples
    seconds = [decoded[at : at + 44100] for at in range(0, 4 * 44100, 44100)]
    assert all(max(second) > 1000 for second in seconds)


@pytest.mark.parametrize(
    "other",
    [
        Song("##Other words##", voice=b"v", instrumental=b"i"),
        Song("##Side by side##", voice=b"w", instrumental=b"i"),
        Song("##Side by side##", voice=b"v", instrumental=b"j"),
        Song("##Side by side##", voice=b"v"),
    ],
)
def test_bars_follow_the_request(other: Song) -> None:
    """Without an encoder, too, another request is another sound, and the same one the same bytes."""
    one, again, another = (make(AudioSetting(), None, song, 20.0).audio for song in (SONG, SONG, other))
    assert one == again != another


@pytest.mark.parametrize(("rate", "bitrate"), SHAPES)
def test_wavs_are_what_they_claim(rate: int, bitrate: int) -> None:
    """A WAV has its own bit rate, whatever was asked, and opens everywhere."""
    recording = make(AudioSetting(format="wav", sample_rate=rate, bitrate=bitrate), None)
    with wave.open(io.BytesIO(recording.audio)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (rate, 1, 2)
        assert recording.length_ms == round(file.getnframes() / rate * 1000)
    assert recording.bitrate == rate * 16
    assert recording.sample_rate_hz == rate
    tag = tinytag.TinyTag.get(file_obj=io.BytesIO(recording.audio))
    assert (tag.title, tag.comment) == ("Sandbox track", MARKER)


@pytest.mark.parametrize(("rate", "bitrate"), SHAPES)
def test_pcm_is_the_wav_without_its_header(rate: int, bitrate: int) -> None:
    """Bare samples, and the numbers to read them by."""
    pcm, wav = (make(AudioSetting(format=name, sample_rate=rate, bitrate=bitrate), None) for name in ("pcm", "wav"))
    assert wav.audio.endswith(pcm.audio)
    assert (pcm.length_ms, pcm.bitrate, pcm.sample_rate_hz) == (wav.length_ms, rate * 16, rate)


@pytest.mark.parametrize("name", FORMATS)
def test_formats_over_the_wire(name: str) -> None:
    """The service gives the format that was asked for, with or without an encoder."""
    with running(sandbox=Sandbox(Settings(latency=0, longest_track=1), encoder=None)) as server, dial(server) as client:
        (voice,) = server.sandbox.add_reference(b"", ("vocal",))
        request = {"model": "music-01", "lyrics": "la", "refer_voice": voice, "audio_setting": {"format": name}}
        answer = client.post(GENERATE, json=request).json()
    audio = bytes.fromhex(answer["data"]["audio"])
    assert {"mp3": audio[:3] == b"ID3", "wav": audio[:4] == b"RIFF", "pcm": len(audio) == 2 * 44100}[name]
    assert answer["extra_info"]["audio_sample_rate"] == 44100


def test_an_encoder_that_is_not_installed_is_none() -> None:
    """Its absence is found without importing it."""
    assert find_encoder("no_such_module") is None


@pytest.mark.parametrize("encoder", ENCODERS)
def test_references_are_songs_of_the_asked_length(encoder: Encoder | None) -> None:
    """They can be uploaded, and another seed is another song."""
    one, again, other = (make_reference(4, seed, encoder=encoder) for seed in (0, 0, 1))
    assert one == again != other
    assert measure(one) == pytest.approx(4, abs=0.1)
    assert one[:4] == (b"RIFF" if encoder is None else b"ID3\x03")


@pytest.mark.parametrize("seconds", [0, -1, 601, float("nan")])
def test_references_have_bounds(seconds: float) -> None:
    """No reference is empty or endless."""
    with pytest.raises(ValueError, match="more than 0 and at most 600"):
        make_reference(seconds)


@pytest.mark.parametrize("setting", [AudioSetting(), AudioSetting(format="wav"), AudioSetting(format="pcm")])
def test_a_label_is_put_into_the_file_and_changes_nothing_else(setting: AudioSetting) -> None:
    """Bare samples have no room for one."""
    studio = Studio(encoder=None, longest=1.0)
    plain, first, second = (studio.record(Take(SONG, setting, label=label)).audio for label in ("", " one", " two"))
    assert len({plain, first, second}) == (1 if setting.format == "pcm" else 3)
    assert first.replace(b" one", b" two") == second
    assert measure(plain) == measure(first)


def test_a_studio_makes_a_track_once_and_forgets_the_oldest() -> None:
    """The same object comes back until other tracks need its place."""
    setting = AudioSetting(format="pcm", sample_rate=16000)
    studio = Studio(encoder=None, longest=1.0, kept_bytes=70_000)
    one, two, three = (Take(Song("la", voice=bytes([number])), setting) for number in range(3))
    first = studio.record(one)
    assert studio.record(one) is studio.remembered(one) is first
    studio.record(two)
    studio.record(three)
    assert studio.remembered(one) is None
    assert studio.remembered(three) is not None


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", "nothing"),
        ("fffb90", "cut"),
        ("fefb9000", "no sync"),
        ("fffd9000", "layer II"),
        ("ffeb9000", "reserved version"),
        ("fffb9c00", "reserved rate"),
        ("fffb0000", "free format"),
        ("fffbf000", "bad bit rate"),
    ],
)
def test_what_is_no_frame(header: str, reason: str) -> None:
    """A header that layer III does not know is not taken for a frame."""
    assert read_frame(bytes.fromhex(header)) is None, reason


@pytest.mark.parametrize(
    ("header", "size", "samples", "rate"),
    [
        ("fffb9000", 417, 1152, 44100),
        ("fffb9200", 418, 1152, 44100),
        ("fff39000", 261, 576, 22050),
        ("ffe39000", 522, 576, 11025),
    ],
)
def test_frames_of_every_version(header: str, size: int, samples: int, rate: int) -> None:
    """MPEG-1, 2 and 2.5 differ in their tables; the padding bit adds a byte."""
    frame = read_frame(bytes.fromhex(header))
    assert frame is not None
    assert (frame.size, frame.samples, frame.sample_rate_hz) == (size, samples, rate)


def _frame(header: str) -> bytes:
    frame = read_frame(bytes.fromhex(header))
    assert frame is not None
    return bytes.fromhex(header).ljust(frame.size, b"\0")


def test_frames_are_found_behind_other_bytes() -> None:
    """Some noise before the first frame is passed over; frames that disagree are noise as well."""
    good, other = _frame("fffb9000"), _frame("fff39000")
    assert len(list(walk_frames(b"\xff\xfb\x90" + b"noise" + good * 4))) == 4
    assert list(walk_frames(good + other + good)) == []
    assert list(walk_frames(good * 2)) == []
    assert len(list(walk_frames(good * 4 + good[:100]))) == 4


WAV = wav_file(bytes(1000), sample_rate_hz=100, title="t", comment="c")


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (WAV, 5.0),
        (WAV[:-500], 2.5),
        (WAV.replace(b"\xe8\x03\0\0", b"\xff\xff\xff\xff"), 5.0),
        (WAV.replace(b"fmt ", b"FMT "), None),
        (WAV.replace(b"data", b"DATA"), None),
        (WAV[:30], None),
        (b"RIFF    WAVE" + b"junk\0\0\0\0" * 2000, None),
        (WAV[:20] + bytes(16) + WAV[36:], None),
        (b"RIFF    AVI ", None),
    ],
    ids=["whole", "cut", "streamed", "no format", "no data", "cut early", "many chunks", "zero rate", "not a wave"],
)
def test_wav_lengths(data: bytes, seconds: float | None) -> None:
    """Only bytes that are there count, and a file without sense has no length."""
    extent = measure_wav(data)
    assert (extent and extent.seconds) == seconds
