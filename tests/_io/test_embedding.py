"""A reference within the JSON of a request."""

import base64
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from aiml_music._io.embedding import EmbeddedBody
from aiml_music._io.pacer import pacer
from aiml_music._io.sources import open_source
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.outcome import Money, Outcome, Phase
from tests._io.test_multipart import Fixed

pytestmark = pytest.mark.anyio

PAYLOAD = b'{"model": "m", "prompt": "{}}"}'
# More than two blocks, and no whole number of them.
AUDIO = os.urandom(500_003)


def body_of(source: Any) -> EmbeddedBody:
    return EmbeddedBody(PAYLOAD, name="audio", source=source)


async def send(body: EmbeddedBody, pieces: list[bytes]) -> None:
    """Note every piece, so that those before an error can be looked at."""
    async for piece in body.chunks():
        pieces.append(piece)  # noqa: PERF401 - a comprehension would lose them


async def sent(body: EmbeddedBody) -> bytes:
    return b"".join([piece async for piece in body.chunks()])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 196_607, 196_608, 196_609, 393_216, len(AUDIO)])
async def test_another_parser_reads_what_was_written(size: int) -> None:
    """Wherever the blocks of the file join, it is one text of base64; its length is known beforehand, exactly."""
    body = body_of(Fixed(AUDIO[:size]))
    data = await sent(body)
    assert len(data) == body.length
    assert json.loads(data) == {"model": "m", "prompt": "{}}", "audio": base64.b64encode(AUDIO[:size]).decode()}


async def test_a_body_can_be_sent_again() -> None:
    """Every attempt sends the same bytes, also after one that broke off."""
    body = body_of(Fixed(AUDIO))
    began = await anext(body.chunks())
    whole = await sent(body)
    assert whole.startswith(began)
    assert await sent(body) == whole


@pytest.mark.parametrize("present", [0, 1, 196_608, len(AUDIO) - 1])
async def test_a_reference_that_ends_early_never_becomes_a_complete_request(present: int) -> None:
    """The end of the JSON is withheld, and nothing was paid for."""
    pieces: list[bytes] = []
    with pytest.raises(InputError, match="shorter") as caught:
        await send(body_of(Fixed(AUDIO[:present], size=len(AUDIO))), pieces)
    assert (caught.value.outcome, caught.value.money, caught.value.phase) == (Outcome.NOT_SENT, Money.NO, Phase.SEND)
    assert not b"".join(pieces).endswith(b"}")


async def test_a_reference_that_changed_never_becomes_a_complete_request() -> None:
    """Whoever writes into the file meanwhile stops the request."""
    pieces: list[bytes] = []
    with pytest.raises(InputError, match="changed"):
        await send(body_of(Fixed(AUDIO, changed=True)), pieces)
    assert not b"".join(pieces).endswith(b"}")


async def test_fifty_megabytes_need_one(tmp_path: Path) -> None:
    """Sending a file of 50 MB allocates less than 1 MiB: its piece as bytes, and as base64."""
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    async with open_source(path) as source:
        body = body_of(source)
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
    assert peak < 1 << 20
