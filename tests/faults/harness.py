"""Make one fault happen to one call, end to end over a real socket, and hold everything it left against the table.

What every row asserts stands here: the error's class, outcome and money, the number of attempts, the complete requests
the server saw, the files beside the target, open descriptors, living tasks, and the key, which shows nowhere.
"""

import asyncio
import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
import trio
from attrs import evolve, field, frozen

from aiml_music import (
    AsyncMusicClient,
    InDoubtError,
    Money,
    MusicError,
    NotSentError,
    Operation,
    Outcome,
    PayloadError,
    Reference,
    Track,
)
from aiml_music.testing import FakeClock
from tests.answers import VOICE_ID, answer, uploaded
from tests.calls import MADE, REFERENCE, TRACK, assert_traced, client_of, generate
from tests.canary import KEY, assert_keyless
from tests.loopback import Loopback, Script, loopback

GENERATE, UPLOAD = Operation.GENERATE, Operation.UPLOAD
NO, YES, MAYBE = Money.NO, Money.YES, Money.UNKNOWN

LEARNED = answer(uploaded())
SUCCESS: Mapping[Operation, Script] = {GENERATE: [MADE], UPLOAD: [LEARNED]}
# More than the buffers of both sides hold, so that a request can be cut before it is whole.
LARGE = 12_000_000


@frozen(kw_only=True)
class Ending:
    """How a call must end.

    Attributes:
        error: exactly this class.
        again: whether a repeat is allowed; the call then succeeds at the next attempt.
        says: what the whole text of the error must contain, its hint included.
        salvage: the audio that is kept; None where none is.
        kept: the name it is kept under, `song.<kept>.mp3`.
        at_most: how much of `salvage` came is for the network to decide.
    """

    error: type[MusicError]
    outcome: Outcome
    money: Money
    again: bool = False
    says: tuple[str, ...] = ()
    salvage: bytes | None = None
    kept: Literal["partial", "unverified"] = "partial"
    at_most: bool = False

    def assert_is(self, error: MusicError, operation: Operation, attempts: int) -> None:
        """Make sure that an error is what it must be."""
        assert (type(error), error.outcome, error.money) == (self.error, self.outcome, self.money), str(error)
        assert len(error.attempts) == attempts, error.attempts
        for part in self.says:
            assert part in str(error)
        assert_traced(error, operation)

    def assert_kept(self, error: MusicError, directory: Path) -> None:
        """Make sure that exactly the right audio is left on the disk, and that the error leads there."""
        names = {path.name for path in directory.iterdir()}
        if self.salvage is None:
            assert (names, error.salvage) == (set(), None)
            return
        path = directory / f"song.{self.kept}.mp3"
        assert (names, error.salvage) == ({path.name}, path)
        content = path.read_bytes()
        assert self.salvage.startswith(content) if self.at_most else content == self.salvage


@frozen(kw_only=True)
class Fault:
    """What the server does to a call.

    Attributes:
        script: what it does to the first connection; to the second it gives what was asked for.
        ending: how the call ends.
        seen: how many complete requests the server gets to see in an attempt that this happens to.
        large: whether the request is larger than what both sides buffer.
        options: of the client.
    """

    script: Script
    ending: Ending
    operation: Operation = GENERATE
    seen: int = 1
    large: bool = False
    options: Mapping[str, Any] = field(factory=dict)


async def suffer(fault: Fault, directory: Path) -> MusicError:
    """Let a fault happen, and return the error of a call that may not be repeated.

    Where a repeat is allowed, a second call makes sure that it succeeds, and at no other cost; where none is, that
    none is made although it would succeed.
    """
    alone = {"max_retries": 0} if fault.ending.again else {}
    with leaving_nothing(), _server(fault) as server:
        async with _client(fault, server, **alone) as client:
            error = await failing(client, fault.operation, directory, large=fault.large)
        assert server.wait_until_idle()
    fault.ending.assert_is(error, fault.operation, 1)
    fault.ending.assert_kept(error, directory)
    assert (server.connections, len(server.requests)) == (1, fault.seen)
    if fault.ending.again:
        await recover(fault, directory)
    return error


async def recover(fault: Fault, directory: Path) -> list[float]:
    """Let a fault happen to a call that may be repeated, and return the waits before it succeeded."""
    clock = FakeClock()
    with leaving_nothing(), _server(fault) as server:
        async with _client(fault, server, clock=clock) as client:
            result = await call(client, fault.operation, directory, large=fault.large)
        assert server.wait_until_idle()
    assert_succeeded(result, fault.operation, directory)
    assert result.receipt is not None
    assert [attempt.outcome for attempt in result.receipt.attempts] == [fault.ending.outcome, Outcome.COMPLETED]
    assert (server.connections, len(server.requests)) == (2, fault.seen + 1)
    assert len(clock.slept) == 1
    return clock.slept


async def endure(
    script: Script, directory: Path, *, operation: Operation = GENERATE, audio: bytes = TRACK, **options: Any
) -> Track | Reference:
    """Let a server answer strangely, and return what the call gives all the same, after one request."""
    with leaving_nothing(), loopback(script) as server:
        async with client_of(server, **{"clock": FakeClock(), **options}) as client:
            result = await call(client, operation, directory)
        assert server.wait_until_idle()
    assert_succeeded(result, operation, directory, audio=audio)
    assert (server.connections, len(server.requests)) == (1, 1)
    return result


