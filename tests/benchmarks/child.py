"""Measurements in a fresh process, as a rule one: warm up, measure, look at what came, say what it cost.

Run by `harness.py` as `python -m tests.benchmarks.child`, with the jobs on standard input.
"""

import asyncio
import importlib
import json
import os
import resource
import sys
import urllib.request
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from tests.benchmarks.documents import track
from tests.benchmarks.job import AsyncClient, BlockingClient, Call, FirstAudio, Job, Loop, Numbers, Way
from tests.benchmarks.kinds import clients_of
from tests.benchmarks.meter import metered, watched


def ways(job: Job) -> tuple[Way, Way]:
    """Return the way of one call to warm up, and that of all."""
    warm, way = Way(job, job.base(1)), Way(job, job.base(job.count))
    # Reading the authorities is part of making a client.
    way.context = warm.context
    return warm, way


def blocking_tracks(job: Job, client: BlockingClient) -> Numbers:
    """Let a blocking client fetch tracks."""
    numbers: Numbers = {}
    warm, way = ways(job)
    client(warm, job.paths[:1])
    with metered(numbers):
        client(way, job.paths)
    return numbers


async def calls(job: Job, opened: AsyncClient) -> Numbers:
    """Let an asynchronous client fetch tracks, or send references."""
    numbers: Numbers = {}
    warm, way = ways(job)
    async with opened(warm) as call:
        await call(Path(job.reference + ".small") if job.task == "uploads" else job.file(0))
    job.file(0).unlink(missing_ok=True)
    async with opened(way) as call:
        with metered(numbers):
            async with watched(numbers) if job.lag else nullcontext():
                await together(job.loop, [partial(whole, way, call, path) for path in job.paths])
    return numbers


async def whole(way: Way, call: Call, path: Path) -> None:
    """Make a call, and do with its track what is to be done with each."""
    await call(path)
    way.finished(path)


async def together(loop: Loop, steps: list[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    """Do everything at once, with the tasks that users of the event loop have."""
    if loop == "trio":
        async with importlib.import_module("trio").open_nursery() as nursery:
            for step in steps:
                nursery.start_soon(step)
        return
    async with asyncio.TaskGroup() as group:
        for step in steps:
            group.create_task(step())


async def first_audio(job: Job, client: FirstAudio) -> Numbers:
    """Let a client have the first audio of an answer that takes its time."""
    await client(Way(job, job.base(1, "small")))
    heard = await client(Way(job, job.base(1)))
    with urllib.request.urlopen(f"http://127.0.0.1:{job.ports['http']}/clock/1/") as answer:  # noqa: ASYNC210 - all is over
        return {"first audio": heard - json.load(answer)["began"]}


def check(job: Job) -> None:
    """Refuse to have measured something else than whole tracks, and remove them."""
    expected = track(job.track_bytes if job.answer == "track" else 0)
    files = job.paths[:1] if job.remove else job.paths
    wrong = [file.name for file in files if file.stat().st_size != len(expected)]
    if wrong or files[0].read_bytes() != expected:
        raise ValueError(f"{job.kind} made wrong tracks: {wrong or files[0].name}")
    for file in files:
        file.unlink()


def done(job: Job) -> Numbers:
    """Carry out a job."""
    clients = clients_of(job.kind)
    match job.task:
        case "first":
            return anyio.run(first_audio, job, clients.first[job.kind], backend=job.loop)
        case "uploads":
            return anyio.run(calls, job, clients.uploads[job.kind], backend=job.loop)
    if job.kind in clients.blocking:
        numbers = blocking_tracks(job, clients.blocking[job.kind])
    else:
        numbers = anyio.run(calls, job, clients.tracks[job.kind], backend=job.loop)
    check(job)
    return numbers | ({"removed": 1.0} if job.remove else {})


def main() -> None:
    """Carry out jobs and print their numbers."""
    jobs = Job.many_from_json(sys.stdin.read())
    # How our client is told whom to trust.
    os.environ["SSL_CERT_FILE"] = jobs[0].authority
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    print(json.dumps([done(job) for job in jobs]))  # noqa: T201 - for its parent


if __name__ == "__main__":
    main()
