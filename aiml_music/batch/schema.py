"""The tables of a ledger, and how an older ledger becomes a newer one.

Rows are added and never changed: the database itself refuses anything else.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from aiml_music._sansio.errors import LedgerError

APPLICATION_ID = 0x61696D6C
"""`aiml` in the header of the file, where `file` and SQLite look for it."""

_FIRST = """
CREATE TABLE jobs (
    position INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    format TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE,
    copy INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    reference_sha256 TEXT,
    spec TEXT NOT NULL
);
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    attempt TEXT NOT NULL UNIQUE,
    job INTEGER NOT NULL REFERENCES jobs (position),
    number INTEGER NOT NULL,
    client_request_id TEXT NOT NULL UNIQUE,
    reserved INTEGER NOT NULL
);
CREATE INDEX attempts_of_job ON attempts (job);
CREATE TABLE marks (
    sequence INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    job INTEGER NOT NULL REFERENCES jobs (position),
    attempt INTEGER REFERENCES attempts (id),
    mark TEXT NOT NULL,
    charged INTEGER,
    facts TEXT NOT NULL,
    -- What the marks up to this one amount to: of the job, of the attempt, and of the batch.
    state TEXT NOT NULL,
    deaths INTEGER NOT NULL,
    attempt_reserved INTEGER NOT NULL,
    attempt_spent INTEGER NOT NULL,
    attempt_in_doubt INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    in_doubt INTEGER NOT NULL
);
CREATE INDEX marks_of_job ON marks (job);
CREATE INDEX marks_of_attempt ON marks (attempt) WHERE attempt IS NOT NULL;
CREATE TABLE uploads (
    sha256 TEXT NOT NULL,
    purpose TEXT NOT NULL,
    at REAL NOT NULL,
    voice_id TEXT,
    instrumental_id TEXT,
    receipt TEXT NOT NULL
);
CREATE INDEX uploads_of_content ON uploads (sha256, purpose);
""" + "".join(
    f"CREATE TRIGGER {table}_stay_{word} BEFORE {word} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, 'what a ledger says is never changed'); END;\n"
    for table in ("jobs", "attempts", "marks", "uploads")
    for word in ("UPDATE", "DELETE")
)

# The same tables: from here on jobs may be `accepted`, of which an older release knows nothing.
_SECOND = ""

STEPS = (_FIRST, _SECOND)
"""Step n makes version n+1 of version n; a new file is version 0."""

READABLE = 1
"""The oldest version that can be looked at as it is."""


def migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[str] = STEPS) -> None:
    """Bring a ledger to the version that these steps make, whole or not at all; keep a copy of an older one.

    Args:
        connection: to the ledger, outside a transaction.
        path: its file, beside which the copy goes.
        steps: see `STEPS`.

    Raises:
        LedgerError: it is of a newer version, or is no ledger.
    """
    version = checked_version(connection, path, newest=len(steps))
    if version == len(steps):
        return
    if version:
        _copy(connection, path.with_name(f"{path.name}.v{version}"))
    statements = "".join(steps[version:])
    connection.executescript(
        f"BEGIN IMMEDIATE;{statements}PRAGMA application_id={APPLICATION_ID};PRAGMA user_version={len(steps)};COMMIT;"
    )


def checked_version(connection: sqlite3.Connection, path: Path, *, least: int = 0, newest: int = len(STEPS)) -> int:
    """Return the version of a ledger; 0 is a file with nothing in it.

    Raises:
        LedgerError: it is of another version than these, or is no ledger.
    """
    application, version, tables = (
        connection.execute(question).fetchone()[0]
        for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    begun = bool(tables or application or version)
    if begun and (application != APPLICATION_ID or not version):
        raise LedgerError(f"{str(path)!r} is a database of something else, not a ledger.")
    if not least <= version <= newest:
        raise LedgerError(
            f"The ledger {str(path)!r} has version {version}; this release wants version {newest}.",
            hint="Upgrade aiml_music." if version > newest else "Resume the batch with this release first.",
        )
    return int(version)


def _copy(connection: sqlite3.Connection, path: Path) -> None:
    # Made anew each time: one of an earlier try may be half a copy.
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(path)) as copy:
        connection.backup(copy)
