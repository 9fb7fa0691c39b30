"""What became of each job of a batch, in the order in which they ended."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio
import anyio.lowlevel
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
        is_missing: an earlier run made its track, and somebody removed it; only `Batch.pay_again` has it made again.
    """

    index: int
    label: str
    state: JobState
    path: Path
    track: Track | None = None
    error: MusicError | None = None
    is_missing: bool = False

    @property
    def receipt(self) -> Receipt | None:
        """What the call did and cost; None where no track was made in this run."""
        return None if self.track is None else self.track.receipt


class Told:
    """Outcomes that are known and nobody has asked for yet: they are small, and nobody need ever ask.

    Unlike a stream of anyio, it is nothing that somebody must close.
    """

    def __init__(self) -> None:
        self._known: deque[JobOutcome] = deque()
        self._news = anyio.Event()
        self._ended = False

    def tell(self, outcome: JobOutcome) -> None:
        """Add an outcome."""
        self._known.append(outcome)
        self._wake()

    def end(self) -> None:
        """Say that there will be no other one."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()

    async def next(self) -> JobOutcome | None:
        """Wait for the next outcome and return it; None after the last."""
        await anyio.lowlevel.checkpoint()
        while not self._known:
            if self._ended:
                return None
            await self._news.wait()
        return self._known.popleft()


class Outcomes(AsyncIterator[JobOutcome]):
    """The outcomes of a run as they come: it begins with the first that is asked for.

    An iterator that holds no task of its own and no limit of time, so it may be left at any point; the run goes on
    until its batch is stopped or closed. What ends it by itself is then raised by the next run, or on
    leaving the batch.
    """

    def __init__(self, start: Callable[[], Told], finish: Callable[[], Awaitable[None]]) -> None:
        self._start = start
        self._finish = finish
        self._told: Told | None = None

    async def __anext__(self) -> JobOutcome:
        """Return the next outcome.

        Raises:
            BudgetExceededError: the budget has no room for the next call.
            SpendBrakeError: calls ended badly too often.
            LedgerError: the ledger cannot be written.
            InputError: a job cannot be what its author means, or is there twice; nothing was sent.
        """
        if self._told is None:
            self._told = self._start()
        outcome = await self._told.next()
        if outcome is None:
            await self._finish()
            raise StopAsyncIteration
        return outcome
