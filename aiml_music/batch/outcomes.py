"""What became of each job of a batch, in the order in which they ended."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from attrs import frozen

from aiml_music._sansio.batch.states import JobState
from aiml_music._sansio.errors import MusicError
from aiml_music._sansio.models import Receipt, Track


@frozen(kw_only=True)
class JobOutcome:
    """How one job of a list stands: after this run, or since an earlier one.

    Attributes:
        index: its place in the list, from 0.
        label: its name in the list.
        state: where it stands.
        path: where its track is, or will be.
        track: what was made in this run; None where nothing was.
        error: what its last call in this run ended with; None where it ended well, and where none was made.
    """

    index: int
    label: str
    state: JobState
    path: Path
    track: Track | None = None
    error: MusicError | None = None

    @property
    def receipt(self) -> Receipt | None:
        """What the call did and cost; None where no track was made in this run."""
        return None if self.track is None else self.track.receipt


class Outcomes(AsyncIterator[JobOutcome]):
    """The outcomes of a run as they come: it begins with the first that is asked for.

    An iterator that holds no task of its own and no limit of time, so it may be left at any point; the run goes on
    until its batch is stopped or closed.
    """

    def __init__(
        self, start: Callable[[], MemoryObjectReceiveStream[JobOutcome]], finish: Callable[[], Awaitable[None]]
    ) -> None:
        self._start = start
        self._finish = finish
        self._coming: MemoryObjectReceiveStream[JobOutcome] | None = None

    async def __anext__(self) -> JobOutcome:
        """Return the next outcome.

        Raises:
            BudgetExceededError: the budget has no room for the next call.
            SpendBrakeError: calls ended badly too often.
            LedgerError: the ledger cannot be written.
            InputError: a job cannot be what its author means, or is there twice; nothing was sent.
        """
        if self._coming is None:
            self._coming = self._start()
        try:
            return await self._coming.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            await self._finish()
            raise StopAsyncIteration from None
