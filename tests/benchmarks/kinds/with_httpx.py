"""httpx as it is: answers parsed whole, or decoded by our decoder while they come."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from aiml_music._sansio.hexjson import HexAudioDecoder
from tests.benchmarks.documents import REQUEST
from tests.benchmarks.job import Call, Clients, Way
from tests.benchmarks.kinds import HTTPX_BYTES, HTTPX_FILE, HTTPX_JSON, HTTPX_STREAM
from tests.benchmarks.kinds.decoding import decoded_into, from_json


def unbounded(way: Way) -> httpx.AsyncClient:
    """Return a stock client that lets every call have its connection."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.AsyncClient(verify=way.context, limits=limits, timeout=None, trust_env=False)  # noqa: S113 - it is held


@asynccontextmanager
async def parsed(way: Way) -> AsyncIterator[Call]:
    async with unbounded(way) as client:

        async def fetch(path: Path) -> None:
            response = await client.post(way.generate, json=REQUEST)
            path.write_bytes(from_json(response.json()))  # noqa: ASYNC240 - as users write it

        yield fetch


@asynccontextmanager
async def streamed(way: Way) -> AsyncIterator[Call]:
    async with unbounded(way) as client:

        async def fetch(path: Path) -> None:
            async with client.stream("POST", way.generate, json=REQUEST) as response:
                await decoded_into(path, response.aiter_raw())

        yield fetch


async def first_of_parsed(way: Way) -> float:
    """Parse the whole answer."""
    async with unbounded(way) as client:
        from_json((await client.post(way.generate, json=REQUEST)).json())
        return time.monotonic()


async def first_of_streamed(way: Way) -> float:
    """Decode what comes."""
    began, decoder = 0.0, HexAudioDecoder()
    async with unbounded(way) as client, client.stream("POST", way.generate, json=REQUEST) as response:
        async for chunk in response.aiter_raw():
            if decoder.feed(chunk):
                began = began or time.monotonic()
    return began


@asynccontextmanager
async def uploading_bytes(way: Way) -> AsyncIterator[Call]:
    """Send what was read whole, as the examples of the service's documentation do."""
    async with unbounded(way) as client:

        async def send(reference: Path) -> None:
            files = {"file": ("reference.wav", reference.read_bytes(), "audio/wav")}  # noqa: ASYNC240 - as above
            await client.post(way.upload, files=files, data={"purpose": "song"})

        yield send


@asynccontextmanager
async def uploading_file(way: Way) -> AsyncIterator[Call]:
    async with unbounded(way) as client:

        async def send(reference: Path) -> None:
            with way.opened(reference) as file:
                files = {"file": ("reference.wav", file, "audio/wav")}
                await client.post(way.upload, files=files, data={"purpose": "song"})

        yield send


CLIENTS = Clients(
    tracks={HTTPX_JSON: parsed, HTTPX_STREAM: streamed},
    first={HTTPX_JSON: first_of_parsed, HTTPX_STREAM: first_of_streamed},
    uploads={HTTPX_BYTES: uploading_bytes, HTTPX_FILE: uploading_file},
)
