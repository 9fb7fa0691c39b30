"""One attempt against every kind of answer: which error, what happened to the request and the money, what is saved."""

import gzip
import json
import math
import threading
import tracemalloc
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aiml_music import (
    APIError,
    AsyncMusicClient,
    AuthenticationError,
    ContentRefusedError,
    CreditsError,
    InDoubtError,
    InDoubtTimeout,
    InvalidRequestError,
    Money,
    MusicError,
    NotFoundError,
    NotSentError,
    NotSentTimeout,
    Operation,
    Outcome,
    PayloadError,
    PermissionDeniedError,
    Phase,
    RateLimitError,
    ServerError,
    Timeouts,
)
from aiml_music._io.clock import SystemClock
from aiml_music._sansio.ports import Exchange, Progress, ResponseHead
from aiml_music.testing import FakeClock
from tests._sansio.audio_files import cbr
from tests.answers import TRACE_ID, answer, chunked, envelope, generated, head, refused
from tests.calls import MADE, TRACK, Fate, assert_traced, client_of, failure, generate
from tests.canary import KEY
from tests.loopback import Await, Drip, HalfClose, Hang, ReadHead, Reset, Script, Send, loopback

pytestmark = pytest.mark.anyio

WHOLE = json.dumps(generated(TRACK)).encode()
# A head that promises the whole document, for bodies that are cut.
PROMISED = head("200 OK", ("Content-Type", "application/json"), ("Content-Length", str(len(WHOLE))))
CUT = WHOLE.index(TRACK.hex().encode()) + 2001
HTML = b"<html><body>Bad gateway</body></html>"

# More than the buffers of both sides hold.
LARGE = bytes(32_000_000)

NO, YES, UNKNOWN = Money.NO, Money.YES, Money.UNKNOWN
SILENCE = Fate(InDoubtError, Outcome.UNKNOWN, UNKNOWN, Phase.WAIT)
FOREIGN = Fate(InDoubtError, Outcome.UNKNOWN, UNKNOWN, Phase.READ)
DAMAGED = Fate(PayloadError, Outcome.DAMAGED, YES, Phase.DECODE)
EMPTY = Fate(PayloadError, Outcome.DAMAGED, UNKNOWN, Phase.DECODE)


def rejected(error: type[APIError], money: Money = NO) -> Fate:
    return Fate(error, Outcome.REJECTED, money, Phase.READ)


def unsettled(error: type[APIError]) -> Fate:
    return Fate(error, Outcome.UNKNOWN, UNKNOWN, Phase.READ)


def status(number: int, words: str, text: str = "no") -> Script:
    return [answer(envelope(number, text), status=f"{number} {words}")]


CONNECTIONS: dict[str, tuple[Script, Fate, int]] = {
    "cut without a byte": ([], SILENCE, 1),
    "reset without a byte": ([Reset()], SILENCE, 1),
    "half closed without a byte": ([HalfClose(), Hang()], SILENCE, 1),
    "cut in the head": ([Send(b"HTTP/1.1 200 OK\r\nContent-")], SILENCE, 1),
    "garbage for a head": ([Send(b"\x00\x01garbage\r\n\r\n")], SILENCE, 1),
    "an endless head": ([Send(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000), Hang()], SILENCE, 1),
    "two lengths": ([Send(head("200 OK", ("Content-Length", "5"), ("Content-Length", "6")))], SILENCE, 1),
    "an absurd length": ([Send(head("200 OK", ("Content-Length", "9" * 400)))], SILENCE, 1),
    "an upgrade nobody asked for": ([Send(head("101 Switching Protocols", ("Upgrade", "x")))], SILENCE, 1),
    "a moved page": ([answer(HTML, status="302 Found", headers=[("Location", "http://elsewhere.test/")])], FOREIGN, 1),
    "a moved route": ([answer(HTML, status="308 Permanent Redirect", headers=[("Location", "/x")])], FOREIGN, 1),
    "a head without its body": ([Send(PROMISED)], FOREIGN, 1),
    "a head, then a reset": ([Send(PROMISED), Reset()], FOREIGN, 1),
}

