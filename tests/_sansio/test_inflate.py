"""A compressed body is undone within bounds, or refused; what it announces about itself is checked."""

import gzip
import zlib

import pytest

from aiml_music._sansio.inflate import InflateError, encoding_of

PLAIN = b'{"data": {"audio": "' + bytes(range(97, 103)) * 5000 + b'"}}'
PACKED = gzip.compress(PLAIN, mtime=0)


def undo(header: str | None, data: bytes, step: int) -> bytes:
    encoding = encoding_of(header)
    parts = [piece for at in range(0, len(data), step) for piece in encoding.pieces(data[at : at + step])]
    encoding.finish()
    return b"".join(parts)


@pytest.mark.parametrize("header", ["gzip", "x-gzip", " GZIP "])
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_gzip_is_undone_wherever_it_is_cut(header: str, step: int) -> None:
    """Where the network splits a compressed body changes nothing."""
    assert undo(header, PACKED, step) == PLAIN


@pytest.mark.parametrize("header", [None, "identity", "Identity"])
def test_no_encoding_leaves_the_bytes_alone(header: str | None) -> None:
    """A body that came as it was asked for passes through."""
    assert undo(header, PLAIN, 1000) == PLAIN


@pytest.mark.parametrize("step", [1, 1000])
def test_plain_bytes_behind_a_gzip_header_are_taken_as_they_are(step: int) -> None:
    """A proxy that inflated the body and left the header costs nobody a track."""
    assert undo("gzip", PLAIN, step) == PLAIN


@pytest.mark.parametrize("header", ["br", "zstd", "deflate", "gzip, gzip", "x"])
def test_an_encoding_nobody_asked_for_is_refused(header: str) -> None:
    """What cannot be undone is said to be so, and not handed on as audio."""
    with pytest.raises(InflateError, match="not asked for"):
        encoding_of(header)


@pytest.mark.parametrize("cut", [1, 8, 20, len(PACKED) // 2])
def test_a_body_that_ends_early_is_noticed(cut: int) -> None:
    """Even a missing checksum is an early end."""
    with pytest.raises(InflateError, match="ends early"):
        undo("gzip", PACKED[:-cut], 1000)


@pytest.mark.parametrize("tail", [b"x", PACKED], ids=["junk", "second member"])
@pytest.mark.parametrize("step", [1, 100_000])
def test_bytes_behind_the_end_are_refused(tail: bytes, step: int) -> None:
    """Nothing may follow the one member."""
    with pytest.raises(InflateError, match="follow the end"):
        undo("gzip", PACKED + tail, step)


@pytest.mark.parametrize("at", [12, len(PACKED) // 2, len(PACKED) - 6])
def test_corruption_is_refused(at: int) -> None:
    """A flipped byte shows in the data or in the checksum."""
    broken = PACKED[:at] + bytes([PACKED[at] ^ 0xFF]) + PACKED[at + 1 :]
    with pytest.raises(InflateError, match=r"corrupt|ends early|follow the end"):
        undo("gzip", broken, 100_000)


def test_a_bomb_leaves_in_small_pieces() -> None:
    """However much a few bytes inflate to, no piece is larger than 64 KiB."""
    compressor = zlib.compressobj(9, wbits=31)
    bomb = compressor.compress(bytes(20_000_000)) + compressor.flush()
    sizes = [len(piece) for piece in encoding_of("gzip").pieces(bomb)]
    assert max(sizes) == 64 * 1024
    assert sum(sizes) == 20_000_000
