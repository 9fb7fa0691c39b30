"""Decode the one huge hex string of a JSON document while it comes, and keep the rest.

Owns the digits: from the first one behind the opening quote to the closing quote. The rest of the document is
read by `json_envelope.py`. What the audio and the document mean is left to the caller.
"""

import re
from binascii import Error as NotHexError
from binascii import unhexlify
from typing import Any, Final

from aiml_music._sansio.json_envelope import DocumentError, EnvelopeReader, JsonLimits, byte_name

__all__ = ["HexAudioDecoder", "HexDecodeError", "JsonLimits"]

_DIGITS: Final = b"0123456789abcdefABCDEF"
_RUN: Final = re.compile(rb"[0-9A-Fa-f]+")
_ESCAPED_DIGIT: Final = re.compile(rb"\\u00(3[0-9]|[46][1-6])")
_FIRST_DIGIT: Final = re.compile(rb'"(?:[0-9A-Fa-f]|\\u00(?:3[0-9]|[46][1-6]))')
# An opening quote, an escaped digit, or both, of which the end is still to come.
_CUT: Final = re.compile(rb'"?(?:\\(?:u(?:0(?:0[346]?)?)?)?)?')
_DEFAULT_LIMITS: Final = JsonLimits()


class HexDecodeError(DocumentError):
    """The document cannot be decoded, from one byte on. What was decoded before that byte is good.

    Attributes:
        reason: what is wrong, in words of this library alone.
        offset: the byte of the document where it shows.
        decoded: audio of the same `feed` that came before that byte.
    """

    def __init__(self, reason: str, offset: int, decoded: bytes = b"") -> None:
        super().__init__(reason, offset)
        self.decoded = decoded

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.reason!r}, offset={self.offset}, decoded=<{len(self.decoded)} bytes>)"


