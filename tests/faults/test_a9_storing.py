"""Rows 128 to 137: a track that is paid for survives the disk it was meant for."""

import asyncio
import errno
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from aiml_music import (
    AsyncMusicClient,
    Money,
    Outcome,
    OutputExistsError,
    PayloadError,
    Phase,
    StorageError,
    Track,
)
from aiml_music._calls.delivery import Delivery
from aiml_music._calls.plans import checked_order, generate_plan
from aiml_music._io.publishing import FileSystem
from aiml_music._io.sinks import FileSink, write_file
from aiml_music._sansio.options import UNSET
from tests._io.system import failing, limited, posix
from tests._sansio.audio_files import cbr
from tests.answers import VOICE_ID, answer, generated
from tests.calls import MADE, TRACK, Fate, assert_traced, client_of, failure, generate
from tests.canary import assert_keyless
from tests.faults.test_a2_preparation import names, on_a_small_disk
from tests.loopback import Await, Script, Send, Signal, loopback

# ruff: noqa: ASYNC240 - a test may wait for its own disk

pytestmark = pytest.mark.anyio

UNSTORED = Fate(StorageError, Outcome.COMPLETED, Money.YES, Phase.STORE)
DOCUMENT = MADE.data
CUT = DOCUMENT.index(TRACK.hex().encode()) + 2000
FIRST, REST = Send(DOCUMENT[:CUT]), Send(DOCUMENT[CUT:])
# More than the room that is reserved for a minute of the best quality.
LONG = cbr(9600)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A file that is to be made."""
    return tmp_path / "song.mp3"


async def into(client: AsyncMusicClient, sink: FileSink) -> Track:
    """Generate into a file of a disk of one's own."""
    asked = checked_order("la", None, VOICE_ID, None, "music-01", None, "off", None)
    plan = await generate_plan(client._options, asked, UNSET, None)
    async with client._session.call(plan) as call:
        await call.open()
        return await Delivery(call, sink, audio_format="mp3", shelter_seconds=5.0).track()


async def made_on(system: FileSystem, song: Path) -> Track:
    """Make a track on a disk that behaves as told, and see that it is paid once."""
    sink = FileSink.reserve(song, expected_bytes=100_000, token="t", system=system)
    try:
        with loopback([MADE]) as server:
            async with client_of(server) as client:
                return await into(client, sink)
    finally:
        sink.discard()
        assert len(server.requests) == 1


async def lost_on(system: FileSystem, song: Path) -> StorageError:
    """Make a track that cannot be stored, and return the error that has it."""
    with pytest.raises(StorageError) as caught:
        await made_on(system, song)
    assert_keyless(caught.value)
    assert_traced(caught.value)
    return caught.value


@asynccontextmanager
async def errors_during(
    song: Path, *, before: Script = (), then: Script = (MADE,)
) -> AsyncIterator[list[StorageError]]:
    """Do something to the disk while a track is made, and collect the error that it leads to."""
    begun, gate = threading.Event(), threading.Event()
    errors: list[StorageError] = []

    async def call(client: AsyncMusicClient) -> None:
        error = await failure(client, to=song)
        assert isinstance(error, StorageError)
        errors.append(error)

    with loopback([*before, Signal(begun), Await(gate), *then]) as server:
        async with client_of(server) as client, anyio.create_task_group() as group:
            group.start_soon(call, client)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            await anyio.wait_all_tasks_blocked()
            yield errors
            gate.set()
        assert server.wait_until_idle()
        assert len(server.requests) == 1
    assert_traced(errors[0])


@pytest.mark.row("128")
@posix
async def test_a_disk_that_fills_up_in_mid_track_hands_the_whole_track_over(song: Path) -> None:
    """What the disk took and what it refused is one track, inside the error; nothing is left half."""
    with ExitStack() as full:
        async with errors_during(song, before=[FIRST], then=[REST]) as errors:
            full.enter_context(limited("RLIMIT_FSIZE", 1000))
    assert Fate.of(errors[0]) == UNSTORED
    assert (errors[0].errno, errors[0].salvage) == (errno.EFBIG, TRACK)
    assert names(song.parent) == set()


