"""What a batch costs beside its calls: marks and syncs of each job, memory for lists of any length."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from tests.benchmarks.batch_child import measured
from tests.benchmarks.job import Numbers
from tests.benchmarks.room import memory_folder

_ROOT = Path(__file__).parents[2]
_PATIENCE = 1800.0
ALONE, TOGETHER = "one job at a time", "20 jobs at once"
STEPS = ("run", "run again", "status", "page")
"""What is done with a list; the first makes a hundredth of its tracks, and the others find all of them made."""


def marks(count: int, repeats: int, *, alone: bool = True) -> dict[str, Numbers]:
    """Return what marks and whole jobs cost, one at a time and together; on a disk, for memory syncs nothing.

    Args:
        count: jobs to count the syncs of.
        repeats: how often the time is taken; the median counts.
        alone: each measurement has a process of its own; without, no syncs are counted.
    """
    found = {}
    for name, step in ((ALONE, "alone"), (TOGETHER, "together")):
        seconds = median(_once(step, 5 * count, alone=alone)["seconds"] for _ in range(repeats))
        found[name] = {"seconds": seconds} | (_counted(step, count) if alone else {})
    return found


def lists(counts: Iterable[int], *, alone: bool = True) -> dict[str, Numbers]:
    """Return how much memory each step takes for lists of these lengths."""
    do = _child if alone else _here
    found: dict[str, Numbers] = {}
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="aiml-music-bench-", dir=memory_folder()) as place:
            for step in STEPS:
                if step == STEPS[1]:
                    do("fill", f"{place}/batch", count)
                numbers = do(step, f"{place}/batch", count)
                shutil.rmtree(f"{place}/warm")
                found[f"{step}, {count}"] = numbers
            found[f"files, {count}"] = {
                name: float(Path(place, "batch", name).stat().st_size) for name in ("index.html", "ledger.sqlite3")
            }
    return found


def _once(step: str, count: int, *, alone: bool) -> Numbers:
    with tempfile.TemporaryDirectory(prefix="aiml-music-bench-") as place:
        return (_child if alone else _here)(step, f"{place}/batch", count)


def _here(step: str, folder: str, count: int) -> Numbers:
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - as the child does
    return measured(step, Path(folder), count)


def _child(step: str, folder: str, count: int, *before: str) -> Numbers:
    command = [*before, sys.executable, "-m", "tests.benchmarks.batch_child", step, folder, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=_ROOT, timeout=_PATIENCE, check=False)
    if done.returncode:
        raise RuntimeError(f"{step!r} failed:\n{done.stderr}")
    numbers: Numbers = json.loads(done.stdout)
    return numbers


def _counted(step: str, count: int) -> Numbers:
    found = {"syncs": _syncs_a_job(step, count), "syncs of all": _syncs_a_job(f"made {step}", count)}
    return {name: syncs for name, syncs in found.items() if syncs is not None}


def _syncs_a_job(step: str, count: int) -> float | None:
    """Count the syncs that more jobs take, by `strace`; None where it is not installed, or not allowed."""
    few, many = (syncs_of(step, jobs) for jobs in (count, 2 * count))
    return None if few is None or many is None else (many - few) / count


def syncs_of(step: str, count: int) -> int | None:
    """Count the syncs of a step, as far as the system lets us."""
    if shutil.which("strace") is None:
        return None
    with tempfile.TemporaryDirectory(prefix="aiml-music-bench-") as place:
        calls = Path(place, "calls")
        try:
            _child(
                step, f"{place}/batch", count, "strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", str(calls)
            )
        except RuntimeError:
            return None
        # A call that others came between has two lines.
        return sum("resumed>" not in line for line in calls.read_text().splitlines())
