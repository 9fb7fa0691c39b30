"""The look at what a test leaves behind sees every kind of leak, and blames no test that cleans up."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LEAKY = """
import asyncio, os, socket, tempfile, threading
import anyio, pytest, trio

KEPT = []


def test_of_a_file(tmp_path):
    KEPT.append((tmp_path / "x").open("w"))


def test_of_a_socket():
    KEPT.append(socket.socket())


def test_of_a_pipe():
    KEPT.append(os.pipe())


def test_of_a_nameless_file():
    KEPT.append(tempfile.TemporaryFile())


def test_of_a_temporary_file():
    os.close(tempfile.mkstemp()[0])


def test_of_a_temporary_directory():
    tempfile.mkdtemp()


def test_of_a_thread():
    KEPT.append(threading.Event())
    threading.Thread(target=KEPT[-1].wait, args=(1.2,)).start()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_of_a_task_of_asyncio():
    KEPT.append(asyncio.create_task(asyncio.sleep(5)))


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_of_a_task_of_trio():
    trio.lowlevel.spawn_system_task(trio.sleep, 5)


@pytest.mark.anyio
async def test_that_is_clean(tmp_path):
    with tempfile.TemporaryDirectory(), (tmp_path / "x").open("w"), socket.socket():
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 5)
            group.cancel_scope.cancel()
    KEPT.append(tempfile.NamedTemporaryFile())
    KEPT.pop()
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this platform does not list descriptors")
def test_every_kind_of_leak_is_seen(tmp_path: Path) -> None:
    """Each test that leaves something fails, and the one that cleans up passes."""
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_leaky.py").write_text(LEAKY)
    root = Path(__file__).parent.parent
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", "--tb=no"]
    words += [f"--basetemp={tmp_path / 'base'}", "test_leaky.py"]
    ended = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        check=False,
        timeout=60,
    )
    lines = [line for line in ended.stdout.decode().splitlines() if line.startswith(("FAILED", "ERROR"))]
    blamed = {line.partition("::")[2].partition(" ")[0] for line in lines}
    assert blamed == {
        "test_of_a_file",
        "test_of_a_socket",
        "test_of_a_pipe",
        "test_of_a_nameless_file",
        "test_of_a_temporary_file",
        "test_of_a_temporary_directory",
        "test_of_a_thread",
        "test_of_a_task_of_asyncio[asyncio]",
        "test_of_a_task_of_trio[trio]",
    }