@pytest.mark.row("128")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_track_that_outgrows_its_disk_is_saved_on_another(tmp_path: Path, temporary_files: Path) -> None:
    """A real disk that is full in spite of the reservation costs the command its exit code, not the track."""
    with loopback([answer(generated(LONG))]) as server:
        code, error = await anyio.to_thread.run_sync(lambda: on_a_small_disk(tmp_path, server.url, megabytes=3))
    assert (error["type"], error["money"], error["phase"]) == ("StorageError", "yes", "store")
    assert code != 0
    assert "No space left" in error["message"]
    assert len(server.requests) == 1
    saved = Path(error["salvage"])
    assert saved.parent == temporary_files
    assert saved.read_bytes() == LONG
    saved.unlink()


@pytest.mark.row("129")
async def test_a_file_is_never_synced_again_after_it_failed(song: Path) -> None:
    """It may report success for pages it lost: the bytes leave inside the error, and fit into a new file."""
    synced: list[int] = []

    def fail(descriptor: int) -> None:
        synced.append(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    error = await lost_on(FileSystem(fsync=fail), song)
    assert Fate.of(error) == UNSTORED
    assert (error.errno, error.salvage, len(synced)) == (errno.EIO, TRACK, 1)
    assert names(song.parent) == set()
    assert isinstance(error.salvage, bytes)
    assert write_file(error.salvage, song, overwrite=False).read_bytes() == TRACK


@pytest.mark.row("130")
async def test_a_name_that_cannot_be_given_leaves_the_part_file(song: Path) -> None:
    """With neither a link nor a rename, the whole track stays where it is, and the error says where."""
    system = FileSystem(link=failing(errno.EPERM), replace=failing(errno.EACCES))
    error = await lost_on(system, song)
    assert Fate.of(error) == UNSTORED
    assert error.salvage == song.with_name(".song.mp3.t.part")
    assert isinstance(error.salvage, Path)
    assert error.salvage.read_bytes() == TRACK
    assert str(error.salvage) in str(error)
    assert names(song.parent) == {error.salvage.name}


@pytest.mark.row("130")
@posix
async def test_a_directory_that_is_closed_meanwhile_keeps_the_part_file(own_directory: Path) -> None:
    """Where a real directory takes no more names, the track is in the file that was made before."""
    song = own_directory / "song.mp3"
    async with errors_during(song) as errors:
        own_directory.chmod(0o500)
    assert Fate.of(errors[0]) == UNSTORED
    kept = errors[0].salvage
    assert isinstance(kept, Path)
    assert kept.read_bytes() == TRACK
    assert {kept.name} == names(own_directory)
    assert kept.name.startswith(".song.mp3.")


@pytest.mark.row("130")
async def test_a_name_that_is_taken_meanwhile_stays_taken(song: Path) -> None:
    """The track goes under a name beside it."""
    async with errors_during(song) as errors:
        song.write_bytes(b"theirs")
    assert Fate.of(errors[0]) == Fate(OutputExistsError, Outcome.COMPLETED, Money.YES, Phase.STORE)
    contents = {path.name: path.read_bytes() for path in song.parent.iterdir()}
    assert contents == {"song.mp3": b"theirs", "song.kept.mp3": TRACK}


@pytest.mark.row("130")
@posix
async def test_a_track_outlives_its_directory(song: Path) -> None:
    """Somebody removed the directory with the part file in it: the open file still gives the bytes back."""
    place = song.parent / "place"
    place.mkdir()
    async with errors_during(place / song.name) as errors:
        shutil.rmtree(place)
    assert Fate.of(errors[0]) == UNSTORED
    assert (errors[0].errno, errors[0].salvage) == (errno.ENOENT, TRACK)
    assert not place.exists()


@pytest.mark.row("131")
@posix
async def test_the_file_is_durable_before_its_name_and_the_name_before_the_call_ends(song: Path) -> None:
    """File, name, directory: in this order, so that no loss of power leaves a name without its track."""
    done: list[str] = []

    def fsync(descriptor: int) -> None:
        done.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)  # noqa: PTH115 - a descriptor's target
        os.fsync(descriptor)

    def link(part: Path, target: Path) -> None:
        done.append(f"{part.name} is {target.name}")
        os.link(part, target)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this platform does not say where descriptors lead")
    await made_on(FileSystem(fsync=fsync, link=link), song)
    assert done == [".song.mp3.t.part", ".song.mp3.t.part is song.mp3", song.parent.name]
    assert names(song.parent) == {"song.mp3"}


