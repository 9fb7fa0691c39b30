"""The body of an upload."""

import hashlib
import os
import threading
import tracemalloc
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from aiml_music._io.multipart import MultipartBody
from aiml_music._io.pacer import pacer
from aiml_music._io.sources import open_source
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.outcome import Money, Outcome, Phase
from aiml_music._sansio.turns import SLICE_STEPS

pytestmark = pytest.mark.anyio

# More than two pieces, and no whole number of them.
AUDIO = os.urandom(1_200_003)


class Fixed:
    """A source whose promise, bytes and mind can differ."""

    def __init__(self, data: bytes, *, size: int | None = None, changed: bool = False) -> None:
        self.data = data
        self.size = len(data) if size is None else size
        self.changed = changed

    def read_at(self, offset: int, count: int, /) -> bytes:
        return self.data[offset : offset + count]

    def check_unchanged(self) -> None:
        if self.changed:
            raise InputError("The reference changed.")


async def send(body: MultipartBody, pieces: list[bytes]) -> None:
    """Note every piece, so that those before an error can be looked at."""
    async for piece in body.chunks():
        pieces.append(piece)  # noqa: PERF401 - a comprehension would lose them


async def sent(body: MultipartBody) -> bytes:
    return b"".join([piece async for piece in body.chunks()])


def parsed(content_type: str, data: bytes) -> dict[str, tuple[str | None, str, bytes]]:
    """Read a body with somebody else's parser."""
    message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + data, policy=HTTP)
    assert not message.defects
    parts = {}
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        name = str(part.get_param("name", header="content-disposition"))
        parts[name] = (part.get_filename(), part.get_content_type(), content)
    return parts


@pytest.mark.parametrize(("media_type", "name"), [("audio/mpeg", "reference.mp3"), ("audio/wav", "reference.wav")])
@pytest.mark.parametrize("purpose", ["song", "voice", "instrumental"])
async def test_another_parser_reads_what_was_written(purpose: str, media_type: str, name: str) -> None:
    """The two parts arrive with their names, types and bytes."""
    body = MultipartBody(Fixed(AUDIO), purpose=purpose, media_type=media_type)
    assert parsed(body.content_type, await sent(body)) == {
        "purpose": (None, "text/plain", purpose.encode()),
        "file": (name, media_type, AUDIO),
    }


async def test_every_byte_of_the_body_is_known() -> None:
    """With a boundary given, the body is the same to the last byte."""
    body = MultipartBody(Fixed(b"\r\n--xyz"), purpose="song", media_type="audio/wav", boundary="frontier")
    assert body.content_type == "multipart/form-data; boundary=frontier"
    assert await sent(body) == (
        b"--frontier\r\n"
        b'Content-Disposition: form-data; name="purpose"\r\n'
        b"\r\n"
        b"song\r\n"
        b"--frontier\r\n"
        b'Content-Disposition: form-data; name="file"; filename="reference.wav"\r\n'
        b"Content-Type: audio/wav\r\n"
        b"\r\n"
        b"\r\n--xyz\r\n"
        b"--frontier--\r\n"
    )


@pytest.mark.parametrize("size", [1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, len(AUDIO)])
async def test_the_length_is_exact(size: int) -> None:
    """What was promised is what is sent, in pieces of which none is empty."""
    body = MultipartBody(Fixed(AUDIO[:size]), purpose="song", media_type="audio/mpeg")
    pieces = [piece async for piece in body.chunks()]
    assert sum(map(len, pieces)) == body.length
    assert all(pieces)


async def test_a_body_can_be_sent_again() -> None:
    """A second attempt gets the same bytes, also after a first one that stopped in the middle."""
    body = MultipartBody(Fixed(AUDIO), purpose="song", media_type="audio/mpeg")
    broken_off = body.chunks()
    for _ in range(2):
        await anext(broken_off)
    assert await sent(body) == await sent(body)


async def test_the_hash_is_known_once_all_is_sent() -> None:
    """The hash is that of the reference alone, and there is none before."""
    body = MultipartBody(Fixed(AUDIO), purpose="song", media_type="audio/mpeg")
    assert body.sha256 is None
    await sent(body)
    assert body.sha256 == hashlib.sha256(AUDIO).hexdigest()


@pytest.mark.parametrize("present", [0, 1000, 256 * 1024, len(AUDIO) - 1])
async def test_a_reference_that_ends_early_never_becomes_a_complete_request(present: int) -> None:
    """Fewer bytes than promised end the request before its end."""
    source = Fixed(AUDIO[:present], size=len(AUDIO))
    body = MultipartBody(source, purpose="song", media_type="audio/mpeg", boundary="frontier")
    pieces: list[bytes] = []
    with pytest.raises(InputError, match="shorter") as caught:
        await send(body, pieces)
    assert (caught.value.outcome, caught.value.money, caught.value.phase) == (Outcome.NOT_SENT, Money.NO, Phase.SEND)
    assert sum(map(len, pieces)) < body.length
    assert b"--frontier--" not in b"".join(pieces)
    assert body.sha256 is None


