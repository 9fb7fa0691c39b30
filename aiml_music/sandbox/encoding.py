"""Samples to files: MP3, WAV or bare PCM, marked as the sandbox's own, with the numbers that describe them."""

import importlib
import importlib.util
from typing import Protocol

from attrs import evolve, frozen

from aiml_music.sandbox.bars import join
from aiml_music.sandbox.mp3 import highest_bitrate, id3_tag, info_frame, walk_frames
from aiml_music.sandbox.score import Song
from aiml_music.sandbox.synth import play, seconds_of
from aiml_music.sandbox.wav import wav_file

FORMATS = ("mp3", "wav", "pcm")
SAMPLE_RATES_HZ = (16000, 24000, 32000, 44100)
BITRATES = (32000, 64000, 128000, 256000)

TITLE = "Sandbox track"
MARKER = "aiml_music sandbox: vocalise, not words"

_PCM_BITS = 16


class Encoder(Protocol):
    """Turns 16-bit little-endian mono samples into the frames of an MP3 of constant bit rate."""

    def __call__(self, pcm: bytes, *, sample_rate_hz: int, bitrate: int) -> bytes:
        """Return the frames."""


@frozen(kw_only=True)
class AudioSetting:
    """What the audio shall be.

    The service documents no default for rate and bit rate; the sandbox takes what is usual for music.
    """

    format: str = "mp3"
    sample_rate: int = 44100
    bitrate: int = 128000


@frozen
class Take:
    """What is to be recorded.

    Args:
        song: the music.
        setting: what the file shall be.
        exactly: seconds that the track lasts, whatever the lyrics.
        label: is written into the file, so that two takes differ though their music happens to be the same.
    """

    song: Song
    setting: AudioSetting
    exactly: float | None = None
    label: str = ""


@frozen(kw_only=True)
class Recording:
    """A finished file and what it truly is; `length_ms` is in milliseconds."""

    audio: bytes
    length_ms: int
    bitrate: int
    sample_rate_hz: int

    @property
    def extra_info(self) -> dict[str, int]:
        """The same in the service's words."""
        return {
            "audio_length": self.length_ms,
            "audio_size": len(self.audio),
            "audio_bitrate": self.bitrate,
            "audio_sample_rate": self.sample_rate_hz,
        }


def find_encoder(module: str = "lameenc") -> Encoder | None:
    """Return LAME as an encoder, or `None` when its package is not installed."""
    if importlib.util.find_spec(module) is None:
        return None
    lame = importlib.import_module(module)

    def encode(pcm: bytes, *, sample_rate_hz: int, bitrate: int) -> bytes:
        encoder = lame.Encoder()
        encoder.silence()
        encoder.set_channels(1)
        encoder.set_quality(5)
        encoder.set_in_sample_rate(sample_rate_hz)
        encoder.set_out_sample_rate(sample_rate_hz)
        encoder.set_bit_rate(bitrate // 1000)
        return bytes(encoder.encode(pcm)) + bytes(encoder.flush())

    return encode


LAME = find_encoder()


def record(take: Take, *, longest: float, encoder: Encoder | None) -> Recording:
    """Return a song as a file without its label; without an encoder, an MP3 is joined from ready-made bars."""
    song, setting = take.song, take.setting
    exactly = None if take.exactly is None else min(take.exactly, longest)
    if setting.format == "mp3" and encoder is None:
        seconds = exactly or seconds_of(song, longest=longest)
        bitrate = _possible_bitrate(setting)
        return _mp3(join(song, seconds=seconds, sample_rate_hz=setting.sample_rate, bitrate=bitrate), setting)
    pcm = play(song, sample_rate_hz=setting.sample_rate, longest=longest, exactly=exactly)
    if setting.format == "mp3" and encoder is not None:
        return as_mp3(pcm, setting, encoder)
    return Recording(
        audio=as_wav(pcm, setting) if setting.format == "wav" else pcm,
        length_ms=round(len(pcm) // 2 / setting.sample_rate * 1000),
        bitrate=setting.sample_rate * _PCM_BITS,
        sample_rate_hz=setting.sample_rate,
    )


def labelled(recording: Recording, take: Take) -> Recording:
    """Return the recording of a take with its label, which bare PCM has no room for."""
    if not take.label or take.setting.format == "pcm":
        return recording
    if take.setting.format == "wav":
        pcm = recording.audio[len(as_wav(b"", take.setting)) :]
        return evolve(recording, audio=as_wav(pcm, take.setting, take.label))
    stream = recording.audio[len(id3_tag(TITLE, MARKER)) :]
    return evolve(recording, audio=id3_tag(TITLE, MARKER + take.label) + stream)


def as_wav(pcm: bytes, setting: AudioSetting, label: str = "") -> bytes:
    """Return samples as a marked WAV file."""
    return wav_file(pcm, sample_rate_hz=setting.sample_rate, title=TITLE, comment=MARKER + label)


def as_mp3(pcm: bytes, setting: AudioSetting, encoder: Encoder) -> Recording:
    """Return samples as a marked MP3."""
    return _mp3(encoder(pcm, sample_rate_hz=setting.sample_rate, bitrate=_possible_bitrate(setting)), setting)


def _mp3(stream: bytes, setting: AudioSetting) -> Recording:
    samples = sum(frame.samples for frame in walk_frames(stream))
    return Recording(
        audio=id3_tag(TITLE, MARKER) + info_frame(stream) + stream,
        length_ms=round(samples / setting.sample_rate * 1000),
        bitrate=_possible_bitrate(setting),
        sample_rate_hz=setting.sample_rate,
    )


def _possible_bitrate(setting: AudioSetting) -> int:
    return min(setting.bitrate, highest_bitrate(setting.sample_rate))
