"""What can be given to `upload`, and what is refused before money."""

import array
import asyncio
import errno
import gzip
import io
import os
import socket
import tempfile
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import IO, Any

import anyio
import pytest

from aiml_music._io.multipart import MultipartBody
from aiml_music._io.sources import SourceInput, open_source
from aiml_music._sansio.errors import InputError, StorageError
from aiml_music._sansio.outcome import Money, Outcome, Phase
from aiml_music._sansio.ports import Source
from tests._io.system import limited, open_files, posix

pytestmark = pytest.mark.anyio

# More than the spool keeps in memory, and no round number.
AUDIO = os.urandom(1_500_007)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A reference; no descriptor may be open at the end that was not at the start."""
    before = open_files()
    reference = tmp_path / "reference.mp3"
    reference.write_bytes(AUDIO)
    yield reference
    assert open_files() == before


def whole(source: Source) -> bytes:
    """Read a source twice, in two ways."""
    pieces = b"".join(source.read_at(offset, 400_000) for offset in range(0, source.size, 400_000))
    assert source.read_at(0, 10 * len(AUDIO)) == pieces
    assert source.read_at(source.size - 3, 1_000) == pieces[-3:]
    source.check_unchanged()
    return pieces


async def content(value: SourceInput) -> bytes:
    async with open_source(value) as source:
        return await anyio.to_thread.run_sync(whole, source)


async def refusal(value: Any, *, max_bytes: int | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        async with open_source(value, max_bytes=max_bytes):
            pytest.fail("it was accepted")
    error = caught.value
    assert (error.outcome, error.money) == (Outcome.NOT_SENT, Money.NO)
    return error


async def produce(*chunks: Any) -> AsyncGenerator[Any]:
    for chunk in chunks:
        await anyio.lowlevel.checkpoint()
        yield chunk


class Trickle(io.BytesIO):
    """A file object that answers with less than it was asked for."""

    def read(self, count: int | None = -1, /) -> bytes:
        return super().read(min(count or 0, 7))


def pipe_with(data: bytes) -> IO[bytes]:
    """Return the reading end of a pipe into which data flows."""
    receiving, sending = os.pipe()

    def feed() -> None:
        with open(sending, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(data)

    threading.Thread(target=feed).start()
    return open(receiving, "rb")  # noqa: PTH123 - as above; the caller closes it


@pytest.mark.parametrize("kind", [str, Path, os.fspath])
async def test_a_path_is_opened(path: Path, kind: Callable[[Path], Any]) -> None:
    """A path gives the bytes of the file."""
    assert await content(kind(path)) == AUDIO


@posix
async def test_a_link_is_followed(path: Path) -> None:
    """A link the caller made is the caller's choice."""
    link = path.with_name("link.mp3")
    link.symlink_to(path)
    assert await content(link) == AUDIO


@pytest.mark.parametrize(
    "value",
    [AUDIO, bytearray(AUDIO), memoryview(AUDIO), ("song.mp3", AUDIO), ("song.mp3", bytearray(AUDIO))],
    ids=["bytes", "bytearray", "memoryview", "named bytes", "named bytearray"],
)
async def test_bytes_are_taken_as_they_are(value: SourceInput) -> None:
    """Bytes of any kind, also with a name, are a reference."""
    assert await content(value) == AUDIO


async def test_a_view_of_other_items_is_counted_in_bytes() -> None:
    """The size of a memoryview is its bytes, not its items."""
    numbers = array.array("I", range(1_000))
    assert await content(memoryview(numbers)) == numbers.tobytes()


async def test_a_bytearray_is_free_again_afterwards() -> None:
    """Once the source is closed its bytes may grow and shrink again."""
    data = bytearray(AUDIO)
    async with open_source(data):
        with pytest.raises(BufferError):
            data.append(0)
    data.append(0)


