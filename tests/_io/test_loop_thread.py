"""An event loop on a thread of its own: started when needed, ended once, and never waiting for itself."""

import errno
import gc
import os
import signal
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import anyio.to_thread
import pytest

from aiml_music._io.loop_thread import LoopThread, _Step
from tests._io.system import limited, posix


async def answer() -> int:
    return 42


def loops() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "aiml_music"]


def test_one_thread_serves_all_calls_until_it_is_stopped() -> None:
    """Nothing runs before the first call or after the end, and a stopped loop starts anew."""
    loop = LoopThread()
    assert loops() == []
    for _ in range(2):
        assert [loop.run(answer) for _ in range(3)] == [42] * 3
        assert len(loops()) == 1
        loop.stop(cancel=True)
        assert loops() == []
    loop.stop(cancel=True)


def test_threads_that_come_at_once_share_one_loop() -> None:
    """Of many first calls, one starts the thread."""
    loop = LoopThread()
    together = threading.Barrier(8, timeout=5)
    answers: list[int] = []

    def work() -> None:
        together.wait()
        answers.append(loop.run(answer))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert answers == [42] * 8
    assert len(loops()) == 1
    loop.stop(cancel=True)


def test_an_error_is_the_callers() -> None:
    """What the work raises is raised where it is waited for."""
    loop = LoopThread()

    async def fail() -> None:
        raise LookupError("nothing")

    with pytest.raises(LookupError, match="nothing"):
        loop.run(fail)
    loop.stop(cancel=True)


def test_stopping_cancels_what_still_runs() -> None:
    """Whoever waits for work that the end of the loop cut off is told so."""
    loop = LoopThread()
    begun = threading.Event()
    ended: list[BaseException] = []

    async def wait() -> None:
        begun.set()
        await anyio.sleep_forever()

    def work() -> None:
        try:
            loop.run(wait)
        except BaseException as error:  # noqa: BLE001 - the cancellation is what is looked for
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(5)
    loop.stop(cancel=True)
    thread.join(5)
    assert type(ended[0]).__name__ == "CancelledError"


def test_the_last_who_keeps_the_loop_ends_it() -> None:
    """A stop that cancels nothing waits for nobody, and takes effect once all have let go."""
    loop = LoopThread()
    with loop.kept():
        with loop.kept():
            assert loop.run(answer) == 42
            loop.stop(cancel=False)
        assert loop.run(answer) == 42
        assert len(loops()) == 1
    assert loops() == []
    with loop.kept():
        assert loop.run(answer) == 42
    assert len(loops()) == 1
    loop.stop(cancel=False)
    assert loops() == []


@posix
@pytest.mark.filterwarnings("ignore:unclosed event loop:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in. <function BaseEventLoop.__del__")
def test_a_loop_that_cannot_start_says_so_and_is_tried_again() -> None:
    """A process without a descriptor left gets the system's error, and once it has one again, its answer."""
    loop = LoopThread()
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    for _ in range(2):
        with limited("RLIMIT_NOFILE", lowest_free), pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            loop.run(answer)
    for thread in loops():
        thread.join(5)
    # asyncio complains of the loop it could not make whole, when that is collected: here, and not in another test.
    gc.collect()
    assert loop.run(answer) == 42
    loop.stop(cancel=True)


@posix
def test_ctrl_c_cancels_the_work_and_brings_its_notes() -> None:
    """The waiting thread goes on once the work has let go, with what the cancellation had to say."""
    loop = LoopThread()
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class() as cancelled:
            cancelled.add_note("what became of it")
            raise

    with interrupted_after(begun), pytest.raises(KeyboardInterrupt) as caught:
        loop.run(wait)
    assert caught.value.__notes__ == ["what became of it"]
    assert loop.run(answer) == 42
    loop.stop(cancel=True)


@posix
def test_a_second_ctrl_c_ends_the_waiting() -> None:
    """Work that lands first can be left behind; it still comes to its end."""
    loop = LoopThread()
    begun, landing, gate = threading.Event(), threading.Event(), threading.Event()

    async def land() -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            landing.set()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(gate.wait, 5)

    with interrupted_after(begun), interrupted_after(landing), pytest.raises(KeyboardInterrupt) as caught:
        loop.run(land)
    assert not gate.is_set()
    assert isinstance(caught.value.__context__, KeyboardInterrupt)
    gate.set()
    loop.stop(cancel=True)


@contextmanager
def interrupted_after(event: threading.Event) -> Iterator[None]:
    """Press Ctrl-C once something has happened."""
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        assert event.wait(5)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        yield
    finally:
        thread.join(5)


async def never() -> None:
    pytest.fail("it was never handed over")


def test_work_that_was_never_handed_over_has_ended() -> None:
    """A Ctrl-C amid the handing over does not wait for what never arrived."""
    step = _Step(never)
    step.cancel()
    assert step.ended.is_set()


def test_the_loops_own_thread_may_stop_it() -> None:
    """The garbage collector runs anywhere: a finalizer on the loop's thread must not wait for that thread."""

    class Owner:
        """Stands for a client that is forgotten."""

    loop, owner = LoopThread(), Owner()
    weakref.finalize(owner, loop.stop, cancel=True)
    kept = [owner]
    del owner

    async def forget() -> None:
        kept.clear()
        gc.collect()

    loop.run(forget)
    for thread in loops():
        thread.join(5)
    assert loops() == []
