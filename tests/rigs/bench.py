"""A bench for many batches: one sandbox that outlives them all, and each directory held to the promise at the end.

Only when the sandbox has ended is nothing under way any more, and what it knows the whole truth.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve, field

from aiml_music._sansio.batch.budget import usd_of
from aiml_music.batch.ledger_file import LEDGER_NAME
from aiml_music.sandbox import CREDITS_PER_TRACK, RunningSandbox, Sandbox, Settings, make_reference, running
from tests.rigs.child import ENDED, Errand
from tests.rigs.children import Children, Ending, children
from tests.rigs.contract import Finding, Truth, finding

SHORT = Settings(latency=0.0, longest_track=0.5)
JOBS = 3
# Not a credit more than the jobs cost: a call that is counted twice, or forgotten, has no room.
BUDGET = str(usd_of(JOBS * CREDITS_PER_TRACK))

if not hasattr(os, "fork"):
    pytest.skip("this platform does not fork", allow_module_level=True)


@define(eq=False)
class Bench:
    """Runs batches, and gathers what is wrong with them.

    Attributes:
        wrong: what a run did or left that it should not, by its directory.
        findings: what became of each batch, once `judge` has looked.
        latest: how the latest run ended in which something happened.
    """

    children: Children
    errand: Errand
    served: RunningSandbox
    _root: Path
    _begun: list[Path] = field(factory=list)
    wrong: list[str] = field(factory=list)
    findings: list[Finding] = field(factory=list)
    latest: Ending = Ending(status=ENDED, words="")

    def suffer(self, name: str, *, begun: Callable[[int], None] | None = None, **changes: Any) -> Ending:
        """Run a batch in which something happens, and again, in which nothing does; return how the first run ended."""
        directory = self._root / name
        errand = evolve(self.errand, directory=str(directory), **changes)
        ending = self.children.run(evolve(errand, held=begun is not None), begun=begun)
        self.latest = ending
        if not (ending.was_killed or ending.is_plain):
            self.wrong.append(f"{name}: {ending}")
        self.finish(evolve(errand, crash=None))
        return ending

    def finish(self, errand: Errand) -> None:
        """Run a batch to its end, in which nothing happens any more."""
        self._begun.append(Path(errand.directory))
        ending = self.children.run(errand)
        if ending != Ending(status=ENDED, words=""):
            self.wrong.append(f"{errand.directory}: {ending}")

    def judge(self, truth: Truth) -> None:
        """Hold every batch against the promise; nothing may be under way."""
        calm, *_ = self._begun
        tracks = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in calm.glob("*.mp3")}
        for directory in self._begun:
            if (directory / LEDGER_NAME).exists():
                found = finding(directory, truth, tracks, self.errand.budget)
                self.findings.append(found)
                self.wrong += [f"{directory.name}: {violation}" for violation in found.violations]
            else:
                self.wrong.append(f"{directory.name} has no ledger")
        strangers = {name for name, charged in truth.charged.items() if charged}.difference(
            *(found.known for found in self.findings)
        )
        self.wrong += [f"{name} was charged, and no ledger knows it" for name in strangers]

    def summary(self) -> str:
        """Return what became of all jobs, in one line."""
        jobs = sum((Counter(found.jobs) for found in self.findings), Counter())
        doubts, charged, never = (
            sum(getattr(found, name) for found in self.findings)
            for name in ("in_doubt", "doubts_charged", "doubts_never_arrived")
        )
        return (
            f"{sum(jobs.values())} jobs: {sum(found.lost for found in self.findings)} lost,"
            f" {sum(found.double for found in self.findings)} double-paid, {doubts} in doubt"
            f" (server's truth: {charged} charged, {never} never arrived)"
        )


@cache
def _song() -> bytes:
    return make_reference(11.0, encoder=None)


@contextmanager
def bench(root: Path, *, sandbox: Sandbox | None = None, **changes: Any) -> Iterator[Bench]:
    """Set up a bench; on leaving, hold what was done at it against the promise.

    Args:
        root: an empty directory.
        sandbox: the service; a short one without faults, if it is not given.
        changes: of all its errands.
    """
    reference = root / "reference.wav"
    reference.write_bytes(_song())
    sandbox = sandbox or Sandbox(SHORT)
    with running(sandbox=sandbox) as served, children(root) as program:
        errand = Errand(
            **{
                "directory": str(root / "calm"),
                "base_url": served.base_url,
                "reference": str(reference),
                "jobs": JOBS,
                "budget": BUDGET,
                **changes,
            }
        )
        place = Bench(program, errand, served, root)
        yield place
    place.judge(Truth.of(sandbox.requests))