GATEWAYS = {
    "a gateway's 500": ([answer(HTML, status="500 Internal Server Error")], FOREIGN),
    "a gateway's 502": ([answer(HTML, status="502 Bad Gateway")], FOREIGN),
    "a gateway's 503": ([answer(HTML, status="503 Service Unavailable")], FOREIGN),
    "a gateway's 504": ([answer(HTML, status="504 Gateway Timeout")], FOREIGN),
    "an edge's 524": ([answer(HTML, status="524 A Timeout Occurred")], FOREIGN),
    "an edge's 522": ([answer(HTML, status="522 Connection Timed Out")], FOREIGN),
    "a gateway's 429": ([answer(HTML, status="429 Too Many Requests")], FOREIGN),
    "a portal's page": ([answer(HTML)], FOREIGN),
    "a list": ([answer(b"[1]")], FOREIGN),
}

REFUSALS = {
    "400": (status(400, "Bad Request"), rejected(InvalidRequestError)),
    "401": (status(401, "Unauthorized"), rejected(AuthenticationError)),
    "402": (status(402, "Payment Required"), rejected(CreditsError)),
    "403": (status(403, "Forbidden"), rejected(PermissionDeniedError)),
    "403 for credits": (status(403, "Forbidden", "You've run out of credits."), rejected(CreditsError)),
    "404": (status(404, "Not Found"), rejected(NotFoundError)),
    "408": (status(408, "Request Timeout"), unsettled(APIError)),
    "409": (status(409, "Conflict"), unsettled(APIError)),
    "413": (status(413, "Content Too Large"), rejected(InvalidRequestError)),
    "418": (status(418, "I'm a teapot"), rejected(APIError)),
    "422": (status(422, "Unprocessable Content"), rejected(InvalidRequestError)),
    "429 for the day": (status(429, "Too Many Requests", "Free-tier limit per day"), rejected(RateLimitError)),
    "500": (status(500, "Internal Server Error"), rejected(ServerError, UNKNOWN)),
    "502": (status(502, "Bad Gateway"), unsettled(ServerError)),
    "503": (status(503, "Service Unavailable"), rejected(ServerError, UNKNOWN)),
    "504": (status(504, "Gateway Timeout", "Generation timeout"), unsettled(ServerError)),
    "code 1000": ([answer(refused(1000, "failed"))], unsettled(ServerError)),
    "code 1001": ([answer(refused(1001, "request timeout"))], unsettled(ServerError)),
    "code 1004": ([answer(refused(1004, "key"))], rejected(AuthenticationError)),
    "code 1008": ([answer(refused(1008, "insufficient balance"))], rejected(CreditsError)),
    "code 1026": ([answer(refused(1026, "sensitive"))], rejected(ContentRefusedError)),
    "code 1027": ([answer(refused(1027, "sensitive"))], rejected(ContentRefusedError, UNKNOWN)),
    "code 2013": ([answer(refused(2013, "invalid params"))], rejected(InvalidRequestError)),
    "code 2044": ([answer(refused(2044, "not permitted"))], rejected(PermissionDeniedError)),
    "code 2056": ([answer(refused(2056, "plan window"))], rejected(RateLimitError)),
    "an unknown code": ([answer(refused(7, "?"))], unsettled(ServerError)),
}

