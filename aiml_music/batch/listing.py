"""Put a list of jobs into a ledger, and keep where each stands in the list; the list itself is never held."""

from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import define, field

from aiml_music._io.digest import sha256_of
from aiml_music._sansio.batch.job import Job, planned
from aiml_music._sansio.errors import InputError
from aiml_music.batch.ledger import Ledger


@define(eq=False)
class Listed:
    """Where the jobs of a ledger stand in a list, from 1: eight bytes a job, for the ledger has their keys."""

    _ledger: Ledger
    _places: "array[int]" = field(factory=lambda: array("q"), init=False)

    def at(self, position: int) -> int:
        """Return the place of the job that has a position in the ledger; 0 where it is not in the list."""
        return self._places[position] if position < len(self._places) else 0

    def get(self, key: str, /) -> int | None:
        """Return the place of a job in the list."""
        return self.at(self._ledger.position(key) or 0) or None

    def __setitem__(self, key: str, place: int, /) -> None:
        """Note the place of a job that is in the ledger."""
        position = self._ledger.position(key) or 0
        self._places.extend([0] * (position + 1 - len(self._places)))
        self._places[position] = place


def list_jobs(ledger: Ledger, jobs: Iterable[Job], *, number_copies: bool, now: float) -> Listed:
    """Put a list into the ledger, all of it or nothing, and return where its jobs stand in it.

    Args:
        ledger: where it goes.
        jobs: are taken one by one.
        number_copies: make jobs that are asked for twice in the same words copies 1, 2 and so on.
        now: Unix time, as a label.

    Raises:
        InputError: a job cannot be what its author means, or is there twice.
        LedgerError: it could not be written.
    """
    listed = Listed(ledger)
    ledger.add(planned(_hashed(jobs), number_copies=number_copies, places=listed), now=now)
    return listed


def _hashed(jobs: Iterable[Job]) -> Iterator[tuple[Job, str | None]]:
    """Yield jobs with the hash of what their reference holds, each file read once."""
    known: dict[str, str] = {}
    for job in jobs:
        if job.reference is not None and job.reference not in known:
            try:
                known[job.reference] = sha256_of(Path(job.reference))
            except OSError as exc:
                raise InputError(f"The reference {job.reference!r} cannot be read: {exc.strerror}.") from exc
        yield job, None if job.reference is None else known[job.reference]
