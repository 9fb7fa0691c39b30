"""The way of a paid track: checked, flagged, kept under its name, or saved under another one."""

# ruff: noqa: ASYNC240 - a test may wait for its own disk

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import anyio
import pytest

from aiml_music import (
    AsyncMusicClient,
    Flag,
    Money,
    NotSentError,
    Outcome,
    OutputExistsError,
    PayloadError,
    Phase,
    StorageError,
    Timeouts,
    Track,
)
from aiml_music._calls.delivery import Delivery, Target, deliver
from aiml_music._calls.plans import checked_order, generate_plan
from aiml_music._io.publishing import FileSystem
from aiml_music._io.sinks import FileSink
from aiml_music._sansio.options import UNSET
from tests._io.system import limited, posix
from tests._sansio.audio_files import wav
from tests.answers import VOICE_ID, answer, generated, head
from tests.calls import MADE, TRACK, TRACK_SECONDS, Fate, assert_traced, client_of, failure, generate
from tests.canary import assert_keyless
from tests.loopback import Await, Hang, Loopback, Reset, Script, Send, Signal, free_port, loopback

pytestmark = pytest.mark.anyio

DOCUMENT = answer(generated(TRACK)).data
# The answer in two parts: a thousand bytes of audio, and the rest.
CUT = DOCUMENT.index(TRACK.hex().encode()) + 2000
FIRST, REST = Send(DOCUMENT[:CUT]), Send(DOCUMENT[CUT:])

WAV = wav(bytes(4000))

