"""What a ledger knows of one job, told for people: as a receipt, and as an entry of the page.

It reads the ledger, and looks whether files are there; nothing is written from here.
"""

import io
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from attrs import frozen

from aiml_music._io.publishing import hidden, kept_beside
from aiml_music._sansio.audio import AudioFormatError, probe
from aiml_music._sansio.batch.job import Job
from aiml_music._sansio.batch.records import AttemptRecord, Entry, JobRecord, ReferenceRecord
from aiml_music._sansio.batch.states import OF_EARLIER_CALLS, JobState, Mark
from aiml_music._sansio.errors import InputError
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.page.entries import PageEntry, PageState
from aiml_music.batch.receipts import SungWith, TrackReceipt, receipt_path

_UNDER_WAY = frozenset({JobState.INTENT, JobState.WIRE, JobState.RECEIVED})
_NO_TRACK = frozenset({JobState.IN_DOUBT, JobState.PAID_LOST})
_DIED = "The program ended while this call was under way."
_POISONED = "Its calls died again and again without an answer. Only your word sends it again."
_GONE = "Its track is not in this folder any more."


def is_missing(record: JobRecord, directory: Path) -> bool:
    """Say whether a job is done, and its track is not where it was put; it is never made again by itself."""
    # Never raises, whatever the directory is.
    return record.state is JobState.DONE and not os.path.isfile(directory / record.file_name)  # noqa: PTH113


@frozen(kw_only=True)
class Story:
    """A job, and what is known of its latest call.

    Attributes:
        job: None where this release does not take it any more.
        marks: of the job, in their order.
        attempts: of the job, in their order.
    """

    record: JobRecord
    job: Job | None
    marks: tuple[Entry, ...]
    attempts: tuple[AttemptRecord, ...]

    @classmethod
    def of(cls, record: JobRecord, ledger: Ledger) -> "Story":
        """Return the story of a job.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        marks, attempts = ledger.marks(record.key), ledger.attempts(record.key)
        return cls(record=record, job=_job_of(record), marks=tuple(marks), attempts=tuple(attempts))

    @property
    def latest(self) -> AttemptRecord | None:
        """The job's latest call."""
        return self.attempts[-1] if self.attempts else None

    @property
    def of_the_call(self) -> tuple[Entry, ...]:
        """The marks of the latest call."""
        return tuple(mark for mark in self.marks if self.latest is not None and mark.attempt == self.latest.attempt)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What was noted about the latest call, the later word over the earlier."""
        return {name: fact for mark in self.of_the_call for name, fact in mark.facts.items()}

    @property
    def charged(self) -> int | None:
        """Credits that the service says the latest call cost."""
        return next((mark.charged for mark in reversed(self.of_the_call) if mark.charged is not None), None)

    @property
    def usd(self) -> Decimal | None:
        """The same in US dollars: as the answer said, or as the books did."""
        said = self.facts.get("usd_spent") or self.facts.get("usd")
        return None if said is None else Decimal(said)

    def moment(self, mark: Mark) -> datetime | None:
        """Return when the job was first marked so."""
        return next((datetime.fromtimestamp(entry.at, UTC) for entry in self.marks if entry.mark is mark), None)


def _job_of(record: JobRecord) -> Job | None:
    try:
        return record.job
    except InputError:
        # Of an older release, say; what is known of its money and its file is told all the same.
        return None


def receipt_from(record: JobRecord, ledger: Ledger) -> TrackReceipt:
    """Return the receipt of a job whose track is there, as far as its ledger knows.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    story = Story.of(record, ledger)
    facts, job = story.facts, story.job
    return TrackReceipt(
        job_key=record.key,
        label=record.label or record.name,
        file=record.file_name,
        sha256=facts.get("sha256", ""),
        size_bytes=facts.get("size_bytes"),
        seconds=facts.get("seconds"),
        model="" if job is None else job.model,
        client_request_id=None if story.latest is None else story.latest.client_request_id,
        inference_id=facts.get("inference_id"),
        trace_id=facts.get("trace_id"),
        credits_used=story.charged,
        usd_spent=story.usd,
        attempts=len(story.attempts),
        started=story.moment(Mark.INTENT),
        finished=story.moment(Mark.RECEIVED),
        sung_with=SungWith() if job is None else _sung_with(job, _reference(record, job, ledger)),
        lyrics="" if job is None else job.lyrics,
        flags=tuple(facts.get("flags", ())),
    )


