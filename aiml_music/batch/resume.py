"""What a process that ended in the middle of a batch left behind, brought to its end before anything else is sent.

Nothing here asks the service for anything, and everything can be done again, should this process end as well.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiml_music._io.digest import sha256_of
from aiml_music._io.leftovers import discard, leftovers, promote, salvage
from aiml_music._io.publishing import hidden
from aiml_music._sansio.batch.records import Entry, JobRecord
from aiml_music._sansio.batch.states import JobState, Mark
from aiml_music._sansio.errors import StorageError
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.tokens import PREFIX

# Receipts and the page, which are written whole or again.
_MADE_ANEW = frozenset({".json", ".html"})
_UNSETTLED = (JobState.INTENT, JobState.WIRE, JobState.ACCEPTED, JobState.RECEIVED, JobState.IN_DOUBT)


def resume(ledger: Ledger, directory: Path, *, now: Callable[[], float]) -> None:
    """Settle every attempt that was under way: collect its track, or note that it died.

    A call in doubt whose whole track is there after all is collected as well: a thread may end after the verdict. What
    the service has accepted stays so, for the run to collect; nothing hangs on the beginning that came of its track.

    Args:
        ledger: open for writing.
        directory: where the tracks are.
        now: returns Unix time.

    Raises:
        LedgerError: it could not be written.
    """
    for record in ledger.jobs(_UNSETTLED):
        _Left(ledger, directory, record, now).settle()
    # Nothing hangs on these: what a failing disk does not list has time until another resume.
    with suppress(OSError):
        strays = list(_strays(directory))
        for stray in strays:
            if stray.suffix == ".part":
                _clear(stray)
        for stray in strays:
            if stray.suffix == ".ready":
                _tidy(stray)


def _strays(directory: Path) -> Iterator[Path]:
    # One by one: of the files of a great batch, these are next to none.
    with os.scandir(directory) as found:
        for entry in found:
            if entry.name.startswith(".") and f".{PREFIX}" in entry.name:
                yield Path(entry)


def _clear(part: Path) -> None:
    """Remove a part file that no attempt on record has."""
    if _target_of(part).suffix in _MADE_ANEW:
        with suppress(OSError):
            part.unlink()
    else:
        # Of an attempt that was never noted, and empty; or of one whose track was whole when its disk failed.
        with suppress(StorageError):
            salvage(part, _target_of(part), "unverified")


def _tidy(ready: Path) -> None:
    """Remove the hidden name of a track that has its own."""
    with suppress(OSError):
        if _target_of(ready).samefile(ready):
            ready.unlink()


def _target_of(hidden_name: Path) -> Path:
    return hidden_name.with_name(hidden_name.name[1:].partition(f".{PREFIX}")[0])


class _Left:
    """One job whose attempt was under way."""

    def __init__(self, ledger: Ledger, directory: Path, record: JobRecord, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._record = record
        self._now = now
        self._target = directory / record.file_name
        self._found = leftovers(directory, record.file_name, record.attempt or "")

    def settle(self) -> None:
        if self._record.state is JobState.INTENT:
            self._died()
        elif self._record.state is JobState.WIRE:
            self._settle_sent()
        elif self._record.state is JobState.RECEIVED:
            self._publish(self._received())
        elif self._found.ready is not None:
            self._collect(self._found.ready)
        elif self._record.state is JobState.ACCEPTED and self._found.part is not None:
            with suppress(OSError):
                self._found.part.unlink()

    def _settle_sent(self) -> None:
        if self._found.ready is None:
            self._died()
        else:
            self._collect(self._found.ready)

    def _collect(self, ready: Path) -> None:
        # Only what was whole, checked and synced has this name.
        try:
            digest, size = sha256_of(ready), ready.stat().st_size
        except OSError:
            # It stays as it is until its disk gives it back; meanwhile nothing is sent for it.
            return
        self._mark(Mark.RECEIVED, sha256=digest, size_bytes=size)
        self._publish(digest)

    def _died(self) -> None:
        part = self._found.part
        kept = None
        # What a failing disk keeps back has time until another resume.
        with suppress(StorageError):
            if part is not None and self._record.state is JobState.INTENT:
                discard(part)
            elif part is not None:
                kept = salvage(part, self._target)
        self._mark(Mark.DIED, **({} if kept is None else {"salvage": kept.name}))

    def _publish(self, sha256: str) -> None:
        hidden_name = hidden(self._target, self._record.attempt or "", "ready")
        try:
            promote(hidden_name, self._target, sha256=sha256)
        except StorageError:
            # Something else has its name, or the disk fails: the track stays where it is, and the job says so.
            return
        self._mark(Mark.DONE, file=self._target.name)

    def _received(self) -> str:
        entries = [entry for entry in self._ledger.marks(self._record.key) if entry.mark is Mark.RECEIVED]
        return str(entries[-1].facts["sha256"])

    def _mark(self, mark: Mark, **facts: Any) -> Entry:
        return self._ledger.append(self._record.key, mark, now=self._now(), facts=facts)
