"""A request's body that is in memory already, such as the JSON of a generation."""

from collections.abc import AsyncIterator

from attrs import define, frozen


@frozen
class BytesBody:
    """A few kilobytes to send, as often as it takes."""

    _data: bytes

    @property
    def length(self) -> int:
        """How many bytes it has."""
        return len(self._data)

    def chunks(self) -> AsyncIterator[bytes]:
        """Return the bytes from the start, in one piece; no piece where there are none."""
        return _Once(self._data)


@define(eq=False)
class _Once:
    _rest: bytes

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece, self._rest = self._rest, b""
        if not piece:
            raise StopAsyncIteration
        return piece
