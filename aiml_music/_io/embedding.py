"""Write a JSON request that holds a reference as base64, of a length known beforehand, a piece of it in memory."""

import base64
from collections.abc import AsyncIterator, Iterator

from aiml_music._io.outgoing import Pieces
from aiml_music._io.reading import blocks_of
from aiml_music._sansio.ports import Source

# Whole groups of three bytes, so that the pieces of base64 join; each becomes 256 KiB.
_BLOCK_BYTES = 192 * 1024


class EmbeddedBody:
    """The body of a generation with its reference in it; it can be sent again from the start.

    Args:
        payload: the JSON of the request, an object with at least one member.
        name: the member that the reference becomes, in ASCII.
        source: the reference, open as long as this is in use.
    """

    def __init__(self, payload: bytes, *, name: str, source: Source) -> None:
        self._source = source
        self._opening = payload.removesuffix(b"}") + f', "{name}": "'.encode("ascii")
        self._closing = b'"}'

    @property
    def length(self) -> int:
        """How many bytes it has, exactly."""
        return len(self._opening) + (self._source.size + 2) // 3 * 4 + len(self._closing)

    def chunks(self) -> AsyncIterator[bytes]:
        """Return the bytes from the start.

        The end is withheld from a reference that changed, so that no server can take it for complete.

        Raises:
            InputError: while iterating: the reference cannot be read, ended early, or changed.
        """
        return Pieces(self._blocks())

    def _blocks(self) -> Iterator[bytes]:
        yield self._opening
        yield from map(base64.b64encode, blocks_of(self._source, _BLOCK_BYTES))
        yield self._closing