async def test_a_view_with_gaps_is_refused() -> None:
    """Every other byte of something is no file."""
    assert "gaps" in str(await refusal(memoryview(AUDIO)[::2]))


async def test_a_released_view_is_refused() -> None:
    """A view of nothing any more is the caller's mistake, and told as such."""
    view = memoryview(AUDIO)
    view.release()
    assert "released" in str(await refusal(view))


async def test_a_file_object_is_read_from_where_it_is(path: Path) -> None:
    """What comes before the current position is not sent, and the position is the same afterwards."""
    with path.open("rb") as file:
        file.seek(1_000)
        for _ in range(2):
            assert await content(file) == AUDIO[1_000:]
            assert file.tell() == 1_000


async def test_file_objects_of_all_kinds_are_read(path: Path) -> None:
    """In memory, unbuffered, compressed, spooled, or slow to answer: whatever can seek is read in place."""
    compressed = path.with_name("reference.gz")
    compressed.write_bytes(gzip.compress(AUDIO, 1))
    with path.open("rb", buffering=0) as raw, path.open("rb+") as both, gzip.open(compressed, "rb") as unpacked:
        for file in (raw, both, unpacked, io.BytesIO(AUDIO)):
            assert await content(file) == AUDIO  # type: ignore[arg-type]  # the types of gzip promise too little
    assert await content(Trickle(AUDIO[:1_000])) == AUDIO[:1_000]


async def test_a_spooled_file_stays_in_memory() -> None:
    """A framework's upload is read without moving it to the disk."""
    before = open_files()
    with tempfile.SpooledTemporaryFile(2 * len(AUDIO)) as file:
        file.write(AUDIO)
        file.seek(0)
        async with open_source(file) as source:
            assert await anyio.to_thread.run_sync(whole, source) == AUDIO
            assert open_files() == before


async def test_a_file_closed_by_its_owner_is_no_error_at_the_end() -> None:
    """There is no position to go back to in a closed file; reading it is an error in plain words."""
    file = io.BytesIO(AUDIO)
    async with open_source(file) as source:
        file.close()
        with pytest.raises(InputError, match="cannot be read: I/O operation on closed file"):
            source.read_at(0, 10)


@pytest.mark.usefixtures("path")
@posix
async def test_a_pipe_is_read_to_its_end() -> None:
    """What cannot seek is read once, and can then be read again and again; the pipe stays open."""
    with pipe_with(AUDIO) as file:
        assert await content(file) == AUDIO
        assert not file.closed


@posix
async def test_a_silent_pipe_does_not_hold_up_a_cancellation() -> None:
    """A caller who gives up on a pipe that nobody writes to is free at once."""
    receiving, sending = os.pipe()
    with open(receiving, "rb", buffering=0) as file:  # noqa: PTH123, ASYNC230 - a descriptor has no path
        with anyio.move_on_after(0.02) as scope:
            async with open_source(file):
                pytest.fail("there was something to read")
        assert scope.cancelled_caught
        # The thread left behind gets its end of file.
        os.close(sending)


@posix
async def test_a_pipe_with_nothing_to_read_just_now_is_refused() -> None:
    """A descriptor that never waits cannot say where its end is."""
    receiving, sending = os.pipe()
    os.set_blocking(receiving, False)
    with open(receiving, "rb", buffering=0) as file:  # noqa: PTH123, ASYNC230 - a descriptor has no path
        assert "NoneType" in str(await refusal(file))
    os.close(sending)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("step", [1_000, 300_000, len(AUDIO)])
async def test_an_iterator_is_read_once_and_sent_as_often_as_needed(step: int) -> None:
    """Chunks of any size, empty ones too, come out as they went in, from memory or from disk."""
    chunks = [AUDIO[start : start + step] for start in range(0, len(AUDIO), step)]
    assert await content(produce(b"", *chunks, b"")) == AUDIO
    assert await content(produce(bytearray(b"ID3"), memoryview(b"123"))) == b"ID3123"


