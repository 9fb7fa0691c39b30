"""A call that keeps a journal: the order of its marks, and what is left when one fails or is cut short."""

import asyncio
import hashlib
import os
import threading
from pathlib import Path

import anyio
import pytest
import respx

from aiml_music import (
    AsyncMusicClient,
    Money,
    Outcome,
    OutputExistsError,
    PayloadError,
    Phase,
    RateLimitError,
    StorageError,
    Track,
)
from aiml_music._calls.delivery import Delivery
from aiml_music._calls.keeping import intend
from aiml_music._calls.plans import checked_order, generate_plan
from aiml_music._io.publishing import FileSystem
from aiml_music._io.sinks import FileSink
from aiml_music._sansio.errors import LedgerError
from aiml_music._sansio.models import Receipt
from aiml_music._sansio.options import UNSET
from aiml_music._sansio.wire import Tracing
from tests._calls.test_delivery import FIRST, unreadable
from tests._io.system import failing, posix
from tests.answers import VOICE_ID, answer, generated, refused
from tests.calls import MADE, TRACK, Fate, assert_traced, client_of, settled
from tests.canary import KEY, assert_keyless
from tests.journals import MARKS, PART, READY, Act, Recorder, journalled, raising
from tests.loopback import Loopback, Script, Signal, loopback

pytestmark = pytest.mark.anyio

TRACED = answer(generated(TRACK), headers=[("x-inference-id", "gen-1"), ("x-aimlapi-credits-used", "63000")])
UNMARKED = Fate(LedgerError, Outcome.COMPLETED, Money.YES, Phase.STORE)


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def kept(journal: Recorder, script: Script, *, shelter_seconds: float = 30.0) -> Track:
    """Ask for a track that this script makes."""
    with loopback(script) as server:
        async with client_of(server) as client:
            return await journalled(client, journal, shelter_seconds=shelter_seconds)


async def test_every_mark_precedes_the_act_it_licenses(tmp_path: Path) -> None:
    """At each mark the disk holds what was done before it, and not yet what comes after it."""
    journal = Recorder(tmp_path)
    track = await kept(journal, [TRACED])
    assert journal.marks == MARKS
    assert journal.files == {
        "intent": {PART},
        "wire": {PART},
        "head": {PART},
        "received": {READY},
        "done": {READY, "song.mp3"},
    }
    song = tmp_path / "song.mp3"
    assert names(tmp_path) == {"song.mp3"}
    assert (track.path, song.read_bytes()) == (song, TRACK)
    assert journal.facts["head"] == (200, Tracing(inference_id="gen-1", credits_used=63_000))
    sha256, size_bytes, receipt, *found = journal.facts["received"]
    assert (sha256, size_bytes) == (hashlib.sha256(TRACK).hexdigest(), len(TRACK))
    assert isinstance(receipt, Receipt)
    assert (receipt.client_request_id, receipt.credits_used, receipt.money) == ("a1", 63_000, Money.YES)
    assert found == [track.duration, track.flags]
    assert journal.facts["done"] == (song,)


async def test_the_service_is_not_asked_before_the_intent(tmp_path: Path) -> None:
    """No connection is made before the journal knows of the call."""
    connections: list[int] = []
    with loopback([MADE]) as server:

        async def look() -> None:
            connections.append(server.connections)

        async with client_of(server) as client:
            await journalled(client, Recorder(tmp_path, {"intent": look}))
        assert (connections, server.connections) == ([0], 1)


async def test_an_intent_that_fails_sends_nothing(tmp_path: Path) -> None:
    """A journal that cannot be written to costs nothing and leaves nothing."""
    trouble = LedgerError("The ledger is gone.")
    journal = Recorder(tmp_path, {"intent": raising(trouble)})
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            with pytest.raises(LedgerError) as caught:
                await journalled(client, journal)
        assert server.connections == 0
    assert caught.value is trouble
    assert Fate.of(trouble) == Fate(LedgerError, Outcome.NOT_SENT, Money.NO, Phase.PREPARE, attempts=0)
    assert_traced(trouble)
    assert names(tmp_path) == set()


