"""Server and clients of a measurement: started, fed, told to end; kinds in turn, and the median of what they say.

A fresh process for each measurement: what one leaves in caches, pools and heaps is no concern of the next.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import trustme
from attrs import frozen

from tests.benchmarks.documents import recording, track
from tests.benchmarks.job import Job, Numbers

ROOT = Path(__file__).parents[2]
_MEMORY = Path("/dev/shm")  # noqa: S108 - only a folder of our own in it
_PATIENCE = 600.0
_SMALL_REFERENCE_BYTES = 2 * 1024 * 1024


@frozen(kw_only=True)
class Sizes:
    """How large everything is.

    Attributes:
        repeats: how often each kind is measured; the median counts.
    """

    track_bytes: int
    upload_bytes: int
    bytes_per_second: float
    repeats: int


@frozen(kw_only=True)
class Bench:
    """A server at work, and what its clients need to know of it."""

    sizes: Sizes
    ports: dict[str, int]
    authority: str
    folder: str
    reference: str

    def job(self, kind: str, **more: Any) -> Job:
        """Return a job for a client of this server."""
        return Job(
            kind=kind,
            ports=self.ports,
            authority=self.authority,
            folder=self.folder,
            track_bytes=self.sizes.track_bytes,
            reference=self.reference,
            **more,
        )

    def compare(self, kinds: list[str], **more: Any) -> dict[str, Numbers]:
        """Return the medians of every kind; all once, then all again, so that a slow moment falls on all alike."""
        runs: dict[str, list[Numbers]] = {kind: [] for kind in kinds}
        for _ in range(self.sizes.repeats):
            for kind in kinds:
                runs[kind].append(run(self.job(kind, **more)))
        return {kind: medians(numbers) for kind, numbers in runs.items()}


def run(job: Job) -> Numbers:
    """Carry out a job in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.child", job.as_json()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=_PATIENCE, check=False)
    if done.returncode:
        raise RuntimeError(f"{job.kind} failed:\n{done.stderr}")
    numbers: Numbers = json.loads(done.stdout)
    return numbers


def medians(runs: list[Numbers]) -> Numbers:
    """Return the median of each number."""
    return {name: median(numbers[name] for numbers in runs) for name in runs[0]}


def import_seconds(modules: dict[str, str], repeats: int) -> dict[str, Numbers]:
    """Return the processor time of a Python that imports each module; all compiled before, as an installed one is."""
    with tempfile.TemporaryDirectory(prefix="aiml-music-bench-") as compiled:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = compiled
        codes = {name: f"import {module}" for name, module in modules.items()}
        for code in codes.values():
            _seconds_of_cpu(code, env)
        runs = [{name: _seconds_of_cpu(code, env) for name, code in codes.items()} for _ in range(repeats)]
    return {name: {"cpu": seconds} for name, seconds in medians(runs).items()}


def _seconds_of_cpu(code: str, env: dict[str, str]) -> float:
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{code!r} failed")
    return usage.ru_utime + usage.ru_stime


@contextmanager
def bench(sizes: Sizes) -> Iterator[Bench]:
    """Start the server and make what its clients need; end and remove everything afterwards."""
    with ExitStack() as stack:
        memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="aiml-music-bench-", dir=memory))
        authority = trustme.CA()
        authority.cert_pem.write_to_path(f"{folder}/authority.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(f"{folder}/server.pem")
        reference = Path(folder, "reference.wav")
        reference.write_bytes(recording(sizes.upload_bytes))
        Path(f"{reference}.small").write_bytes(recording(_SMALL_REFERENCE_BYTES))
        ports = stack.enter_context(_serving(sizes, f"{folder}/server.pem"))
        yield Bench(
            sizes=Sizes(
                track_bytes=len(track(sizes.track_bytes)),
                upload_bytes=sizes.upload_bytes,
                bytes_per_second=sizes.bytes_per_second,
                repeats=sizes.repeats,
            ),
            ports=ports,
            authority=f"{folder}/authority.pem",
            folder=folder,
            reference=str(reference),
        )


@contextmanager
def _serving(sizes: Sizes, certificate: str) -> Iterator[dict[str, int]]:
    command = [sys.executable, "-m", "tests.benchmarks.server", "--certificate", certificate]
    command += ["--track-bytes", str(sizes.track_bytes), "--bytes-per-second", str(sizes.bytes_per_second)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            ports: dict[str, int] = json.loads(process.stdout.readline())
            yield ports
        finally:
            # The server ends with its standard input.
            process.stdin.close()
