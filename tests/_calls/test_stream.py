"""Audio handed on while it arrives."""

import threading

import anyio
import pytest

from aiml_music import AudioStream, Flag, InDoubtError, Money, Outcome, PayloadError, Phase
from tests.answers import TRACE_ID, VOICE_ID, answer, envelope, generated
from tests.calls import MADE, TRACK, Fate, client_of
from tests.canary import assert_keyless
from tests.loopback import Await, Hang, Loopback, Send, loopback

pytestmark = pytest.mark.anyio

DOCUMENT = answer(generated(TRACK)).data
CUT = DOCUMENT.index(TRACK.hex().encode()) + 2000


def stream_of(server: Loopback, **changes: object) -> AudioStream:
    return client_of(server).stream(**{"lyrics": "la", "refer_voice": VOICE_ID, **changes})  # type: ignore[arg-type]


async def test_audio_comes_while_the_answer_is_still_arriving() -> None:
    """The beginning can be heard before the service has sent the end; what it says about the track comes last."""
    gate = threading.Event()
    with loopback([Send(DOCUMENT[:CUT]), Await(gate), Send(DOCUMENT[CUT:])]) as server:
        async with stream_of(server) as audio:
            heard = await anext(audio)
            assert TRACK.startswith(heard)
            with pytest.raises(RuntimeError, match="has not been read to its end"):
                _ = audio.facts
            gate.set()
            async for piece in audio:
                heard += piece
            assert heard == TRACK
            assert (audio.size_bytes, audio.format, audio.media_type) == (len(TRACK), "mp3", "audio/mpeg")
            assert (audio.trace_id, audio.flags) == (TRACE_ID, ())
            assert audio.raw["data"] == {"status": 2, "audio": None}
            assert audio.facts.size_bytes is None
            assert (audio.receipt.outcome, audio.receipt.money) == (Outcome.COMPLETED, Money.YES)
            assert await anext(audio, None) is None
        assert server.wait_until_idle()


@pytest.mark.parametrize("kind", ["wav", "pcm"])
async def test_a_stream_knows_its_format(kind: str) -> None:
    """What was asked for is the media type, and an odd number of bytes of samples is flagged."""
    with loopback([answer(generated(b"\x01\x02\x03"))]) as server:
        async with stream_of(server, audio_setting={"format": kind}) as audio:
            assert audio.media_type == f"audio/{kind}"
            assert [piece async for piece in audio] == [b"\x01\x02\x03"]
            assert audio.flags == ((Flag.ENDS_ODD,) if kind == "pcm" else ())


async def test_a_stream_left_early_closes_its_connection() -> None:
    """Nothing stays open, and no generator is left for the garbage collector to complain about."""
    with loopback([Send(DOCUMENT[:CUT]), Hang()], [MADE]) as server:
        client = client_of(server, max_concurrency=1)
        async with client.stream(lyrics="la", refer_voice=VOICE_ID) as audio:
            assert await anext(audio)
        assert server.wait_until_idle()
        async with client.stream(lyrics="la", refer_voice=VOICE_ID) as audio:
            assert b"".join([piece async for piece in audio]) == TRACK


async def test_a_stream_left_amid_what_has_arrived_closes_its_connection() -> None:
    """What the system and the library have buffered already is let go of as well."""
    large = answer(generated(TRACK * 100))
    with loopback([large, Hang()]) as server:
        async with stream_of(server) as audio:
            assert await anext(audio)
        assert server.wait_until_idle()


async def test_a_stream_that_breaks_hands_the_beginning_on_first() -> None:
    """The good audio comes, then the error; asking again gives the error again, not an end that looks whole."""
    with loopback([Send(DOCUMENT[:CUT])]) as server:
        async with stream_of(server) as audio:
            heard = b""
            for _ in range(2):
                with pytest.raises(PayloadError) as caught:  # noqa: PT012 - the loop is what fails
                    async for piece in audio:
                        heard += piece
                assert_keyless(caught.value)
                assert Fate.of(caught.value) == Fate(PayloadError, Outcome.DAMAGED, Money.YES, Phase.DECODE)
            assert heard == TRACK[:1000]


async def test_a_stream_that_is_refused_does_not_begin() -> None:
    """The error comes on entering; the place in the queue and the connection are given back."""
    with loopback([answer(envelope(400, "no"), status="400 Bad Request")], [], [MADE]) as server:
        client = client_of(server, max_concurrency=1)
        audio = client.stream(lyrics="la", refer_voice=VOICE_ID)
        with pytest.raises(Exception, match="answered HTTP 400: no"):
            await audio.__aenter__()
        with pytest.raises(InDoubtError):
            await client.stream(lyrics="la", refer_voice=VOICE_ID).__aenter__()
        with pytest.raises(RuntimeError, match="entered once"):
            await audio.__aenter__()
        async with client.stream(lyrics="la", refer_voice=VOICE_ID) as audio:
            assert b"".join([piece async for piece in audio]) == TRACK


async def test_each_step_may_come_from_another_task() -> None:
    """No limit of time and no task group is held between two steps."""
    heard: list[bytes] = []
    with loopback([MADE]) as server:
        audio = stream_of(server)

        async def enter() -> None:
            await audio.__aenter__()

        async def step() -> None:
            heard.extend([piece async for piece in audio])

        async def leave() -> None:
            await audio.__aexit__(None, None, None)

        for work in (enter, step, leave):
            async with anyio.create_task_group() as group:
                group.start_soon(work)
        assert server.wait_until_idle()
    assert b"".join(heard) == TRACK


async def test_a_stream_left_before_its_end_does_not_look_like_one_that_ended() -> None:
    """Reading on after leaving is a mistake that would cut a paid track short in silence; it is said to be one."""
    with loopback([Send(DOCUMENT[:CUT]), Hang()]) as server:
        async with stream_of(server) as audio:
            await anext(audio)
        with pytest.raises(RuntimeError, match="left before its end"):
            await anext(audio)
        assert server.wait_until_idle()


async def test_a_stream_that_ended_stays_ended() -> None:
    """Reading on after the end gives nothing more, inside the block and behind it."""
    with loopback([MADE]) as server:
        async with stream_of(server) as audio:
            assert b"".join([piece async for piece in audio]) == TRACK
            assert await anext(audio, b"") == b""
        assert await anext(audio, b"") == b""