async def test_a_mock_of_the_http_library_waits_for_the_mark_too(tmp_path: Path) -> None:
    """A transport that traces nothing still reads the request, and gets none of it."""
    journal = Recorder(tmp_path, {"wire": raising(LedgerError("The ledger is gone."))})
    with respx.mock:
        respx.post("https://api.aimlapi.com/v2/generate/audio/minimax/generate").respond(json=generated(TRACK))
        async with AsyncMusicClient(api_key=KEY) as client:
            with pytest.raises(LedgerError) as caught:
                await journalled(client, journal)
    assert Fate.of(caught.value) == Fate(LedgerError, Outcome.NOT_SENT, Money.NO, Phase.CONNECT, attempts=0)
    assert journal.marks == ["intent", "wire"]


LEFT = {"head": {READY}, "received": {READY}, "done": {READY, "song.mp3"}}


@pytest.mark.parametrize("kind", [LedgerError, KeyError])
@pytest.mark.parametrize("mark", LEFT)
async def test_a_mark_that_fails_loses_no_track(mark: str, kind: type[Exception], tmp_path: Path) -> None:
    """The track was paid for: it is kept, whole, under the name that was licensed, and the error leads to it."""
    trouble = LedgerError("The ledger is gone.", hint="Look.") if kind is LedgerError else kind("gone")
    journal = Recorder(tmp_path, {mark: raising(trouble)})
    with pytest.raises(LedgerError) as caught:
        await kept(journal, [TRACED])
    error = caught.value
    assert Fate.of(error) == UNMARKED
    assert_traced(error)
    assert_keyless(error)
    assert (error.inference_id, error.credits_used) == ("gen-1", 63_000)
    assert names(tmp_path) == LEFT[mark]
    assert error.salvage == tmp_path / ("song.mp3" if mark == "done" else READY)
    assert isinstance(error.salvage, Path)
    assert error.salvage.read_bytes() == TRACK
    assert f"The track is in {error.salvage}." in str(error)
    assert ("Look." in str(error)) == (error is trouble)
    assert journal.marks[-1] == mark


async def test_a_head_that_was_not_marked_is_told_of_whatever_went_wrong_besides(tmp_path: Path) -> None:
    """The error of a broken track comes first, and says that the journal failed as well."""
    journal = Recorder(tmp_path, {"head": raising(LedgerError("The ledger is gone."))})
    with pytest.raises(PayloadError) as caught:
        await kept(journal, [FIRST])
    assert caught.value.salvage == tmp_path / "song.partial.mp3"
    assert caught.value.__notes__ == ["aiml_music: the journal of this call failed as well: The ledger is gone."]
    assert names(tmp_path) == {"song.partial.mp3"}


async def test_a_call_with_a_journal_is_made_once(tmp_path: Path) -> None:
    """What may be repeated is for whoever keeps the journal to repeat: its marks are of one attempt."""
    journal = Recorder(tmp_path)
    busy = answer(refused(1002, "busy"), status="429 Too Many Requests", headers=[("x-aimlapi-credits-used", "0")])
    with loopback([busy]) as server:
        async with client_of(server) as client:
            with pytest.raises(RateLimitError) as caught:
                await journalled(client, journal)
    assert (len(server.requests), len(caught.value.attempts)) == (1, 1)
    assert journal.marks == ["intent", "wire", "head"]
    assert journal.facts["head"] == (429, Tracing(credits_used=0))
    assert names(tmp_path) == set()


CUT_SHORT = {
    "intent": (set[str](), "No complete request was sent; no money was spent."),
    "head": (set[str](), "The request may have been carried out and charged. It was not repeated."),
    "received": ({READY}, f"the track was kept all the same, in {{}}/{READY}."),
    "done": ({READY, "song.mp3"}, "the track was kept all the same, in {}/song.mp3."),
}


