"""What waits for a slow disk: taken in order, written once, and never forgotten before it was taken."""

import errno
import os
import threading

import pytest

from aiml_music._io.batching import BATCH_BYTES, Batch
from tests._io.system import failing

PIECES = [bytes([number]) * 1000 for number in range(5)]


def batch_of(*pieces: bytes) -> Batch:
    """Return a batch that holds these."""
    batch = Batch()
    for piece in pieces:
        assert not batch.add(piece)
    return batch


@pytest.mark.parametrize("pieces", [1, 2, 1024])
def test_a_batch_is_enough_at_a_quarter_of_a_megabyte(pieces: int) -> None:
    """However large the pieces are, the last one that is needed says so."""
    batch, size = Batch(), BATCH_BYTES // pieces
    assert [batch.add(bytes(size)) for _ in range(pieces)] == [False] * (pieces - 1) + [True]
    batch.write(lambda _: None)
    assert not batch.add(bytes(BATCH_BYTES - 1))
    assert batch.add(b"1")


def test_everything_is_written_once_and_in_order() -> None:
    """What was taken is forgotten, and nothing is handed on where nothing waits."""
    written: list[bytes] = []
    batch = batch_of(*PIECES)
    batch.write(written.append)
    batch.write(written.append)
    assert written == [b"".join(PIECES)]
    assert batch.settle(len) == 0


def test_what_was_refused_still_waits() -> None:
    """A disk that fails has taken nothing, and what comes later stands behind it."""
    batch = batch_of(*PIECES)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        batch.write(failing(errno.EIO))
    batch.add(b"more")
    assert batch.settle(bytes) == b"".join(PIECES) + b"more"


def test_who_settles_is_the_last() -> None:
    """Whatever came of it, a thread that is late finds nothing to write into a file that is closed."""
    batch = batch_of(*PIECES)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        batch.settle(failing(errno.ENOSPC))
    batch.write(failing(errno.EIO))


def test_who_settles_waits_for_a_thread_that_writes() -> None:
    """Bytes that are on their way to the disk are not handed out a second time."""
    batch, writing, gate = batch_of(*PIECES), threading.Event(), threading.Event()
    order: list[bytes] = []

    def slowly(data: bytes) -> None:
        writing.set()
        assert gate.wait(5)
        order.append(data)

    threads = [
        threading.Thread(target=batch.write, args=(slowly,)),
        threading.Thread(target=batch.settle, args=(order.append,)),
    ]
    threads[0].start()
    assert writing.wait(5)
    threads[1].start()
    gate.set()
    for thread in threads:
        thread.join(5)
    assert order == [b"".join(PIECES), b""]
