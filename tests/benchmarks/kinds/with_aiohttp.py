"""aiohttp as it is: answers parsed whole, or decoded by our decoder while they come."""

import importlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.documents import REQUEST
from tests.benchmarks.job import Call, Clients, Way
from tests.benchmarks.kinds import AIOHTTP_FILE, AIOHTTP_JSON, AIOHTTP_STREAM
from tests.benchmarks.kinds.decoding import decoded_into, from_json

# Only one of the things to measure, and not always there.
aiohttp = importlib.import_module("aiohttp")


def unbounded(way: Way) -> Any:
    """Return a stock session that lets every call have its connection."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=way.context if way.job.secure else True),
        timeout=aiohttp.ClientTimeout(total=None),
    )


@asynccontextmanager
async def parsed(way: Way) -> AsyncIterator[Call]:
    async with unbounded(way) as session:

        async def fetch(path: Path) -> None:
            async with session.post(way.generate, json=REQUEST) as response:
                path.write_bytes(from_json(await response.json()))  # noqa: ASYNC240 - as users write it

        yield fetch


@asynccontextmanager
async def streamed(way: Way) -> AsyncIterator[Call]:
    async with unbounded(way) as session:

        async def fetch(path: Path) -> None:
            async with session.post(way.generate, json=REQUEST) as response:
                await decoded_into(path, response.content.iter_any())

        yield fetch


async def first_of_parsed(way: Way) -> float:
    """Parse the whole answer."""
    async with unbounded(way) as session, session.post(way.generate, json=REQUEST) as response:
        from_json(await response.json())
        return time.monotonic()


@asynccontextmanager
async def uploading(way: Way) -> AsyncIterator[Call]:
    async with unbounded(way) as session:

        async def send(reference: Path) -> None:
            form = aiohttp.FormData()
            form.add_field("purpose", "song")
            with way.opened(reference) as file:
                form.add_field("file", file, filename="reference.wav", content_type="audio/wav")
                async with session.post(way.upload, data=form) as response:
                    await response.json()

        yield send


CLIENTS = Clients(
    tracks={AIOHTTP_JSON: parsed, AIOHTTP_STREAM: streamed},
    first={AIOHTTP_JSON: first_of_parsed},
    uploads={AIOHTTP_FILE: uploading},
)
