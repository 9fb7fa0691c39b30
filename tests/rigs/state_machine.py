"""A machine that does to one batch whatever can happen to it, in any order, and looks at it after each step.

A killed process is a process: it is ended by SIGKILL just before the n-th thing that it does to a file, the ledger or
a socket, and gets no chance to clean up.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from attrs import define, field
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from aiml_music import (
    AsyncMusicClient,
    Batch,
    BudgetExceededError,
    Event,
    InputError,
    Job,
    JobOutcome,
    JobState,
    LedgerBusyError,
    MusicError,
    SpendBrakeError,
)
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.ledger_file import LEDGER_NAME
from aiml_music.sandbox import CREDITS_PER_TRACK
from aiml_music.testing import FakeClock
from tests.batch.batches import START, job
from tests.canary import KEY
from tests.loopback import free_port
from tests.rigs.bench import exactly
from tests.rigs.child import FAILED
from tests.rigs.children import Children, Ending
from tests.rigs.state_child import StateErrand
from tests.rigs.state_model import Model, Name, Step, hold, ledger_balance
from tests.rigs.state_service import FATES, Fault, Place, Seen, Service
from tests.rigs.state_strike import ACTS, CUT_SHORT, Strike

Wanted = list[tuple[str, int]]
"""A list: labels, each with a variant of its lyrics; another variant is another job."""
Faults = list[list[Fault]]

_ROWS = st.tuples(st.sampled_from("abcdef"), st.integers(0, 2))
LISTS = st.lists(_ROWS, min_size=1, max_size=5)
WHOLE_LISTS = st.lists(_ROWS, min_size=1, max_size=5, unique=True)
FAULTS = st.lists(st.lists(st.sampled_from(Fault), max_size=3), max_size=5)
WIDTHS = st.integers(1, 3)
# Room in the budget for so many calls more than are paid for, or may be.
ROOM = st.none() | st.integers(0, 4)
_NOBODY, _RIVAL, _RIVAL_PROCESS = "without a service", "rival openings", "rival processes"
HAPPENINGS = st.sampled_from(["calm"] * 5 + [_NOBODY, _RIVAL, _RIVAL_PROCESS])
MOMENTS = st.sampled_from(
    [("event", n) for n in range(1, 13)] + [(kind, n) for kind in ("arrival", "half") for n in (1, 1, 1, 2, 2, 3)]
)
_HALF_AN_HOUR = 1800.0


@define
class Score:
    """What the machine did, in all."""

    steps: int = 0
    calls: int = 0
    charges: int = 0
    counted: Counter[str] = field(factory=Counter)

    def __str__(self) -> str:
        did = ", ".join(f"{count} {what}" for what, count in sorted(self.counted.items()))
        return f"model steps {self.steps}, violations 0; {self.calls} calls, {self.charges} charges; {did}"


@define
class World:
    """What all examples share: the service's address, the program that is killed, and the score."""

    place: Place
    program: Children
    root: Path
    score: Score = field(factory=Score)


