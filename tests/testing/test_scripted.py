"""The transport that plays a script: what it expects, what it records, and how it fails."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Self

import anyio
import pytest
from attrs import define

from aiml_music import InDoubtError, InDoubtTimeout, InputError, Money, Operation, Outcome
from aiml_music._io.bodies import BytesBody
from aiml_music._sansio.errors import LedgerError
from aiml_music._sansio.outcome import Marks
from aiml_music._sansio.ports import Body, Progress, RequestHead, TransportFault
from aiml_music._sansio.secret import Secret
from aiml_music.testing import (
    FakeClock,
    ScriptedTransport,
    Step,
    broken_off,
    finished_track,
    lost,
    new_reference,
    no_answer,
    on_generate,
    on_request,
    on_upload,
    silent_mp3,
    unreachable,
)
from tests.answers import VOICE_ID
from tests.calls import REFERENCE, generate
from tests.canary import KEY
from tests.journals import Recorder, journalled, raising
from tests.testing.clients import blocking_client_of, client_of

pytestmark = pytest.mark.anyio

UPLOAD = "/v2/generate/audio/minimax/upload"
GENERATE = "/v2/generate/audio/minimax/generate"


async def test_a_song_from_beginning_to_end(tmp_path: Path) -> None:
    """An upload and two generations are played in order, each checked for what matters."""
    with ScriptedTransport(
        on_upload(new_reference(voice_id="vocal-a", instrumental_id="instrumental-b"), purpose="song"),
        on_generate(finished_track(), lyrics="One", refer_voice="vocal-a", refer_instrumental="instrumental-b"),
        on_generate(finished_track(silent_mp3(3)), lyrics="Two", headers={"X-Client-Request-Id": "second"}),
    ) as transport:
        async with client_of(transport) as client:
            reference = await client.upload(silent_mp3(12), purpose="song")
            first = await client.generate(lyrics="One", reference=reference)
            second = await client.generate(
                lyrics="Two", reference=reference, to=tmp_path / "two.mp3", client_request_id="second"
            )
    assert first.content == silent_mp3(1)
    assert second.path is not None
    assert second.path.read_bytes() == silent_mp3(3)


def test_a_blocking_client_plays_it_too() -> None:
    """The same transport serves `MusicClient`."""
    steps = [on_upload(new_reference(), purpose="voice"), on_generate(finished_track()), on_generate(lost())]
    with ScriptedTransport(*steps) as transport, blocking_client_of(transport) as client:
        reference = client.upload(REFERENCE, purpose="voice")
        track = client.generate(lyrics="Side by side", reference=reference)
        with pytest.raises(InDoubtError):
            client.generate(lyrics="Side by side", reference=reference)
    assert track.content == silent_mp3(1)


async def test_requests_are_recorded() -> None:
    """Method, path, headers and body are there to be looked at."""
    with ScriptedTransport(on_upload(new_reference()), on_generate(finished_track())) as transport:
        client = client_of(transport, base_url="https://music.invalid/behind/a/gateway")
        await client.upload(REFERENCE, purpose="instrumental", client_request_id="first")
        await generate(client, client_request_id="second")
    upload, generation = transport.requests
    assert (upload.method, upload.path, upload.complete) == ("POST", "/behind/a/gateway" + UPLOAD, True)
    assert (upload.operation, upload.purpose, upload.client_request_id) == (Operation.UPLOAD, "instrumental", "first")
    assert REFERENCE in upload.body
    assert upload.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert (generation.operation, generation.purpose, generation.client_request_id) == ("generate", None, "second")
    assert generation.json() == {"model": "music-01", "lyrics": "##Side by side##", "refer_voice": VOICE_ID}


async def test_the_key_is_nowhere() -> None:
    """Nothing that a script records or shows holds the key."""
    with ScriptedTransport(on_generate(finished_track())) as transport:
        await generate(client_of(transport))
    [request] = transport.requests
    assert KEY not in f"{request!r}{request.headers}{request.body!r}{vars(transport)}"
    assert "authorization" not in request.headers


async def called(transport: ScriptedTransport, **arguments: Any) -> str:
    """Ask for a track that the script does not foresee, and return what it says."""
    with pytest.raises(AssertionError) as caught:
        await generate(client_of(transport, max_retries=0), **arguments)
    return str(caught.value)


UNFIT: dict[str, tuple[Step, list[str]]] = {
    "another operation": (on_upload(new_reference()), ["expected upload, came generate"]),
    "another path": (
        on_request("POST", "/v2/other", finished_track()),
        ["expected POST /v2/other, came generate"],
    ),
    "another method": (on_request("GET", GENERATE, finished_track()), [f"expected GET {GENERATE}, came generate"]),
    "other lyrics": (
        on_generate(finished_track(), lyrics="Other"),
        ["lyrics: expected 'Other', came '##Side by side##'"],
    ),
    "two members": (
        on_generate(finished_track(), model="music-02", refer_instrumental="i"),
        ["model: expected 'music-02', came 'music-01'", "refer_instrumental: expected 'i', came nothing"],
    ),
    "one member too many": (
        on_generate(finished_track(), refer_voice=None),
        [f"refer_voice: expected nothing, came {VOICE_ID!r}"],
    ),
    "another header": (
        on_generate(finished_track(), headers={"X-Mood": "calm"}),
        ["header X-Mood: expected 'calm', came nothing"],
    ),
    "one header too many": (
        on_generate(finished_track(), headers={"x-client-request-id": None}),
        ["header x-client-request-id: expected nothing, came 'mine'"],
    ),
    "a header of what never left": (
        on_generate(unreachable(), headers={"X-Mood": "calm"}),
        ["header X-Mood: expected 'calm', came nothing"],
    ),
}


@pytest.mark.parametrize("case", UNFIT)
async def test_a_request_that_does_not_fit_fails(case: str) -> None:
    """The failure says what was expected and what came, where the call is made and again at the end."""
    step, complaints = UNFIT[case]
    transport = ScriptedTransport(step)
    told = await called(transport, client_request_id="mine")
    for complaint in complaints:
        assert complaint in told
    assert told.startswith("request 1 does not fit the script: ")
    with pytest.raises(AssertionError) as again:
        transport.assert_done()
    assert str(again.value) == told


async def test_an_upload_of_another_purpose_fails() -> None:
    """What an upload says of its reference is checked."""
    transport = ScriptedTransport(on_upload(new_reference(), purpose="song"))
    with pytest.raises(AssertionError, match="purpose: expected 'song', came 'voice'"):
        await client_of(transport).upload(REFERENCE, purpose="voice")


async def test_an_upload_has_no_members() -> None:
    """A script that looks for JSON where there is none says that nothing came."""
    transport = ScriptedTransport(on_request("POST", UPLOAD, new_reference(), lyrics="One"))
    with pytest.raises(AssertionError, match="lyrics: expected 'One', came nothing"):
        await client_of(transport).upload(REFERENCE, purpose="voice")


@pytest.mark.parametrize("body", [b"[]", b"7", b"\xff", b""])
async def test_a_body_that_is_no_object_has_no_members(body: bytes) -> None:
    """Whatever was sent, the failure says what was looked for."""
    transport = ScriptedTransport(on_request("POST", GENERATE, finished_track(), lyrics="One"))
    with pytest.raises(AssertionError, match="lyrics: expected 'One', came nothing"):
        await sent(transport, BytesBody(body), Progress())


async def test_a_request_too_many_fails() -> None:
    """A call after the last step is told so, with what came before it."""
    transport = ScriptedTransport(on_generate(finished_track()))
    await generate(client_of(transport))
    told = await called(transport)
    assert told == (
        "request 2 does not fit the script: the script is over, and yet there came generate;"
        " requests so far: generate, generate"
    )
    with pytest.raises(AssertionError, match="the script is over"):
        transport.assert_done()


def test_what_is_left_over_fails() -> None:
    """Steps that never came are named, also by their reaction."""
    transport = ScriptedTransport(on_upload(new_reference()), on_generate(lost()), on_generate(finished_track().cut()))
    expected = (
        r"upload \(HTTP 200\), generate \(read in phase wait\), generate \(HTTP 200, cut\) never came;"
        " requests so far: none"
    )
    with pytest.raises(AssertionError, match=expected):
        transport.assert_done()
    with pytest.raises(AssertionError, match=expected), transport:
        """Nothing is asked for."""


def test_the_end_of_the_block_hides_no_failure() -> None:
    """What failed inside is what the test fails with, whatever is left of the script."""
    with pytest.raises(KeyError), ScriptedTransport(on_generate(no_answer())):
        raise KeyError


async def test_a_failure_that_was_caught_comes_back() -> None:
    """A program that catches everything does not hide that its request was not the expected one."""
    with pytest.raises(AssertionError, match="came '##Side by side##'"):  # noqa: SIM117 - the inner block is the test
        with ScriptedTransport(on_generate(finished_track(), lyrics="Other")) as transport:
            assert "Other" in await called(transport)


@pytest.mark.parametrize("reaction", [unreachable(), broken_off()], ids=str)
@pytest.mark.parametrize(
    "make",
    [
        lambda reaction: on_generate(reaction, lyrics="One"),
        lambda reaction: on_upload(reaction, purpose="song"),
        lambda reaction: on_generate(reaction, on_arrival=print),
    ],
    ids=["fields", "purpose", "arrival"],
)
def test_what_does_not_arrive_cannot_be_checked(make: Callable[[Any], Step], reaction: Any) -> None:
    """A script that wants to look into a request that is never whole is refused when it is written."""
    with pytest.raises(ValueError, match="the request does not arrive"):
        make(reaction)


async def test_a_path_of_its_own() -> None:
    """A script can expect any path, by its end."""
    with ScriptedTransport(
        on_request("POST", "/minimax/generate", finished_track(), lyrics="##Side by side##")
    ) as transport:
        await generate(client_of(transport))


@define
class Pieces:
    """A body in pieces that notes how far the request is whenever one is taken."""

    pieces: list[bytes]
    progress: Progress
    seen: list[Marks]

    @property
    def length(self) -> int:
        return sum(map(len, self.pieces))

    def chunks(self) -> AsyncIterator[bytes]:
        return Chunks(self, iter(self.pieces))


@define
class Chunks:
    """No generator: one that is left before its end would be left to the garbage collector."""

    body: Pieces
    left: Iterator[bytes]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self.body.seen.append(self.body.progress.marks)
        for piece in self.left:
            return piece
        raise StopAsyncIteration


HEAD = RequestHead(method="POST", url="https://music.invalid" + GENERATE, headers=())
BEGUN = Marks(request_begun=True)
HANDED_OVER = Marks(request_begun=True, body_handed_over=True)


async def sent(transport: ScriptedTransport, body: Body, progress: Progress) -> None:
    await transport.send(HEAD, body, key=Secret(KEY), progress=progress, connect_timeout=None, idle_timeout=None)


MARKS: dict[str, tuple[Step, Marks, list[Marks], bytes]] = {
    "an answer": (
        on_generate(finished_track()),
        Marks(request_begun=True, body_handed_over=True, response_begun=True),
        [BEGUN, BEGUN, HANDED_OVER],
        b"onetwo",
    ),
    "a lost answer": (on_generate(lost()), HANDED_OVER, [BEGUN, BEGUN, HANDED_OVER], b"onetwo"),
    "a request broken off": (on_generate(broken_off()), BEGUN, [BEGUN, BEGUN], b"one"),
    "no connection": (on_generate(unreachable()), Marks(), [], b""),
}


@pytest.mark.parametrize("case", MARKS)
async def test_the_marks_are_those_of_a_real_request(case: str) -> None:
    """Each mark is set before its step is taken, and none that was not reached."""
    step, marks, on_the_way, body = MARKS[case]
    progress = Progress()
    pieces = Pieces([b"one", b"two"], progress, [])
    with ScriptedTransport(step) as transport:
        try:
            await sent(transport, pieces, progress)
        except TransportFault:
            assert case != "an answer"
    assert progress.marks == marks
    assert pieces.seen == on_the_way
    [request] = transport.requests
    assert (request.body, request.complete) == (body, body == b"onetwo")


async def test_a_request_without_a_body_is_whole_at_once() -> None:
    """Without a body, the head is all that a service waits for."""
    progress = Progress()
    with ScriptedTransport(on_generate(lost())) as transport, pytest.raises(TransportFault):
        await sent(transport, BytesBody(b""), progress)
    assert progress.marks == HANDED_OVER
    assert transport.requests[0].complete


async def test_a_body_that_fails_fails_the_call(tmp_path: Path) -> None:
    """A reference that changes between two attempts ends the call as it would on a network."""
    file = tmp_path / "reference.mp3"
    file.write_bytes(REFERENCE)
    clock = FakeClock(on_sleep=lambda: file.write_bytes(REFERENCE[:-100]))
    steps = [on_upload(unreachable()), on_upload(new_reference())]
    with ScriptedTransport(*steps) as transport, pytest.raises(InputError, match="reference"):
        await client_of(transport, clock=clock).upload(file, purpose="song")
    assert [request.complete for request in transport.requests] == [False, False]


async def test_a_cancelled_call_says_what_is_known() -> None:
    """A caller that goes away while the service is at work leaves a call in doubt; `on_arrival` tells when to go."""
    arrived = anyio.Event()
    notes: list[str] = []
    with ScriptedTransport(on_generate(no_answer(), on_arrival=arrived.set)) as transport:
        async with anyio.create_task_group() as group:

            async def ask() -> None:
                try:
                    await generate(client_of(transport))
                except anyio.get_cancelled_exc_class() as cancelled:
                    notes.extend(cancelled.__notes__)
                    raise

            group.start_soon(ask)
            await arrived.wait()
            group.cancel_scope.cancel()
    assert "in phase wait. The request may have been carried out and charged." in notes[0]


async def test_silence_ends_by_the_limit_of_time() -> None:
    """The client's own limit ends a call that nobody answers."""
    with ScriptedTransport(on_generate(no_answer())) as transport, pytest.raises(InDoubtTimeout) as caught:
        await generate(client_of(transport, timeout=0.05))
    assert (caught.value.outcome, caught.value.money) == (Outcome.UNKNOWN, Money.UNKNOWN)


