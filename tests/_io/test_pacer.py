"""The pacer on real event loops."""

import asyncio
import time

import anyio
import anyio.lowlevel
import pytest

from aiml_music._io.pacer import Pacer, pacer
from aiml_music._sansio.turns import SLICE_STEPS

pytestmark = pytest.mark.anyio


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


def fill(mine: Pacer) -> None:
    """Leave no room in this turn of the loop."""
    while mine._slice.grants(time.perf_counter()):
        """A step of others."""


async def test_an_event_loop_has_one_pacer() -> None:
    """All connections of a loop share it."""
    assert pacer() is pacer()


async def test_work_without_a_pause_gives_way_to_others() -> None:
    """However much there is to do, others get a turn after eight steps."""
    mine, turned = Pacer(), 0

    async def other() -> None:
        nonlocal turned
        while True:
            turned += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        await turns(1)
        before = turned
        for _ in range(10 * SLICE_STEPS):
            await mine.step()
        assert turned - before >= 9
        group.cancel_scope.cancel()


async def test_nobody_is_forgotten() -> None:
    """Each of many gets all its steps, however few of them a turn has room for."""
    mine, served = Pacer(), []

    async def body(name: int) -> None:
        for _ in range(3):
            await mine.step()
            served.append(name)
            until = time.perf_counter() + 0.0003
            while time.perf_counter() < until:
                """Work, as decoding is."""

    async with anyio.create_task_group() as group:
        for name in range(40):
            group.start_soon(body, name)
    assert sorted(served) == sorted(list(range(40)) * 3)


async def test_who_asked_first_is_served_first(anyio_backend_name: str) -> None:
    """Also when a turn is full before all who were called into it have come."""
    mine, served = Pacer(), []

    async def modest(name: str) -> None:
        await mine.step()
        served.append(name)

    async def greedy(name: str) -> None:
        await modest(name)
        fill(mine)

    async with anyio.create_task_group() as group:
        for name in "abcDefghIjklm":
            group.start_soon(greedy if name.isupper() else modest, name)
    assert sorted(served) == sorted("abcDefghIjklm")
    if anyio_backend_name == "asyncio":
        # Trio runs in any order those who are called together.
        assert "".join(served) == "abcDefghIjklm"


@pytest.mark.parametrize("ahead", [0, 20])
async def test_no_limit_of_time_runs_out_while_others_are_served(ahead: int) -> None:
    """Who waits for its turn here does not wait for the other side, and must not be taken for a silent one."""
    mine, served = Pacer(), []

    async def patient() -> None:
        await mine.step()
        served.append("patient")
        fill(mine)

    async def limited() -> None:
        with anyio.move_on_after(0) as scope:
            await mine.step()
            served.append("limited")
        assert not scope.cancelled_caught

    async with anyio.create_task_group() as group:
        for task in (*[patient] * ahead, limited, patient):
            group.start_soon(task)
    assert sorted(served) == ["limited", *["patient"] * (ahead + 1)]


@pytest.mark.parametrize("ahead", [0, 20])
async def test_who_is_cancelled_by_asyncio_itself_holds_nobody_up(ahead: int, anyio_backend_name: str) -> None:
    """Whether it was called just then, or waited behind others; and the pacer goes on as before."""
    if anyio_backend_name != "asyncio":
        pytest.skip("nothing else takes no notice of a shield")
    mine, served = Pacer(), []

    async def patient() -> None:
        await mine.step()
        served.append("patient")
        fill(mine)

    async with asyncio.TaskGroup() as group:
        for _ in range(ahead):
            group.create_task(patient())
        impatient = group.create_task(mine.step())
        group.create_task(patient())
        await turns(1)
        impatient.cancel()
    assert impatient.cancelled()
    assert served == ["patient"] * (ahead + 1)
    await mine.step()
