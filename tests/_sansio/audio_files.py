"""Build WAV and MP3 files byte by byte, from the formats' own descriptions, and the corpus the audio tests share.

Imports nothing of the library, so that a mistake about a format cannot agree with itself.
"""

import random
import struct
from collections.abc import Iterator

from attrs import define, frozen

KBITS_MPEG_1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
KBITS_MPEG_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
# Sample rate to the version bits of the second byte and the rate bits of the third.
RATES = {
    44_100: (3, 0), 48_000: (3, 1), 32_000: (3, 2),
    22_050: (2, 0), 24_000: (2, 1), 16_000: (2, 2),
    11_025: (0, 0), 12_000: (0, 1), 8_000: (0, 2),
}  # fmt: skip
ALL_FRAMES = [(rate, kbits) for rate in RATES for kbits in (KBITS_MPEG_1 if rate >= 32_000 else KBITS_MPEG_2)]


@frozen
class Sample:
    """A file, and the seconds of sound that are truly in it."""

    name: str
    data: bytes
    seconds: float
    truncated: bool = False


@define
class Meter:
    """Serves a file of `size` bytes without making it, `head` and then `filling` repeated; counts what is asked."""

    head: bytes
    size: int
    filling: bytes = b"\0"
    reads: int = 0
    asked: int = 0

    def __call__(self, offset: int, count: int, /) -> bytes:
        assert 0 <= offset <= offset + count
        self.reads += 1
        self.asked += count
        count = max(0, min(count, self.size - offset))
        head = self.head[offset : offset + count]
        skipped = max(0, offset - len(self.head)) % len(self.filling)
        filled = self.filling * ((count - len(head) + skipped) // len(self.filling) + 1)
        return head + filled[skipped : skipped + count - len(head)]


def frame(
    kbits: int = 128, rate: int = 44_100, *, mono: bool = False, padding: int = 0, body: bytes = b"", layer: int = 1
) -> bytes:
    """One MPEG frame, silent but for `body`; `layer` is the two bits of the header, 1 for Layer III."""
    version, rate_bits = RATES[rate]
    table = KBITS_MPEG_1 if version == 3 else KBITS_MPEG_2
    header = bytes(
        (
            0xFF,
            0xE0 | version << 3 | layer << 1 | 1,
            (table.index(kbits) + 1) << 4 | rate_bits << 2 | padding << 1,
            0xC0 if mono else 0x40,
        )
    )
    size = (144_000 if version == 3 else 72_000) * kbits // rate + padding
    return (header + body).ljust(size, b"\0")


def frame_seconds(rate: int = 44_100) -> float:
    """How long one frame plays."""
    return (1152 if rate >= 32_000 else 576) / rate


def cbr(count: int = 1150, kbits: int = 128, rate: int = 44_100, *, mono: bool = False) -> bytes:
    """Frames of one bitrate."""
    return frame(kbits, rate, mono=mono) * count


def vbr(count: int = 1150, kbits: tuple[int, ...] = (32, 64, 128, 192, 320), seed: int = 1) -> bytes:
    """Frames of many bitrates."""
    return b"".join(frame(choice) for choice in random.Random(seed).choices(kbits, k=count))


def xing(frames: int | None, tag: bytes = b"Xing", rate: int = 44_100, *, mono: bool = False) -> bytes:
    """The frame in which an encoder says how many follow."""
    side_info = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}[rate >= 32_000, mono]
    claim = struct.pack(">II", 0, 0xFFFF_FFFF) if frames is None else struct.pack(">II", 1, frames)
    return frame(64, rate, mono=mono, body=bytes(side_info) + tag + claim)


def vbri(frames: int) -> bytes:
    """The same, in the words of another encoder."""
    return frame(64, body=bytes(32) + b"VBRI" + struct.pack(">HHHII", 1, 0, 75, 0, frames))


def id3(body: bytes, *, footer: bool = False, says: int | None = None) -> bytes:
    """An ID3v2.4 tag."""
    length = len(body) if says is None else says
    size = bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0))
    flags = b"\x10" if footer else b"\0"
    return b"ID3\x04\0" + flags + size + body + (b"3DI\x04\0" + flags + size if footer else b"")


def id3v1() -> bytes:
    """The 128 bytes at the end of an old MP3."""
    return b"TAG" + b"Title".ljust(125, b"\0")


def ape(body: bytes) -> bytes:
    """An APEv2 tag with header and footer."""
    size = len(body) + 32
    header, footer = (struct.pack("<8sIIII8x", b"APETAGEX", 2000, size, 1, 1 << 31 | bit << 29) for bit in (1, 0))
    return header + body + footer


def lyrics3(text: bytes) -> bytes:
    """A Lyrics3 v2 tag."""
    body = b"LYRICSBEGIN" + text
    return body + b"%06dLYRICS200" % len(body)


