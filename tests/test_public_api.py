"""What users may rely on: the names, and their documentation."""

import inspect
from importlib.metadata import version

import pytest

import aiml_music
from aiml_music import AsyncMusicClient, MusicClient

PUBLIC = [
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

METHODS = [name for name in dir(AsyncMusicClient) if not name.startswith("_") and name != "aclose"]


def test_the_public_names_are_these() -> None:
    """A name is added or taken away on purpose, and the list is in order."""
    assert aiml_music.__all__ == PUBLIC == sorted(PUBLIC)


def test_no_other_name_is_at_hand() -> None:
    """Beside the public names, the package shows its own modules only."""
    others = {name for name in vars(aiml_music) if not name.startswith("_")} - set(PUBLIC)
    assert all(inspect.ismodule(getattr(aiml_music, name)) for name in others)


@pytest.mark.parametrize("name", [name for name in PUBLIC if name != "__version__"])
def test_every_public_name_is_documented(name: str) -> None:
    """Each class says what it is, and so does each of its public methods and properties."""
    thing = getattr(aiml_music, name)
    inherited = {parent.__doc__ for parent in thing.__mro__[1:]}
    assert thing.__doc__ not in {None, "", *inherited}
    for label, member in vars(thing).items():
        if not label.startswith("_") and (inspect.isroutine(member) or isinstance(member, property)):
            assert inspect.getdoc(member), f"{name}.{label}"


def test_the_version_is_that_of_the_package() -> None:
    """What the code says and what was installed is the same."""
    assert aiml_music.__version__ == version("aiml-music")


def test_both_clients_have_the_same_methods() -> None:
    """Whoever knows one client knows the other; `aclose` alone is a word of the asynchronous world."""
    blocking = {name for name in vars(MusicClient) if not name.startswith("_")}
    assert blocking == set(METHODS)
    assert {"close", "generate", "is_closed", "stream", "upload", "with_options"} <= blocking


@pytest.mark.parametrize("name", ["__init__", *(name for name in METHODS if name != "generations")])
def test_both_clients_take_the_same_arguments(name: str) -> None:
    """A call is written the same way with and without `await`, and documented the same."""
    asynchronous, blocking = getattr(AsyncMusicClient, name), getattr(MusicClient, name)
    assert inspect.signature(blocking).parameters == inspect.signature(asynchronous).parameters
    assert not inspect.iscoroutinefunction(blocking)
