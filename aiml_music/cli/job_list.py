"""The list of a batch, read and checked whole, before anything is sent."""

from array import array
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field, frozen

from aiml_music._io.digest import sha256_of
from aiml_music._sansio.batch.job import Job, PlacesInMemory, Plan, job_key, planned
from aiml_music._sansio.catalogue import find_model, unknown_words
from aiml_music._sansio.errors import InputError
from aiml_music.batch.joblist import JobRow, read_jobs
from aiml_music.cli.faults import CommandError
from aiml_music.cli.screen import Screen

_MOST_SHOWN = 20


@frozen(kw_only=True)
class JobList:
    """A list in which every row can be used; of its jobs, no more than the keys are held.

    Attributes:
        path: where it is.
        keys: what a ledger knows its jobs by.
    """

    path: Path
    keys: PlacesInMemory

    def jobs(self) -> Iterator[Job]:
        """Read the list once more, and yield its jobs.

        Raises:
            InputError: it has changed meanwhile, and cannot be used any more.
        """
        return map(job_of, read_jobs(self.path))


def job_list_of(path: Path, *, number_copies: bool, screen: Screen) -> JobList:
    """Return a list, read to its end.

    Args:
        path: see `read_jobs`.
        number_copies: take rows that ask for the same track as copies of it.
        screen: where to print what is wrong, at most 20 rows of it.

    Raises:
        CommandError: rows cannot be used, or the list cannot be read.
    """
    check = _Check(path=path, number_copies=number_copies)
    try:
        for plan in planned(check.usable(), number_copies=True, places=check.places):
            check.compare(plan)
    except InputError as error:
        check.complain(error.message, error.hint)
    if check.wrong:
        raise _refused(path, check, screen)
    for name in check.unknown:
        screen.note(unknown_words(name))
    return JobList(path=path, keys=check.places)


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
    """What was found in a list so far.

    Attributes:
        wrong: how many things are wrong with it.
        complaints: the first of them.
        places: where its jobs stand in it.
        unknown: models that the catalogue has not, in the order in which they come.
    """

    path: Path
    number_copies: bool
    wrong: int = 0
    complaints: list[str] = field(factory=list)
    places: PlacesInMemory = field(factory=PlacesInMemory)
    unknown: dict[str, None] = field(factory=dict)
    _rows: "array[int]" = field(factory=lambda: array("q"))
    _hashes: dict[Path, str] = field(factory=dict)

    def complain(self, message: str, hint: str | None = None) -> None:
        self.wrong += 1
        if self.wrong <= _MOST_SHOWN:
            self.complaints.append(f"{message} {hint}" if hint else message)

    def usable(self) -> Iterator[tuple[Job, str | None]]:
        """Yield the jobs of rows that can be used, each with the hash of its reference."""
        for row in read_jobs(self.path, on_bad_row=lambda error: self.complain(error.message, error.hint)):
            where = f"{row.file}, line {row.line}"
            try:
                job, sha256 = job_of(row), self._hash_of(row.reference)
            except InputError as error:
                self.complain(f"{where}: {error.message}", error.hint)
            except OSError as error:
                self.complain(f"{where}, reference: it cannot be read: {error.strerror}.")
            else:
                self._rows.append(row.line)
                if not find_model(job.model).known:
                    self.unknown[job.model] = None
                yield job, sha256

    def compare(self, plan: Plan) -> None:
        """Find what is wrong with the latest job beside those before it."""
        first = self.places.get(job_key(plan.job, plan.reference_sha256))
        if first is not None and not self.number_copies:
            self.complain(
                f"{self.path.name}, line {self._rows[-1]}: the same track as in line {self._rows[first - 1]}.",
                "Remove it, give it another label, or add --number-copies.",
            )

    def _hash_of(self, reference: Path | None) -> str | None:
        if reference is None:
            return None
        if reference not in self._hashes:
            self._hashes[reference] = sha256_of(reference)
        return self._hashes[reference]


def _refused(path: Path, check: _Check, screen: Screen) -> CommandError:
    if check.wrong == 1:
        return CommandError(check.complaints[0], "Correct the list, and type the same command again: nothing was sent.")
    for complaint in check.complaints:
        screen.note(complaint)
    left = check.wrong - len(check.complaints)
    if left:
        screen.note(f"... and {left:,} more.")
    return CommandError(
        f"{check.wrong:,} things are wrong with {path.name}, as said above; nothing was sent.",
        "Correct the list, and type the same command again.",
        {"complaints": check.complaints},
    )
