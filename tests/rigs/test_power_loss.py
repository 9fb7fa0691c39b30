"""A batch keeps its promise whatever a loss of power leaves of what was not synced, and whenever it comes.

A real batch is recorded, and each of its moments is tried: what a disk may hold then is made into files, from which
the batch goes on.
"""

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import evolve, field, frozen

from aiml_music.batch.ledger_file import LEDGER_NAME
from aiml_music.sandbox import Sandbox, Scenario, running
from aiml_music.sandbox.scenarios import SCENARIOS
from aiml_music.testing import silent_mp3
from tests.rigs.bench import SHORT, exactly
from tests.rigs.child import ENDED, Errand
from tests.rigs.children import Children, Ending
from tests.rigs.conftest import Extent, Tell
from tests.rigs.contract import Truth
from tests.rigs.power_disk import Disk, few, many, whole_files
from tests.rigs.power_judge import Judge, Owed
from tests.rigs.power_trace import ROOT, Names, Recorder, Recording, Sent, Sync
from tests.rigs.strace import why_not

# Two levels of directories that are not there when a batch begins.
INSIDE = Path("music/album")
# What happens to the generations in turn; later ones are well.
FATES = ("gateway_drop", None, "content_refused", "cut_mid_body", None)
SEED = 20
# Crash points at which several calls are under way.
KILLS = (450, 400, 500, 550)


class Fateful(Sandbox):
    """A sandbox whose first generations have a fault each, or none."""

    def __init__(self, fates: Sequence[str | None]) -> None:
        super().__init__(SHORT, encoder=None)
        self._fates = iter(fates)

    def next_scenario(self, *, direct: bool) -> Scenario | None:
        """Return the fault that the next generation shall have."""
        assert direct
        name = next(self._fates, None)
        return None if name is None else SCENARIOS[name]


@frozen(kw_only=True)
class Recorded:
    """A run of a batch, and what is needed to go on from any moment of it.

    Attributes:
        sent: the requests of runs before it.
        place: a directory for images.
    """

    recording: Recording = field(repr=False)
    judge: Judge
    sent: frozenset[str]
    place: Path


@contextmanager
def recorded(program: Children, place: Path, fates: Sequence[str | None], *, crash: int | None) -> Iterator[Recorded]:
    """Record a batch; on leaving, its service ends.

    Args:
        program: starts processes.
        place: an empty directory.
        fates: of its generations, one for each job.
        crash: the recorded run is the one that follows on a kill at so manieth crash point; None is the first run.
    """
    reason = why_not()
    if reason is not None:
        pytest.skip(f"no process can be recorded: {reason}")
    reference, root = place / "reference.mp3", place / "disk"
    reference.write_bytes(silent_mp3(11.0))
    root.mkdir()
    sandbox = Fateful(fates)
    with running(sandbox=sandbox) as served:
        errand = Errand(
            directory=str(root / INSIDE),
            base_url=served.base_url,
            reference=str(reference),
            jobs=len(fates),
            budget=exactly(len(fates)),
        )
        if crash is not None:
            assert program.run(evolve(errand, width=len(fates), crash=crash)).was_killed
        sent = frozenset(Truth.of(sandbox).charged)
        recorder = Recorder(root, place / "strace.log")
        assert program.run(evolve(errand, held=True), begun=recorder) == Ending(status=ENDED, words="")
        recording = recorder.recording()
        _is_complete(recording, root)
        charged = Truth.of(sandbox).charged
        judge = Judge(errand=errand, inside=INSIDE, sandbox=sandbox, charged=charged, whole=whole_files(recording))
        with tempfile.TemporaryDirectory(dir=_memory()) as images:
            yield Recorded(recording=recording, judge=judge, sent=sent & _generations(sandbox), place=Path(images))


def _generations(sandbox: Sandbox) -> frozenset[str]:
    return frozenset(each.client_request_id or "" for each in sandbox.requests if each.route.endswith("/generate"))


def _memory() -> Path | None:
    """Return a directory in memory, where a sync costs nothing; that of all temporary files where there is none."""
    memory = Path("/dev/shm")  # noqa: S108 - a new directory in it
    return memory if memory.is_dir() else None


