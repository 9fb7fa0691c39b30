"""What a piece of work costs this process: processor, memory, and the patience of its event loop."""

import gc
import math
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio

from tests.benchmarks.job import Numbers

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_TICK = 0.001


@contextmanager
def metered(numbers: Numbers) -> Iterator[None]:
    """Note the processor time and the growth of peak memory of what happens within; collects garbage first.

    What the harness itself has loaded, its peers included, is kept from later collections, whose length it would set.
    """
    gc.collect()
    gc.freeze()
    before = _reset_peak()
    cpu = time.process_time()
    yield
    numbers["cpu"] = time.process_time() - cpu
    if before is not None:
        numbers["growth"] = max(0, _memory("VmHWM") - before)


def _reset_peak() -> int | None:
    """Forget the peak so far and return what is used now; None where the system does not tell."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return None
    return _memory("VmRSS")


def _memory(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", _STATUS.read_text())
    return 1024 * int(found[1]) if found else 0


@asynccontextmanager
async def watched(numbers: Numbers) -> AsyncIterator[None]:
    """Note how late the event loop is for somebody who wants to be woken every millisecond.

    Within `metered`: a collection of garbage blocks the loop for 10 ms and more.
    """
    late: list[float] = []
    async with anyio.create_task_group() as group:
        group.start_soon(_tick, late)
        # It is at its own pace before the work begins.
        await anyio.sleep(20 * _TICK)
        late.clear()
        yield
        # A block up to the last moment is noticed with the next tick.
        await anyio.sleep(2 * _TICK)
        group.cancel_scope.cancel()
    late.sort()
    numbers["lag max"] = late[-1]
    numbers["lag p99"] = late[math.ceil(0.99 * len(late)) - 1]


async def _tick(late: list[float]) -> None:
    while True:
        due = time.monotonic() + _TICK
        await anyio.sleep(_TICK)
        late.append(time.monotonic() - due)