DAMAGED = Fate(PayloadError, Outcome.DAMAGED, Money.YES, Phase.DECODE)
UNSTORED = Fate(StorageError, Outcome.COMPLETED, Money.YES, Phase.STORE)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A file that is to be made."""
    return tmp_path / "song.mp3"


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def test_a_track_goes_into_its_file(song: Path) -> None:
    """The file holds the track and nothing else is left beside it."""
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            track = await generate(client, to=song)
    assert (track.path, track.content, track.size_bytes) == (song, None, len(TRACK))
    assert song.read_bytes() == TRACK
    assert names(song.parent) == {"song.mp3"}
    assert track.duration == pytest.approx(TRACK_SECONDS)
    assert track.flags == ()
    assert track.receipt is not None
    assert (track.receipt.outcome, track.receipt.money) == (Outcome.COMPLETED, Money.YES)


async def test_a_track_in_memory_can_be_written_and_a_file_copied(song: Path) -> None:
    """Whatever way a track was kept, it writes itself to another file."""
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            in_memory, in_file = await generate(client), await generate(client, to=song)
    for number, track in enumerate((in_memory, in_file)):
        copy = track.write_to_file(song.with_name(f"copy-{number}.mp3"))
        assert copy.read_bytes() == TRACK


SALVAGED: dict[str, tuple[Script, bytes | None]] = {
    "cut amid the digits": ([FIRST], TRACK[:1000]),
    "an odd digit too many": ([answer(DOCUMENT.split(b"\r\n\r\n")[1].replace(b'"}', b'0"}', 1))], TRACK),
    "a foreign character": ([FIRST, Send(b"xx"), REST], TRACK[:1000]),
    "nothing of it": ([answer(generated(""))], None),
    "a reset before it": ([Send(DOCUMENT[:100]), Reset()], None),
}


@pytest.mark.parametrize("case", SALVAGED)
async def test_what_came_of_a_broken_track_is_kept_beside_the_target(case: str, song: Path) -> None:
    """The decoded beginning stays as `song.partial.mp3`, and the name of the whole track stays free."""
    script, kept = SALVAGED[case]
    with loopback(script) as server:
        async with client_of(server) as client:
            error = await failure(client, to=song)
    partial = song.with_name("song.partial.mp3")
    if kept is None:
        assert names(song.parent) == set()
        assert error.salvage is None
    else:
        assert Fate.of(error) == DAMAGED
        assert names(song.parent) == {"song.partial.mp3"}
        assert error.salvage == partial
        assert partial.read_bytes() == kept
    assert_traced(error)


@pytest.mark.parametrize(
    ("audio", "words"),
    [(WAV, "the audio is wav, not mp3"), (b"\x47" * 3000, "the audio is not mp3: ")],
)
async def test_another_container_is_kept_unverified(audio: bytes, words: str, song: Path) -> None:
    """What is not the format asked for never gets the name, and is not thrown away."""
    with loopback([answer(generated(audio))]) as server:
        async with client_of(server) as client:
            on_disk = await failure(client, to=song)
            in_memory = await failure(client)
    assert Fate.of(on_disk) == Fate.of(in_memory) == DAMAGED
    unverified = song.with_name("song.unverified.mp3")
    assert (on_disk.salvage, in_memory.salvage) == (unverified, audio)
    assert unverified.read_bytes() == audio
    assert names(song.parent) == {"song.unverified.mp3"}
    assert words in str(on_disk)


FLAGGED: dict[str, tuple[dict[str, Any], bytes, dict[str, Any], set[Flag]]] = {
    "zeros": ({"extra_info": {"audio_length": 0, "music_size": 0}}, TRACK, {}, set()),
    "all wrong": (
        {"extra_info": {"audio_length": 9000, "audio_size": 1, "audio_bitrate": 8000, "audio_sample_rate": 16_000}},
        TRACK,
        {},
        {Flag.DURATION_DIFFERS, Flag.SIZE_DIFFERS, Flag.BITRATE_DIFFERS, Flag.SAMPLE_RATE_DIFFERS},
    ),
    "no facts": ({"extra_info": None}, TRACK, {}, set()),
    "unfinished": ({"data": {"status": 1, "audio": TRACK.hex()}}, TRACK, {}, {Flag.IN_PROGRESS}),
    "cut in a frame": ({}, TRACK[:-200], {}, {Flag.TRUNCATED}),
    "pcm": ({}, b"\x01\x02" * 500, {"format": "pcm"}, set()),
    "odd pcm": ({}, b"\x01\x02" * 500 + b"\x03", {"format": "pcm"}, {Flag.ENDS_ODD}),
    "wav": ({}, WAV, {"format": "wav"}, set()),
}


@pytest.mark.parametrize("case", FLAGGED)
async def test_what_looks_wrong_is_flagged_and_the_track_kept(case: str, tmp_path: Path) -> None:
    """A disagreement between what was said and what came is told, and never destroys a paid file."""
    changes, audio, setting, flags = FLAGGED[case]
    target = tmp_path / f"song.{setting.get('format', 'mp3')}"
    with loopback([answer(generated(audio, **changes))]) as server:
        async with client_of(server) as client:
            track = await generate(client, to=target, audio_setting=setting or None)
            assert (await generate(client, audio_setting=setting or None)).content == audio
    assert set(track.flags) == flags
    assert target.read_bytes() == audio
    assert names(tmp_path) == {target.name}


async def test_a_file_that_exists_is_refused_before_money(song: Path) -> None:
    """Nothing is connected for a target that is taken, and it stays as it was."""
    song.write_bytes(b"mine")
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            error = await failure(client, to=song)
            assert isinstance(error, FileExistsError)
            assert Fate.of(error) == Fate(OutputExistsError, Outcome.NOT_SENT, Money.NO, Phase.PREPARE, attempts=0)
            assert (server.connections, song.read_bytes(), names(song.parent)) == (0, b"mine", {"song.mp3"})
            track = await generate(client, to=song, overwrite=True)
    assert track.path == song
    assert song.read_bytes() == TRACK


async def test_a_directory_that_is_missing_is_refused_before_money(song: Path) -> None:
    """No place for the file, no request."""
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            error = await failure(client, to=song.parent / "missing" / "song.mp3")
    assert Fate.of(error) == Fate(StorageError, Outcome.NOT_SENT, Money.NO, Phase.PREPARE, attempts=0)
    assert isinstance(error, StorageError)
    assert error.errno == errno.ENOENT
    assert server.connections == 0
    assert_traced(error)


async def test_a_file_is_reserved_with_the_place_in_the_queue(song: Path) -> None:
    """However many calls wait, only those under way hold a file."""
    begun, gate = threading.Event(), threading.Event()
    with loopback([Signal(begun), Await(gate), MADE], [MADE]) as server:
        async with client_of(server, max_concurrency=1) as client, anyio.create_task_group() as group:
            for name in ("a.mp3", "b.mp3", "c.mp3"):
                group.start_soon(lambda to: generate(client, to=to), song.with_name(name))
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            await anyio.wait_all_tasks_blocked()
            assert len(names(song.parent)) == 1
            gate.set()
    assert names(song.parent) == {"a.mp3", "b.mp3", "c.mp3"}


async def test_nothing_is_left_of_a_call_that_failed_before_money(song: Path) -> None:
    """The place that was made for a track goes with the hope for it."""
    async with client_of(Loopback([], free_port()), max_retries=0) as client:
        error = await failure(client, to=song)
    assert isinstance(error, NotSentError)
    assert names(song.parent) == set()


async def during(script: Script, client_options: dict[str, Any], song: Path, act: Callable[[], object]) -> StorageError:
    """Do something while a track comes in, and return the error that it leads to."""
    begun, gate = threading.Event(), threading.Event()
    errors: list[Any] = []

    async def call() -> None:
        with loopback([Signal(begun), Await(gate), *script]) as server:
            async with client_of(server, **client_options) as client:
                errors.append(await failure(client, to=song))

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        assert await anyio.to_thread.run_sync(begun.wait, 5)
        act()
        gate.set()
    assert isinstance(errors[0], StorageError)
    return errors[0]


async def test_a_late_racer_is_not_overwritten(song: Path) -> None:
    """Whoever took the name meanwhile keeps it; the paid track is in a file that the error names."""
    error = await during([MADE], {}, song, lambda: song.write_bytes(b"theirs"))
    assert Fate.of(error) == Fate(OutputExistsError, Outcome.COMPLETED, Money.YES, Phase.STORE)
    assert song.read_bytes() == b"theirs"
    assert error.salvage == song.with_name("song.kept.mp3")
    assert error.salvage.read_bytes() == TRACK
    assert names(song.parent) == {"song.mp3", "song.kept.mp3"}
    assert error.hint == f"The track is in {error.salvage}."
    assert_traced(error)


@posix
async def test_a_disk_that_fails_midway_hands_the_whole_track_over(song: Path) -> None:
    """What the disk had and what came after it is one track, inside the error."""
    limits: list[Any] = []

    def fill_up() -> None:
        limits.append(limited("RLIMIT_FSIZE", 1000))
        limits[0].__enter__()

    try:
        error = await during([FIRST, REST], {}, song, fill_up)
    finally:
        limits[0].__exit__(None, None, None)
    assert Fate.of(error) == UNSTORED
    assert error.salvage == TRACK
    assert error.errno == errno.EFBIG
    assert names(song.parent) == set()
    assert error.client_request_id
    assert_traced(error)


async def into(client: AsyncMusicClient, sink: FileSink) -> Track:
    """Generate into a sink of one's own."""
    asked = checked_order("la", None, "vocal-1", None, "music-01", None, "off", None)
    plan = await generate_plan(client._options, asked, None, None)
    async with client._session.call(plan) as call:
        await call.open()
        return await Delivery(call, sink, audio_format="mp3", shelter_seconds=30.0).track()


