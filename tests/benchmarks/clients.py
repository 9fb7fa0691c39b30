"""Clients on an event loop: ours and its peers, each as its users would write it."""

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from aiml_music import AsyncMusicClient
from aiml_music._sansio.hexjson import HexAudioDecoder
from tests.benchmarks.documents import REQUEST
from tests.benchmarks.job import AsyncClient, Fetch, Way

KEY = "a-key-for-nothing"


def ours(way: Way) -> AsyncMusicClient:
    """Return our client, with a place for every call."""
    return AsyncMusicClient(api_key=KEY, base_url=way.base, max_concurrency=way.job.count)


def unbounded(way: Way) -> httpx.AsyncClient:
    """Return a stock httpx client that lets every call have its connection."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.AsyncClient(verify=way.context, limits=limits, timeout=None, trust_env=False)  # noqa: S113 - it is held


def aiohttp_session(way: Way) -> Any:
    """Return a stock aiohttp session that lets every call have its connection."""
    # Only one of the things to measure, and not always there.
    aiohttp = importlib.import_module("aiohttp")
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=way.context if way.job.secure else True),
        timeout=aiohttp.ClientTimeout(total=None),
    )


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


@asynccontextmanager
async def ours_to_file(way: Way) -> AsyncIterator[Fetch]:
    async with ours(way) as client:

        async def fetch(path: Path) -> None:
            await client.generate(lyrics=REQUEST["lyrics"], refer_voice=REQUEST["refer_voice"], to=path)

        yield fetch


@asynccontextmanager
async def ours_in_memory(way: Way) -> AsyncIterator[Fetch]:
    async with ours(way) as client:

        async def fetch(path: Path) -> None:
            track = await client.generate(lyrics=REQUEST["lyrics"], refer_voice=REQUEST["refer_voice"])
            path.write_bytes(track.content or b"")  # noqa: ASYNC240 - as below

        yield fetch


@asynccontextmanager
async def httpx_json(way: Way) -> AsyncIterator[Fetch]:
    async with unbounded(way) as client:

        async def fetch(path: Path) -> None:
            response = await client.post(way.generate, json=REQUEST)
            path.write_bytes(from_json(response.json()))  # noqa: ASYNC240 - as users write it

        yield fetch


@asynccontextmanager
async def httpx_stream(way: Way) -> AsyncIterator[Fetch]:
    async with unbounded(way) as client:

        async def fetch(path: Path) -> None:
            async with client.stream("POST", way.generate, json=REQUEST) as response:
                await decoded_into(path, response.aiter_raw())

        yield fetch


@asynccontextmanager
async def aiohttp_json(way: Way) -> AsyncIterator[Fetch]:
    async with aiohttp_session(way) as session:

        async def fetch(path: Path) -> None:
            async with session.post(way.generate, json=REQUEST) as response:
                path.write_bytes(from_json(await response.json()))  # noqa: ASYNC240 - as above

        yield fetch


@asynccontextmanager
async def aiohttp_stream(way: Way) -> AsyncIterator[Fetch]:
    async with aiohttp_session(way) as session:

        async def fetch(path: Path) -> None:
            async with session.post(way.generate, json=REQUEST) as response:
                await decoded_into(path, response.content.iter_any())

        yield fetch


CLIENTS: dict[str, AsyncClient] = {
    "aiml_music": ours_to_file,
    "aiml_music, in memory": ours_in_memory,
    "httpx, .json()": httpx_json,
    "httpx stream + our decoder": httpx_stream,
    "aiohttp, .json()": aiohttp_json,
    "aiohttp stream + our decoder": aiohttp_stream,
}
