"""A call whose answer is an id: submit, questions and fetch over real sockets, and what is left when one fails."""

import threading
from pathlib import Path

import anyio
import pytest

from aiml_music import (
    AuthenticationError,
    Event,
    EventKind,
    InputError,
    LedgerError,
    Money,
    MusicError,
    NotFoundError,
    NotReadyError,
    Outcome,
    PayloadError,
    ResultGoneError,
    ServerError,
    Track,
)
from aiml_music._calls.delivery import Target, deliver
from aiml_music._calls.plans import checked_order, generate_plan
from aiml_music._sansio.options import UNSET
from aiml_music.testing import FakeClock
from tests.answers import GENERATION_ID, answer, chunked, envelope, finished, generated, head, kept
from tests.calls import TRACK, settled
from tests.journals import Recorder, raising
from tests.loopback import Await, Hang, Reset, Script, Send, Signal
from tests.queued import RUNNING, SONG, TAKEN, Service, failing, make, service

pytestmark = pytest.mark.anyio


async def test_a_track_is_submitted_asked_after_and_fetched(tmp_path: Path) -> None:
    """One paid request; the questions bear the id, percent-encoded; the receipt knows what it was."""
    clock = FakeClock(draw=0.0)
    with service([TAKEN], [RUNNING], [RUNNING], None) as served:
        async with served.client(clock=clock) as client:
            track = await make(client, to=tmp_path / "song.mp3", client_request_id="order-1")
        submit, *questions = served.api.requests
    assert (tmp_path / "song.mp3").read_bytes() == TRACK
    assert (submit.method, submit.path, submit.headers["x-client-request-id"]) == (
        *("POST", "/v2/generate/audio"),
        "order-1",
    )
    encoded = GENERATION_ID.replace(":", "%3A").replace("/", "%2F")
    assert {question.path for question in questions} == {f"/v2/generate/audio?generation_id={encoded}"}
    assert {question.headers["x-mine"] for question in questions} == {"mine"}
    names = {question.headers["x-client-request-id"] for question in questions}
    assert len(names) == 3
    assert "order-1" not in names
    assert clock.slept == [10.0, 0.0, 5.5, 0.0, 6.0, 0.0]
    assert track.receipt is not None
    assert (track.receipt.generation_id, track.receipt.client_request_id) == (GENERATION_ID, "order-1")
    assert (track.receipt.outcome, track.receipt.money, track.format) == (Outcome.COMPLETED, Money.YES, "mp3")
    assert track.raw["status"] == "completed"


async def test_the_usage_is_in_the_receipt() -> None:
    """That of the header, of the submit, of the last answer: a zero says nothing, and what is said last counts."""
    cost = ("x-aimlapi-credits-used", "0")
    usage = {"meta": {"usage": {"credits_used": 390_000, "usd_spent": 0.195}}}
    taken = answer({"id": GENERATION_ID, "status": "queued"}, headers=[cost])
    with service([taken], [RUNNING], None) as served:
        async with served.client() as client:
            track = await make(client)
    assert track.receipt is not None
    assert (track.receipt.credits_used, track.receipt.money) == (None, Money.YES)
    with service([answer({"id": GENERATION_ID, **usage})], None) as served:
        async with served.client() as client:
            track = await make(client)
    assert track.receipt is not None
    assert (track.receipt.credits_used, str(track.receipt.usd_spent)) == (390_000, "0.195")


async def test_what_is_done_when_it_is_submitted_is_not_asked_after() -> None:
    """The answer to the submit may say all there is to say."""
    with service(None) as served:
        async with served.client() as client:
            track = await make(client)
        assert (served.submits, served.polls) == (1, 0)
    assert track.content == TRACK


async def test_audio_that_comes_at_once_is_taken() -> None:
    """A service that answers like music-01 has not taken it under an id, and the track is there."""
    with service([answer(generated(TRACK))]) as served:
        async with served.client() as client:
            track = await make(client)
            async with client.stream(**SONG) as audio:
                assert b"".join([piece async for piece in audio]) == TRACK
            generation = await client.submit(**SONG)
            assert (await generation).content == TRACK
            with pytest.raises(RuntimeError, match="gave the track at once"):
                await generation.accepted()
    assert track.content == TRACK
    assert track.receipt is not None
    assert track.receipt.generation_id is None