ODD = WHOLE.replace(b'"}', b'0"}', 1)
FOREIGN_CHARACTER = WHOLE[:CUT] + b"x" + WHOLE[CUT:]
BODIES: dict[str, tuple[Script, Fate, bytes | None]] = {
    "cut amid the digits": ([Send(PROMISED + WHOLE[:CUT])], DAMAGED, TRACK[:1000]),
    "reset amid the digits": ([Send(PROMISED + WHOLE[:CUT]), Reset()], DAMAGED, None),
    "without a length, cut": ([Send(head("200 OK") + WHOLE[:CUT])], DAMAGED, TRACK[:1000]),
    "chunked, without its end": ([chunked(WHOLE[:CUT], end=False)], DAMAGED, TRACK[:1000]),
    "cut behind the digits": ([answer(WHOLE[:-10])], DAMAGED, TRACK),
    "an odd digit too many": ([answer(ODD)], DAMAGED, TRACK),
    "a foreign character": ([answer(FOREIGN_CHARACTER)], DAMAGED, TRACK[:1000]),
    "a second document": ([answer(WHOLE + b"{}")], DAMAGED, TRACK),
    "audio and an error code": ([answer(generated(TRACK, **refused(1000, "failed")))], DAMAGED, TRACK),
    "no document": ([answer(b"")], EMPTY, None),
    "only blanks": ([answer(b"  \n ")], EMPTY, None),
    "half a document": ([answer(b'{"data": {')], EMPTY, None),
    "a wrong first digit": ([answer(b'{"data": {"audio": "\x00"}}')], EMPTY, None),
    "no audio": ([answer(generated("", data={"status": 2}))], EMPTY, None),
    "no audio yet": ([answer(generated("", data={"status": 1}))], EMPTY, None),
    "empty audio": ([answer(generated(""))], EMPTY, None),
    "a link": ([answer(generated("https://cdn.test/a.mp3"))], EMPTY, None),
    "another text": ([answer(generated("track.mp3"))], EMPTY, None),
    "201 without a body": ([answer(b"", status="201 Created")], EMPTY, None),
    "half a gzip body": ([answer(gzip.compress(WHOLE)[:-8], headers=[("Content-Encoding", "gzip")])], DAMAGED, TRACK),
    "a corrupt gzip body": ([answer(b"\x1f\x8b\xff" * 9, headers=[("Content-Encoding", "gzip")])], EMPTY, None),
    "an encoding nobody asked for": ([answer(WHOLE, headers=[("Content-Encoding", "br")])], EMPTY, None),
}


@pytest.mark.parametrize("case", CONNECTIONS)
async def test_a_connection_that_breaks_after_the_request_leaves_a_doubt(case: str) -> None:
    """Where nothing authentic came back, money may be gone, the error says how to find out, and nothing is repeated."""
    script, fate, seen = CONNECTIONS[case]
    with loopback(script) as server:
        async with client_of(server) as client:
            error = await failure(client)
        assert server.wait_until_idle()
    assert Fate.of(error) == fate
    assert (len(server.requests), server.connections, error.salvage) == (seen, 1, None)
    assert_traced(error)
    assert isinstance(error, ConnectionError)
    assert not error.is_timeout
    assert error.hint is not None
    assert error.client_request_id is not None
    assert error.client_request_id in error.hint


@pytest.mark.parametrize("case", GATEWAYS)
async def test_a_page_of_something_in_between_is_no_verdict(case: str) -> None:
    """What is not the service's own JSON neither proves a charge nor disproves it, and nothing is repeated."""
    script, fate = GATEWAYS[case]
    with loopback(script) as server:
        async with client_of(server) as client:
            error = await failure(client)
    assert Fate.of(error) == fate
    assert len(server.requests) == 1
    assert isinstance(error, InDoubtError)
    assert error.status == error.attempts[0].status


@pytest.mark.parametrize("case", REFUSALS)
async def test_the_services_own_refusals_have_a_class_each(case: str) -> None:
    """Statuses and codes of the service become errors that say whether work was done, and none of these is repeated."""
    script, fate = REFUSALS[case]
    with loopback(script) as server:
        async with client_of(server) as client:
            error = await failure(client)
    assert Fate.of(error) == fate
    assert len(server.requests) == 1
    assert isinstance(error, APIError)
    assert error.status == error.attempts[0].status
    assert_traced(error)


