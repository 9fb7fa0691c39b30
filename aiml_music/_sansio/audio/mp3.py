"""Measure an MP3 by walking its frames, never by believing its tags.

Owns the walk: tags, junk, runs of frames, and the bounds on all three. What one frame says is in `mp3_frames.py`.
"""

import math
import re
from collections import Counter
from collections.abc import Generator, Iterator
from typing import Final

from attrs import define, field

from aiml_music._sansio.audio.impostors import guess, sniff
from aiml_music._sansio.audio.info import AudioFormatError, AudioInfo, ReadAt
from aiml_music._sansio.audio.mp3_frames import (
    FRAME_BYTES,
    HEADERS,
    MAX_FRAME_BYTES,
    FrameHeader,
    channels_of,
    claimed_frames,
)
from aiml_music._sansio.audio.window import Window

# Bytes that may be skipped in one file as neither frame nor tag, before, between and behind its frames.
MAX_JUNK_BYTES: Final = 64 * 1024
MAX_TAGS: Final = 64
# 28 minutes at the highest bitrate, 18 hours at the lowest: a second of work where frames are smallest.
MAX_WALK_BYTES: Final = 64 * 1024 * 1024
_WINDOW_BYTES: Final = 256 * 1024

_FOLLOWERS: Final = 2
_SEARCH_BYTES: Final = MAX_JUNK_BYTES + (_FOLLOWERS + 1) * MAX_FRAME_BYTES
_CUT_HEADER: Final = re.compile(rb"\xff[\xe0-\xff]?")
_TAG_HEADER_BYTES: Final = 32
_ID3: Final = re.compile(rb"ID3..(.)([\x00-\x7f]{4})", re.DOTALL)
_ID3_FOOTER: Final = 0x10
_APE: Final = re.compile(rb"APETAGEX.{4}(.{4}).{16}", re.DOTALL)
# A header in its own side information is a forgery: one sync word over and over lines up with itself for ever.
_SIDE_INFO_END: Final = 36


def probe_mp3(read_at: ReadAt, size: int) -> Generator[None, None, AudioInfo]:
    """Measure an MP3 of `size` bytes, one window after the other; yields between them.

    Raises:
        AudioFormatError: There is no Layer III sound in it, or no end to it within `MAX_WALK_BYTES`.
    """
    walk = _Walk(Window(read_at=read_at, size=size, span=_WINDOW_BYTES, max_bytes=MAX_WALK_BYTES))
    frame: FrameHeader | None = walk.open()
    while frame is not None:
        yield from walk.follow(frame.sample_rate_hz)
        frame = walk.lock()
    return walk.info()


def _tag_bytes(head: bytes) -> int:
    """Return how long the tag is that begins with `head`, by its own word, or 0 if this is no tag."""
    if id3 := _ID3.match(head):
        (flags,), (a, b, c, d) = id3.groups()
        footer = 10 if flags & _ID3_FOOTER else 0
        return 10 + footer + (a << 21 | b << 14 | c << 7 | d)
    if ape := _APE.match(head):
        return _TAG_HEADER_BYTES + int.from_bytes(ape[1], "little")
    return 0


def _agreed(data: bytes, at: int) -> FrameHeader | None:
    """Return the frame at `at` if the frames behind it bear it out, as far as the data goes."""
    first = HEADERS.get(data[at : at + 3])
    if first is None or data.find(data[at : at + 3], at + 3, at + min(first.size, _SIDE_INFO_END)) >= 0:
        return None
    frame = first
    for _ in range(_FOLLOWERS):
        at += frame.size
        if at >= len(data):
            return first
        follower = HEADERS.get(data[at : at + 3])
        if follower is None or follower.sample_rate_hz != first.sample_rate_hz:
            return None
        frame = follower
    return first


