"""The durable memory of a batch: which jobs there are, where each stands, and what it cost.

Every method is plain and blocks on the disk. What a method wrote is durable when it returns, and not there at all
where it raises. Nothing of the audio goes in here, and never the key.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from threading import RLock
from typing import Any, Self, TypeVar

from attrs import astuple, define, evolve, field

from aiml_music._sansio.batch.budget import Balance, Budget, balance_after
from aiml_music._sansio.batch.job import Plan
from aiml_music._sansio.batch.names import candidates, folded
from aiml_music._sansio.batch.records import AttemptRecord, Entry, JobRecord, ReferenceRecord, Totals
from aiml_music._sansio.batch.states import (
    OF_EARLIER_CALLS,
    IllegalTransitionError,
    JobState,
    Mark,
    Standing,
    standing_after,
)
from aiml_music._sansio.errors import LedgerError
from aiml_music._sansio.models import Purpose
from aiml_music.batch import ledger_rows as rows
from aiml_music.batch import questions
from aiml_music.batch.ledger_file import LEDGER_NAME, LedgerFile, corrupt, told

T = TypeVar("T")

_PAGE_ROWS = 200
_ABOUT_JOBS = frozenset({Mark.PLANNED, Mark.CANCELLED, Mark.AGAIN, Mark.PAY_AGAIN})
"""The others are about the job's latest attempt."""