async def test_a_failure_at_the_submit_is_told() -> None:
    """With the id, and what is known of the money."""
    failed = answer({"id": GENERATION_ID, "status": "error", "error": {"name": "BadRequestError", "message": "no."}})
    with service([failed]) as served:
        async with served.client() as client:
            error = await failing(client, client_request_id="order-1")
    assert (error.outcome, error.money, error.generation_id) == (Outcome.REJECTED, Money.UNKNOWN, GENERATION_ID)
    assert f"the generation {GENERATION_ID} failed: BadRequestError: no." in str(error)
    assert 'client.settle("order-1") tells' in str(error)


async def test_a_failure_says_what_it_cost_where_the_service_does() -> None:
    """A stated zero is none, and nothing need be settled; anything else was charged."""
    for used, money in ((0, Money.NO), (390_000, Money.YES)):
        meta = {"meta": {"usage": {"credits_used": used}}}
        failed = answer({"id": GENERATION_ID, "status": "error", "error": None, **meta})
        with service([TAKEN], [failed]) as served:
            async with served.client() as client:
                error = await failing(client)
        assert isinstance(error, ServerError)
        assert (error.outcome, error.money, error.hint is None) == (Outcome.REJECTED, money, used == 0)


async def test_a_generation_tells_its_id_as_soon_as_it_is_known() -> None:
    """While the track is still being made."""
    go = threading.Event()
    with service([TAKEN], [Await(go), RUNNING], None) as served:
        async with served.client() as client:
            generation = await client.submit(**SONG)
            assert generation.id is None
            assert await generation.accepted() == GENERATION_ID == generation.id
            assert not generation.done()
            go.set()
            assert (await generation).content == TRACK


async def test_a_generation_that_is_refused_has_no_id() -> None:
    """Whoever waits for it is told why."""
    with service([answer(envelope(401, "no"), status="401 No")]) as served:
        async with served.client() as client:
            generation = await client.submit(**SONG)
            with pytest.raises(AuthenticationError):
                await generation.accepted()
            with pytest.raises(AuthenticationError):
                await generation


async def test_a_direct_model_gives_no_id() -> None:
    """Nobody waits for what never comes."""
    with service([answer(generated(TRACK))]) as served:
        async with served.client() as client:
            generation = await client.submit(lyrics="la", refer_voice="vocal-2025082518145625-6XW9wCOF")
            with pytest.raises(RuntimeError, match="gives its track at once"):
                await generation.accepted()
            await generation
            assert generation.id is None


async def test_a_client_that_closes_leaves_the_id(tmp_path: Path) -> None:
    """What is given up while it is waited for can be collected."""
    with service([TAKEN], [Hang()]) as served:
        client = served.client()
        generation = await client.submit(**SONG, to=tmp_path / "song.mp3")
        await generation.accepted()
        assert await client.close(drain=0.01) == (generation,)
        with pytest.raises(NotReadyError, match=r"given up when the client was closed.*client\.collect") as caught:
            await generation
    assert (caught.value.outcome, caught.value.money) == (Outcome.ACCEPTED, Money.YES)
    assert caught.value.generation_id == GENERATION_ID
    assert await settled(tmp_path) == []


async def test_a_download_that_is_given_up_is_not_lost() -> None:
    """Half of it is no damage: all of it can be fetched again."""
    coming = anyio.Event()

    def hear(event: Event) -> None:
        if event.kind is EventKind.ANSWERED:
            coming.set()

    half: Script = [Send(head("200 OK", ("Content-Length", str(len(TRACK)))) + TRACK[:1000]), Hang()]
    with service([TAKEN], None, store=(half,)) as served:
        client = served.client(on_event=hear)
        generation = await client.submit(**SONG)
        await coming.wait()
        await client.close(drain=0.05)
        with pytest.raises(NotReadyError):
            await generation


async def journalled(served: Service, journal: Recorder) -> Track:
    """Make `song.mp3` in the journal's directory."""
    async with served.client() as client:
        asked = checked_order(
            SONG["lyrics"], None, None, None, SONG["model"], None, "off", None, None, {"prompt": SONG["prompt"]}
        )
        plan = await generate_plan(client._options, asked, UNSET, "a1")
        target = Target(path=journal.directory / "song.mp3", overwrite=False, room_bytes=10_000, journal=journal)
        async with client._session.call(plan) as call:
            return await deliver(call, target, audio_format="mp3")


async def test_the_journal_has_the_id_before_anything_else(tmp_path: Path) -> None:
    """The mark is made before the first question, with what the call did so far."""
    journal = Recorder(tmp_path)
    with service([TAKEN], None) as served:

        async def nothing_asked_yet() -> None:
            assert served.polls == 0

        journal = Recorder(tmp_path, acts={"accepted": nothing_asked_yet})
        track = await journalled(served, journal)
    assert journal.marks == ["intent", "wire", "head", "accepted", "received", "done"]
    name, receipt = journal.facts["accepted"]
    assert name == receipt.generation_id == GENERATION_ID
    assert (receipt.outcome, receipt.money) == (Outcome.ACCEPTED, Money.YES)
    assert track.path == tmp_path / "song.mp3"