@pytest.mark.parametrize("case", BODIES)
async def test_an_unusable_body_leaves_what_came_as_salvage(case: str) -> None:
    """A success that cannot be used says so, and whatever audio was decoded before the fault is in the error."""
    script, fate, salvage = BODIES[case]
    with loopback(script) as server:
        async with client_of(server) as client:
            error = await failure(client)
        assert server.wait_until_idle()
    assert Fate.of(error) == fate
    assert len(server.requests) == 1
    if case != "reset amid the digits":  # How much of it outruns the reset is the kernel's affair.
        assert error.salvage == salvage


@pytest.mark.parametrize(
    ("number", "words"), [(521, "Web Server Is Down"), (523, "Origin Is Unreachable"), (525, "SSL"), (526, "SSL")]
)
async def test_an_edge_that_never_reached_the_service_costs_nothing(number: int, words: str) -> None:
    """These four statuses of an edge say that the request did not get through; two of them will go on saying so."""
    with loopback([answer(HTML, status=f"{number} {words}")]) as server:
        async with client_of(server, clock=FakeClock()) as client:
            error = await failure(client)
    attempts = 3 if number in {521, 523} else 1
    assert Fate.of(error) == Fate(NotSentError, Outcome.NOT_SENT, NO, Phase.READ, attempts)


GOOD: dict[str, Script] = {
    "byte by byte": [Drip(answer(generated(TRACK[:417])).data, 0)],
    "chunked": [chunked(*(WHOLE[place : place + 997] for place in range(0, len(WHOLE), 997)))],
    "upper case": [answer(WHOLE.replace(TRACK.hex().encode(), TRACK.hex().upper().encode()))],
    "audio first": [MADE],
    "audio last": [answer(dict(reversed(generated(TRACK).items())))],
    "indented": [answer(json.dumps(generated(TRACK), indent=4).encode())],
    "with a byte order mark": [answer(b"\xef\xbb\xbf" + WHOLE)],
    "a byte order mark, cut": [chunked(b"\xef", b"\xbb", b"\xbf" + WHOLE)],
    "HTTP/1.0, no length": [Send(b"HTTP/1.0 200 OK\r\n\r\n" + WHOLE)],
    "after two interim answers": [Send(head("102 Processing") * 2), MADE],
    "201": [answer(generated(TRACK), status="201 Created")],
    "no base_resp": [answer({"data": {"audio": TRACK.hex()}})],
    "gzip": [answer(gzip.compress(WHOLE), headers=[("Content-Encoding", "gzip")])],
    "cut after its last brace": [answer(WHOLE, length=len(WHOLE) + 10)],
    "without a last chunk": [chunked(WHOLE, end=False)],
    "called identity": [answer(WHOLE, headers=[("Content-Encoding", "identity")])],
}


@pytest.mark.parametrize("case", GOOD)
async def test_a_track_arrives_however_it_is_wrapped(case: str) -> None:
    """Framing, case, order and splitting of an answer never change the audio."""
    with loopback(GOOD[case]) as server:
        async with client_of(server) as client:
            track = await generate(client)
        assert server.wait_until_idle()
    assert track.content == (TRACK[:417] if case == "byte by byte" else TRACK)
    assert len(server.requests) == 1


async def test_a_whole_document_is_not_lost_to_the_silence_behind_it() -> None:
    """A server that sends everything and never says that it was all has still sent everything."""
    script: Script = [Send(head("200 OK", ("Connection", "close")) + WHOLE), Hang()]
    with loopback(script) as server:
        async with client_of(server, timeout=Timeouts(idle=0.1)) as client:
            assert (await generate(client)).content == TRACK
        assert server.wait_until_idle()


async def test_a_long_body_that_came_packed_is_unpacked_piece_by_piece() -> None:
    """More than one piece of 64 KiB is one track all the same."""
    long = cbr(200)
    packed = gzip.compress(json.dumps(generated(long)).encode())
    with loopback([answer(packed, headers=[("Content-Encoding", "gzip")])]) as server:
        async with client_of(server) as client:
            assert (await generate(client)).content == long


