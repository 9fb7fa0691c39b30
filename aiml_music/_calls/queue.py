"""The queue of a client's own calls: so many at once, the rest in order; never a pool that runs dry."""

import anyio

from aiml_music._sansio.concurrency import ConcurrencyLimit
from aiml_music._sansio.ports import Clock


class Queue:
    """Lets calls through, as many at once as its limit allows.

    Belongs to one event loop.
    """

    def __init__(self, limit: ConcurrencyLimit, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._places = anyio.CapacityLimiter(limit.calls)

    @property
    def places(self) -> int:
        """How many calls may be under way now."""
        return int(self._places.total_tokens)

    @property
    def under_way(self) -> int:
        """How many calls have a place."""
        return self._places.borrowed_tokens

    async def join(self, call: object) -> None:
        """Wait for a place."""
        await self._places.acquire_on_behalf_of(call)

    def leave(self, call: object) -> None:
        """Give a place to the next in the queue."""
        self._places.release_on_behalf_of(call)

    def succeeded(self) -> bool:
        """Note that the service took a call well; say whether there are more places now."""
        self._limit.succeeded(now=self._clock.monotonic(), under_way=self.under_way)
        return self._adapted()

    def throttled(self, *, began: float) -> bool:
        """Note that an attempt was throttled that began then; say whether there are fewer places now."""
        self._limit.throttled(now=self._clock.monotonic(), began=began)
        return self._adapted()

    def _adapted(self) -> bool:
        # Calls that have a place keep it: fewer places only means that the next ones wait longer.
        before, self._places.total_tokens = self._places.total_tokens, self._limit.calls
        return before != self._places.total_tokens
