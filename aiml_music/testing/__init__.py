"""For the tests of programs that use this library: a scripted transport, a clock that is moved by hand, silent audio.

Fixtures for pytest are in `aiml_music.testing.fixtures`, the service on this machine in `aiml_music.sandbox`.
"""

from aiml_music._sansio.ports import FaultKind
from aiml_music.testing.audio import silent_mp3
from aiml_music.testing.clock import FakeClock
from aiml_music.testing.generations import accepted, audio_file, generation_failed, ready_at, still_running
from aiml_music.testing.reactions import (
    ScriptedAnswer,
    ScriptedFault,
    answer,
    broken_off,
    error_code,
    finished_track,
    gateway_page,
    lost,
    new_reference,
    no_answer,
    refusal,
    unreachable,
)
from aiml_music.testing.scripted import ScriptedTransport
from aiml_music.testing.steps import RecordedRequest, Step, on_fetch, on_generate, on_question, on_request, on_upload

__all__ = [
    "FakeClock",
    "FaultKind",
    "RecordedRequest",
    "ScriptedAnswer",
    "ScriptedFault",
    "ScriptedTransport",
    "Step",
    "accepted",
    "answer",
    "audio_file",
    "broken_off",
    "error_code",
    "finished_track",
    "gateway_page",
    "generation_failed",
    "lost",
    "new_reference",
    "no_answer",
    "on_fetch",
    "on_generate",
    "on_question",
    "on_request",
    "on_upload",
    "ready_at",
    "refusal",
    "silent_mp3",
    "still_running",
    "unreachable",
]
