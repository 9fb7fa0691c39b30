"""The clients that are measured, by the names that the tables call them; a module holds those of one library."""

import importlib
import importlib.util
from collections.abc import Iterable

from tests.benchmarks.job import Clients

OURS, STOCK, IN_MEMORY = "aiml_music", "aiml_music, stock transport", "aiml_music, in memory"
FLOOR = "floor: one blocking socket"
HTTPX_JSON, HTTPX_STREAM = "httpx, .json()", "httpx stream + our decoder"
AIOHTTP_JSON, AIOHTTP_STREAM = "aiohttp, .json()", "aiohttp stream + our decoder"
OPENAI = "openai-python, .post()"
THREADS = "requests on threads"
HTTPX_BYTES, HTTPX_FILE, AIOHTTP_FILE = "httpx, files= bytes", "httpx, files= an open file", "aiohttp, an open file"

_MODULES = {
    "aiml_music": "ours",
    "floor": "floor",
    "httpx": "with_httpx",
    "aiohttp": "with_aiohttp",
    "openai": "with_openai",
    "requests": "with_requests",
}
_MAY_BE_MISSING = ("aiohttp", "openai", "requests")


def clients_of(kind: str) -> Clients:
    """Return the clients of a kind's library: no other library is imported by this process."""
    module = next(module for library, module in _MODULES.items() if kind.startswith(library))
    clients: Clients = importlib.import_module(f"{__name__}.{module}").CLIENTS
    return clients


def present(kinds: Iterable[str]) -> list[str]:
    """Leave out the clients whose library is not installed."""
    missing = tuple(name for name in _MAY_BE_MISSING if importlib.util.find_spec(name) is None)
    return [kind for kind in kinds if not kind.startswith(missing)]
