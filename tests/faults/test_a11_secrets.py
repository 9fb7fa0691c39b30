"""Rows 151 to 166: nobody sees the key, nothing slips into a header, no URL is fetched, no sandbox is mistaken."""

import copy
import json
import logging
import pickle
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from aiml_music import (
    APIError,
    AsyncMusicClient,
    AuthenticationError,
    ConfigError,
    ContentRefusedError,
    InDoubtError,
    InputError,
    InvalidRequestError,
    Money,
    MusicClient,
    MusicError,
    Outcome,
    Purpose,
    ServerError,
    __version__,
)
from aiml_music._sansio.secret import Secret
from aiml_music.sandbox import DEFAULT_KEY, RunningSandbox, Settings, running
from tests.answers import VOICE_ID, answer, envelope, generated, refused
from tests.calls import MADE, REFERENCE, client_of, failure, generate
from tests.canary import KEY, Left, leaks, shows_key
from tests.loopback import Script, Send, loopback
from tests.test_cli import clear_environment, ended, reference_file

SHOWING: dict[str, Callable[[object], str]] = {
    "repr": repr,
    "str": str,
    "format": lambda value: f"{value:}{value!a:>80}",
    "percent": lambda value: "%s %r" % (value, value),  # noqa: UP031 - as loggers do it
    "JSON": lambda value: json.dumps({"value": value}, default=str),
    "vars": lambda value: repr(getattr(value, "__dict__", "")),
    "fields": lambda value: repr(attrs.asdict(value) if attrs.has(type(value)) else ""),  # type: ignore[arg-type]
    "a log record": lambda value: logging.LogRecord("x", 10, "x", 1, "%s %r", (value, value), None).getMessage(),
}


def holders() -> list[object]:
    client, blocking = AsyncMusicClient(api_key=KEY), MusicClient(api_key=KEY)
    view = client.with_options(api_key=KEY, timeout=5, default_headers={"x-one": "1"})
    return [client, view, blocking, blocking.with_options(), client._options, view._options, Secret(KEY)]


@pytest.mark.row("151")
@pytest.mark.parametrize("way", SHOWING)
def test_no_value_that_holds_the_key_shows_it(way: str) -> None:
    """Printed, formatted, logged or taken apart, a client and its options keep the key to themselves."""
    for holder in holders():
        assert not shows_key(SHOWING[way](holder))
    assert leaks(Left(clients=holders())) == set()


@pytest.mark.row("153")
@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_what_holds_the_key_is_neither_copied_nor_pickled(take: Callable[[object], object]) -> None:
    """A copy would hold the key where nobody looks for it; the refusal says what to do instead."""
    for holder in [*holders()[:4], Secret(KEY)]:
        with pytest.raises(TypeError, match=r"not pickled or copied[:;] ") as caught:
            take(holder)
        assert not shows_key(str(caught.value))


@pytest.mark.row("153")
@pytest.mark.anyio
async def test_an_error_reaches_another_process_without_the_key() -> None:
    """What a worker sends home is plain data: class, words, money and ids, and nothing else."""
    with loopback([answer(envelope(401, f"no such key: {KEY}"), status="401 Unauthorized")]) as server:
        async with client_of(server) as client:
            error = await failure(client)
    script = "import pickle, sys; error = pickle.load(sys.stdin.buffer); print(repr(error), vars(error))"
    other = await anyio.run_process([sys.executable, "-c", script], input=pickle.dumps(error))
    said = other.stdout.decode()
    assert said.startswith("AuthenticationError(")
    assert str(error.client_request_id) in said
    assert "'money': <Money.NO: 'no'>" in said
    assert not shows_key(said)