class HexAudioDecoder:
    r"""Take a JSON document in pieces, cut anywhere, and return its audio piece by piece.

    >>> decoder = HexAudioDecoder()
    >>> decoder.feed(b'{"data": {"audio": "49443')
    b'ID'
    >>> decoder.feed(b'304", "status": 2}, "trace_id": "04fb"}')
    b'3\x04'
    >>> decoder.finish()
    {'data': {'audio': None, 'status': 2}, 'trace_id': '04fb'}

    The measure is `json.loads` of the UTF-8 text, and `unhexlify` of the string at `path`. A string there that does
    not begin with a hexadecimal digit (a URL, base64, nothing at all) stays in the document, and so does a value
    that is no string.

    It is stricter than `json.loads` in this: the document is an object; a key on the path comes once, whatever the
    value of the first; `NaN`, `Infinity`, numbers that overflow a float and halves of surrogate pairs are refused,
    and so is what exceeds the limits. It is more tolerant in one thing: a byte order mark may come first.

    Args:
        path: the keys that lead from the root to the string, at least one.
        limits: how much is read before the document is refused.
    """

    __slots__ = ("_audio_bytes", "_complete", "_cut_off", "_fault", "_inside", "_max_bytes", "_offset", "_reader")

    def __init__(self, *, path: tuple[str, ...] = ("data", "audio"), limits: JsonLimits = _DEFAULT_LIMITS) -> None:
        if not path:
            raise ValueError("path must name at least one key")
        self._max_bytes = limits.max_bytes
        self._reader = EnvelopeReader(path, limits)
        self._inside = False
        self._complete = False
        self._audio_bytes = 0
        self._offset = 0
        # The begin of a token whose end is still to come: an odd digit, an escape, a number. A few bytes at most.
        self._cut_off = b""
        self._fault: tuple[str, int, bytes] | None = None

    @property
    def audio_bytes(self) -> int:
        """Bytes of audio decoded so far."""
        return self._audio_bytes

    @property
    def audio_started(self) -> bool:
        """Whether the first digit has been seen; if it never is, the audio is not hexadecimal, or not there."""
        return self._inside or self._complete

    @property
    def audio_complete(self) -> bool:
        """Whether the closing quote has been seen."""
        return self._complete

    @property
    def document_complete(self) -> bool:
        """Whether the last brace has been seen, and nothing wrong before it."""
        return self._fault is None and self._reader.complete

    @property
    def offset(self) -> int:
        """Bytes of the document taken so far."""
        return self._offset

    def feed(self, chunk: bytes | bytearray | memoryview) -> bytes:
        """Take the next piece of the document and return the audio it completes.

        Raises:
            HexDecodeError: the document is wrong; the same again on every later call.
        """
        if self._fault is None:
            audio: list[bytes] = []
            try:
                self._take(bytes(chunk), audio)
            except DocumentError as error:
                self._fault = (error.reason, error.offset, self._joined(audio))
            else:
                return self._joined(audio)
        # A new error each time: one that is kept would hold, by its traceback, the frames that hold it.
        raise HexDecodeError(*self._fault)

    def finish(self) -> dict[str, Any]:
        """Return the document, with `None` for audio that was decoded.

        Raises:
            HexDecodeError: the document is unfinished, or was wrong before.
        """
        if self._fault is None and not self._reader.complete:
            self._fault = (self._unfinished(), self._offset, b"")
        if self._fault is not None:
            raise HexDecodeError(*self._fault)
        return self._reader.document()

    def _joined(self, audio: list[bytes]) -> bytes:
        joined = b"".join(audio)
        self._audio_bytes += len(joined)
        return joined

    def _unfinished(self) -> str:
        if self._inside:
            return f"The document ends inside the audio, after {self._audio_bytes} bytes of it"
        return "The document ends before its last brace"

    def _take(self, chunk: bytes, audio: list[bytes]) -> None:
        room = self._max_bytes - self._offset
        piece = chunk[:room]
        # To copy a piece for the sake of one odd digit would cost 10 %.
        pos = self._complete_pair(piece, audio) if self._inside and self._cut_off else 0
        data = self._cut_off + piece
        base = self._offset - len(self._cut_off)
        self._offset = base + len(data)
        while pos < len(data):
            stop = self._step(data, pos, base, audio)
            if stop == pos:
                break
            pos = stop
        self._cut_off = data[pos:]
        if len(chunk) > room:
            raise DocumentError(f"The document is longer than {self._max_bytes} bytes", self._offset)

    def _complete_pair(self, piece: bytes, audio: list[bytes]) -> int:
        """Decode the odd digit together with the first byte of `piece`; return how many of its bytes that took."""
        try:
            audio.append(unhexlify(self._cut_off + piece[:1]))
        except NotHexError:
            return 0
        self._cut_off = b""
        return 1

    def _step(self, data: bytes, pos: int, base: int, audio: list[bytes]) -> int:
        if self._inside:
            stop = self._plain(data, pos, audio)
            return self._spelled(data, pos, base, audio) if stop is None else stop
        if not self._reader.at_target:
            pos = self._reader.read(data, pos, base)
        return self._enter(data, pos, base) if self._reader.at_target else pos

    def _enter(self, data: bytes, pos: int, base: int) -> int:
        """Decide by its first character whether the string at the path is audio."""
        if _FIRST_DIGIT.match(data, pos):
            self._inside = True
            self._reader.leave_out()
            return pos + 1
        if _CUT.fullmatch(data, pos):
            return pos
        return self._reader.keep_string(data, pos, base)

    def _plain(self, data: bytes, pos: int, audio: list[bytes]) -> int | None:
        """Decode plain digits, to the end or to the quote; return where the last pair ends, or `None` if it cannot."""
        end = len(data)
        if data[-1] in _DIGITS:
            # Most likely there are only digits: `unhexlify` finds that out, and a search for the quote costs 8 %.
            end -= (end - pos) % 2
            if end == pos:
                return pos
        else:
            end = data.find(b'"', pos)
            if end <= pos:
                return None
        try:
            audio.append(unhexlify(memoryview(data)[pos:end]))
        except NotHexError:
            return None
        return end

    def _spelled(self, data: bytes, pos: int, base: int, audio: list[bytes]) -> int:
        """Decode run by run and escape by escape; return where the closing quote, or else the last pair, ends."""
        digits = bytearray()
        last = pos
        while pos < len(data):
            if run := _RUN.match(data, pos):
                digits += run[0]
                pos = run.end()
                last = pos - 1
            elif escape := _ESCAPED_DIGIT.match(data, pos):
                digits.append(int(escape[1], 16))
                last, pos = pos, escape.end()
            else:
                break
        odd = len(digits) % 2
        audio.append(unhexlify(digits[: len(digits) - odd]))
        if data.startswith(b'"', pos):
            if odd:
                raise DocumentError("The audio has an odd number of digits", base + pos)
            self._inside, self._complete = False, True
            return pos + 1
        if _CUT.fullmatch(data, pos):
            return last if odd else pos
        raise DocumentError(f"{byte_name(data[pos])} stands where a hexadecimal digit should be", base + pos)