@define(eq=False)
class Ledger:
    """A ledger that is open: to one dispatcher for writing, or to anybody for reading.

    Whoever writes holds the lock of its directory (`lock.DirectoryLock`). One thread at a time is let in.
    """

    _file: LedgerFile
    _lock: RLock = field(factory=RLock, init=False, repr=False)

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open the ledger of a directory for writing; begin one where there is none.

        Raises:
            LedgerCorruptError: its content cannot be trusted.
            LedgerError: it is of a newer release, or of something else, or cannot be written.
        """
        return cls(LedgerFile.writable(directory / LEDGER_NAME))

    @classmethod
    def observe(cls, directory: Path) -> Self:
        """Open the ledger of a directory to look at it, while a batch may be running.

        Raises:
            LedgerError: there is none, or it cannot be read.
        """
        return cls(LedgerFile.readable(directory / LEDGER_NAME))

    def close(self) -> None:
        """Close it; do nothing when called again."""
        with self._lock, told(self.path):
            self._file.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """Its file."""
        return self._file.path

    def add(self, plans: Iterable[Plan], *, now: float) -> int:
        """Write down jobs, all of them or none; those that are there already stay as they are.

        Args:
            plans: the jobs in their order; they are taken one by one.
            now: Unix time, as a label.

        Returns:
            How many were new.

        Raises:
            LedgerError: they could not be written.
        """
        with self._lock, self._file.transaction():
            return sum(self._add(plan, now) for plan in plans)

    def _add(self, plan: Plan, now: float) -> bool:
        if self._one(questions.HAS_KEY, plan.key):
            return False
        job = plan.job
        names = chain(filter(None, [plan.name]), candidates(job.label, job.lyrics, plan.key, plan.copy))
        name = next(name for name in names if not self._one(questions.HAS_NAME, folded(name)))
        values = (plan.key, job.label, name, job.audio_format, folded(name), plan.copy, plan.cost)
        position = self._insert(questions.ADD_JOB, *values, plan.reference_sha256, job.to_json())
        self._mark(rows.Place(job=position, key=plan.key), Mark.PLANNED, now=now)
        return True

    def jobs(self, states: Collection[JobState] = ()) -> Iterator[JobRecord]:
        """Yield the jobs in their order, a page at a time; they may be marked meanwhile.

        Args:
            states: only those that stand here when their page is read; empty is all.

        Raises:
            LedgerError: it cannot be read.
        """
        found = self._pages(questions.JOBS_IN, f",{','.join(states)},") if states else self._pages(questions.JOBS)
        return self._read(rows.job_record, found)

    def job(self, key: str) -> JobRecord:
        """Return a job.

        Raises:
            LedgerError: there is none with that key.
        """
        return next(self._read(rows.job_record, [self._job(key)]))

    def orphans(self, keys: Iterable[str]) -> Iterator[JobRecord]:
        """Yield the jobs that are in the ledger and not in a list.

        Args:
            keys: of the jobs in the list.

        Raises:
            LedgerError: it cannot be read.
        """
        known = {bytes.fromhex(key) for key in keys}
        every = self._pages(questions.JOBS)
        return self._read(rows.job_record, (row for row in every if bytes.fromhex(row["key"]) not in known))

    def begin(
        self, key: str, *, attempt: str, client_request_id: str, reserved: int, budget: Budget, now: float
    ) -> Entry:
        """Write down that an attempt will be made, and reserve its cost.

        Args:
            key: of the job.
            attempt: sets this attempt apart from every other one; fit for a file name.
            client_request_id: the id its request will carry.
            reserved: its worst case, in credits.
            budget: of the whole batch.
            now: Unix time, as a label.

        Raises:
            BudgetExceededError: it could overrun the budget.
            IllegalTransitionError: the job is not planned.
            LedgerError: it could not be written.
        """
        with self._lock, self._file.transaction():
            budget.check(self.balance(), reserved)
            row = self._job(key)
            number = (row["number"] or 0) + 1
            added = self._insert(questions.ADD_ATTEMPT, attempt, row["position"], number, client_request_id, reserved)
            place = rows.Place(
                job=row["position"], key=key, standing=self._standing(row), name=attempt, row=added, cost=reserved
            )
            return self._mark(place, Mark.INTENT, now=now)

    def append(
        self,
        key: str,
        mark: Mark,
        *,
        now: float,
        attempt: str | None = None,
        charged: int | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Write down a mark; `planned` and `intent` are made by `add` and `begin`, two others by `settle_earlier`.

        Args:
            key: of the job.
            mark: what to write down.
            now: Unix time, as a label.
            attempt: the attempt it is about; it must be the job's latest, which None stands for.
            charged: credits that the service says it charged.
            facts: what else to remember; anything that JSON has words for.

        Raises:
            IllegalTransitionError: it cannot follow on the state of the job, or is made by another method.
            LedgerError: it could not be written.
        """
        if mark is Mark.INTENT or mark in OF_EARLIER_CALLS:
            raise IllegalTransitionError(
                "begin() reserves what an attempt costs; settle_earlier() is for earlier ones."
            )
        with self._lock, self._file.transaction():
            row = self._job(key)
            if attempt is not None and attempt != row["attempt"]:
                raise LedgerError(f"{attempt!r} is not the latest attempt of job {key[:16]}; nothing was written down.")
            place = rows.Place(job=row["position"], key=key, standing=self._standing(row))
            if mark not in _ABOUT_JOBS and row["attempt"] is not None:
                balance = rows.attempt_balance(row)
                place = evolve(
                    place, name=row["attempt"], row=row["attempt_row"], cost=row["reserved"], balance=balance
                )
            return self._mark(place, mark, now=now, charged=charged, facts=facts)

    def settle_earlier(
        self, key: str, attempt: str, mark: Mark, *, now: float, charged: int | None, facts: Mapping[str, Any]
    ) -> Entry:
        """Write down what became of a call in doubt whose job was sent again, and leave the job as it is; see `append`.

        Args:
            key: of the job.
            attempt: the call.
            mark: one of `states.OF_EARLIER_CALLS`.
            now: as there.
            charged: as there.
            facts: as there.

        Raises:
            IllegalTransitionError: it is not in doubt, or its job still is because of it.
            LedgerError: it could not be written.
        """
        with self._lock, self._file.transaction():
            row, own = self._job(key), self._one(questions.ATTEMPT_IN_DOUBT, attempt)
            if own is None or (row["attempt"], row["state"]) == (attempt, JobState.IN_DOUBT):
                raise IllegalTransitionError(f"{attempt!r} is no earlier call in doubt; nothing was written down.")
            place = rows.Place(
                job=row["position"],
                key=key,
                standing=self._standing(row),
                name=attempt,
                row=own["place"],
                cost=own["worst_case"],
                balance=rows.attempt_balance(own),
            )
            return self._mark(place, mark, now=now, charged=charged, facts=facts)

    def _mark(
        self,
        place: rows.Place,
        mark: Mark,
        *,
        now: float,
        charged: int | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> Entry:
        standing = standing_after(place.standing, mark)
        own = balance_after(place.balance, mark, standing.state, cost=place.cost, charged=charged)
        batch = self.balance() - place.balance + own
        words = json.dumps(dict(facts or {}), allow_nan=False)
        values = (now, place.job, place.row, mark, charged, words, standing.state, standing.deaths)
        sequence = self._insert(questions.ADD_MARK, *values, *astuple(own), *astuple(batch))
        return Entry(
            sequence=sequence,
            at=now,
            key=place.key,
            attempt=place.name,
            mark=mark,
            state=standing.state,
            charged=charged,
            facts=facts or {},
        )

    def marks(self, key: str) -> list[Entry]:
        """Return the marks of a job, in their order.

        Raises:
            LedgerError: it cannot be read.
        """
        return list(self._read(rows.entry, self._all(questions.LINES_OF_JOB, key)))

    def attempts(self, key: str) -> list[AttemptRecord]:
        """Return the attempts of a job, in their order.

        Raises:
            LedgerError: it cannot be read.
        """
        return list(self._read(rows.attempt_record, self._all(questions.ATTEMPTS_OF_JOB, key)))

    def attempts_left(self, state: JobState) -> Iterator[AttemptRecord]:
        """Yield the attempts that left their job in a state, in their order, whatever became of the job since.

        `in_doubt` gives every call that may have been charged and gave no track, `paid_lost` those that were charged;
        of jobs that were sent again by the user's word, too.

        Raises:
            LedgerError: it cannot be read.
        """
        return self._read(rows.attempt_record, self._pages(questions.ATTEMPTS_LEFT, state))

    def balance(self) -> Balance:
        """Return the money of all attempts.

        Raises:
            LedgerError: it cannot be read.
        """
        row = self._one(questions.BALANCE)
        return Balance() if row is None else Balance(reserved=row[0], spent=row[1], in_doubt=row[2])

    def totals(self) -> Totals:
        """Count the jobs in each state, and the money of all attempts.

        Raises:
            LedgerError: it cannot be read.
        """
        with self._lock:
            counted = {row["state"]: row["jobs"] for row in self._all(questions.TOTALS)}
            return Totals(jobs={state: counted.get(state, 0) for state in JobState}, balance=self.balance())

    def reference(self, sha256: str, purpose: Purpose) -> ReferenceRecord | None:
        """Return what the service last called a reference; None where it was not uploaded yet.

        Raises:
            LedgerError: it cannot be read.
        """
        row = self._one(questions.UPLOAD, sha256, purpose)
        return None if row is None else next(self._read(rows.reference_record, [row]))

    def add_reference(self, record: ReferenceRecord, *, now: float) -> None:
        """Write down what the service calls a reference; the latest word counts.

        Args:
            record: the reference.
            now: Unix time, as a label.

        Raises:
            LedgerError: it could not be written.
        """
        receipt = json.dumps(dict(record.receipt), allow_nan=False)
        values = (record.sha256, record.purpose, now, record.voice_id, record.instrumental_id, receipt)
        with self._lock, self._file.transaction():
            self._insert(questions.ADD_UPLOAD, *values)

    def _all(self, question: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock, told(self.path):
            return self._file.connection.execute(question, values).fetchall()

    def _one(self, question: str, *values: Any) -> sqlite3.Row | None:
        return next(iter(self._all(question, *values)), None)

    def _pages(self, question: str, *wanted: str) -> Iterator[sqlite3.Row]:
        # By pages, so that no statement is open, and no lock held, while somebody thinks about a row.
        place = 0
        while page := self._all(question, place, *wanted, _PAGE_ROWS):
            place = page[-1]["place"]
            yield from page

    def _insert(self, statement: str, *values: Any) -> int:
        return self._file.connection.execute(statement, values).lastrowid or 0

    def _job(self, key: str) -> sqlite3.Row:
        row = self._one(questions.JOB, key)
        if row is None:
            raise LedgerError(f"The ledger {str(self.path)!r} has no job {key[:16]!r}.")
        return row

    def _standing(self, row: sqlite3.Row) -> Standing:
        return next(self._read(rows.standing, [row]))

    def _read(self, reader: Callable[[sqlite3.Row], T], found: Iterable[sqlite3.Row]) -> Iterator[T]:
        for row in found:
            try:
                value = reader(row)
            except (ValueError, TypeError) as exc:
                raise corrupt(self.path, str(exc)) from exc
            yield value
