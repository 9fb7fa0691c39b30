"""What every test may use: both event loops, and a look at what a test leaves behind."""

import functools
import gc
import inspect
import os
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio.lowlevel
import pytest

from tests.calls import SENDING

_DESCRIPTORS = "/proc/self/fd"
_PATIENCE = 1.0
_NOBODY = 65_534
# Turns of an event loop in which a task that was cancelled, or has nothing left to do, comes to its end.
_LAST_TURNS = 5
# What the interpreter opens for itself, late, and keeps.
_OF_THE_INTERPRETER = (sys.prefix, sys.base_prefix, "/dev/urandom")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what all rigs know."""
    parser.addoption("--long", action="store_true", help="run the rigs in their long form")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every async test runs on asyncio and on trio."""
    backend: str = request.param
    return backend


# Where both transports have to give the same, by default and in the long form of the rigs.
_BOTH_TRANSPORTS = {
    "tests._io.test_transport",
    "tests._io.test_framing",
    "tests._io.test_tls",
    "tests._io.test_proxies",
    "tests._io.test_proxy_process",
    "tests._io.test_leave_to_send",
}
_BOTH_TRANSPORTS_IN_LONG = {
    "tests._calls.test_attempt",
    *("tests.faults.test_a4_connecting", "tests.faults.test_a5_sending", "tests.faults.test_a6_waiting"),
    *("tests.faults.test_a7_verdicts", "tests.faults.test_a8_body"),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let the tests of the transport run with the HTTP library's own sockets as well."""
    wanted = set(_BOTH_TRANSPORTS)
    if metafunc.config.getoption("--long", default=False):
        wanted |= _BOTH_TRANSPORTS_IN_LONG
    if metafunc.module.__name__ in wanted:
        metafunc.parametrize("sending", ["own", "stock"], indirect=True)


@pytest.fixture(autouse=True)
def sending(request: pytest.FixtureRequest) -> Iterator[None]:
    """Send with the one transport or with the other, as `pytest_generate_tests` says."""
    SENDING[0] = "stock" if getattr(request, "param", "own") == "stock" else None
    yield
    SENDING[0] = None


@pytest.fixture(scope="session", autouse=True)
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return where temporary files go during this run, and nobody else's."""
    own = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        # A pytest that a test runs keeps its own files where it always does.
        patch.setenv("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
        patch.setenv("TMPDIR", str(own))
        patch.setattr(tempfile, "tempdir", str(own))
        yield own


@pytest.fixture
def own_directory(tmp_path: Path) -> Iterator[Path]:
    """Return a directory of an ordinary user, which this process is meanwhile: root may do anything anywhere."""
    if os.geteuid() != 0:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chown(name, _NOBODY, _NOBODY)
        os.seteuid(_NOBODY)
        try:
            yield Path(name)
            Path(name).chmod(0o700)
        finally:
            os.seteuid(0)


@pytest.fixture(autouse=True)
def nothing_left_behind(temporary_files: Path) -> Iterator[None]:
    """Fail a test that leaves descriptors, threads or temporary files behind."""
    threads, descriptors, files = set(threading.enumerate()), _descriptors(), set(os.listdir(temporary_files))  # noqa: PTH208 - five times as fast
    yield
    for thread in _of_ours(threads):
        thread.join(_PATIENCE)
    assert _once_settled(lambda: _descriptors() - descriptors) == set(), "descriptors were left open"
    assert _of_ours(threads) == [], "threads were left running"
    assert set(os.listdir(temporary_files)) - files == set(), "temporary files were left"  # noqa: PTH208


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Look at the tasks around every async test, while its event loop is still there to be asked."""
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        pyfuncitem.obj = _leaving_no_task(pyfuncitem.obj)


def _leaving_no_task(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def watched(**fixtures: Any) -> None:
        before = _tasks()
        await test(**fixtures)
        turns = 0
        while (left := _tasks() - before) and turns < _LAST_TURNS:
            turns += 1
            await anyio.lowlevel.checkpoint()
        assert left == set(), "tasks were left running"

    return watched


def _tasks() -> set[anyio.TaskInfo]:
    return set(anyio.get_running_tasks())


def _once_settled(left: Callable[[], set[str]]) -> set[str]:
    """Return what is left when nothing goes away by itself any more."""
    found = left()
    if found:
        # What is only waiting for the garbage collector is let go of now.
        gc.collect()
    deadline = time.monotonic() + _PATIENCE / 2
    while found and time.monotonic() < deadline:
        # A server that several tests share closes its end of a connection when it comes to it.
        threading.Event().wait(0.005)
        found = left()
    return found


def _of_ours(known: set[threading.Thread]) -> list[threading.Thread]:
    # Trio keeps idle threads, which are daemons, for later.
    return [t for t in threading.enumerate() if t not in known and (not t.daemon or t.name.startswith("aiml_music"))]


def _descriptors() -> set[str]:
    """Return every open descriptor and where it leads; nothing where the system does not tell."""
    found: set[str] = set()
    try:
        listed = os.listdir(_DESCRIPTORS)  # noqa: PTH208 - as above
    except OSError:
        return found
    for descriptor in listed:
        try:
            leads_to = os.readlink(f"{_DESCRIPTORS}/{descriptor}")  # noqa: PTH115 - the target is no path
        except OSError:
            continue
        if not leads_to.startswith(_OF_THE_INTERPRETER):
            found.add(f"{descriptor} {leads_to}")
    return found
