"""Rows 14 to 22: what cannot be a reference is not sent, and what can is sent as what it is."""

import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import define, field

from aiml_music import InputError, Money, Operation, Outcome, Phase
from tests._io.system import posix
from tests._sansio.audio_files import cbr, id3, wav
from tests.answers import answer, uploaded
from tests.calls import MADE, REFERENCE, Fate, assert_traced, client_of
from tests.canary import assert_keyless
from tests.loopback import Await, Loopback, ReadHead, Signal, loopback

pytestmark = pytest.mark.anyio

UNREADABLE = Fate(InputError, Outcome.NOT_SENT, Money.NO, Phase.INPUT, attempts=0)
UPLOADED = answer(uploaded())


@pytest.fixture
def server() -> Iterator[Loopback]:
    """A server that would do anything, and is never asked."""
    with loopback([MADE]) as server:
        yield server
    assert server.connections == 0


async def refusal(server: Loopback, source: Any, **changes: Any) -> InputError:
    """Upload what cannot be a reference, and return what is said about it."""
    async with client_of(server) as client:
        with pytest.raises(InputError) as caught:
            await client.upload(source, **{"purpose": "song", **changes})
    assert_keyless(caught.value)
    assert Fate.of(caught.value) == UNREADABLE
    return caught.value


PLACES: dict[str, tuple[Callable[[Path], Path], int]] = {
    "missing": (lambda directory: directory / "reference.mp3", errno.ENOENT),
    "in no directory": (lambda directory: directory / "missing" / "reference.mp3", errno.ENOENT),
    "a directory": (lambda directory: directory, errno.EISDIR),
    "below a file": (lambda _: Path(__file__) / "reference.mp3", errno.ENOTDIR),
}


@pytest.mark.row("14")
@posix
@pytest.mark.parametrize("case", PLACES)
async def test_a_reference_that_is_not_there_is_refused(case: str, server: Loopback, tmp_path: Path) -> None:
    """The error names the file, and behind it is the operating system's own, with its number."""
    make, number = PLACES[case]
    path = make(tmp_path)
    error = await refusal(server, path)
    assert repr(str(path)) in str(error)
    assert isinstance(error.__cause__, OSError)
    assert error.__cause__.errno == number


@pytest.mark.row("14")
@posix
async def test_a_reference_that_may_not_be_read_is_refused(server: Loopback, own_directory: Path) -> None:
    """Permission is asked for by opening."""
    path = own_directory / "reference.mp3"
    path.write_bytes(REFERENCE)
    path.chmod(0)
    error = await refusal(server, path)
    assert isinstance(error.__cause__, PermissionError)


def a_pipe(directory: Path) -> Path:
    os.mkfifo(directory / "pipe.mp3")
    return directory / "pipe.mp3"


def a_socket(directory: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "s.mp3"))
    return directory / "s.mp3"


def a_block_device(_: Path) -> Path:
    found = next((path for path in Path("/dev").iterdir() if path.is_block_device()), None)
    return found or pytest.skip("there is no block device here")


def made_up(_: Path) -> Path:
    found = Path("/proc/self/status")
    return found if found.exists() else pytest.skip("there is no /proc here")


def a_link_to_a_pipe(directory: Path) -> Path:
    (directory / "link.mp3").symlink_to(a_pipe(directory))
    return directory / "link.mp3"


SPECIAL = [a_pipe, a_socket, a_block_device, made_up, a_link_to_a_pipe, lambda _: Path("/dev/zero")]


@pytest.mark.row("15")
@posix
@pytest.mark.parametrize("make", SPECIAL, ids=lambda make: make.__name__)
async def test_what_is_no_regular_file_is_refused(
    make: Callable[[Path], Path], server: Loopback, tmp_path: Path
) -> None:
    """Nothing waits for the other end of a pipe, and no device is read."""
    path = make(tmp_path)
    with anyio.fail_after(5):
        assert repr(str(path)) in str(await refusal(server, path))


@pytest.mark.row("16")
@posix
async def test_a_link_is_followed_to_its_file(tmp_path: Path) -> None:
    """A link is its owner's choice; one that leads nowhere, or to itself, is refused like a file that is missing."""
    link, file = tmp_path / "link.mp3", tmp_path / "file"
    link.symlink_to(file)
    with loopback([UPLOADED]) as server:
        with pytest.raises(InputError, match="No such file"):
            await client_of(server).upload(link, purpose="song")
        file.write_bytes(REFERENCE)
        async with client_of(server) as client:
            await client.upload(link, purpose="song")
        file.unlink()
        file.symlink_to(link)
        with pytest.raises(InputError, match="symbolic links"):
            await client_of(server).upload(link, purpose="song")
    assert [REFERENCE in request.body for request in server.requests] == [True]


UNFIT: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "has no bytes to send"),
    "too short": (cbr(300), "lasts 7.8 s"),
    "ten seconds": (wav(bytes(10 * 176_400)), "lasts 10.0 s"),
    "too long": (cbr(25_000, kbits=32), "lasts 653."),
    "text": (b"la la la\n" * 1000, "neither WAV nor MP3"),
    "another container": (b"OggS" + bytes(5000), "neither WAV nor MP3"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(5000), "neither WAV nor MP3"),
    "a tag of 256 MB": (id3(b"", says=(1 << 28) - 1) + REFERENCE, "neither WAV nor MP3"),
    "a tag and no more": (id3(bytes(1000)), "neither WAV nor MP3"),
    "chunks of nothing": (b"RIFF\xff\xff\xff\x7fWAVE" + b"junk\0\0\0\0" * 5000, "neither WAV nor MP3"),
    "a chunk without end": (b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff" + bytes(5000), "neither WAV nor MP3"),
}


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.row("18" if "tag" in case or "chunk" in case else "17")) for case in UNFIT],
)
async def test_audio_that_the_service_would_refuse_is_not_sent(case: str, server: Loopback, tmp_path: Path) -> None:
    """A look at the bytes tells it, whatever the file is called and its header says."""
    content, words = UNFIT[case]
    path = tmp_path / "reference.mp3"
    path.write_bytes(content)
    assert words in str(await refusal(server, path))
    assert words in str(await refusal(server, content))


