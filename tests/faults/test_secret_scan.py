"""No ending of a call shows the key, wherever one looks; and the looking itself is put to the test."""

import contextlib
import io
import logging
import ssl
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme
from attrs import define

from aiml_music import AsyncMusicClient, MusicError, RetryPolicy, Timeouts
from aiml_music.cli.app import main
from aiml_music.cli.screen import Streams
from aiml_music.testing import FakeClock
from tests.answers import VOICE_ID, answer, envelope, generated, head, refused, uploaded
from tests.calls import MADE, REFERENCE, TRACK, client_of, generate
from tests.canary import KEY, SINKS, Left, leaks, of_the_library
from tests.loopback import Await, Hang, Loopback, Reset, Script, Send, Signal, free_port, loopback

pytestmark = pytest.mark.row("151", "152", "153", "154", "155")

ECHO = (
    ("x-inference-id", f"inference {KEY}"),
    ("x-request-id", KEY),
    ("x-aimlapi-credits-used", KEY),
    ("retry-after", KEY),
    ("content-language", KEY),
)
REFUSED = answer(envelope(401, f"the key {KEY} is wrong"), status="401 Unauthorized", headers=ECHO)
REFUSED_WITHIN = answer(refused(1004, f"{KEY}: no such key", trace_id=KEY), headers=ECHO)
PAGE = answer(f"<html><title>{KEY}</title>Bearer {KEY}".encode(), status="502 Bad Gateway", headers=ECHO)
BEGINNING = Send(MADE.data[: MADE.data.index(TRACK.hex().encode()) + 2000])
BROKEN = answer(generated(TRACK.hex() + "x", trace_id=KEY), headers=ECHO)
NO_HTTP = Send(f"{KEY}\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode())
BAD_HEADER = Send(f"HTTP/1.1 200 OK\r\nAuthorization : Bearer {KEY}\r\n\r\n".encode())
MADE_AND_REPEATED = answer(generated(TRACK, trace_id=f"trace {KEY}", extra_info={"echo": KEY}, echo=KEY), headers=ECHO)
LEARNED_AND_REPEATED = answer(uploaded(trace_id=KEY, echo={KEY: [KEY]}), headers=ECHO)

_TALKATIVE = ("aiml_music", "anyio", "asyncio", "h11", "httpcore", "httpx", "trio", "urllib3")


@define
class Scene:
    """One call, from the outside: where it may write, and what is kept of it."""

    directory: Path
    left: Left

    @contextlib.asynccontextmanager
    async def client(self, *scripts: Script, **options: Any) -> AsyncIterator[tuple[AsyncMusicClient, Loopback]]:
        """Serve, and call with a client that tells everything."""
        with loopback(*scripts, secure=options.pop("secure", None)) as server:
            options = {"on_event": self.left.events.append, "retry": RetryPolicy(attempts=2), **options}
            async with client_of(server, clock=FakeClock(), **options) as client:
                self.left.clients += [client, client.with_options(timeout=9), client._options, client._options.api_key]
                yield client, server
            self.left.requests += server.requests

    async def fails(self, *scripts: Script, **changes: Any) -> None:
        """Ask for a track in vain."""
        options = changes.pop("options", {})
        async with self.client(*scripts, **options) as (client, _):
            with self.kept():
                await generate(client, **changes)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the error that must come."""
        with pytest.raises(MusicError) as caught:
            yield
        self.left.errors.append(of_the_library(caught.value))


def is_quoted(record: logging.LogRecord) -> bool:
    """Say whether httpcore tells, for debugging, what a server wrote: those are the server's words, not ours."""
    return record.name == "httpcore.http11" and record.getMessage().startswith("receive_response_headers.")


async def in_memory(scene: Scene) -> None:
    async with scene.client([MADE]) as (client, _):
        track = await generate(client, lyrics="a" * 601)
    scene.left.results += [track, track.receipt, *(track.receipt.attempts if track.receipt else ())]


async def in_a_file(scene: Scene) -> None:
    async with scene.client([MADE_AND_REPEATED]) as (client, _):
        scene.left.results.append(await generate(client, to=scene.directory / "song.mp3"))


async def streamed(scene: Scene) -> None:
    async with scene.client([MADE]) as (client, _), client.stream(lyrics="la", refer_voice=VOICE_ID) as audio:
        assert b"".join([piece async for piece in audio]) == TRACK
        scene.left.results += [audio, audio.receipt, audio.facts, audio.raw]


async def learned(scene: Scene) -> None:
    async with scene.client([LEARNED_AND_REPEATED]) as (client, _):
        scene.left.results.append(await client.upload(REFERENCE, purpose="song"))


async def submitted(scene: Scene) -> None:
    async with scene.client([MADE]) as (client, _):
        generation = await client.submit(lyrics="la", refer_voice=VOICE_ID)
        scene.left.results += [generation, await generation]


async def left_behind(scene: Scene) -> None:
    begun, gate = threading.Event(), threading.Event()
    async with scene.client([BEGINNING, Signal(begun), Await(gate)]) as (client, _):
        generation = await client.submit(lyrics="la", refer_voice=VOICE_ID, to=scene.directory / "song.mp3")
        assert await anyio.to_thread.run_sync(begun.wait, 5)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: client.close(drain=0))
            await anyio.wait_all_tasks_blocked()
            gate.set()
        scene.left.results.append(generation)
        with scene.kept():
            await generation


