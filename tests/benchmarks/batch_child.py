"""One step in the life of a batch, in a process of its own: `python -m tests.benchmarks.batch_child STEP FOLDER COUNT`.

The service is a transport that answers at once with a second of silence: what is measured is the batch alone.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio

from aiml_music import AsyncMusicClient, Job
from aiml_music._sansio.batch.budget import Budget
from aiml_music._sansio.batch.job import planned
from aiml_music._sansio.batch.states import JobState, Mark
from aiml_music._sansio.ports import Body, Exchange, RequestHead
from aiml_music.batch.folder import put_page
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.ledger_thread import LedgerThread
from aiml_music.cli.standing import standing_of
from aiml_music.testing import ScriptedTransport, finished_track, on_generate
from tests.benchmarks.documents import REQUEST
from tests.benchmarks.job import Numbers
from tests.benchmarks.meter import metered

AT_ONCE = 20
_LYRICS = "##\n" + "A line of words that somebody sings\n" * 12 + "##"
_COST = 63_000
_AFTER_INTENT: dict[Mark, dict[str, Any]] = {
    Mark.WIRE: {},
    Mark.HEAD: {"status": 200, "inference_id": str(uuid4()), "usd_spent": "0.0315"},
    Mark.RECEIVED: {"sha256": "0" * 64, "size_bytes": 960_000, "seconds": 60.0, "trace_id": str(uuid4())},
    Mark.DONE: {"file": "song.mp3"},
}


def jobs(count: int) -> Iterator[Job]:
    """Yield jobs as a list has them."""
    return (Job(label=f"song {number}", lyrics=_LYRICS, refer_voice=REQUEST["refer_voice"]) for number in range(count))


class _AtOnce:
    """A transport of a service that needs no time."""

    def __init__(self) -> None:
        self._answer = finished_track()

    async def send(self, request: RequestHead, body: Body, **terms: Any) -> Exchange:
        return await ScriptedTransport(on_generate(self._answer)).send(request, body, **terms)


async def made(folder: Path, count: int, width: int, most: int | None = None) -> None:
    """Carry out a list, and stop where so many tracks are made; no page is written."""
    client = AsyncMusicClient(
        api_key="a-key-for-nothing", base_url="https://music.invalid", transport=_AtOnce(), max_concurrency=width
    )
    tracks = 0
    async with client, client.batch(folder, max_concurrency=width) as batch:
        # Somebody else's: it is left as it is, and that is cheap.
        (folder / "index.html").touch()
        async for outcome in batch.run(jobs(count)):
            tracks += outcome.track is not None
            if tracks == most:
                batch.stop()
    (folder / "index.html").unlink()


async def marked(folder: Path, count: int, width: int, numbers: Numbers) -> None:
    """Make the marks of so many calls, so many at once, and note how long one takes."""
    with Ledger.open(folder) as ledger:
        ledger.add(planned((job, None) for job in jobs(count)), now=1.0)
        keys, thread = iter([record.key for record in ledger.jobs()]), LedgerThread(ledger)
        began = time.perf_counter()
        async with anyio.create_task_group() as group:
            for _ in range(width):
                group.start_soon(_mark_each, thread, keys)
        numbers["seconds"] = (time.perf_counter() - began) / count / (1 + len(_AFTER_INTENT))


async def _mark_each(thread: LedgerThread, keys: Iterator[str]) -> None:
    for key in keys:
        for step in steps(key):
            await thread.mark(step)


def steps(key: str) -> list[Callable[[Ledger], Any]]:
    """Return what makes the marks of a call that goes well."""
    attempt = uuid4().hex
    about: dict[str, Any] = {"now": 2.0, "attempt": attempt}
    intent = partial(
        Ledger.begin, key=key, client_request_id=attempt, reserved=_COST, budget=Budget(), now=2.0, attempt=attempt
    )
    return [
        intent,
        *(partial(Ledger.append, key=key, mark=mark, facts=facts, **about) for mark, facts in _AFTER_INTENT.items()),
    ]


def fill(folder: Path, count: int) -> None:
    """Make a batch in which every track is made, as far as ledger and names tell."""
    with Ledger.open(folder) as ledger:
        ledger.add(planned((job, None) for job in jobs(count)), now=1.0)
        with ledger.together():
            for record in ledger.jobs([JobState.PLANNED]):
                for step in steps(record.key):
                    step(ledger)
                track = folder / record.file_name
                for path in (track, track.with_suffix(".json")):
                    path.touch()


def page(folder: Path) -> None:
    """Write the page of a batch."""
    with Ledger.observe(folder) as ledger:
        put_page(ledger, directory=folder, now=2.0, pictures=False)


def measured(step: str, folder: Path, count: int) -> Numbers:
    """Do a step, and return what it cost."""
    numbers: Numbers = {}
    match step:
        case "alone" | "together":
            anyio.run(marked, folder, count, 1 if step == "alone" else AT_ONCE, numbers)
            return numbers
        case "made alone" | "made together":
            anyio.run(made, folder, count, 1 if step == "made alone" else AT_ONCE)
            return numbers
        case "fill":
            fill(folder, count)
            return numbers
    warm = folder.with_name("warm")
    anyio.run(made, warm, AT_ONCE, AT_ONCE)
    page(warm)
    works: dict[str, Callable[[], object]] = {
        "run": lambda: anyio.run(made, folder, count, AT_ONCE, count // 100),
        "run again": lambda: anyio.run(made, folder, count, AT_ONCE),
        "status": lambda: standing_of(folder),
        "page": lambda: page(folder),
    }
    with metered(numbers):
        works[step]()
    return numbers


def main() -> None:
    """Do what the command line says, and print the numbers."""
    step, folder, count = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    print(json.dumps(measured(step, Path(folder), int(count))))  # noqa: T201 - for its parent


if __name__ == "__main__":
    main()