class _HeldUp:
    """A transport whose every piece has come by the time this side looks, and whose limit of time has passed by then.

    As after a program that kept the event loop to itself for a minute.
    """

    def __init__(self, pieces: list[bytes]) -> None:
        self.head = ResponseHead(status=200)
        self._pieces = iter(pieces)

    async def send(self, *_request: object, progress: Progress, **_limits: object) -> Exchange:
        progress.body_handed_over()
        return self

    async def read(self) -> bytes:
        # Who is out of time before he asks is told so.
        await anyio.lowlevel.checkpoint_if_cancelled()
        piece = next(self._pieces, b"")
        passed = anyio.current_effective_deadline() + 0.001
        with anyio.CancelScope(shield=True):
            await anyio.sleep_until(passed if piece else -math.inf)
        return piece

    async def aclose(self) -> None:
        """There is nothing to let go of."""


async def test_what_has_come_counts_however_late_this_side_looks() -> None:
    """A limit for the silence of the other side ends no call in which the other side was never silent."""
    pieces = [WHOLE[at : at + 3000] for at in range(0, len(WHOLE), 3000)]
    async with AsyncMusicClient(
        api_key=KEY, transport=_HeldUp(pieces), timeout=Timeouts(total=None, idle=0.01)
    ) as client:
        assert (await generate(client)).content == TRACK


async def test_blanks_for_ever_behind_a_whole_document_are_not_waited_for() -> None:
    """Once the last brace is in, the end of the answer has a second, whatever drips meanwhile."""
    script: Script = [Send(head("200 OK", ("Connection", "close")) + WHOLE), Drip(b" " * 400, 0.05)]
    with loopback(script) as server:
        async with client_of(server, timeout=Timeouts(total=None, idle=None), clock=SystemClock()) as client:
            assert (await generate(client)).content == TRACK


@pytest.mark.parametrize("encoding", ["br", "gzip", "gzip, gzip"])
@pytest.mark.parametrize("number", [401, 429, 502, 521])
async def test_a_refusal_that_cannot_be_unpacked_still_has_its_status(number: int, encoding: str) -> None:
    """What a status says about the money holds, whatever the words behind it are packed in."""
    headers = (
        [("Content-Encoding", encoding), ("x-inference-id", "i")] if number < 500 else [("Content-Encoding", "br")]
    )
    with loopback([answer(b"\x1f\x8bnonsense", status=f"{number} No", headers=headers)]) as server:
        async with client_of(server, max_retries=0) as client:
            error = await failure(client)
    fates = {
        401: rejected(AuthenticationError),
        429: rejected(RateLimitError),
        502: FOREIGN,
        521: Fate(NotSentError, Outcome.NOT_SENT, NO, Phase.READ),
    }
    assert Fate.of(error) == fates[number]


async def test_a_packed_refusal_is_read_and_a_bomb_is_not() -> None:
    """A refusal may come packed; of one that unpacks to megabytes the beginning is enough."""
    packed = gzip.compress(json.dumps(envelope(402, "pay " + "x" * 50_000_000)).encode())
    script = [
        answer(packed, status="402 Payment Required", headers=[("Content-Encoding", "gzip"), ("x-inference-id", "i")])
    ]
    tracemalloc.start()
    try:
        with loopback(script) as server:
            async with client_of(server) as client:
                before, _ = tracemalloc.get_traced_memory()
                tracemalloc.reset_peak()
                error = await failure(client)
                _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert Fate.of(error) == rejected(CreditsError)
    assert peak - before < 4_000_000


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html; k=%b\r\n\r\nhello" % KEY.encode(),
        b"HTTP/1.1 200 OK\r\nauthorization Bearer %b\r\n\r\n" % KEY.encode(),
        b"Bearer %b\r\n\r\n" % KEY.encode(),
    ],
    ids=["content type", "header", "status line"],
)
async def test_a_key_on_the_wire_shows_in_no_text(data: bytes) -> None:
    """Whatever part of an answer repeats the key, the error does not."""
    with loopback([Send(data)]) as server:
        async with client_of(server) as client:
            assert isinstance(await failure(client), InDoubtError)


