"""Fixtures for pytest: a sandbox, clients of it, a fake clock, and transports whose scripts must be played to the end.

Turn them on in `conftest.py`: `pytest_plugins = ["aiml_music.testing.fixtures"]`.
"""

import importlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from aiml_music.client import AsyncMusicClient
from aiml_music.sync import MusicClient
from aiml_music.testing.clock import FakeClock
from aiml_music.testing.scripted import ScriptedTransport
from aiml_music.testing.steps import Step

if TYPE_CHECKING:
    from aiml_music.sandbox import RunningSandbox, Settings


@pytest.fixture
def music_sandbox_settings() -> "Settings":
    """How the sandbox behaves: it answers at once, with tracks of a second. Override it to change that."""
    settings: Settings = _sandbox().Settings(latency=0, longest_track=1)
    return settings


@pytest.fixture
def music_sandbox(music_sandbox_settings: "Settings") -> "Iterator[RunningSandbox]":
    """The service on this machine, for one test; `music_sandbox.sandbox.charges` counts what it charged."""
    with _sandbox().running(music_sandbox_settings) as sandbox:
        yield sandbox


def _sandbox() -> ModuleType:
    # Late: those who use no sandbox need not have it.
    try:
        return importlib.import_module("aiml_music.sandbox")
    except ImportError as error:
        pytest.fail(f"the sandbox needs the extra 'sandbox' of aiml-music: {error}")


@pytest.fixture
def music_client_options() -> dict[str, Any]:
    """What the two clients are made with, beside key and address: nothing. Override it to change that."""
    return {}


@pytest.fixture
def async_music_client(
    music_sandbox: "RunningSandbox", music_client_options: dict[str, Any]
) -> Iterator[AsyncMusicClient]:
    """A client of that sandbox, for whatever event loop the test runs in.

    A test that submits generations collects them, or closes the client itself.
    """
    client = AsyncMusicClient(base_url=music_sandbox.base_url, api_key=music_sandbox.api_key, **music_client_options)
    yield client
    if not client.is_closed():
        # `close` waits for what was submitted, in an event loop that has ended by now.
        client._session.closed = True  # noqa: SLF001
        left = client.generations
        assert not left, f"collect what was submitted, or close the client in the test: {left}"  # noqa: S101


@pytest.fixture
def music_client(music_sandbox: "RunningSandbox", music_client_options: dict[str, Any]) -> Iterator[MusicClient]:
    """A blocking client of that sandbox."""
    with MusicClient(base_url=music_sandbox.base_url, api_key=music_sandbox.api_key, **music_client_options) as client:
        yield client


@pytest.fixture
def fake_clock() -> FakeClock:
    """A clock that moves only when somebody sleeps by it."""
    return FakeClock()


@pytest.fixture
def scripted_transport() -> Iterator[Callable[..., ScriptedTransport]]:
    """Make scripted transports; those that were not played to the end fail the test."""
    made: list[ScriptedTransport] = []

    def script(*steps: Step) -> ScriptedTransport:
        transport = ScriptedTransport(*steps)
        made.append(transport)
        return transport

    yield script
    for transport in made:
        transport.assert_done()