async def test_an_open_async_file_is_an_iterator(path: Path) -> None:
    """Files of anyio give lines of bytes."""
    short = path.with_name("short.mp3")
    short.write_bytes(AUDIO[:100_000])
    async with await anyio.open_file(short, "rb") as file:
        assert await content(file) == AUDIO[:100_000]


class Endless:
    """An iterator that is no generator and cannot be closed."""

    def __init__(self) -> None:
        self.taken = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await anyio.lowlevel.checkpoint()
        self.taken += 1
        return bytes(100_000)


@pytest.mark.usefixtures("path")
async def test_an_iterator_without_end_is_stopped_at_the_limit() -> None:
    """Counting goes with reading: not one chunk more than needed is taken."""
    endless = Endless()
    assert "more than 2,000,000 bytes" in str(await refusal(endless, max_bytes=2_000_000))
    assert endless.taken == 21


async def test_an_iterator_of_text_is_refused() -> None:
    """Only bytes are bytes."""
    assert "came as str" in str(await refusal(produce(b"ID3", "text")))


async def test_a_refused_generator_is_closed() -> None:
    """A generator that nobody can close any more is not left half-read."""
    closed = False

    async def endless() -> AsyncGenerator[bytes]:
        nonlocal closed
        try:
            while True:
                yield AUDIO
        finally:
            closed = True

    await refusal(endless(), max_bytes=10)
    assert closed


@pytest.mark.usefixtures("path")
async def test_an_error_of_the_iterator_comes_through() -> None:
    """Whatever the caller's own code raises is the caller's, unchanged."""
    mistake = OSError("the database is gone")

    async def failing() -> AsyncGenerator[bytes]:
        yield AUDIO
        raise mistake

    with pytest.raises(OSError, match="database") as caught:
        await content(failing())
    assert caught.value is mistake


@pytest.mark.usefixtures("path")
async def test_a_cancelled_upload_leaves_no_temporary_file() -> None:
    """Cancelled while the spool is on disk already, it goes with its descriptor."""
    with anyio.CancelScope() as scope:

        async def cancelling() -> AsyncGenerator[bytes]:
            yield AUDIO
            await anyio.lowlevel.checkpoint()
            scope.cancel()
            yield AUDIO

        await content(cancelling())
    assert scope.cancelled_caught


async def test_a_cancelled_reader_closes_the_file(path: Path) -> None:
    """A file does not stay open because its upload was given up."""
    with anyio.CancelScope() as scope:
        async with open_source(path):
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught


class Held(io.BytesIO):
    """A file object whose read waits to be let go on."""

    def __init__(self) -> None:
        super().__init__(AUDIO)
        self.reading = threading.Event()
        self.go_on = threading.Event()

    def read(self, count: int | None = -1, /) -> bytes:
        if count:
            self.reading.set()
            assert self.go_on.wait(10)
        return super().read(count)


def test_a_thread_nobody_waits_for_does_not_move_a_file_that_was_given_back() -> None:
    """A cancellation by asyncio itself leaves the reading thread behind; closing waits for it."""
    file = Held()

    async def main() -> None:
        task = asyncio.create_task(content(file))
        assert await asyncio.to_thread(file.reading.wait, 10)
        task.cancel()
        # Without a lock the file would have been put back by now, and moved again by the thread.
        await asyncio.wait([task], timeout=0.05)
        file.go_on.set()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(main())
    assert file.tell() == 0


@pytest.mark.usefixtures("path")
@posix
@pytest.mark.parametrize("sizes", [[1_500_000], [100_000] * 15, [1_100_000, 1]], ids=["at once", "later", "last byte"])
async def test_a_spool_that_cannot_be_written_is_told(sizes: list[int]) -> None:
    """A full disk for temporary files is no fault of the reference: nothing was sent."""
    with limited("RLIMIT_FSIZE", 1_100_000), pytest.raises(StorageError, match="TMPDIR") as caught:
        await content(produce(*map(bytes, sizes)))
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, tempfile.gettempdir())
    assert (caught.value.outcome, caught.value.money, caught.value.phase) == (
        Outcome.NOT_SENT,
        Money.NO,
        Phase.PREPARE,
    )


