"""Read what a request says: the fault that it asks for, and its JSON."""

from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request

from aiml_music.sandbox import checks
from aiml_music.sandbox.answers import Refusal, RefusedError, flat_refusal
from aiml_music.sandbox.front import Exchange
from aiml_music.sandbox.multipart import too_large
from aiml_music.sandbox.scenarios import SCENARIOS, Scenario


def asked_scenario(request: Request, exchange: Exchange, *, direct: bool) -> Scenario | None:
    """Return the fault that a request names itself, of those that its route has."""
    name = request.headers.get("x-sandbox-scenario")
    if name is None:
        return None
    known = [scenario.name for scenario in SCENARIOS.values() if scenario.concerns(direct=direct)]
    if name not in known:
        raise RefusedError(flat_refusal(400, f"Unknown scenario; there are: {', '.join(known)}"))
    exchange.scenario = name
    return SCENARIOS[name]


async def json_of(request: Request, *, max_bytes: int) -> Any:
    """Return the value of a JSON body."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(flat_refusal(400, "Content-Type must be application/json"))
    payload = checks.parse_json(await _bounded(request.stream(), max_bytes))
    if isinstance(payload, Refusal):
        raise RefusedError(payload)
    return payload


async def _bounded(body: AsyncIterator[bytes], max_bytes: int) -> bytes:
    whole = bytearray()
    async for chunk in body:
        whole += chunk
        if len(whole) > max_bytes:
            raise RefusedError(too_large(max_bytes).refusal)
    return bytes(whole)
