"""What importing costs, ours and others'."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from tests.benchmarks.job import Numbers

_ROOT = Path(__file__).parents[2]


def import_seconds(codes: Iterable[str], repeats: int) -> dict[str, Numbers]:
    """Return the processor time of a Python that imports something, for all that is installed.

    All is compiled before, as what is installed is. All codes once, then all again.
    """
    codes = [code for code in codes if _is_installed(code)]
    with tempfile.TemporaryDirectory(prefix="aiml-music-bench-") as compiled:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = compiled
        for code in codes:
            _seconds_of_cpu(code, env)
        runs = [{code: _seconds_of_cpu(code, env) for code in codes} for _ in range(repeats)]
    return {code: {"cpu": median(seconds[code] for seconds in runs)} for code in codes}


def _is_installed(code: str) -> bool:
    _, _, names = code.partition(" ")
    return not names or importlib.util.find_spec(names.split(" ")[0]) is not None


def _seconds_of_cpu(code: str, env: dict[str, str]) -> float:
    process = subprocess.Popen([sys.executable, "-c", code], cwd=_ROOT, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{code!r} failed")
    return usage.ru_utime + usage.ru_stime
