"""The tree of errors: its shape, its words, and that errors travel whole."""

import copy
import errno
import pickle
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from aiml_music._sansio import errors
from aiml_music._sansio.errors import (
    APIError,
    InDoubtError,
    InDoubtTimeout,
    InputError,
    MusicError,
    NotReadyError,
    NotSentTimeout,
    PayloadError,
    SpendBrakeError,
    StorageError,
    what_happened,
)
from aiml_music._sansio.outcome import Attempt, Money, Operation, Outcome, Phase

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MusicError)]

CIRCUMSTANCES: errors.Circumstances = {
    "outcome": Outcome.UNKNOWN,
    "money": Money.UNKNOWN,
    "phase": Phase.WAIT,
    "operation": Operation.GENERATE,
    "attempts": (Attempt(number=1, outcome=Outcome.UNKNOWN, phase=Phase.WAIT, elapsed=61.5, status=504),),
    "elapsed": 62.25,
    "client_request_id": "order:17",
    "inference_id": "inf-1",
    "trace_id": "04fb6a87",
    "credits_used": 63_000,
    "hint": "Look into the log.",
    "salvage": b"ID3",
}

COPIES: dict[str, Callable[[MusicError], MusicError]] = {
    **{
        f"pickle {protocol}": lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))  # type: ignore[misc]  # noqa: S301 - a lambda's default cannot be annotated; our own bytes
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


_LINE = re.compile(r"(?P<lead>[│ ]*(?:[├└]── )?)(?P<names>[A-Z]\w+(?: · [A-Z]\w+)*)(?: \((?P<builtin>\w+)\))?")


def drawn_tree() -> dict[str, tuple[str | None, str | None]]:
    """Read the drawing in the module's docstring: each class with its parent, and the builtin in brackets."""
    tree: dict[str, tuple[str | None, str | None]] = {}
    above: list[tuple[int, str]] = []
    for line in str(errors.__doc__).split("```")[1].strip().splitlines():
        drawn = _LINE.match(line)
        assert drawn, line
        above = [(column, name) for column, name in above if column < len(drawn["lead"])]
        names = drawn["names"].split(" · ")
        tree |= dict.fromkeys(names, (above[-1][1] if above else None, drawn["builtin"]))
        above.append((len(drawn["lead"]), names[-1]))
    return tree


def full(kind: type[MusicError]) -> MusicError:
    """Return an error of a kind with every attribute set."""
    own: dict[str, Any] = {}
    if issubclass(kind, APIError):
        own = {"status": 429, "api_code": 1002, "api_message": "slow", "fields": ("lyrics",), "retry_after": 7.5}
    elif issubclass(kind, InDoubtError):
        own = {"status": 504}
    elif issubclass(kind, StorageError):
        own = {"errno": errno.ENOSPC, "filename": "song.mp3"}
    error = kind("It broke.", **own, **CIRCUMSTANCES)
    error.add_note("seen on a Monday")
    return error


def contents(error: MusicError) -> dict[str, object]:
    """Return everything an error carries."""
    slots = ("args", "errno", "filename", "strerror")
    return vars(error) | {name: getattr(error, name, None) for name in slots} | {"str": str(error)}


def test_the_drawing_is_the_tree() -> None:
    """The tree on top of the module names every class, under its parent, with its builtin."""
    real: dict[str, tuple[str | None, str | None]] = {}
    for kind in KINDS:
        ours = [parent.__name__ for parent in kind.__bases__ if issubclass(parent, MusicError)]
        builtins = [parent.__name__ for parent in kind.__bases__ if not issubclass(parent, MusicError)]
        real[kind.__name__] = (ours[0] if ours else None, builtins[0] if builtins else None)
    real["MusicError"] = (None, None)
    assert drawn_tree() == real


@pytest.mark.parametrize(
    ("kind", "builtins"),
    [
        (errors.ConfigError, (ValueError,)),
        (errors.InputError, (ValueError,)),
        (errors.NotSentError, (ConnectionError, OSError)),
        (errors.NotSentTimeout, (ConnectionError, TimeoutError)),
        (errors.InDoubtError, (ConnectionError, OSError)),
        (errors.InDoubtTimeout, (ConnectionError, TimeoutError)),
        (errors.StorageError, (OSError,)),
        (errors.OutputExistsError, (FileExistsError,)),
    ],
)
def test_builtin_handlers_catch_too(kind: type[MusicError], builtins: tuple[type[Exception], ...]) -> None:
    """Code that knows only the builtin exceptions catches the right ones."""
    assert all(issubclass(kind, builtin) for builtin in builtins)


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("money", Money)
def test_every_pair_has_words(outcome: Outcome, money: Money) -> None:
    """Whatever became of the request and the money can be said in a sentence of its own."""
    words = what_happened(outcome, money)
    assert words.endswith(".")
    assert [pair for pair in product(Outcome, Money) if what_happened(*pair) == words] == [(outcome, money)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_says_what_happened_and_what_to_do(kind: type[MusicError]) -> None:
    """The text is the message, then what became of request and money, then the next step."""
    happened = what_happened(Outcome.UNKNOWN, Money.UNKNOWN)
    if kind is SpendBrakeError:
        happened = "The next call was not made, and cost nothing; what those before it cost is in the batch's report."
    assert str(full(kind)) == f"It broke. {happened} Look into the log."


def test_an_error_without_a_hint_ends_with_what_happened() -> None:
    """No hint leaves no gap, and an error about arguments says that nothing was spent."""
    assert str(InputError("No lyrics.")) == "No lyrics. No complete request was sent; no money was spent."


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
def test_errors_travel_whole(kind: type[MusicError], duplicate: Callable[[MusicError], MusicError]) -> None:
    """A copied or pickled error is of the same class and keeps every attribute, the notes included."""
    error = full(kind)
    twin = duplicate(error)
    assert type(twin) is kind
    assert contents(twin) == contents(error)
    assert vars(twin)["__notes__"] == ["seen on a Monday"]


def test_a_salvaged_path_travels() -> None:
    """A salvage that is a file arrives as a path."""
    error = PayloadError("Cut short.", salvage=Path("song.partial.mp3"))
    assert pickle.loads(pickle.dumps(error)).salvage == Path("song.partial.mp3")  # noqa: S301 - our own bytes


def test_a_deep_copy_has_notes_of_its_own() -> None:
    """A note on a deep copy does not appear on the original."""
    error = full(InputError)
    copy.deepcopy(error).add_note("elsewhere")
    assert error.__notes__ == ["seen on a Monday"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_is_not_said_has_a_default(kind: type[MusicError]) -> None:
    """An error made of a message alone claims nothing: nothing was sent, nothing is known."""
    error = kind("It broke.")
    assert (error.outcome, error.money, error.phase) == (Outcome.NOT_SENT, Money.NO, Phase.INPUT)
    assert (error.attempts, error.elapsed, error.salvage, error.credits_used) == ((), 0.0, None, None)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_only_timeouts_are_timeouts(kind: type[MusicError]) -> None:
    """`is_timeout` says the same as the builtin `TimeoutError`."""
    timeouts: set[type[MusicError]] = {NotSentTimeout, InDoubtTimeout, NotReadyError}
    assert kind.is_timeout is issubclass(kind, TimeoutError) is (kind in timeouts)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_explained(kind: type[MusicError]) -> None:
    """Each class says in its own docstring what happened."""
    assert kind.__doc__
    assert kind.__doc__ != (kind.__base__ or object).__doc__
