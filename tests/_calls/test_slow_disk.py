"""A track on its way to a disk that stalls: nobody else waits for it, and no byte of it is lost on the way."""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import define, field

from aiml_music import AsyncMusicClient, Money, MusicError, Outcome, PayloadError, Phase, StorageError, Track
from aiml_music._calls.call import Call
from aiml_music._calls.delivery import Delivery
from aiml_music._calls.plans import checked_order, generate_plan
from aiml_music._io.disk import THREADS, _limiter, on_disk
from aiml_music._io.gathering import ENOUGH_BYTES
from aiml_music._io.publishing import FileSystem
from aiml_music._io.sinks import FileSink
from aiml_music._sansio.options import UNSET
from tests._io.system import posix
from tests._sansio.audio_files import cbr
from tests.answers import VOICE_ID, answer, generated
from tests.calls import TRACK, Fate, assert_traced, client_of, failure, generate
from tests.canary import assert_keyless
from tests.loopback import Await, Hang, Loopback, Script, Send, Signal, free_port, loopback

pytestmark = pytest.mark.anyio

# More than two batches, and no whole number of them.
LONG = cbr(1500)
DOCUMENT = answer(generated(LONG)).data
DIGITS = DOCUMENT.index(LONG.hex().encode())


def until(audio_bytes: int) -> Send:
    """Return the beginning of the answer, with so much audio."""
    return Send(DOCUMENT[: DIGITS + 2 * audio_bytes])


def behind(audio_bytes: int) -> Send:
    """Return the rest of it."""
    return Send(DOCUMENT[DIGITS + 2 * audio_bytes :])


# As much as makes the first batch, all of which has been read when the disk gets it.
FIRST, REST = until(ENOUGH_BYTES), behind(ENOUGH_BYTES)


@define
class Disk:
    """A real disk that stalls when it is told to, or fails, and notes which threads it worked for."""

    song: Path
    stalls: bool = False
    fails_at: int = 0
    """Which write fails, counted from 1."""
    gives_back: bool = True
    """Whether it can still be read once it has failed."""
    number: int = errno.EIO
    stalled: threading.Event = field(factory=threading.Event)
    gate: threading.Event = field(factory=threading.Event)
    sizes: list[int] = field(factory=list)
    threads: set[int] = field(factory=set)

    def write(self, descriptor: int, data: memoryview) -> int:
        self.threads.add(threading.get_ident())
        self.sizes.append(len(data))
        if self.stalls:
            self.stalled.set()
            assert self.gate.wait(20)
        if len(self.sizes) == self.fails_at:
            if not self.gives_back:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            raise OSError(self.number, os.strerror(self.number))
        return os.write(descriptor, data)

    def sink(self) -> FileSink:
        return WatchedSink.reserve(self.song, expected_bytes=100_000, token="t", system=FileSystem(write=self.write))

    @property
    def left(self) -> dict[str, bytes]:
        """Return what is in the directory of the song."""
        return {path.name: path.read_bytes() for path in self.song.parent.iterdir()}


class WatchedSink(FileSink):
    """A sink that notes which threads read from it."""

    readers: set[int] = set()  # noqa: RUF012 - emptied by the one test that looks

    def read_at(self, offset: int, count: int, /) -> bytes:
        self.readers.add(threading.get_ident())
        return super().read_at(offset, count)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """A disk with room for a song."""
    return Disk(tmp_path / "song.mp3")


async def call_of(client: AsyncMusicClient) -> Call:
    """Return a call that is still to be made."""
    order = checked_order("la", None, VOICE_ID, None, "music-01", None, "off", None)
    return client._session.call(await generate_plan(client._options, order, UNSET, None))


async def into(disk: Disk, server: Loopback, shelter_seconds: float = 30.0) -> Track:
    """Generate into a file of this disk."""
    sink = disk.sink()
    try:
        async with client_of(server) as client, await call_of(client) as call:
            await call.open()
            return await Delivery(
                call, sink, audio_format="mp3", shelter_seconds=shelter_seconds, slow_disk=True
            ).track()
    finally:
        sink.discard()


async def lost(disk: Disk, script: Script) -> MusicError:
    """Ask for a track that does not get its name, and return the error."""
    with loopback(script) as server, pytest.raises(MusicError) as caught:
        await into(disk, server)
    assert_keyless(caught.value)
    assert_traced(caught.value)
    return caught.value


