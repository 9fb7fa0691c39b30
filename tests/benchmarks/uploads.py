"""How each client sends a reference of fifty megabytes."""

import importlib
from pathlib import Path

from tests.benchmarks.clients import aiohttp_session, ours, unbounded
from tests.benchmarks.job import Upload, Way


async def ours_from_file(way: Way, reference: Path) -> None:
    """Send a file by its name; this client checks and hashes it, too."""
    async with ours(way) as client:
        await client.upload(reference, purpose="song")


async def httpx_bytes(way: Way, reference: Path) -> None:
    """Send what was read whole, as the examples of the service's documentation do."""
    async with unbounded(way) as client:
        files = {"file": ("reference.wav", reference.read_bytes(), "audio/wav")}  # noqa: ASYNC240 - as users write it
        await client.post(way.upload, files=files, data={"purpose": "song"})


async def httpx_file(way: Way, reference: Path) -> None:
    """Send an open file."""
    async with unbounded(way) as client:
        with reference.open("rb") as file:
            files = {"file": ("reference.wav", file, "audio/wav")}
            await client.post(way.upload, files=files, data={"purpose": "song"})


async def aiohttp_file(way: Way, reference: Path) -> None:
    """Send an open file."""
    form = importlib.import_module("aiohttp").FormData()
    form.add_field("purpose", "song")
    async with aiohttp_session(way) as session:
        with reference.open("rb") as file:
            form.add_field("file", file, filename="reference.wav", content_type="audio/wav")
            async with session.post(way.upload, data=form) as response:
                await response.json()


UPLOADS: dict[str, Upload] = {
    "aiml_music": ours_from_file,
    "httpx, files= bytes": httpx_bytes,
    "httpx, files= an open file": httpx_file,
    "aiohttp, an open file": aiohttp_file,
}
