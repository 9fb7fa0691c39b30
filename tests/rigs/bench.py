"""A bench for many batches: one sandbox that outlives them all, and each directory held to the promise at the end.

Only when the sandbox has ended is nothing under way any more, and what it knows the whole truth.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from aiml_music._sansio.batch.budget import usd_of
from aiml_music.batch.ledger_file import LEDGER_NAME
from aiml_music.sandbox import CREDITS_PER_TRACK, Sandbox, Settings, running
from aiml_music.testing import silent_mp3
from tests.rigs.child import ENDED, Errand
from tests.rigs.children import Children, Ending
from tests.rigs.contract import Finding, Truth, finding, strangers

SHORT = Settings(latency=0.0, longest_track=0.5)
JOBS = 3


def exactly(tracks: int) -> str:
    """Return a budget for so many tracks, and not a credit more: what is counted twice, or forgotten, has no room."""
    return str(usd_of(tracks * CREDITS_PER_TRACK))


@define(eq=False)
class Bench:
    """Runs batches, each in a directory of its own, and gathers what is wrong with them.

    Attributes:
        errand: what all runs do, unless they are told otherwise.
        wrong: what a run did or left that it should not, under the name of its directory.
        findings: what became of each batch, once `judge` has looked.
        truth: what the service knows, once `judge` has looked.
        points: where something happened, each under the name of its directory.
    """

    children: Children
    errand: Errand
    _root: Path
    _tracks: Mapping[str, str]
    _budgets: dict[str, str] = field(factory=dict)
    wrong: list[tuple[str, str]] = field(factory=list)
    findings: list[Finding] = field(factory=list)
    truth: Truth = Truth(charged={})
    points: list[str] = field(factory=list)

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
        for name, budget in self._budgets.items():
            directory = self.place_of(name)
            if (directory / LEDGER_NAME).exists():
                found = finding(directory, truth, self._tracks, budget, is_settled=is_settled)
                self.findings.append(found)
                self.wrong += [(name, violation) for violation in found.violations]
            else:
                self.wrong.append((name, "there is no ledger"))
        self.wrong += [("", stranger) for stranger in strangers(truth, self.findings)]

    def figure(self, rig: str) -> str:
        """Return in one line at how many points the promise was kept, and what became of all jobs."""
        broken = {name for name, _ in self.wrong}
        kept = sum(name not in broken for name in self.points)
        return f"{rig} {kept}/{len(self.points)}: {self.summary()}"

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


@contextmanager
def bench(
    program: Children,
    root: Path,
    tracks: Mapping[str, str],
    *,
    sandbox: Sandbox | None = None,
    is_settled: bool = False,
    **changes: Any,
) -> Iterator[Bench]:
    """Set up a bench; on leaving, hold what was done at it against the promise.

    Args:
        program: starts processes.
        root: an empty directory.
        tracks: the SHA-256 of what each track must be, by its file name, as far as that is known.
        sandbox: the service; a short one without faults, if it is not given.
        is_settled: every doubt is asked after before leaving.
        changes: of all its errands.
    """
    reference = root / "reference.mp3"
    reference.write_bytes(silent_mp3(11.0))
    sandbox = sandbox or Sandbox(SHORT, encoder=None)
    with running(sandbox=sandbox) as served:
        given = {"jobs": JOBS, "budget": exactly(JOBS), **changes}
        errand = Errand(directory=str(root), base_url=served.base_url, reference=str(reference), **given)
        place = Bench(program, errand, root, tracks)
        yield place
    place.judge(Truth.of(sandbox), is_settled=is_settled)


def calm_tracks(program: Children, root: Path) -> dict[str, str]:
    """Return the SHA-256 of each track of a batch to which nothing happens, by its file name."""
    with bench(program, root, {}) as place:
        place.finish("calm")
    assert place.wrong == []
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in place.place_of("calm").glob("*.mp3")}
