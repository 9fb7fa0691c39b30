"""Cancel a coroutine at its k-th await, in every way there is, and tell how it ended.

Nothing here knows the client. `Knife` counts awaits and cuts at the wanted ones; a `Way` is how a cancellation is asked
for; `Stepped` makes the awaits of a coroutine visible, and `every_task` those of all tasks at once.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Collection, Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import trio
from attrs import define, field

Work = Callable[[], Coroutine[Any, Any, object]]


def _nothing(_waiting_for: object) -> None:
    """Stand in for a cut until a way has said how to cut."""


@define(eq=False)
class Knife:
    """Counts the awaits of some work, asks for a cancellation at some of them, and remembers how the work ended.

    Attributes:
        at: the numbers of the awaits to cut at, from 1.
        cut: how a cancellation is asked for; it is told what the await waits for.
        count: the awaits so far.
        asked: how often a cancellation was asked for.
        raised: what the work raised, as its own caller saw it.
        complaints: what is wrong with how it ended.
    """

    at: Collection[int]
    cut: Callable[[Any], object] = _nothing
    count: int = 0
    asked: int = 0
    over: bool = False
    result: object = None
    raised: BaseException | None = None
    complaints: list[str] = field(factory=list)

    def step(self, waiting_for: object) -> None:
        """Count an await, and cut if it is one of those."""
        if self.over:
            return
        self.count += 1
        if self.count in self.at:
            self.asked += 1
            self.cut(waiting_for)

    async def watch(self, work: Work) -> None:
        """Do some work, and remember how it ended."""
        try:
            self.result = await work()
        except BaseException as error:
            self.raised = error
            self.expect(self.was_cancelled, f"it ended as {error!r}")
            raise
        finally:
            self.over = True

    def expect(self, fact: object, complaint: str) -> None:
        """Complain unless something is so."""
        if not fact:
            self.complaints.append(complaint)

    @property
    def was_cancelled(self) -> bool:
        """Whether the work ended in a cancellation."""
        return isinstance(self.raised, anyio.get_cancelled_exc_class())

    @property
    def notes(self) -> list[str]:
        """What the ending had to say."""
        return list(getattr(self.raised, "__notes__", ()))


class Stepped(Coroutine[Any, Any, Any]):
    """A coroutine that tells what it waits for, each time it waits; for an event loop it is the coroutine itself."""

    def __init__(self, inner: Any, step: Callable[[object], None]) -> None:
        self._inner = inner
        self._step = step

    def send(self, value: Any) -> Any:
        """Go on with a value to the next await."""
        waiting_for = self._inner.send(value)
        self._step(waiting_for)
        return waiting_for

    def throw(self, *error: Any) -> Any:
        """Go on with an exception to the next await."""
        waiting_for = self._inner.throw(*error)
        self._step(waiting_for)
        return waiting_for

    def close(self) -> None:
        """End it."""
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        steps: Generator[Any, Any, Any] = self.__iter__()
        return steps

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def __getattr__(self, name: str) -> Any:
        # `inspect.getcoroutinestate`, which anyio asks, looks at the attributes of coroutines.
        return getattr(self._inner, name)


@contextmanager
def every_task(knife: Knife) -> Iterator[None]:
    """Count the awaits of every task that begins, and on trio the steps of every task there is."""
    if trio.lowlevel.in_trio_task():
        steps = _Steps(knife)
        trio.lowlevel.add_instrument(steps)
        try:
            yield
        finally:
            trio.lowlevel.remove_instrument(steps)
        return

    def stepped(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> Any:
        assert inspect.iscoroutine(work)
        return asyncio.Task(Stepped(work, knife.step), loop=loop, **options)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(stepped)
    try:
        yield
    finally:
        loop.set_task_factory(None)


class _Steps(trio.abc.Instrument):
    """Tells a knife about every step of every task but trio's own."""

    def __init__(self, knife: Knife) -> None:
        self._knife = knife

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count a step that has just been made."""
        if not task.name.startswith(("<init>", "trio._core")):
            self._knife.step(None)


Way = Callable[[Work, Knife], Awaitable[None]]


async def by_task(work: Work, knife: Knife) -> None:
    """`Task.cancel`, while the task waits."""
    task = asyncio.create_task(knife.watch(work))
    knife.cut = lambda _: task.cancel()
    await _ended(task, knife)


async def by_task_as_it_wakes(work: Work, knife: Knife) -> None:
    """`Task.cancel`, when what the task waited for is there and the task does not know it yet."""
    task = asyncio.create_task(knife.watch(work))

    def cut(waiting_for: object) -> None:
        if isinstance(waiting_for, asyncio.Future):
            # Called before the task's own callback, which was not added yet.
            waiting_for.add_done_callback(lambda _: task.cancel())
        else:
            task.get_loop().call_soon(task.cancel)

    knife.cut = cut
    await _ended(task, knife)


async def _ended(task: asyncio.Task[None], knife: Knife) -> None:
    await asyncio.wait([task])
    knife.expect(task.cancelling() == knife.asked, "a cancellation was taken back")
    # A task that was asked to end must not go on as if nothing had been.
    knife.expect(task.cancelled() == bool(knife.asked), "a cancellation was swallowed")


async def by_timeout(work: Work, knife: Knife) -> None:
    """`asyncio.timeout`, whose time is up."""
    loop = asyncio.get_running_loop()
    timed_out = False
    try:
        async with asyncio.timeout(None) as limit:
            knife.cut = lambda _: limit.reschedule(loop.time())
            await knife.watch(work)
    except TimeoutError:
        timed_out = True
    knife.expect(timed_out == limit.expired(), "a timeout was swallowed")
    _expect_no_cancellation(knife)


async def by_sibling(work: Work, knife: Knife) -> None:
    """A member of the same `asyncio.TaskGroup` fails."""
    over, failed = asyncio.Event(), False

    async def sibling() -> None:
        await over.wait()
        if knife.asked:
            raise _SiblingError

    async def member() -> None:
        try:
            await knife.watch(work)
        finally:
            over.set()

    knife.cut = lambda _: over.set()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(sibling())
            task = group.create_task(member())
    except* _SiblingError:
        failed = True
    knife.expect(failed == bool(knife.asked), "the sibling's failure was lost")
    knife.expect(task.cancelled() == bool(task.cancelling()), "a cancellation was swallowed")


async def by_nursery(work: Work, knife: Knife) -> None:
    """A member of the same trio nursery fails."""
    over, failed = trio.Event(), False

    async def sibling() -> None:
        await over.wait()
        if knife.asked:
            raise _SiblingError

    async def member() -> None:
        try:
            await knife.watch(work)
        finally:
            over.set()

    knife.cut = lambda _: over.set()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sibling)
            nursery.start_soon(member)
    except* _SiblingError:
        failed = True
    knife.expect(failed == bool(knife.asked), "the sibling's failure was lost")


class _SiblingError(Exception):
    pass


async def by_scope(work: Work, knife: Knife) -> None:
    """The cancel scope of anyio; on trio, trio's own."""
    with anyio.CancelScope() as scope:
        knife.cut = lambda _: scope.cancel()
        await knife.watch(work)
    _expect_caught(knife, scope)


