"""Jobs for a ledger, and steps of their lives."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiml_music._sansio.batch.budget import Budget
from aiml_music._sansio.batch.job import Job, Plan, planned
from aiml_music._sansio.batch.records import Entry
from aiml_music._sansio.batch.states import Mark
from aiml_music.batch.ledger import Ledger

VOICE = "vocal-2025082518145625-6XW9wCOF"
COST = 63_000


def plans(*labels: str) -> list[Plan]:
    return list(planned((Job(label=label, lyrics="la", refer_voice=VOICE), None) for label in labels))


def many(count: int) -> Iterator[Plan]:
    return planned((Job(label=f"song {number}", lyrics="la", refer_voice=VOICE), None) for number in range(count))


def filled(directory: Path, *labels: str) -> tuple[Ledger, list[str]]:
    """Return an open ledger with jobs of these labels, and their keys."""
    ledger, jobs = Ledger.open(directory), plans(*labels)
    ledger.add(jobs, now=1.0)
    return ledger, [plan.key for plan in jobs]


def begun(ledger: Ledger, key: str, attempt: str = "a1", *, budget: Budget = Budget()) -> Entry:  # noqa: B008 - frozen
    return ledger.begin(key, attempt=attempt, client_request_id=f"id-{attempt}", reserved=COST, budget=budget, now=2.0)


def marked(ledger: Ledger, key: str, *marks: Mark, **about: Any) -> list[Entry]:
    """Make marks, each of them with the same facts."""
    return [ledger.append(key, mark, now=3.0, **about) for mark in marks]
