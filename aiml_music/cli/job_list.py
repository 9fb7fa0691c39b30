"""The list of a batch, read and checked whole, before anything is sent."""

from pathlib import Path

from attrs import define, field, frozen

from aiml_music._io.digest import sha256_of
from aiml_music._sansio.batch.job import Job, job_key, planned
from aiml_music._sansio.catalogue import find_model, unknown_words
from aiml_music._sansio.errors import InputError
from aiml_music.batch.joblist import JobRow, read_jobs
from aiml_music.cli.faults import CommandError
from aiml_music.cli.screen import Screen

_MOST_SHOWN = 20


@frozen(kw_only=True)
class JobList:
    """A list in which every row can be used.

    Attributes:
        jobs: one for each row.
        keys: what a ledger knows them by.
    """

    jobs: tuple[Job, ...]
    keys: frozenset[str]


def job_list_of(path: Path, *, number_copies: bool, screen: Screen) -> JobList:
    """Return the jobs of a list.

    Args:
        path: see `read_jobs`.
        number_copies: take rows that ask for the same track as copies of it.
        screen: where to print what is wrong, at most 20 rows of it.

    Raises:
        CommandError: rows cannot be used, or the list cannot be read.
    """
    check = _Check(number_copies=number_copies)
    try:
        for row in read_jobs(path, on_bad_row=lambda error: check.complain(error.message, error.hint)):
            check.take(row)
    except InputError as error:
        check.complain(error.message, error.hint)
    if check.complaints:
        raise _refused(path, check.complaints, screen)
    for name in dict.fromkeys(job.model for job, _ in check.jobs):
        if not find_model(name).known:
            screen.note(unknown_words(name))
    plans = planned(check.jobs, number_copies=number_copies)
    return JobList(jobs=tuple(job for job, _ in check.jobs), keys=frozenset(plan.key for plan in plans))


def job_of(row: JobRow) -> Job:
    """Return a row as a job.

    Raises:
        InputError: it cannot be what its author means.
    """
    return Job(
        label=row.label or "",
        lyrics=row.lyrics,
        prompt=row.fields.get("prompt"),
        reference=None if row.reference is None else str(row.reference),
        purpose=row.purpose,
        refer_voice=row.refer_voice,
        refer_instrumental=row.refer_instrumental,
        model=row.model,
        audio_setting=row.audio_setting,
        fields={name: value for name, value in row.fields.items() if name != "prompt"},
        extra_body=row.extra_body,
    )


@define(kw_only=True)
class _Check:
    """What was found in a list so far."""

    number_copies: bool
    complaints: list[str] = field(factory=list)
    jobs: list[tuple[Job, str | None]] = field(factory=list)
    _lines: dict[str, int] = field(factory=dict)
    _hashes: dict[Path, str] = field(factory=dict)

    def complain(self, message: str, hint: str | None = None) -> None:
        self.complaints.append(f"{message} {hint}" if hint else message)

    def take(self, row: JobRow) -> None:
        try:
            job, sha256 = job_of(row), self._hash_of(row.reference)
        except InputError as error:
            self.complain(f"{row.file}, line {row.line}: {error.message}", error.hint)
            return
        except OSError as error:
            self.complain(f"{row.file}, line {row.line}, reference: it cannot be read: {error.strerror}.")
            return
        first = self._lines.setdefault(job_key(job, sha256), row.line)
        if first != row.line and not self.number_copies:
            self.complain(
                f"{row.file}, line {row.line}: the same track as in line {first}.",
                "Remove it, give it another label, or add --number-copies.",
            )
        self.jobs.append((job, sha256))

    def _hash_of(self, reference: Path | None) -> str | None:
        if reference is None:
            return None
        if reference not in self._hashes:
            self._hashes[reference] = sha256_of(reference)
        return self._hashes[reference]


def _refused(path: Path, complaints: list[str], screen: Screen) -> CommandError:
    if len(complaints) == 1:
        return CommandError(complaints[0], "Correct the list, and type the same command again: nothing was sent.")
    for complaint in complaints[:_MOST_SHOWN]:
        screen.note(complaint)
    left = len(complaints) - _MOST_SHOWN
    if left > 0:
        screen.note(f"... and {left:,} more.")
    return CommandError(
        f"{len(complaints):,} things are wrong with {path.name}, as said above; nothing was sent.",
        "Correct the list, and type the same command again.",
        {"complaints": complaints[:_MOST_SHOWN]},
    )