@pytest.mark.parametrize("mark", ["head", "accepted"])
async def test_a_journal_that_fails_ends_the_call_with_the_id(mark: str, tmp_path: Path) -> None:
    """In plain text, and nothing is asked: whoever keeps the record decides."""
    journal = Recorder(tmp_path, acts={mark: raising(OSError("the disk is full"))})
    with service([TAKEN], None) as served:
        with pytest.raises(LedgerError, match="the disk is full") as caught:
            await journalled(served, journal)
        assert served.polls == 0
    error = caught.value
    assert (error.outcome, error.money, error.generation_id) == (Outcome.ACCEPTED, Money.YES, GENERATION_ID)
    assert f"The generation is {GENERATION_ID}." in error.message
    assert "client.collect(" in str(error)
    assert ("accepted" in journal.marks) == (mark == "accepted")
    assert await settled(tmp_path) == []


async def test_a_cancellation_waits_for_the_mark(tmp_path: Path) -> None:
    """The id is on record before the call goes, whatever else becomes of it."""
    scope = anyio.CancelScope()
    kept_marks: list[str] = []

    async def cancelled_meanwhile() -> None:
        scope.cancel()
        await anyio.sleep(0.01)
        kept_marks.append("accepted")

    journal = Recorder(tmp_path, acts={"accepted": cancelled_meanwhile})
    notes: list[str] = []
    with service([TAKEN], None) as served:
        with scope:
            try:
                await journalled(served, journal)
            except anyio.get_cancelled_exc_class() as cancelled:
                notes.extend(cancelled.__notes__)
                raise
        assert served.polls == 0
    assert kept_marks == ["accepted"]
    assert f"after it was accepted as {GENERATION_ID}" in notes[0]


async def test_a_key_that_is_refused_later_keeps_the_id() -> None:
    """At once, and the generation is as it was."""
    with service([TAKEN], [answer(envelope(401, "expired"), status="401 No")]) as served:
        async with served.client() as client:
            error = await failing(client)
        assert served.polls == 1
    assert isinstance(error, AuthenticationError)
    assert (error.outcome, error.money, error.generation_id) == (Outcome.ACCEPTED, Money.YES, GENERATION_ID)
    assert f"when it was asked after {GENERATION_ID}" in str(error)
    assert "Check the key" in str(error)
    assert "client.collect(" in str(error)


async def test_an_id_that_stays_unknown_is_told() -> None:
    """After five times in a row; nobody says that nothing was paid."""
    with service([TAKEN], [answer(envelope(404, "none"), status="404 No")]) as served:
        async with served.client() as client:
            error = await failing(client)
        assert served.polls == 5
    assert isinstance(error, NotFoundError)
    assert (error.outcome, error.money, error.generation_id) == (Outcome.ACCEPTED, Money.YES, GENERATION_ID)


async def test_a_service_that_is_throttling_is_left_in_peace() -> None:
    """For as long as it asks, by all calls of this client."""
    clock = FakeClock(draw=0.0)
    busy = answer(envelope(429, "slow down"), status="429 Busy", headers=[("Retry-After", "40")])
    with service([TAKEN], [busy], None) as served:
        async with served.client(clock=clock) as client:
            await make(client)
    assert clock.slept == [10.0, 0.0, 40.0, 0.0]


async def test_no_question_is_asked_that_would_come_too_late() -> None:
    """A client that was asked for patience has it with all its calls, and says so at once."""
    busy = answer(envelope(429, "slow down"), status="429 Busy", headers=[("Retry-After", "500")])
    with service([busy]) as served:
        async with served.client() as client:
            for _ in range(2):
                with pytest.raises(NotReadyError, match="not done within 100 s"):
                    await client.collect(GENERATION_ID, timeout=100)
        assert served.polls == 1


async def test_two_generations_do_not_ask_at_once() -> None:
    """The questions of a client go one by one, ten in a second."""
    clock = FakeClock(draw=0.0)
    with service([TAKEN], [TAKEN], None) as served:
        async with served.client(clock=clock) as client, anyio.create_task_group() as group:
            group.start_soon(make, client)
            group.start_soon(make, client)
    assert sum(clock.slept) >= 20.0


