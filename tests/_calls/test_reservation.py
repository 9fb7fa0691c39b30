"""Room for a track: made before money is spent, and given back by whoever stops waiting for it."""

# ruff: noqa: ASYNC240 - a test may wait for its own disk

import asyncio
import threading
from pathlib import Path

import pytest

from aiml_music import StorageError
from aiml_music._calls.reservation import _Reserving, reserve
from aiml_music._io.sinks import FileSink


class SlowPath(type(Path())):  # type: ignore[misc]  # the platform's own class of paths
    """A path that is looked at on a disk that takes its time."""

    asked: threading.Event
    gate: threading.Event

    def __fspath__(self) -> str:
        self.asked.set()
        self.gate.wait(5)
        return str(self)


@pytest.mark.anyio
async def test_room_is_made_and_can_be_given_back(tmp_path: Path) -> None:
    """A hidden file stands for the track that is to come, and nothing is left of it afterwards."""
    sink = await reserve(tmp_path / "song.mp3", expected_bytes=5000, overwrite=False)
    assert [path.name.startswith(".song.mp3") for path in tmp_path.iterdir()] == [True]
    sink.discard()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StorageError):
        await reserve(tmp_path / "missing" / "song.mp3", expected_bytes=1, overwrite=False)


def test_room_that_nobody_waits_for_any_more_is_given_back(tmp_path: Path) -> None:
    """`Task.cancel` does not stop the thread that makes the file: what it makes is removed again."""
    target = SlowPath(tmp_path / "song.mp3")
    target.asked, target.gate = threading.Event(), threading.Event()

    async def cancel_amid() -> list[threading.Thread]:
        task = asyncio.create_task(reserve(target, expected_bytes=5000, overwrite=False))
        assert await asyncio.to_thread(target.asked.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return [thread for thread in threading.enumerate() if thread.name == "AnyIO worker thread"]

    workers = asyncio.run(cancel_amid())
    target.gate.set()
    assert workers
    for worker in workers:
        worker.join(5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("first", ["file", "caller"])
def test_whoever_comes_last_gives_it_back(first: str, tmp_path: Path) -> None:
    """A file that was made before or after its caller went away is removed either way."""
    reserving = _Reserving()
    sink = FileSink.reserve(tmp_path / "song.mp3", expected_bytes=100, token="t")
    steps = [lambda: reserving.hand_over(sink), reserving.abandon]
    for step in reversed(steps) if first == "caller" else steps:
        step()
    assert list(tmp_path.iterdir()) == []