async def call(
    client: AsyncMusicClient, operation: Operation, directory: Path, *, large: bool = False, **arguments: Any
) -> Track | Reference:
    """Make a call: an upload of a reference, or a generation into `song.mp3`."""
    if operation is UPLOAD:
        source = _large_file(directory) if large else REFERENCE
        return await client.upload(source, purpose="song", check_audio=not large, **arguments)
    padding = {"extra_body": {"padding": "x" * LARGE}} if large else {}
    return await generate(client, **{"to": directory / "song.mp3", **padding, **arguments})


def _large_file(directory: Path) -> Path:
    """Return a file of nothing, beside the directory."""
    path = directory.with_name(f"{directory.name}-reference")
    with path.open("wb") as file:
        file.truncate(LARGE)
    return path


async def failing(
    client: AsyncMusicClient, operation: Operation, directory: Path, *, large: bool = False, **arguments: Any
) -> MusicError:
    """Make a call that fails, and return its error, which shows the key to nobody."""
    with pytest.raises(MusicError) as caught:
        await call(client, operation, directory, large=large, **arguments)
    if large and operation is GENERATE:
        # To look for the key among the megabytes of every frame takes seconds.
        assert KEY not in f"{caught.value!s}{vars(caught.value)}"
    else:
        assert_keyless(caught.value)
    return caught.value


def assert_succeeded(result: Track | Reference, operation: Operation, directory: Path, *, audio: bytes = TRACK) -> None:
    """Make sure that a call gave what it was asked for, left it where it belongs, and shows no key."""
    assert KEY not in repr(result)
    if isinstance(result, Reference):
        assert operation is UPLOAD
        assert result.voice_id == VOICE_ID
        assert list(directory.iterdir()) == []
        return
    assert operation is GENERATE
    assert result.path == directory / "song.mp3"
    assert list(directory.iterdir()) == [result.path]
    assert result.path.read_bytes() == audio
    result.path.unlink()


@contextmanager
def leaving_nothing() -> Iterator[None]:
    """Fail if descriptors are open, or tasks alive, that were not before."""
    descriptors, tasks = _descriptors(), _tasks()
    yield
    if _descriptors() - descriptors:
        # What is only waiting for the garbage collector is let go of now.
        gc.collect()
    assert _descriptors() - descriptors == set()
    assert _tasks() <= tasks


def _descriptors() -> set[tuple[str, str]]:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return set()
    found = set()
    for descriptor in folder.iterdir():
        try:
            found.add((descriptor.name, os.readlink(descriptor)))  # noqa: PTH115 - the target is no path
        except FileNotFoundError:
            # The one that lists the folder.
            continue
    return found


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return trio.lowlevel.current_statistics().tasks_living


def _server(fault: Fault) -> Any:
    return loopback(fault.script, SUCCESS[fault.operation])


def _client(fault: Fault, server: Loopback, **options: Any) -> AsyncMusicClient:
    return client_of(server, **{"clock": FakeClock(), **fault.options, **options})


def unsent(*, again: bool = True, error: type[MusicError] = NotSentError, says: Sequence[str] = ()) -> Ending:
    """Return the ending of a call that never left whole."""
    return Ending(error=error, outcome=Outcome.NOT_SENT, money=NO, again=again, says=tuple(says))


def doubtful(
    *, error: type[MusicError] = InDoubtError, money: Money = MAYBE, again: bool = False, says: Sequence[str] = ()
) -> Ending:
    """Return the ending of a call that may have been carried out."""
    return Ending(error=error, outcome=Outcome.UNKNOWN, money=money, again=again, says=tuple(says))


def rejected(error: type[MusicError], *, money: Money = NO, again: bool = False, says: Sequence[str] = ()) -> Ending:
    """Return the ending of a call that the service itself refused."""
    return Ending(error=error, outcome=Outcome.REJECTED, money=money, again=again, says=tuple(says))


def damaged(salvage: bytes | None = None, *, money: Money | None = None, **more: Any) -> Ending:
    """Return the ending of a call whose success cannot be used; audio that came proves that it was paid for."""
    proven = MAYBE if salvage is None else YES
    return Ending(error=PayloadError, outcome=Outcome.DAMAGED, money=money or proven, salvage=salvage, **more)


def as_upload(ending: Ending) -> Ending:
    """Return how an upload ends where a generation ends so: it has no audio, no known price, and may be repeated."""
    if ending.outcome in {Outcome.UNKNOWN, Outcome.DAMAGED}:
        return evolve(ending, again=True, money=MAYBE, salvage=None)
    return ending


def both(script: Script, generate: Ending, upload: Ending | None = None, **more: Any) -> tuple[Fault, Fault]:
    """Return the same fault for a generation and for an upload, which may end differently."""
    fault = Fault(script=script, ending=generate, **more)
    return fault, evolve(fault, operation=UPLOAD, ending=upload or as_upload(generate))


def cases(*faults: tuple[str, str | Sequence[str], Fault | Sequence[Fault]]) -> list[Any]:
    """Return parameters for a test: each a name, its rows, and one fault or one for each operation."""
    found = []
    for name, rows, given in faults:
        mark = pytest.mark.row(*([rows] if isinstance(rows, str) else rows))
        several = [given] if isinstance(given, Fault) else given
        found += [pytest.param(fault, id=f"{name} ({fault.operation})", marks=mark) for fault in several]
    return found
