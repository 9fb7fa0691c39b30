"""Measure a WAV file by its chunks and by the bytes that are really there.

Owns RIFF, RF64 and BW64, and the encodings whose length follows from their bytes. Reads headers only, never sound.
"""

import struct
from typing import Final

from attrs import frozen

from aiml_music._sansio.audio.info import AudioFormatError, AudioInfo, ReadAt
from aiml_music._sansio.audio.window import Window

MAX_CHUNKS: Final = 256
MAX_CHANNELS: Final = 64
MIN_RATE_HZ: Final = 1_000
MAX_RATE_HZ: Final = 768_000
_WINDOW_BYTES: Final = 4096
_CHUNK_HEADER_BYTES: Final = 8
_FMT: Final = struct.Struct("<HHIIHH")
_FMT_BYTES: Final = 40

# A writer that cannot seek leaves 0 or its largest number for a length: 2^32 - 1 (ffmpeg), 2^31 less a header (sox).
_STREAMED_FROM: Final = 0x7FFF_F000
_IN_DS64: Final = 0xFFFF_FFFF

_PCM, _MS_ADPCM, _FLOAT, _ALAW, _MULAW, _IMA_ADPCM, _MP3, _EXTENSIBLE = 1, 2, 3, 6, 7, 0x11, 0x55, 0xFFFE
_SUBFORMAT_TAIL: Final = bytes.fromhex("0000 00001000 8000 00aa00389b71")
_PLAIN: Final = {
    (_PCM, 1): "pcm_u8",
    (_PCM, 2): "pcm_s16",
    (_PCM, 3): "pcm_s24",
    (_PCM, 4): "pcm_s32",
    (_FLOAT, 4): "float32",
    (_FLOAT, 8): "float64",
    (_ALAW, 1): "alaw",
    (_MULAW, 1): "mulaw",
}
# Each block of ADPCM opens with this many bytes a channel, which hold this many samples; two samples a byte follow.
_ADPCM: Final = {(_MS_ADPCM, 4): ("adpcm_ms", 7, 2), (_IMA_ADPCM, 4): ("adpcm_ima", 4, 1)}


@frozen
class _Format:
    """What the `fmt ` chunk says, once found sane."""

    encoding: str
    channels: int
    sample_rate_hz: int
    block_bytes: int
    opening_bytes: int = 0
    opening_samples: int = 0

    def samples_in(self, count: int) -> int:
        """Return how many samples a channel has in `count` bytes."""
        if not self.opening_samples:
            return count // self.block_bytes
        blocks, rest = divmod(count, self.block_bytes)
        return blocks * self._samples_in_block(self.block_bytes) + self._samples_in_block(rest)

    def _samples_in_block(self, count: int) -> int:
        body = count - self.opening_bytes * self.channels
        return self.opening_samples + body * 2 // self.channels if body >= 0 else 0


def is_wav(head: bytes) -> bool:
    """Whether a file that begins with these 12 bytes is a WAV."""
    return head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE"


def probe_wav(read_at: ReadAt, size: int) -> AudioInfo:
    """Measure a WAV of `size` bytes whose head `is_wav()`.

    Raises:
        AudioFormatError: Its chunks are broken, or hold no sound, or hold it in an encoding not known here.
    """
    source = Window(read_at=read_at, size=size, span=_WINDOW_BYTES, max_bytes=MAX_CHUNKS * _WINDOW_BYTES)
    form: _Format | None = None
    long_size = claimed_samples = 0
    at = 12
    for _ in range(MAX_CHUNKS):
        name, length, body = _chunk(source, at)
        if name == b"data":
            return _info(
                form,
                length if length != _IN_DS64 else long_size,
                source.size - at - _CHUNK_HEADER_BYTES,
                claimed_samples,
            )
        if name == b"fmt ":
            form = _format(body)
        elif name == b"fact":
            claimed_samples = int.from_bytes(body[:4], "little")
        elif name == b"ds64":
            long_size = int.from_bytes(body[8:16], "little")
        # Chunks begin on even bytes.
        at += _CHUNK_HEADER_BYTES + length + (length & 1)
    raise AudioFormatError(f"this WAV file has more than {MAX_CHUNKS} chunks and no sound among them")


def _chunk(source: Window, at: int) -> tuple[bytes, int, bytes]:
    """Return the name of the chunk at `at`, the length it declares, and the part of its body that may matter here."""
    begin = source.hold(at, _CHUNK_HEADER_BYTES + _FMT_BYTES)
    head = source.data[begin : begin + _CHUNK_HEADER_BYTES + _FMT_BYTES]
    if len(head) < _CHUNK_HEADER_BYTES:
        raise AudioFormatError("this WAV file ends before its sound begins")
    length = int.from_bytes(head[4:8], "little")
    return head[:4], length, head[_CHUNK_HEADER_BYTES:][:length]


def _format(body: bytes) -> _Format:
    if len(body) < _FMT.size:
        raise AudioFormatError("the format of this WAV file is cut short")
    tag, channels, rate, _, block_bytes, bits = _FMT.unpack_from(body)
    if tag == _EXTENSIBLE and body[26:40] == _SUBFORMAT_TAIL:
        tag = int.from_bytes(body[24:26], "little")
    if tag == _MP3:
        raise AudioFormatError("this is MP3 wrapped in WAV; send the MP3 itself")
    if not 1 <= channels <= MAX_CHANNELS or not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise AudioFormatError(f"this WAV file claims {channels} channels at {rate} Hz")
    if (tag, bits) in _ADPCM:
        encoding, opening_bytes, opening_samples = _ADPCM[tag, bits]
        if block_bytes > opening_bytes * channels:
            return _Format(encoding, channels, rate, block_bytes, opening_bytes, opening_samples)
    sample_bytes, odd = divmod(block_bytes, channels)
    known = _PLAIN.get((tag, sample_bytes))
    if known is None or odd or not 0 < bits <= 8 * sample_bytes:
        raise AudioFormatError(
            f"a WAV file of a kind not known here: encoding {tag:#06x}, {bits} bits, blocks of {block_bytes} bytes"
        )
    return _Format(known, channels, rate, block_bytes)


def _info(form: _Format | None, declared: int, present: int, claimed_samples: int) -> AudioInfo:
    if form is None:
        raise AudioFormatError("this WAV file has sound before its format is told")
    audio_bytes = min(declared or present, present)
    samples = form.samples_in(audio_bytes)
    # ADPCM fills its last block up with silence; a `fact` that takes off more than that is not one.
    if claimed_samples and 0 < samples - claimed_samples < form.samples_in(form.block_bytes):
        samples = claimed_samples
    if not samples:
        raise AudioFormatError("this WAV file has no sound in it")
    duration = samples / form.sample_rate_hz
    return AudioInfo(
        container="wav",
        encoding=form.encoding,
        duration=duration,
        sample_rate_hz=form.sample_rate_hz,
        channels=form.channels,
        bitrate=round(audio_bytes * 8 / duration),
        variable_bitrate=False,
        audio_bytes=audio_bytes,
        truncated=present < declared < _STREAMED_FROM,
    )