def cancelling(scope: anyio.CancelScope, *, forever: bool) -> Act:
    """Return an act that cancels the call it belongs to, and may never end."""

    async def act() -> None:
        scope.cancel()
        if forever:
            await anyio.sleep_forever()

    return act


async def cancelled_at(mark: str, server: Loopback, directory: Path, *, forever: bool) -> tuple[Recorder, list[str]]:
    """Cancel a call at one of its marks, and return its journal and the notes on the cancellation."""
    notes: list[str] = []
    with anyio.CancelScope() as scope:
        journal = Recorder(directory, {mark: cancelling(scope, forever=forever)})
        async with client_of(server) as client:
            try:
                await journalled(client, journal, shelter_seconds=0.0 if forever else 30.0)
            except anyio.get_cancelled_exc_class() as cancelled:
                notes += cancelled.__notes__
                raise
    assert scope.cancelled_caught
    return journal, notes


@pytest.mark.parametrize("mark", CUT_SHORT)
async def test_a_mark_that_is_cut_short_loses_no_track(mark: str, tmp_path: Path) -> None:
    """A whole track stays at least under its hidden name; before it was whole, a cancellation is as it always was."""
    left, said = CUT_SHORT[mark]
    with loopback([MADE]) as server:
        journal, notes = await cancelled_at(mark, server, tmp_path, forever=True)
    assert journal.marks[-1] == mark
    assert names(tmp_path) == left
    assert len(notes) == 1
    assert said.format(tmp_path) in notes[0]
    assert all((tmp_path / name).read_bytes() == TRACK for name in left)


@pytest.mark.parametrize("mark", ["received", "done"])
async def test_a_cancellation_waits_for_the_marks(mark: str, tmp_path: Path) -> None:
    """Half a minute is enough for a ledger: the track is published, told of and tidied up."""
    with loopback([MADE]) as server:
        journal, notes = await cancelled_at(mark, server, tmp_path, forever=False)
    assert journal.marks == MARKS
    assert names(tmp_path) == {"song.mp3"}
    assert notes == [f"aiml_music: the track was kept all the same, in {tmp_path}/song.mp3."]


async def test_a_name_that_was_taken_meanwhile_leaves_the_track_where_it_is(tmp_path: Path) -> None:
    """Somebody's file keeps its name, and the track the name that the journal knows it by."""
    song = tmp_path / "song.mp3"

    async def race() -> None:
        song.write_bytes(b"theirs")

    with pytest.raises(OutputExistsError) as caught:
        await kept(Recorder(tmp_path, {"received": race}), [MADE])
    assert Fate.of(caught.value) == Fate(OutputExistsError, Outcome.COMPLETED, Money.YES, Phase.STORE)
    assert caught.value.salvage == tmp_path / READY
    assert (song.read_bytes(), (tmp_path / READY).read_bytes()) == (b"theirs", TRACK)
    assert names(tmp_path) == {"song.mp3", READY}


async def test_no_other_call_of_this_process_gets_the_name_meanwhile(tmp_path: Path) -> None:
    """The name belongs to the call from the reservation to the end, and to nobody afterwards."""
    song, refusals = tmp_path / "song.mp3", list[StorageError]()

    async def race() -> None:
        with pytest.raises(OutputExistsError) as caught:
            FileSink.reserve(song, expected_bytes=1, token="b1")
        refusals.append(caught.value)

    for mark, trouble in (("done", None), ("received", LedgerError("The ledger is gone."))):

        async def act(trouble: Exception | None = trouble) -> None:
            await race()
            if trouble is not None:
                raise trouble

        journal = Recorder(tmp_path, {"received": act, "done": act} if mark == "received" else {"received": race})
        if trouble is None:
            await kept(journal, [MADE])
        else:
            with pytest.raises(LedgerError):
                await kept(journal, [MADE])
        song.unlink(missing_ok=True)
        FileSink.reserve(song, expected_bytes=1, token="b1").discard()
    assert len(refusals) == 2


