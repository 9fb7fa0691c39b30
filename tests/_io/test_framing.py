"""Bodies of every framing, whole and cut short: the same bytes and the same faults, whichever way they are read."""

import anyio
import pytest

from aiml_music._sansio.ports import FaultKind, TransportFault
from tests._io.test_transport import send
from tests.loopback import Hang, Send, loopback

pytestmark = pytest.mark.anyio

BODY = bytes(range(256)) * 2_000
FIRST = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
LENGTH = b"content-length: %d\r\n" % len(BODY)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n"


def in_chunks(size: int) -> bytes:
    pieces = [BODY[start : start + size] for start in range(0, len(BODY), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


WHOLE = {
    "with its length": FIRST + LENGTH + b"\r\n" + BODY,
    "in lines without CR": (FIRST + LENGTH + b"\r\n").replace(b"\r", b"") + BODY,
    "and something behind it": FIRST + LENGTH + b"\r\n" + BODY + b"HTTP/1.1 200 OK\r\n\r\n",
    "its length said twice": FIRST + LENGTH + LENGTH + b"\r\n" + BODY,
    "behind an interim answer": INTERIM + FIRST + LENGTH + b"\r\n" + BODY,
    "in chunks": FIRST + b"transfer-encoding: chunked\r\n\r\n" + in_chunks(100_000),
    "in chunks and with a length": FIRST + b"transfer-encoding: chunked\r\n" + LENGTH + b"\r\n" + in_chunks(7),
    "to the end of the connection": FIRST + b"\r\n" + BODY,
}


@pytest.mark.parametrize("form", WHOLE)
@pytest.mark.parametrize("head_by_itself", [False, True])
async def test_a_body_comes_whole(form: str, *, head_by_itself: bool) -> None:
    """Whether its beginning comes with the head, or alone."""
    data = WHOLE[form]
    begin = data.rindex(b"\n", 0, data.index(BODY[:7])) + 1 if head_by_itself else len(data)
    with loopback([Send(data[:begin]), Send(data[begin:])]) as server:
        assert await send(server) == (200, BODY)


@pytest.mark.parametrize("head_by_itself", [False, True])
async def test_no_body_at_all_is_a_body(*, head_by_itself: bool) -> None:
    """A length of zero ends with the head."""
    head = FIRST + b"content-length: 0\r\n\r\n"
    with loopback([Send(head), Send(b"" if head_by_itself else b"HTTP/1.1")]) as server:
        assert await send(server) == (200, b"")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_some_answers_never_have_a_body(status: bytes) -> None:
    """Whatever length they say (RFC 9112 §6.3), nobody waits for it: this connection stays open."""
    head = FIRST.replace(b"200 OK", status) + b"content-length: 5\r\n\r\n"
    with loopback([Send(head), Hang()]) as server, anyio.fail_after(5):
        assert await send(server) == (int(status[:3]), b"")


@pytest.mark.parametrize("form", ["with its length", "behind an interim answer", "in chunks"])
async def test_a_body_that_ends_early_is_none(form: str) -> None:
    """The end of a connection is not the end of an answer that promised more."""
    with loopback([Send(WHOLE[form][:-1])]) as server, pytest.raises(TransportFault) as caught:
        await send(server)
    assert caught.value.kind is FaultKind.PROTOCOL


@pytest.mark.parametrize("length", [b"12, 13", b"-1", b"+3", b"1_0", "²".encode()])
async def test_a_length_that_is_none_is_refused(length: bytes) -> None:
    """As the library refuses it, however its digits look."""
    data = FIRST + b"content-length: " + length + b"\r\n\r\n" + BODY
    with loopback([Send(data)]) as server, pytest.raises(TransportFault) as caught:
        await send(server)
    assert caught.value.kind is FaultKind.PROTOCOL