def chunk(name: bytes, body: bytes, says: int | None = None) -> bytes:
    """A RIFF chunk, padded to an even length."""
    return name + struct.pack("<I", len(body) if says is None else says) + body + bytes(len(body) & 1)


def fmt(
    tag: int = 1, channels: int = 2, rate: int = 44_100, bits: int = 16, block: int | None = None, *, extra: bytes = b""
) -> bytes:
    """The chunk that tells the encoding."""
    block = channels * bits // 8 if block is None else block
    body = struct.pack("<HHIIHH", tag, channels, rate, rate * block & 0xFFFF_FFFF, block, bits)
    return chunk(b"fmt ", body + extra)


def extensible(tag: int = 1, channels: int = 6, bits: int = 16, tail: str = "000000001000800000aa00389b71") -> bytes:
    """The same for more than two channels, the encoding moved into a GUID."""
    guid = struct.pack("<H", tag) + bytes.fromhex(tail)
    return fmt(0xFFFE, channels, bits=bits, extra=struct.pack("<HHI", 22, bits, 0x3F) + guid)


def wav(
    sound: bytes,
    form: bytes | None = None,
    *,
    before: bytes = b"",
    after: bytes = b"",
    says: int | None = None,
    magic: bytes = b"RIFF",
) -> bytes:
    """A WAV file; `says` is the length its data chunk declares."""
    chunks = before + (fmt() if form is None else form) + chunk(b"data", sound, says) + after
    return magic + struct.pack("<I", 4 + len(chunks) & 0xFFFF_FFFF) + b"WAVE" + chunks


