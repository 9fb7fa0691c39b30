"""Wherever a call is cancelled, it lets go of everything, tells the truth about the money, and the client goes on."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
import trio
from attrs import define, field, frozen

from aiml_music import AsyncMusicClient, Money, MusicError, RetryPolicy, Track
from tests.answers import VOICE_ID, answer, envelope, generated, uploaded
from tests.calls import REFERENCE, TRACK, client_of, generate, settled
from tests.faults.sweep import MANNERS, Figures, Knife, Manner, cut
from tests.loopback import Loopback, ReadOnly, _read_request, loopback

pytestmark = pytest.mark.anyio

DOCUMENT = answer(generated(TRACK)).data
PARTS = (DOCUMENT[:300], DOCUMENT[300:2000], DOCUMENT[2000:])
SLOW_DOWN = answer(envelope(429, "slow down"), status="429 Too Many Requests")
UPLOADED = answer(uploaded())
# More awaits than any call has; a sweep that gets there does not end.
ENDLESS = 1000


@define(eq=False)
class Service:
    """Answers as the service would, in pieces and at once, and remembers what it was asked for, by the calls' ids.

    Attributes:
        asked: the complete requests.
        charged: those that were not refused.
        throttled: so many requests of each call are refused first.
        gate: generations are answered when it is open.
        holding: a generation has come to the gate.
    """

    asked: Counter[str] = field(factory=Counter)
    charged: Counter[str] = field(factory=Counter)
    throttled: int = 0
    gate: threading.Event = field(factory=threading.Event)
    holding: threading.Event = field(factory=threading.Event)

    def play(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = _read_request(connection)
        name = request.headers["x-client-request-id"]
        self.asked[name] += 1
        if self.asked[name] <= self.throttled:
            connection.sendall(SLOW_DOWN.data)
            return
        self.charged[name] += 1
        if request.path.endswith("/upload"):
            connection.sendall(UPLOADED.data)
            return
        self.holding.set()
        self.gate.wait(5)
        for part in PARTS:
            connection.sendall(part)
            # So that the parts arrive one by one.
            threading.Event().wait(0.0005)


@define(eq=False)
class Stage:
    """What a call is made with: a client with one place, a service, and names for files.

    Attributes:
        name: the id of the call at hand.
        was_left: the block that owns the client was cancelled.
    """

    client: AsyncMusicClient
    service: Service
    server: Loopback
    directory: Path
    name: str = ""
    was_left: bool = False

    @property
    def song(self) -> Path:
        """The file to be made."""
        return self.directory / "song.mp3"

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the call at hand."""
        return {"lyrics": "##Side by side##", "refer_voice": VOICE_ID, "client_request_id": self.name}


async def upload(stage: Stage) -> object:
    return await stage.client.upload(
        stage.directory.parent / "reference.mp3", purpose="voice", client_request_id=stage.name
    )


async def in_memory(stage: Stage) -> object:
    return await stage.client.generate(**stage.arguments())


async def into_a_file(stage: Stage) -> object:
    return await stage.client.generate(**stage.arguments(), to=stage.song)


async def as_a_stream(stage: Stage) -> object:
    async with stage.client.stream(**stage.arguments()) as audio:
        return [piece async for piece in audio]


async def submitted(stage: Stage) -> object:
    return await (await stage.client.submit(**stage.arguments()))


async def submitted_into_a_file(stage: Stage) -> object:
    return await (await stage.client.submit(**stage.arguments(), to=stage.song))


@frozen
class Call:
    """A call to be cancelled.

    Attributes:
        throttled: how often the service refuses it first.
        queued: another call has the only place when it begins.
        goes_on: it is not cancelled with whoever waits for it.
    """

    make: Callable[[Stage], Coroutine[Any, Any, object]]
    throttled: int = 0
    queued: bool = False
    goes_on: bool = False


