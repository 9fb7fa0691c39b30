"""A batch whose process dies in, or gets an error from, the n-th of any of its system calls keeps its promise."""

import shutil
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

import pytest

from tests.rigs.bench import Bench, bench
from tests.rigs.children import Children
from tests.rigs.conftest import Extent, Tell, Tracks
from tests.rigs.strace import Strace

pytestmark = pytest.mark.usefixtures("strace")

# A few by default; the ledger's calls are more than those of tracks.
KILLS: Mapping[str, Mapping[str, list[int]]] = {
    "asyncio": {"write": [2], "fsync": [3], "link": [2], "unlink": [1]},
    "trio": {"fdatasync": [29], "rename": [1], "sendto": [7]},
}
ALL_KILLS = (
    *("openat", "pwrite64", "write", "fsync", "fdatasync", "rename", "link", "unlink"),
    *("ftruncate", "fallocate", "connect", "sendto", "recvfrom"),
)
ERRORS: Mapping[str, Mapping[str, list[int]]] = {
    "EIO": {"write": [1], "fsync": [2], "fdatasync": [20]},
    "ENOSPC": {"pwrite64": [70]},
    "EINTR": {"sendto": [3]},
}
ALL_ERRORS = {
    "EIO": ("openat", "pwrite64", "write", "fsync", "fdatasync", "rename", "link", "unlink", "ftruncate", "fallocate"),
    "ENOSPC": ("openat", "pwrite64", "write", "rename", "link", "ftruncate", "fallocate"),
    "EINTR": ("openat", "pwrite64", "write", "fsync", "fdatasync", "ftruncate", "fallocate", "flock", "sendto"),
}
# No two runs make the same calls in the same threads: only when so many points in a row were not met, none is behind.
_QUIET = 3
# Where hard links are refused, a name is taken by an empty file first.
NO_LINKS = "link:error=EPERM"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_killed_batch_keeps_its_promise(
    backend: str, tmp_path: Path, program: Children, tracks: Tracks, extent: Extent, tell: Tell
) -> None:
    """Killed in the n-th call of its kind, and run once more."""
    with bench(program, tmp_path, tracks, backend=backend) as place:
        _strike_all(place, "signal=KILL", dict.fromkeys(ALL_KILLS) if extent.long else KILLS[backend])
    tell(place.figure(f"kill matrix {backend}"))
    assert place.wrong == []
    assert place.points


def test_a_disk_without_hard_links_changes_nothing(
    tmp_path: Path, program: Children, tracks: Tracks, extent: Extent, tell: Tell
) -> None:
    """Killed between the name that was taken and the track that was to have it, which then waits for its name.

    Nobody can tell whose the empty file is; once it is gone, the track gets its name.
    """
    landed = 0
    # One job after the other, so that the n-th rename is the same one in every run.
    with bench(program, tmp_path, tracks, width=1) as place:
        _strike_all(place, "signal=KILL", {"rename": None if extent.long else [2]}, NO_LINKS)
        for name in place.names:
            landed += _land(place, name)
    tell(f"{place.figure('kill matrix without hard links')}; {landed} of them landed when it was free")
    assert place.wrong == []
    assert landed == sum(found.waiting for found in place.findings)
    assert landed


def _land(place: Bench, name: str) -> int:
    """Take empty files away from a copy of a batch, run it once more, and return how many there were."""
    empty = [path.name for path in place.place_of(name).glob("*.mp3") if not path.stat().st_size]
    if empty:
        copy = f"{name}-freed"
        shutil.copytree(place.place_of(name), place.place_of(copy))
        for each in empty:
            (place.place_of(copy) / each).unlink()
        place.finish(copy)
    return len(empty)


@pytest.mark.parametrize("error", ERRORS)
def test_a_system_that_fails_once_costs_no_track(
    error: str, tmp_path: Path, program: Children, tracks: Tracks, extent: Extent, tell: Tell
) -> None:
    """The n-th call of its kind gives an error, which ends the run or does not; the next one keeps the promise."""
    with bench(program, tmp_path, tracks) as place:
        _strike_all(place, f"error={error}", dict.fromkeys(ALL_ERRORS[error]) if extent.long else ERRORS[error])
    tell(place.figure(f"errno points {error}"))
    assert place.wrong == []
    assert place.points


def _strike_all(place: Bench, what: str, calls: Mapping[str, list[int] | None], *always: str) -> None:
    """Run a batch into each of these faults; None is every one that is met."""
    for call, points in calls.items():
        for point in _until_quiet(place) if points is None else points:
            _strike(place, f"{call}:{what}:when={point}", *always)


def _until_quiet(place: Bench) -> Iterator[int]:
    quiet = 0
    for point in count(1):
        met = len(place.points)
        yield point
        quiet = quiet + 1 if len(place.points) == met else 0
        if quiet == _QUIET:
            break


def _strike(place: Bench, *injections: str) -> None:
    """Run a batch into faults; it is a point where the first of them came to pass."""
    name = injections[0].replace(":", "-").replace("=", "-")
    strace = Strace(injections, place.place_of(f"{name}.strace"))
    ending = place.suffer(name, begun=strace)
    gave_errors = strace.wait()
    if ending.was_killed or (gave_errors and len(injections) == 1):
        place.points.append(name)