def unreadable(descriptor: int) -> NoReturn:
    """Fail like a disk that is gone: from now on it gives nothing back."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
    raise OSError(errno.EIO, os.strerror(errno.EIO))


async def test_a_sync_that_fails_hands_the_whole_track_over(song: Path) -> None:
    """After a failed fsync a file is not to be trusted: its bytes leave inside the error."""

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    error = await undelivered(song, FileSystem(fsync=fail), [MADE])
    assert Fate.of(error) == UNSTORED
    assert (error.salvage, error.errno) == (TRACK, errno.EIO)
    assert names(song.parent) == set()


@posix
@pytest.mark.parametrize("moment", ["write", "sync"])
async def test_a_disk_that_gives_nothing_back_keeps_what_it_has(moment: str, song: Path) -> None:
    """Where neither the rest can be written nor the beginning read, the file is what is left."""
    written = threading.Event()

    def write(descriptor: int, data: memoryview) -> int:
        if written.is_set():
            unreadable(descriptor)
        count = os.write(descriptor, data)
        written.set()
        return count

    system = FileSystem(write=write) if moment == "write" else FileSystem(fsync=unreadable)
    script: Script = [FIRST, Await(written), REST] if moment == "write" else [MADE]
    error = await undelivered(song, system, script)
    assert (error.money, error.phase) == (Money.YES, Phase.STORE)
    assert isinstance(error.salvage, Path)
    assert error.salvage.read_bytes().rstrip(b"\0") == (TRACK[:1000] if moment == "write" else TRACK).rstrip(b"\0")
    assert names(song.parent) == {error.salvage.name}


async def undelivered(song: Path, system: FileSystem, script: Script) -> StorageError:
    """Generate into a file of a disk that fails, and return the error."""
    sink = FileSink.reserve(song, expected_bytes=100_000, token="t", system=system)
    with loopback(script) as server:
        async with client_of(server) as client:
            with pytest.raises(StorageError) as caught:
                await into(client, sink)
    sink.discard()
    assert_keyless(caught.value)
    assert_traced(caught.value)
    return caught.value


@pytest.mark.parametrize("ending", ["whole", "cut"])
async def test_a_cancellation_waits_for_a_track_that_is_coming_in(ending: str, song: Path) -> None:
    """A track with a file to go to is kept although the call is cancelled; the cancellation says where it is."""
    notes: list[str] = []
    begun, gate = threading.Event(), threading.Event()

    async def call(server: Loopback) -> None:
        async with client_of(server) as client:
            try:
                await generate(client, to=song)
            except anyio.get_cancelled_exc_class() as cancelled:
                notes.extend(getattr(cancelled, "__notes__", ()))
                raise

    with loopback([FIRST, Signal(begun), Await(gate), *([REST] if ending == "whole" else [])]) as server:
        async with anyio.create_task_group() as group:
            group.start_soon(call, server)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            gate.set()
        assert server.wait_until_idle()
    if ending == "whole":
        assert notes == [f"aiml_music: the track was kept all the same, in {song}."]
        assert song.read_bytes() == TRACK
        assert names(song.parent) == {"song.mp3"}
    else:
        partial = song.with_name("song.partial.mp3")
        assert len(notes) == 1
        assert "after 1,000 bytes of audio" in notes[0]
        assert notes[0].endswith(f"What came is in {partial}.")
        assert partial.read_bytes() == TRACK[:1000]


async def sheltered(server: Loopback, song: Path, seconds: float) -> None:
    """Ask for a track whose cancellation may wait for so long."""
    async with client_of(server, timeout=Timeouts(total=None, idle=None)) as client:
        order = checked_order("la", None, VOICE_ID, None, "music-01", None, "off", None)
        plan = await generate_plan(client._options, order, UNSET, None)
        target = Target(path=song, overwrite=False, room_bytes=10_000)
        async with client._session.call(plan) as call:
            await deliver(call, target, audio_format="mp3", shelter_seconds=seconds)


async def test_the_shelter_ends_though_the_track_does_not(song: Path) -> None:
    """A track that never ends holds a cancellation up for the time that was set, counted from the cancellation."""
    notes: list[str] = []
    begun = threading.Event()

    async def call(server: Loopback) -> None:
        try:
            await sheltered(server, song, 0.1)
        except anyio.get_cancelled_exc_class() as cancelled:
            notes.extend(cancelled.__notes__)
            raise

    with loopback([FIRST, Signal(begun), Hang()]) as server:
        async with anyio.create_task_group() as group:
            group.start_soon(call, server)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        # The client ended it: the server would have gone on listening.
        assert server.wait_until_idle()
    partial = song.with_name("song.partial.mp3")
    assert partial.read_bytes() == TRACK[:1000]
    assert any(str(partial) in note for note in notes)
    assert any("cancelled in phase read" in note for note in notes)
    assert names(song.parent) == {partial.name}


# A task that is cancelled before its first step never begins its coroutine, and Python says so.
@pytest.mark.filterwarnings("ignore:coroutine '_Shelter.run' was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. .coroutine object _Shelter.run:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.asyncio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("turns", range(0, 60, 3))
async def test_the_end_of_an_event_loop_loses_no_track(turns: int, song: Path) -> None:
    """Whenever every task of a loop is cancelled, what came is in a file that has its own name or says what it is."""
    begun = threading.Event()
    with loopback([Signal(begun), MADE]) as server:
        async with client_of(server) as client:
            task = asyncio.create_task(generate(client, to=song))
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            for _ in range(turns):
                await asyncio.sleep(0)
            for every in asyncio.all_tasks() - {asyncio.current_task()}:
                every.cancel()
            await asyncio.wait([task])
        assert server.wait_until_idle()
    left = {path.name: path.read_bytes() for path in song.parent.iterdir()}
    assert set(left) <= {"song.mp3", "song.partial.mp3", "song.unverified.mp3"}
    assert all(TRACK.startswith(content) for content in left.values())
    if not task.cancelled():
        assert task.exception() is None
        assert left == {"song.mp3": TRACK}


@pytest.mark.asyncio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("apart", range(1, 16, 2))
async def test_two_cancellations_leave_no_hidden_file(apart: int, song: Path) -> None:
    """A second `Task.cancel` while the first one is being obeyed changes nothing about what is left."""
    begun = threading.Event()
    with loopback([Signal(begun), Hang()]) as server:
        async with client_of(server) as client:
            task = asyncio.create_task(generate(client, to=song))
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            task.cancel()
            for _ in range(apart):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
        assert server.wait_until_idle()
    assert names(song.parent) == set()


async def test_one_name_is_for_one_call_at_a_time(song: Path) -> None:
    """Of two calls for one file, the second is refused before money, and may have the name afterwards."""
    begun, gate = threading.Event(), threading.Event()
    with loopback([Signal(begun), Await(gate), MADE]) as server:
        async with client_of(server) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: generate(client, to=song))
                assert await anyio.to_thread.run_sync(begun.wait, 5)
                error = await failure(client, to=song)
                gate.set()
            assert (type(error), error.money, len(server.requests)) == (OutputExistsError, Money.NO, 1)
            assert song.read_bytes() == TRACK
            song.unlink()
            assert (await generate(client, to=song)).path == song


async def test_a_cancellation_does_not_wait_for_a_track_in_memory() -> None:
    """Without a file nobody could get the track any more: the connection is closed at once."""
    begun = threading.Event()
    with loopback([FIRST, Signal(begun), Hang()]) as server:
        async with client_of(server) as client, anyio.create_task_group() as group:
            group.start_soon(generate, client)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        assert server.wait_until_idle()


@pytest.mark.asyncio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancelled_asyncio_task_keeps_its_track(song: Path) -> None:
    """`Task.cancel` waits like any other cancellation, says where the track is, and leaves the task cancelled."""
    begun, gate = threading.Event(), threading.Event()
    with loopback([FIRST, Signal(begun), Await(gate), REST]) as server:
        async with client_of(server) as client:
            task = asyncio.create_task(generate(client, to=song))
            assert await asyncio.to_thread(begun.wait, 5)
            for _ in range(20):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(0)
            gate.set()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
    assert task.cancelled()
    assert caught.value.__notes__ == [f"aiml_music: the track was kept all the same, in {song}."]
    assert song.read_bytes() == TRACK


def test_the_head_used_here_is_the_services() -> None:
    """The two parts make one answer."""
    assert FIRST.data.startswith(head()[:15])
    assert FIRST.data + REST.data == DOCUMENT