CALLS = {
    "upload": Call(upload),
    "generate": Call(in_memory),
    "generate into a file": Call(into_a_file),
    "stream": Call(as_a_stream),
    "in the queue": Call(in_memory, queued=True),
    "between two attempts": Call(in_memory, throttled=1),
    "submit": Call(submitted, goes_on=True),
    "submit into a file": Call(submitted_into_a_file, goes_on=True),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a sweep every manner its backend has."""
    if "manner" in metafunc.fixturenames:
        pairs = [(backend, manner) for backend, manners in MANNERS.items() for manner in manners]
        metafunc.parametrize(("anyio_backend", "manner"), pairs)


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> Figures:
    """Count the awaits that were cut at, and say so at the end of the run where it was asked for."""
    figures = Figures()
    if request.config.getoption("--fault-report", default=False):
        request.config.pluginmanager.register(_Report(figures))
    return figures


class _Report:
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the figures."""
        for line in self._figures.lines():
            terminalreporter.write_line(line)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """An empty directory, beside a reference."""
    (tmp_path / "reference.mp3").write_bytes(REFERENCE)
    directory = tmp_path / "songs"
    directory.mkdir()
    return directory


@pytest.fixture
def service() -> Iterator[tuple[Service, Loopback]]:
    """A service that answers, and the server it is played by."""
    service = Service()
    service.gate.set()
    with loopback([ReadOnly(0), service]) as server:
        yield service, server


@pytest.fixture
def stride(request: pytest.FixtureRequest) -> int:
    """Every await is cut in the report and in the long form, every third in an ordinary run."""
    thorough = any(request.config.getoption(name, default=False) for name in ("--fault-report", "--long"))
    return 1 if thorough else 3


@pytest.mark.row("39", "40", "65", "85", "126", "137")
@pytest.mark.parametrize("call", CALLS)
async def test_a_call_may_be_cancelled_anywhere(
    call: str,
    manner: str,
    anyio_backend: str,
    directory: Path,
    service: tuple[Service, Loopback],
    figures: Figures,
    stride: int,
) -> None:
    """Cancelled at any await, a call ends as cancelled or done, leaves nothing behind, and says what it knows."""
    how = MANNERS[anyio_backend][manner]
    complaints = {}
    async with client_of(service[1]) as first:
        # What is loaded once is loaded now.
        await generate(first)
    assert service[1].wait_until_idle()
    for k in range(1, ENDLESS, stride):
        # A client of its own for each cut, so that one mistake is told once.
        async with client_of(service[1], max_concurrency=1, retry=RetryPolicy(wait_throttled=0.002)) as client:
            knife = await _cut(Stage(client, *service, directory, f"call-{k}"), CALLS[call], how, k)
        if knife.complaints:
            complaints[k] = knife.complaints
        if not knife.asked:
            break
    # The last round had no await left to cut at.
    cuts = (k - 1) // stride
    assert 0 < cuts < ENDLESS // stride - 2
    figures.add(anyio_backend, manner, cuts - len(complaints), cuts)
    assert not complaints, "\n".join(f"at await {k}: {'; '.join(words)}" for k, words in complaints.items())


async def _cut(stage: Stage, call: Call, how: Manner, k: int) -> Knife:
    """Cancel a call at an await, and look at what is left."""
    before = _state()
    stage.service.throttled = call.throttled
    async with AsyncExitStack() as others:
        if call.queued:
            group = await others.enter_async_context(anyio.create_task_group())
            stage.service.gate.clear()
            stage.service.holding.clear()
            group.start_soon(_other, stage)
            assert await anyio.to_thread.run_sync(stage.service.holding.wait, 5)
            # Opened while the call waits.
            threading.Timer(0.005, stage.service.gate.set).start()
        knife = await cut(how, k, lambda: call.make(stage))
        stage.service.gate.set()
    stage.service.throttled = 0
    if call.goes_on:
        await _collect(stage, knife)
    _check_files(stage, knife, await settled(stage.directory))
    with anyio.fail_after(5):
        assert (await generate(stage.client, client_request_id="after")).content == TRACK
    knife.expect(stage.server.wait_until_idle(), "a connection was left open")
    _check_requests(stage, call, knife)
    stage.service.asked.clear()
    stage.service.charged.clear()
    await settled(stage.directory)
    after = _state()
    knife.expect(after == before, f"tasks and descriptors were {before}, and are {after}")
    return knife


async def _other(stage: Stage) -> None:
    assert isinstance(await generate(stage.client, client_request_id="other"), Track)


def _state() -> tuple[int, int]:
    """Return how many tasks and how many descriptors there are."""
    if trio.lowlevel.in_trio_task():
        tasks = trio.lowlevel.current_statistics().tasks_living
    else:
        tasks = len(asyncio.all_tasks())
    descriptors = Path("/proc/self/fd")
    return tasks, len(list(descriptors.iterdir())) if descriptors.is_dir() else 0


async def _collect(stage: Stage, knife: Knife) -> None:
    """Take what was submitted, and nobody has collected."""
    with anyio.fail_after(5):
        for generation in stage.client.generations:
            knife.expect(generation is stage.client.generation(stage.name), "it is not found by its id")
            knife.result = await generation
    knife.expect(stage.client.generations == (), "what was collected is still there")


def _check_files(stage: Stage, knife: Knife, files: list[Path]) -> None:
    for path in files:
        content = path.read_bytes()
        knife.expect(path.name in {"song.mp3", "song.partial.mp3", "song.unverified.mp3"}, f"{path.name} was left")
        knife.expect(TRACK.startswith(content), f"{path.name} holds something else")
        knife.expect(path != stage.song or content == TRACK, f"{path.name} is not whole")
        # Whoever was cancelled is told where the track is, unless it can be collected.
        told = knife.result is not None or any(str(path) in note for note in knife.notes)
        knife.expect(told, f"nothing was said about {path.name}")
        path.unlink()


def _check_requests(stage: Stage, call: Call, knife: Knife) -> None:
    asked, charged = stage.service.asked[stage.name], stage.service.charged[stage.name]
    words = " ".join(knife.notes)
    knife.expect(
        asked <= 1 + call.throttled and charged <= 1, f"it was sent {asked} times, and charged {charged} times"
    )
    knife.expect(not (charged and "no money was spent" in words), f"it was charged, and is said to be free: {words}")
    told = stage.name in words or "kept all the same" in words
    knife.expect(told or not (charged and knife.was_cancelled), f"it was charged, and the cancellation says: {words}")
    knife.expect(charged or knife.result is None, "it is done, and was never asked for")
    knife.expect(knife.result or not (charged and call.goes_on), "it was charged, and cannot be collected")


@pytest.mark.row("85", "126")
@pytest.mark.parametrize("leaving", [False, True], ids=["close", "async with"])
async def test_closing_may_be_cancelled_anywhere(
    leaving: bool,  # noqa: FBT001 - a parameter of pytest's
    manner: str,
    anyio_backend: str,
    directory: Path,
    service: tuple[Service, Loopback],
    figures: Figures,
) -> None:
    """Wherever closing a client is cancelled, what was submitted to it ends, and says truly how."""
    how = MANNERS[anyio_backend][manner]
    complaints = {}
    async with client_of(service[1]) as first:
        await generate(first)
    assert service[1].wait_until_idle()
    for k in range(1, ENDLESS):
        client = client_of(service[1])
        stage = Stage(client, *service, directory, f"call-{k}")
        knife = await _cut_closing(stage, how, k, leave if leaving else close)
        if knife.complaints:
            complaints[k] = knife.complaints
        if not knife.asked:
            break
    # The last round had no await left to cut at.
    awaits = k - 1
    assert 0 < awaits < ENDLESS - 2
    figures.add(anyio_backend, manner, awaits - len(complaints), awaits)
    assert not complaints, "\n".join(f"at await {k} of {awaits}: {'; '.join(words)}" for k, words in complaints.items())


async def close(stage: Stage) -> object:
    return await stage.client.close(drain=5)


async def leave(stage: Stage) -> object:
    async with stage.client:
        try:
            await anyio.sleep(0.001)
        except BaseException:
            stage.was_left = True
            raise
        return ()


async def _cut_closing(
    stage: Stage, how: Manner, k: int, closing: Callable[[Stage], Coroutine[Any, Any, object]]
) -> Knife:
    before = _state()
    stage.service.gate.clear()
    stage.service.holding.clear()
    generation = await stage.client.submit(**stage.arguments())
    assert await anyio.to_thread.run_sync(stage.service.holding.wait, 5)
    # Opened while the client waits.
    threading.Timer(0.003, stage.service.gate.set).start()
    knife = await cut(how, k, lambda: closing(stage))
    stage.service.gate.wait(5)
    knife.expect(stage.client.is_closed() or not knife.over, "the client is still open")
    with anyio.fail_after(5):
        try:
            knife.expect((await generation).content == TRACK, "the track is another one")
        except MusicError as error:
            # Given up, as it is when closing itself is cancelled: the track is lost, and that is said.
            knife.expect(how.apart or not stage.was_left, "leaving a cancelled block gave up a track that was coming")
            knife.expect(error.client_request_id == stage.name, "the error does not say which call it was")
            knife.expect(error.money is not Money.NO, "the call was charged, and is said to be free")
        knife.expect(await stage.client.close() == (), "something was left")
    knife.expect(stage.service.asked.pop(stage.name) == 1, "it was not asked for once")
    knife.expect(stage.server.wait_until_idle(), "a connection was left open")
    after = _state()
    knife.expect(after == before, f"tasks and descriptors were {before}, and are {after}")
    return knife
