"""An upload's body: multipart to a temporary file, with every size bounded.

Python-multipart's callback parser does the parsing. What it leaves to its user is done here: limits while bytes are
counted, and the demand for a closing boundary, without which a cut body would pass for a whole one.
"""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import IO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from aiml_music.sandbox.answers import Refusal, flat_refusal

_MOST_PARTS = 20
_FIELD_BYTES = 1024


class MultipartError(Exception):
    """A body that cannot be taken, with the refusal that it gets."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.refusal: Refusal = flat_refusal(status, message, headers={"connection": "close"})


def boundary_of(content_type: str | None) -> bytes:
    """Return the boundary that a Content-Type announces.

    Raises:
        MultipartError: it is not multipart/form-data with a boundary.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise MultipartError(400, "Content-Type must be multipart/form-data with a boundary")
    return options[b"boundary"]


class Form:
    """A form with one file, read piece by piece. Other parts than `purpose` and `file` are read and ignored.

    Args:
        boundary: between the parts.
        file: where the content of the part `file` goes.
    """

    def __init__(self, boundary: bytes, file: IO[bytes]) -> None:
        self._file = file
        self._digest = sha256()
        self._fields: dict[str, bytes] = {}
        self._parts = 0
        self._header = [b"", b""]
        self._name: str | None = None
        self._finished = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_begin": self._begin_header,
                    "on_header_field": self._read_header_name,
                    "on_header_value": self._read_header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin_content,
                    "on_part_data": self._read_content,
                    "on_end": self._finish,
                },
            )
        except FormParserError as error:
            raise MultipartError(400, "The multipart boundary is too long") from error

    @property
    def purpose(self) -> str | None:
        """The part `purpose`, if it came."""
        value = self._fields.get("purpose")
        return None if value is None else value.decode("utf-8", "replace").strip()

    @property
    def has_file(self) -> bool:
        """Whether the part `file` came."""
        return "file" in self._fields

    @property
    def digest(self) -> bytes:
        """What the content of the file hashes to."""
        return self._digest.digest()

    async def read(self, body: AsyncIterator[bytes], *, max_bytes: int) -> None:
        """Read a whole body.

        Raises:
            MultipartError: it is too large, is not multipart, or ends before its closing boundary.
        """
        size = 0
        async for chunk in body:
            size += len(chunk)
            if size > max_bytes:
                raise too_large(max_bytes)
            self._feed(chunk)
        if not self._finished:
            raise MultipartError(400, "Unexpected end of form: the closing boundary is missing")

    def _feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MultipartError(400, "Malformed multipart body") from error

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise MultipartError(400, f"More than {_MOST_PARTS} parts")
        self._name = None

    def _begin_header(self) -> None:
        self._header = [b"", b""]

    def _read_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _read_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            _, options = parse_options_header(value.decode("latin-1"))
            self._name = options.get(b"name", b"").decode("latin-1")

    def _begin_content(self) -> None:
        if self._name in {"purpose", "file"}:
            if self._name in self._fields:
                raise MultipartError(400, f"The part {self._name!r} came twice")
            self._fields[self._name] = b""

    def _read_content(self, data: bytes, start: int, end: int) -> None:
        if self._name == "file":
            # The page cache takes these few kilobytes in microseconds: no thread is worth it.
            self._file.write(data[start:end])
            self._digest.update(data[start:end])
        elif self._name == "purpose":
            self._fields["purpose"] += data[start:end]
            if len(self._fields["purpose"]) > _FIELD_BYTES:
                raise MultipartError(400, "The part 'purpose' is too long")

    def _finish(self) -> None:
        self._finished = True


def too_large(max_bytes: int) -> MultipartError:
    """Return the error for a body of more bytes than allowed."""
    return MultipartError(413, f"Request entity too large: more than {max_bytes} bytes")
