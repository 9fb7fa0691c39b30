"""Write an upload as multipart/form-data, of a length known beforehand and never another.

Nothing of the caller's gets into the heads of the parts: the file name is a constant, purpose and media type come
from closed sets. What may be sent is decided elsewhere.
"""

import os
from collections.abc import AsyncIterator, Iterator

from aiml_music._io.outgoing import Pieces
from aiml_music._io.reading import blocks_of
from aiml_music._sansio.models import Purpose
from aiml_music._sansio.ports import Source

# So much of each upload is in memory. At 512 KiB sending takes a tenth less CPU, at 1 MiB a sixth.
_BLOCK_BYTES = 256 * 1024
_FILE_NAMES = {"audio/mpeg": "reference.mp3", "audio/wav": "reference.wav"}


class MultipartBody:
    """The body of an upload; it can be sent again from the start.

    Args:
        source: the reference, open as long as this is in use.
        purpose: `song`, `voice` or `instrumental`.
        media_type: `audio/mpeg` or `audio/wav`.
        boundary: what separates the parts; drawn at random where it is not given.

    Raises:
        ValueError: purpose or media type are none of these.
    """

    def __init__(self, source: Source, *, purpose: str, media_type: str, boundary: str | None = None) -> None:
        if media_type not in _FILE_NAMES:
            raise ValueError(f"media_type must be one of {', '.join(_FILE_NAMES)}")
        # 128 random bits do not occur in a file by chance, nor by the design of whoever made it.
        boundary = boundary or os.urandom(16).hex()
        self._source = source
        self._opening = (
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="purpose"\r\n\r\n'
            f"{Purpose(purpose).value}\r\n"
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{_FILE_NAMES[media_type]}"\r\n'
            f"Content-Type: {media_type}\r\n\r\n"
        ).encode("ascii")
        self._closing = f"\r\n--{boundary}--\r\n".encode("ascii")
        self._sha256: str | None = None
        self.content_type = f"multipart/form-data; boundary={boundary}"

    @property
    def length(self) -> int:
        """How many bytes it has, exactly."""
        return len(self._opening) + self._source.size + len(self._closing)

    @property
    def sha256(self) -> str | None:
        """The hash of the reference, in hex, once it has been sent whole."""
        return self._sha256

    def chunks(self) -> AsyncIterator[bytes]:
        """Return the bytes from the start.

        The end is withheld from a reference that changed, so that no server can take it for complete.

        Raises:
            InputError: while iterating: the reference cannot be read, ended early, or changed.
        """
        return Pieces(self._blocks())

    def _blocks(self) -> Iterator[bytes]:
        import hashlib  # noqa: PLC0415 - slow to load, and the HTTP library has done it

        yield self._opening
        digest = hashlib.sha256()
        for block in blocks_of(self._source, _BLOCK_BYTES):
            digest.update(block)
            yield block
            # Or there were two of them while the next one is read.
            del block
        self._sha256 = digest.hexdigest()
        yield self._closing
