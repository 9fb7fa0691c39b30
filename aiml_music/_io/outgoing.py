"""Hand on what is read in a worker thread: one block in memory, piece by piece, and turns of the event loop between.

What is read, and what is to be said of it, is its maker's.
"""

from collections.abc import AsyncIterator, Iterator

from anyio import to_thread

from aiml_music._io.pacer import pacer
from aiml_music._sansio.pace import SEND_PIECE_BYTES

_PIECE_BYTES = 3 * SEND_PIECE_BYTES
"""A step of the event loop: 0.15 ms of it. What is written at a time is less."""


class Pieces(AsyncIterator[bytes]):
    """The bytes of a blocking iterator, each of whose blocks is taken in a worker thread.

    A network that takes everything at once never makes the sender wait, and eight uploads would hold the event loop up
    for 6 ms and more: so every piece is a step of the loop's pacer.

    Args:
        blocks: never empty, and as large as may be held in memory.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block = memoryview(b"")

    async def __anext__(self) -> bytes:
        if not self._block:
            # A view of nothing would keep the block it was cut from while the next one is read.
            self._block = memoryview(b"")
            await to_thread.run_sync(self._read)
            if not self._block:
                raise StopAsyncIteration
        await pacer().step()
        piece, self._block = bytes(self._block[:_PIECE_BYTES]), self._block[_PIECE_BYTES:]
        return piece

    def _read(self) -> None:
        # What a thread returns, trio keeps until the task's next step.
        self._block = memoryview(next(self._blocks, b""))
