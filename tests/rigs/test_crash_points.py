"""A batch that is killed at any numbered point, without any tool of the system, keeps its promise when it goes on."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.rigs.bench import bench

# By default, a few points of several hundred; they are spread over the run.
_STEP = 211


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_killed_batch_keeps_its_promise(
    backend: str,
    tmp_path: Path,
    long: bool,  # noqa: FBT001 - a fixture
    record_property: Callable[[str, object], None],
) -> None:
    """Killed just before any change of a file or the ledger, or any exchange with the service, and run once more."""
    step = 1 if long else _STEP
    killed = 0
    with bench(tmp_path, backend=backend) as place:
        place.finish(place.errand)
        for point in count(step, step):
            if not place.suffer(f"crash-{point}", crash=point).was_killed:
                break
            killed += 1
    record_property("figure", f"crash points on {backend} {killed}/{killed * step}: {place.summary()}")
    assert place.wrong == []
    assert killed > 1
