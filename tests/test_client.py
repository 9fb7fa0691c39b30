"""The asynchronous client: what goes over the wire for what is asked, and what its options mean."""

import asyncio
import copy
import io
import pickle
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import respx

from aiml_music import (
    AsyncMusicClient,
    AudioSetting,
    ConfigError,
    InDoubtError,
    InDoubtTimeout,
    InputError,
    LyricsWarning,
    Money,
    MusicClient,
    MusicError,
    NotSentError,
    NotSentTimeout,
    Operation,
    Outcome,
    PayloadError,
    Phase,
    Purpose,
    Reference,
    RetryPolicy,
    Timeouts,
    Track,
    __version__,
)
from aiml_music.testing import FakeClock
from tests._sansio.audio_files import cbr, wav
from tests.answers import INSTRUMENTAL_ID, TRACE_ID, VOICE_ID, answer, envelope, generated, refused, uploaded
from tests.calls import MADE, REFERENCE, TRACK, Fate, assert_traced, client_of, failure, generate
from tests.canary import KEY, assert_keyless
from tests.loopback import Await, Hang, Loopback, ReadHead, Signal, loopback

pytestmark = pytest.mark.anyio

UPLOADED = answer(uploaded())
GENERATE = "/v2/generate/audio/minimax/generate"
UPLOAD = "/v2/generate/audio/minimax/upload"


async def test_the_request_is_what_the_service_documents() -> None:
    """Path, headers and JSON are exact; nothing else is sent."""
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            track = await generate(client, lyrics="Grüße\r\n\r\nla", client_request_id="mine:1")
    request = server.requests[0]
    assert (request.method, request.path) == ("POST", GENERATE)
    assert request.json() == {"model": "music-01", "lyrics": "Grüße\n\nla", "refer_voice": VOICE_ID}
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "close",
        "content-type": "application/json",
        "user-agent": f"aiml_music/{__version__}",
        "x-client-request-id": "mine:1",
        "content-length": str(len(request.body)),
        "authorization": f"Bearer {KEY}",
    }
    assert track.receipt is not None
    assert track.receipt.client_request_id == "mine:1"
    assert track.trace_id == track.receipt.trace_id == TRACE_ID
    assert track.raw["data"] == {"status": 2, "audio": None}
    assert KEY not in repr(track)


async def test_what_is_given_is_sent_and_what_is_absent_is_left_out() -> None:
    """Ids, settings and unknown fields go as they are; no null ever goes."""
    reference = Reference(voice_id=VOICE_ID, instrumental_id=INSTRUMENTAL_ID)
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            await client.generate(lyrics="la", reference=reference)
            await client.generate(lyrics="la", refer_instrumental=INSTRUMENTAL_ID, extra_body={"seed": [1, None]})
            await generate(client, audio_setting=AudioSetting(sample_rate=44_100, bitrate=256_000))
            await generate(client, audio_setting={"format": "mp3"})
    bodies = [request.json() for request in server.requests]
    voice, instrumental = {"refer_voice": VOICE_ID}, {"refer_instrumental": INSTRUMENTAL_ID}
    sung = {"model": "music-01", "lyrics": "##Side by side##", **voice}
    assert bodies == [
        {"model": "music-01", "lyrics": "la", **voice, **instrumental},
        {"model": "music-01", "lyrics": "la", **instrumental, "seed": [1, None]},
        {**sung, "audio_setting": {"format": "mp3", "sample_rate": 44_100, "bitrate": 256_000}},
        {**sung, "audio_setting": {"format": "mp3"}},
    ]
    ids = {request.headers["x-client-request-id"] for request in server.requests}
    assert len(ids) == 4