async def test_a_track_is_written_in_batches_and_read_back_in_threads(disk: Disk) -> None:
    """The event loop's thread has no part in the writing, nor in the inspection; the last batch is what is left."""
    WatchedSink.readers.clear()
    with loopback([Send(DOCUMENT)]) as server:
        track = await into(disk, server)
    assert (track.path, track.size_bytes, track.flags) == (disk.song, len(LONG), ())
    assert disk.left == {"song.mp3": LONG}
    assert len(disk.sizes) > 1
    assert all(ENOUGH_BYTES <= size < 2 * ENOUGH_BYTES for size in disk.sizes[:-1])
    assert disk.threads
    assert WatchedSink.readers
    assert threading.get_ident() not in disk.threads | WatchedSink.readers


async def test_a_disk_that_stalls_holds_up_nobody_else(disk: Disk) -> None:
    """Whoever shares the event loop goes on having turns, and the track is whole in the end."""
    disk.stalls = True
    with loopback([Send(DOCUMENT)]) as server:
        async with anyio.create_task_group() as group:
            group.start_soon(into, disk, server)
            assert await anyio.to_thread.run_sync(disk.stalled.wait, 5)
            for _ in range(1000):
                await anyio.lowlevel.checkpoint()
            assert not disk.gate.is_set()
            # What comes meanwhile stays with the other side.
            assert len(disk.sizes) == 1
            disk.gate.set()
    assert disk.left == {"song.mp3": LONG}


@pytest.mark.parametrize(("fails_at", "number"), [(1, errno.ENOSPC), (2, errno.EIO)])
async def test_a_disk_that_fails_hands_the_whole_track_over(fails_at: int, number: int, disk: Disk) -> None:
    """Whichever batch is refused, it and all around it are one track, inside the error."""
    disk.fails_at, disk.number = fails_at, number
    error = await lost(disk, [Send(DOCUMENT)])
    assert isinstance(error, StorageError)
    assert Fate.of(error) == Fate(StorageError, Outcome.COMPLETED, Money.YES, Phase.STORE)
    assert (error.errno, error.salvage) == (number, LONG)
    assert disk.left == {}


@posix
async def test_a_disk_that_gives_nothing_back_keeps_what_it_has(disk: Disk) -> None:
    """Where neither the next batch can be written nor the first one read, the file is what is left."""
    disk.fails_at, disk.gives_back = 2, False
    error = await lost(disk, [Send(DOCUMENT)])
    assert isinstance(error, StorageError)
    assert isinstance(error.salvage, Path)
    assert error.salvage.read_bytes()[: disk.sizes[0]] == LONG[: disk.sizes[0]]
    assert set(disk.left) == {error.salvage.name}