TALKING: dict[str, tuple[Script, type[MusicError]]] = {
    "message": ([answer(envelope(401, f"{KEY} is no key"), status="401 Unauthorized")], AuthenticationError),
    "the key alone": ([answer(envelope(400, KEY), status="400 Bad Request")], InvalidRequestError),
    "cut within the key": ([answer(envelope(400, f"key: {KEY[:20]}"), status="400 Bad Request")], InvalidRequestError),
    "name of a field": (
        [answer({"message": "x", "statusCode": 400, "issues": [{"path": [KEY]}]}, status="400 Bad Request")],
        InvalidRequestError,
    ),
    "code": ([answer(refused(1004, f"login fail: {KEY}", trace_id=KEY))], AuthenticationError),
    "filter": ([answer(refused(1026, f"{KEY} {KEY}"))], ContentRefusedError),
    "failure": ([answer(envelope(500, f"{KEY} broke"), status="500 Internal Server Error")], ServerError),
    "page": ([answer(f"<h1>{KEY}</h1>".encode(), status="504 Gateway Timeout")], InDoubtError),
    "page with status 200": ([answer(f"Bearer {KEY}".encode())], InDoubtError),
    "content type": ([Send(f"HTTP/1.1 200 OK\r\nContent-Type: {KEY}\r\n\r\n<".encode())], InDoubtError),
    "status line": ([Send(f"HTTP/1.1 418 {KEY}\r\nContent-Length: 0\r\n\r\n".encode())], MusicError),
    "no HTTP at all": ([Send(f"{KEY}\r\n\r\n".encode())], InDoubtError),
}


@pytest.mark.row("152", "154", "155")
@pytest.mark.anyio
@pytest.mark.parametrize("case", TALKING)
async def test_a_key_that_is_echoed_is_blotted_out(case: str) -> None:
    """Whatever part of an answer repeats the key, no text of the error does."""
    script, kind = TALKING[case]
    with loopback(script) as server:
        async with client_of(server, max_retries=0) as client:
            error = await failure(client)
    assert isinstance(error, kind)
    if case in {"message", "the key alone", "code", "filter", "failure"}:
        assert isinstance(error, APIError)
        assert "***" in error.api_message


@pytest.mark.row("155")
@pytest.mark.anyio
async def test_lyrics_that_are_echoed_are_cut_short() -> None:
    """What a service repeats of a request is shown on one line, and not whole."""
    lyrics = "la la\n" * 90
    with loopback([answer(envelope(400, f"cannot sing {lyrics}" * 20), status="400 Bad Request")]) as server:
        async with client_of(server) as client:
            error = await failure(client, lyrics=lyrics)
    assert isinstance(error, APIError)
    assert len(error.api_message) == 500
    assert "\n" not in str(error)


INJECTIONS = ["x\r\nX-Evil: 1", "x\nX-Evil: 1", "x\r", "x\0", "x\u2028y", "x\u010ay", "é"]
PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "request id": lambda evil: {"client_request_id": evil},
    "voice": lambda evil: {"refer_voice": evil},
    "instrumental": lambda evil: {"refer_instrumental": evil},
    "model": lambda evil: {"model": evil},
}


@pytest.mark.row("156")
@pytest.mark.anyio
@pytest.mark.parametrize("evil", INJECTIONS)
async def test_nothing_of_a_call_gets_into_a_header(evil: str) -> None:
    """Ids and names come from closed alphabets, or the call is refused and nothing is sent."""
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            for place in PLACES.values():
                assert isinstance(await failure(client, **place(evil)), InputError)
            with pytest.raises(InputError):
                await client.upload(REFERENCE, purpose=evil)
            with pytest.raises(InputError):
                await client.upload(REFERENCE, purpose="song", client_request_id=evil)
    assert server.connections == 0


@pytest.mark.row("156")
@pytest.mark.parametrize("evil", INJECTIONS)
def test_nothing_of_the_options_gets_into_a_header(evil: str) -> None:
    """Headers, addresses and keys are checked at birth."""
    wrong: list[dict[str, Any]] = [
        {"default_headers": {"x-mine": evil}},
        {"default_headers": {evil: "x"}},
        {"base_url": f"https://example.com/{evil}y"},
        {"api_key": f"{KEY}{evil}y"},
    ]
    for options in wrong:
        with pytest.raises(ConfigError):
            AsyncMusicClient(**{"api_key": KEY, **options})


