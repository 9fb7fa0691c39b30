"""Work that nobody's cancellation reaches but its own, and the end of the event loop's."""

import contextvars
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

# An event loop keeps no task alive by itself.
_running: "set[asyncio.Task[None]]" = set()


def start_detached(work: Callable[[], Coroutine[Any, Any, None]], *, name: str) -> None:
    """Start work that outlives whoever starts it; it must not raise but when it is cancelled.

    A task group of the caller's would not do: it ends with the caller, and on some frameworks in another task.
    """
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        trio.lowlevel.spawn_system_task(work, name=name, context=contextvars.copy_context())
        return
    import asyncio  # noqa: PLC0415 - slow to load, and it runs here already

    task = asyncio.get_running_loop().create_task(work(), name=name)
    _running.add(task)
    task.add_done_callback(_running.discard)
