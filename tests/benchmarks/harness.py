"""Server and clients of a measurement: started, fed, told to end; kinds in turn, and the median of what they say.

A fresh process for each measurement: what one leaves in caches, pools and heaps is no concern of the next.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import trustme
from attrs import frozen

from tests.benchmarks.cases import Case, Scale
from tests.benchmarks.documents import recording, track
from tests.benchmarks.job import Job, Numbers, as_json
from tests.benchmarks.kinds import present
from tests.benchmarks.room import memory_folder, room_bytes

ROOT = Path(__file__).parents[2]
_PATIENCE = 900.0
_SMALL_REFERENCE_BYTES = 2 * 1024 * 1024


@frozen(kw_only=True)
class Bench:
    """A server at work, and what its clients need to know of it."""

    ports: dict[str, int]
    authority: str
    folder: str
    track_bytes: int
    reference: str

    def jobs(self, case: Case) -> dict[str, Job]:
        """Return the job of every client that is here."""
        wanted = case.job.get("count", 1) * self.track_bytes
        # Others need memory, too.
        remove = case.job.get("answer", "track") == "track" and wanted > room_bytes(Path(self.folder)) / 2
        return {kind: self.job(kind, remove=remove, **case.job) for kind in present(case.kinds)}

    def job(self, kind: str, **more: Any) -> Job:
        """Return a job for a client of this server."""
        return Job(
            kind=kind,
            ports=self.ports,
            authority=self.authority,
            folder=self.folder,
            track_bytes=self.track_bytes,
            reference=self.reference,
            **more,
        )

    def measured(self, cases: dict[str, Case], say: Callable[[str], None]) -> Iterator[tuple[str, dict[str, Numbers]]]:
        """Yield the medians of every kind; all once, then all again, so that a slow moment falls on all alike."""
        for name, case in cases.items():
            say(case.what)
            jobs = self.jobs(case)
            runs = [{kind: run([job])[0] for kind, job in jobs.items()} for _ in range(case.repeats)]
            yield name, {kind: medians([numbers[kind] for numbers in runs]) for kind in jobs}

    def tried(self, cases: dict[str, Case]) -> Iterator[tuple[str, dict[str, Numbers]]]:
        """Yield what one process says that does everything once: that it works, not what it costs."""
        jobs = {(name, kind): job for name, case in cases.items() for kind, job in self.jobs(case).items()}
        numbers = dict(zip(jobs, run(list(jobs.values())), strict=True))
        for name in cases:
            yield name, {kind: found for (case, kind), found in numbers.items() if case == name}


def run(jobs: list[Job]) -> list[Numbers]:
    """Carry out jobs in a process of their own."""
    command = [sys.executable, "-m", "tests.benchmarks.child"]
    done = subprocess.run(
        command, input=as_json(jobs), capture_output=True, text=True, cwd=ROOT, timeout=_PATIENCE, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{jobs[0].kind} or what came after it failed:\n{done.stderr}")
    numbers: list[Numbers] = json.loads(done.stdout)
    return numbers


def medians(runs: list[Numbers]) -> Numbers:
    """Return the median of each number."""
    return {name: median(numbers[name] for numbers in runs) for name in runs[0]}


@contextmanager
def bench(scale: Scale) -> Iterator[Bench]:
    """Start the server and make what its clients need; end and remove everything afterwards."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="aiml-music-bench-", dir=memory_folder()))
        authority = trustme.CA()
        authority.cert_pem.write_to_path(f"{folder}/authority.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(f"{folder}/server.pem")
        reference = Path(folder, "reference.wav")
        reference.write_bytes(recording(scale.upload_bytes))
        Path(f"{reference}.small").write_bytes(recording(_SMALL_REFERENCE_BYTES))
        ports = stack.enter_context(_serving(scale, f"{folder}/server.pem"))
        yield Bench(
            ports=ports,
            authority=f"{folder}/authority.pem",
            folder=folder,
            track_bytes=len(track(scale.track_bytes)),
            reference=str(reference),
        )


@contextmanager
def _serving(scale: Scale, certificate: str) -> Iterator[dict[str, int]]:
    command = [sys.executable, "-m", "tests.benchmarks.server", "--certificate", certificate]
    command += ["--track-bytes", str(scale.track_bytes), "--bytes-per-second", str(scale.bytes_per_second)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            ports: dict[str, int] = json.loads(process.stdout.readline())
            yield ports
        finally:
            # The server ends with its standard input.
            process.stdin.close()
