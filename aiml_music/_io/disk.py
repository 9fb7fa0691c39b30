"""Work on a disk that may block, in a few threads of its own.

A thread at work in Python takes the interpreter from the event loop for as long as 5 ms; with the forty threads that
are anybody's, hundreds of tracks that end at once would make the loop late by as much again and again.
"""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

T = TypeVar("T")

THREADS = 4


async def on_disk(work: Callable[[], T]) -> T:
    """Run a function in a thread, and wait for it; it is not abandoned when whoever waits is cancelled."""
    return await anyio.to_thread.run_sync(work, limiter=_limiter())


def _limiter() -> anyio.CapacityLimiter:
    try:
        return _LIMITERS.get()
    except LookupError:
        made = anyio.CapacityLimiter(THREADS)
        _LIMITERS.set(made)
        return made


_LIMITERS: anyio.lowlevel.RunVar[anyio.CapacityLimiter] = anyio.lowlevel.RunVar("aiml_music.disk")
