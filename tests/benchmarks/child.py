"""One measurement in a fresh process: warm up once, measure once, look at what came, say what it cost.

Run by `harness.py` as `python -m tests.benchmarks.child <job>`.
"""

import asyncio
import json
import os
import resource
import sys
import urllib.request
from contextlib import nullcontext
from pathlib import Path

from tests.benchmarks.blocking import BLOCKING
from tests.benchmarks.clients import CLIENTS
from tests.benchmarks.documents import track
from tests.benchmarks.first_audio import FIRST_AUDIO
from tests.benchmarks.job import Job, Numbers, Way
from tests.benchmarks.meter import metered, watched
from tests.benchmarks.uploads import UPLOADS


def blocking_tracks(job: Job) -> Numbers:
    """Let a blocking client fetch tracks."""
    numbers: Numbers = {}
    client, files = BLOCKING[job.kind], all_files(job)
    warm, way = Way(job, job.base(1)), Way(job, job.base(job.count))
    # Reading the authorities is part of making a client.
    way.context = warm.context
    client(warm, files[:1])
    with metered(numbers):
        client(way, files)
    return numbers


async def async_tracks(job: Job) -> Numbers:
    """Let an asynchronous client fetch tracks."""
    numbers: Numbers = {}
    opened, files = CLIENTS[job.kind], all_files(job)
    warm, way = Way(job, job.base(1)), Way(job, job.base(job.count))
    way.context = warm.context
    async with opened(warm) as fetch:
        await fetch(files[0])
    files[0].unlink()
    async with opened(way) as fetch:
        with metered(numbers):
            async with watched(numbers) if job.lag else nullcontext(), asyncio.TaskGroup() as group:
                for file in files:
                    group.create_task(fetch(file))
    return numbers


async def first_audio(job: Job) -> Numbers:
    """Let a client have the first audio of an answer that takes its time."""
    client = FIRST_AUDIO[job.kind]
    await client(Way(job, job.base(1, "small")))
    heard = await client(Way(job, job.base(1)))
    with urllib.request.urlopen(f"http://127.0.0.1:{job.ports['http']}/clock/1/") as answer:  # noqa: ASYNC210 - all is over
        return {"first audio": heard - json.load(answer)["began"]}


async def upload(job: Job) -> Numbers:
    """Let a client send a reference."""
    numbers: Numbers = {}
    client, way = UPLOADS[job.kind], Way(job, job.base(1))
    small = Path(job.reference + ".small")
    await client(way, small)
    with metered(numbers):
        async with watched(numbers):
            await client(way, Path(job.reference))
    return numbers


def all_files(job: Job) -> list[Path]:
    """Return where the tracks of a job go."""
    return [job.file(number) for number in range(job.count)]


def check(job: Job) -> None:
    """Refuse to have measured something else than whole tracks, and remove them."""
    expected = track(job.track_bytes if job.answer == "track" else 0)
    files = all_files(job)
    wrong = [file.name for file in files if file.stat().st_size != len(expected)]
    if wrong or files[0].read_bytes() != expected:
        raise ValueError(f"{job.kind} made wrong tracks: {wrong or files[0].name}")
    for file in files:
        file.unlink()


def done(job: Job) -> Numbers:
    """Carry out a job."""
    match job.task:
        case "first":
            return asyncio.run(first_audio(job))
        case "upload":
            return asyncio.run(upload(job))
    numbers = blocking_tracks(job) if job.kind in BLOCKING else asyncio.run(async_tracks(job))
    check(job)
    return numbers


def main() -> None:
    """Carry out the job of the command line and print its numbers."""
    job = Job.from_json(sys.argv[1])
    # How our client is told whom to trust.
    os.environ["SSL_CERT_FILE"] = job.authority
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    print(json.dumps(done(job)))  # noqa: T201 - for its parent


if __name__ == "__main__":
    main()
