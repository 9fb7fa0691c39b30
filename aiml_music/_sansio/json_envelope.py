"""Read JSON cut anywhere, keep all of it but one string, and stop where that string begins.

Owns the grammar (RFC 8259), the way along the path to the string, and the limits.
What stands inside the string is left to `hexjson.py`; what the rest means, to the caller.
"""

import json
import math
import re
from typing import Any, Final

from attrs import Factory, define, field, frozen
from attrs.validators import ge, le

_BOM: Final = b"\xef\xbb\xbf"
_QUOTE: Final = ord('"')
_ASCII: Final = range(0x80)

# What the next token may begin with. In this form one test of one byte is the whole grammar.
_START: Final = b"{\xef"
_ROOT: Final = b"{"
_KEY: Final = b'"'
_KEY_OR_END: Final = b'"}'
_COLON: Final = b":"
_VALUE: Final = b'"{[-0123456789tfn'
_VALUE_OR_END: Final = _VALUE + b"]"
_AFTER_MEMBER: Final = b",}"
_AFTER_ITEM: Final = b",]"
_NOTHING: Final = b""

_EXPECTED: Final = {
    _START: "an object",
    _ROOT: "an object",
    _KEY: "a key",
    _KEY_OR_END: "a key or a closing brace",
    _COLON: "a colon",
    _VALUE: "a value",
    _VALUE_OR_END: "a value or a closing bracket",
    _AFTER_MEMBER: "a comma or a closing brace",
    _AFTER_ITEM: "a comma or a closing bracket",
    _NOTHING: "only white space",
}

_NOT_BLANK: Final = re.compile(rb"[^ \t\n\r]")
_STRING_STOP: Final = re.compile(rb'["\\]')
_WORD_END: Final = re.compile(rb"[^-+.0-9A-Za-z]")
_LITERALS: Final = (b"true", b"false", b"null")
_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_DECODER: Final = json.JSONDecoder()


@frozen(kw_only=True)
class JsonLimits:
    """How much of a document is read before it is refused.

    Attributes:
        max_bytes: the whole document.
        max_envelope_bytes: everything but the audio, without the white space between tokens.
        max_depth: objects and arrays inside each other, the outermost counted.
        max_number_bytes: one number, as it is written.
        max_key_bytes: one key, as it is written between its quotes.
    """

    max_bytes: int = field(default=64 * 1024 * 1024, validator=ge(1))
    max_envelope_bytes: int = field(default=1024 * 1024, validator=ge(1))
    # `json` recurses, and Python's own limit is 1000 frames for everybody.
    max_depth: int = field(default=32, validator=[ge(1), le(200)])
    # `int()` may refuse more than 640 digits, whatever the process has set (sys.int_info).
    max_number_bytes: int = field(default=128, validator=[ge(1), le(640)])
    max_key_bytes: int = field(default=256, validator=ge(1))