def _is_complete(recording: Recording, root: Path) -> None:
    """Make sure that nothing was missed: with all changes, the model holds what the real directory holds."""
    disk = Disk(recording)
    for _ in disk.moments():
        """To the end."""
    real = {str(path.relative_to(root)): None if path.is_dir() else path.read_bytes() for path in root.rglob("*")}
    assert disk.image(disk.pending).content == real


def tried(run: Recorded, recording: Recording, *, long: bool, step: int = 1, start: int = 0) -> Iterator[list[str]]:
    """Yield of each image what is wrong with it.

    Args:
        run: goes on from it.
        recording: what happened.
        long: try many images of each moment after which more is certain, not a few.
        step: try every so manieth moment.
        start: the first moment.
    """
    dice = random.Random(SEED)
    seen = set()
    disk = Disk(recording, run.sent)
    for moment, is_last in enumerate(disk.moments()):
        if moment < start or (moment - start) % step:
            continue
        owed = Owed.by(disk)
        for kept in (many if long and is_last else few)(disk.pending, dice):
            image = disk.image(kept)
            known = image.digest, owed.sent, frozenset(owed.tracks)
            if known not in seen:
                seen.add(known)
                wrong = run.judge.wrong(image, owed, run.place / "image")
                yield [f"moment {moment}, {len(kept)} of {len(disk.pending)} kept: {words}" for words in wrong]


def tally(run: Recorded, extent: Extent, step: int) -> tuple[str, list[list[str]]]:
    """Try a recording, in the short form every so manieth moment; return the figures, and what is wrong."""
    verdicts = list(tried(run, run.recording, long=extent.long, step=1 if extent.long else step))
    bad = [verdict for verdict in verdicts if verdict]
    return f"power-loss images {len(verdicts)}, bad {len(bad)}, of {len(run.recording.steps)} steps", bad


@pytest.fixture(scope="module")
def first_run(program: Children, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """Record a batch from its beginning to its end."""
    with recorded(program, tmp_path_factory.mktemp("first"), FATES, crash=None) as run:
        yield run


def test_a_batch_that_loses_power_keeps_its_promise(first_run: Recorded, extent: Extent, tell: Tell) -> None:
    """At any moment, from the making of its directory to the last page."""
    figures, bad = tally(first_run, extent, 149)
    tell(f"{figures} of a first run")
    assert bad == []


def test_a_resume_that_loses_power_keeps_the_promise(
    tmp_path: Path, program: Children, extent: Extent, tell: Tell
) -> None:
    """A process was killed with several calls under way, and power fails while the next one settles them."""
    for crash in KILLS if extent.long else KILLS[:1]:
        place = tmp_path / str(crash)
        place.mkdir()
        with recorded(program, place, FATES, crash=crash) as run:
            figures, bad = tally(run, extent, 59)
        tell(f"{figures} of a run after a kill")
        assert bad == []


WEAKER: dict[str, Callable[[str], bool]] = {
    "the directories above": lambda name: name in INSIDE.parts[:-1] or not name,
    "the names of the batch": lambda name: name == INSIDE.name,
    "the ledger": lambda name: name == LEDGER_NAME,
    "its journal": lambda name: name == f"{LEDGER_NAME}-journal",
    "the tracks": lambda name: name.endswith(".mp3"),
}


@pytest.mark.parametrize("unsynced", WEAKER)
def test_a_sync_that_is_left_out_is_noticed(unsynced: str, first_run: Recorded) -> None:
    """Without it, the power may fail after the last request so that the batch does not go on as it should."""
    nodes = _named(first_run.recording, WEAKER[unsynced])
    steps = [step for step in first_run.recording.steps if not (isinstance(step, Sync) and step.node in nodes)]
    assert len(steps) < len(first_run.recording.steps)
    after_last = max(place for place, step in enumerate(steps, start=1) if isinstance(step, Sent))
    weaker = evolve(first_run.recording, steps=tuple(steps))
    assert any(tried(first_run, weaker, long=False, start=after_last))


def _named(recording: Recording, wanted: Callable[[str], bool]) -> set[int]:
    """Return the files and directories that ever had such a name; the directory above all has none."""
    names = [change for step in recording.steps if isinstance(step, Names) for change in step.changes]
    return {node for name, node in [("", ROOT), *names] if node is not None and wanted(name)}
