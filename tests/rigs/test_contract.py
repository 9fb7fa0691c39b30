"""The contract complains of every lie: ledgers and directories that say what the service knows to be untrue."""

import hashlib
from pathlib import Path

import pytest

from aiml_music._sansio.batch.states import Mark
from tests.batch.ledgers import COST, begun, filled, marked
from tests.rigs.bench import exactly
from tests.rigs.contract import Finding, Truth, finding, strangers

TRACK = b"a track"
SHA256 = hashlib.sha256(TRACK).hexdigest()
READY = ".a.mp3.a1.ready"
WHOLE = (Mark.WIRE, Mark.RECEIVED, Mark.DONE)


def history(directory: Path, *attempts: tuple[Mark, ...]) -> None:
    """Write down the attempts of a job `a`, each after its intent; a word between two belongs to the first."""
    ledger, (key,) = filled(directory, "a")
    with ledger:
        for number, marks in enumerate(attempts, start=1):
            begun(ledger, key, f"a{number}")
            for mark in marks:
                marked(ledger, key, mark, facts={"sha256": SHA256} if mark is Mark.RECEIVED else {})


def found(directory: Path, *charged: str, tracks: int = 1, in_books: tuple[str, ...] = ()) -> Finding:
    """Hold a directory against a service that charged these calls, and whose books have those, settled."""
    truth = Truth(charged=dict.fromkeys(charged, COST), in_books=frozenset(in_books))
    return finding(directory, truth, {"a.mp3": SHA256}, exactly(tracks), is_settled=bool(in_books))


def test_an_honest_history_is_believed(tmp_path: Path) -> None:
    """A call that was not sent, one that was lost, the word to pay again, and the track."""
    history(tmp_path, (Mark.NOT_SENT,), (Mark.WIRE, Mark.DIED, Mark.PAY_AGAIN), WHOLE)
    (tmp_path / "a.mp3").write_bytes(TRACK)
    honest = found(tmp_path, "id-a2", "id-a3", tracks=2)
    assert honest.violations == ()
    assert honest.doubts == {"id-a2"}
    assert honest.tracks == {"id-a3"}
    assert list(strangers(Truth(charged={"id-a2": COST, "id-a3": COST, "id-a4": 0}), [honest])) == []


@pytest.mark.parametrize("there", [None, b"", b"another track"])
def test_a_track_that_is_not_there_is_lost(tmp_path: Path, there: bytes | None) -> None:
    """The ledger says done; its name has nothing, an empty file, or another track."""
    history(tmp_path, WHOLE)
    if there is not None:
        (tmp_path / "a.mp3").write_bytes(there)
    liar = found(tmp_path, "id-a1")
    assert liar.violations == ("a: its track is not there, or another one",)
    assert liar.lost == 1


@pytest.mark.parametrize("end", [Mark.REJECTED, Mark.NOT_SENT, Mark.DEFERRED])
def test_a_charge_that_is_not_listed_is_a_missing_doubt(tmp_path: Path, end: Mark) -> None:
    """It gave no track, and the ledger says that it cost nothing."""
    history(tmp_path, (Mark.WIRE, end))
    liar = found(tmp_path, "id-a1")
    assert f"a: id-a1 was charged, and stands as {end}" in liar.violations
    assert f"{COST} credits were taken, and only 0 are committed" in liar.violations
    assert liar.lost == 1


def test_a_second_payment_that_nobody_allowed_is_double(tmp_path: Path) -> None:
    """The first call was charged, and the second one was made as if it had not been sent."""
    history(tmp_path, (Mark.WIRE, Mark.NOT_SENT), WHOLE)
    (tmp_path / "a.mp3").write_bytes(TRACK)
    liar = found(tmp_path, "id-a1", "id-a2")
    assert "a: paid 2 times" in liar.violations
    assert f"{2 * COST} credits were taken, {COST} are committed: more than the budget" in liar.violations
    assert liar.double == 1


def test_one_word_allows_one_payment(tmp_path: Path) -> None:
    """Not two."""
    history(tmp_path, (Mark.WIRE, Mark.IN_DOUBT, Mark.PAY_AGAIN), (Mark.WIRE, Mark.NOT_SENT), WHOLE)
    (tmp_path / "a.mp3").write_bytes(TRACK)
    assert "a: paid 3 times" in found(tmp_path, "id-a1", "id-a2", "id-a3", tracks=3).violations


def test_a_charge_that_no_ledger_knows_is_a_stranger(tmp_path: Path) -> None:
    """Its attempt was never noted."""
    history(tmp_path, (Mark.WIRE, Mark.IN_DOUBT))
    truth = Truth(charged={"id-a1": COST, "id-x": COST})
    assert list(strangers(truth, [found(tmp_path, "id-a1")])) == ["id-x was charged, and no ledger knows it"]


@pytest.mark.parametrize(("says", "charged"), [(Mark.PAID, ()), (Mark.UNPAID, ("id-a1",))])
def test_a_doubt_is_settled_as_it_is(tmp_path: Path, says: Mark, charged: tuple[str, ...]) -> None:
    """Paid for nothing, or unpaid and charged."""
    history(tmp_path, (Mark.WIRE, Mark.IN_DOUBT, says))
    liar = found(tmp_path, *charged)
    assert f"id-a1 is settled as {says}, and that is not so" in liar.violations
    assert liar.wrong_doubts == 1


def test_no_doubt_is_left_that_the_books_know(tmp_path: Path) -> None:
    """Once they were asked."""
    history(tmp_path, (Mark.WIRE, Mark.IN_DOUBT))
    assert found(tmp_path, "id-a1").violations == ()
    liar = found(tmp_path, "id-a1", in_books=("id-a1",))
    assert liar.violations == ("id-a1 is still in doubt, and the books have it",)
    assert liar.wrong_doubts == 1


def test_nothing_is_left_in_between(tmp_path: Path) -> None:
    """Neither a job, nor a hidden file."""
    history(tmp_path, (Mark.WIRE,))
    (tmp_path / ".a.mp3.a1.part").write_bytes(TRACK)
    violations = found(tmp_path).violations
    assert "a is left wire" in violations
    assert f".a.mp3.a1.part is left, of {len(TRACK)} bytes" in violations


def test_a_track_may_wait_for_a_name_that_an_empty_file_has(tmp_path: Path) -> None:
    """The file may be the placeholder of another process, on a disk without hard links."""
    history(tmp_path, (Mark.WIRE, Mark.RECEIVED))
    (tmp_path / READY).write_bytes(TRACK)
    (tmp_path / "a.mp3").touch()
    waiting = found(tmp_path, "id-a1")
    assert (waiting.violations, waiting.waiting) == ((), 1)


@pytest.mark.parametrize(("name", "ready"), [(None, TRACK), (b"mine", TRACK), (b"", b"another")])
def test_a_track_waits_for_nothing_else(tmp_path: Path, name: bytes | None, ready: bytes) -> None:
    """Not where its name is free or somebody's file, and not if it is another track."""
    history(tmp_path, (Mark.WIRE, Mark.RECEIVED))
    (tmp_path / READY).write_bytes(ready)
    if name is not None:
        (tmp_path / "a.mp3").write_bytes(name)
    assert set(found(tmp_path, "id-a1").violations) == {
        "a: id-a1 was charged, and stands as received",
        "a is left received",
        f"{READY} is left, of {len(ready)} bytes",
    }
