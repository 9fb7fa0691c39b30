"""The pacer on real event loops."""

import time

import anyio
import anyio.lowlevel
import pytest

from aiml_music._io.pacer import Pacer, pacer
from aiml_music._sansio.turns import MOST_AT_ONCE

pytestmark = pytest.mark.anyio


async def filled() -> tuple[Pacer, list[object]]:
    """Return a pacer all of whose places are held by bodies at work."""
    mine, bodies = Pacer(), [object() for _ in range(MOST_AT_ONCE)]
    for body in bodies:
        await mine.enter(body)
    return mine, bodies


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


async def test_an_event_loop_has_one_pacer() -> None:
    """All connections of a loop share it."""
    assert pacer() is pacer()


async def test_work_without_a_pause_gives_way_to_others() -> None:
    """However much there is to read, others get their turns after every slice."""
    mine, turned, over = Pacer(), 0, False

    async def other() -> None:
        nonlocal turned
        while not over:
            turned += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        await turns(1)
        before, until = turned, time.perf_counter() + 0.02
        while time.perf_counter() < until:
            await mine.enter("body")
        over = True
    assert turned - before > 2


async def test_a_body_too_many_waits_until_one_leaves() -> None:
    """So many are served at once, and the next begins when one is done."""
    mine, bodies = await filled()
    served: list[str] = []

    async def body(name: str) -> None:
        await mine.enter(name)
        served.append(name)

    async with anyio.create_task_group() as group:
        for name in ("one", "two"):
            group.start_soon(body, name)
            await turns(1)
        await turns()
        assert served == []
        for gone in bodies[:2]:
            mine.leave(gone)
        await turns()
    assert set(served) == {"one", "two"}


async def test_a_body_that_stalls_gives_its_place_back() -> None:
    """Whose reader does not come back is not waited for, whoever else waits."""
    mine, bodies = await filled()
    for body in bodies[:2]:
        mine.pause(body)
    async with anyio.create_task_group() as group:
        for name in ("one", "two"):
            group.start_soon(mine.enter, name)
    assert [mine.holds(body) for body in (*bodies[:3], "one", "two")] == [False, False, True, True, True]


async def test_who_is_cancelled_while_waiting_leaves_the_queue() -> None:
    """The next in the queue looks after the places from then on."""
    mine, bodies = await filled()
    scope = anyio.CancelScope()

    async def impatient() -> None:
        with scope:
            await mine.enter("impatient")

    async with anyio.create_task_group() as group:
        group.start_soon(impatient)
        await turns(2)
        group.start_soon(mine.enter, "patient")
        await turns(2)
        scope.cancel()
        await turns()
        mine.pause(bodies[0])
    assert mine.holds("patient")
    assert not mine.holds("impatient")


async def test_a_short_step_keeps_no_place() -> None:
    """To connect, or to build a request, is one step."""
    mine, bodies = await filled()
    mine.leave(bodies[0])
    for _ in range(3):
        await mine.step()
    await mine.enter("body")
    assert mine.holds("body")