@pytest.mark.parametrize(
    "data", [{"status": 2, "audio": "https://cdn.test/a.mp3"}, {"status": 1}], ids=["a link", "unfinished"]
)
async def test_throttling_that_may_hold_a_track_is_not_repeated(data: dict[str, Any]) -> None:
    """A code that asks for patience beside a track, or the promise of one, is no clean refusal."""
    with loopback([answer(refused(1002, "slow down", data=data))]) as server:
        async with client_of(server, max_retries=3) as client:
            error = await failure(client)
    assert Fate.of(error) == EMPTY
    assert len(server.requests) == 1
    assert str(data.get("audio", "an unfinished track")) in str(error)


DEADLINES: dict[str, tuple[Script, dict[str, float], Fate]] = {
    "no answer": ([Hang()], {"total": 0.15}, Fate(InDoubtTimeout, Outcome.UNKNOWN, UNKNOWN, Phase.WAIT)),
    "a dripping head": (
        [Drip(head("200 OK"), 0.05)],
        {"total": 0.15, "idle": 5},
        Fate(InDoubtTimeout, Outcome.UNKNOWN, UNKNOWN, Phase.WAIT),
    ),
    "endless interim answers": (
        [Send(head("102 Processing") * 50), Hang()],
        {"total": 0.15},
        Fate(InDoubtTimeout, Outcome.UNKNOWN, UNKNOWN, Phase.WAIT),
    ),
    "a head, then nothing": (
        [Send(PROMISED), Hang()],
        {"idle": 0.1},
        Fate(InDoubtTimeout, Outcome.UNKNOWN, UNKNOWN, Phase.READ),
    ),
    "audio, then nothing": ([Send(PROMISED + WHOLE[:CUT]), Hang()], {"idle": 0.1}, DAMAGED),
    "audio that drips": ([Send(PROMISED + WHOLE[:CUT]), Drip(b"00" * 99, 0.05)], {"total": 0.3, "idle": 5}, DAMAGED),
    "audio, then nothing, and no limit of silence": (
        [Send(PROMISED + WHOLE[:CUT]), Hang()],
        {"total": 0.15, "idle": None},  # type: ignore[dict-item]  # None is no limit
        DAMAGED,
    ),
}


@pytest.mark.parametrize("case", DEADLINES)
async def test_limits_of_time_end_a_call_whatever_the_server_does(case: str) -> None:
    """The total is a wall clock that no trickle of bytes resets, and silence has a limit of its own."""
    script, limits, fate = DEADLINES[case]
    with loopback(script) as server:
        async with client_of(server, timeout=Timeouts(**limits)) as client:
            error = await failure(client)
        assert server.wait_until_idle()
    assert Fate.of(error) == fate
    assert len(server.requests) == 1
    if fate is DAMAGED:
        assert isinstance(error.salvage, bytes)
        assert error.salvage[:1000] == TRACK[:1000]
    else:
        assert isinstance(error, TimeoutError)
        assert error.is_timeout


async def test_time_that_runs_out_before_the_request_is_complete_costs_nothing() -> None:
    """A reference that the server stops taking is not sent, however much of it left."""
    never = threading.Event()
    with loopback([ReadHead(), Await(never)]) as server:
        async with client_of(server, timeout=0.3) as client:
            with pytest.raises(NotSentTimeout) as caught:
                await client.upload(LARGE, purpose="song", check_audio=False)
        never.set()
    assert Fate.of(caught.value) == Fate(NotSentTimeout, Outcome.NOT_SENT, NO, Phase.SEND)
    assert isinstance(caught.value, TimeoutError)
    assert server.requests == []


