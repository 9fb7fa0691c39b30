"""The way of a finished track from a host nobody knows, over real sockets."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from aiml_music._calls.fetching import FetchEndedError, Fetching
from aiml_music._io.transport import HttpxTransport
from aiml_music._sansio.options import Timeouts
from aiml_music._sansio.result_url import Fetch, Reach
from aiml_music.testing import FakeClock
from tests.answers import answer, chunked, head, kept
from tests.loopback import Drip, Hang, Repeat, Reset, Send, free_port, loopback

pytestmark = pytest.mark.anyio

HERE = Reach(loopback=True, plain=True)
TRACK = bytes(range(256)) * 400


@asynccontextmanager
async def fetching(**changes: Any) -> AsyncIterator[Fetching]:
    """Make what fetches a track, and let go of it again."""
    given = {
        "transport": HttpxTransport(),
        "clock": FakeClock(),
        "timeouts": Timeouts(idle=5),
        "deadline": 1e9,
        "reach": HERE,
    }
    one = Fetching(**{**given, **changes})
    try:
        yield one
    finally:
        await one.aclose()


async def whole(one: Fetching) -> bytes:
    """Read to the end."""
    content = b""
    while piece := await one.read():
        content += piece
    return content


async def ended(one: Fetching, url: str) -> FetchEndedError:
    """Return how a track failed to come."""
    with pytest.raises(FetchEndedError) as caught:
        await opened(one, url)
    assert not one.is_whole
    return caught.value


async def opened(one: Fetching, url: str) -> bytes:
    """Open a track and read it to the end."""
    await one.open(url)
    return await whole(one)


async def until_it_breaks(one: Fetching) -> bytes:
    """Read until it breaks off, and return what came."""
    content = b""
    try:
        while piece := await one.read():
            content += piece
    except FetchEndedError:
        return content
    raise AssertionError("it did not break off")


async def test_a_track_comes_whole() -> None:
    """Whatever its host calls it."""
    with loopback([kept(TRACK)]) as server:
        async with fetching() as one:
            await one.open(f"{server.url}/a.mp3")
            assert not one.is_whole
            assert await whole(one) == TRACK
            assert (one.is_whole, one.handed_on) == (True, len(TRACK))


@pytest.mark.parametrize(
    "script",
    [
        [Send(head("200 OK", ("Connection", "close")) + TRACK)],
        [chunked(TRACK[:1000], TRACK[1000:])],
        [kept(gzip.compress(TRACK), ("Content-Encoding", "gzip"))],
        [kept(TRACK, ("Content-Encoding", "gzip"))],
    ],
)
async def test_a_track_comes_in_any_framing(script: list[Send]) -> None:
    """Without a length, in chunks, packed although nobody asked for that, and not packed although it says so."""
    with loopback(script) as server:
        async with fetching() as one:
            await one.open(f"{server.url}/a.mp3")
            assert await whole(one) == TRACK


async def test_redirects_lead_to_another_host_without_a_word_of_ours() -> None:
    """Five are followed; every one is asked without key and without headers of the client's own."""
    with loopback([kept(TRACK)]) as last:
        to_last = answer(b"", status="302 Found", headers=[("Location", f"{last.url}/b.mp3")])
        on = answer(b"", status="307 Temporary Redirect", headers=[("Location", "/next")])
        with loopback([on], [on], [on], [on], [to_last]) as first:
            async with fetching() as one:
                await one.open(f"{first.url}/a.mp3")
                assert await whole(one) == TRACK
            requests = [*first.requests, *last.requests]
    assert [request.path for request in requests] == ["/a.mp3", *["/next"] * 4, "/b.mp3"]
    for request in requests:
        assert set(request.headers) == {"host", "accept", "accept-encoding", "connection", "user-agent"}


async def test_redirects_without_end_are_left() -> None:
    """The sixth one is not followed."""
    with loopback([answer(b"", status="302 Found", headers=[("Location", "/again")])]) as server:
        async with fetching() as one:
            error = await ended(one, f"{server.url}/a.mp3")
        assert len(server.requests) == 6
    assert (error.ending, error.what) == (Fetch.FORBIDDEN, "it was redirected more than 5 times")


@pytest.mark.parametrize("location", ["https://10.0.0.1/a", "http://example.com/a", "ftp://127.0.0.1/a", ""])
async def test_a_redirect_to_where_nothing_is_fetched_is_not_followed(location: str) -> None:
    """Each is judged like the first address."""
    with loopback([answer(b"", status="302 Found", headers=[("Location", location)])]) as server:
        async with fetching() as one:
            assert (await ended(one, f"{server.url}/a.mp3")).ending is Fetch.FORBIDDEN
        assert server.connections == 1


async def test_an_address_that_is_not_fetched_is_not_asked_for() -> None:
    """By its text, and by what its name stands for."""
    with loopback([kept(TRACK)]) as server:
        async with fetching(reach=Reach()) as one:
            assert (await ended(one, f"{server.url}/a.mp3")).what == "it is not https"
            strange = await ended(one, f"https://2130706433:{server.port}/a.mp3")
        assert server.connections == 0
    assert (strange.ending, strange.what) == (Fetch.FORBIDDEN, "it does not lie on the public internet")


