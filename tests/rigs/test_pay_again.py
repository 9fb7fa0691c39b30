"""The user's word to pay again, while the process that is given it dies: it is on record or not, and counts once."""

import shutil
from itertools import count
from pathlib import Path

import pytest

from aiml_music._sansio.batch.states import JobState, Mark
from aiml_music.batch.ledger import Ledger
from tests.rigs.bench import Bench, bench, exactly
from tests.rigs.child import GIVEN
from tests.rigs.children import Children
from tests.rigs.conftest import Extent, Tell

# By default, one point before the word is on record, and a few behind it.
_START, _STEP = 40, 101
_DOUBT = "doubt"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_word_counts_once_whoever_dies(
    backend: str, tmp_path: Path, program: Children, extent: Extent, tell: Tell
) -> None:
    """Killed at any point of the run that is given the word, and run once more without it."""
    given = lost = 0
    with bench(program, tmp_path, {}, backend=backend, jobs=1, budget=exactly(2)) as place:
        # Charged, and the answer is lost.
        place.finish(_DOUBT, scenario="gateway_drop")
        for point in count(1) if extent.long else count(_START, _STEP):
            name = f"word-{point}"
            shutil.copytree(place.place_of(_DOUBT), place.place_of(name))
            ending = place.strike(name, word=True, crash=point)
            words = _words(place, name)
            place.finish(name)
            given, lost = given + words, lost + (not words)
            place.wrong += [(name, what) for what in _wrong(place, name, words, told=GIVEN in ending.words)]
            if not ending.was_killed:
                break
            place.points.append(name)
    tell(f"{place.figure(f'kills around a word {backend}')}; {given} on record, {lost} not")
    assert place.wrong == []
    assert given
    assert lost


def _words(place: Bench, name: str) -> int:
    """Return how many words are on record, as whoever opens the ledger next will find it; it stays as it is."""
    copy = place.place_of(f"{name}-copy")
    shutil.copytree(place.place_of(name), copy)
    with Ledger.open(copy) as ledger:
        (job,) = ledger.jobs()
        return sum(entry.mark is Mark.PAY_AGAIN for entry in ledger.marks(job.key))


def _wrong(place: Bench, name: str, words: int, *, told: bool) -> list[str]:
    """Say what the batch made of the word that it should not have."""
    with Ledger.observe(place.place_of(name)) as ledger:
        (job,) = ledger.jobs()
        marks = [entry.mark for entry in ledger.marks(job.key)]
    sent = marks.count(Mark.WIRE)
    expected = {JobState.DONE, JobState.IN_DOUBT} if words else {JobState.IN_DOUBT}
    return [
        what
        for what, is_so in {
            "the user was told of a word that is not on record": told and not words,
            f"{words} words became {marks.count(Mark.PAY_AGAIN)}": marks.count(Mark.PAY_AGAIN) != words,
            f"sent {sent} times at {words} words": sent > 1 + words,
            f"{job.state} at {words} words": job.state not in expected,
        }.items()
        if is_so
    ]
