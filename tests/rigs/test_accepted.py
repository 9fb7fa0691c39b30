"""A batch that is killed between the submit and the track pays once, and collects what was accepted when it goes on."""

import shutil
from itertools import count
from pathlib import Path

import pytest
from attrs import evolve

from aiml_music._sansio.batch.states import JobState
from aiml_music._sansio.catalogue import find_model
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.ledger_file import LEDGER_NAME
from aiml_music.sandbox import Sandbox
from tests.rigs.bench import SHORT, Bench, bench, exactly
from tests.rigs.child import QUEUED_MODEL
from tests.rigs.children import Children
from tests.rigs.conftest import Extent, Tell

_JOBS = 2
_PRICE = find_model(QUEUED_MODEL).price_credits or 0
# A while in which it is asked after, so that many of the points lie there.
_QUEUES = evolve(SHORT, queue_seconds=0.1)
# By default, a few points of several hundred.
_STEP = 70
# So many points has a run that collects, roughly.
_RESUME = 150


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_killed_batch_collects_what_it_paid_for(
    backend: str, tmp_path: Path, program: Children, extent: Extent, tell: Tell
) -> None:
    """Killed just before any change of a file or the ledger, or any exchange with the service, and run once more.

    What was accepted is killed again while it is collected.
    """
    accepted = 0
    sandbox, budget = Sandbox(_QUEUES, encoder=None), exactly(_JOBS, _PRICE)
    with bench(
        program, tmp_path, {}, sandbox=sandbox, backend=backend, queued=True, jobs=_JOBS, budget=budget
    ) as place:
        step = 1 if extent.long else _STEP
        for point in count(step, step):
            name = f"crash-{point}"
            if not place.strike(name, crash=point).was_killed:
                place.finish(name)
                break
            waiting = _accepted(place, name)
            if waiting:
                place.strike(name, crash=1 + point % _RESUME)
            place.finish(name)
            place.points.append(name)
            accepted += waiting
            place.wrong += [(name, what) for what in _wrong(place, name, waiting)]
    tell(f"{place.figure(f'kills around an id {backend}')}; {accepted} jobs were collected after the kill")
    assert place.wrong == []
    assert accepted


def _accepted(place: Bench, name: str) -> int:
    """Return how many jobs are accepted, as whoever opens the ledger next will find it; it stays as it is."""
    if not (place.place_of(name) / LEDGER_NAME).is_file():
        return 0
    copy = place.place_of(f"{name}-copy")
    shutil.copytree(place.place_of(name), copy)
    with Ledger.open(copy) as ledger:
        return sum(1 for _ in ledger.jobs([JobState.ACCEPTED]))


def _wrong(place: Bench, name: str, waiting: int) -> list[str]:
    """Say what became of jobs that were accepted, where it is not a track."""
    with Ledger.observe(place.place_of(name)) as ledger:
        done = sum(1 for _ in ledger.jobs([JobState.DONE]))
    return [] if done >= waiting else [f"{waiting} jobs were accepted, and only {done} are done"]
