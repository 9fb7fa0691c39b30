"""The folder that a person opens: a receipt beside each track, and a page of them all.

A track that is paid for is there whatever becomes of these: what cannot be written is remembered, and tried again when
the batch is opened again.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from attrs import evolve

from aiml_music._io.disk import on_disk
from aiml_music._sansio.batch.budget import usd_of
from aiml_music._sansio.batch.records import JobRecord
from aiml_music._sansio.batch.states import JobState
from aiml_music._sansio.errors import MusicError
from aiml_music._sansio.ports import Clock
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.ledger_thread import LedgerThread
from aiml_music.batch.page.entries import PageEntry, PageState, PageTotals
from aiml_music.batch.page.writing import write_page
from aiml_music.batch.receipts import TrackReceipt, receipt_path, write_receipt
from aiml_music.batch.stories import earlier_tracks, entry_from, receipt_from, seconds_from, seconds_of, shown_as

# To draw a minute of music takes a quarter of a second, and whoever leaves a batch waits for it.
_MOST_DRAWN = 40
_FAILED = (JobState.REJECTED, JobState.POISONED, JobState.PAID_LOST)


class Folder:
    """Keeps receipts and the page of a batch that is open.

    Attributes:
        unwritten: why what could not be written was not.
    """

    def __init__(self, directory: Path, ledger: LedgerThread, clock: Clock, unwritten: list[MusicError]) -> None:
        self._directory = directory
        self._ledger = ledger
        self._clock = clock
        self.unwritten = unwritten

    async def keep_receipt(self, record: JobRecord) -> None:
        """Write the receipt of a track that was just made."""
        try:
            receipt = await self._ledger.do(partial(receipt_from, record))
            before = await self._ledger.do(partial(earlier_tracks, record))
            await on_disk(partial(write_receipt_of, receipt, self._directory, instead_of=before))
        except MusicError as error:
            self.unwritten.append(error)

    async def write_page(self, *, pictures: bool = True) -> Path:
        """Write the page; see `Batch.write_page`."""
        work = partial(put_page, directory=self._directory, now=self._clock.time(), pictures=pictures)
        return await self._ledger.look(work)

    async def finish(self) -> None:
        """Write the page, if there is anything to show on it; with pictures, if there are not too many to draw."""
        try:
            jobs = (await self._ledger.look(Ledger.totals)).jobs
            if any(jobs.values()):
                await self.write_page(pictures=jobs[JobState.DONE] <= _MOST_DRAWN)
        except MusicError as error:
            self.unwritten.append(error)


def write_receipt_of(receipt: TrackReceipt, directory: Path, *, instead_of: Collection[str] = ()) -> Path:
    """Write a receipt beside its track; it may block on a disk.

    Raises:
        OutputExistsError: something else has its name.
        StorageError: it could not be written.
    """
    track = directory / receipt.file
    if receipt.seconds is None and track.suffix != ".pcm":
        receipt = evolve(receipt, seconds=seconds_of(track))
    return write_receipt(track, receipt, instead_of=instead_of)


def write_missing_receipts(ledger: Ledger, directory: Path) -> list[MusicError]:
    """Write the receipts that tracks lack, and return why others could not be written.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    failed: list[MusicError] = []
    for record in ledger.jobs([JobState.DONE]):
        track = directory / record.file_name
        if track.is_file() and not receipt_path(track).exists():
            try:
                write_receipt_of(receipt_from(record, ledger), directory)
            except MusicError as error:
                failed.append(error)
    return failed


def put_page(ledger: Ledger, *, directory: Path, now: float, pictures: bool) -> Path:
    """Write the page of a batch; it reads the ledger piece by piece, and the tracks.

    Raises:
        OutputExistsError: there is an `index.html` of somebody else.
        StorageError: it could not be written.
        LedgerError: the ledger cannot be read.
    """
    entries = partial(_entries, ledger, directory)
    return write_page(directory, _totals(ledger, directory, now), entries, draw=None if pictures else lambda _file: ())


def _entries(ledger: Ledger, directory: Path, states: frozenset[PageState]) -> Iterator[PageEntry]:
    wanted = [state for state in JobState if shown_as(state) in states]
    return (entry_from(record, ledger, directory) for record in ledger.jobs(wanted))


def _seconds(ledger: Ledger, directory: Path) -> Iterator[float]:
    for record in ledger.jobs([JobState.DONE]):
        track = directory / record.file_name
        if track.is_file():
            yield seconds_from(record, reversed(ledger.marks(record.key)), track) or 0.0


def _totals(ledger: Ledger, directory: Path, now: float) -> PageTotals:
    totals = ledger.totals()
    return PageTotals(
        title=directory.resolve().name,
        jobs=sum(totals.jobs.values()),
        tracks=totals.jobs[JobState.DONE],
        seconds=sum(_seconds(ledger, directory)),
        credits_used=totals.balance.spent,
        usd_spent=usd_of(totals.balance.spent),
        in_doubt=sum(1 for _ in ledger.attempts_left(JobState.IN_DOUBT)),
        usd_in_doubt=usd_of(totals.balance.in_doubt),
        failed=sum(totals.jobs[state] for state in _FAILED),
        lost=totals.jobs[JobState.PAID_LOST],
        written=datetime.fromtimestamp(now, UTC),
    )