@define
class _Walk:
    """Where the walk is, what it has counted, and what it may still skip."""

    source: Window
    at: int = 0
    junk_left: int = MAX_JUNK_BYTES
    tags_left: int = MAX_TAGS
    truncated: bool = False
    claimed: int = 0
    channels: int = 0
    sample_rate_hz: int = 0
    heads: Counter[bytes] = field(factory=Counter)

    def open(self) -> FrameHeader:
        """Go to the first frame of sound, past tags, junk and the encoder's own header."""
        self._skip_tags()
        head = self._here(_TAG_HEADER_BYTES)
        if name := sniff(head):
            raise AudioFormatError(f"this is {name}")
        frame = self.lock()
        if frame is None:
            raise self._no_frames(head)
        whole = self._here(frame.size)
        self.channels, self.sample_rate_hz = channels_of(whole), frame.sample_rate_hz
        claimed = claimed_frames(whole)
        if claimed is not None:
            self.claimed = claimed
            self.at += frame.size
        return frame

    def lock(self) -> FrameHeader | None:
        """Go to the next frame that others bear out, past tags and junk; `None` when there is none within bounds."""
        self._skip_tags()
        at = begin = self.source.hold(self.at, _SEARCH_BYTES)
        data = self.source.data
        end = begin + self.junk_left + 1
        while (at := data.find(b"\xff", at, end)) >= 0:
            frame = _agreed(data, at)
            if frame is not None and at + frame.size <= len(data):
                self.at += at - begin
                self.junk_left -= at - begin
                return frame
            at += 1
        self.truncated |= self.source.size - self.at > self.junk_left
        return None

    def follow(self, rate: int) -> Iterator[None]:
        """Count frames of one sample rate for as long as each begins where the last ended."""
        source, size_of = self.source, FRAME_BYTES[rate].get
        while True:
            begin = at = source.hold(self.at, MAX_FRAME_BYTES)
            data, room, heads = source.data, len(source.data), []
            while size := size_of(head := data[at : at + 3]):
                if at + size > room:
                    break
                heads.append(head)
                at += size
            self.heads.update(heads)
            self.at += at - begin
            if at == begin:
                break
            if source.let_go(self.at, MAX_FRAME_BYTES):
                # Hundreds of tracks may be measured at once, and each waits for the others here.
                data = b""
                yield
        if size or _CUT_HEADER.fullmatch(data, at):
            self._end_early()

    def info(self) -> AudioInfo:
        """Sum up the frames counted."""
        counts: Counter[FrameHeader] = Counter()
        for head, count in self.heads.items():
            counts[HEADERS[head]] += count
        if not counts:
            raise AudioFormatError("it is an MP3 without a whole frame of sound")
        seconds = {frame: count * frame.samples / frame.sample_rate_hz for frame, count in counts.items()}
        duration = math.fsum(seconds.values())
        bits = math.fsum(frame.bitrate * spent for frame, spent in seconds.items())
        return AudioInfo(
            container="mp3",
            encoding="mp3",
            duration=duration,
            sample_rate_hz=self.sample_rate_hz,
            channels=self.channels,
            bitrate=round(bits / duration),
            variable_bitrate=len({frame.bitrate for frame in counts}) > 1,
            audio_bytes=sum(frame.size * count for frame, count in counts.items()),
            # Some encoders count their own header as a frame.
            truncated=self.truncated or self.claimed > counts.total() + 1,
        )

    def _skip_tags(self) -> None:
        while skipped := _tag_bytes(self._here(_TAG_HEADER_BYTES)):
            if not self.tags_left:
                raise AudioFormatError(f"it has more than {MAX_TAGS} tags")
            self.tags_left -= 1
            self.at += skipped
            if self.at > self.source.size:
                self._end_early()

    def _here(self, count: int) -> bytes:
        begin = self.source.hold(self.at, count)
        return self.source.data[begin : begin + count]

    def _end_early(self) -> None:
        self.truncated = True
        self.at = self.source.size

    def _no_frames(self, head: bytes) -> AudioFormatError:
        if self.at == self.source.size:
            return AudioFormatError("there is nothing in it but tags")
        if name := guess(head):
            return AudioFormatError(f"this is {name}")
        return AudioFormatError(f"no two consecutive MPEG frames in the first {MAX_JUNK_BYTES >> 10} KiB")