@pytest.mark.row("17")
async def test_a_film_is_not_read(server: Loopback, tmp_path: Path) -> None:
    """What is larger than any reference is refused by its size."""
    path = tmp_path / "film.mp3"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "more than" in str(await refusal(server, path))


@pytest.mark.row("17")
async def test_the_look_can_be_left_to_the_service() -> None:
    """Who knows better may send what looks wrong; nothing is not sent even then."""
    content, _ = UNFIT["text"]
    with loopback([UPLOADED]) as server:
        async with client_of(server) as client:
            await client.upload(content, purpose="voice", check_audio=False)
            with pytest.raises(InputError, match="no bytes"):
                await client.upload(b"", purpose="voice", check_audio=False)
    assert [content in request.body for request in server.requests] == [True]


@define
class Collect:
    """Read whatever the client sends, until it goes away."""

    data: bytearray = field(factory=bytearray)

    def play(self, connection: socket.socket) -> None:
        while more := connection.recv(1 << 20):
            self.data += more


def cut(path: Path) -> None:
    os.truncate(path, 6_000_000)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def swap(path: Path) -> None:
    path.with_name("other").write_bytes(path.read_bytes())
    path.with_name("other").replace(path)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(12_000_000)
        file.write(b"other")


# More than fits between a client that writes and a server that does not read.
LONG = cbr(15_000, kbits=320)


@pytest.mark.row("19")
@pytest.mark.parametrize("change", [cut, grow, swap, rewrite, Path.unlink])
async def test_a_reference_that_changes_while_it_is_sent_is_never_complete(
    change: Callable[[Path], None], tmp_path: Path
) -> None:
    """The end is withheld, so no server can take it for whole; it is not tried again."""
    path = tmp_path / "reference.mp3"
    path.write_bytes(LONG)
    begun, gate, collected = threading.Event(), threading.Event(), Collect()
    errors: list[InputError] = []

    async def upload(server: Loopback) -> None:
        async with client_of(server) as client:
            with pytest.raises(InputError) as caught:
                await client.upload(path, purpose="song")
            errors.append(caught.value)

    with loopback([ReadHead(), Signal(begun), Await(gate), collected]) as server:
        async with anyio.create_task_group() as group:
            group.start_soon(upload, server)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            change(path)
            gate.set()
        assert server.wait_until_idle()
    assert (errors[0].outcome, errors[0].money, errors[0].phase) == (Outcome.NOT_SENT, Money.NO, Phase.SEND)
    assert_traced(errors[0], Operation.UPLOAD)
    assert server.connections == 1
    assert not collected.data.endswith(b"--\r\n")


FILE_NAMES = [
    'a "demo".mp3',
    "line\r\nX-Evil: 1.mp3",
    os.fsdecode(b"\xff\xfe.mp3"),
    "private Müller 🎵.wav",
    "n" * 251 + ".mp3",
    "no suffix",
]


def part_of(body: bytes) -> tuple[list[bytes], bytes]:
    """Return the lines of the head of an upload's file, and the file."""
    boundary, _, _ = body.partition(b"\r\n")
    part = body.split(boundary)[2].removeprefix(b"\r\n").removesuffix(b"\r\n")
    head, _, content = part.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), content


@pytest.mark.row("20", "21")
@posix
@pytest.mark.parametrize("name", FILE_NAMES)
async def test_no_name_of_a_file_is_sent(name: str, tmp_path: Path) -> None:
    """What a file is called is its owner's affair; name and type of the part are ours, and follow from the bytes."""
    path = tmp_path / name
    path.write_bytes(REFERENCE)
    sound = wav(bytes(11 * 176_400))
    with loopback([UPLOADED]) as server:
        async with client_of(server) as client:
            await client.upload(path, purpose="song")
            await client.upload((name * 16, sound), purpose="song")
    heads = [part_of(request.body)[0] for request in server.requests]
    assert heads == [
        [b'Content-Disposition: form-data; name="file"; filename="reference.mp3"', b"Content-Type: audio/mpeg"],
        [b'Content-Disposition: form-data; name="file"; filename="reference.wav"', b"Content-Type: audio/wav"],
    ]


@pytest.mark.row("22")
async def test_a_file_cannot_hold_its_own_boundary() -> None:
    """128 bits are drawn for each upload: what separated the parts of the last one is a part of the file now."""
    with loopback([UPLOADED]) as server:
        async with client_of(server) as client:
            await client.upload(REFERENCE, purpose="song")
            boundary = server.requests[0].headers["content-type"].partition("boundary=")[2]
            evil = REFERENCE + f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nx'.encode()
            await client.upload(evil, purpose="song")
    assert len(bytes.fromhex(boundary)) == 16
    assert boundary not in server.requests[1].headers["content-type"]
    assert part_of(server.requests[1].body)[1] == evil
