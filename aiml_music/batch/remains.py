"""What can still be read of a damaged ledger: rows that are whole by themselves, and whether any are missing.

It is opened as a file that nobody writes, so that reading changes nothing. Where a job stands is not taken from here:
only that there was one, which calls it had, and which tracks came of them.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from aiml_music._sansio.batch.job import Job, Plan, job_key
from aiml_music._sansio.batch.names import is_safe
from aiml_music._sansio.batch.states import Mark

_TABLES = ("jobs", "attempts", "marks")
_NO_COST = frozenset({Mark.NOT_SENT, Mark.DEFERRED, Mark.REJECTED, Mark.UNPAID, Mark.EARLIER_UNPAID})


@define
class OldCall:
    """A call that a damaged ledger tells of.

    Attributes:
        sent_at: Unix time, or a guess where no mark of it could be read.
        is_free: some mark says that it cost nothing.
        generation_id: what the service accepted it under, where it did.
    """

    attempt: str
    client_request_id: str
    sent_at: float
    is_free: bool = False
    generation_id: str | None = None


@frozen(kw_only=True)
class Remains:
    """What could be read.

    Attributes:
        plans: the jobs, with the names of their files.
        calls: of each job, by its key, in their order.
        hashes: of the tracks that each job was said to have.
        is_whole: nothing speaks for a job that could not be read.
    """

    plans: list[Plan] = field(factory=list)
    calls: dict[str, list[OldCall]] = field(factory=dict)
    hashes: dict[str, set[str]] = field(factory=dict)
    is_whole: bool = True


def remains_of(path: Path) -> Remains:
    """Read what there is of a damaged ledger."""
    tables: dict[str, list[dict[str, Any]]] = {}
    is_whole = True
    for table in _TABLES:
        tables[table], is_read = _rows(path, table)
        is_whole = is_whole and is_read
    plans = {row["position"]: plan for row in tables["jobs"] if (plan := _plan(row)) is not None}
    named = {row["job"] for row in tables["marks"]} | {row["job"] for row in tables["attempts"]}
    is_whole = is_whole and len(plans) == len(tables["jobs"]) and named == set(plans)
    found = Remains(plans=list(plans.values()), is_whole=is_whole)
    _take_calls(found, plans, tables, path.stat().st_mtime)
    return found


def _rows(path: Path, table: str) -> tuple[list[dict[str, Any]], bool]:
    """Return the rows of a table up to the first that cannot be read, and whether that was all."""
    rows: list[dict[str, Any]] = []
    try:
        # Immutable: no journal is played back, and no lock is asked for.
        address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            connection.text_factory = lambda text: text.decode(errors="replace")
            rows.extend(map(dict, connection.execute(f"SELECT * FROM {table} NOT INDEXED ORDER BY rowid")))  # noqa: S608 - our own names
    except sqlite3.Error:
        return rows, False
    return rows, True


def _plan(row: dict[str, Any]) -> Plan | None:
    """Return a job whose row is whole: its key is the hash of all that decides its track."""
    try:
        job = Job.from_json(row["spec"])
        key = job_key(job, row["reference_sha256"], row["copy"])
        is_itself = key == row["key"] and is_safe(row["name"])
    except (ValueError, TypeError):
        return None
    if not is_itself:
        return None
    return Plan(
        key=key,
        job=job,
        copy=row["copy"],
        cost=job.cost or 0,
        reference_sha256=row["reference_sha256"],
        name=row["name"],
    )


def _take_calls(
    found: Remains, plans: dict[int, Plan], tables: dict[str, list[dict[str, Any]]], changed_at: float
) -> None:
    calls: dict[int, OldCall] = {}
    for row in tables["attempts"]:
        if row["job"] in plans:
            calls[row["id"]] = call = OldCall(str(row["attempt"]), str(row["client_request_id"]), changed_at)
            found.calls.setdefault(plans[row["job"]].key, []).append(call)
    for row in tables["marks"]:
        of = calls.get(row["attempt"])
        if of is not None and row["mark"] in {Mark.WIRE, Mark.INTENT} and isinstance(row["at"], float):
            of.sent_at = row["at"]
        if of is not None and row["mark"] in _NO_COST:
            of.is_free = True
        if of is not None and row["mark"] == Mark.ACCEPTED:
            of.generation_id = _fact(row["facts"], "generation_id")
        if row["mark"] == Mark.RECEIVED and row["job"] in plans and (digest := _fact(row["facts"], "sha256")):
            found.hashes.setdefault(plans[row["job"]].key, set()).add(digest)


def _fact(facts: object, name: str) -> str | None:
    try:
        return str(json.loads(str(facts))[name])
    except (ValueError, TypeError, KeyError):
        return None
