"""openai-python's way to ask for what it has no method for: its generic post, parsed whole."""

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.benchmarks.documents import GENERATE_PATH, REQUEST
from tests.benchmarks.job import Call, Clients, Way
from tests.benchmarks.kinds import OPENAI
from tests.benchmarks.kinds.decoding import from_json

# Only one of the things to measure, and not always there; httpx2 is what it is built on.
openai, httpx2 = importlib.import_module("openai"), importlib.import_module("httpx2")


@asynccontextmanager
async def posted(way: Way) -> AsyncIterator[Call]:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    http = httpx2.AsyncClient(verify=way.context, limits=limits, timeout=None, trust_env=False)
    settings = {"api_key": "a-key-for-nothing", "base_url": way.base, "max_retries": 0, "timeout": None}
    async with openai.AsyncOpenAI(http_client=http, **settings) as client:

        async def fetch(path: Path) -> None:
            answer = await client.post(GENERATE_PATH, cast_to=object, body=REQUEST)
            path.write_bytes(from_json(answer))  # noqa: ASYNC240 - as users write it

        yield fetch


CLIENTS = Clients(tracks={OPENAI: posted})
