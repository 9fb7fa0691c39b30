"""Many jobs against a service with faults, killed again and again: none lost, none paid twice, every doubt true."""

import random
from collections.abc import Callable
from pathlib import Path

from attrs import evolve

from aiml_music._sansio.batch.budget import usd_of
from aiml_music.sandbox import CREDITS_PER_TRACK, SCENARIOS, Sandbox, Scenario, Settings
from tests.rigs.bench import bench
from tests.rigs.child import FAILED

_FAULTY = 0.05
# Of no interest here, and takes ten seconds.
_FAULTS = sorted(set(SCENARIOS) - {"slow_body"})
_SEED = 20_260_101


class _Moody(Sandbox):
    """A sandbox whose every twentieth generation fails somehow, until it is calm."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, encoder=None)
        self._chance = random.Random(_SEED)
        self.is_calm = False

    def next_scenario(self) -> Scenario | None:
        if self.is_calm or self._chance.random() >= _FAULTY:
            return None
        return SCENARIOS[self._chance.choice(_FAULTS)]


def test_many_jobs_survive_many_kills(
    tmp_path: Path,
    long: bool,  # noqa: FBT001 - a fixture
    record_property: Callable[[str, object], None],
) -> None:
    """Each run goes on where the one before was killed; the last one settles every doubt by the service's books."""
    chance = random.Random(_SEED)
    jobs, lifetimes = (10_000, (20.0, 60.0)) if long else (60, (0.3, 0.9))
    kills = stops = 0
    sandbox = _Moody(Settings(latency=0.05, longest_track=0.5))
    with bench(
        tmp_path,
        sandbox=sandbox,
        jobs=jobs,
        budget=str(usd_of(jobs * CREDITS_PER_TRACK)),
        width=8,
    ) as place:
        ending = None
        while ending is None or ending.was_killed or ending.status == FAILED:
            ending = place.children.run(evolve(place.errand, lifetime=chance.uniform(*lifetimes)))
            kills += ending.was_killed
            # By the batch's own brake; whoever looked at it goes on.
            stops += ending.status == FAILED
            assert stops < jobs, ending
            if not (ending.was_killed or ending.is_plain):
                place.wrong.append(str(ending))
        sandbox.is_calm = True
        place.finish(evolve(place.errand, settled=True))
    record_property("figure", f"soak {place.summary()}; {kills} kills, {stops} stops by the batch itself")
    assert place.wrong == []
    assert kills
