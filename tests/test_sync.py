"""The blocking client: every method of the other one, from any thread, and out of it by Ctrl-C or forgetfulness."""

import copy
import gc
import inspect
import os
import pickle
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from aiml_music import (
    AsyncMusicClient,
    BlockingAudioStream,
    BlockingGeneration,
    BlockingWarning,
    InDoubtError,
    Money,
    MusicClient,
    Outcome,
)
from tests._io.system import posix
from tests.answers import TRACE_ID, VOICE_ID, answer, generated, uploaded
from tests.calls import MADE, REFERENCE, TRACK
from tests.canary import KEY, assert_keyless
from tests.loopback import Await, Hang, Loopback, Script, Send, Signal, loopback

if TYPE_CHECKING:
    from collections.abc import Callable

ASKED: dict[str, Any] = {"lyrics": "la", "refer_voice": VOICE_ID}
DOCUMENT = answer(generated(TRACK)).data


def blocking(server: Loopback, **options: Any) -> MusicClient:
    """Return a blocking client of a server on this machine."""
    return MusicClient(api_key=KEY, base_url=server.url, **options)


def loops() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "aiml_music"]


def test_a_reference_becomes_a_track(tmp_path: Path) -> None:
    """Upload and generation work as in the asynchronous client, in memory and into a file."""
    with loopback([answer(uploaded())], [MADE]) as server:
        with blocking(server) as client:
            reference = client.upload(REFERENCE, purpose="song")
            assert client.generate(lyrics="la", reference=reference).content == TRACK
            track = client.generate(lyrics="la", reference=reference, to=tmp_path / "song.mp3")
            assert not client.is_closed()
        assert client.is_closed()
        assert server.wait_until_idle()
    assert reference.voice_id == VOICE_ID
    assert track.path is not None
    assert track.path.read_bytes() == TRACK
    assert loops() == []


def test_errors_are_those_of_the_asynchronous_client() -> None:
    """What became of the request and the money is said in the same words, and without the key."""
    with loopback([]) as server, blocking(server) as client, pytest.raises(InDoubtError) as caught:
        client.generate(**ASKED)
    assert (caught.value.outcome, caught.value.money) == (Outcome.UNKNOWN, Money.UNKNOWN)
    assert_keyless(caught.value)


def test_methods_look_like_their_twins() -> None:
    """Arguments and documentation of both clients are the same."""
    for name in ("__init__", "upload", "generate", "stream", "with_options"):
        mine, twin = getattr(MusicClient, name), getattr(AsyncMusicClient, name)
        assert list(inspect.signature(mine).parameters) == list(inspect.signature(twin).parameters)
        doc = str(mine.__doc__).replace("`with", "`async with").replace("`for", "`async for")
        assert doc.split() == str(twin.__doc__).split()
        assert (mine.__module__, mine.__qualname__) == ("aiml_music.sync", f"MusicClient.{name}")
    assert inspect.signature(MusicClient.stream).return_annotation == "BlockingAudioStream"
    with pytest.raises(TypeError, match=r"MusicClient\.upload\(\)") as caught:
        vars(MusicClient)["upload"]()
    assert "Async" not in str(caught.value)
    assert {name for name in vars(AsyncMusicClient) if name[0] != "_"} - set(vars(MusicClient)) == {"aclose"}
    described = {name for name in vars(BlockingAudioStream) if name[0] != "_"}
    assert described == {"format", "media_type", "size_bytes", "receipt", "facts", "flags", "trace_id", "raw"}


def test_a_client_shows_no_key_and_stays_in_its_process() -> None:
    """It prints without the key, and refuses to be pickled or copied."""
    with loopback([MADE]) as server:
        client = blocking(server)
    assert repr(client) == f"MusicClient(base_url='{server.url}')"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled or copied"):
            attempt(client)


def test_a_stream_is_read_step_by_step() -> None:
    """The beginning can be heard before the end has come, and the facts are there afterwards."""
    gate = threading.Event()
    cut = DOCUMENT.index(TRACK.hex().encode()) + 2000
    with loopback([Send(DOCUMENT[:cut]), Await(gate), Send(DOCUMENT[cut:])]) as server, blocking(server) as client:
        with client.stream(**ASKED) as audio:
            heard = next(audio)
            assert TRACK.startswith(heard)
            gate.set()
            heard += b"".join(audio)
            assert heard == TRACK
            assert (audio.format, audio.media_type, audio.size_bytes) == ("mp3", "audio/mpeg", len(TRACK))
            assert (audio.trace_id, audio.flags, audio.facts.size_bytes) == (TRACE_ID, (), None)
            assert audio.raw["data"] == {"status": 2, "audio": None}
            assert audio.receipt.money is Money.YES
            assert next(audio, None) is None
        assert server.wait_until_idle()


def test_a_stream_left_early_closes_its_connection() -> None:
    """Nothing stays open of what nobody wants any more."""
    with loopback([Send(DOCUMENT[:2000]), Hang()]) as server, blocking(server) as client:
        with client.stream(**ASKED) as audio:
            assert next(audio)
        assert server.wait_until_idle()


