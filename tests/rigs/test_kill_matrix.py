"""A batch whose process dies in, or gets an error from, the n-th of any of its system calls keeps its promise."""

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.rigs.bench import Bench, bench
from tests.rigs.child import ENDED
from tests.rigs.strace import Strace, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"no system call can be made to fail: {why_not()}")

# A few by default; the ledger's calls are more than those of tracks.
KILLS = {
    "openat": [20],
    "pwrite64": [77],
    "write": [2],
    "fsync": [3],
    "fdatasync": [29],
    "rename": [1],
    "link": [2],
    "unlink": [1],
    "ftruncate": [8],
    "sendto": [7],
}
ERRORS = {
    "EIO": {"write": [1, 4], "fsync": [2], "fdatasync": [20], "rename": [1], "link": [1]},
    "ENOSPC": {"pwrite64": [70], "fallocate": [1]},
    "EINTR": {"sendto": [3]},
}
ERRORS_IN_LONG = {
    "EIO": ["openat", "pwrite64", "write", "fsync", "fdatasync", "rename", "link", "unlink", "ftruncate", "fallocate"],
    "ENOSPC": ["openat", "pwrite64", "write", "rename", "link", "ftruncate", "fallocate"],
    "EINTR": ["openat", "pwrite64", "write", "fsync", "fdatasync", "ftruncate", "fallocate", "flock"],
}
# An error that was not met, for nobody called so often, so many times in a row: there is nothing behind.
_QUIET = 12
# Where hard links are refused, a name is taken by an empty file first.
NO_LINKS = "link:error=EPERM"


def test_a_killed_batch_keeps_its_promise(
    tmp_path: Path,
    long: bool,  # noqa: FBT001 - a fixture
    record_property: Callable[[str, object], None],
) -> None:
    """Killed in the n-th call of its kind, and run once more."""
    killed = tried = 0
    with bench(tmp_path) as place:
        place.finish(place.errand)
        for call, points in KILLS.items():
            for point in count(1) if long else points:
                tried += 1
                if not _struck(place, f"{call}:signal=KILL:when={point}"):
                    break
                killed += 1
    record_property("figure", f"crash points in system calls {killed}/{tried}: {place.summary()}")
    assert place.wrong == []


def test_a_disk_without_hard_links_changes_nothing(
    tmp_path: Path,
    long: bool,  # noqa: FBT001 - a fixture
    record_property: Callable[[str, object], None],
) -> None:
    """Killed between the name that was taken and the track that was to have it."""
    killed = 0
    with bench(tmp_path) as place:
        place.finish(place.errand)
        for point in count(1) if long else [1, 2]:
            if not _struck(place, f"rename:signal=KILL:when={point}", NO_LINKS):
                break
            killed += 1
    record_property("figure", f"crash points without hard links {killed}: {place.summary()}")
    assert place.wrong == []


@pytest.mark.parametrize("error", ERRORS)
def test_a_system_that_fails_once_costs_no_track(
    error: str,
    tmp_path: Path,
    long: bool,  # noqa: FBT001 - a fixture
    record_property: Callable[[str, object], None],
) -> None:
    """The n-th call of its kind gives an error, which ends the run or does not; the next one keeps the promise."""
    tried = 0
    with bench(tmp_path) as place:
        place.finish(place.errand)
        for call, point in _all(place, error) if long else _some(error):
            tried += 1
            _struck(place, f"{call}:error={error}:when={point}")
    record_property("figure", f"errno points {error} {tried}: {place.summary()}")
    assert place.wrong == []


def _some(error: str) -> Iterator[tuple[str, int]]:
    return ((call, point) for call, points in ERRORS[error].items() for point in points)


def _all(place: Bench, error: str) -> Iterable[tuple[str, int]]:
    for call in ERRORS_IN_LONG[error]:
        quiet = 0
        for point in count(1):
            yield call, point
            quiet = quiet + 1 if place.latest.status == ENDED and not place.latest.words else 0
            if quiet == _QUIET:
                break


def _struck(place: Bench, *injections: str) -> bool:
    """Run a batch into faults, and say whether it was killed."""
    strace = Strace(injections)
    name = injections[0].replace(":", "-").replace("=", "-")
    ending = place.suffer(name, begun=strace)
    strace.wait()
    return ending.was_killed
