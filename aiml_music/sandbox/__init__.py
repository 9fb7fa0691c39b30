"""The service, offline: AI/ML API's music endpoints on this machine, over real HTTP, for tests and demonstrations.

It imports nothing of the client, so a mistake about the wire cannot agree with itself.
"""

from aiml_music.sandbox.account import CREDITS_PER_TRACK, FetchRecord, RequestRecord, Sandbox
from aiml_music.sandbox.app import create_app
from aiml_music.sandbox.encoding import Encoder, find_encoder
from aiml_music.sandbox.reference import make_reference
from aiml_music.sandbox.scenarios import LOG_FAULTS, SCENARIOS, Scenario
from aiml_music.sandbox.server import PortTakenError, RunningSandbox, running, serve
from aiml_music.sandbox.settings import DEFAULT_KEY, Settings

__all__ = [
    "CREDITS_PER_TRACK",
    "DEFAULT_KEY",
    "LOG_FAULTS",
    "SCENARIOS",
    "Encoder",
    "FetchRecord",
    "PortTakenError",
    "RequestRecord",
    "RunningSandbox",
    "Sandbox",
    "Scenario",
    "Settings",
    "create_app",
    "find_encoder",
    "make_reference",
    "running",
    "serve",
]
