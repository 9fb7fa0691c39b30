"""Rows of a ledger, read as the values they were written from."""

import json
import sqlite3

from attrs import frozen

from aiml_music._sansio.batch.budget import Balance
from aiml_music._sansio.batch.names import is_safe
from aiml_music._sansio.batch.records import AttemptRecord, Entry, JobRecord, ReferenceRecord
from aiml_music._sansio.batch.states import JobState, Mark, Standing
from aiml_music._sansio.models import Purpose


def job_record(row: sqlite3.Row) -> JobRecord:
    """Return a job.

    Raises:
        ValueError: the row says what no ledger says.
    """
    # A ledger is a file, and files are given away: a name in it must not lead anywhere.
    if not is_safe(row["name"]) or row["format"] not in {"mp3", "wav", "pcm"}:
        raise ValueError(f"the name of job {row['position']} is none that this library gives")
    return JobRecord(
        position=row["position"],
        key=row["key"],
        label=row["label"],
        name=row["name"],
        format=row["format"],
        copy=row["copy"],
        cost=row["cost"],
        reference_sha256=row["reference_sha256"],
        state=JobState(row["state"]),
        deaths=row["deaths"],
        attempt=row["attempt"],
        spec=row["spec"],
    )


def standing(row: sqlite3.Row) -> Standing:
    """Return where a job stands.

    Raises:
        ValueError: the row says what no ledger says.
    """
    return Standing(state=JobState(row["state"]), deaths=row["deaths"])


def entry(row: sqlite3.Row) -> Entry:
    """Return a line.

    Raises:
        ValueError: the row says what no ledger says.
    """
    return Entry(
        sequence=row["sequence"],
        at=row["at"],
        key=row["key"],
        attempt=row["name_of_attempt"],
        mark=Mark(row["mark"]),
        state=JobState(row["state"]),
        charged=row["charged"],
        facts=json.loads(row["facts"]),
    )


def attempt_record(row: sqlite3.Row) -> AttemptRecord:
    """Return an attempt.

    Raises:
        ValueError: the row says what no ledger says.
    """
    return AttemptRecord(
        attempt=row["name_of_attempt"],
        key=row["key"],
        number=row["number"],
        client_request_id=row["client_request_id"],
        reserved=row["worst_case"],
        balance=attempt_balance(row),
        last=entry(row),
    )


def attempt_balance(row: sqlite3.Row) -> Balance:
    """Return the money of an attempt, as its latest line has it."""
    reserved, spent, in_doubt = row["attempt_reserved"], row["attempt_spent"], row["attempt_in_doubt"]
    return Balance(reserved=reserved, spent=spent, in_doubt=in_doubt)


def reference_record(row: sqlite3.Row) -> ReferenceRecord:
    """Return a reference.

    Raises:
        ValueError: the row says what no ledger says.
    """
    return ReferenceRecord(
        sha256=row["sha256"],
        purpose=Purpose(row["purpose"]),
        voice_id=row["voice_id"],
        instrumental_id=row["instrumental_id"],
        receipt=json.loads(row["receipt"]),
    )


@frozen(kw_only=True)
class Place:
    """Where a mark goes: its job and the attempt it is about, and how both stand."""

    job: int
    key: str
    standing: Standing | None = None
    name: str | None = None
    row: int | None = None
    cost: int = 0
    balance: Balance = Balance()
