"""What is shown while a batch runs: on a terminal a line of totals and a few rows, elsewhere a line for each job."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from attrs import define, field
from rich.live import Live
from rich.text import Text

from aiml_music._sansio.batch.budget import usd_of
from aiml_music._sansio.batch.states import JobState
from aiml_music.batch.outcomes import JobOutcome
from aiml_music.cli.batch_report import WORDS
from aiml_music.cli.screen import Screen, visible
from aiml_music.cli.wording import cost

MOST_ROWS = 20
"""Of jobs under way: hundreds of rows that change all the time keep a terminal from anything else."""

_LOST = frozenset({JobState.IN_DOUBT, JobState.PAID_LOST})


@define(eq=False, kw_only=True)
class BatchBoard:
    """Counts what becomes of the jobs of a list, and shows it.

    Args:
        screen: where.
        jobs: how many are in the list.
        spent: credits that were spent in this directory before.
        under_way: names what is being made.
        now: tells the seconds.
    """

    _screen: Screen = field(alias="screen")
    _jobs: int = field(alias="jobs")
    _spent: int = field(alias="spent")
    _under_way: Callable[[], Sequence[str]] = field(alias="under_way")
    _now: Callable[[], float] = field(default=time.monotonic, alias="now")
    _live: bool = field(default=False, init=False)
    _done: int = field(default=0, init=False)
    _in_doubt: int = field(default=0, init=False)
    _accepted: int = field(default=0, init=False)
    _failed: int = field(default=0, init=False)
    _earlier: int = field(default=0, init=False)
    _begun: dict[str, float] = field(factory=dict, init=False)

    @contextmanager
    def shown(self) -> Iterator[Self]:
        """Show it until the block ends."""
        console = self._screen.err
        if not console.is_terminal or console.is_dumb_terminal:
            yield self
            self._tell_of_earlier()
            return
        with Live(get_renderable=self.picture, console=console, refresh_per_second=4, transient=True):
            self._live = True
            yield self
        self._screen.note(self.totals())

    def take(self, outcome: JobOutcome) -> None:
        """Count how a job stands, and say so where it ended in this run."""
        self._done += outcome.state is JobState.DONE
        self._in_doubt += outcome.state in _LOST
        self._accepted += outcome.state is JobState.ACCEPTED
        self._failed += outcome.state not in {JobState.DONE, JobState.ACCEPTED, *_LOST}
        if outcome.receipt is not None:
            self._spent += outcome.receipt.credits_used or 0
        if outcome.track is None and outcome.error is None:
            self._earlier += 1
        elif not self._live or outcome.error is not None:
            self._tell_of_earlier()
            self._screen.note(self._line(outcome), style="" if outcome.error is None else "yellow")

    def picture(self) -> Text:
        """Return what a terminal shows at this moment."""
        now, names = self._now(), tuple(self._under_way())
        self._begun = {name: self._begun.get(name, now) for name in names}
        lines = [self.totals(len(names))]
        lines += [f"{now - self._begun[name]:7.1f} s  {visible(name)}" for name in names[:MOST_ROWS]]
        if len(names) > MOST_ROWS:
            lines.append(f"... and {len(names) - MOST_ROWS:,} more")
        return Text("\n".join(lines), no_wrap=True, overflow="ellipsis")

    def totals(self, under_way: int = 0) -> str:
        """Return the line of totals."""
        return ", ".join(
            [
                f"{self._done:,} of {self._jobs:,} done",
                f"{under_way:,} under way",
                *([f"{self._accepted:,} being made"] if self._accepted else []),
                f"{self._in_doubt:,} in doubt",
                f"{self._failed:,} failed",
                f"${usd_of(self._spent)} spent",
            ]
        )

    def _tell_of_earlier(self) -> None:
        if self._earlier and not self._live:
            self._screen.note(f"{self._earlier:,} of {self._jobs:,} jobs ended in an earlier run.")
            self._earlier = 0

    def _line(self, outcome: JobOutcome) -> str:
        # A job that may be sent again by itself is told by what stood in its way.
        word = "not made this time" if outcome.state is JobState.PLANNED else WORDS[outcome.state]
        told = [f"{outcome.label or outcome.path.name}: {word}"]
        if outcome.track is not None and outcome.receipt is not None:
            told += [outcome.path.name, cost(outcome.receipt.credits_used, outcome.receipt.usd_spent)]
        return ", ".join(told) + (f": {outcome.error.message}" if outcome.error is not None else "")