def no_file(path: Path) -> Path:
    return path.with_name("missing.mp3")


def a_directory(path: Path) -> Path:
    return path.parent


def a_pipe(path: Path) -> Path:
    os.mkfifo(path.with_name("pipe"))
    return path.with_name("pipe")


def a_socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path.with_name("s")))
    return path.with_name("s")


def a_device(_: Path) -> Path:
    return Path("/dev/zero")


def a_name_with_a_nul(path: Path) -> Path:
    return path.with_name("a\0b")


def an_empty_file(path: Path) -> Path:
    path.with_name("empty.mp3").write_bytes(b"")
    return path.with_name("empty.mp3")


def below_a_file(path: Path) -> Path:
    return path / "song.mp3"


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (no_file, "cannot be read: No such file or directory."),
        (a_name_with_a_nul, "cannot be read: embedded null"),
        (an_empty_file, "has no bytes to send"),
        pytest.param(a_directory, "cannot be read: Is a directory.", marks=posix),
        pytest.param(below_a_file, "cannot be read: Not a directory.", marks=posix),
        pytest.param(a_pipe, "is a pipe, not a regular file", marks=posix),
        pytest.param(a_socket, "cannot be read: No such device or address.", marks=posix),
        pytest.param(a_device, "is a character device, not a regular file", marks=posix),
    ],
)
async def test_a_path_to_anything_but_a_file_is_refused(path: Path, place: Callable[[Path], Path], reason: str) -> None:
    """The error names the path and the reason; nothing waits for a pipe's other end."""
    where = place(path)
    error = await refusal(where)
    assert repr(str(where)) in str(error)
    assert reason in str(error)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this platform has no /proc")
async def test_a_file_that_is_made_up_while_it_is_read_is_refused() -> None:
    """A file in /proc claims to have no bytes."""
    assert "no bytes to send" in str(await refusal("/proc/self/status"))


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read anything")
async def test_a_file_that_may_not_be_read_is_refused(path: Path) -> None:
    """Permission is the operating system's to refuse."""
    path.chmod(0)  # noqa: ASYNC240 - nothing else runs here
    assert "Permission denied" in str(await refusal(path))


@pytest.mark.parametrize("url", ["https://example.com/song.mp3", "HTTP://example.com/song.mp3"])
async def test_a_url_is_refused(url: str) -> None:
    """Nothing is downloaded on a caller's behalf."""
    assert "Download it first" in str(await refusal(url))


@pytest.mark.parametrize(
    "value",
    [b"", bytearray(), memoryview(b""), ("song.mp3", b""), io.BytesIO(), produce(), produce(b"", b"")],
    ids=["bytes", "bytearray", "memoryview", "named", "file", "no chunks", "empty chunks"],
)
async def test_nothing_is_refused(value: SourceInput) -> None:
    """A reference has at least one byte."""
    assert "no bytes to send" in str(await refusal(value))


@pytest.mark.parametrize("beyond", [0, 10])
async def test_a_file_at_its_end_is_refused(beyond: int) -> None:
    """A file object that was read already has nothing left to send, and that is said."""
    file = io.BytesIO(AUDIO)
    file.seek(beyond, os.SEEK_END)
    assert "no bytes to send" in str(await refusal(file))


@pytest.mark.parametrize("opening", ["path", "bytes", "file", "iterator"])
async def test_a_limit_is_the_most_that_is_allowed(path: Path, opening: str) -> None:
    """Exactly the limit is accepted, one byte more is not."""

    def value() -> Any:
        return {"path": path, "bytes": AUDIO, "file": io.BytesIO(AUDIO), "iterator": produce(AUDIO)}[opening]

    async with open_source(value(), max_bytes=len(AUDIO)) as source:
        assert source.size == len(AUDIO)
    assert f"more than {len(AUDIO) - 1:,} bytes" in str(await refusal(value(), max_bytes=len(AUDIO) - 1))


