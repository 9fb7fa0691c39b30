"""A batch that is killed again while it is resumed, once or every time, keeps its promise when it goes on."""

from itertools import count
from pathlib import Path

import pytest

from tests.rigs.bench import Bench, bench
from tests.rigs.children import Children
from tests.rigs.conftest import Extent, Tell, Tracks

# Of several hundred points in a run, and some fifty in a resume; these spread the pairs over both.
_FIRST, _SECOND = 23, 5
_FEW = [(310, 21), (490, 33)]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_resume_that_is_killed_keeps_the_promise(
    backend: str, tmp_path: Path, program: Children, tracks: Tracks, extent: Extent, tell: Tell
) -> None:
    """Killed at a point of the run, then at a point of the resume that follows, and run once more."""
    with bench(program, tmp_path, tracks, backend=backend) as place:
        if extent.long:
            _strike_spread(place)
        else:
            for pair in _FEW:
                _is_killed_twice(place, *pair)
    tell(place.figure(f"kills in resume {backend}"))
    assert place.wrong == []
    assert place.points


def _strike_spread(place: Bench) -> None:
    """Strike pairs of points: every so manieth of the run, and of each resume every so manieth, beginning elsewhere."""
    for number, first in enumerate(count(_FIRST, _FIRST)):
        met = len(place.points)
        for second in count(1 + number % _SECOND, _SECOND):
            if not _is_killed_twice(place, first, second):
                break
        if len(place.points) == met:
            break


def _is_killed_twice(place: Bench, first: int, second: int) -> bool:
    name = f"crash-{first}-{second}"
    killed = place.strike(name, crash=first).was_killed and place.strike(name, jobs=0, crash=second).was_killed
    place.finish(name)
    if killed:
        place.points.append(name)
    return killed


def test_a_resume_that_is_killed_at_every_point_in_turn_comes_to_its_end(
    tmp_path: Path, program: Children, tracks: Tracks, extent: Extent, tell: Tell
) -> None:
    """One batch, killed with calls under way, and then each time a step later in its resume."""
    with bench(program, tmp_path, tracks) as place:
        for first in range(150, 650, 50) if extent.long else [400]:
            name = f"again-{first}"
            if place.strike(name, crash=first).was_killed:
                step = 1 if extent.long else 13
                for second in count(step, step):
                    if not place.strike(name, jobs=0, crash=second).was_killed:
                        break
                    place.points.append(name)
            place.finish(name)
    tell(place.figure("kills in resume, one after the other"))
    assert place.wrong == []
    assert place.points