BROKEN = {
    "cut in the first batch": (1000, b""),
    "cut at its end": (ENOUGH_BYTES, b""),
    "cut behind it": (2 * ENOUGH_BYTES + 77_777, b""),
    "a foreign character": (ENOUGH_BYTES + 200_000, b"xx"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_what_came_of_a_broken_track_is_in_the_salvage(case: str, disk: Disk) -> None:
    """The batch that was not full is there as well, to the last byte."""
    came, fault = BROKEN[case]
    error = await lost(disk, [until(came), Send(fault)])
    assert Fate.of(error) == Fate(PayloadError, Outcome.DAMAGED, Money.YES, Phase.DECODE)
    assert error.salvage == disk.song.with_name("song.partial.mp3")
    assert disk.left == {"song.partial.mp3": LONG[:came]}
    assert threading.get_ident() not in disk.threads


async def test_of_a_broken_track_that_the_disk_refuses_everything_is_in_the_error(disk: Disk) -> None:
    """The last batch of what came has no place in the file: it is handed over with what the file had."""
    disk.fails_at = 2
    error = await lost(disk, [until(ENOUGH_BYTES + 200_000)])
    assert Fate.of(error) == Fate(PayloadError, Outcome.DAMAGED, Money.YES, Phase.DECODE)
    assert error.salvage == LONG[: ENOUGH_BYTES + 200_000]
    assert disk.left == {}


async def cancelled(disk: Disk, server: Loopback, notes: list[str], shelter_seconds: float) -> None:
    """Ask for a track, and keep what its cancellation says."""
    try:
        await into(disk, server, shelter_seconds)
    except anyio.get_cancelled_exc_class() as cancellation:
        notes += getattr(cancellation, "__notes__", ())
        raise


async def test_a_cancellation_waits_for_a_track_whose_disk_stalls(disk: Disk) -> None:
    """A track is kept although its call is cancelled while a batch of it is in a thread."""
    disk.stalls, notes = True, list[str]()
    with loopback([FIRST, REST]) as server:
        async with anyio.create_task_group() as group:
            group.start_soon(cancelled, disk, server, notes, 30.0)
            assert await anyio.to_thread.run_sync(disk.stalled.wait, 5)
            group.cancel_scope.cancel()
            disk.gate.set()
        assert server.wait_until_idle()
    assert notes == [f"aiml_music: the track was kept all the same, in {disk.song}."]
    assert disk.left == {"song.mp3": LONG}


async def test_the_shelter_ends_and_the_batch_in_the_thread_is_kept(disk: Disk) -> None:
    """A cancellation that waits no longer still waits for the thread, and then for another one that saves the rest."""
    disk.stalls, notes = True, list[str]()
    with loopback([FIRST, Hang()]) as server:
        async with anyio.create_task_group() as group:
            group.start_soon(cancelled, disk, server, notes, 0.0)
            assert await anyio.to_thread.run_sync(disk.stalled.wait, 5)
            group.cancel_scope.cancel()
            disk.gate.set()
        assert server.wait_until_idle()
    assert f"aiml_music: what had come of the track is in {disk.song.with_name('song.partial.mp3')}." in notes
    assert disk.left == {"song.partial.mp3": LONG[:ENOUGH_BYTES]}
    assert threading.get_ident() not in disk.threads


@asynccontextmanager
async def all_threads_busy() -> AsyncIterator[threading.Event]:
    """Keep every thread for files at work, until the event is set or the block ends."""
    gate = threading.Event()
    async with anyio.create_task_group() as group:
        for _ in range(THREADS):
            group.start_soon(on_disk, lambda: gate.wait(20))
        await until_limiter(borrowed=THREADS, waiting=0)
        try:
            yield gate
        finally:
            gate.set()


async def until_limiter(*, borrowed: int, waiting: int) -> None:
    """Wait until so many threads for files are at work, and so many tasks wait for one."""
    with anyio.fail_after(10):
        while True:
            seen = _limiter().statistics()
            if (seen.borrowed_tokens, seen.tasks_waiting) == (borrowed, waiting):
                return
            await anyio.lowlevel.checkpoint()


async def test_a_batch_that_waits_for_a_thread_is_kept_off_the_loop(disk: Disk) -> None:
    """Where all threads are busy when the shelter ends, nothing is written by the loop: the cancellation waits."""
    notes: list[str] = []
    with loopback([FIRST, Hang()]) as server:
        async with all_threads_busy() as gate, anyio.create_task_group() as group:
            group.start_soon(cancelled, disk, server, notes, 0.0)
            await until_limiter(borrowed=THREADS, waiting=1)
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                for _ in range(100):
                    await anyio.lowlevel.checkpoint()
                assert disk.sizes == []
                gate.set()
        assert server.wait_until_idle()
    assert disk.left == {"song.partial.mp3": LONG[:ENOUGH_BYTES]}
    assert threading.get_ident() not in disk.threads


async def test_what_may_wait_for_nothing_is_saved_where_it_stands(disk: Disk) -> None:
    """A coroutine that is thrown away, and not cancelled, cannot wait for a thread."""
    async with client_of(Loopback([], free_port())) as client:
        delivery = Delivery(await call_of(client), disk.sink(), audio_format="mp3", shelter_seconds=0.0, slow_disk=True)
    delivery._gathered.add(TRACK)
    with pytest.raises(StopIteration):
        delivery._rescue(GeneratorExit()).send(None)
    assert disk.left == {"song.partial.mp3": TRACK}


async def test_the_option_reaches_the_disk(disk: Disk) -> None:
    """A client that was told of a slow disk writes nothing while there is no thread to do it."""
    begun, ready = threading.Event(), threading.Event()
    with loopback([Signal(begun), Await(ready), Send(DOCUMENT)]) as server:
        async with client_of(server, slow_disk=True) as client, anyio.create_task_group() as group:
            group.start_soon(lambda: generate(client, to=disk.song))
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            async with all_threads_busy() as gate:
                ready.set()
                await until_limiter(borrowed=THREADS, waiting=1)
                assert not any(content.strip(b"\0") for content in disk.left.values())
                gate.set()
    assert disk.left == {"song.mp3": LONG}


async def test_a_view_has_the_option_and_memory_needs_none(disk: Disk) -> None:
    """A view of a client writes as the client does; a track in memory has no disk to wait for."""
    with loopback([Send(DOCUMENT)], [Send(DOCUMENT)]) as server:
        async with client_of(server, slow_disk=True) as client:
            view: AsyncMusicClient = client.with_options(timeout=60)
            assert view._options.slow_disk
            assert (await generate(view, to=disk.song)).path == disk.song
            async with all_threads_busy():
                assert (await generate(client)).content == LONG
    assert disk.left == {"song.mp3": LONG}


async def test_a_track_of_another_kind_is_kept_unverified(disk: Disk) -> None:
    """What the threads wrote and looked at is judged like any other track."""
    with loopback([answer(generated(b"\x47" * 3000))]) as server:
        async with client_of(server, slow_disk=True) as client:
            error = await failure(client, to=disk.song)
    assert Fate.of(error) == Fate(PayloadError, Outcome.DAMAGED, Money.YES, Phase.DECODE)
    assert disk.left == {"song.unverified.mp3": b"\x47" * 3000}


async def cancel_all(kept: set[asyncio.Task[Any]]) -> None:
    """Cancel every task but these as the end of an event loop does, and give them turns."""
    for task in asyncio.all_tasks() - kept:
        task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.asyncio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancelled_asyncio_task_keeps_its_track(disk: Disk) -> None:
    """`Task.cancel` waits for the disk like any other cancellation, and leaves the task cancelled."""
    disk.stalls = True
    with loopback([FIRST, REST]) as server:
        task = asyncio.create_task(into(disk, server))
        assert await asyncio.to_thread(disk.stalled.wait, 5)
        task.cancel()
        await asyncio.sleep(0)
        disk.gate.set()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    assert task.cancelled()
    assert caught.value.__notes__ == [f"aiml_music: the track was kept all the same, in {disk.song}."]
    assert disk.left == {"song.mp3": LONG}


@pytest.mark.asyncio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_end_of_a_loop_waits_for_the_thread_that_writes(disk: Disk) -> None:
    """A batch in a thread goes on although nobody awaits it: it is saved once, and the loop has turns meanwhile."""
    disk.stalls, others = True, asyncio.all_tasks()
    with loopback([FIRST, Hang()]) as server:
        task = asyncio.create_task(into(disk, server))
        assert await asyncio.to_thread(disk.stalled.wait, 5)
        await cancel_all(others)
        assert not task.done()
        disk.gate.set()
        await asyncio.wait([task])
        assert server.wait_until_idle()
    assert task.cancelled()
    assert disk.left == {"song.partial.mp3": LONG[:ENOUGH_BYTES]}


@pytest.mark.asyncio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("cancellations", [1, 2])
@pytest.mark.parametrize("fails_at", [0, 2])
async def test_the_end_of_a_loop_keeps_a_batch_that_no_thread_has(
    cancellations: int, fails_at: int, disk: Disk
) -> None:
    """Cancelled once, it waits for a thread that saves it; twice, it is saved at once, as far as the disk takes it."""
    disk.stalls, disk.fails_at, ready = True, fails_at, threading.Event()
    others, second = asyncio.all_tasks(), Send(DOCUMENT[len(FIRST.data) : len(until(2 * ENOUGH_BYTES).data)])
    with loopback([FIRST, Await(ready), second, Hang()]) as server:
        task = asyncio.create_task(into(disk, server))
        assert await asyncio.to_thread(disk.stalled.wait, 5)
        disk.gate.set()
        await until_limiter(borrowed=0, waiting=0)
        of_the_call = asyncio.all_tasks() - others
        async with all_threads_busy() as gate:
            ready.set()
            await until_limiter(borrowed=THREADS, waiting=1)
            for _ in range(cancellations):
                assert not task.done()
                await cancel_all(asyncio.all_tasks() - of_the_call)
            assert task.done() == (cancellations == 2)
            assert len(disk.sizes) == cancellations
            gate.set()
            await asyncio.wait([task])
        assert server.wait_until_idle()
    assert task.cancelled()
    assert disk.left == {"song.partial.mp3": LONG[: ENOUGH_BYTES if fails_at else 2 * ENOUGH_BYTES]}


# A task that is cancelled before its first step never begins its coroutine, and Python says so.
@pytest.mark.filterwarnings("ignore:coroutine '_Shelter.run' was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. .coroutine object _Shelter.run:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.asyncio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("turns", range(0, 60, 10))
async def test_the_end_of_an_event_loop_loses_no_track(turns: int, disk: Disk) -> None:
    """Whenever every task of a loop is cancelled, what came is in a file that has its own name or says what it is."""
    begun, others = threading.Event(), asyncio.all_tasks()
    with loopback([Signal(begun), answer(generated(TRACK))]) as server:
        async with client_of(server, slow_disk=True) as client:
            task = asyncio.create_task(generate(client, to=disk.song))
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            for _ in range(turns):
                await asyncio.sleep(0)
            await cancel_all(others)
            await asyncio.wait([task])
        assert server.wait_until_idle()
    assert set(disk.left) <= {"song.mp3", "song.partial.mp3", "song.unverified.mp3"}
    assert all(TRACK.startswith(content) for content in disk.left.values())
    if not task.cancelled():
        assert task.exception() is None
        assert disk.left == {"song.mp3": TRACK}
