"""The batch of programs without an event loop."""

from pathlib import Path

import pytest

from aiml_music import BlockingBatch, BudgetExceededError, JobState, LedgerBusyError
from aiml_music.testing import ScriptedTransport, finished_track, on_generate
from tests.batch.batches import jobs, names
from tests.testing.clients import blocking_client_of

TRACK = on_generate(finished_track())


def test_a_list_is_made(tmp_path: Path) -> None:
    """In a `with`, by a `for`, and again at no cost."""
    with ScriptedTransport(TRACK, TRACK) as transport, blocking_client_of(transport) as client:
        with client.batch(tmp_path, max_concurrency=1) as batch:
            labels = [(outcome.label, outcome.state) for outcome in batch.run(jobs("a", "b"))]
            assert batch.report().totals.jobs[JobState.DONE] == 2
            with pytest.raises(LedgerBusyError), client.batch(tmp_path):
                pass
        with client.batch(tmp_path) as batch:
            assert [outcome.label for outcome in batch.run_all()] == ["a", "b"]
    assert labels == [("a", JobState.DONE), ("b", JobState.DONE)]
    assert names(tmp_path) == {"a.mp3", "a.json", "b.mp3", "b.json", "index.html"}


def test_errors_and_stops_are_those_of_the_twin(tmp_path: Path) -> None:
    """A budget ends the loop with its error; a stop, from whichever thread, ends it without one."""
    opened: list[BlockingBatch] = []

    def stop() -> None:
        opened[0].stop()

    last = on_generate(finished_track(), on_arrival=stop)
    with ScriptedTransport(TRACK, last) as transport, blocking_client_of(transport) as client:
        with client.batch(tmp_path, budget="0.04", max_concurrency=1) as batch:
            outcomes = batch.run(jobs("a", "b", "c"))
            assert next(outcomes).label == "a"
            with pytest.raises(BudgetExceededError):
                next(outcomes)
        with client.batch(tmp_path, max_concurrency=1) as batch:
            opened.append(batch)
            assert [outcome.label for outcome in batch.run()] == ["a", "b"]