def rf64(sound: bytes, *, says: int | None = None, magic: bytes = b"RF64") -> bytes:
    """A WAV file with 64-bit lengths."""
    length = len(sound) if says is None else says
    ds64 = chunk(b"ds64", struct.pack("<QQQI", length + 72, length, length // 4, 0))
    return wav(sound, before=ds64, says=0xFFFF_FFFF, magic=magic)


def adpcm(tag: int, blocks: int, fact: int | None, channels: int = 1, block: int = 1024) -> bytes:
    """A WAV file of MS (tag 2) or IMA (tag 0x11) ADPCM at 22.05 kHz, silent."""
    opening, first = (7, 2) if tag == 2 else (4, 1)
    per_block = (block - opening * channels) * 2 // channels + first
    extra = struct.pack("<HH", 2, per_block)
    if tag == 2:
        pairs = (256, 0, 512, -256, 0, 0, 192, 64, 240, 0, 460, -208, 392, -232)
        extra = struct.pack("<HHH14h", 32, per_block, 7, *pairs)
    form = fmt(tag, channels, 22_050, 4, block, extra=extra)
    return wav(bytes(block * blocks), form if fact is None else form + chunk(b"fact", struct.pack("<I", fact)))


def ms_adpcm_samples(blocks: int) -> int:
    """How many samples `adpcm(2, blocks, …)` holds: two in the seven bytes that open each block, two a byte then."""
    return blocks * (2 + 2 * (1024 - 7))


def good_mp3s() -> Iterator[Sample]:
    """MP3 files a player plays to the end."""
    second = frame_seconds()
    plain, varied = cbr(), vbr()
    yield Sample("CBR 128, no Info", plain, 1150 * second)
    yield Sample("CBR 128, Info", xing(1150, b"Info") + plain, 1150 * second)
    yield Sample("VBR, Xing", xing(1150) + varied, 1150 * second)
    yield Sample("VBR, Xing without a count", xing(None) + varied, 1150 * second)
    yield Sample("VBR, VBRI", vbri(1150) + varied, 1150 * second)
    yield Sample("VBR, no Xing", varied, 1150 * second)
    yield Sample("silence 15 s, noise 15 s", cbr(575, 32) + cbr(575, 256), 1150 * second)
    yield Sample("silence 60 s, noise 120 s", cbr(2297, 32) + vbr(4594, (96, 112, 128)), 6891 * second)
    yield Sample("MPEG-2 22 kHz mono", cbr(1151, 64, 22_050, mono=True), 1151 * frame_seconds(22_050))
    yield Sample("MPEG-2.5 11 kHz", cbr(577, 32, 11_025), 577 * frame_seconds(11_025))
    yield Sample("MPEG-2 mono, Info", xing(600, b"Info", 24_000, mono=True) + cbr(600, 64, 24_000, mono=True), 14.4)
    yield Sample("600 s CBR 320", cbr(22_970, 320), 22_970 * second)
    yield Sample("20 MB picture in ID3", id3(bytes(20_000_000)) + plain, 1150 * second)
    yield Sample("ID3v1", plain + id3v1(), 1150 * second)
    yield Sample("APEv2 and ID3v1", plain + ape(bytes(200_000)) + id3v1(), 1150 * second)
    yield Sample("Lyrics3", plain + lyrics3(b"la " * 500) + id3v1(), 1150 * second)
    yield Sample("APEv2 in front", ape(b"\xff\xfb" * 50) + plain, 1150 * second)
    yield Sample("three tags in a row", id3(bytes(99)) + id3(bytes(9), footer=True) + id3(b"") + plain, 1150 * second)
    yield Sample("joined, with tags between", (id3(bytes(999)) + plain + id3v1()) * 2, 2300 * second)
    yield Sample("zeros behind a tag", id3(bytes(99)) + bytes(2000) + plain, 1150 * second)


def damaged_mp3s() -> Iterator[Sample]:
    """MP3 files that lie, or lack a part."""
    second = frame_seconds()
    plain, varied = cbr(), vbr()
    for claim in (0, 1):
        yield Sample(f"Xing says {claim}", xing(claim) + varied, 1150 * second)
    yield Sample("Xing says 2^32 - 1", xing(0xFFFF_FFFF) + varied, 1150 * second, truncated=True)
    yield Sample("CBR cut to 40 %", plain[: len(plain) * 2 // 5 + 9], 460 * second, truncated=True)
    kept = vbr(480)
    cut = xing(1150) + kept + frame(320)[:-1]
    yield Sample("VBR and Xing cut to 40 %", cut, 480 * second, truncated=True)
    yield Sample("VBR and Xing cut between frames", xing(1150) + kept, 480 * second, truncated=True)
    yield Sample("one foreign byte", plain + b"\0" + plain, 2300 * second)
    yield Sample("cut inside the tag behind", plain + id3(b"", says=500), 1150 * second, truncated=True)
    yield Sample("a start, then zeros", plain + bytes(200_000), 1150 * second, truncated=True)


def good_wavs() -> Iterator[Sample]:
    """WAV files a player plays to the end."""
    for name, tag, bits in (
        ("PCM 8", 1, 8), ("PCM 16", 1, 16), ("PCM 24", 1, 24), ("PCM 32", 1, 32),
        ("float 32", 3, 32), ("float 64", 3, 64), ("mu-law", 7, 8), ("A-law", 6, 8),
    ):  # fmt: skip
        yield Sample(name, wav(bytes(12 * 8000 * bits // 8), fmt(tag, 1, 8000, bits)), 12.0)
    yield Sample("EXTENSIBLE 5.1", wav(bytes(12 * 44_100), extensible()), 1.0)
    yield Sample("EXTENSIBLE float", wav(bytes(8 * 44_100), extensible(3, 2, 32)), 1.0)
    samples = ms_adpcm_samples(325)
    yield Sample("MS ADPCM", adpcm(2, 325, None), samples / 22_050)
    yield Sample("MS ADPCM, fact", adpcm(2, 325, samples - 500), (samples - 500) / 22_050)
    yield Sample("IMA ADPCM", adpcm(0x11, 325, None), 325 * (1 + 2 * 1020) / 22_050)
    sound = bytes(4 * 441_000)
    yield Sample("streamed, 2^32 - 1", wav(sound, says=0xFFFF_FFFF), 10.0)
    yield Sample("streamed, 2^31 less a header", wav(sound, says=0x7FFF_F000), 10.0)
    yield Sample("streamed, 0", wav(sound, says=0), 10.0)
    yield Sample("RF64", rf64(sound), 10.0)
    yield Sample("BW64", rf64(sound, magic=b"BW64"), 10.0)
    odd = chunk(b"note", b"odd") + chunk(b"JUNK", b"")
    behind = chunk(b"id3 ", id3(b""))
    yield Sample("odd and empty chunks, a tag behind", wav(sound, before=odd, after=behind), 10.0)
    yield Sample("600 s", wav(bytes(600 * 8000), fmt(7, 1, 8000, 8)), 600.0)


def damaged_wavs() -> Iterator[Sample]:
    """WAV files that lie, or lack a part."""
    second = bytes(4 * 44_100)
    yield Sample("says 1 h, has 1 s", wav(second, says=3600 * len(second)), 1.0, truncated=True)
    yield Sample("RF64 says 1 h", rf64(second, says=3600 * len(second)), 1.0, truncated=True)
    samples = ms_adpcm_samples(325)
    yield Sample("MS ADPCM, fact says 1", adpcm(2, 325, 1), samples / 22_050)
    yield Sample("MS ADPCM, fact says too many", adpcm(2, 325, samples + 1), samples / 22_050)


def corpus() -> list[Sample]:
    """Every file above."""
    return [*good_mp3s(), *damaged_mp3s(), *good_wavs(), *damaged_wavs()]
