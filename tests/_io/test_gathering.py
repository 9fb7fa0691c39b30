"""What waits for a slow disk: taken in order, written once, and never forgotten before it was taken."""

import errno
import os
import threading

import pytest

from aiml_music._io.gathering import ENOUGH_BYTES, Gathered
from tests._io.system import failing

PIECES = [bytes([number]) * 1000 for number in range(5)]


def gathered_of(*pieces: bytes) -> Gathered:
    """Return what gathered these."""
    gathered = Gathered()
    for piece in pieces:
        assert not gathered.add(piece)
    return gathered


@pytest.mark.parametrize("pieces", [1, 2, 1024])
def test_a_quarter_of_a_megabyte_is_enough(pieces: int) -> None:
    """However large the pieces are, the last one that is needed says so."""
    gathered, size = Gathered(), ENOUGH_BYTES // pieces
    assert [gathered.add(bytes(size)) for _ in range(pieces)] == [False] * (pieces - 1) + [True]
    gathered.write(lambda _: None)
    assert not gathered.add(bytes(ENOUGH_BYTES - 1))
    assert gathered.add(b"1")


def test_everything_is_written_once_and_in_order() -> None:
    """What was taken is forgotten, and nothing is handed on where nothing waits."""
    written: list[bytes] = []
    gathered = gathered_of(*PIECES)
    gathered.write(written.append)
    gathered.write(written.append)
    assert written == [b"".join(PIECES)]
    assert gathered.settle(len) == 0


def test_what_was_refused_still_waits() -> None:
    """A disk that fails has taken nothing, and what comes later stands behind it."""
    gathered = gathered_of(*PIECES)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        gathered.write(failing(errno.EIO))
    gathered.add(b"more")
    assert gathered.settle(bytes) == b"".join(PIECES) + b"more"


def test_who_settles_is_the_last() -> None:
    """Whatever came of it, a thread that is late finds nothing to write into a file that is closed."""
    gathered = gathered_of(*PIECES)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        gathered.settle(failing(errno.ENOSPC))
    gathered.write(failing(errno.EIO))


def test_who_settles_waits_for_a_thread_that_writes() -> None:
    """Bytes that are on their way to the disk are not handed out a second time."""
    gathered, writing, gate = gathered_of(*PIECES), threading.Event(), threading.Event()
    order: list[bytes] = []

    def slowly(data: bytes) -> None:
        writing.set()
        assert gate.wait(5)
        order.append(data)

    threads = [
        threading.Thread(target=gathered.write, args=(slowly,)),
        threading.Thread(target=gathered.settle, args=(order.append,)),
    ]
    threads[0].start()
    assert writing.wait(5)
    threads[1].start()
    gate.set()
    for thread in threads:
        thread.join(5)
    assert order == [b"".join(PIECES), b""]
