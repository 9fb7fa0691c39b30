"""A thousand generations asked after at once: how many questions a second, what memory, and how the loop waits.

Run with `python -m tests.benchmarks.bench_polling`; `--calls 100` takes fewer. The sandbox has a process of its own.
"""

import argparse
import asyncio
import resource
import subprocess
import sys
from time import perf_counter

from aiml_music import AsyncMusicClient, Event, EventKind, Track
from aiml_music._sansio.polling import POLLS_PER_SECOND

_SERVICE = """
import sys
from aiml_music.sandbox import Sandbox, Settings, running
settings = Settings(latency=0, queue_seconds=20, generating_seconds=20)
with running(sandbox=Sandbox(settings, encoder=None)) as served:
    print(served.base_url, flush=True)
    sys.stdin.read()
"""
_TICK = 0.005


async def lag(lags: list[float]) -> None:
    """Note how late a short sleep ends, until cancelled."""
    while True:
        began = perf_counter()
        await asyncio.sleep(_TICK)
        lags.append(perf_counter() - began - _TICK)


def busiest_second(moments: list[float]) -> int:
    """Return the most questions that were answered within one second."""
    moments = sorted(moments)
    most = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - 1:
            first += 1
        most = max(most, last - first + 1)
    return most


async def measured(base_url: str, calls: int) -> None:
    """Generate so many tracks at once, and print the figures."""
    asked: list[float] = []
    lags: list[float] = []

    def heard(event: Event) -> None:
        if event.kind is EventKind.POLLED:
            asked.append(perf_counter())

    before = resource.getrusage(resource.RUSAGE_SELF)
    began = perf_counter()
    watching = asyncio.create_task(lag(lags))
    client = AsyncMusicClient(
        api_key="sandbox-key", base_url=base_url, max_concurrency=calls, on_event=heard, timeout=3600
    )

    async def one() -> Track:
        return await client.generate(
            model="minimax/music-2.0", prompt="A calm song of rain", lyrics="Side by side we go"
        )

    async with client:
        tracks = await asyncio.gather(*(one() for _ in range(calls)))
    watching.cancel()
    seconds, after = perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    lags.sort()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rows = {
        "tracks": f"{len(tracks)} in {seconds:.0f} s, {len({track.receipt for track in tracks})} receipts",
        "questions": f"{len(asked)}, {len(asked) / len(tracks):.1f} a track",
        "busiest second": f"{busiest_second(asked)} answers; the pace is {POLLS_PER_SECOND:g}",
        "memory": f"{(after.ru_maxrss - before.ru_maxrss) / calls:.0f} KiB a generation, with its track",
        "CPU": f"{1000 * cpu / calls:.1f} ms a generation",
        "loop": f"{1000 * lags[-1]:.1f} ms late at most, {1000 * lags[int(len(lags) * 0.99)]:.1f} ms at p99",
    }
    for name, figure in rows.items():
        sys.stdout.write(f"{name:16}{figure}\n")


def main() -> None:
    """Start the service, and measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench_polling", description=__doc__)
    parser.add_argument("--calls", type=int, default=1000, help="how many at once")
    calls = parser.parse_args().calls
    with subprocess.Popen(
        [sys.executable, "-c", _SERVICE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        base_url = service.stdout.readline().strip()
        asyncio.run(measured(base_url, calls))


if __name__ == "__main__":
    main()
