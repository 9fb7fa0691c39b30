"""Async-first client for AI/ML API's music endpoints: never pay twice, never lose a track you paid for."""

from aiml_music._calls.generation import Generation
from aiml_music._calls.stream import AudioStream
from aiml_music._sansio.audio import AudioFormatError, AudioInfo
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
    StorageError,
)
from aiml_music._sansio.events import Event, EventKind
from aiml_music._sansio.hexjson import HexAudioDecoder, HexDecodeError
from aiml_music._sansio.lyrics import LyricsWarning
from aiml_music._sansio.models import AudioFacts, AudioSetting, Flag, Purpose, Receipt, Reference, Track
from aiml_music._sansio.options import Timeouts
from aiml_music._sansio.outcome import Attempt, Money, Operation, Outcome, Phase
from aiml_music._sansio.retry import RetryPolicy
from aiml_music._version import __version__
from aiml_music.client import AsyncMusicClient
from aiml_music.sync import BlockingAudioStream, BlockingGeneration, BlockingWarning, MusicClient

__all__ = [
    "APIError",
    "AsyncMusicClient",
    "Attempt",
    "AudioFacts",
    "AudioFormatError",
    "AudioInfo",
    "AudioSetting",
    "AudioStream",
    "AuthenticationError",
    "BlockingAudioStream",
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
    "LedgerBusyError",
    "LedgerCorruptError",
    "LedgerError",
    "LyricsWarning",
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
    "StorageError",
    "Timeouts",
    "Track",
    "__version__",
]
