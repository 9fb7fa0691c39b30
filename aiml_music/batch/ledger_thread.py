"""The ledger, off the event loop: one thing at a time, and each waits until it is on the disk."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

from aiml_music.batch.ledger import Ledger
from aiml_music.batch.marks_together import MarksTogether

T = TypeVar("T")

# Each has a thread that waits; what more of them would save is little.
_MOST_TOGETHER = 40


class LedgerThread:
    """Lets worker threads work on a ledger, one at a time; belongs to one event loop."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._marks = MarksTogether(ledger)
        self._limiter = anyio.CapacityLimiter(1)
        self._markers = anyio.CapacityLimiter(_MOST_TOGETHER)
        self._lookers = anyio.CapacityLimiter(1)

    async def do(self, work: Callable[[Ledger], T]) -> T:
        """Run work on the ledger and wait for it; it is not abandoned when whoever waits is cancelled."""
        return await anyio.to_thread.run_sync(work, self._ledger, limiter=self._limiter)

    async def mark(self, work: Callable[[Ledger], T]) -> T:
        """Run work that makes one mark, and wait as `do` does; marks of the same moment share the time of the disk."""
        return await anyio.to_thread.run_sync(partial(self._marks.make, work), limiter=self._markers)

    async def look(self, work: Callable[[Ledger], T]) -> T:
        """Run long work that only reads, beside what is written meanwhile, and wait for it as `do` does."""
        return await anyio.to_thread.run_sync(work, self._ledger, limiter=self._lookers)