@pytest.mark.parametrize(
    ("status", "ending"),
    [("403 Forbidden", Fetch.GONE), ("404 Not Found", Fetch.GONE), ("503 Busy", Fetch.AGAIN), ("204 No", Fetch.AGAIN)],
)
async def test_a_status_says_what_follows(status: str, ending: Fetch) -> None:
    """It stands in the words as well."""
    with loopback([answer(b"<Error/>", status=status)]) as server:
        async with fetching() as one:
            error = await ended(one, f"{server.url}/a.mp3")
    assert (error.ending, error.what) == (ending, f"its host answered HTTP {status[:3]}")


async def test_what_is_too_large_is_not_taken() -> None:
    """By the length that is announced, or by what came."""
    with loopback([kept(TRACK)]) as server:
        async with fetching(most_bytes=1000) as one:
            error = await ended(one, f"{server.url}/a.mp3")
            assert (error.ending, one.handed_on) == (Fetch.UNFIT, 0)
    with loopback([Send(head("200 OK")), Repeat(TRACK, times=100)]) as server:
        async with fetching(most_bytes=200_000) as one:
            error = await ended(one, f"{server.url}/a.mp3")
    assert (error.ending, error.what) == (Fetch.UNFIT, "it has more than 200,000 bytes")


@pytest.mark.parametrize(
    "script",
    [
        [Send(head("200 OK", ("Content-Length", str(len(TRACK)))) + TRACK[:5000])],
        [Send(head("200 OK", ("Content-Length", str(len(TRACK)))) + TRACK[:5000]), Reset()],
        [kept(gzip.compress(TRACK)[:-12], ("Content-Encoding", "gzip"))],
        [kept(TRACK, ("Content-Encoding", "br"))],
        [Send(b"\x00\x01garbage\r\n\r\n")],
        [Reset()],
    ],
)
async def test_what_breaks_may_come_the_next_time(script: list[Any]) -> None:
    """A cut body, a reset, a coding that is none of what it says."""
    with loopback(script) as server:
        async with fetching() as one:
            assert (await ended(one, f"{server.url}/a.mp3")).ending is Fetch.AGAIN


async def test_a_host_that_is_not_there_may_be_the_next_time() -> None:
    """Nothing is claimed about the track."""
    async with fetching() as one:
        error = await ended(one, f"http://127.0.0.1:{free_port()}/a.mp3")
    assert error.ending is Fetch.AGAIN
    assert error.what.startswith("its host could not be asked: ")


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ([Hang()], "its host said nothing for 0.1 s"),
        ([Send(head("200 OK", ("Content-Length", "9")) + b"a"), Hang()], "its host went silent, or became too slow"),
        ([Send(head("200 OK")), Drip(bytes(1000), 0.02)], "its host went silent, or became too slow"),
    ],
)
async def test_a_host_that_falls_silent_is_left(script: list[Any], what: str) -> None:
    """Before its answer, within it, or by dripping."""
    with loopback(script) as server:
        async with fetching(timeouts=Timeouts(idle=0.1)) as one:
            error = await ended(one, f"{server.url}/a.mp3")
    assert (error.ending, error.what) == (Fetch.AGAIN, what)


async def test_a_patient_client_waits_for_no_longer_than_the_call_has() -> None:
    """Without a limit for silence, the call's own limit ends the wait."""
    clock = FakeClock()
    with loopback([Hang()]) as server:
        async with fetching(timeouts=Timeouts(idle=None), clock=clock, deadline=clock.monotonic() + 0.1) as one:
            assert (await ended(one, f"{server.url}/a.mp3")).ending is Fetch.AGAIN
    with loopback([kept(TRACK)]) as server:
        async with fetching(timeouts=Timeouts(idle=None)) as one:
            await one.open(f"{server.url}/a.mp3")
            assert await whole(one) == TRACK


CUT = [Send(head("200 OK", ("Content-Length", str(len(TRACK)))) + TRACK[:50_000])]


async def test_a_broken_download_goes_on_where_it_broke() -> None:
    """What was handed on is not handed on again, however often it breaks."""
    with loopback(CUT, CUT, [kept(gzip.compress(TRACK), ("Content-Encoding", "gzip"))]) as server:
        async with fetching() as one:
            await one.open(f"{server.url}/a.mp3")
            content = b""
            for _ in range(2):
                content += await until_it_breaks(one)
                # It breaks off at the same place again, and nothing more is read.
                await one.open(f"{server.url}/a.mp3")
            content += await whole(one)
    assert content == TRACK


@pytest.mark.parametrize("other", [TRACK[:-1] + b"x", b"x" + TRACK[1:], TRACK[:1000], b""])
async def test_another_track_in_its_place_is_refused(other: bytes) -> None:
    """What would be half of one track and half of another is told, where the difference shows."""
    with loopback(CUT, [kept(other)]) as server:
        async with fetching() as one:
            await one.open(f"{server.url}/a.mp3")
            await until_it_breaks(one)
            if other[:50_000] == TRACK[:50_000]:
                await one.open(f"{server.url}/a.mp3")
                return
            with pytest.raises(FetchEndedError) as caught:
                await one.open(f"{server.url}/a.mp3")
    assert caught.value.ending is Fetch.UNFIT


async def test_a_track_that_was_left_does_not_look_whole() -> None:
    """Reading on after letting go is a mistake, and not an end."""
    with loopback([kept(TRACK)]) as server:
        async with fetching() as one:
            await one.open(f"{server.url}/a.mp3")
            await one.aclose()
            with pytest.raises(RuntimeError, match="left before its end"):
                await one.read()