async def test_a_reset_before_the_request_is_complete_costs_nothing() -> None:
    """A connection that breaks while the body is still leaving carried nothing a server could act on."""
    with loopback([ReadHead(), Reset()]) as server:
        async with client_of(server, clock=FakeClock()) as client:
            with pytest.raises(NotSentError) as caught:
                await client.upload(LARGE, purpose="song", check_audio=False)
    assert Fate.of(caught.value) == Fate(NotSentError, Outcome.NOT_SENT, NO, Phase.SEND, attempts=3)
    assert (server.requests, server.connections) == ([], 3)
    assert_traced(caught.value, Operation.UPLOAD)


async def test_a_server_that_stops_taking_the_request_is_given_up() -> None:
    """A body that nobody takes any more ends the attempt long before the call's own limit, and cost nothing."""
    over = threading.Event()
    with loopback([ReadHead(), Await(over)]) as server:
        async with client_of(server, timeout=Timeouts(idle=0.1), max_retries=0) as client:
            with pytest.raises(NotSentTimeout, match="the other side stopped taking the request") as caught:
                await client.upload(LARGE, purpose="song", check_audio=False)
        over.set()
    assert Fate.of(caught.value) == Fate(NotSentTimeout, Outcome.NOT_SENT, NO, Phase.SEND)
    assert server.requests == []


async def test_a_server_that_trickles_is_given_up() -> None:
    """Never silent, and never done: a body below 1 KiB/s ends as one that stalled, and what came of it is kept."""
    opening = MADE.data.index(TRACK.hex().encode()) + 100
    trickle: Script = [Send(MADE.data[:opening]), Drip(MADE.data[opening:], 0.01)]
    with loopback(trickle) as server:
        async with client_of(server, timeout=Timeouts(idle=0.4)) as client:
            error = await failure(client)
        assert server.wait_until_idle()
    assert Fate.of(error) == Fate(PayloadError, Outcome.DAMAGED, YES, Phase.DECODE)
    assert "less than 1 KiB/s came for 0.4 s after" in str(error)
    assert isinstance(error.salvage, bytes)
    assert TRACK.startswith(error.salvage)


async def test_an_answer_before_the_request_is_complete_counts() -> None:
    """A server that refuses a body while it comes is heard."""
    refusal = answer(envelope(413, "too large"), status="413 Content Too Large")
    with loopback([ReadHead(), refusal, Hang()]) as server:
        async with client_of(server) as client:
            with pytest.raises(InvalidRequestError) as caught:
                await client.upload(LARGE, purpose="song", check_audio=False)
    assert Fate.of(caught.value) == rejected(InvalidRequestError)
    assert caught.value.hint == "The request is larger than the service takes."


async def test_credits_in_the_headers_decide_about_the_money() -> None:
    """What the service says it charged outranks what the kind of its answer suggests."""
    for credits_used, money in (("63000", YES), ("0", NO), ("many", UNKNOWN)):
        headers = [("x-aimlapi-credits-used", credits_used), ("x-inference-id", "inf-1")]
        with loopback([answer(envelope(504, "late"), status="504 Gateway Timeout", headers=headers)]) as server:
            async with client_of(server) as client:
                error = await failure(client)
        assert Fate.of(error) == Fate(ServerError, Outcome.UNKNOWN, money, Phase.READ)
        assert error.inference_id == "inf-1"
        assert error.credits_used == (int(credits_used) if credits_used.isdigit() else None)


async def test_a_refusal_tells_what_the_service_says_and_never_the_key() -> None:
    """Fields, code and message are handed on in one clean line; a key that the server echoes is blotted out."""
    issues = [{"code": "invalid_type", "path": ["audio_setting", "format"]}, {"path": ["lyrics"]}, {"path": "?"}, 7]
    message = f"\x1b[31mbad\r\nkey {KEY} " + "x" * 9000
    body = {"error": {"name": "ValidationError", "message": message, "data": issues}}
    with loopback([answer(body, status="400 Bad Request")]) as server:
        async with client_of(server) as client:
            error = await failure(client)
    assert isinstance(error, InvalidRequestError)
    assert error.fields == ("audio_setting.format", "lyrics")
    assert error.api_message.startswith("[31mbad key *** xxx")
    assert len(error.api_message) == 500


