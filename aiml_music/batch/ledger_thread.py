"""The ledger, off the event loop: one thing at a time, and each waits until it is on the disk."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from aiml_music.batch.ledger import Ledger

T = TypeVar("T")


class LedgerThread:
    """Lets one worker thread at a time work on a ledger; belongs to one event loop."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._limiter = anyio.CapacityLimiter(1)
        self._lookers = anyio.CapacityLimiter(1)

    async def do(self, work: Callable[[Ledger], T]) -> T:
        """Run work on the ledger and wait for it; it is not abandoned when whoever waits is cancelled."""
        return await anyio.to_thread.run_sync(work, self._ledger, limiter=self._limiter)

    async def look(self, work: Callable[[Ledger], T]) -> T:
        """Run long work that only reads, beside what is written meanwhile, and wait for it as `do` does."""
        return await anyio.to_thread.run_sync(work, self._ledger, limiter=self._lookers)
