"""Undo the content encoding of a body that came compressed although it was asked for as it is.

Bounded and strict, where HTTP libraries are neither: they take a gzip body that was cut short for a whole one, and turn
64 KiB of it into 67 MB at once.
"""

import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Protocol

_PIECE_BYTES = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"


class InflateError(ValueError):
    """The body is not what its encoding says.

    Attributes:
        reason: what is wrong, a clause without a full stop.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Encoding(Protocol):
    """A content encoding being undone."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes of the body stand for, in small pieces.

        Raises:
            InflateError: they stand for nothing.
        """
        ...

    def finish(self) -> None:
        """Make sure that the body was whole.

        Raises:
            InflateError: it was not.
        """
        ...


def encoding_of(header: str | None) -> Encoding:
    """Return what undoes the encoding a `Content-Encoding` header names.

    Raises:
        InflateError: nothing here does; it was not asked for either.
    """
    name = (header or "identity").strip().lower()
    if name == "identity":
        return Identity()
    if name in {"gzip", "x-gzip"}:
        return Gzip()
    raise InflateError("the body came in a content encoding that was not asked for")


class Identity:
    """No encoding at all."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield the bytes as they are."""
        yield data

    def finish(self) -> None:
        """Do nothing: how long the body is, HTTP says and the document shows."""


class Gzip:
    """One gzip member (RFC 1952), its checksum and its end included; or plain bytes that only claim to be one."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self._is_plain: bool | None = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield the inflated bytes; see `Encoding.pieces`."""
        if self._is_plain is None:
            # A proxy that inflates a body and forgets the header leaves plain JSON behind it.
            self._is_plain = not data.startswith(_GZIP_MAGIC[: len(data)])
        if self._is_plain:
            yield data
            return
        while data:
            if self._inflater.eof:
                raise InflateError("bytes follow the end of the gzip body")
            before = self._inflater.copy()
            try:
                piece = self._inflater.decompress(data, _PIECE_BYTES)
            except zlib.error:
                yield _before_the_fault(before, data)
                raise InflateError("the gzip body is corrupt") from None
            data = self._inflater.unconsumed_tail or self._inflater.unused_data
            yield piece

    def finish(self) -> None:
        """Refuse a member that was cut short."""
        if not self._is_plain and not self._inflater.eof:
            raise InflateError("the gzip body ends early")


def _before_the_fault(inflater: Any, data: bytes) -> bytes:
    """Return what comes before the byte that is wrong, which zlib throws away together with it: a piece at most."""
    good, rest = bytearray(), iter(data)
    with suppress(zlib.error, StopIteration):
        while True:
            good += inflater.decompress(bytes((next(rest),)))
    return bytes(good)
