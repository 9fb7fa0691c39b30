"""What a process that ended left of its attempts: tracks are collected, doubts are noted, and nothing is asked for."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from aiml_music._sansio.batch.states import JobState, Mark
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.resume import resume
from aiml_music.testing import silent_mp3
from tests._io.system import limited, posix
from tests.batch.ledgers import begun, filled, marked

TRACK = silent_mp3()
SHA256 = hashlib.sha256(TRACK).hexdigest()
ATTEMPT = "batch-1"
PART, READY = f".a.mp3.{ATTEMPT}.part", f".a.mp3.{ATTEMPT}.ready"
RECEIVED: dict[str, Any] = {"facts": {"sha256": SHA256, "size_bytes": len(TRACK)}}


def left(directory: Path, *marks: Mark) -> tuple[Ledger, str]:
    """Return the ledger of a process that died after these marks, and the key of its job."""
    ledger, (key,) = filled(directory, "a")
    begun(ledger, key, ATTEMPT)
    for mark in marks:
        marked(ledger, key, mark, **(RECEIVED if mark is Mark.RECEIVED else {}))
    return ledger, key


def resumed(ledger: Ledger, directory: Path, key: str) -> JobState:
    """Resume twice, which is as good as once, and return where the job stands."""
    with ledger:
        for _ in range(2):
            resume(ledger, directory, now=lambda: 9.0)
        return ledger.job(key).state


def files(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if not path.name.startswith("ledger")}


def test_an_attempt_that_never_left_is_planned_again(tmp_path: Path) -> None:
    """Its part file holds nothing but room, and goes."""
    ledger, key = left(tmp_path)
    (tmp_path / PART).write_bytes(bytes(9000))
    assert resumed(ledger, tmp_path, key) is JobState.PLANNED
    assert files(tmp_path) == set()


@pytest.mark.row("66")
@pytest.mark.row("86")
@pytest.mark.row("127")
@pytest.mark.parametrize("came", [b"", TRACK])
def test_an_attempt_that_was_sent_is_in_doubt(tmp_path: Path, came: bytes) -> None:
    """What had come of its track is kept beside it, and named on record."""
    ledger, key = left(tmp_path, Mark.WIRE)
    (tmp_path / PART).write_bytes(came + bytes(9000))
    with ledger:
        resume(ledger, tmp_path, now=lambda: 9.0)
        (died,) = [entry for entry in ledger.marks(key) if entry.mark is Mark.DIED]
        assert ledger.job(key).state is JobState.IN_DOUBT
    assert died.facts == ({"salvage": "a.partial.mp3"} if came else {})
    assert files(tmp_path) == ({"a.partial.mp3"} if came else set())


@pytest.mark.parametrize("came", [b"", TRACK])
def test_an_attempt_that_was_accepted_stays_so(tmp_path: Path, came: bytes) -> None:
    """Nobody need keep a beginning of what can be had whole; and without one, nothing is there to remove."""
    ledger, key = left(tmp_path, Mark.WIRE, Mark.ACCEPTED)
    if came:
        (tmp_path / PART).write_bytes(came + bytes(9000))
    assert resumed(ledger, tmp_path, key) is JobState.ACCEPTED
    assert files(tmp_path) == set()


def test_an_attempt_without_a_file_is_in_doubt(tmp_path: Path) -> None:
    """Somebody cleaned up; the money may be gone all the same."""
    ledger, key = left(tmp_path, Mark.WIRE, Mark.HEAD)
    assert resumed(ledger, tmp_path, key) is JobState.IN_DOUBT


@pytest.mark.row("133")
@pytest.mark.parametrize(
    "marks",
    [(Mark.WIRE,), (Mark.WIRE, Mark.ACCEPTED), (Mark.WIRE, Mark.RECEIVED), (Mark.WIRE, Mark.IN_DOUBT)],
)
def test_a_whole_track_is_collected(tmp_path: Path, marks: tuple[Mark, ...]) -> None:
    """Whatever was written down of it last: it is there, whole, checked and synced, and settles every doubt."""
    ledger, key = left(tmp_path, *marks)
    (tmp_path / READY).write_bytes(TRACK)
    assert resumed(ledger, tmp_path, key) is JobState.DONE
    assert (tmp_path / "a.mp3").read_bytes() == TRACK
    assert files(tmp_path) == {"a.mp3"}


@pytest.mark.row("134")
def test_a_track_that_has_its_name_is_done(tmp_path: Path) -> None:
    """Killed between the name and its mark: the recorded hash says that it is the track."""
    ledger, key = left(tmp_path, Mark.WIRE, Mark.RECEIVED)
    (tmp_path / "a.mp3").write_bytes(TRACK)
    assert resumed(ledger, tmp_path, key) is JobState.DONE
    assert files(tmp_path) == {"a.mp3"}


def test_a_doubt_without_a_track_stays(tmp_path: Path) -> None:
    """Nothing was found, and nothing is noted."""
    ledger, key = left(tmp_path, Mark.WIRE, Mark.IN_DOUBT)
    assert resumed(ledger, tmp_path, key) is JobState.IN_DOUBT
    with Ledger.observe(tmp_path) as seen:
        assert [entry.mark for entry in seen.marks(key)][-1] is Mark.IN_DOUBT


def test_a_track_whose_name_is_taken_waits(tmp_path: Path) -> None:
    """It stays under its hidden name, and gets its own once that is free."""
    ledger, key = left(tmp_path, Mark.WIRE, Mark.RECEIVED)
    (tmp_path / READY).write_bytes(TRACK)
    (tmp_path / "a.mp3").write_bytes(b"mine")
    with ledger:
        resume(ledger, tmp_path, now=lambda: 9.0)
        assert ledger.job(key).state is JobState.RECEIVED
        assert files(tmp_path) == {"a.mp3", READY}
        (tmp_path / "a.mp3").unlink()
        resume(ledger, tmp_path, now=lambda: 9.0)
        assert ledger.job(key).state is JobState.DONE


def test_a_track_that_no_attempt_can_claim_comes_into_sight(tmp_path: Path) -> None:
    """Its disk refused the name that says that it is whole, and its call was settled as charged."""
    ledger, key = left(tmp_path, Mark.WIRE, Mark.IN_DOUBT, Mark.PAID)
    (tmp_path / PART).write_bytes(TRACK)
    assert resumed(ledger, tmp_path, key) is JobState.PAID_LOST
    assert (tmp_path / "a.unverified.mp3").read_bytes() == TRACK
    assert files(tmp_path) == {"a.unverified.mp3"}


def test_half_a_receipt_and_half_a_page_go(tmp_path: Path) -> None:
    """They are written anew."""
    ledger, key = left(tmp_path, Mark.WIRE, Mark.RECEIVED, Mark.DONE)
    for name in (".a.json.batch-2.part", ".index.html.batch-3.part"):
        (tmp_path / name).write_bytes(b"half")
    assert resumed(ledger, tmp_path, key) is JobState.DONE
    assert files(tmp_path) == set()


@posix
@pytest.mark.parametrize("stage", ["part", "ready"])
def test_a_disk_that_gives_nothing_back_holds_up_nobody(own_directory: Path, stage: str) -> None:
    """What came stays where it is, the call is on record, and all is settled when the disk is well again."""
    ledger, key = left(own_directory, Mark.WIRE)
    hidden = own_directory / f".a.mp3.{ATTEMPT}.{stage}"
    hidden.write_bytes(TRACK)
    hidden.chmod(0)
    with ledger:
        resume(ledger, own_directory, now=lambda: 9.0)
        assert ledger.job(key).state is (JobState.WIRE if stage == "ready" else JobState.IN_DOUBT)
        assert files(own_directory) == {hidden.name}
        hidden.chmod(0o600)
        resume(ledger, own_directory, now=lambda: 9.0)
        assert ledger.job(key).state is (JobState.DONE if stage == "ready" else JobState.IN_DOUBT)
    assert files(own_directory) == {"a.mp3" if stage == "ready" else "a.unverified.mp3"}


@posix
def test_a_directory_that_cannot_be_listed_holds_up_nobody(tmp_path: Path) -> None:
    """Its strays are cleared away another time."""
    ledger, key = left(tmp_path, Mark.WIRE, Mark.IN_DOUBT)
    (tmp_path / ".b.mp3.batch-2.part").touch()
    with ledger:
        with limited("RLIMIT_NOFILE", 3):
            resume(ledger, tmp_path, now=lambda: 9.0)
        assert files(tmp_path) == {".b.mp3.batch-2.part"}
    assert resumed(Ledger.open(tmp_path), tmp_path, key) is JobState.IN_DOUBT
    assert files(tmp_path) == set()


def test_strays_are_tidied(tmp_path: Path) -> None:
    """Room of attempts that were never noted, and the hidden name of a track that has its own; nothing else."""
    ledger, key = left(tmp_path, Mark.WIRE, Mark.RECEIVED, Mark.DONE)
    (tmp_path / "a.mp3").write_bytes(TRACK)
    (tmp_path / READY).hardlink_to(tmp_path / "a.mp3")
    for name in (".b.mp3.batch-2.part", ".b.mp3.other.part", ".c.mp3.batch-3.ready"):
        (tmp_path / name).touch()
    assert resumed(ledger, tmp_path, key) is JobState.DONE
    assert files(tmp_path) == {"a.mp3", ".b.mp3.other.part", ".c.mp3.batch-3.ready"}
