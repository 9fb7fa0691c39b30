"""See a file through a window that moves forward and is metered, so that no file can make a probe read for ever.

Knows nothing of audio: what the bytes mean is for `mp3.py` and `wav.py`.
"""

from attrs import define, field

from aiml_music._sansio.audio.info import AudioFormatError, ReadAt


@define(kw_only=True)
class Window:
    """The bytes at hand, refilled as a parser moves on.

    Args:
        read_at: The door to the file.
        size: Bytes in the file; lowered when a short read shows that there are fewer.
        span: Bytes fetched at a time.
        max_bytes: Bytes fetched in all before the file is given up.
    """

    read_at: ReadAt
    size: int
    span: int
    max_bytes: int
    start: int = field(default=0, init=False)
    data: bytes = field(default=b"", init=False)
    _fetched: int = field(default=0, init=False)

    def hold(self, offset: int, count: int) -> int:
        """Have `count` bytes from `offset` in `data`, or all there are, and return where in `data` they begin.

        `offset` never goes back; `count` is at most `span`.

        Raises:
            AudioFormatError: The file needs more than `max_bytes` to be understood.
        """
        if self._lacks(offset, count):
            self._fetch(offset)
        return offset - self.start

    def let_go(self, offset: int, count: int) -> bool:
        """Hold nothing until the next `hold`, if that would have to fetch these bytes anyway; say whether it would."""
        if not self._lacks(offset, count):
            return False
        self.data = b""
        return True

    def _lacks(self, offset: int, count: int) -> bool:
        return min(offset + count, self.size) > self.start + len(self.data)

    def _fetch(self, offset: int) -> None:
        count = max(0, min(self.span, self.size - offset))
        self._fetched += count
        if self._fetched > self.max_bytes:
            raise AudioFormatError(f"there is no end to it within {self.max_bytes >> 20} MiB")
        self.start, self.data = offset, self.read_at(offset, count)
        if len(self.data) < count:
            self.size = offset + len(self.data)