@pytest.mark.row("156")
@pytest.mark.anyio
async def test_what_may_be_sent_stands_where_it_belongs() -> None:
    """Lyrics and fields of one's own with line ends are JSON, and the head has the lines it always has."""
    evil = "la\r\nX-Evil: 1"
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            await generate(client, lyrics=evil, extra_body={evil: evil})
    request = server.requests[0]
    assert set(request.headers) == {
        "host", "accept", "accept-encoding", "connection", "content-type", "user-agent", "x-client-request-id",
        "content-length", "authorization",
    }  # fmt: skip
    assert request.headers["user-agent"] == f"aiml_music/{__version__}"
    assert request.json()[evil] == evil


URLS = {
    "157": [
        "http://127.0.0.1:{port}/a.mp3",
        "https://127.0.0.1:{port}/a.mp3",
        "HTTP://localhost:{port}/a.mp3",
        "http://me@127.0.0.1:{port}/a.mp3",
        "http://[::1]:{port}/a.mp3",
        "http://[::ffff:127.0.0.1]:{port}/a.mp3",
        "http://169.254.169.254/latest/meta-data/",
        " http://127.0.0.1:{port}/a.mp3",
        "//127.0.0.1:{port}/a.mp3",
    ],
    "160": [
        "file:///proc/self/environ",
        "file://localhost/etc/hostname",
        "ftp://127.0.0.1:{port}/a.mp3",
        "gopher://127.0.0.1:{port}/1",
        "data:audio/mpeg;base64,//uQxAAAAAA=",
        "unix:/var/run/docker.sock",
        "ldap://127.0.0.1:{port}/",
        "blob:http://127.0.0.1:{port}/1",
        "ws://127.0.0.1:{port}/a.mp3",
    ],
    "161": [
        "http://2130706433:{port}/a.mp3",
        "http://0x7f000001:{port}/a.mp3",
        "http://0177.0.0.1:{port}/a.mp3",
        "http://127.1:{port}/a.mp3",
        "http://0:{port}/a.mp3",
        "http://①②⑦.0.0.1:{port}/a.mp3",
        "http://localhost.:{port}/a.mp3",
    ],
}
ADDRESSES = [pytest.param(url, marks=pytest.mark.row(row)) for row, urls in URLS.items() for url in urls]


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("address", ADDRESSES)
async def test_no_address_is_fetched_as_a_reference(address: str, kind: Callable[[str], str | Path]) -> None:
    """A reference is bytes or a file: whoever gives an address is refused, and nobody is connected."""
    with loopback([MADE]) as elsewhere, loopback([MADE]) as server:
        async with client_of(server) as client:
            with pytest.raises(InputError) as caught:
                await client.upload(kind(address.format(port=elsewhere.port)), purpose="song")
    assert (caught.value.outcome, caught.value.money) == (Outcome.NOT_SENT, Money.NO)
    assert (server.connections, elsewhere.connections) == (0, 0)


@pytest.mark.row("157", "160")
def test_the_command_fetches_no_address_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed as a file is a file."""
    clear_environment(monkeypatch)
    with loopback([MADE]) as elsewhere, loopback([MADE]) as server:
        monkeypatch.setenv("AIML_API_KEY", KEY)
        monkeypatch.setenv("AIML_API_BASE", server.url)
        for address in (f"{elsewhere.url}/a.mp3", "file:///etc/hostname"):
            assert ended("upload", address, "--purpose", "song").code == 2
    assert (server.connections, elsewhere.connections) == (0, 0)


@pytest.mark.row("157")
@pytest.mark.anyio
async def test_a_track_that_comes_as_an_address_is_not_fetched() -> None:
    """An answer that names a place instead of holding audio is told; nobody goes there, with the key or without."""
    with loopback([MADE]) as elsewhere, loopback([answer(generated(f"{elsewhere.url}/track.mp3"))]) as server:
        async with client_of(server) as client:
            error = await failure(client)
    assert error.outcome is Outcome.DAMAGED
    assert elsewhere.connections == 0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """One sandbox for all tests here."""
    with running(Settings(latency=0, longest_track=0.5)) as sandbox:
        with urllib.request.urlopen(f"{sandbox.base_url}/sandbox/state", timeout=20):  # noqa: S310 - http, loopback
            pass
        yield sandbox


def own_address() -> str:
    """Return this machine's address for others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            # Nothing is sent: the system only chooses the way.
            asking.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address for others")
        address: str = asking.getsockname()[0]
    return address


