"""Rows 1 to 13: what is wrong with a key, an option or a text costs nothing, sends nothing and leaves nothing."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aiml_music import (
    AsyncMusicClient,
    ConfigError,
    InputError,
    LyricsWarning,
    Money,
    MusicClient,
    MusicError,
    Outcome,
    Phase,
    RetryPolicy,
    Timeouts,
)
from tests.answers import INSTRUMENTAL_ID, VOICE_ID
from tests.calls import MADE, Fate, client_of, failure, generate
from tests.canary import KEY, assert_keyless, of_the_library
from tests.loopback import Loopback, loopback
from tests.test_cli import clear_environment, ended

REFUSED = Fate(ConfigError, Outcome.NOT_SENT, Money.NO, Phase.INPUT, attempts=0)
UNUSABLE = Fate(InputError, Outcome.NOT_SENT, Money.NO, Phase.INPUT, attempts=0)
VARIABLES = ("AIML_API_KEY", "AIMLAPI_API_KEY")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Loopback]:
    """A server that would make any track; what these tests ask for never gets there, and leaves no file."""
    with loopback([MADE]) as server:
        yield server
    assert server.connections == 0
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_environment(monkeypatch)


def refusal(make: Callable[[], object]) -> MusicError:
    """Return the error of a client that cannot be made, which shows the key to nobody."""
    with pytest.raises(ConfigError) as caught:
        make()
    assert_keyless(of_the_library(caught.value))
    assert Fate.of(caught.value) == REFUSED
    assert isinstance(caught.value, ValueError)
    return caught.value


NO_KEYS = {
    "empty": "",
    "blank": " \t\r\n ",
    "placeholder": "<YOUR_AIMLAPI_KEY>",
    "another placeholder": "YOUR_API_KEY",
    "any placeholder": f"<{KEY}>",
}
WRONG_KEYS = {
    "line end within": (f"{KEY}\n{KEY}", "a blank (U+000A) at index 29"),
    "return within": (f"{KEY}\r{KEY}", "a blank (U+000D) at index 29"),
    "blank within": (f" {KEY[:3]} {KEY}\n", "a blank (U+0020) at index 4"),
    "NUL": (f"{KEY}\0", "a character no key has (U+0000) at index 29"),
    "DEL": (f"{KEY}\x7f", "a character no key has (U+007F) at index 29"),
    "letter": (f"ключ{KEY}", "a character no key has (U+043A) at index 0"),
    "surrogate": (f"{KEY}\udcff", "a character no key has (U+DCFF) at index 29"),
    "zero-width": (f"\ufeff{KEY}", "a character no key has (U+FEFF) at index 0"),
}


@pytest.mark.row("1")
@pytest.mark.parametrize("kind", [AsyncMusicClient, MusicClient])
def test_without_a_key_the_variable_is_named(kind: type[AsyncMusicClient | MusicClient]) -> None:
    """Where no variable holds a key, the error says which ones were looked at."""
    assert all(name in str(refusal(kind)) for name in VARIABLES)


@pytest.mark.row("1")
@pytest.mark.parametrize("case", NO_KEYS)
def test_what_is_no_key_is_refused(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty, blank or copied from the documentation: the error names the variable or the argument, not the value."""
    assert "api_key" in str(refusal(lambda: AsyncMusicClient(api_key=NO_KEYS[case])))
    for name in VARIABLES:
        monkeypatch.setenv(name, NO_KEYS[case])
        assert name in str(refusal(AsyncMusicClient))
        monkeypatch.delenv(name)


