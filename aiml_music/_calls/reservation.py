"""Make room for a track on the disk before it is paid for; whoever stops waiting for that leaves nothing there."""

import threading
import uuid
from pathlib import Path

from aiml_music._io.disk import on_disk
from aiml_music._io.sinks import FileSink


async def reserve(target: Path, *, expected_bytes: int, overwrite: bool, token: str | None = None) -> FileSink:
    """Return a sink for a file, its room reserved.

    Args:
        target: the file to make.
        expected_bytes: how much room to reserve.
        overwrite: replace a file that exists.
        token: sets its hidden files apart from every other one's; None for one of chance.

    Raises:
        OutputExistsError: the file exists, and `overwrite` is off.
        StorageError: it cannot be made, or would not have the room.
    """
    reserving = _Reserving()

    def work() -> FileSink:
        own = uuid.uuid4().hex[:12] if token is None else token
        return reserving.hand_over(
            FileSink.reserve(target, expected_bytes=expected_bytes, overwrite=overwrite, token=own)
        )

    try:
        return await on_disk(work)
    except BaseException:
        reserving.abandon()
        raise


class _Reserving:
    """A sink on its way from a worker thread, which goes on when asyncio itself cancels the task that waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._abandoned = False
        self._sink: FileSink | None = None

    def hand_over(self, sink: FileSink) -> FileSink:
        with self._lock:
            self._sink = sink
            if self._abandoned:
                sink.discard()
        return sink

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            if self._sink is not None:
                self._sink.discard()