@pytest.mark.row("165")
def test_the_sandbox_is_for_this_machine_alone(sandbox: RunningSandbox) -> None:
    """It listens on loopback, on a port that the system chose, and by the address for others nobody is there."""
    port = int(sandbox.base_url.rpartition(":")[2])
    assert sandbox.base_url == f"http://127.0.0.1:{port}"
    assert port >= 1024
    with pytest.raises(OSError, match=r"."):
        socket.create_connection((own_address(), port), timeout=5).close()


@pytest.mark.row("165")
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "169.254.169.254", "localhost.evil", ""])
def test_a_browser_that_was_led_here_is_refused(host: str, sandbox: RunningSandbox) -> None:
    """A page may point its own name at this machine; the name is what a browser sends, and it is looked at."""
    asking = urllib.request.Request(f"{sandbox.base_url}/sandbox/state", headers={"Host": host})  # noqa: S310 - as above
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(asking, timeout=5)  # noqa: S310 - as above
    with caught.value as refusal:
        assert refusal.code in {400, 403}


@pytest.mark.row("165")
@pytest.mark.anyio
@pytest.mark.parametrize("key", ["sk-0123456789abcdef", "0123456789abcdef0123456789abcdef", KEY, "Sandbox-key"])
async def test_the_sandbox_takes_no_key_that_may_be_real(key: str, sandbox: RunningSandbox) -> None:
    """A program that still has its real key learns so before it shows it around."""
    async with AsyncMusicClient(api_key=key, base_url=sandbox.base_url) as client:
        with pytest.raises(AuthenticationError):
            await client.generate(lyrics="la", refer_voice=VOICE_ID)


@pytest.mark.row("166")
@pytest.mark.anyio
async def test_a_track_of_the_sandbox_says_so(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """In the file itself, whatever becomes of its name, and in the client's own words for where it calls."""
    async with AsyncMusicClient(api_key=DEFAULT_KEY, base_url=sandbox.base_url) as client:
        reference = await client.upload(reference_file(tmp_path), purpose=Purpose.SONG)
        for suffix in ("mp3", "wav"):
            setting: dict[str, Any] = {"format": suffix}
            track = await client.generate(lyrics="la", reference=reference, audio_setting=setting)
            assert track.content is not None
            assert b"aiml_music sandbox" in track.content
        assert sandbox.base_url in repr(client)


@pytest.mark.row("166")
def test_every_answer_of_the_sandbox_is_marked(sandbox: RunningSandbox) -> None:
    """A header tells, also where the answer is a refusal."""
    with urllib.request.urlopen(f"{sandbox.base_url}/sandbox/state", timeout=5) as answered:  # noqa: S310 - as above
        assert answered.headers["x-aiml-sandbox"] == "1"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{sandbox.base_url}/v2/nowhere", timeout=5)  # noqa: S310 - as above
    with caught.value as refusal:
        assert refusal.headers["x-aiml-sandbox"] == "1"


@pytest.mark.row("166")
def test_the_command_says_whom_it_asked(
    sandbox: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every result names the service it came from, for people and for scripts."""
    clear_environment(monkeypatch)
    monkeypatch.setenv("AIML_API_KEY", DEFAULT_KEY)
    monkeypatch.setenv("AIML_API_BASE", sandbox.base_url)
    asked = ("upload", str(reference_file(tmp_path)), "--purpose", "song")
    assert f"service         {sandbox.base_url}" in ended(*asked).out
    assert ended(*asked, "--json").document["service"] == sandbox.base_url


@pytest.mark.row("166")
def test_the_service_is_the_service_unless_somebody_says_otherwise() -> None:
    """Without a word about an address, nothing on this machine is taken for the service."""
    script = "import aiml_music; print(aiml_music.AsyncMusicClient(api_key='k'))"
    ended = subprocess.run([sys.executable, "-c", script], env={}, capture_output=True, check=True, timeout=30)
    assert ended.stdout.decode().strip() == "AsyncMusicClient(base_url='https://api.aimlapi.com')"