async def into(sink: FileSink, script: Script) -> None:
    """Generate into a sink of one's own, with a journal."""
    order = checked_order("la", None, VOICE_ID, None, "music-01", None, "off", None)
    with loopback(script) as server:
        async with client_of(server) as client:
            plan = await generate_plan(client._options, order, UNSET, None)
            async with client._session.call(plan) as call:
                await intend(call, Recorder(sink.target.parent))
                await call.open()
                await Delivery(call, sink, audio_format="mp3", shelter_seconds=30.0).track()


def _only_ready(source: Path, target: Path) -> None:
    if target.name != READY:
        failing(5)()
    os.replace(source, target)  # noqa: PTH105 - what is replaced here


DISKS: dict[str, tuple[FileSystem, set[str], str | None]] = {
    "no sync": (FileSystem(fsync=failing(5)), set(), None),
    "no new name": (FileSystem(replace=failing(5)), {PART}, PART),
    "no name": (FileSystem(link=failing(5), replace=_only_ready), {READY}, READY),
}


@pytest.mark.parametrize("case", DISKS)
async def test_a_disk_that_fails_loses_no_track(case: str, tmp_path: Path) -> None:
    """The error has the bytes, or leads to the file."""
    system, left, salvage = DISKS[case]
    sink = FileSink.reserve(tmp_path / "song.mp3", expected_bytes=10_000, token="a1", system=system)
    with pytest.raises(StorageError) as caught:
        await into(sink, [MADE])
    sink.discard()
    assert Fate.of(caught.value) == Fate(StorageError, Outcome.COMPLETED, Money.YES, Phase.STORE)
    assert names(tmp_path) == left
    if salvage is None:
        assert caught.value.salvage == TRACK
    else:
        assert caught.value.salvage == tmp_path / salvage
        assert (tmp_path / salvage).read_bytes() == TRACK


@posix
async def test_a_disk_that_gives_nothing_back_keeps_what_it_has(tmp_path: Path) -> None:
    """Where the digest cannot be taken, the track stays in the file that it is in."""
    system = FileSystem(fsync=unreadable)
    sink = FileSink.reserve(tmp_path / "song.mp3", expected_bytes=10_000, token="a1", system=system)
    with pytest.raises(StorageError) as caught:
        await into(sink, [MADE])
    sink.discard()
    assert isinstance(caught.value.salvage, Path)
    assert caught.value.salvage.read_bytes() == TRACK


# As in the tests of the way without a journal.
@pytest.mark.filterwarnings("ignore:coroutine '_Shelter.run' was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. .coroutine object _Shelter.run:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.asyncio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("turns", range(0, 320, 20))
async def test_the_end_of_an_event_loop_gives_no_name_that_was_not_licensed(turns: int, tmp_path: Path) -> None:
    """Whenever every task is cancelled, what came is in a file, and the final name follows its mark."""
    begun, journal = threading.Event(), Recorder(tmp_path)
    with loopback([Signal(begun), MADE]) as server:
        async with client_of(server) as client:
            task = asyncio.create_task(journalled(client, journal))
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            for _ in range(turns):
                await asyncio.sleep(0)
            for every in asyncio.all_tasks() - {asyncio.current_task()}:
                every.cancel()
            await asyncio.wait([task])
        assert server.wait_until_idle()
    await settled(tmp_path)
    left = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    assert set(left) <= {"song.mp3", READY, "song.partial.mp3", "song.unverified.mp3"}
    assert all(TRACK.startswith(content) for content in left.values())
    assert "received" in journal.marks or "song.mp3" not in left
    if "received" in journal.marks:
        assert TRACK in left.values()
