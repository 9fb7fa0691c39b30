"""Where a head ends, wherever it is cut, and what it says of the body."""

import pytest

from aiml_music._sansio.heads import HeadCut, body_length

BODY = b'{"data":\n\r\n"'


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n", b"\r\n\n", b"\n\r\n"])
def test_a_head_ends_behind_its_first_blank_line(end: bytes) -> None:
    """In whatever pieces it comes, and however its lines end; a blank line of the body is none of its business."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 12" + end
    data = head + BODY
    for size in range(1, len(data) + 1):
        cut, pieces = HeadCut(), [data[start : start + size] for start in range(0, len(data), size)]
        mine, others = b"", b""
        while not cut.done:
            belongs, others = cut.cut(pieces.pop(0))
            mine += belongs
        assert mine == head
        assert others + b"".join(pieces) == BODY


def test_without_a_blank_line_everything_is_head() -> None:
    """Nor does the end of a connection make one."""
    cut = HeadCut()
    assert cut.cut(b"HTTP/1.1 200 OK\r\n") == (b"HTTP/1.1 200 OK\r\n", b"")
    assert cut.cut(b"") == (b"", b"")
    assert not cut.done


LENGTH, CHUNKED = ("content-length", "12"), ("transfer-encoding", "chunked")


@pytest.mark.parametrize(
    ("status", "headers", "length"),
    [
        (200, [LENGTH], 12),
        (500, [("content-type", "text/html"), ("content-length", "0")], 0),
        (200, [], None),
        (200, [LENGTH, LENGTH], None),
        (200, [LENGTH, CHUNKED], None),
        (200, [CHUNKED], None),
        (200, [("content-length", "12, 12")], None),
        (204, [LENGTH], None),
        (304, [LENGTH], None),
    ],
)
def test_a_body_is_counted_only_where_a_head_is_plain_about_it(
    status: int, headers: list[tuple[str, str]], length: int | None
) -> None:
    """Everything else is for a library that knows all of the framing of HTTP."""
    assert body_length(status, headers) == length
