"""A body that is in memory already."""

import pytest

from aiml_music._io.bodies import BytesBody

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("data", "pieces"), [(b'{"model": "music-01"}', 1), (b"", 0)])
async def test_a_body_in_memory_can_be_sent_twice(data: bytes, pieces: int) -> None:
    """Every attempt gets the same bytes, and never an empty piece."""
    body = BytesBody(data)
    for _ in range(2):
        sent = [piece async for piece in body.chunks()]
        assert len(sent) == pieces
        assert b"".join(sent) == data
    assert body.length == len(data)
