"""How a batch stands, as its ledger tells: read without a lock, also while another process works on it."""

import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path

from attrs import frozen

from aiml_music._sansio.batch.budget import Balance
from aiml_music._sansio.batch.records import AttemptRecord, Entry, JobRecord
from aiml_music._sansio.batch.states import JobState, Mark
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.ledger_file import LEDGER_NAME
from aiml_music.batch.stories import is_missing
from aiml_music.cli.faults import CommandError


@frozen(kw_only=True)
class Doubt:
    """A call that may have been charged, or was, and gave no track so far.

    Attributes:
        job: its job's label, or its file where that has none.
        state: where its job stands now, which may have been sent again by the user's word.
        sent_at: Unix time; when its first byte may have left.
        evidence: what is known about it.
        generation_id: what the service had taken it under; None where it gave no id.
    """

    job: str
    state: JobState
    client_request_id: str
    sent_at: float
    evidence: tuple[str, ...]
    generation_id: str | None = None


@frozen(kw_only=True)
class Standing:
    """How a batch stands.

    Attributes:
        directory: where it is.
        jobs: how many stand where, of all that were ever planned here.
        listed: the same of the jobs of the list; of all, where no list was given.
        in_doubt: calls that may have been charged and gave no track.
        lost: calls that were charged and gave no track.
        accepted: calls that were charged, and whose tracks can be collected.
        refused: jobs that the service refused for good, and why.
        orphans: the jobs that are not in the list.
        missing: the tracks that were made, and are not in the directory any more.
    """

    directory: Path
    jobs: Mapping[JobState, int]
    listed: Mapping[JobState, int]
    balance: Balance
    in_doubt: tuple[Doubt, ...]
    lost: tuple[Doubt, ...]
    accepted: tuple[Doubt, ...]
    refused: tuple[tuple[str, str], ...]
    orphans: tuple[str, ...]
    missing: tuple[str, ...] = ()


def check_is_batch(directory: Path) -> None:
    """Make sure that a directory has a ledger.

    Raises:
        CommandError: it has none, or is not there.
    """
    # These two never raise, whatever the name is.
    if not os.path.isfile(directory / LEDGER_NAME):  # noqa: PTH113
        missing = f"has no {LEDGER_NAME}, so it is no batch" if os.path.isdir(directory) else "is no directory"  # noqa: PTH112
        raise CommandError(f"{str(directory)!r} {missing}.", "aiml-music batch JOBS -o DIRECTORY makes one.")


def standing_of(directory: Path, keys: Container[str] | None = None) -> Standing:
    """Return how a batch stands.

    Args:
        directory: where it is.
        keys: of the jobs in the list; None takes all.

    Raises:
        CommandError: there is no batch.
        LedgerError: its ledger cannot be read.
    """
    check_is_batch(directory)
    with Ledger.observe(directory) as ledger:
        return _told(directory, ledger, keys)


def _told(directory: Path, ledger: Ledger, keys: Container[str] | None) -> Standing:
    jobs, listed = Counter[JobState](), Counter[JobState]()
    refused, orphans, missing = [], [], []
    for record in ledger.jobs():
        jobs[record.state] += 1
        if keys is None or record.key in keys:
            listed[record.state] += 1
        else:
            orphans.append(_name(record))
        if record.state is JobState.REJECTED:
            refused.append((_name(record), _reason(ledger, record)))
        if is_missing(record, directory):
            missing.append(record.file_name)
    return Standing(
        directory=directory,
        jobs=jobs,
        listed=listed,
        balance=ledger.balance(),
        in_doubt=tuple(_doubts(ledger, JobState.IN_DOUBT)),
        lost=tuple(_doubts(ledger, JobState.PAID_LOST)),
        accepted=tuple(_doubts(ledger, JobState.ACCEPTED)),
        refused=tuple(refused),
        orphans=tuple(orphans),
        missing=tuple(missing),
    )


def _name(record: JobRecord) -> str:
    return record.label or record.file_name


def _reason(ledger: Ledger, record: JobRecord) -> str:
    problems = (mark.facts["problem"] for mark in reversed(ledger.marks(record.key)) if "problem" in mark.facts)
    return str(next(problems, ""))


def _doubts(ledger: Ledger, state: JobState) -> Iterator[Doubt]:
    for attempt in ledger.attempts_left(state):
        record, entries = ledger.job(attempt.key), _entries(ledger, attempt)
        yield Doubt(
            job=_name(record),
            state=record.state,
            client_request_id=attempt.client_request_id,
            sent_at=next(entry.at for entry in entries if entry.mark is Mark.WIRE),
            evidence=tuple(_told_once(word for entry in entries for word in _words(entry))),
            generation_id=next(
                (entry.facts["generation_id"] for entry in entries if entry.mark is Mark.ACCEPTED), None
            ),
        )


def _told_once(words: Iterable[str]) -> dict[str, None]:
    # What is collected in vain says the same each time.
    return dict.fromkeys(words)


def _entries(ledger: Ledger, attempt: AttemptRecord) -> list[Entry]:
    return [entry for entry in ledger.marks(attempt.key) if entry.attempt == attempt.attempt]


def _words(entry: Entry) -> Iterator[str]:
    """Yield what one mark of a call says about its fate."""
    facts = entry.facts
    match entry.mark:
        case Mark.HEAD:
            yield f"an answer began with HTTP {facts.get('status')}"
        case Mark.DIED:
            yield "the program ended while the call was under way"
        case Mark.ACCEPTED:
            yield f"accepted as {facts.get('generation_id')}"
        case Mark.PAID | Mark.EARLIER_PAID:
            yield "it was charged"
        case Mark.SOUGHT:
            yield str(facts.get("note", facts.get("problem", "the usage log settled nothing"))).rstrip(".")
    if entry.mark in {Mark.IN_DOUBT, Mark.PAID} and "problem" in facts:
        yield str(facts["problem"]).rstrip(".")
    if facts.get("inference_id") is not None and entry.mark is Mark.HEAD:
        yield f"inference id {facts['inference_id']}"
    if "salvage" in facts:
        yield f"what came is in {facts['salvage']}"
