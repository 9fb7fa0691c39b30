"""Our client: into files, in memory, on its own sockets and on the HTTP library's."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from aiml_music import AsyncMusicClient
from tests.benchmarks.documents import REQUEST
from tests.benchmarks.job import Call, Clients, Way
from tests.benchmarks.kinds import IN_MEMORY, OURS, STOCK

LYRICS, VOICE = REQUEST["lyrics"], REQUEST["refer_voice"]


def ours(way: Way, transport: Literal["stock"] | None = None) -> AsyncMusicClient:
    """Return our client, with a place for every call."""
    return AsyncMusicClient(
        api_key="a-key-for-nothing", base_url=way.base, max_concurrency=way.job.count, transport=transport
    )


@asynccontextmanager
async def to_files(way: Way) -> AsyncIterator[Call]:
    transport: Literal["stock"] | None = "stock" if way.job.kind == STOCK else None
    async with ours(way, transport) as client:

        async def fetch(path: Path) -> None:
            await client.generate(lyrics=LYRICS, refer_voice=VOICE, to=path)

        yield fetch


@asynccontextmanager
async def in_memory(way: Way) -> AsyncIterator[Call]:
    async with ours(way) as client:

        async def fetch(path: Path) -> None:
            track = await client.generate(lyrics=LYRICS, refer_voice=VOICE)
            path.write_bytes(track.content or b"")  # noqa: ASYNC240 - as users write it

        yield fetch


async def first_audio(way: Way) -> float:
    """Take the first piece, and the rest of them."""
    began = 0.0
    client = ours(way)
    async with client, client.stream(lyrics=LYRICS, refer_voice=VOICE) as audio:
        async for _ in audio:
            began = began or time.monotonic()
    return began


@asynccontextmanager
async def uploading(way: Way) -> AsyncIterator[Call]:
    """Send a file by its name, or an open one from a slow disk; this client checks and hashes it, too."""
    async with ours(way) as client:

        async def send(reference: Path) -> None:
            if not way.job.read_seconds:
                await client.upload(reference, purpose="song")
                return
            with way.opened(reference) as file:
                await client.upload(file, purpose="song")

        yield send


CLIENTS = Clients(
    tracks={OURS: to_files, STOCK: to_files, IN_MEMORY: in_memory},
    first={OURS: first_audio},
    uploads={OURS: uploading},
)