def earlier_tracks(record: JobRecord, ledger: Ledger) -> list[str]:
    """Return the hashes of the tracks that a job had before its latest one.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    received = [entry for entry in ledger.marks(record.key) if entry.mark is Mark.RECEIVED]
    return [str(entry.facts["sha256"]) for entry in received[:-1]]


def _reference(record: JobRecord, job: Job, ledger: Ledger) -> ReferenceRecord | None:
    if record.reference_sha256 is None or job.purpose is None:
        return None
    return ledger.reference(record.reference_sha256, job.purpose)


def _sung_with(job: Job, learned: ReferenceRecord | None) -> SungWith:
    if learned is None:
        return SungWith(file=job.reference, refer_voice=job.refer_voice, refer_instrumental=job.refer_instrumental)
    return SungWith(
        file=job.reference,
        purpose=job.purpose,
        refer_voice=learned.voice_id,
        refer_instrumental=learned.instrumental_id,
    )


def seconds_of(track: Path) -> float | None:
    """Return how long a track plays, by its frames; None where they do not say."""
    try:
        with io.FileIO(track) as file:
            return probe(partial(_read_at, file), file.seek(0, io.SEEK_END)).duration
    except (OSError, AudioFormatError):
        return None


def _read_at(file: io.FileIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)


def entry_from(record: JobRecord, ledger: Ledger, directory: Path) -> PageEntry:
    """Return the entry of a job on the page.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    story = Story.of(record, ledger)
    track = directory / record.file_name
    is_there = record.state is JobState.DONE and track.is_file()
    kept = kept_beside(track) if record.state in _NO_TRACK else []
    return PageEntry(
        label=record.label or record.name,
        state=shown_as(record.state),
        file=track.name if is_there else next((path.name for path in kept), None),
        receipt=receipt_path(track).name if is_there and receipt_path(track).is_file() else None,
        seconds=seconds_from(record, story.of_the_call, track) if is_there else None,
        credits_used=story.charged,
        usd_spent=story.usd,
        lyrics="" if story.job is None else story.job.lyrics,
        request_id=None if story.latest is None else story.latest.client_request_id,
        reason=" ".join(filter(None, _reason(story, track, kept, is_there=is_there))),
        next_step=f"aiml-music settle {_shown(directory)}" if record.state is JobState.IN_DOUBT else "",
        flags=tuple(story.facts.get("flags", ())),
    )


def shown_as(state: JobState) -> PageState:
    """Return what the page calls a state."""
    return PageState.ATTEMPTING if state in _UNDER_WAY else PageState(state)


def seconds_from(record: JobRecord, marks: Iterable[Entry], track: Path) -> float | None:
    """Return how long a track plays, as its marks say, or else its frames."""
    noted: Iterator[float] = (mark.facts["seconds"] for mark in marks if "seconds" in mark.facts)
    return next(noted, None) or (None if record.format == "pcm" else seconds_of(track))


def _shown(directory: Path) -> str:
    """Return how to call a directory at a prompt, from the one it is in: what is above it is nobody's business."""
    name = directory.resolve().name
    return shlex.quote(f"./{name}" if name.startswith("-") else name)


def _reason(story: Story, track: Path, kept: list[Path], *, is_there: bool) -> list[str]:
    """Return what went wrong with a job, and what there is of it, in sentences."""
    state, problem = story.record.state, story.facts.get("problem")
    if state is JobState.DONE:
        return [] if is_there else [_GONE]
    if state is JobState.RECEIVED:
        ready = hidden(track, story.of_the_call[-1].attempt or "", "ready").name
        return [f"Its track is whole, in {ready}, and gets its name when the batch is opened and {track.name} is free."]
    if state in _NO_TRACK:
        note = story.facts.get("note", "") if state is JobState.IN_DOUBT else ""
        names = ", ".join(path.name for path in kept)
        return [problem or _DIED, note, f"What came of it is in {names}." if names else ""]
    if state is JobState.POISONED:
        return [_POISONED]
    # Of a job that waits, only what its last call came to; the user's word since then is no trouble.
    last = [mark for mark in story.marks if mark.mark not in OF_EARLIER_CALLS][-1].facts.get("problem")
    return [last] if last else []