def _expect_caught(knife: Knife, scope: anyio.CancelScope) -> None:
    knife.expect(scope.cancelled_caught == (knife.raised is not None), "the scope and the call disagree")
    _expect_no_cancellation(knife)


def _expect_no_cancellation(knife: Knife) -> None:
    if trio.lowlevel.in_trio_task():
        return
    task = asyncio.current_task()
    assert task is not None
    # What asked for the cancellation has taken it back.
    knife.expect(task.cancelling() == 0, "a cancellation was left over")


@define(frozen=True, kw_only=True)
class Manner:
    """A way of cancelling, and where.

    Attributes:
        apart: how many awaits after the first cut the second one comes; None is no second one.
        everywhere: count the awaits of all tasks, not those of the call's own.
    """

    way: Way
    apart: int | None = None
    everywhere: bool = False

    def at(self, k: int) -> Collection[int]:
        """Return the awaits to cut at when the first is the k-th."""
        return (k,) if self.apart is None else (k, k + self.apart)


MANNERS: dict[str, dict[str, Manner]] = {
    "asyncio": {
        "task": Manner(way=by_task),
        "task, as it wakes": Manner(way=by_task_as_it_wakes),
        "task, twice": Manner(way=by_task, apart=1),
        "task, twice, later": Manner(way=by_task, apart=3),
        "timeout": Manner(way=by_timeout),
        "sibling": Manner(way=by_sibling),
        "scope": Manner(way=by_scope),
        "task, any step": Manner(way=by_task, everywhere=True),
        "task, any step, twice": Manner(way=by_task, apart=2, everywhere=True),
        "scope, any step": Manner(way=by_scope, everywhere=True),
    },
    "trio": {
        "scope": Manner(way=by_scope),
        "sibling": Manner(way=by_nursery),
        "scope, any step": Manner(way=by_scope, everywhere=True),
        "sibling, any step": Manner(way=by_nursery, everywhere=True),
    },
}


async def cut(manner: Manner, k: int, work: Work) -> Knife:
    """Do some work, cancelled at its k-th await, and return the knife, which tells how it ended."""
    knife = Knife(manner.at(k))
    if not manner.everywhere:
        await manner.way(lambda: Stepped(work(), knife.step), knife)
        return knife
    with every_task(knife):
        if trio.lowlevel.in_trio_task():
            await manner.way(work, knife)
        else:
            # In a task of its own, which is counted like every other.
            await asyncio.create_task(_kept(manner.way(work, knife)))
    return knife


async def _kept(work: Awaitable[None]) -> None:
    await work


@define(eq=False)
class Figures:
    """How many awaits were cut at, of how many there are, for every backend and manner."""

    points: dict[tuple[str, str], tuple[int, int]] = field(factory=dict)

    def add(self, backend: str, manner: str, cuts: int, awaits: int) -> None:
        """Add a sweep that went well."""
        before = self.points.get((backend, manner), (0, 0))
        self.points[backend, manner] = (before[0] + cuts, before[1] + awaits)

    def lines(self) -> list[str]:
        """Return a line for each backend and manner, and one for each backend."""
        lines = []
        for backend in MANNERS:
            mine = {manner: found for (there, manner), found in self.points.items() if there == backend}
            if mine:
                cuts, awaits = (sum(found) for found in zip(*mine.values(), strict=True))
                lines.append(f"await points {cuts}/{awaits} on {backend}")
                lines += [f"    {cuts}/{awaits} {manner}" for manner, (cuts, awaits) in mine.items()]
        return lines
