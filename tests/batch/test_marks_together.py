"""Marks of the same moment share the time of a disk, and nothing else."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aiml_music._sansio.batch.budget import Budget
from aiml_music._sansio.batch.records import Entry
from aiml_music._sansio.batch.states import IllegalTransitionError, JobState, Mark
from aiml_music._sansio.errors import BudgetExceededError, LedgerError, MusicError
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.ledger_file import told
from aiml_music.batch.marks_together import MarksTogether, _Asked
from tests._io.system import limited, posix
from tests.batch.ledgers import COST, begun, filled, marked

pytestmark = posix
Work = Callable[[Ledger], Any]


def intent(key: str, attempt: str, budget: Budget = Budget()) -> Work:  # noqa: B008 - frozen
    return lambda ledger: begun(ledger, key, attempt, budget=budget)


def made(ledger: Ledger, *works: Work) -> list[Entry | MusicError]:
    """Make marks of one moment, and return what each came to."""
    marks = MarksTogether(ledger)
    *before, last = map(_Asked, works)
    marks._waiting.extend(before)
    end = came_of(lambda: marks.make(last.work))
    assert all(asked.made.done() for asked in before)
    return [*(came_of(asked.made.result) for asked in before), end]


def came_of(step: Callable[[], Any]) -> Entry | MusicError:
    try:
        entry: Entry = step()
    except MusicError as error:
        return error
    return entry


def told_of(deed: Callable[[Ledger], None], ledger: Ledger) -> None:
    with told(ledger.path):
        deed(ledger)


def commits(ledger: Ledger) -> list[str]:
    """Return a list in which each commit will be noted."""
    said: list[str] = []
    ledger._file.connection.set_trace_callback(lambda words: said.append(words) if words == "COMMIT" else None)
    return said


def test_marks_that_wait_together_are_committed_together(tmp_path: Path) -> None:
    """All of them are there afterwards, and the money of the batch is that of all."""
    ledger, keys = filled(tmp_path, "a", "b", "c")
    said = commits(ledger)
    found = made(ledger, *(intent(key, f"of {key}") for key in keys))
    ledger.close()
    assert said == ["COMMIT"]
    assert [entry.key for entry in found if isinstance(entry, Entry)] == keys
    with Ledger.open(tmp_path) as ledger:
        assert {record.state for record in ledger.jobs()} == {JobState.INTENT}
        assert ledger.balance().reserved == 3 * COST


def test_a_mark_that_cannot_be_made_takes_no_other_with_it(tmp_path: Path) -> None:
    """Each hears what is wrong with its own; of what failed, nothing stays."""
    ledger, (a, b, c) = filled(tmp_path, "a", "b", "c")
    with ledger:
        said = commits(ledger)
        small = Budget(credits=2 * COST)
        first, wrong, second, poor = made(
            ledger,
            intent(a, "a1", small),
            lambda ledger: marked(ledger, b, Mark.WIRE),
            intent(b, "b1", small),
            intent(c, "c1", small),
        )
        assert isinstance(first, Entry)
        assert isinstance(wrong, IllegalTransitionError)
        assert isinstance(second, Entry)
        assert isinstance(poor, BudgetExceededError)
        assert said == ["COMMIT"]
        assert ledger.attempts(c) == []
        assert ledger.balance().reserved == 2 * COST


def test_marks_that_cannot_be_made_together_are_made_one_by_one(tmp_path: Path) -> None:
    """SQLite takes all of a transaction back for some of what goes wrong in a part of it."""
    ledger, (a, b) = filled(tmp_path, "a", "b")
    with ledger:

        def upset(ledger: Ledger) -> None:
            ledger._file.connection.execute("ROLLBACK")

        first, wrong, second = made(ledger, intent(a, "a1"), lambda ledger: told_of(upset, ledger), intent(b, "b1"))
        assert isinstance(first, Entry)
        assert isinstance(wrong, LedgerError)
        assert isinstance(second, Entry)
        assert [attempt.attempt for key in (a, b) for attempt in ledger.attempts(key)] == ["a1", "b1"]


def test_a_disk_that_failed_fails_all_that_waited_for_it(tmp_path: Path) -> None:
    """None of them is there, and each has an error of its own to sign."""
    ledger, (a, b) = filled(tmp_path, "a", "b")
    with ledger:
        with limited("RLIMIT_FSIZE", 1):
            first, second = made(ledger, intent(a, "a1"), intent(b, "b1"))
        assert isinstance(first, LedgerError)
        assert isinstance(second, LedgerError)
        assert first is not second
        assert "must be opened anew" in first.message
    with Ledger.open(tmp_path) as ledger:
        assert {record.state for record in ledger.jobs()} == {JobState.PLANNED}


@pytest.mark.parametrize("count", [1, 30])
def test_threads_each_get_what_is_theirs(tmp_path: Path, count: int) -> None:
    """However they meet."""
    ledger, keys = filled(tmp_path, *map(str, range(count)))
    with ledger:
        marks, found = MarksTogether(ledger), {}

        def work(key: str) -> None:
            for step in (intent(key, f"of {key}"), lambda ledger: marked(ledger, key, Mark.WIRE)[0]):
                found[key] = marks.make(step)

        threads = [threading.Thread(target=work, args=(key,)) for key in keys]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {key: entry.mark for key, entry in found.items()} == dict.fromkeys(keys, Mark.WIRE)
        assert {record.state for record in ledger.jobs()} == {JobState.WIRE}
        assert all(entry.key == key for key, entry in found.items())