async def test_a_page_that_echoes_the_key_shows_it_to_nobody() -> None:
    """Of a page that is no JSON, one clean line is shown, without the key."""
    page = f"<p>You sent Authorization: Bearer {KEY}\x1b[2J</p>".encode()
    with loopback([answer(page)]) as server:
        async with client_of(server) as client:
            error = await failure(client)
    assert "<p>You sent Authorization: Bearer ***[2J</p>" in error.message


async def test_a_broken_refusal_still_has_its_status() -> None:
    """What a refusal says may be cut, compressed badly or endless: its status stands."""
    endless = json.dumps({"statusCode": "400", "message": "x"}).encode() + b" " * 1_000_000
    zipped = gzip.compress(json.dumps(envelope(400, "no")).encode())
    packed = [("Content-Encoding", "gzip"), ("x-inference-id", "i")]
    for sent in (
        answer(envelope(400, "no"), status="400 Bad Request", length=5000, headers=[("x-inference-id", "i")]),
        answer(endless, status="400 Bad Request", headers=[("x-inference-id", "i")]),
        answer(zipped, status="400 Bad Request", headers=packed),
        answer(zipped[:10] + b"\xff" * 20, status="400 Bad Request", headers=packed),
    ):
        with loopback([sent]) as server:
            async with client_of(server) as client:
                error = await failure(client)
            assert server.wait_until_idle()
        assert Fate.of(error) == rejected(InvalidRequestError)


async def test_silence_amid_a_refusal_ends_with_the_call() -> None:
    """A refusal that never ends holds a call up no longer than its own limit."""
    with loopback([answer(envelope(401, "no"), status="401 Unauthorized", length=5000), Hang()]) as server:
        async with client_of(server, timeout=0.15) as client:
            error = await failure(client)
    assert Fate.of(error) == rejected(AuthenticationError)


async def test_a_link_or_an_unfinished_track_is_named() -> None:
    """The two ways to answer without hex say what came instead; a link is shown, and other text is not."""
    words: dict[str, Any] = {
        "https://cdn.test/a.mp3": "the audio is a link to be fetched soon: https://cdn.test/a.mp3",
        "javascript:alert(1)": "the audio is not hexadecimal",
    }
    for audio, expected in words.items():
        with loopback([answer(generated(audio))]) as server:
            async with client_of(server) as client:
                error = await failure(client)
        assert expected in str(error)
        assert error.trace_id == TRACE_ID


async def test_a_long_link_is_shown_safely() -> None:
    """A link of the server's making is cleaned like any other foreign text."""
    link = "https://cdn.test/\x1b[31m\n" + "x" * 10_000
    with loopback([answer(generated(link))]) as server:
        async with client_of(server) as client:
            error = await failure(client)
    assert len(str(error)) < 5000
    assert "\x1b" not in str(error)


async def test_the_status_of_an_attempt_is_kept_while_it_is_read() -> None:
    """An error amid the body still knows status and ids of the head."""
    gate = threading.Event()
    headers = (("Content-Length", str(len(WHOLE))), ("x-inference-id", "inf-9"), ("x-aimlapi-credits-used", "63000"))
    with loopback([Send(head("200 OK", *headers)), Await(gate), Reset()]) as server:
        async with client_of(server) as client:
            gate.set()
            error = await failure(client)
    assert Fate.of(error) == Fate(InDoubtError, Outcome.UNKNOWN, YES, Phase.READ)
    assert (error.inference_id, error.credits_used, error.attempts[0].status) == ("inf-9", 63_000, 200)


def test_every_error_here_is_a_music_error() -> None:
    """One `except MusicError` catches all of them."""
    for table in (CONNECTIONS, GATEWAYS, REFUSALS, BODIES, DEADLINES):
        for row in table.values():
            fates = [part for part in row if isinstance(part, Fate)]
            assert len(fates) == 1
            assert issubclass(fates[0].error, MusicError)
