"""A program that carries out batches, each in a process of its own that may be killed: `python -m tests.rigs.child`.

It reads one errand a line from its input, and says of each how its process ended. Processes are forked from this one,
which has imported everything and started no thread: so each takes milliseconds, and its system calls are its work's.
"""

import concurrent.futures.thread
import encodings.idna
import gc
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import anyio
import anyio._backends._asyncio
import anyio._backends._trio
import httpcore
import httpx
from attrs import asdict, frozen

from aiml_music import AsyncMusicClient, MusicError
from aiml_music._io import digest
from aiml_music._sansio.batch.job import Job
from aiml_music.batch.batch import Batch
from aiml_music.sandbox import DEFAULT_KEY
from tests.clocks import HastyClock
from tests.rigs.crash_points import CrashPoint

ENDED, FAILED, BROKEN = 0, 3, 4
QUEUED_MODEL = "minimax/music-2.6"
GIVEN = "The word to pay again is on record.\n"
# Both event loops and all of a batch: nothing is to be imported in the middle of an errand.
IMPORTED = (
    *(anyio._backends._asyncio, anyio._backends._trio, Batch),
    *(httpcore, httpx, encodings.idna, concurrent.futures.thread),
)


class Order(Protocol):
    """What a process is to do, and how it may end; see `Errand`."""

    @property
    def backend(self) -> str: ...

    @property
    def crash(self) -> int | None: ...

    @property
    def lifetime(self) -> float | None: ...

    @property
    def held(self) -> bool: ...

    @classmethod
    def from_json(cls, text: str) -> Self: ...

    def to_json(self) -> str: ...


T = TypeVar("T", bound=Order)


@frozen(kw_only=True)
class Errand:
    """One run of a batch.

    Args:
        directory: of the batch.
        base_url: of the service.
        reference: the file that all jobs refer to.
        jobs: how many; the list of n jobs begins with that of n-1.
        budget: in US dollars.
        backend: `asyncio` or `trio`.
        width: how many jobs may be under way at once.
        crash: kill the process at so manieth crash point.
        lifetime: kill the process after so many seconds.
        scenario: a fault of the sandbox that every generation names.
        queued: the jobs are of a model that answers by an id, and no wait is long.
        word: say of every call in doubt that it may be paid again, before anything is sent.
        settled: ask the service's books about every doubt, and make what was not paid.
        held: wait for a line before the first step.
    """

    directory: str
    base_url: str
    reference: str
    jobs: int
    budget: str
    backend: str = "asyncio"
    width: int = 2
    crash: int | None = None
    lifetime: float | None = None
    scenario: str | None = None
    queued: bool = False
    word: bool = False
    settled: bool = False
    held: bool = False

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """Return it on one line."""
        return json.dumps(asdict(self))


def main(kind: type[T], work: Callable[[T], Awaitable[int]]) -> None:
    """Carry out errands until the input ends.

    Args:
        kind: of the errands.
        work: does one, and returns the exit code of its process.
    """
    digest.load()
    # What is here stays where it is: a child that collects garbage would only copy it.
    gc.freeze()
    with os.fdopen(os.dup(0), "rb", buffering=0) as reader:
        _serve(reader, kind, work)


def _serve(reader: Any, kind: type[T], work: Callable[[T], Awaitable[int]]) -> None:
    while line := _line(reader):
        errand = kind.from_json(line.decode())
        pid = os.fork()
        if pid == 0:
            _child(errand, work, reader)
        _say({"pid": pid})
        _, status = os.waitpid(pid, 0)
        _say({"status": os.waitstatus_to_exitcode(status)})


def _line(reader: Any) -> bytes:
    """Read a line and not a byte more: the next one may be for a child."""
    line = b""
    while not line.endswith(b"\n") and (byte := reader.read(1)):
        line += byte
    return line


def _say(words: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def _child(errand: T, work: Callable[[T], Awaitable[int]], reader: Any) -> None:
    code = BROKEN
    try:
        if errand.held:
            _line(reader)
        if errand.lifetime is not None:
            # Nobody handles this signal: the system ends the process, as it does with kill -9.
            signal.setitimer(signal.ITIMER_REAL, errand.lifetime)
        if errand.crash is not None:
            point = CrashPoint(errand.crash)
            threading.setprofile(point.seen)
            sys.setprofile(point.seen)
        code = anyio.run(work, errand, backend=errand.backend)
    except BaseException:  # noqa: BLE001 - to be told, whatever it is
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        # Not the ordinary way out, which is the parent's.
        os._exit(code)


async def carried_out(errand: Errand) -> int:
    """Carry out an errand, and return the status that its process ends with."""
    jobs = [_job(errand, n) for n in range(errand.jobs)]
    clock = HastyClock() if errand.queued else None
    headers = None if errand.scenario is None else {"x-sandbox-scenario": errand.scenario}
    try:
        async with (
            AsyncMusicClient(
                api_key=DEFAULT_KEY, base_url=errand.base_url, default_headers=headers, clock=clock
            ) as client,
            client.batch(Path(errand.directory), budget=errand.budget, max_concurrency=errand.width) as batch,
        ):
            if errand.word:
                await _give_the_word(batch)
            await batch.run_all(jobs)
            if errand.settled:
                await batch.settle()
                await batch.run_all(jobs)
    except MusicError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return FAILED
    return ENDED


def _job(errand: Errand, number: int) -> Job:
    label, words = f"Song {number}", f"##Song number {number}, and another line of it##"
    if errand.queued:
        return Job(label=label, model=QUEUED_MODEL, prompt="A slow waltz", lyrics=words)
    return Job(label=label, lyrics=words, reference=errand.reference, purpose="song")


async def _give_the_word(batch: Batch) -> None:
    for doubt in (await batch.report()).in_doubt:
        await batch.pay_again(doubt.key, reason="It is wanted all the same.")
        sys.stderr.write(GIVEN)
        sys.stderr.flush()


if __name__ == "__main__":
    main(Errand, carried_out)
