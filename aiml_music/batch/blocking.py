"""A batch for programs without an event loop: the same, each step awaited on the client's own thread."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Self

from aiml_music._io.blocking_context import BlockingContext, Run
from aiml_music._sansio.batch.job import Job
from aiml_music._sansio.batch.records import JobRecord
from aiml_music._sansio.errors import MusicError
from aiml_music.batch.batch import Batch, BatchReport
from aiml_music.batch.outcomes import JobOutcome, Outcomes
from aiml_music.batch.settling import JobSettlement


class BlockingBatch(BlockingContext):
    """Many generations into one directory; see `Batch`. Made by `MusicClient.batch`, and used in a `with`."""

    def __init__(self, batch: Batch, run: Run, calling: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(batch, run, calling)
        self._batch = batch
        self._thread = 0

    def __enter__(self) -> Self:
        entered = super().__enter__()
        self._thread = self._run(_this_thread)
        return entered

    @property
    def directory(self) -> Path:
        """Where the tracks go."""
        return self._batch.directory

    def run(self, jobs: Iterable[Job] | None = None) -> Iterator[JobOutcome]:
        """Make every track of a list that is not made yet, and yield how each job stands; see `Batch.run`."""
        return _Coming(self._batch.run(jobs), self._run)

    def run_all(self, jobs: Iterable[Job] | None = None) -> list[JobOutcome]:
        """Do as `run`, and return all outcomes in the order of the list; see `Batch.run_all`."""
        outcomes: list[JobOutcome] = self._run(partial(self._batch.run_all, jobs))
        return outcomes

    def stop(self) -> None:
        """Send nothing more; what is under way comes to its end. May be called from any thread."""
        self._batch.stop()

    def abort(self) -> None:
        """Stop at once; see `Batch.abort`. May be called from any thread, also while another one waits for a run."""
        if self._thread == threading.get_ident():
            # Of the loop itself, where somebody is told of an event: it cannot wait for itself.
            self._batch.abort()
        else:
            self._run(self._aborted)

    async def _aborted(self) -> None:
        self._batch.abort()

    def report(self) -> BatchReport:
        """Return where all jobs stand."""
        report: BatchReport = self._run(self._batch.report)
        return report

    @property
    def unwritten(self) -> tuple[MusicError, ...]:
        """Why receipts and the page could not be written; see `Batch.unwritten`."""
        return self._batch.unwritten

    def write_page(self) -> Path:
        """Write `index.html`, which shows where all jobs stand, and return it; see `Batch.write_page`."""
        page: Path = self._run(self._batch.write_page)
        return page

    def settle(self, *, wait: float | None = None, absent_is_unpaid: bool = False) -> list[JobSettlement]:
        """Ask the service's own books about every call in doubt, and write down what they say; see `Batch.settle`."""
        found: list[JobSettlement] = self._run(lambda: self._batch.settle(wait=wait, absent_is_unpaid=absent_is_unpaid))
        return found

    def pay_again(self, label_or_key: str, *, reason: str) -> JobRecord:
        """Have a job sent again by the next run, though it may have been paid for; see `Batch.pay_again`."""
        record: JobRecord = self._run(lambda: self._batch.pay_again(label_or_key, reason=reason))
        return record


async def _this_thread() -> int:
    return threading.get_ident()


class _Coming(Iterator[JobOutcome]):
    def __init__(self, outcomes: Outcomes, run: Run) -> None:
        self._outcomes = outcomes
        self._run = run

    def __next__(self) -> JobOutcome:
        # A StopAsyncIteration may leave a coroutine, and then its place in a `for` is a StopIteration.
        outcome: JobOutcome | None = self._run(lambda: anext(self._outcomes, None))
        if outcome is None:
            raise StopIteration
        return outcome