@pytest.mark.row("2", "3")
@pytest.mark.parametrize("case", WRONG_KEYS)
def test_a_character_that_no_header_takes_is_named_by_its_place(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which kind of character is where, and nothing about the others; no other error is behind it."""
    key, words = WRONG_KEYS[case]
    error = refusal(lambda: AsyncMusicClient(api_key=key))
    assert words in str(error)
    assert (error.__cause__, error.__context__) == (None, None)
    if "\0" not in key:
        monkeypatch.setenv("AIML_API_KEY", key)
        assert words in str(refusal(AsyncMusicClient))


@pytest.mark.row("2")
@pytest.mark.anyio
@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", "\t {}  ", "\n{}"])
async def test_blanks_around_a_key_do_not_count(around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line end of a `.env` file is not sent."""
    with loopback([MADE]) as server:
        monkeypatch.setenv("AIML_API_KEY", around.format(KEY))
        async with AsyncMusicClient(base_url=server.url) as client:
            await generate(client)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.row("1", "2", "3")
@pytest.mark.anyio
@pytest.mark.parametrize("case", [*NO_KEYS, *WRONG_KEYS])
async def test_a_callable_that_gives_no_key_is_refused_at_the_call(case: str, server: Loopback) -> None:
    """A key that is asked for late is checked as strictly."""
    key = NO_KEYS.get(case) or WRONG_KEYS.get(case, ("",))[0]
    async with client_of(server, api_key=lambda: key) as client:
        error = await failure(client)
    assert Fate.of(error) == REFUSED


@pytest.mark.row("4")
@pytest.mark.parametrize("words", [("--api-key", KEY), (f"--api-key={KEY}",), ("--token", KEY), (f"--Bearer={KEY}",)])
def test_a_key_is_never_typed(words: tuple[str, ...], server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command with a key among its words is not carried out, even if the environment has one as well."""
    monkeypatch.setenv("AIML_API_KEY", "other")
    monkeypatch.setenv("AIML_API_BASE", server.url)
    told = ended("generate", *words, "--voice", VOICE_ID, "--lyrics", "la", "-o", "song.mp3")
    assert told.code == 2
    assert "AIML_API_KEY" in told.err
    assert KEY not in told.out + told.err


ADDRESSES = {
    "http elsewhere": "http://api.example.com",
    "http by number": "http://10.0.0.1:8000",
    "user": "https://me@example.com",
    "password": "https://me:word@example.com",
    "query": "https://example.com/?a=1",
    "fragment": "https://example.com/#a",
    "user that looks like a host": "https://api.aimlapi.com@evil.example",
    "no scheme": "example.com",
    "another scheme": "ftp://example.com",
    "no host": "https://",
    "line end": "https://example.com\r\nx: 1",
    "no port": "https://example.com:port",
    "backslash": "https://example.com\\@evil.example",
    "letters of another alphabet": "https://\u0435xample.com",
}


@pytest.mark.row("5")
@pytest.mark.parametrize("case", ADDRESSES)
def test_an_address_that_would_lose_the_key_is_refused(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain http beyond this machine, user-info, query and fragment are no part of an address."""
    assert "base_url" in str(refusal(lambda: AsyncMusicClient(api_key=KEY, base_url=ADDRESSES[case])))
    monkeypatch.setenv("AIML_API_BASE", ADDRESSES[case])
    refusal(lambda: AsyncMusicClient(api_key=KEY))


@pytest.mark.row("5")
def test_http_elsewhere_takes_a_word_of_its_own() -> None:
    """A network one trusts may be named; this machine needs no word."""
    AsyncMusicClient(api_key=KEY, base_url="http://10.0.0.1", allow_insecure_http=True)
    for own in ("http://127.0.0.1:8088", "http://localhost/v1/", "http://[::1]"):
        AsyncMusicClient(api_key=KEY, base_url=own)


INPUTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "no lyrics": ("6", {"lyrics": ""}, "The lyrics are empty"),
    "blank lyrics": ("6", {"lyrics": " \n\t"}, "The lyrics are empty"),
    "only marks": ("6", {"lyrics": "## ##"}, "The lyrics are empty"),
    "too long": (
        "6",
        {"lyrics": "a" * 601, "lyrics_check": "refuse"},
        "601 characters; music-01 is documented for at most",
    ),
    "surrogate": ("7", {"lyrics": "la \ud83c la"}, "a lone surrogate (U+D83C) at index 3"),
    "surrogate in a field": ("7", {"extra_body": {"title": "\udc00"}}, "a value that JSON has no word for"),
    "surrogate in a name": ("7", {"extra_body": {"\udc00": 1}}, "a value that JSON has no word for"),
    "NUL": ("8", {"lyrics": "la\0"}, "a control character (U+0000) at index 2"),
    "escape": ("8", {"lyrics": "la\x1b[31m"}, "a control character (U+001B) at index 2"),
    "C1": ("8", {"lyrics": "la\x85"}, "a control character (U+0085) at index 2"),
    "NaN": ("10", {"extra_body": {"x": [math.nan]}}, "a value that JSON has no word for"),
    "infinity": ("10", {"extra_body": {"x": {"y": math.inf}}}, "a value that JSON has no word for"),
    "NaN of a rate": ("10", {"audio_setting": {"sample_rate": math.nan}}, "sample_rate must be one of"),
    "rate of another type": ("10", {"audio_setting": {"bitrate": 128_000.0}}, "bitrate must be one of"),
    "no ids": ("11", {"refer_voice": None}, "a voice, an instrumental or both"),
    "empty id": ("11", {"refer_voice": ""}, "refer_voice is not an id"),
    "blank in an id": ("11", {"refer_voice": "vocal 1"}, "refer_voice is not an id"),
    "line end in an id": ("11", {"refer_voice": "vocal-1\r\nx: 1"}, "refer_voice is not an id"),
    "long id": ("11", {"refer_voice": "v" * 257}, "refer_voice is not an id"),
    "id of another type": ("11", {"refer_voice": 7}, "refer_voice must be a str"),
    "other id": ("11", {"refer_voice": INSTRUMENTAL_ID}, "belongs in refer_instrumental"),
    "placeholder id": (
        "11",
        {"refer_voice": "vocal-2025010100000000-aaaaaaaa"},
        "the placeholder of the documentation",
    ),
    "blank in a request id": ("12", {"client_request_id": "a b"}, "1 to 128 of the characters"),
    "line end of a request id": ("12", {"client_request_id": "a\n"}, "1 to 128 of the characters"),
    "letter of a request id": ("12", {"client_request_id": "é"}, "1 to 128 of the characters"),
    "empty request id": ("12", {"client_request_id": ""}, "1 to 128 of the characters"),
    "long request id": ("12", {"client_request_id": "a" * 129}, "1 to 128 of the characters"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("case", [pytest.param(name, marks=pytest.mark.row(row)) for name, (row, *_) in INPUTS.items()])
async def test_an_argument_that_cannot_be_meant_is_refused(case: str, server: Loopback, tmp_path: Path) -> None:
    """The error says what is wrong and where, carries none of the text, and there was no request and no file."""
    _, changes, words = INPUTS[case]
    async with client_of(server) as client:
        error = await failure(client, **{"to": tmp_path / "song.mp3", **changes})
        with pytest.raises(InputError, match="sent"):
            async with client.stream(**{"lyrics": "la", "refer_voice": VOICE_ID, **changes}):
                pytest.fail("it was accepted")
    assert Fate.of(error) == UNUSABLE
    assert words in str(error)
    assert (error.__cause__, error.__suppress_context__ or error.__context__ is None) == (None, True)


SUNG: dict[str, tuple[str, str, str]] = {
    "line ends": ("8", "a\r\nb\rc\n\td", "a\nb\nc\n\td"),
    "emoji": (
        "9",
        "la \U0001f3b5 \U0001f469\u200d\U0001f467 la la la",
        "la \U0001f3b5 \U0001f469\u200d\U0001f467 la la la",
    ),
    "right to left": ("9", "\u05e9\u05dc\u05d5\u05dd \u200fla la la", "\u05e9\u05dc\u05d5\u05dd \u200fla la la"),
    "composed and not": ("9", "e\u0301 \u00e9", "e\u0301 \u00e9"),
    "marks": ("9", "## a ##", "## a ##"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("case", [pytest.param(name, marks=pytest.mark.row(row)) for name, (row, *_) in SUNG.items()])
async def test_lyrics_go_as_they_are(case: str) -> None:
    """Nothing but the ends of lines is changed."""
    _, lyrics, sent = SUNG[case]
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            await generate(client, lyrics=lyrics)
    assert server.requests[0].json()["lyrics"] == sent


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("lyrics", "words"),
    [
        pytest.param("a" * 601, "601 characters", marks=pytest.mark.row("6")),
        pytest.param("la\u200b\u200d\u2060", "3 of 5 characters are invisible", marks=pytest.mark.row("9")),
    ],
)
async def test_what_only_looks_wrong_is_the_services_to_judge(lyrics: str, words: str) -> None:
    """It is sent with a warning, without one where that is switched off, and not at all where that is asked for."""
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            with pytest.warns(LyricsWarning, match=words):
                await client.generate(lyrics=lyrics, refer_voice=VOICE_ID)
            await generate(client, lyrics=lyrics, lyrics_check="off")
            error = await failure(client, lyrics=lyrics, lyrics_check="refuse")
    assert Fate.of(error) == UNUSABLE
    assert words in str(error)
    assert [request.json()["lyrics"] for request in server.requests] == [lyrics, lyrics]


NO_SECONDS = (0, -1, math.nan, math.inf, -math.inf, "60", True)
NO_COUNTS = (-1, 1.5, math.nan, "3", True)
OPTIONS: dict[str, tuple[Any, ...]] = {
    "timeout": NO_SECONDS,
    "max_retries": (*NO_COUNTS, 100),
    "max_concurrency": (*NO_COUNTS, 0),
    "retry": (3, 0.5, "no"),
}
TIMES: dict[str, tuple[Any, ...]] = dict.fromkeys(("total", "connect", "idle", "queue"), NO_SECONDS)
POLICY: dict[str, tuple[Any, ...]] = {
    "attempts": (*NO_COUNTS, 0, 101),
    **dict.fromkeys(
        ("wait_transport", "wait_throttled", "wait_max", "retry_after_max"), (-1, math.nan, math.inf, "1", True)
    ),
}
KINDS: list[tuple[Callable[..., object], dict[str, tuple[Any, ...]]]] = [
    (partial(AsyncMusicClient, api_key=KEY), OPTIONS),
    (Timeouts, TIMES),
    (RetryPolicy, POLICY),
]
LIMITS: dict[str, Callable[[], object]] = {
    f"{name} {wrong!r}": partial(kind, **{name: wrong})
    for kind, fields in KINDS
    for name, values in fields.items()
    for wrong in values
}
LIMITS["two policies"] = partial(AsyncMusicClient, api_key=KEY, max_retries=1, retry=RetryPolicy())


@pytest.mark.row("13")
@pytest.mark.parametrize("case", LIMITS)
def test_a_limit_that_limits_nothing_is_refused(case: str) -> None:
    """Nothing, less than nothing, no number and no end are no limits of time or tries."""
    refusal(LIMITS[case])


@pytest.mark.row("13")
@pytest.mark.anyio
@pytest.mark.parametrize("wrong", [0, -1, math.nan, "60"])
async def test_a_limit_of_one_call_is_checked_as_well(wrong: Any, server: Loopback) -> None:
    """What the constructor refuses, a call refuses too, before anything is sent."""
    async with client_of(server) as client:
        error = await failure(client, timeout=wrong)
        refusal(lambda: client.with_options(timeout=wrong))
    assert Fate.of(error) == REFUSED
