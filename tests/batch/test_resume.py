"""What a process left behind when it was killed, at every step of an attempt: collected, or noted as it is."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiml_music._io.publishing import hidden
from aiml_music._sansio.batch.budget import Budget
from aiml_music._sansio.batch.job import Job, planned
from aiml_music._sansio.batch.records import JobRecord
from aiml_music._sansio.batch.states import JobState, Mark
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.resume import ATTEMPT_PREFIX, resume
from tests.answers import VOICE_ID
from tests.calls import TRACK

ATTEMPT = f"{ATTEMPT_PREFIX}0123456789ab"
DIGEST = hashlib.sha256(TRACK).hexdigest()


class Left:
    """A directory as a killed process left it."""

    def __init__(self, directory: Path, *marks: Mark) -> None:
        self.directory = directory
        self.target = directory / "Tide.mp3"
        self.part, self.ready = (hidden(self.target, ATTEMPT, stage) for stage in ("part", "ready"))
        self.ledger = Ledger.open(directory)
        job = Job(label="Tide", lyrics="la", refer_voice=VOICE_ID)
        self.ledger.add(planned([(job, None)]), now=1.0)
        (record,) = self.ledger.jobs()
        self.key = record.key
        for mark in marks:
            self._mark(mark)

    def _mark(self, mark: Mark) -> None:
        if mark is Mark.INTENT:
            self.ledger.begin(
                self.key, attempt=ATTEMPT, client_request_id="id-1", reserved=63_000, budget=Budget(), now=2.0
            )
        else:
            facts = {"sha256": DIGEST, "size_bytes": len(TRACK)} if mark is Mark.RECEIVED else {}
            self.ledger.append(self.key, mark, now=3.0, facts=facts)

    def resumed(self) -> JobRecord:
        resume(self.ledger, self.directory, now=lambda: 4.0)
        return self.ledger.job(self.key)

    @property
    def files(self) -> list[str]:
        """What is there beside the ledger."""
        return sorted(path.name for path in self.directory.iterdir() if not path.name.startswith("ledger"))


@pytest.fixture
def left(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Left]:
    with (found := Left(tmp_path, *request.param)).ledger:
        yield found


SENT = (Mark.INTENT, Mark.WIRE)


@pytest.mark.parametrize("left", [()], indirect=True)
def test_a_part_of_an_attempt_that_was_never_noted_goes(left: Left) -> None:
    """Killed between the reservation and its mark: nothing was sent."""
    left.part.write_bytes(bytes(8192))
    assert left.resumed().state is JobState.PLANNED
    assert left.files == []


@pytest.mark.parametrize("left", [(Mark.INTENT,)], indirect=True)
@pytest.mark.parametrize("there", [True, False])
def test_an_attempt_that_was_not_sent_is_planned_again(left: Left, there: bool) -> None:  # noqa: FBT001 - a parameter
    """Its cost is given back, and its part file goes, if it ever was there."""
    if there:
        left.part.write_bytes(bytes(8192))
    assert left.resumed().state is JobState.PLANNED
    assert left.ledger.balance().committed == 0
    assert left.files == []


@pytest.mark.parametrize("left", [SENT, (*SENT, Mark.HEAD)], indirect=True)
def test_a_call_that_was_sent_is_in_doubt(left: Left) -> None:
    """Its cost stays reserved, and what came is kept beside the name it was to have."""
    came = b"\xff\xfb\x90" * 700
    left.part.write_bytes(came + bytes(8192))
    assert left.resumed().state is JobState.IN_DOUBT
    assert left.ledger.balance().in_doubt == 63_000
    assert left.files == ["Tide.partial.mp3"]
    assert (left.directory / "Tide.partial.mp3").read_bytes() == came
    assert left.ledger.marks(left.key)[-1].facts == {"salvage": "Tide.partial.mp3"}


@pytest.mark.parametrize("left", [SENT], indirect=True)
def test_a_call_that_left_nothing_is_in_doubt(left: Left) -> None:
    """Somebody may have tidied up."""
    assert left.resumed().state is JobState.IN_DOUBT
    assert left.ledger.marks(left.key)[-1].facts == {}


@pytest.mark.parametrize("left", [SENT, (*SENT, Mark.RECEIVED)], indirect=True)
def test_a_track_that_was_whole_is_collected(left: Left) -> None:
    """Checked and synced before it was killed: it gets its name without another call, and is spent for."""
    left.ready.write_bytes(TRACK)
    assert left.resumed().state is JobState.DONE
    assert left.ledger.balance().spent == 63_000
    assert left.files == ["Tide.mp3"]
    assert left.target.read_bytes() == TRACK


@pytest.mark.parametrize("left", [(*SENT, Mark.RECEIVED)], indirect=True)
def test_a_track_that_has_its_name_is_done(left: Left) -> None:
    """Killed between the name and its mark: the hash says that it is the track."""
    left.target.write_bytes(TRACK)
    left.ready.hardlink_to(left.target)
    assert left.resumed().state is JobState.DONE
    assert left.files == ["Tide.mp3"]


@pytest.mark.parametrize("left", [(*SENT, Mark.RECEIVED, Mark.DONE)], indirect=True)
def test_the_hidden_name_of_a_finished_track_goes(left: Left) -> None:
    """Killed after the last mark."""
    left.target.write_bytes(TRACK)
    left.ready.hardlink_to(left.target)
    assert left.resumed().state is JobState.DONE
    assert left.files == ["Tide.mp3"]


@pytest.mark.parametrize("left", [(*SENT, Mark.RECEIVED)], indirect=True)
def test_a_name_that_somebody_took_is_left_alone(left: Left) -> None:
    """The track stays under its hidden name, and can be collected once the name is free."""
    left.ready.write_bytes(TRACK)
    left.target.write_bytes(b"somebody's")
    assert left.resumed().state is JobState.RECEIVED
    assert left.files == [left.ready.name, "Tide.mp3"]
    left.target.unlink()
    assert left.resumed().state is JobState.DONE
    assert left.target.read_bytes() == TRACK