REFUSED: dict[str, dict[str, Any]] = {
    "no lyrics": {"lyrics": " "},
    "no ids": {"refer_voice": None},
    "the wrong id": {"refer_voice": INSTRUMENTAL_ID},
    "an unknown model": {"model": "musik-01"},
    "an unknown rate": {"audio_setting": {"sample_rate": 1}},
    "a field twice": {"extra_body": {"lyrics": "x"}},
    "no JSON": {"extra_body": {"x": {1}}},
    "an id the service drops": {"client_request_id": "a b"},
    "a name that lies": {"to": "song.wav"},
    "both": {"reference": Reference(voice_id=VOICE_ID)},
    "strict lyrics": {"lyrics": "##la", "lyrics_check": "refuse"},
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_meant_is_refused_before_anything_is_sent(case: str) -> None:
    """A mistake in the arguments costs nothing and connects to nobody."""
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            error = await failure(client, **REFUSED[case])
    assert isinstance(error, InputError)
    assert isinstance(error, ValueError)
    assert (error.outcome, error.money) == (Outcome.NOT_SENT, Money.NO)
    assert server.connections == 0


async def test_lyrics_that_look_wrong_are_sent_with_a_warning() -> None:
    """The service is the judge; the warning points at the caller's line, and can be turned off."""
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            with pytest.warns(LyricsWarning, match="601 characters") as caught:
                await client.generate(lyrics="a" * 601, refer_voice=VOICE_ID)
            await client.generate(lyrics="a" * 601, refer_voice=VOICE_ID, lyrics_check="off")
    assert caught[0].filename == __file__
    assert [len(request.json()["lyrics"]) for request in server.requests] == [601, 601]


async def test_default_headers_are_added_and_replaced_by_a_view() -> None:
    """Headers of the client go with every call; a view adds its own and replaces those of the same name."""
    with loopback([MADE]) as server:
        async with client_of(server, default_headers={"X-One": "1", "User-Agent": "mine"}) as client:
            await generate(client)
            await generate(client.with_options(default_headers={"x-one": "2", "x-two": "2"}))
    one, two = (request.headers for request in server.requests)
    assert (one["x-one"], one["user-agent"]) == ("1", "mine")
    assert (two["x-one"], two["x-two"], two["user-agent"]) == ("2", "2", "mine")


async def test_a_key_may_be_asked_for_at_every_call() -> None:
    """A callable, plain or async, is asked each time; what it gives is checked like any key, and not shown."""
    keys = iter([" one\n", "two", KEY + "\x00", 3])

    async def later() -> str:
        await anyio.lowlevel.checkpoint()
        return "four"

    with loopback([MADE]) as server:
        async with client_of(server, api_key=lambda: next(keys)) as client:
            for _ in range(2):
                await generate(client)
            for words in ("holds a character no key has (U+0000)", "must be a str, not int"):
                error = await failure(client)
                assert isinstance(error, ConfigError)
                assert f"the key that api_key() returned {words}" in str(error)
            await generate(client.with_options(api_key=later))
            await generate(client.with_options(api_key="five"))
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer one", "Bearer two", "Bearer four", "Bearer five"]


async def test_key_and_address_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments the client is what the environment says; without a key there is none."""
    with loopback([MADE]) as server:
        monkeypatch.setenv("AIML_API_KEY", KEY)
        monkeypatch.setenv("AIML_API_BASE", f"{server.url}/v1/")
        async with AsyncMusicClient() as client:
            assert repr(client) == f"AsyncMusicClient(base_url='{server.url}')"
            await generate(client)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    monkeypatch.delenv("AIML_API_KEY")
    monkeypatch.delenv("AIMLAPI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="No API key"):
        AsyncMusicClient()


WRONG: dict[str, dict[str, Any]] = {
    "key": {"api_key": f"{KEY} {KEY}"},
    "kind of key": {"api_key": 7},
    "timeout": {"timeout": -1},
    "retries": {"max_retries": -1},
}


@pytest.mark.parametrize("kind", [AsyncMusicClient, MusicClient])
@pytest.mark.parametrize("case", WRONG)
async def test_an_option_that_is_wrong_shows_no_key(kind: type[Any], case: str) -> None:
    """Whichever it is, the key is not in the error, nor among the locals that a report of it shows."""
    client = kind(api_key=KEY)
    for make in (kind, client.with_options):
        with pytest.raises(ConfigError) as caught:
            make(**{"api_key": KEY, **WRONG[case]})
        assert_keyless(caught.value)


async def test_a_client_stays_in_its_process() -> None:
    """It holds a key and a queue, so it is neither pickled nor copied."""
    client = AsyncMusicClient(api_key=KEY)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled or copied"):
            attempt(client)
    assert KEY not in repr(vars(client))


async def test_the_nearest_timeout_holds() -> None:
    """The call's own comes before the view's, the view's before the client's, and None is no limit."""
    with loopback([Hang()]) as server:
        client = client_of(server, timeout=0.05)
        view = client.with_options(timeout=0.1)
        for asked, changes, limit in (
            (client, {}, "0.05"),
            (view, {}, "0.1"),
            (view, {"timeout": 0.15}, "0.15"),
            (client, {"timeout": Timeouts(total=0.2)}, "0.2"),
            (view.with_options(max_retries=0), {}, "0.1"),
        ):
            error = await failure(asked, **changes)
            assert isinstance(error, InDoubtTimeout)
            assert f"the time limit of {limit} s ran out" in str(error)
        with anyio.move_on_after(0.3) as scope:
            await generate(view, timeout=None)
        assert scope.cancelled_caught


async def test_a_view_shares_the_queue_and_closes_nothing() -> None:
    """A client and its views together are bounded by one number; only the client itself can be closed."""
    begun, gate = threading.Event(), threading.Event()
    with loopback([Signal(begun), Await(gate), MADE], [MADE]) as server:
        client = client_of(server, max_concurrency=1)
        async with client.with_options(retry=RetryPolicy(attempts=1)) as view:
            assert not view.is_closed()
            async with anyio.create_task_group() as group:
                group.start_soon(generate, client)
                assert await anyio.to_thread.run_sync(begun.wait, 5)
                group.start_soon(generate, view)
                await anyio.wait_all_tasks_blocked()
                assert server.connections == 1
                gate.set()
        assert not client.is_closed()
        assert (await generate(client)).content == TRACK
        await client.close()
        assert view.is_closed()
    assert server.peak == 1


async def test_a_hundred_calls_keep_within_the_bound() -> None:
    """A hundred calls started at once reach the service twenty at a time, and one that fails takes no other along."""
    tracks: list[Track] = []
    errors: list[MusicError] = []

    async def call(client: AsyncMusicClient) -> None:
        try:
            tracks.append(await generate(client))
        except MusicError as error:
            errors.append(error)

    refusal = [answer(envelope(400, "no"), status="400 Bad Request")]
    with loopback(*[[MADE]] * 50, refusal, [MADE]) as server:
        async with client_of(server, max_concurrency=20) as client, anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(call, client)
        assert server.wait_until_idle()
    assert (len(tracks), len(errors), len(server.requests)) == (99, 1, 100)
    assert server.peak <= 20


@pytest.mark.asyncio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_five_hundred_small_ones_in_a_gather() -> None:
    """`asyncio.gather` over hundreds of calls needs no limiter of the caller's."""
    with loopback([answer(generated(TRACK[:834]))]) as server:
        async with client_of(server) as client:
            tracks = await asyncio.gather(*(generate(client) for _ in range(500)))
    assert [track.size_bytes for track in tracks] == [834] * 500
    assert server.peak <= 20


class OneByte(io.RawIOBase):
    """A file object of the caller's that gives little at a time."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(min(size, 1000) if size > 0 else size)


async def produce() -> AsyncIterator[bytes]:
    for place in range(0, len(REFERENCE), 5000):
        yield REFERENCE[place : place + 5000]


@pytest.mark.parametrize("kind", ["bytes", "bytearray", "named", "path", "str", "file", "pipe", "iterator"])
async def test_a_reference_goes_out_whatever_it_is(kind: str, tmp_path: Path) -> None:
    """The service sees two parts with constant names and every byte of the reference, and its answer comes back."""
    path = tmp_path / "privé.mp3"
    path.write_bytes(REFERENCE)
    with path.open("rb") as file, loopback([UPLOADED]) as server:
        sources: dict[str, Any] = {
            "bytes": REFERENCE,
            "bytearray": bytearray(REFERENCE),
            "named": ("secret name.mp3", REFERENCE),
            "path": path,
            "str": str(path),
            "file": file,
            "pipe": OneByte(REFERENCE),
            "iterator": produce(),
        }
        async with client_of(server) as client:
            reference = await client.upload(sources[kind], purpose="song", client_request_id="mine")
        if kind == "file":
            assert file.tell() == 0
    request = server.requests[0]
    boundary = request.headers["content-type"].removeprefix("multipart/form-data; boundary=")
    assert request.path == UPLOAD
    assert (
        request.body
        == (
            f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nsong\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="reference.mp3"\r\n'
            "Content-Type: audio/mpeg\r\n\r\n"
        ).encode()
        + REFERENCE
        + f"\r\n--{boundary}--\r\n".encode()
    )
    assert (reference.voice_id, reference.instrumental_id) == (VOICE_ID, INSTRUMENTAL_ID)
    assert (reference.purpose, reference.trace_id) == (Purpose.SONG, TRACE_ID)
    assert reference.audio is not None
    assert reference.audio.duration == pytest.approx(10.45, abs=0.01)
    assert reference.receipt is not None
    receipt = reference.receipt
    assert (receipt.operation, receipt.outcome, receipt.money) == (Operation.UPLOAD, Outcome.COMPLETED, Money.UNKNOWN)
    assert receipt.client_request_id == "mine"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (cbr(300, kbits=32), "The reference lasts 7.8 s"),
        (cbr(23_000, kbits=8, rate=24_000)[: 23_000 * 24], None),
        (b"no audio at all" * 100, "The reference is neither WAV nor MP3"),
        (b"", "no bytes"),
        ("missing.mp3", "No such file"),
        ("https://elsewhere.test/a.mp3", "cannot be a URL"),
        (7, "cannot be a int"),
    ],
)
async def test_a_reference_the_service_would_refuse_is_not_sent(source: Any, words: str | None) -> None:
    """Too short, too long, no audio, nothing at all: refused here, and nothing is connected."""
    if words is None:
        source, words = cbr(40_000, kbits=8, rate=16_000), "at most 600 s"
    with loopback([UPLOADED]) as server:
        async with client_of(server) as client:
            with pytest.raises(InputError, match=words) as caught:
                await client.upload(source, purpose="song")
    assert_keyless(caught.value)
    assert server.connections == 0


async def test_a_purpose_is_one_of_three() -> None:
    """Another word for it is refused here."""
    async with client_of(Loopback([], 1)) as client:
        with pytest.raises(InputError, match="purpose must be one of"):
            await client.upload(REFERENCE, purpose="speech")


@pytest.mark.parametrize(("data", "media_type"), [(wav(bytes(99)), "audio/wav"), (b"what", "audio/mpeg")])
async def test_the_judgement_can_be_left_to_the_service(data: bytes, media_type: str) -> None:
    """With `check_audio=False` anything is sent, under the type its first bytes say."""
    with loopback([UPLOADED]) as server:
        async with client_of(server) as client:
            reference = await client.upload(data, purpose="voice", check_audio=False)
    assert reference.audio is None
    assert f"Content-Type: {media_type}\r\n".encode() in server.requests[0].body
    assert data in server.requests[0].body


async def test_a_file_that_changes_while_it_is_sent_is_never_a_complete_request(tmp_path: Path) -> None:
    """The end of the body is withheld, so no server can take a mixture for the reference."""
    path = tmp_path / "song.mp3"
    path.write_bytes(bytes(30_000_000))
    begun, gate = threading.Event(), threading.Event()

    async def change() -> None:
        assert await anyio.to_thread.run_sync(begun.wait, 5)
        path.write_bytes(bytes(29_999_999))
        gate.set()

    with loopback([ReadHead(), Signal(begun), Await(gate), Hang()]) as server:
        async with client_of(server) as client, anyio.create_task_group() as group:
            group.start_soon(change)
            with pytest.raises(InputError) as caught:
                await client.upload(path, purpose="song", check_audio=False)
        assert server.wait_until_idle()
    assert (caught.value.outcome, caught.value.money, caught.value.phase) == (Outcome.NOT_SENT, Money.NO, Phase.SEND)
    assert server.connections == 1
    assert server.requests == []
    assert_keyless(caught.value)
    assert_traced(caught.value, Operation.UPLOAD)


async def test_an_upload_that_fails_says_that_it_may_be_repeated() -> None:
    """A lost upload is in doubt without danger, and a 200 without ids is no success."""
    with loopback([]) as server:
        async with client_of(server, clock=FakeClock()) as client:
            with pytest.raises(InDoubtError) as caught:
                await client.upload(REFERENCE, purpose="song")
    assert Fate.of(caught.value) == Fate(InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN, Phase.WAIT, attempts=3)
    assert caught.value.hint == "Uploading the same reference again only makes another id."
    with loopback([answer(uploaded(voice_id="", instrumental_id=None))]) as server:
        async with client_of(server, clock=FakeClock()) as client:
            with pytest.raises(PayloadError, match="neither a voice id nor an instrumental id"):
                await client.upload(REFERENCE, purpose="song")


async def test_an_upload_is_throttled_like_everything_else() -> None:
    """A refusal that asks for patience is waited out, and the file is sent again from its start."""
    clock = FakeClock()
    with loopback([answer(refused(1002, "slow"))], [UPLOADED]) as server:
        async with client_of(server, clock=clock) as client:
            await client.upload(io.BytesIO(REFERENCE), purpose="song")
    assert len(server.requests) == 2
    assert all(REFERENCE in request.body for request in server.requests)
    assert clock.slept == [0.5]


async def test_audio_in_an_uploads_answer_is_read_past() -> None:
    """Whatever else the service puts into the answer, the ids count."""
    with loopback([answer(uploaded(data={"audio": TRACK.hex()}))]) as server:
        async with client_of(server) as client:
            assert (await client.upload(REFERENCE, purpose="song")).voice_id == VOICE_ID


URL = f"https://api.aimlapi.com{GENERATE}"


def _generate_blocking() -> Track:
    with MusicClient(api_key=KEY) as client:
        return client.generate(lyrics="la", refer_voice=VOICE_ID)


@pytest.mark.usefixtures("anyio_backend")
class TestRespx:
    """A user's own mocks of httpx see our calls."""

    async def test_a_route_answers(self) -> None:
        """A JSON answer of a mock is a track, in the asynchronous client and in the blocking one."""
        with respx.mock:
            route = respx.post(URL).respond(json=generated(TRACK), headers={"x-aimlapi-credits-used": "63000"})
            async with AsyncMusicClient(api_key=KEY) as client:
                track = await generate(client)
            again = await anyio.to_thread.run_sync(_generate_blocking)
        assert track.content == again.content == TRACK
        assert track.receipt is not None
        assert track.receipt.credits_used == 63_000
        assert route.call_count == 2
        assert route.calls[0].request.headers["authorization"] == f"Bearer {KEY}"
        assert b'"refer_voice"' in route.calls[0].request.content

    @pytest.mark.parametrize(
        ("effect", "fate"),
        [
            (httpx.ConnectError, Fate(NotSentError, Outcome.NOT_SENT, Money.NO, Phase.CONNECT)),
            (httpx.ConnectTimeout, Fate(NotSentTimeout, Outcome.NOT_SENT, Money.NO, Phase.CONNECT)),
            (httpx.ReadTimeout, Fate(InDoubtTimeout, Outcome.UNKNOWN, Money.UNKNOWN, Phase.WAIT)),
            (httpx.ReadError, Fate(InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN, Phase.WAIT)),
        ],
    )
    async def test_an_error_is_what_it_would_be(self, effect: type[Exception], fate: Fate) -> None:
        """A mock that refuses the connection sent nothing; one that breaks later leaves a doubt."""
        with respx.mock:
            respx.post(URL).mock(side_effect=effect)
            async with AsyncMusicClient(api_key=KEY, max_retries=0) as client:
                error = await failure(client)
        assert Fate.of(error) == fate


def test_a_transport_of_another_name_is_refused() -> None:
    """There is one name; whatever else is no transport is a mistake, found at once."""
    for kind in (AsyncMusicClient, MusicClient):
        kind(api_key=KEY, transport="stock")
        with pytest.raises(ConfigError, match="'stok' is unknown; there is 'stock'"):
            kind(api_key=KEY, transport="stok")  # type: ignore[arg-type]  # as it is mistyped