async def test_time_can_pass_while_the_service_works() -> None:
    """A clock moved on arrival is what the receipt shows, and no time was spent."""
    clock = FakeClock()
    with ScriptedTransport(on_generate(finished_track(), on_arrival=lambda: clock.pass_by(57))) as transport:
        track = await generate(client_of(transport, clock=clock))
    assert track.receipt is not None
    assert track.receipt.elapsed == 57


async def test_an_answer_can_come_too_late() -> None:
    """A clock moved beyond the limit ends the call in doubt, at once."""
    clock = FakeClock()
    step = on_generate(finished_track(), on_arrival=lambda: clock.pass_by(601))
    with ScriptedTransport(step) as transport, pytest.raises(InDoubtTimeout, match="600 s"):
        await generate(client_of(transport, clock=clock, timeout=600))


def test_threads_may_share_it() -> None:
    """Callers in several threads play one script, each step once."""
    with ScriptedTransport(*[on_generate(finished_track())] * 8) as transport, blocking_client_of(transport) as client:
        threads = [
            threading.Thread(target=lambda: client.generate(lyrics="Side by side", refer_voice=VOICE_ID))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert len(transport.requests) == 8


async def test_a_journal_licenses_a_scripted_request_too(tmp_path: Path) -> None:
    """Its marks are made in their order; where the one before the request fails, nothing arrives."""
    journal = Recorder(tmp_path)
    with ScriptedTransport(on_generate(finished_track())) as transport:
        async with client_of(transport) as client:
            await journalled(client, journal)
    assert journal.marks == ["intent", "wire", "head", "received", "done"]
    (tmp_path / "song.mp3").unlink()
    journal = Recorder(tmp_path, {"wire": raising(LedgerError("The ledger is gone."))})
    with ScriptedTransport(on_generate(finished_track())) as transport:
        async with client_of(transport) as client:
            with pytest.raises(LedgerError) as caught:
                await journalled(client, journal)
    assert (caught.value.outcome, caught.value.money) == (Outcome.NOT_SENT, Money.NO)
    assert [request.complete for request in transport.requests] == [False]