class DocumentError(ValueError):
    """The document is wrong: `reason` is one sentence without its text, `offset` the byte where it shows."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason, offset)
        self.reason = reason
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.reason} (byte {self.offset})"


def byte_name(byte: int) -> str:
    """Name a byte in a way that is safe to print."""
    return f"U+{byte:04X}" if byte in _ASCII else f"byte 0x{byte:02X}"


def _whole_envelope(reader: "EnvelopeReader") -> int:
    return reader._limits.max_envelope_bytes  # noqa: SLF001 - a default of the class itself


@define(eq=False)
class EnvelopeReader:
    """Read everything but the string at `path`, token by token.

    A token that is not whole stays with the caller, who gives it back in front of the next bytes. Strings are the
    exception, as they may be long. White space between tokens is not kept.

    Attributes:
        at_target: the next byte is the opening quote of the string at `path`; call `keep_string` or `leave_out`.
    """

    _path: tuple[str, ...]
    _limits: JsonLimits
    at_target: bool = field(default=False, init=False)

    _kept: bytearray = field(factory=bytearray, init=False)
    _ceiling: int = field(init=False, default=Factory(_whole_envelope, takes_self=True))
    # The offset of the bytes at hand in the document.
    _base: int = field(default=0, init=False)

    _allowed: bytes = field(default=_START, init=False)
    # The opening brackets that are not closed yet.
    _nesting: bytearray = field(factory=bytearray, init=False)

    # Along the path: how many keys have been met, how many objects are open, and whether the next value lies on it.
    _found: int = field(default=0, init=False)
    _followed: int = field(default=0, init=False)
    _on_path: bool = field(default=True, init=False)

    _in_string: bool = field(default=False, init=False)
    _in_key: bool = field(default=False, init=False)
    _string_begin: int = field(default=0, init=False)
    _string_offset: int = field(default=0, init=False)

    @property
    def complete(self) -> bool:
        """Whether the document's last brace has been read."""
        return self._allowed == _NOTHING

    def document(self) -> dict[str, Any]:
        """Return what was kept, with `None` for what was left out. Every token in it has been checked."""
        document: dict[str, Any] = json.loads(self._kept.decode())
        return document

    def read(self, data: bytes, pos: int, base: int) -> int:
        """Read on and return where it stopped: before a token that is not whole, at the target, or at the end.

        Args:
            data: bytes of the document.
            pos: the index to read from.
            base: the offset of `data[0]` in the document.

        Raises:
            DocumentError: this is not JSON, leads to the target twice, or is beyond a limit.
        """
        self._base = base
        while not self.at_target:
            stop = self._string(data, pos) if self._in_string else self._token(data, pos)
            if stop == pos:
                break
            pos = stop
        return pos

    def keep_string(self, data: bytes, pos: int, base: int) -> int:
        """Read the opening quote of the target as that of any other string, and return where it ends."""
        self.at_target = False
        self._base = base
        return self._open_string(data, pos)

    def leave_out(self) -> None:
        """Put `null` in the place of the target, whose contents and closing quote the caller reads."""
        self.at_target = False
        self._kept += b"null"
        self._end_value()

    def _token(self, data: bytes, pos: int) -> int:
        found = _NOT_BLANK.search(data, pos)
        if found is None:
            return len(data)
        pos = found.start()
        byte = data[pos]
        if byte not in self._allowed:
            raise self._unexpected(data, pos)
        if byte == _QUOTE:
            return self._quote(data, pos)
        if byte in b"{[":
            return self._open(data, pos)
        if byte in b"}]":
            return self._close(data, pos)
        if byte in b",:":
            return self._separate(data, pos)
        return self._bom(data, pos) if byte == _BOM[0] else self._word(data, pos)

    def _bom(self, data: bytes, pos: int) -> int:
        head = data[pos : pos + len(_BOM)]
        if self._base + pos or not _BOM.startswith(head):
            raise self._unexpected(data, pos)
        if head != _BOM:
            return pos
        self._allowed = _ROOT
        return pos + len(_BOM)

    def _open(self, data: bytes, pos: int) -> int:
        if len(self._nesting) == self._limits.max_depth:
            raise self._fault(f"The document is nested deeper than {self._limits.max_depth}", pos)
        is_object = data[pos] == ord("{")
        # The target is no container: an object in its place leads nowhere.
        if is_object and self._on_path and self._followed < len(self._path):
            self._followed += 1
        self._on_path = False
        self._nesting.append(data[pos])
        self._allowed = _KEY_OR_END if is_object else _VALUE_OR_END
        return self._keep(data, pos, pos + 1)

    def _close(self, data: bytes, pos: int) -> int:
        if len(self._nesting) == self._followed:
            self._followed -= 1
        self._nesting.pop()
        self._end_value()
        return self._keep(data, pos, pos + 1)

    def _separate(self, data: bytes, pos: int) -> int:
        self._allowed = _KEY if self._allowed == _AFTER_MEMBER else _VALUE
        return self._keep(data, pos, pos + 1)

    def _word(self, data: bytes, pos: int) -> int:
        """Read a number, `true`, `false` or `null`; what ends it is the byte behind it."""
        limit = self._limits.max_number_bytes
        found = _WORD_END.search(data, pos, pos + limit + 1)
        if found is None:
            if len(data) - pos > limit:
                raise self._fault(f"A number is longer than {limit} bytes", pos + limit)
            return pos
        end = found.start()
        word = data[pos:end]
        if word not in _LITERALS:
            self._check_number(word, pos)
        self._end_value()
        return self._keep(data, pos, end)

    def _check_number(self, word: bytes, pos: int) -> None:
        if not _NUMBER.fullmatch(word):
            raise self._fault("A value is neither a number nor true, false or null", pos)
        if math.isinf(float(word)):
            raise self._fault("A number is too large", pos)

    def _quote(self, data: bytes, pos: int) -> int:
        self._in_key = self._allowed in (_KEY, _KEY_OR_END)
        if not self._in_key and self._on_path and self._followed == len(self._path):
            self.at_target = True
            return pos
        return self._open_string(data, pos)

    def _open_string(self, data: bytes, pos: int) -> int:
        self._in_string = True
        self._string_begin = len(self._kept)
        self._string_offset = self._base + pos
        if self._in_key:
            # Two quotes besides the key.
            self._ceiling = min(self._ceiling, self._string_begin + self._limits.max_key_bytes + 2)
        return self._keep(data, pos, pos + 1)

    def _string(self, data: bytes, pos: int) -> int:
        """Read on inside a string: to its end, past one escape, or as far as there are bytes."""
        found = _STRING_STOP.search(data, pos)
        if found is None:
            return self._keep(data, pos, len(data))
        stop = found.start()
        if data[stop] == _QUOTE:
            self._keep(data, pos, stop + 1)
            self._close_string()
            return stop + 1
        # An escape that is cut behind its backslash is given back.
        return self._keep(data, pos, stop + 2 if stop + 1 < len(data) else stop)

    def _close_string(self) -> None:
        text = self._checked(bytes(self._kept[self._string_begin :]))
        self._in_string = False
        if self._in_key:
            self._ceiling = _whole_envelope(self)
            self._follow(text)
            self._allowed = _COLON
        else:
            self._end_value()

    def _checked(self, token: bytes) -> str:
        begin = self._string_offset
        try:
            quoted = token.decode()
        except UnicodeDecodeError as error:
            raise DocumentError("A string is not UTF-8", begin + error.start) from None
        try:
            text: str = _DECODER.raw_decode(quoted)[0]
        except json.JSONDecodeError as error:
            reason = "A string holds an escape or a control character that JSON does not allow"
            raise DocumentError(reason, begin + len(quoted[: error.pos].encode())) from None
        if not text.isascii() and _SURROGATE.search(text):
            raise DocumentError("A string holds half a surrogate pair", begin)
        return text

    def _follow(self, key: str) -> None:
        """Note whether `key` leads on along the path, which it may do once."""
        level = self._followed
        self._on_path = len(self._nesting) == level and key == self._path[level - 1]
        if not self._on_path:
            return
        if level <= self._found:
            raise DocumentError("A key on the way to the audio appears twice", self._string_offset)
        self._found = level

    def _end_value(self) -> None:
        if not self._nesting:
            self._allowed = _NOTHING
        else:
            self._allowed = _AFTER_MEMBER if self._nesting[-1] == ord("{") else _AFTER_ITEM

    def _keep(self, data: bytes, pos: int, end: int) -> int:
        excess = len(self._kept) + end - pos - self._ceiling
        if excess > 0:
            raise self._fault(self._too_long(), end - excess)
        self._kept += data[pos:end]
        return end

    def _too_long(self) -> str:
        if self._ceiling < self._limits.max_envelope_bytes:
            return f"A key is longer than {self._limits.max_key_bytes} bytes"
        return f"Without its audio the document is longer than {self._limits.max_envelope_bytes} bytes"

    def _unexpected(self, data: bytes, pos: int) -> DocumentError:
        return self._fault(f"{byte_name(data[pos])} stands where {_EXPECTED[self._allowed]} should be", pos)

    def _fault(self, reason: str, pos: int) -> DocumentError:
        return DocumentError(reason, self._base + pos)