async def with_a_broken_observer(scene: Scene) -> None:
    def fail(_event: object) -> None:
        raise ValueError("no more room")

    async with scene.client([MADE], on_event=fail) as (client, _):
        scene.left.results.append(await generate(client))


async def with_a_stranger(scene: Scene) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    await scene.fails([MADE], options={"secure": context})


async def with_nobody(scene: Scene) -> None:
    await scene.fails([MADE], options={"base_url": f"http://127.0.0.1:{free_port()}"})


async def in_silence(scene: Scene) -> None:
    await scene.fails([Hang()], options={"timeout": Timeouts(total=0.1)}, to=scene.directory / "song.mp3")


async def without_a_directory(scene: Scene) -> None:
    await scene.fails([MADE], to=scene.directory / "missing" / "song.mp3")


async def cancelled(scene: Scene, *, to: Path | None = None) -> None:
    begun, gate = threading.Event(), threading.Event()

    async def call(client: AsyncMusicClient) -> None:
        try:
            await generate(client, to=to)
        except anyio.get_cancelled_exc_class() as cancellation:
            scene.left.errors.append(of_the_library(cancellation))
            raise

    async with scene.client([BEGINNING, Signal(begun), Await(gate)]) as (client, _):
        async with anyio.create_task_group() as group:
            group.start_soon(call, client)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
            gate.set()
        assert len(scene.left.errors) == 1


async def cancelled_with_a_file(scene: Scene) -> None:
    await cancelled(scene, to=scene.directory / "song.mp3")


async def with_a_wrong_key(scene: Scene) -> None:
    with pytest.MonkeyPatch.context() as environment:
        for wrong in (f"{KEY}\n{KEY}", f"{KEY}\0", f"{KEY} é", f"<{KEY}>", f"{KEY}\x7f"):
            environment.setenv("AIML_API_KEY", wrong.replace("\0", "\x01"))
            del wrong
            with scene.kept():
                AsyncMusicClient()
    with scene.kept():
        AsyncMusicClient(api_key=KEY + "\0")
    with scene.kept():
        AsyncMusicClient(api_key=KEY.encode())  # type: ignore[arg-type]  # as it comes from a file opened with "rb"
    await scene.fails([MADE], options={"api_key": lambda: KEY + "\n" + KEY})
    await scene.fails([MADE], options={"api_key": lambda: {KEY}})


async def with_a_wrong_option(scene: Scene) -> None:
    for wrong in ({"timeout": -1}, {"base_url": "ftp://x"}, {"max_retries": -1}, {"default_headers": {"host": "x"}}):
        with scene.kept():
            AsyncMusicClient(api_key=KEY, **wrong)


