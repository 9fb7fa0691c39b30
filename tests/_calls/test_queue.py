"""The queue of a client's own calls: so many at once, and the rest in order."""

import anyio
import pytest

from aiml_music._calls.queue import Queue
from aiml_music._sansio.concurrency import ConcurrencyLimit
from aiml_music.testing import FakeClock

pytestmark = pytest.mark.anyio


async def test_a_place_that_is_cancelled_in_the_queue_goes_to_the_next() -> None:
    """Whoever gives up waiting takes no place along, not even one that was just given."""
    queue = Queue(ConcurrencyLimit.of(1), FakeClock())
    await queue.join("first")
    served: list[str] = []

    async def wait(name: str, scope: anyio.CancelScope) -> None:
        with scope:
            await queue.join(name)
            served.append(name)

    scopes = [anyio.CancelScope() for _ in range(3)]
    async with anyio.create_task_group() as group:
        for number, scope in enumerate(scopes):
            group.start_soon(wait, f"waiting {number}", scope)
            await anyio.wait_all_tasks_blocked()
        scopes[0].cancel()
        queue.leave("first")
        # Given its place in the very turn in which it is cancelled.
        scopes[1].cancel()
        await anyio.wait_all_tasks_blocked()
        if "waiting 1" in served:
            queue.leave("waiting 1")
    assert served[-1] == "waiting 2"
    assert queue.under_way == 1
    queue.leave("waiting 2")
    assert queue.under_way == 0


async def test_places_follow_the_limit() -> None:
    """Successes make places and throttlings take them; who has one keeps it."""
    clock = FakeClock()
    queue = Queue(ConcurrencyLimit.of(None), clock)
    assert queue.places == 4
    for call in range(4):
        await queue.join(call)
    assert [queue.succeeded() for _ in range(5)] == [False, False, False, False, True]
    assert queue.places == 5
    clock.pass_by(1)
    assert queue.throttled(began=clock.monotonic())
    assert (queue.places, queue.under_way) == (3, 4)
    assert not queue.throttled(began=clock.monotonic() - 1)
    for call in range(4):
        queue.leave(call)
    assert queue.under_way == 0
