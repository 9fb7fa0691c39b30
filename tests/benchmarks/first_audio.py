"""How soon each client has audio in its hands, of an answer that takes seconds to come."""

import time

from aiml_music._sansio.hexjson import HexAudioDecoder
from tests.benchmarks.clients import aiohttp_session, from_json, ours, unbounded
from tests.benchmarks.documents import REQUEST
from tests.benchmarks.job import FirstAudio, Way


async def ours_streaming(way: Way) -> float:
    """Take the first piece, and the rest of them."""
    began = 0.0
    client = ours(way)
    async with client, client.stream(lyrics=REQUEST["lyrics"], refer_voice=REQUEST["refer_voice"]) as audio:
        async for _ in audio:
            began = began or time.monotonic()
    return began


async def httpx_json(way: Way) -> float:
    """Parse the whole answer."""
    async with unbounded(way) as client:
        from_json((await client.post(way.generate, json=REQUEST)).json())
        return time.monotonic()


async def aiohttp_json(way: Way) -> float:
    """Parse the whole answer."""
    async with aiohttp_session(way) as session, session.post(way.generate, json=REQUEST) as response:
        from_json(await response.json())
        return time.monotonic()


async def httpx_stream(way: Way) -> float:
    """Decode what comes."""
    began, decoder = 0.0, HexAudioDecoder()
    async with unbounded(way) as client, client.stream("POST", way.generate, json=REQUEST) as response:
        async for chunk in response.aiter_raw():
            if decoder.feed(chunk):
                began = began or time.monotonic()
    return began


FIRST_AUDIO: dict[str, FirstAudio] = {
    "aiml_music": ours_streaming,
    "httpx, .json()": httpx_json,
    "aiohttp, .json()": aiohttp_json,
    "httpx stream + our decoder": httpx_stream,
}
