"""A batch that is killed at any numbered point, without any tool of the system, keeps its promise when it goes on."""

from itertools import count
from pathlib import Path

import pytest

from tests.rigs.bench import bench
from tests.rigs.children import Children
from tests.rigs.conftest import Extent, Tell, Tracks

# By default, a few points of several hundred; they are spread over the run.
_STEP = 290


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_killed_batch_keeps_its_promise(
    backend: str, tmp_path: Path, program: Children, tracks: Tracks, extent: Extent, tell: Tell
) -> None:
    """Killed just before any change of a file or the ledger, or any exchange with the service, and run once more."""
    with bench(program, tmp_path, tracks, backend=backend) as place:
        step = 1 if extent.long else _STEP
        for point in count(step, step):
            name = f"crash-{point}"
            if not place.suffer(name, crash=point).was_killed:
                break
            place.points.append(name)
    tell(place.figure(f"crash points {backend}"))
    assert place.wrong == []
    assert len(place.points) > 1