async def test_a_reference_that_changed_never_becomes_a_complete_request() -> None:
    """All bytes of the file were sent, and still the end is withheld."""
    body = MultipartBody(Fixed(AUDIO, changed=True), purpose="song", media_type="audio/mpeg", boundary="frontier")
    pieces: list[bytes] = []
    with pytest.raises(InputError, match="changed"):
        await send(body, pieces)
    assert b"".join(pieces).endswith(AUDIO)
    assert body.sha256 is None


@pytest.mark.parametrize("media_type", ["audio/mpeg\r\nX-Evil: 1", "audio/ogg", ""])
def test_only_two_media_types_can_be_written(media_type: str) -> None:
    """A media type is one of a closed set, or nothing is written at all."""
    with pytest.raises(ValueError, match="media_type"):
        MultipartBody(Fixed(AUDIO), purpose="song", media_type=media_type)


@pytest.mark.parametrize("purpose", ["song\r\nX-Evil: 1", "Song", ""])
def test_only_three_purposes_can_be_written(purpose: str) -> None:
    """A purpose is one of a closed set, or nothing is written at all."""
    with pytest.raises(ValueError, match="Purpose"):
        MultipartBody(Fixed(AUDIO), purpose=purpose, media_type="audio/mpeg")


def test_no_two_boundaries_are_alike() -> None:
    """Each body draws 128 bits of its own."""
    bodies = [MultipartBody(Fixed(AUDIO), purpose="song", media_type="audio/mpeg") for _ in range(100)]
    boundaries = {body.content_type.partition("boundary=")[2] for body in bodies}
    assert len(boundaries) == 100
    assert {len(boundary) for boundary in boundaries} == {32}


async def test_neither_name_nor_path_is_sent(tmp_path: Path) -> None:
    """A file's name and directory are nobody's business."""
    path = tmp_path / 'my "secret" demo\r\nX-Evil: 1.mp3'
    path.write_bytes(AUDIO)
    async with open_source(path) as source:
        body = MultipartBody(source, purpose="song", media_type="audio/mpeg")
        data = await sent(body)
    for private in (b"secret", b"Evil", os.fsencode(tmp_path.name)):
        assert private not in data.replace(AUDIO, b"")
        assert private not in body.content_type.encode()


async def test_fifty_megabytes_need_half_of_one(tmp_path: Path) -> None:
    """Sending a file of 50 MB allocates less than 512 KiB, also while the last piece is still held."""
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    async with open_source(path) as source:
        body = MultipartBody(source, purpose="song", media_type="audio/wav")
        # One buffer for all connections of the loop, made by whoever comes first.
        pacer()
        tracemalloc.start()
        try:
            count = 0
            async for piece in body.chunks():
                count += len(piece)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert count == body.length
    assert peak < 512 * 1024


class Slow(Fixed):
    """A source on a disk that takes its time: nothing is read until the gate opens."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reading, self.gate = threading.Event(), threading.Event()

    def read_at(self, offset: int, count: int, /) -> bytes:
        self.reading.set()
        assert self.gate.wait(5)
        return super().read_at(offset, count)


async def test_the_loop_goes_on_while_a_disk_is_slow() -> None:
    """While a reference is being read, other tasks have their turns, and then it is sent whole."""
    source = Slow(AUDIO)
    pieces: list[bytes] = []
    async with anyio.create_task_group() as group:
        group.start_soon(send, MultipartBody(source, purpose="song", media_type="audio/mpeg"), pieces)
        assert await anyio.to_thread.run_sync(source.reading.wait, 5)
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        assert not b"".join(pieces).count(AUDIO[:100])
        source.gate.set()
    assert AUDIO in b"".join(pieces)


async def test_many_uploads_share_a_turn_of_the_loop() -> None:
    """However many are sent at once to a network that never waits, a turn is over after eight pieces of them all."""
    sent_in: dict[int, int] = {}
    turn, left = 0, 24

    async def count(body: MultipartBody) -> None:
        nonlocal left
        async for _ in body.chunks():
            sent_in[turn] = sent_in.get(turn, 0) + 1
        left -= 1

    bodies = [MultipartBody(Fixed(AUDIO), purpose="song", media_type="audio/mpeg") for _ in range(left)]
    async with anyio.create_task_group() as group:
        for body in bodies:
            group.start_soon(count, body)
        while left:
            turn += 1
            await anyio.lowlevel.checkpoint()
    # Seen from a task in the middle of a turn, it is the end of one and the beginning of the next, and what an earlier
    # one left is used first.
    assert max(sent_in.values()) < 3 * SLICE_STEPS
    assert sum(sent_in.values()) > 24 * SLICE_STEPS
