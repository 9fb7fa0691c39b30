"""Name what a file is when it is not MP3 or WAV, so that a refusal can say so.

Names only: whether to refuse is decided by `audio/__init__.py` and the parsers.
"""

from typing import Final

_MAGIC: Final = (
    (0, b"fLaC", "a FLAC file"),
    (0, b"OggS", "an Ogg file"),
    (4, b"ftyp", "an MP4 or M4A file"),
    (8, b"AIFF", "an AIFF file"),
    (8, b"AIFC", "an AIFF file"),
    (8, b"AVI ", "an AVI video"),
    (0, b"RIFX", "a big-endian WAV file"),
    (0, b"RIFF", "a RIFF file, but not a plain WAV"),
    (0, b"caff", "a Core Audio file"),
    (0, b".snd", "a Sun audio file"),
    (0, b"#!AMR", "an AMR file"),
    (0, b"MThd", "a MIDI file"),
    (0, b"wvpk", "a WavPack file"),
    (0, b"MAC ", "a Monkey's Audio file"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b\x08", "a gzip archive"),
    (0, b"%PDF-", "a PDF document"),
)
_TEXT: Final = (
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML document"),
    (b"{", "JSON text"),
    (b"[", "JSON text"),
)
_ZEROS: Final = bytes(16)
_MPEG_SYNC: Final = 0x7FF
_NOT_LAYER_3: Final = {0b00: "an AAC (ADTS) stream", 0b10: "MPEG audio of Layer II", 0b11: "MPEG audio of Layer I"}


def sniff(head: bytes) -> str | None:
    """Name a well-known kind of file that is neither MP3 nor WAV by its first 16 bytes, or return `None`."""
    for offset, magic, name in _MAGIC:
        if head.startswith(magic, offset):
            return name
    return None


def guess(head: bytes) -> str | None:
    """Name what bytes without any sound in them may be: weaker evidence than `sniff()` accepts."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for start, name in _TEXT:
        if text.startswith(start):
            return name
    if head.startswith(_ZEROS):
        return "zero bytes"
    return _guess_mpeg(head)


def _guess_mpeg(head: bytes) -> str | None:
    word = int.from_bytes(head[:4], "big")
    if word >> 21 != _MPEG_SYNC:
        return None
    layer, bitrate_index = word >> 17 & 0b11, word >> 12 & 0b1111
    return _NOT_LAYER_3.get(layer) or (None if bitrate_index else "MP3 of free format, which tells no bitrate")