async def test_done_without_an_address_is_waited_out_and_then_told() -> None:
    """The address may come a little later than the word; after five times it never will."""
    nowhere = answer({"id": GENERATION_ID, "status": "completed", "trace_id": "t-1"})
    with service([TAKEN], [nowhere], None) as served:
        async with served.client() as client:
            assert (await make(client)).content == TRACK
    with service([TAKEN], [nowhere]) as served:
        async with served.client() as client:
            error = await failing(client)
        assert served.polls == 5
    assert isinstance(error, PayloadError)
    assert (error.money, error.trace_id) == (Money.YES, "t-1")
    assert "says nowhere where it is" in str(error)


async def test_a_result_that_is_gone_is_asked_for_anew() -> None:
    """Its address may have been replaced; three times in all, then it is told, with how long such tracks are kept."""
    forbidden = [answer(b"<Error/>", status="403 Forbidden")]
    with service([TAKEN], None, store=(forbidden, [kept(TRACK)])) as served:
        async with served.client() as client:
            assert (await make(client)).content == TRACK
        assert served.polls == 2
    with service([TAKEN], None, store=(forbidden,)) as served:
        async with served.client() as client:
            error = await failing(client)
        assert (served.polls, len(served.store.requests)) == (3, 3)
    assert isinstance(error, ResultGoneError)
    assert (error.outcome, error.money, error.generation_id) == (Outcome.DAMAGED, Money.YES, GENERATION_ID)
    assert "answered HTTP 403" in str(error)
    assert "kept for 24 hours" in str(error)


async def test_a_result_that_is_gone_says_no_more_than_is_known() -> None:
    """Of a model whose tracks live nobody knows how long."""
    with service([TAKEN], None, store=([answer(b"", status="404 No")],)) as served:
        async with served.client() as client:
            error = await failing(client, model="elevenlabs/eleven_music", lyrics=None)
    assert "kept for" not in str(error)


async def test_a_host_of_tracks_that_fails_is_asked_until_the_time_is_up() -> None:
    """And twenty times at most; the track can be collected later."""
    with service([TAKEN], None, store=([Reset()],)) as served:
        async with served.client() as client:
            error = await failing(client)
            soon = await failing(client, timeout=100)
    assert isinstance(error, NotReadyError)
    assert (error.outcome, error.money) == (Outcome.ACCEPTED, Money.YES)
    assert "and the time is up" not in str(error)
    assert "and the time is up" in str(soon)


async def test_a_stream_goes_on_where_a_download_broke() -> None:
    """The one who listens notices nothing."""
    half = [Send(head("200 OK", ("Content-Length", str(len(TRACK)))) + TRACK[:1000])]
    with service([TAKEN], None, store=(half, half, [kept(TRACK)])) as served:
        async with served.client() as client, client.stream(**SONG) as audio:
            assert b"".join([piece async for piece in audio]) == TRACK
            assert audio.receipt.generation_id == GENERATION_ID
            assert audio.format == "mp3"


async def test_a_stream_of_an_open_format_says_so() -> None:
    """What its bytes are is known to whoever reads them."""
    with service([TAKEN], None) as served:
        async with (
            served.client() as client,
            client.stream(model="elevenlabs/eleven_music", prompt="A quiet song") as audio,
        ):
            assert (audio.format, audio.media_type) == (None, "application/octet-stream")
            assert b"".join([piece async for piece in audio]) == TRACK
            assert audio.flags == ()


async def test_another_track_in_place_of_the_first_is_refused(tmp_path: Path) -> None:
    """What came is kept beside, and can be compared."""
    half = [Send(head("200 OK", ("Content-Length", str(len(TRACK)))) + TRACK[:1000])]
    with service([TAKEN], None, store=(half, [kept(bytes(len(TRACK)))])) as served:
        async with served.client() as client:
            error = await failing(client, to=tmp_path / "song.mp3")
    assert isinstance(error, PayloadError)
    assert error.salvage == tmp_path / "song.partial.mp3"
    assert (tmp_path / "song.partial.mp3").read_bytes() == TRACK[:1000]


async def test_whatever_bytes_come_are_right_where_the_format_is_open() -> None:
    """And what is none that is known is kept and told."""
    with service([TAKEN], None, store=([kept(b"<html>")],)) as served:
        async with served.client() as client:
            error = await failing(client, model="elevenlabs/eleven_music", lyrics=None)
    assert isinstance(error, PayloadError)
    assert error.salvage == b"<html>"
    assert "not any that is known" in str(error)


