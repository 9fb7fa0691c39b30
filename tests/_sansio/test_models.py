"""The values a caller gives and gets."""

import pickle
from decimal import Decimal
from pathlib import Path

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from aiml_music._sansio.audio import AudioInfo
from aiml_music._sansio.models import AudioFacts, AudioSetting, Purpose, Receipt, Reference, Track
from aiml_music._sansio.outcome import Attempt, Money, Operation, Outcome, Phase

AUDIO = AudioInfo(
    container="mp3",
    encoding="mp3",
    duration=12.5,
    sample_rate_hz=44_100,
    channels=2,
    bitrate=128_000,
    variable_bitrate=False,
    audio_bytes=200_000,
    truncated=False,
)
RECEIPT = Receipt(
    operation=Operation.GENERATE,
    outcome=Outcome.COMPLETED,
    money=Money.YES,
    client_request_id="order:17",
    credits_used=63_000,
    usd_spent=Decimal("0.0315"),
    attempts=(Attempt(number=1, outcome=Outcome.COMPLETED, phase=Phase.READ, elapsed=61.2, status=200),),
    elapsed=61.25,
)


@pytest.mark.parametrize(
    ("receipt", "words"),
    [
        (RECEIPT, "generate completed, 63,000 credits ($0.0315), 1 attempt, 61.2 s, order:17"),
        (evolve(RECEIPT, usd_spent=None), "generate completed, 63,000 credits, 1 attempt, 61.2 s, order:17"),
        (
            evolve(RECEIPT, operation=Operation.UPLOAD, credits_used=None, usd_spent=None, attempts=()),
            "upload completed, cost not stated, 0 attempts, 61.2 s, order:17",
        ),
        (
            evolve(RECEIPT, operation=Operation.POLL, attempts=()),
            "poll completed, 63,000 credits ($0.0315), 61.2 s, order:17",
        ),
        (
            evolve(RECEIPT, credits_used=None, attempts=RECEIPT.attempts * 2),
            "generate completed, cost not stated ($0.0315), 2 attempts, 61.2 s, order:17",
        ),
    ],
    ids=["full", "credits", "no cost", "collected", "dollars"],
)
def test_a_receipt_reads_as_a_line(receipt: Receipt, words: str) -> None:
    """Printed, a receipt says what was done, what it cost, how often it was tried and how long it took."""
    assert str(receipt) == words


@pytest.mark.parametrize(
    ("track", "seconds"),
    [
        (Track(audio=AUDIO, facts=AudioFacts(duration_ms=99_000)), 12.5),
        (Track(facts=AudioFacts(duration_ms=1_250)), 1.25),
        (Track(), None),
    ],
    ids=["frames", "announced", "unknown"],
)
def test_a_track_lasts_as_long_as_its_frames(track: Track, seconds: float | None) -> None:
    """The frames know best, then the service, then nobody."""
    assert track.duration == seconds


def test_a_track_is_written_by_the_writer_it_came_with() -> None:
    """What is written is the bytes of a track in memory, or else its file, to the path and in the way asked for."""
    calls: list[tuple[bytes | Path, Path, bool]] = []

    def writer(source: bytes | Path, target: Path, overwrite: bool) -> Path:  # noqa: FBT001 - the shape of `Writer`
        calls.append((source, target, overwrite))
        return target

    in_memory, in_file = Track(content=b"ID3", writer=writer), Track(path=Path("a.mp3"), writer=writer)
    assert in_memory.write_to_file("b.mp3") == Path("b.mp3")
    assert in_file.write_to_file(Path("c.mp3"), overwrite=True) == Path("c.mp3")
    assert Track(content=b"", writer=writer).write_to_file("d.mp3") == Path("d.mp3")
    assert calls == [
        (b"ID3", Path("b.mp3"), False),
        (Path("a.mp3"), Path("c.mp3"), True),
        (b"", Path("d.mp3"), False),
    ]


@pytest.mark.parametrize("track", [Track(), Track(content=b"ID3"), Track(writer=lambda *_: Path())], ids=str)
def test_a_track_without_audio_or_writer_is_not_written(track: Track) -> None:
    """A track somebody made up has nothing to write, or nobody to write it."""
    with pytest.raises(ValueError, match="this track holds no audio"):
        track.write_to_file("a.mp3")


def test_printing_a_track_spares_the_audio() -> None:
    """Neither megabytes of audio nor the raw answer appear in a log."""
    shown = repr(Track(content=b"ID3" * 1000, raw={"data": "x" * 1000}, receipt=RECEIPT))
    assert "ID3" not in shown
    assert "xxx" not in shown
    assert "order:17" in shown


def test_values_are_equal_by_what_they_say() -> None:
    """Two references with the same ids are the same, whatever else the answers held."""
    assert Reference(voice_id="a", raw={"x": 1}) == Reference(voice_id="a", raw={"x": 2})
    assert len({Reference(voice_id="a", raw={"x": 1}), Reference(voice_id="a"), Reference(voice_id="b")}) == 2


def test_values_do_not_change() -> None:
    """A receipt is a record."""
    with pytest.raises(FrozenInstanceError):
        RECEIPT.elapsed = 0.0  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    "value", [RECEIPT, Reference(voice_id="a", purpose=Purpose.VOICE, audio=AUDIO), Track(content=b"ID3")], ids=str
)
def test_values_travel(value: object) -> None:
    """What a call returns can be sent to another process."""
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - our own bytes


@pytest.mark.parametrize("value", [{"voice_id": 7}, {"instrumental_id": b"x"}], ids=str)
def test_a_references_ids_are_text(value: dict[str, object]) -> None:
    """A reference made from stored ids is checked when it is made."""
    with pytest.raises(TypeError):
        Reference(**value)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("value", [{"format": "ogg"}, {"sample_rate": 48_000}, {"bitrate": 320_000}], ids=str)
def test_a_setting_is_checked_when_it_is_made(value: dict[str, object]) -> None:
    """Only the documented formats, rates and bitrates can be asked for."""
    with pytest.raises(ValueError, match="must be one of"):
        AudioSetting(**value)  # type: ignore[arg-type]  # that is the point
