"""The batch of programs without an event loop."""

import threading
from pathlib import Path

import pytest

from aiml_music import BlockingBatch, BudgetExceededError, JobState, LedgerBusyError
from aiml_music.testing import ScriptedTransport, finished_track, no_answer, on_generate
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


@pytest.mark.parametrize("elsewhere", [True, False])
def test_an_abort_from_whichever_thread_ends_it_at_once(tmp_path: Path, *, elsewhere: bool) -> None:
    """From another one, and from the loop's own, where a step is told of: the call is left in doubt."""
    opened: list[BlockingBatch] = []
    helpers: list[threading.Thread] = []

    def abort() -> None:
        if elsewhere:
            helpers.append(threading.Thread(target=opened[0].abort))
            helpers[0].start()
        else:
            opened[0].abort()

    lost = on_generate(no_answer(), on_arrival=abort)
    with (
        ScriptedTransport(lost) as transport,
        blocking_client_of(transport) as client,
        client.batch(tmp_path, max_concurrency=1) as batch,
    ):
        opened.append(batch)
        # Before a run, there is nothing to end.
        batch.abort()
        assert batch.run_all(jobs("a", "b")) == []
        assert len(batch.report().in_doubt) == 1
        for helper in helpers:
            helper.join()
