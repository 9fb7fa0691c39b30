"""What anyio needs for an event loop: 10 to 15 ms to load, and better not in the middle of a program's work."""

import sys
from contextlib import suppress
from importlib import import_module

import anyio
import anyio.lowlevel


def get_ready_for_loops() -> None:
    """Load what anyio needs for the event loop that runs here, or for those this program knows while none runs yet.

    Otherwise the first call would do it, and whatever else runs in its loop would wait.
    """
    try:
        anyio.lowlevel.current_token()
    except anyio.NoEventLoopError:
        for library in {"asyncio", "trio"} & sys.modules.keys():
            # These names are anyio's own affair: under others, it finds them by itself when they are needed.
            with suppress(ImportError):
                import_module(f"anyio._backends._{library}")
