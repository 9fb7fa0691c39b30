"""Async-first client for AI/ML API's music endpoints: never pay twice, never lose a track you paid for.

A name is loaded when it is first asked for, so that `import aiml_music` alone costs next to nothing.
"""

import importlib

from aiml_music._version import __version__

# As `typing` has it, which would take longer than all the rest here.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from aiml_music._calls.generation import Generation
    from aiml_music._calls.stream import AudioStream
    from aiml_music._sansio.account import AccountBalance, ModelInfo
    from aiml_music._sansio.audio import AudioFormatError, AudioInfo
    from aiml_music._sansio.batch.job import Job
    from aiml_music._sansio.batch.states import JobState
    from aiml_music._sansio.errors import (
        APIError,
        AuthenticationError,
        BudgetExceededError,
        ConfigError,
        ContentRefusedError,
        CreditsError,
        InDoubtError,
        InDoubtTimeout,
        InputError,
        InvalidRequestError,
        LedgerBusyError,
        LedgerCorruptError,
        LedgerError,
        MusicError,
        NotFoundError,
        NotSentError,
        NotSentTimeout,
        OutputExistsError,
        PayloadError,
        PermissionDeniedError,
        RateLimitError,
        ServerError,
        SpendBrakeError,
        StorageError,
    )
    from aiml_music._sansio.events import Event, EventKind
    from aiml_music._sansio.hexjson import HexAudioDecoder, HexDecodeError
    from aiml_music._sansio.lyrics import LyricsWarning
    from aiml_music._sansio.models import (
        AudioFacts,
        AudioSetting,
        Flag,
        Purpose,
        Receipt,
        Reference,
        Settlement,
        SettlementVerdict,
        Track,
    )
    from aiml_music._sansio.options import Timeouts
    from aiml_music._sansio.outcome import Attempt, Money, Operation, Outcome, Phase
    from aiml_music._sansio.retry import RetryPolicy
    from aiml_music.batch.batch import Batch, BatchReport
    from aiml_music.batch.blocking import BlockingBatch
    from aiml_music.batch.outcomes import JobOutcome
    from aiml_music.batch.settling import JobSettlement
    from aiml_music.client import AsyncMusicClient
    from aiml_music.sync import BlockingAudioStream, BlockingGeneration, BlockingWarning, MusicClient
else:
    # Type checkers would take every misspelt name for one of ours.
    def __getattr__(name: str) -> object:
        for home, names in _HOMES.items():
            if name in names:
                thing = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
                return thing
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "APIError",
    "AccountBalance",
    "AsyncMusicClient",
    "Attempt",
    "AudioFacts",
    "AudioFormatError",
    "AudioInfo",
    "AudioSetting",
    "AudioStream",
    "AuthenticationError",
    "Batch",
    "BatchReport",
    "BlockingAudioStream",
    "BlockingBatch",
    "BlockingGeneration",
    "BlockingWarning",
    "BudgetExceededError",
    "ConfigError",
    "ContentRefusedError",
    "CreditsError",
    "Event",
    "EventKind",
    "Flag",
    "Generation",
    "HexAudioDecoder",
    "HexDecodeError",
    "InDoubtError",
    "InDoubtTimeout",
    "InputError",
    "InvalidRequestError",
    "Job",
    "JobOutcome",
    "JobSettlement",
    "JobState",
    "LedgerBusyError",
    "LedgerCorruptError",
    "LedgerError",
    "LyricsWarning",
    "ModelInfo",
    "Money",
    "MusicClient",
    "MusicError",
    "NotFoundError",
    "NotSentError",
    "NotSentTimeout",
    "Operation",
    "Outcome",
    "OutputExistsError",
    "PayloadError",
    "PermissionDeniedError",
    "Phase",
    "Purpose",
    "RateLimitError",
    "Receipt",
    "Reference",
    "RetryPolicy",
    "ServerError",
    "Settlement",
    "SettlementVerdict",
    "SpendBrakeError",
    "StorageError",
    "Timeouts",
    "Track",
    "__version__",
]

# For the one who runs this, what the imports above are for type checkers.
_HOMES = {
    "_calls.generation": ("Generation",),
    "_calls.stream": ("AudioStream",),
    "_sansio.account": ("AccountBalance", "ModelInfo"),
    "_sansio.audio": ("AudioFormatError", "AudioInfo"),
    "_sansio.batch.job": ("Job",),
    "_sansio.batch.states": ("JobState",),
    "_sansio.errors": (
        "APIError",
        "AuthenticationError",
        "BudgetExceededError",
        "ConfigError",
        "ContentRefusedError",
        "CreditsError",
        "InDoubtError",
        "InDoubtTimeout",
        "InputError",
        "InvalidRequestError",
        "LedgerBusyError",
        "LedgerCorruptError",
        "LedgerError",
        "MusicError",
        "NotFoundError",
        "NotSentError",
        "NotSentTimeout",
        "OutputExistsError",
        "PayloadError",
        "PermissionDeniedError",
        "RateLimitError",
        "ServerError",
        "SpendBrakeError",
        "StorageError",
    ),
    "_sansio.events": ("Event", "EventKind"),
    "_sansio.hexjson": ("HexAudioDecoder", "HexDecodeError"),
    "_sansio.lyrics": ("LyricsWarning",),
    "_sansio.models": (
        "AudioFacts",
        "AudioSetting",
        "Flag",
        "Purpose",
        "Receipt",
        "Reference",
        "Settlement",
        "SettlementVerdict",
        "Track",
    ),
    "_sansio.options": ("Timeouts",),
    "_sansio.outcome": ("Attempt", "Money", "Operation", "Outcome", "Phase"),
    "_sansio.retry": ("RetryPolicy",),
    "batch.batch": ("Batch", "BatchReport"),
    "batch.blocking": ("BlockingBatch",),
    "batch.outcomes": ("JobOutcome",),
    "batch.settling": ("JobSettlement",),
    "client": ("AsyncMusicClient",),
    "sync": ("BlockingAudioStream", "BlockingGeneration", "BlockingWarning", "MusicClient"),
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


del TYPE_CHECKING
