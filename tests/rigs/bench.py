"""A bench for many batches: one sandbox that outlives them all, and each directory held to the promise at the end.

Only when the sandbox has ended is nothing under way any more, and what it knows the whole truth.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from aiml_music._sansio.batch.budget import usd_of
from aiml_music.batch.ledger_file import LEDGER_NAME
from aiml_music.sandbox import CREDITS_PER_TRACK, RunningSandbox, Sandbox, Settings, make_reference, running
from tests.rigs.child import ENDED, Errand
from tests.rigs.children import Children, Ending
from tests.rigs.contract import Finding, Truth, finding, strangers

SHORT = Settings(latency=0.0, longest_track=0.5)
JOBS = 3
CALM = "calm"


def exactly(tracks: int) -> str:
    """Return a budget for so many tracks, and not a credit more: what is counted twice, or forgotten, has no room."""
    return str(usd_of(tracks * CREDITS_PER_TRACK))


@define(eq=False)
class Bench:
    """Runs batches, each in a directory of its own, and gathers what is wrong with them.

    Attributes:
        errand: what all runs do, unless they are told otherwise.
        served: the service.
        wrong: what a run did or left that it should not, under the name of its directory.
        findings: what became of each batch, once `judge` has looked.
        truth: what the service knows, once `judge` has looked.
        points: of how many things that happened, each to a batch of its own.
    """

    children: Children
    errand: Errand
    served: RunningSandbox
    _root: Path
    _budgets: dict[str, str] = field(factory=dict)
    wrong: list[tuple[str, str]] = field(factory=list)
    findings: list[Finding] = field(factory=list)
    truth: Truth = Truth(charged={})
    points: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all directories so far."""
        return tuple(self._budgets)

    def place_of(self, name: str) -> Path:
        """Return the directory of a batch."""
        return self._root / name

    def strike(self, name: str, *, begun: Callable[[int], None] | None = None, **changes: Any) -> Ending:
        """Run a batch in which something happens, and return how that ended.

        Args:
            name: of its directory.
            begun: sees to what happens, given the process; see `Children.run`.
            changes: of the errand.
        """
        ending = self.children.run(self._errand(name, held=begun is not None, **changes), begun=begun)
        if not (ending.was_killed or ending.is_plain):
            self.wrong.append((name, str(ending)))
        return ending

    def finish(self, name: str, **changes: Any) -> None:
        """Run a batch to its end, in which nothing happens any more."""
        ending = self.children.run(self._errand(name, **changes))
        if ending != Ending(status=ENDED, words=""):
            self.wrong.append((name, str(ending)))

    def suffer(self, name: str, **changes: Any) -> Ending:
        """Run a batch in which something happens, and again, in which nothing does; return how the first run ended."""
        ending = self.strike(name, **changes)
        self.finish(name)
        return ending

    def _errand(self, name: str, **changes: Any) -> Errand:
        errand = evolve(self.errand, directory=str(self.place_of(name)), **changes)
        self._budgets[name] = errand.budget
        return errand

    def judge(self, truth: Truth, *, is_settled: bool) -> None:
        """Hold every batch against the promise; nothing may be under way."""
        self.truth = truth
        calm = self.place_of(CALM).glob("*.mp3")
        tracks = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in calm}
        for name, budget in self._budgets.items():
            directory = self.place_of(name)
            if (directory / LEDGER_NAME).exists():
                found = finding(directory, truth, tracks, budget, is_settled=is_settled)
                self.findings.append(found)
                self.wrong += [(name, violation) for violation in found.violations]
            else:
                self.wrong.append((name, "there is no ledger"))
        self.wrong += [("", stranger) for stranger in strangers(truth, self.findings)]

    def figure(self, rig: str) -> str:
        """Return in one line at how many points the promise was kept, and what became of all jobs."""
        kept = self.points - len({name for name, _ in self.wrong})
        return f"{rig} {kept}/{self.points}: {self.summary()}"

    def summary(self) -> str:
        """Return in one line what became of all jobs."""
        jobs = sum((Counter(found.jobs) for found in self.findings), Counter())
        lost, double, wrong, waiting, doubts, paid_lost = (
            sum(counted)
            for counted in zip(
                *(
                    (f.lost, f.double, f.wrong_doubts, f.waiting, len(f.doubts), len(f.paid_lost))
                    for f in self.findings
                ),
                strict=True,
            )
        )
        listed = f"{doubts + paid_lost} calls listed" + (f", {waiting} tracks wait for a name" if waiting else "")
        return f"{sum(jobs.values())} jobs, {lost} lost, {double} double-paid, {wrong} wrongly in doubt; {listed}"


@cache
def _song() -> bytes:
    return make_reference(11.0, encoder=None)


@contextmanager
def bench(
    program: Children, root: Path, *, sandbox: Sandbox | None = None, is_settled: bool = False, **changes: Any
) -> Iterator[Bench]:
    """Set up a bench; on leaving, hold what was done at it against the promise.

    Args:
        program: starts processes.
        root: an empty directory.
        sandbox: the service; a short one without faults, if it is not given.
        is_settled: every doubt is asked after before leaving.
        changes: of all its errands.
    """
    reference = root / "reference.wav"
    reference.write_bytes(_song())
    sandbox = sandbox or Sandbox(SHORT, encoder=None)
    with running(sandbox=sandbox) as served:
        given = {"jobs": JOBS, "budget": exactly(JOBS), **changes}
        errand = Errand(directory=str(root), base_url=served.base_url, reference=str(reference), **given)
        place = Bench(program, errand, served, root)
        yield place
    place.judge(Truth.of(sandbox), is_settled=is_settled)
