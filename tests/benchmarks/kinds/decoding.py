"""What the clients of other libraries make of an answer."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiml_music._sansio.hexjson import HexAudioDecoder


def from_json(answer: Any) -> bytes:
    """Return the track of a parsed answer."""
    return bytes.fromhex(answer["data"]["audio"])


async def decoded_into(path: Path, chunks: AsyncIterator[bytes]) -> None:
    """Write a track while it comes."""
    decoder = HexAudioDecoder()
    with path.open("wb", buffering=0) as file:
        async for chunk in chunks:
            file.write(decoder.feed(chunk))
    decoder.finish()