class BatchMachine(RuleBasedStateMachine):
    """One directory, and what happens to it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.directory = Path(tempfile.mkdtemp(dir=world.root))
        self.clock = FakeClock(unix=START)
        self.model = Model(self.directory)
        self.backend = "asyncio"
        self.delay = 0.0

    @initialize(backend=st.sampled_from(["asyncio", "trio"]), delay=st.sampled_from([0.0, 45.0, 700.0]))
    def begin(self, backend: str, delay: float) -> None:
        """Choose an event loop, and how long a charge takes to be listed."""
        self.backend, self.delay = backend, delay
        self.world.place.service = Service(self.clock.time, delay)

    def teardown(self) -> None:
        """Throw the directory away."""
        shutil.rmtree(self.directory)

    @rule(wanted=LISTS, faults=FAULTS, width=WIDTHS, room=ROOM, numbered=st.booleans(), happening=HAPPENINGS)
    def run(
        self, wanted: Wanted, faults: Faults, width: int, room: int | None, *, numbered: bool, happening: str
    ) -> None:
        """Run a list: edited, in another order, or with a job twice; somebody else may open the batch meanwhile."""
        self._clear("runs")
        if len(set(wanted)) < len(wanted) and not numbered:
            with pytest.raises(InputError, match="the same as job"):
                self._opened(partial(_run_all, wanted=_jobs(wanted)))
            hold(not self._look(Step()), "something was sent of a list that is refused")
            return
        names = _names(wanted)
        self.model.plan(names)
        self._order(names, faults)
        self.world.score.counted[happening] += 1
        url = f"http://127.0.0.1:{free_port()}" if happening == _NOBODY else None
        rival = {_RIVAL: self._second_opening, _RIVAL_PROCESS: self._second_process}.get(happening)
        options = {"max_concurrency": width, "number_copies": numbered}
        self._run_calmly(names, _jobs(wanted), room, url=url, meanwhile=rival, **options)

    @rule(faults=FAULTS, width=WIDTHS, room=ROOM)
    def run_everything(self, faults: Faults, width: int, room: int | None) -> None:
        """Run all jobs that were ever in a list."""
        self._clear("runs of everything")
        self._order(sorted(self.model.jobs), faults)
        self._run_calmly(None, None, room, max_concurrency=width)

    @rule(
        wanted=WHOLE_LISTS,
        faults=FAULTS,
        width=WIDTHS,
        room=ROOM,
        moment=MOMENTS,
        act=st.sampled_from(ACTS),
        silent=st.booleans(),
    )
    def run_disturbed(
        self,
        wanted: Wanted,
        faults: Faults,
        width: int,
        room: int | None,
        moment: tuple[str, int],
        act: str,
        *,
        silent: bool,
    ) -> None:
        """Run a list until something happens at a moment: it is stopped or cancelled, or the disk is full."""
        self._clear("disturbed runs")
        self.model.plan(_names(wanted))
        self._order(_names(wanted), faults)
        budget = self._budget(room)
        strike = Strike(self.world.place.service, moment, act, is_silent=silent and act in CUT_SHORT)
        with strike.until_over():
            try:
                work = partial(_struck, wanted=_jobs(wanted), strike=strike)
                self._opened(work, on_event=strike.on_event, budget=budget, max_concurrency=width)
            except MusicError as error:
                strike.take(error)
        new = self._look(strike.step, budget)
        self.world.score.counted[act] += strike.has_struck
        if strike.step.disturbed:
            self.model.excuse(new if act in CUT_SHORT else [], strike.salvaged)
            if act in CUT_SHORT:
                self._check_that_nothing_is_under_way()

    @rule(wanted=WHOLE_LISTS, faults=FAULTS, width=WIDTHS, room=ROOM, crash=st.integers(1, 450), settle=st.booleans())
    def kill(self, wanted: Wanted, faults: Faults, width: int, room: int | None, crash: int, *, settle: bool) -> None:
        """Kill a process that opens the batch, may settle its doubts, and runs a list; nobody resumes it yet."""
        self.world.score.steps += 1
        is_clear = self.model.dirty is None
        settle = settle and is_clear
        if settle:
            self._may_be_settled()
        budget = self._budget(room) if is_clear else None
        self.model.plan(_names(wanted))
        self._order(_names(wanted), faults)
        rows = [(each.label, each.lyrics) for each in _jobs(wanted)]
        ending = self._process(jobs=rows, budget=budget, width=width, settle=settle, crash=crash)
        hold(ending.was_killed or ending.is_plain, f"a process ended so: {ending}")
        self.world.score.counted["kills"] += ending.was_killed
        self.model.excuse(self._look(Step(disturbed=True, deadly=1), budget), set())

    @rule()
    def reopen(self) -> None:
        """Open the batch and leave it, which settles what was left under way."""
        self.world.score.steps += 1
        self._reopen()

    @rule(
        fault=st.sampled_from([None, None, "down", "missing", "empty"]),
        absent_is_unpaid=st.booleans(),
        wait=st.sampled_from([None, None, 60.0, 3600.0]),
        after=st.sampled_from([0.0, 50.0, 1900.0]),
    )
    def settle(self, fault: str | None, wait: float | None, after: float, *, absent_is_unpaid: bool) -> None:
        """Ask the books, after a while, about every doubt: what they say counts, and what they do not is nothing."""
        self._clear("settlings")
        self.clock.pass_by(after)
        doubts = [each for each in self.model.jobs.values() if each.state is JobState.IN_DOUBT]
        last = self.clock.time() + (wait or 0.0)

        async def settled(batch: Batch) -> None:
            # Those of calls that were paid over again among them.
            listed = (await batch.report()).in_doubt
            told = await batch.settle(wait=wait, absent_is_unpaid=absent_is_unpaid)
            hold(len(listed) >= len(doubts), f"{len(listed)} of {len(doubts)} doubts are listed")
            hold(len(told) == len(listed), f"{len(told)} of {len(listed)} doubts were asked after")

        self.world.place.service.log_fault = fault
        self._opened(settled)
        self.world.place.service.log_fault = None
        for each in doubts:
            each.states = self._settled_by(each.calls[-1], fault, last, absent_is_unpaid=absent_is_unpaid)
            if JobState.PLANNED in each.states and self.model.was_charged(each.calls[-1]):
                # By the user's word alone.
                each.leave += 1
                self.model.disown(each.calls[-1])
        for call in self.model.earlier_doubts():
            states = self._settled_by(call, fault, last, absent_is_unpaid=absent_is_unpaid)
            self.model.seek(call, states)
            if JobState.PLANNED in states and self.model.was_charged(call):
                self.model.disown(call)
        self._look(Step())

    @rule(pick=st.integers(0, 20))
    def pay_again(self, pick: int) -> None:
        """Say that a job is to be sent again: it is, where that needs a word, and only then."""
        self._clear("words to send again")
        if not self.model.jobs:
            return
        chosen = self.model.jobs[sorted(self.model.jobs)[pick % len(self.model.jobs)]]

        async def said(batch: Batch) -> None:
            await batch.pay_again(chosen.file, reason="It is wanted all the same.")

        if chosen.state in {JobState.PLANNED, JobState.DONE}:
            with pytest.raises(InputError, match="cannot be sent again"):
                self._opened(said)
        else:
            self._opened(said)
            chosen.send_again()
        self._look(Step())

    def _clear(self, what: str) -> None:
        """Count a step, before which nothing is under way."""
        self.world.score.steps += 1
        self.world.score.counted[what] += 1
        if self.model.dirty is not None:
            self._reopen()

    def _reopen(self) -> None:
        self._opened(_nothing)
        hold(not self._look(Step()), "something was sent by a batch that was only opened")

    def _run_calmly(
        self,
        names: Sequence[Name] | None,
        wanted: list[Job] | None,
        room: int | None,
        *,
        url: str | None = None,
        meanwhile: Callable[[], Coroutine[Any, Any, None]] | None = None,
        **options: Any,
    ) -> None:
        """Run a list to its end, and hold what is told of it against where the jobs stand."""
        before = {name: len(each.calls) for name, each in self.model.jobs.items()}
        budget = self._budget(room)
        outcomes: list[JobOutcome] = []
        halted: MusicError | None = None
        try:
            work = partial(_run_all, wanted=wanted, outcomes=outcomes, meanwhile=meanwhile)
            self._opened(work, url=url, budget=budget, **options)
        except (BudgetExceededError, SpendBrakeError) as error:
            halted = error
        self._look(Step(), budget)
        made = {name: len(each.calls) - before.get(name, 0) for name, each in self.model.jobs.items()}
        self._check_outcomes(outcomes, names)
        if halted is None:
            todo = list(self.model.jobs) if names is None else names
            hold(len(outcomes) == len(todo), "a job has no outcome")
            for name in todo:
                hold(made[name] or self.model.jobs[name].state is not JobState.PLANNED, f"{name} was left out")
        elif isinstance(halted, BudgetExceededError):
            hold(room is not None and sum(made.values()) >= room, f"the budget had room for more than {made}")
        else:
            hold(sum(made.values()) >= 3, f"stopped by itself after {made}")

    def _check_outcomes(self, outcomes: Iterable[JobOutcome], names: Sequence[Name] | None) -> None:
        states = {each.file: each.state for each in self.model.jobs.values()}
        for outcome in outcomes:
            if names is not None:
                hold(outcome.label == names[outcome.index][0], f"{outcome} is told of another job")
            state = states[outcome.path.name]
            hold(outcome.state is state, f"{outcome.label} is said to be {outcome.state}, and is {state}")

    def _check_that_nothing_is_under_way(self) -> None:
        """Hold what a run left that was cancelled: each call has its verdict, or a track that waits for its name."""
        with Ledger.observe(self.directory) as ledger:
            for record in ledger.jobs([JobState.INTENT, JobState.WIRE, JobState.RECEIVED]):
                ready = list(self.directory.glob(f".*.{record.attempt}.ready"))
                hold(ready and record.state is not JobState.INTENT, f"{record.label} was left {record.state}")

    async def _second_opening(self) -> None:
        async with AsyncMusicClient(api_key=KEY, base_url=self.world.place.url, clock=self.clock) as client:
            with pytest.raises(LedgerBusyError):
                await client.batch(self.directory).__aenter__()

    async def _second_process(self) -> None:
        ending = await anyio.to_thread.run_sync(lambda: self._process(jobs=[("z", "##a rival##")]))
        hold(ending.status == FAILED and "LedgerBusyError" in ending.words, f"a second process was let in: {ending}")

    def _look(self, step: Step, budget: str | None = None) -> list[Seen]:
        """Look at the batch after a step: at once, or, where it was disturbed, at what holds all the same.

        Returns:
            The calls that reached the service since the last look.
        """
        self.world.place.settle()
        new = self.world.place.service.seen[len(self.model.seen) :]
        self.model.note(new)
        self.world.score.calls += len(new)
        self.world.score.charges += sum(request.charged for request in new)
        if step.disturbed:
            self.model.disturb(step)
            self.model.check_always()
            committed = self.model.charged()
        else:
            committed = self.model.reconcile(step).committed
        if budget is not None and new:
            hold(committed <= CREDITS_PER_TRACK * round(float(budget) / float(exactly(1))), f"{committed} of {budget}")
        return new

    def _order(self, names: Sequence[Name], faults: Faults) -> None:
        ordered = zip(names, faults, strict=False)
        self.world.place.service.order({lyrics: wanted for (_, lyrics, _), wanted in ordered})

    def _budget(self, room: int | None) -> str | None:
        """Return a budget with room for so many calls more than are paid for, or may be."""
        if room is None:
            return None
        committed = ledger_balance(self.directory).committed if (self.directory / LEDGER_NAME).exists() else 0
        return exactly(committed // CREDITS_PER_TRACK + room)

    def _may_be_settled(self) -> None:
        """Take up that each doubt is settled by the books, or is not."""
        for each in self.model.jobs.values():
            if each.state is JobState.IN_DOUBT:
                found = self._settled_by(each.calls[-1], None, self.clock.time(), absent_is_unpaid=False)
                each.states = found | {JobState.IN_DOUBT}
        for call in self.model.earlier_doubts():
            found = self._settled_by(call, None, self.clock.time(), absent_is_unpaid=False)
            self.model.seek(call, found | {JobState.IN_DOUBT})

    def _settled_by(self, call: str, fault: str | None, now: float, *, absent_is_unpaid: bool) -> frozenset[JobState]:
        """Return where the books leave a call in doubt at a moment."""
        truth = self.model.seen.get(call)
        is_listed = truth is not None and FATES[truth.fault].in_books and truth.at + self.delay <= now
        if fault in {"down", "missing"}:
            return frozenset({JobState.IN_DOUBT})
        if is_listed and fault is None:
            return frozenset({JobState.PAID_LOST if self.model.was_charged(call) else JobState.PLANNED})
        is_late = now - self.model.sent_at[call] > _HALF_AN_HOUR
        return frozenset({JobState.PLANNED if absent_is_unpaid and is_late else JobState.IN_DOUBT})

    def _opened(
        self,
        work: Callable[[Batch], Awaitable[None]],
        *,
        url: str | None = None,
        on_event: Callable[[Event], object] | None = None,
        **options: Any,
    ) -> None:
        """Open the batch, do some work, and leave it."""

        async def main() -> None:
            url_ = url or self.world.place.url
            async with (
                AsyncMusicClient(api_key=KEY, base_url=url_, clock=self.clock, on_event=on_event) as client,
                client.batch(self.directory, **options) as batch,
            ):
                await work(batch)

        anyio.run(main, backend=self.backend)

    def _process(self, **changes: Any) -> Ending:
        place: dict[str, Any] = {"directory": str(self.directory), "base_url": self.world.place.url}
        place["unix"] = self.clock.time()
        return self.world.program.run(StateErrand(**place, backend=self.backend, **changes))


async def _nothing(batch: Batch) -> None:
    """Do nothing."""


async def _run_all(
    batch: Batch,
    *,
    wanted: list[Job] | None,
    outcomes: list[JobOutcome] | None = None,
    meanwhile: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> None:
    async with anyio.create_task_group() as group:
        if meanwhile is not None:
            group.start_soon(meanwhile)
    async for outcome in batch.run(wanted):
        if outcomes is not None:
            outcomes.append(outcome)


async def _struck(batch: Batch, *, wanted: list[Job], strike: Strike) -> None:
    with anyio.CancelScope() as scope:
        strike.arm(batch, scope)
        async for outcome in batch.run(wanted):
            strike.take(outcome.error)


def _lyrics(label: str, variant: int) -> str:
    return f"##{label}, {variant}##"


def _jobs(wanted: Wanted) -> list[Job]:
    return [job(label, lyrics=_lyrics(label, variant)) for label, variant in wanted]


def _names(wanted: Wanted) -> list[Name]:
    """Return what jobs are to a person; where one is there twice, its copies are numbered."""
    seen: Counter[tuple[str, int]] = Counter()
    names = []
    for row in wanted:
        seen[row] += 1
        names.append((row[0], _lyrics(*row), seen[row]))
    return names