ENDINGS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "a track in memory": in_memory,
    "a track in a file, and a key repeated": in_a_file,
    "a stream": streamed,
    "a reference, and a key repeated": learned,
    "a call submitted": submitted,
    "a call left behind": left_behind,
    "an observer that fails": with_a_broken_observer,
    "a refusal that repeats the key": lambda scene: scene.fails([REFUSED]),
    "a refusal with status 200": lambda scene: scene.fails([REFUSED_WITHIN]),
    "a gateway's page": lambda scene: scene.fails([PAGE]),
    "a damaged track": lambda scene: scene.fails([BROKEN], to=scene.directory / "song.mp3"),
    "a cut in mid-body": lambda scene: scene.fails([BEGINNING], to=scene.directory / "song.mp3"),
    "no HTTP": lambda scene: scene.fails([NO_HTTP]),
    "a malformed header": lambda scene: scene.fails([BAD_HEADER]),
    "a head and no more": lambda scene: scene.fails([Send(head("200 OK", *ECHO)), Reset()]),
    "a stranger's certificate": with_a_stranger,
    "nobody there": with_nobody,
    "silence": in_silence,
    "no directory": without_a_directory,
    "a cancellation": cancelled,
    "a cancellation with a file": cancelled_with_a_file,
    "a wrong key": with_a_wrong_key,
    "a wrong option": with_a_wrong_option,
}


@pytest.mark.anyio
@pytest.mark.parametrize("ending", ENDINGS)
async def test_no_ending_of_a_call_shows_the_key(
    ending: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Good or bad, a call leaves no trace of the key in anything that is printed, logged, pickled or kept."""
    scene = Scene(tmp_path, Left(directories=[tmp_path]))
    caplog.set_level(logging.DEBUG)
    for name in _TALKATIVE:
        caplog.set_level(logging.DEBUG, name)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        await ENDINGS[ending](scene)
    scene.left.records, scene.left.warned = [each for each in caplog.records if not is_quoted(each)], warned
    scene.left.out, scene.left.err = capfd.readouterr()
    assert leaks(scene.left) == set()
    assert scene.left.results or scene.left.errors


CALLED: dict[str, tuple[Script, tuple[str, ...]]] = {
    "made": ([MADE_AND_REPEATED], ()),
    "refused": ([REFUSED], ()),
    "refused within": ([REFUSED_WITHIN], ()),
    "cut": ([BEGINNING], ()),
    "page": ([PAGE], ()),
    "typed": ([MADE], ("--api-key", KEY)),
    "typed elsewhere": ([MADE], (KEY,)),
}


@pytest.mark.parametrize("words", [(), ("--json",)], ids=["lines", "json"])
@pytest.mark.parametrize("case", CALLED)
def test_no_command_shows_the_key(
    case: str,
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What a command prints and leaves behind holds no key, whatever became of the call."""
    script, typed = CALLED[case]
    caplog.set_level(logging.DEBUG)
    out, err = io.StringIO(), io.StringIO()
    with loopback(script) as server:
        monkeypatch.setenv("AIML_API_KEY", KEY)
        monkeypatch.setenv("AIML_API_BASE", server.url)
        asked = ("generate", "--voice", VOICE_ID, "--lyrics", "la", "-o", str(tmp_path / "song.mp3"))
        code = main([*asked, *typed, *words], streams=Streams(stdout=out, stderr=err))
    left = Left(out.getvalue(), err.getvalue(), directories=[tmp_path], requests=server.requests)
    left.records = [each for each in caplog.records if not is_quoted(each)]
    assert leaks(left) == set()
    assert (code == 0) == (case == "made")


@pytest.mark.anyio
async def test_only_httpcore_quotes_what_a_server_wrote(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A key that a server writes into its headers is in httpcore's log for debugging, in that line and no other."""
    caplog.set_level(logging.DEBUG)
    scene = Scene(tmp_path, Left())
    await scene.fails([REFUSED])
    showing = {record.message for record in caplog.records if leaks(Left(records=[record]))}
    assert len(showing) == 1
    assert next(iter(showing)).startswith("receive_response_headers.complete return_value=(b'HTTP/1.1', 401")


def test_the_figure(record_property: Callable[[str, object], None]) -> None:
    """How many places are looked at, and after how many endings, is written into the report of the run."""
    endings = 2 * len(ENDINGS) + 2 * len(CALLED)
    record_property("figure", f"the key was looked for in {len(SINKS)} kinds of places after each of {endings} endings")
    assert (len(SINKS), endings) == (30, 60)
