"""What every test may use: both event loops, and a look at what a test leaves behind."""

import gc
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

_DESCRIPTORS = Path("/proc/self/fd")
_PATIENCE = 5.0


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every async test runs on asyncio and on trio."""
    backend: str = request.param
    return backend


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves sockets, pipes or threads behind."""
    threads, sockets = set(threading.enumerate()), _sockets()
    yield
    for thread in _of_ours(threads):
        thread.join(_PATIENCE)
    if _sockets() - sockets or _of_ours(threads):
        # What is only waiting for the garbage collector is let go of now.
        gc.collect()
    assert _sockets() - sockets == set(), "sockets or pipes were left open"
    assert _of_ours(threads) == [], "threads were left running"


def _of_ours(known: set[threading.Thread]) -> list[threading.Thread]:
    # Trio keeps idle threads, which are daemons, for later.
    return [t for t in threading.enumerate() if t not in known and (not t.daemon or t.name.startswith("aiml_music"))]


def _sockets() -> set[str]:
    if not _DESCRIPTORS.is_dir():
        return set()
    found = set()
    for descriptor in _DESCRIPTORS.iterdir():
        try:
            leads_to = os.readlink(descriptor)  # noqa: PTH115 - the target is no path
        except OSError:
            continue
        if leads_to.startswith(("socket:", "pipe:")):
            found.add(leads_to)
    return found
