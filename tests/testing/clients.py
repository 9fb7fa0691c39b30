"""Clients of scripts: a key that must not show, and a service that is nowhere."""

from typing import Any

from aiml_music import AsyncMusicClient, MusicClient
from aiml_music.testing import ScriptedTransport
from tests.canary import KEY

SERVICE = "https://music.invalid"


def client_of(transport: ScriptedTransport, **options: Any) -> AsyncMusicClient:
    """Return a client whose requests a script plays."""
    return AsyncMusicClient(api_key=KEY, transport=transport, **{"base_url": SERVICE, **options})


def blocking_client_of(transport: ScriptedTransport, **options: Any) -> MusicClient:
    """Return the same, blocking."""
    return MusicClient(api_key=KEY, transport=transport, **{"base_url": SERVICE, **options})
