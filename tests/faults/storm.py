"""A storm of cancelled calls against a live server, and one good call after it: `python -m tests.faults.storm [N]`.

The server is a process of its own, ends with its input, and does something else with every connection. With `--compare`
the same storm is let loose on a plain, shared `httpx.AsyncClient`.
"""

import argparse
import asyncio
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import anyio
import httpx
import trio
from attrs import define, frozen

from aiml_music import AsyncMusicClient
from tests.answers import VOICE_ID, answer, generated
from tests.calls import MADE, TRACK
from tests.canary import KEY

PLACES = 20
# More than there are places, so that some are cancelled in the queue.
AT_ONCE = 30
LONGEST_CALL = 0.06
LONGEST_ANSWER = 0.03
# Nothing here takes longer, whatever goes wrong.
PATIENCE = 20.0
LONGEST_STORM = 900.0

DOCUMENT = answer(generated(TRACK)).data
GOOD, TOGETHER = "good", "together"


@frozen(kw_only=True)
class Aftermath:
    """What a storm has left.

    Attributes:
        good_seconds: how long the good call took that came after it.
        permits: how many calls can still be under way at once.
    """

    cancelled: int
    good_seconds: float
    descriptors_before: int
    descriptors_after: int
    permits: int

    def __str__(self) -> str:
        return (
            f"{self.cancelled} cancelled, good call after {self.good_seconds:.3f} s,"
            f" open descriptors {self.descriptors_before}/{self.descriptors_after}, permits {self.permits}/{PLACES}"
        )


async def serve() -> None:
    """Answer, or not, until the input ends."""
    together = asyncio.Barrier(PLACES)

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await _play(reader, writer, together)
        except (OSError, EOFError, TimeoutError, asyncio.BrokenBarrierError):
            """The client is gone, or its companions are."""
        finally:
            writer.close()

    server = await asyncio.start_server(answered, "127.0.0.1", 0, backlog=1024)
    async with server:
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        async with asyncio.timeout(LONGEST_STORM):
            await asyncio.to_thread(sys.stdin.read)


async def _play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, together: asyncio.Barrier) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    name = head.partition("x-client-request-id:")[2].partition("\r\n")[0].strip()
    act = _send if name in {GOOD, TOGETHER} else random.choice([_hang, _reset, _cut, _dawdle, _drip, _send])
    if act is not _reset:
        await reader.readexactly(int(head.partition("content-length:")[2].partition("\r\n")[0]))
    if name == TOGETHER:
        await together.wait()
    await act(reader, writer)


async def _reset(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Leave with the request unread, which makes the system say "reset"."""


async def _hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _cut(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(DOCUMENT[: len(DOCUMENT) // 2])


async def _dawdle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(random.uniform(0, LONGEST_ANSWER))
    await _send(reader, writer)


async def _drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for part in (DOCUMENT[:100], DOCUMENT[100:1000], DOCUMENT[1000:]):
        writer.write(part)
        await asyncio.sleep(random.uniform(0, LONGEST_ANSWER / 3))


async def _send(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(MADE.data)
    await writer.drain()


@contextmanager
def live_server() -> Iterator[int]:
    """Run a server in a process of its own, and yield its port."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.storm", "--serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


Call = Callable[[], Awaitable[object]]


@define(eq=False)
class Storm:
    """Calls that are cancelled at random moments, several at once.

    Attributes:
        wanted: how many are to be cancelled; those that end by themselves before do not count.
    """

    call: Call
    wanted: int
    cancelled: int = 0

    async def rage(self) -> None:
        """Cancel as many as are wanted."""
        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(self._go_on)

    async def _go_on(self) -> None:
        while self.cancelled < self.wanted:
            moment = random.uniform(0, LONGEST_CALL)
            native = not trio.lowlevel.in_trio_task() and random.random() < 0.5
            was_cancelled = await (self._by_task(moment) if native else self._by_scope(moment))
            self.cancelled += was_cancelled

    async def _by_scope(self, moment: float) -> bool:
        with anyio.move_on_after(moment) as scope:
            await self._called()
        return scope.cancelled_caught

    async def _by_task(self, moment: float) -> bool:
        task = asyncio.create_task(self._called())
        timer = task.get_loop().call_later(moment, task.cancel)
        await asyncio.wait([task])
        timer.cancel()
        return task.cancelled()

    async def _called(self) -> None:
        try:
            await self.call()
        except Exception:  # noqa: BLE001 - the server cuts some of them, and only what is left behind is of interest
            return


async def weather(port: int, wanted: int) -> Aftermath:
    """Let a storm loose on a client, and look at what it left."""
    before = _descriptors()
    # One attempt, so that a call which the server cuts is over.
    async with AsyncMusicClient(
        api_key=KEY, base_url=f"http://127.0.0.1:{port}", max_concurrency=PLACES, max_retries=0
    ) as client:

        async def call(name: str | None = None) -> None:
            track = await client.generate(lyrics="##A storm##", refer_voice=VOICE_ID, client_request_id=name)
            assert track.content == TRACK

        storm = Storm(call, wanted)
        await storm.rage()
        began = perf_counter()
        with anyio.fail_after(PATIENCE):
            await call(GOOD)
        good_seconds = perf_counter() - began
        permits = await _at_once(lambda: call(TOGETHER))
    return Aftermath(
        cancelled=storm.cancelled,
        good_seconds=good_seconds,
        descriptors_before=before,
        descriptors_after=_descriptors(),
        permits=permits,
    )


async def _at_once(call: Call) -> int:
    """Make as many calls as there are places, which are answered when all of them are there; count the answers."""
    answered = 0

    async def one() -> None:
        nonlocal answered
        await call()
        answered += 1

    with anyio.move_on_after(PATIENCE):
        async with anyio.create_task_group() as group:
            for _ in range(PLACES):
                group.start_soon(one)
    return answered


def _descriptors() -> int:
    place = Path("/proc/self/fd")
    return len(list(place.iterdir())) if place.is_dir() else 0


async def compare(port: int, wanted: int) -> str:
    """Let the same storm loose on a plain client with a pool of ten, and say what became of it."""
    limits = httpx.Limits(max_connections=10)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, trust_env=False) as client:

        async def call(name: str = "any") -> None:
            await client.post("/", content=b"{}", headers={"x-client-request-id": name})

        storm = Storm(call, wanted)
        await storm.rage()
        try:
            await call(GOOD)
        except httpx.PoolTimeout:
            return f"{storm.cancelled} cancelled, and no call gets through any more: PoolTimeout"
        return f"{storm.cancelled} cancelled, and a good call gets through"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="?", type=int, default=20_000)
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve())
        return
    work: Callable[[int, int], Awaitable[Any]] = compare if arguments.compare else weather
    for backend in ("asyncio", "trio"):
        with live_server() as port:
            sys.stdout.write(f"storm on {backend}: {anyio.run(work, port, arguments.calls, backend=backend)}\n")


if __name__ == "__main__":
    main()
