"""Many jobs against a service with faults, killed again and again: none lost, none paid twice, every doubt true.

A generation takes 50 ms instead of a minute, and processes live for up to forty times as long.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

from aiml_music.sandbox import SCENARIOS, Sandbox, Scenario, Settings
from tests.rigs.bench import Bench, bench, exactly
from tests.rigs.child import FAILED
from tests.rigs.children import Children
from tests.rigs.conftest import Extent, Tell

_LATENCY = 0.05
_LIFETIMES = (_LATENCY / 2, 40 * _LATENCY)
_FAULTY = 0.05
# Of no interest here, and takes ten seconds.
_FAULTS = sorted(set(SCENARIOS) - {"slow_body"})
_SEED = 20_260_101
# To ask after a call is to read the books of the whole piece.
_PIECE = 1_000
_WIDTH = 8


class _Moody(Sandbox):
    """A sandbox whose every twentieth generation fails somehow, until it is calm."""

    def __init__(self, settings: Settings, chance: random.Random) -> None:
        super().__init__(settings, encoder=None)
        self._chance = chance
        self.is_calm = False
        # As compressed as the work: nobody who looks has to wait for his turn.
        self.books.seconds_until_read = lambda: 0.0  # type: ignore[method-assign]

    def next_scenario(self) -> Scenario | None:
        if self.is_calm or self._chance.random() >= _FAULTY:
            return None
        return SCENARIOS[self._chance.choice(_FAULTS)]


@define
class _Score:
    """What all pieces came to."""

    jobs: int = 0
    kills: int = 0
    stops: int = 0
    lost: int = 0
    double: int = 0
    wrong_doubts: int = 0
    doubts: int = 0
    paid_lost: int = 0
    charged_in_vain: int = 0
    wrong: list[tuple[str, str]] = field(factory=list)

    def add(self, place: Bench) -> None:
        (found,) = place.findings
        self.jobs += sum(found.jobs.values())
        self.lost += found.lost
        self.double += found.double
        self.wrong_doubts += found.wrong_doubts
        self.doubts += len(found.doubts)
        self.paid_lost += len(found.paid_lost)
        self.charged_in_vain += len(place.truth.paid() - found.tracks)
        self.wrong += place.wrong
        if found.paid_lost != place.truth.paid() - found.tracks:
            self.wrong.append(("", "what is listed as paid for and lost is not what was charged in vain"))

    def __str__(self) -> str:
        return (
            f"{self.jobs} jobs, {self.lost} lost, {self.double} double-paid, {self.wrong_doubts} wrongly in doubt;"
            f" {self.paid_lost} listed as paid for and lost (the service: {self.charged_in_vain}),"
            f" {self.doubts} in doubt that its books never had; {self.kills} kills, {self.stops} stops by the brake"
        )


def test_many_jobs_survive_many_kills(tmp_path: Path, program: Children, extent: Extent, tell: Tell) -> None:
    """Each run goes on where the one before was killed; the last one settles every doubt by the service's books."""
    chance, score = random.Random(_SEED), _Score()
    deadline = time.monotonic() + extent.minutes * 60
    for number, jobs in enumerate(_pieces(extent.jobs)):
        if number and time.monotonic() > deadline:
            break
        _soak(tmp_path / str(number), jobs, program, chance, score)
    tell(f"soak {score}")
    assert score.wrong == []
    assert score.kills


def _pieces(jobs: int) -> Iterator[int]:
    for done in range(0, jobs, _PIECE):
        yield min(_PIECE, jobs - done)


def _soak(root: Path, jobs: int, program: Children, chance: random.Random, score: _Score) -> None:
    """Carry out one batch, killed at random moments until a run comes to its end."""
    root.mkdir()
    sandbox = _Moody(Settings(latency=_LATENCY, longest_track=0.5), chance)
    with bench(
        program, root, {}, sandbox=sandbox, is_settled=True, jobs=jobs, budget=exactly(jobs), width=_WIDTH
    ) as place:
        name = f"piece of {jobs}"
        while True:
            ending = place.strike(name, lifetime=chance.uniform(*_LIFETIMES))
            score.kills += ending.was_killed
            # Whoever looked at why the batch stopped by itself goes on.
            score.stops += ending.status == FAILED
            assert score.stops < jobs, ending
            if not ending.was_killed and ending.status != FAILED:
                break
        sandbox.is_calm = True
        # The second time it asks after what was charged only when the first had asked.
        for _ in range(2):
            place.finish(name, settled=True)
    score.add(place)
