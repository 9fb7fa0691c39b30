"""Receipts beside tracks: whole, the same every time, without directories; and read whatever a hand did to them."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aiml_music._sansio.errors import InputError, OutputExistsError
from aiml_music.batch.receipts import (
    MAX_BYTES,
    SungWith,
    TrackReceipt,
    read_receipt,
    receipt_bytes,
    receipt_of,
    receipt_path,
    write_receipt,
)

RECEIPT = TrackReceipt(
    label="Nächte \udc80",
    file="song.mp3",
    sha256="ab" * 32,
    size_bytes=480_000,
    seconds=59.97,
    model="music-01",
    client_request_id="job-1",
    inference_id="inference-1",
    trace_id="trace-1",
    credits_used=63_000,
    usd_spent=Decimal("0.0315"),
    attempts=2,
    started=datetime(2026, 11, 25, 12, 0, 0, 123_000, UTC),
    finished=datetime(2026, 11, 25, 14, 1, tzinfo=timezone(timedelta(hours=1))),
    sung_with=SungWith(file="/home/somebody/reference.mp3", purpose="song", refer_voice="vocal-1"),
    lyrics="Side by side\nעד הסוף",
    flags=("the audio ends before its last frame says",),
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Nothing is lost on the way, half characters of odd file names included."""
    target = write_receipt(tmp_path / "song.mp3", RECEIPT)
    assert target == tmp_path / "song.json" == receipt_path(tmp_path / "song.mp3")
    assert read_receipt(target) == RECEIPT
    assert [path.name for path in tmp_path.iterdir()] == ["song.json"]


def test_receipts_are_for_people_and_always_the_same() -> None:
    """Text stays text, times are UTC, money keeps its digits, and the order of the names is fixed."""
    text = receipt_bytes(RECEIPT).decode()
    document = json.loads(text)
    assert list(document) == [
        *("schema", "label", "file", "sha256", "size_bytes", "seconds", "model", "ids", "cost", "attempts", "times"),
        *("sung_with", "lyrics", "flags"),
    ]
    assert "Nächte" in text
    assert "עד הסוף" in text
    assert text.endswith("}\n")
    assert document["schema"] == 1
    assert document["cost"] == {"credits": 63_000, "usd": "0.0315"}
    assert document["times"] == {"started": "2026-11-25T12:00:00.123Z", "finished": "2026-11-25T13:01:00.000Z"}
    assert receipt_bytes(receipt_of(receipt_bytes(RECEIPT), "song.json")) == receipt_bytes(RECEIPT)


def test_a_receipt_names_no_directory() -> None:
    """A folder may be given away: who made it, and where, is nobody's business."""
    receipt = TrackReceipt(label="one", file="/home/somebody/out/song.mp3", sung_with=RECEIPT.sung_with)
    assert b"somebody" not in receipt_bytes(receipt)
    assert (receipt.file, receipt.sung_with.file) == ("song.mp3", "reference.mp3")


def test_a_receipt_that_is_there_keeps_what_a_hand_added(tmp_path: Path) -> None:
    """Written again after a crash, it is neither doubled nor overwritten."""
    target = write_receipt(tmp_path / "song.mp3", RECEIPT)
    edited = json.dumps(json.loads(target.read_bytes()) | {"note": "the best one"})
    target.write_text(edited)
    assert write_receipt(tmp_path / "song.mp3", RECEIPT) == target
    assert target.read_text() == edited


@pytest.mark.parametrize("content", [b"mine", b'{"file": "song.mp3", "sha256": "cd"}'])
def test_somebody_elses_file_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    """Whatever has the name and is no receipt of this track stays."""
    (tmp_path / "song.json").write_bytes(content)
    with pytest.raises(OutputExistsError):
        write_receipt(tmp_path / "song.mp3", RECEIPT)
    assert (tmp_path / "song.json").read_bytes() == content


def test_a_hand_may_have_been_everywhere() -> None:
    """What makes no sense is not said; the rest is read."""
    document: dict[str, Any] = json.loads(receipt_bytes(RECEIPT))
    document |= {
        "schema": 9,
        "note": [],
        "label": None,
        "sha256": "AB" * 32,
        "size_bytes": "480000",
        "seconds": "1e999999",
        "attempts": 1.5,
        "ids": "job-1",
        "cost": {"credits": "9e99999", "usd": 0.5},
        "times": {"started": "2026-11-25 12:00", "finished": "yesterday"},
        "flags": ["one", 2],
    }
    read = receipt_of(b"\xef\xbb\xbf" + json.dumps(document).encode(), "song.json")
    assert (read.label, read.sha256, read.size_bytes, read.seconds) == ("song", "ab" * 32, 480_000, None)
    assert (read.attempts, read.client_request_id, read.credits_used) == (None, None, None)
    assert (read.usd_spent, read.flags) == (Decimal("0.5"), ("one",))
    assert (read.started, read.finished) == (datetime(2026, 11, 25, 12, tzinfo=UTC), None)
    assert read.lyrics == RECEIPT.lyrics


@pytest.mark.parametrize("value", [-1, True, "NaN", "Infinity", [], None])
def test_a_price_is_a_number_or_not_said(value: object) -> None:
    """Totals are sums of what is read here."""
    document = {"cost": {"credits": value, "usd": value}, "flags": "none", "times": {"started": "0001-01-01T00:00+14"}}
    read = receipt_of(json.dumps(document).encode(), "song.json")
    assert read == TrackReceipt(label="song", file="")


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"[" * 100_000, b" " * MAX_BYTES + b"{}"])
def test_what_is_no_receipt_is_named(data: bytes) -> None:
    """A file that is something else, or far too long."""
    with pytest.raises(InputError, match=r"song\.json is no receipt"):
        receipt_of(data, "song.json")


def test_a_receipt_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Whoever asks for it learns why there is none."""
    with pytest.raises(InputError, match=r"song\.json cannot be read: No such file"):
        read_receipt(tmp_path / "song.json")