@pytest.mark.row("131")
async def test_a_directory_that_cannot_be_synced_is_told_and_the_track_is_there(song: Path) -> None:
    """The name may not survive a loss of power, and the error says where the track is until then."""
    calls: list[int] = []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    error = await lost_on(FileSystem(fsync=fsync), song)
    assert Fate.of(error) == UNSTORED
    assert error.salvage == song
    assert song.read_bytes() == TRACK
    assert names(song.parent) == {"song.mp3"}


@pytest.mark.row("132")
@pytest.mark.parametrize("most", [1, 7, 4096])
async def test_a_disk_that_takes_a_little_at_a_time_gets_everything(most: int, song: Path) -> None:
    """A short write is carried on, not taken for an end."""
    system = FileSystem(write=lambda descriptor, data: os.write(descriptor, data[:most]))
    track = await made_on(system, song)
    assert track.size_bytes == len(TRACK)
    assert song.read_bytes() == TRACK


@pytest.mark.row("137")
@pytest.mark.parametrize("ending", ["whole", "cut"])
async def test_a_cancelled_call_keeps_the_track_that_is_coming(ending: str, song: Path) -> None:
    """The cancellation waits until the track is safe, comes through, and says in its note where the track is."""
    begun, gate = threading.Event(), threading.Event()
    ended: list[BaseException] = []

    async def call(client: AsyncMusicClient) -> None:
        try:
            await generate(client, to=song)
        except BaseException as error:
            ended.append(error)
            raise

    rest = [REST] if ending == "whole" else []
    with loopback([FIRST, Signal(begun), Await(gate), *rest]) as server:
        async with client_of(server) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(call, client)
                assert await anyio.to_thread.run_sync(begun.wait, 5)
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
                gate.set()
            assert type(ended[0]) is anyio.get_cancelled_exc_class()
        assert server.wait_until_idle()
    kept, content = (song, TRACK) if ending == "whole" else (song.with_name("song.partial.mp3"), TRACK[:1000])
    assert str(kept) in " ".join(ended[0].__notes__)
    assert names(song.parent) == {kept.name}
    assert kept.read_bytes() == content


def natively(task: asyncio.Task[Track]) -> None:
    task.cancel()


def twice(task: asyncio.Task[Track]) -> None:
    task.cancel()
    task.get_loop().call_soon(task.cancel)


@pytest.mark.row("137")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("cancel", [natively, twice])
async def test_a_cancelled_task_of_asyncio_leaves_the_track_or_what_came_of_it(
    cancel: Callable[[asyncio.Task[Track]], None], song: Path
) -> None:
    """However often a task is cancelled while its track is stored, the task ends cancelled and no file is hidden."""
    begun, gate = threading.Event(), threading.Event()
    with loopback([FIRST, Signal(begun), Await(gate), REST]) as server:
        async with client_of(server) as client:
            task = asyncio.create_task(generate(client, to=song))
            assert await asyncio.to_thread(begun.wait, 5)
            await anyio.wait_all_tasks_blocked()
            cancel(task)
            await asyncio.sleep(0)
            gate.set()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert server.wait_until_idle()
    assert len(server.requests) == 1
    left = {path.name: path.read_bytes() for path in song.parent.iterdir()}
    assert left in ({"song.mp3": TRACK}, {"song.partial.mp3": TRACK[:1000]})


@pytest.mark.row("128")
async def test_what_is_left_of_a_damaged_track_has_a_name_that_says_so(song: Path) -> None:
    """No name of a whole track stands for half of one."""
    with loopback([FIRST]) as server:
        async with client_of(server) as client:
            error = await failure(client, to=song)
    assert Fate.of(error) == Fate(PayloadError, Outcome.DAMAGED, Money.YES, Phase.DECODE)
    assert error.salvage == song.with_name("song.partial.mp3")
    assert names(song.parent) == {"song.partial.mp3"}