def test_threads_share_a_client() -> None:
    """Calls from many threads run at once, bounded by the client's one queue."""
    tracks: list[bytes | None] = []
    with loopback([MADE]) as server, blocking(server, max_concurrency=3) as client:
        threads = [threading.Thread(target=lambda: tracks.append(client.generate(**ASKED).content)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert server.wait_until_idle()
    assert tracks == [TRACK] * 12
    assert server.peak <= 3


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_inside_a_loop_it_works_and_warns_once(backend: str) -> None:
    """A notebook's loop is held up and told so, once, with the place in the user's own code."""

    async def cell(server: Loopback) -> list[warnings.WarningMessage]:
        with warnings.catch_warnings(record=True) as caught, blocking(server) as client:
            warnings.simplefilter("always")
            view = client.with_options(timeout=9)
            for _ in range(2):
                assert client.generate(**ASKED).content == TRACK
            with client.stream(**ASKED) as audio:
                assert b"".join(audio) == TRACK
            assert view.generate(**ASKED).content == TRACK
        return caught

    with loopback([MADE]) as server:
        caught = anyio.run(cell, server, backend=backend)
    assert [(warning.category, warning.filename) for warning in caught] == [(BlockingWarning, __file__)]


def test_a_view_closes_nothing_and_outlives_its_name() -> None:
    """A view keeps the client it was made from at work, even if nobody else does."""
    with loopback([MADE]) as server:
        client = blocking(server)
        view = client.with_options(timeout=9).with_options(max_retries=0)
        assert client.generate(**ASKED).content == TRACK
        del client
        gc.collect()
        thread = loops()[0]
        view.close()
        assert not view.is_closed()
        assert view.generate(**ASKED).content == TRACK
        assert loops() == [thread]
        del view
        gc.collect()
        thread.join(5)
        assert server.wait_until_idle()
    assert loops() == []


def test_a_closed_client_takes_no_calls() -> None:
    """After `close` every call says so and starts nothing; closing twice does no harm."""
    with loopback([MADE]) as server:
        client = blocking(server)
        client.close()
        client.close()
        calls: list[Callable[[], Any]] = [
            lambda: client.generate(**ASKED),
            lambda: client.upload(REFERENCE, purpose="song"),
            client.stream(**ASKED).__enter__,
        ]
        for call in calls:
            with pytest.raises(RuntimeError, match="this client is closed"):
                call()
        assert loops() == []
    assert server.connections == 0


def test_closing_inside_a_loop_holds_nothing_up() -> None:
    """A client that never called is closed without a thread and without a warning."""

    async def cell(server: Loopback) -> None:
        blocking(server).close()
        assert loops() == []

    with loopback([MADE]) as server:
        anyio.run(cell, server)


def test_closing_leaves_the_calls_of_other_threads_alone() -> None:
    """What was paid for comes in, whole or step by step; the last of them ends the client's thread."""
    begun, gate = threading.Semaphore(0), threading.Event()
    cut = DOCUMENT.index(TRACK.hex().encode()) + 2000
    tracks: list[bytes | None] = []

    def stream() -> None:
        with client.stream(**ASKED) as audio:
            begun.release()
            tracks.append(b"".join(audio))

    def generate() -> None:
        tracks.append(client.generate(**ASKED).content)

    arrived = threading.Event()
    with loopback([Send(DOCUMENT[:cut]), Signal(arrived), Await(gate), Send(DOCUMENT[cut:])]) as server:
        client = blocking(server)
        threads = [threading.Thread(target=stream), threading.Thread(target=generate)]
        threads[0].start()
        assert begun.acquire(timeout=5)
        assert arrived.wait(5)
        arrived.clear()
        threads[1].start()
        assert arrived.wait(5)
        client.close()
        with pytest.raises(RuntimeError, match="this client is closed"):
            client.generate(**ASKED)
        assert tracks == []
        gate.set()
        for thread in threads:
            thread.join(5)
        assert loops() == []
        assert server.wait_until_idle()
    assert tracks == [TRACK] * 2


@posix
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_can_call() -> None:
    """A client that was made and used before a fork works in the child, with a thread of its own."""
    with loopback([MADE]) as server, blocking(server) as client:
        assert client.generate(**ASKED).content == TRACK
        child = os.fork()
        if child == 0:
            # Nothing of pytest may run in the child.
            code = 1
            try:
                code = 0 if client.generate(**ASKED).content == TRACK else 2
                client.close()
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert client.generate(**ASKED).content == TRACK
    assert len(server.requests) == 3


PROGRAM = f"""
import sys
from aiml_music import MusicClient
client = MusicClient(api_key="a-key", base_url=sys.argv[1])
{{}}
print(client.generate(lyrics="la", refer_voice={VOICE_ID!r}, **eval(sys.argv[2])).size_bytes, flush=True)
"""


def program(server: Loopback, *, preparation: str = "", arguments: str = "{}") -> "subprocess.Popen[str]":
    """Start a program that generates a track and forgets to close its client."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(preparation), server.url, arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("arguments", ["{}", "{'to': 'song.mp3'}"])
def test_a_program_that_forgets_to_close_exits(arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter's end ends the thread, in silence."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with loopback([MADE]) as server, program(server, arguments=arguments) as process:
        out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == (f"{len(TRACK)}\n", "", 0)


def test_a_program_ends_while_a_thread_still_calls() -> None:
    """A call that runs in a thread nobody waits for does not hold the interpreter up."""
    preparation = (
        "import threading; threading.Thread(target=client.generate, daemon=True,"
        f" kwargs=dict(lyrics='la', refer_voice={VOICE_ID!r})).start(); input(); sys.exit()"
    )
    begun = threading.Event()
    with loopback([Signal(begun), Hang()]) as server:
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM.format(preparation), server.url, "{}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert begun.wait(10)
            process.communicate(input="\n", timeout=20)
        assert process.returncode == 0
        assert server.wait_until_idle()


@posix
def test_ctrl_c_ends_a_call_and_tells_about_the_money() -> None:
    """KeyboardInterrupt comes at once, with the id of the call and what happened to the money."""
    begun = threading.Event()
    arguments = "{'client_request_id': 'mine'}"
    with loopback([Signal(begun), Hang()]) as server, program(server, arguments=arguments) as process:
        assert begun.wait(10)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert server.wait_until_idle()
    lines = err.strip().splitlines()
    assert lines[-2] == "KeyboardInterrupt"
    assert lines[-1] == (
        "aiml_music: generate mine was cancelled in phase wait. "
        "The request may have been carried out and charged. It was not repeated. "
        'Before you pay again, look for mine in the usage log: client.settle("mine").'
    )
    assert process.returncode in {-signal.SIGINT, 1, 130}


@posix
def test_ctrl_c_waits_for_a_track_that_is_coming_in(tmp_path: Path) -> None:
    """A track with a file to go to lands before the program ends, and the interruption says where."""
    begun, gate = threading.Event(), threading.Event()
    song = tmp_path / "song.mp3"
    preparation = (
        "import signal, threading\n"
        "def interrupted(number, frame):\n"
        "    print('interrupted', flush=True); raise KeyboardInterrupt\n"
        "signal.signal(signal.SIGINT, interrupted)"
    )
    cut = DOCUMENT.index(TRACK.hex().encode()) + 2000
    script: Script = [Send(DOCUMENT[:cut]), Signal(begun), Await(gate), Send(DOCUMENT[cut:])]
    with (
        loopback(script) as server,
        program(server, preparation=preparation, arguments=repr({"to": str(song)})) as process,
    ):
        assert begun.wait(10)
        part_begun(tmp_path)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "interrupted\n"
        gate.set()
        _, err = process.communicate(timeout=20)
    assert err.strip().splitlines()[-1] == f"aiml_music: the track was kept all the same, in {song}."
    assert song.read_bytes() == TRACK


def part_begun(directory: Path) -> None:
    """Return once the beginning of a track has reached its part file."""
    for _ in range(10_000_000):
        if any(path.read_bytes().startswith(TRACK[:100]) for path in directory.iterdir()):
            return
    pytest.fail("no part file")


def submitted(client: MusicClient, name: str = "order-1", **changes: Any) -> BlockingGeneration:
    """Submit a generation under a name."""
    return client.submit(lyrics="la", refer_voice=VOICE_ID, client_request_id=name, **changes)


def test_a_submitted_call_runs_while_the_program_goes_on() -> None:
    """`submit` returns at once, `result` waits for the track, and a wait that was too short loses nothing."""
    go = threading.Event()
    with loopback([Await(go), MADE]) as server, blocking(server) as client:
        generation = submitted(client)
        assert not generation.done()
        assert repr(generation) == "<BlockingGeneration order-1, under way>"
        with pytest.raises(TimeoutError, match="order-1 is still under way; nothing is lost, ask again"):
            generation.result(timeout=0.05)
        assert [found.client_request_id for found in client.generations] == ["order-1"]
        go.set()
        track = client.generation("order-1").result()
        assert generation.done()
        assert generation.result(timeout=5) is track
        assert client.generations == ()
    assert track.content == TRACK
    assert len(server.requests) == 1


def test_closing_waits_for_what_was_submitted() -> None:
    """Leaving `with` lands what was submitted."""
    with loopback([MADE]) as server:
        with blocking(server) as client:
            generation = submitted(client)
        assert generation.done()
        assert client.close() == ()


def test_a_bounded_close_says_what_it_left() -> None:
    """What is not done in time is given up, and known by its name."""
    begun = threading.Event()
    with loopback([Signal(begun), Hang()]) as server:
        client = blocking(server)
        submitted(client)
        assert begun.wait(5)
        assert client.with_options(max_retries=0).close(drain=0.05) == ()
        left = client.close(drain=0.05)
        assert [generation.client_request_id for generation in left] == ["order-1"]
        with pytest.raises(InDoubtError, match="given up when the client was closed"):
            left[0].result()
        assert server.wait_until_idle()
    assert loops() == []