class AsyncFile:
    """What a web framework hands over: a file with an async `read`."""

    async def read(self, count: int) -> bytes:
        return bytes(count)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "cannot be a NoneType"),
        (42, "cannot be a int"),
        ([b"ID3"], "cannot be a list"),
        (iter([b"ID3"]), "cannot be a list_iterator"),
        (("song.mp3", "text"), "cannot be a tuple"),
        (("song.mp3", b"ID3", "audio/mpeg"), "cannot be a tuple"),
        (AsyncFile(), "Give its `.file`."),
        (io.StringIO("text"), 'Open it with "rb".'),
    ],
)
async def test_anything_else_is_refused_by_name(value: object, reason: str) -> None:
    """The error names the type that came, and says what would do."""
    assert reason in str(await refusal(value))


async def test_a_file_opened_as_text_or_for_writing_is_refused(path: Path) -> None:
    """The error says how to open it."""
    with path.open(encoding="latin-1") as text, path.with_name("new").open("wb") as writing:
        assert 'Open it with "rb".' in str(await refusal(text))
        assert "cannot be read" in str(await refusal(writing))
    assert "closed file" in str(await refusal(text))


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, len(AUDIO) - 1)


def rewrite(path: Path) -> None:
    # A clock tick may not have passed since the file was made.
    path.write_bytes(AUDIO[::-1])
    os.utime(path, ns=(0, 0))


def replace(path: Path) -> None:
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(AUDIO[::-1])
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def remove(path: Path) -> None:
    path.unlink()


async def sent_before_refusal(source: Source, change: Callable[[], None]) -> tuple[bytes, InputError]:
    """Send a reference that changes when its first piece is out."""
    chunks = MultipartBody(source, purpose="song", media_type="audio/mpeg", boundary="frontier").chunks()
    pieces = [await anext(chunks), await anext(chunks)]
    change()

    async def rest() -> None:
        async for piece in chunks:
            pieces.append(piece)  # noqa: PERF401 - a comprehension would lose those before the error

    with pytest.raises(InputError) as caught:
        await rest()
    return b"".join(pieces), caught.value


@pytest.mark.parametrize("change", [grow, shrink, rewrite, replace, remove])
async def test_a_file_that_changes_while_it_is_sent_is_never_sent_whole(
    path: Path, change: Callable[[Path], None]
) -> None:
    """Whatever happens to the file, the end of the request is withheld."""
    async with open_source(path) as source:
        sent, error = await sent_before_refusal(source, lambda: change(path))
    assert b"--frontier--" not in sent
    assert (error.outcome, error.money) == (Outcome.NOT_SENT, Money.NO)
    assert repr(str(path)) in str(error) or error.phase is Phase.SEND


@pytest.mark.parametrize("change", [grow, shrink, rewrite])
async def test_a_file_object_that_changes_while_it_is_sent_is_never_sent_whole(
    path: Path, change: Callable[[Path], None]
) -> None:
    """The same holds for a file that the caller opened."""
    with path.open("rb") as file:
        async with open_source(file) as source:
            sent, _ = await sent_before_refusal(source, lambda: change(path))
    assert b"--frontier--" not in sent


async def test_a_buffer_that_grows_while_it_is_sent_is_never_sent_whole() -> None:
    """A file object without a file is known by where it ends."""
    file = io.BytesIO(AUDIO)

    def append() -> None:
        position = file.tell()
        file.seek(0, os.SEEK_END)
        file.write(b"more")
        file.seek(position)

    async with open_source(file) as source:
        sent, error = await sent_before_refusal(source, append)
    assert b"--frontier--" not in sent
    assert "changed" in str(error)
