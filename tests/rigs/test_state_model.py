"""Whatever happens to a batch, in any order: no job is paid twice, no track lost, and every doubt is true.

The short form is the same in every run; the long one tries other examples each time.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from aiml_music.testing import FakeClock
from tests.rigs.children import children
from tests.rigs.conftest import Extent, Tell
from tests.rigs.state_machine import BatchMachine, World
from tests.rigs.state_service import Service, serving

_ANY = settings(database=None, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
SHORT = settings(_ANY, derandomize=True, max_examples=12, stateful_step_count=12)
LONG = settings(_ANY, max_examples=400, stateful_step_count=25)
# A disk whose syncs take no time: what is lost with the power is the business of another rig.
_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of its own is made there


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a service, a program whose processes are killed, and room for directories."""
    with (
        tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else tmp_path) as root,
        serving(Service(FakeClock().time, 0.0)) as place,
        children(tmp_path, "tests.rigs.state_child") as program,
    ):
        yield World(place, program, Path(root))


@pytest.mark.row("31", "126", "127", "128", "150")
def test_whatever_happens_the_promise_is_kept(world: World, extent: Extent, tell: Tell) -> None:
    """Runs, edits, faults, stops, cancellations, kills, full disks, rivals, settlements and words, as they come."""
    made = lambda: BatchMachine(world)  # noqa: E731 - a machine is made without arguments
    run_state_machine_as_test(made, settings=LONG if extent.long else SHORT)  # type: ignore[arg-type]  # any maker does
    tell(str(world.score))