async def test_a_question_that_is_not_answered_as_such_is_asked_again() -> None:
    """A page of a gateway, a cut document, audio where none belongs, a list, silence."""
    hex_audio = answer({"data": {"audio": "00ff"}, "status": "generating"})
    scripts: list[Script] = [
        *([answer(b"<html>busy</html>", status="502 Bad Gateway")], [answer(b"<html>portal</html>")], [Reset()]),
        *([chunked(b'{"status": ', end=False)], [hex_audio], [answer(b"[]")], [answer(b"")]),
    ]
    heard: list[Event] = []
    with service([TAKEN], *scripts, None) as served:
        async with served.client(on_event=heard.append) as client:
            assert (await make(client)).content == TRACK
        assert (served.submits, served.polls) == (1, len(scripts) + 1)
    told = [event for event in heard if event.kind is EventKind.POLLED]
    assert [bool(event.problem) for event in told] == [True, True, True, True, False, True, True, False]


async def test_a_collected_track_was_paid_before(tmp_path: Path) -> None:
    """Asked after at once; nothing is submitted, and the model only says how long to wait."""
    clock = FakeClock(draw=0.0)
    with service([RUNNING], None) as served:
        async with served.client(clock=clock) as client:
            track = await client.collect(GENERATION_ID, to=tmp_path / "song.mp3", model="minimax/music-2.0")
        assert (served.submits, served.polls) == (0, 2)
    assert clock.slept == [0.0, 0.0, 5.5, 0.0]
    assert track.path == tmp_path / "song.mp3"
    assert track.receipt is not None
    assert (track.receipt.operation, track.receipt.generation_id) == ("poll", GENERATION_ID)
    assert (track.receipt.outcome, track.receipt.money, track.receipt.attempts) == (
        *(Outcome.COMPLETED, Money.YES),
        (),
    )


async def test_what_cannot_be_collected_is_refused_before_anything_is_asked() -> None:
    """An id that is none, a model that gives none, a format that is none."""
    with service([RUNNING]) as served:
        async with served.client() as client:
            with pytest.raises(InputError, match="generation id"):
                await client.collect("a b")
            with pytest.raises(InputError, match="nothing to collect later"):
                await client.collect(GENERATION_ID, model="music-01")
            with pytest.raises(InputError, match="audio_format must be"):
                await client.collect(GENERATION_ID, audio_format="ogg")  # type: ignore[arg-type]
            with pytest.raises(InputError, match="client_request_id"):
                await client.collect(GENERATION_ID, client_request_id="a b")
        assert served.api.connections == 0


async def test_a_collecting_that_fails_claims_no_more_than_it_knows() -> None:
    """Of an id that the service has not answered for, nobody knows whether it was paid; and a failure names no call."""
    failed = answer({"id": GENERATION_ID, "status": "error", "error": {"message": "the provider failed"}})
    for script, money in (([Reset()], Money.UNKNOWN), ([RUNNING], Money.YES)):
        with service(script) as served:
            async with served.client() as client:
                with pytest.raises(NotReadyError) as caught:
                    await client.collect(GENERATION_ID, timeout=30)
        assert (caught.value.outcome, caught.value.money) == (Outcome.ACCEPTED, money)
    with service([failed]) as served:
        async with served.client() as client:
            with pytest.raises(MusicError, match="of the call that submitted it tells"):
                await client.collect(GENERATION_ID, timeout=30, client_request_id="mine")


async def test_a_collecting_that_is_cancelled_in_the_queue_has_the_id_in_its_note() -> None:
    """Although it has asked nothing yet."""
    inside = threading.Event()
    notes: list[str] = []
    with service([Signal(inside), Hang()]) as served:
        async with served.client(max_concurrency=1) as client, anyio.create_task_group() as group:
            group.start_soon(client.collect, GENERATION_ID)
            await anyio.to_thread.run_sync(inside.wait)
            with anyio.move_on_after(0.01):
                try:
                    await client.collect("another-one")
                except anyio.get_cancelled_exc_class() as cancelled:
                    notes.extend(cancelled.__notes__)
                    raise
            group.cancel_scope.cancel()
    assert "poll" in notes[0]
    assert "after it was accepted as another-one" in notes[0]


async def test_without_a_limit_of_time_it_is_waited_for_as_long_as_it_takes() -> None:
    """However often it has to be asked after."""
    with service([TAKEN], *[[RUNNING]] * 40, None) as served:
        async with served.client(timeout=None) as client:
            assert (await make(client)).content == TRACK
    with service([TAKEN], [answer(finished("not an address"))]) as served:
        async with served.client(timeout=None) as client:
            error = await failing(client)
    assert isinstance(error, PayloadError)
    assert "The address was not an address" in str(error)
