"""The routes that tell which models are served and what they cost; nobody needs a key for them.

Shapes, sections and filters as AI/ML API documents them. What it calls the types, capabilities and units of music is
not documented, and guessed after those of its other models.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha1
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from aiml_music.sandbox.account import CREDITS_PER_TRACK
from aiml_music.sandbox.answers import RefusedError, flat_refusal
from aiml_music.sandbox.books import CREDITS_PER_USD
from aiml_music.sandbox.checks import MODEL
from aiml_music.sandbox.living import LIVING_MODELS, LivingModel, is_reference
from aiml_music.sandbox.settings import Settings

MODELS_PATHS = ("/v1/models", "/models", "/api/v1/models")
MODEL_PATH = "/model/{id:path}"

SECTIONS = ("pricing", "modalities", "capabilities")
FILTERS = ("id", "type", "tags", "modalities", "input_modalities", "output_modalities", "capabilities")


class ModelRoutes:
    """The endpoints, over the models that a sandbox serves.

    Args:
        settings: name those that are withdrawn.
    """

    def __init__(self, settings: Settings) -> None:
        entries = [_direct(), *map(_queued, LIVING_MODELS.values())]
        self._entries = [entry for entry in entries if entry["id"] not in settings.withdrawn]

    async def catalogue(self, request: Request) -> Response:
        """List the models."""
        asked = request.query_params
        wanted = {name: _values(asked, name) for name in FILTERS if name in asked}
        entries = [
            _projected(entry, asked)
            for entry in self._entries
            if all(values & _words(entry, name) for name, values in wanted.items())
        ]
        return _tagged(request, {"object": "list", "data": entries})

    async def one(self, request: Request) -> Response:
        """Tell of one model, by its id or an alias."""
        name = request.path_params["id"].lower()
        for entry in self._entries:
            if name in _words(entry, "id"):
                return _tagged(request, {"object": "model", "data": _projected(entry, request.query_params)})
        raise RefusedError(flat_refusal(404, "Model not found"))


def _direct() -> dict[str, Any]:
    return _entry(MODEL, (), "MiniMax Music 01", "MiniMax", CREDITS_PER_TRACK, hears=True)


def _queued(model: LivingModel) -> dict[str, Any]:
    hears = any(map(is_reference, model.fields))
    return _entry(model.id, model.aliases, model.name, model.developer, model.price, hears=hears)


def _entry(name: str, aliases: Iterable[str], title: str, developer: str, price: int, *, hears: bool) -> dict[str, Any]:
    return {
        "id": name,
        "info": {"name": title, "developer": developer, "description": f"{title}, as the sandbox hums it.", "url": ""},
        "type": "internal/audio-generations/submit",
        "aliases": list(aliases),
        "tags": ["playground:audio"],
        "modalities": {"input": ["audio", "text"] if hears else ["text"], "output": ["audio"]},
        "capabilities": ["music_generation"],
        "pricing": {
            "kind": "fixed",
            "currency": "USD",
            "units": [{"name": "generation", "measure": "output", "price": price / CREDITS_PER_USD, "per": 1}],
        },
    }


def _values(asked: QueryParams, name: str) -> set[str]:
    return {part.strip().lower() for value in asked.getlist(name) for part in value.split(",")}


def _words(entry: Mapping[str, Any], name: str) -> set[str]:
    """Return what a filter looks for in an entry."""
    modalities = entry["modalities"]
    found = {
        "id": [entry["id"], *entry["aliases"]],
        "type": [entry["type"]],
        "modalities": modalities["input"] + modalities["output"],
        "input_modalities": modalities["input"],
        "output_modalities": modalities["output"],
    }
    return {word.lower() for word in found.get(name) or entry[name]}


def _projected(entry: Mapping[str, Any], asked: QueryParams) -> dict[str, Any]:
    """Return an entry without the sections that nobody asked for."""
    included = _values(asked, "include")
    everything = "all" in included or asked.get("details") in {"true", "1"}
    return {name: value for name, value in entry.items() if name not in SECTIONS or everything or name in included}


def _tagged(request: Request, answer: Mapping[str, Any]) -> Response:
    """Return an answer with its tag, or without a body to those who have it."""
    body = json.dumps(answer, separators=(",", ":")).encode()
    tag = f'W/"{len(body):x}-{b64encode(sha1(body, usedforsecurity=False).digest()).decode()[:27]}"'
    known = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if known & {"*", tag.removeprefix("W/")}:
        return Response(status_code=304, headers={"etag": tag})
    return Response(body, media_type="application/json", headers={"etag": tag})
