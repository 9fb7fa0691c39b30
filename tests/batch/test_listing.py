"""A list of jobs goes into the ledger, and leaves behind where its jobs stand in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aiml_music._sansio.batch.job import Job
from aiml_music._sansio.errors import InputError
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.listing import Listed, list_jobs
from tests._io.system import posix
from tests.batch.batches import job, jobs

pytestmark = posix


def listed(ledger: Ledger, *labels: str, number_copies: bool = False) -> Listed:
    return list_jobs(ledger, jobs(*labels), number_copies=number_copies, now=1.0)


def places(ledger: Ledger, found: Listed) -> dict[str, int]:
    """Return where the jobs of a ledger stand in a list, by the names of their files."""
    return {record.name: found.at(record.position) for record in ledger.jobs()}


def test_jobs_have_their_places_whenever_they_came_into_the_ledger(tmp_path: Path) -> None:
    """Those that are not in the list have none."""
    with Ledger.open(tmp_path) as ledger:
        assert places(ledger, listed(ledger, "a", "b", "c")) == {"a": 1, "b": 2, "c": 3}
        found = listed(ledger, "d", "c", "a")
        assert places(ledger, found) == {"a": 3, "b": 0, "c": 2, "d": 1}
        listed(ledger, "e")
        assert places(ledger, found)["e"] == 0


def test_the_same_job_twice_is_found_by_the_ledger(tmp_path: Path) -> None:
    """Also where an earlier list had it; and copies are counted anew by each list."""
    with Ledger.open(tmp_path) as ledger:
        listed(ledger, "a", "b")
        with pytest.raises(InputError, match=r"Job 3 \(b\) is the same as job 1\."):
            listed(ledger, "b", "c", "b")
        assert [record.label for record in ledger.jobs()] == ["a", "b"]
        for _ in range(2):
            found = listed(ledger, "b", "a", "b", "b", number_copies=True)
            assert places(ledger, found) == {"a": 2, "b": 1, "b-2": 3, "b-3": 4}


def test_a_list_is_taken_one_by_one(tmp_path: Path) -> None:
    """Each job is in the ledger before the next one is asked for; and none is where one of them cannot be."""
    with Ledger.open(tmp_path) as ledger:

        def wanted() -> Iterator[Job]:
            for number in range(3):
                assert len(list(ledger.jobs())) == number
                yield job(str(number))
            raise InputError("the fourth is none")

        with pytest.raises(InputError, match="the fourth is none"):
            list_jobs(ledger, wanted(), number_copies=False, now=1.0)
        assert list(ledger.jobs()) == []
