"""What users get from `client.batch`: each track once, whatever happens in between, and a word on every job."""

import hashlib
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from attrs import define, field

from aiml_music import (
    AsyncMusicClient,
    Batch,
    BudgetExceededError,
    ConfigError,
    ContentRefusedError,
    Event,
    EventKind,
    InDoubtError,
    InputError,
    Job,
    JobOutcome,
    JobState,
    LedgerBusyError,
    LedgerError,
    NotSentError,
    RateLimitError,
    SpendBrakeError,
)
from aiml_music._sansio.batch.states import Mark
from aiml_music._sansio.errors import LedgerCorruptError
from aiml_music._sansio.ports import FaultKind
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.receipts import read_receipt
from aiml_music.testing import (
    FakeClock,
    ScriptedTransport,
    error_code,
    finished_track,
    gateway_page,
    lost,
    new_reference,
    no_answer,
    on_generate,
    on_upload,
    refusal,
    silent_mp3,
    unreachable,
)
from tests._io.system import limited, posix
from tests.answers import VOICE_ID
from tests.batch.batches import Later, carried_out, job, jobs, names, patient_client, records, states_of, sung
from tests.calls import MADE, REFERENCE, client_of
from tests.loopback import Await, Signal, loopback

pytestmark = pytest.mark.anyio

DONE, PLANNED, REJECTED, IN_DOUBT = JobState.DONE, JobState.PLANNED, JobState.REJECTED, JobState.IN_DOUBT
TRACK = on_generate(finished_track())
NO_CREDITS = on_generate(refusal(403, "You've run out of credits."))


async def test_every_job_gives_a_track(tmp_path: Path) -> None:
    """Index, label, path and receipt belong together; run again, the list costs nothing and says the same."""
    with ScriptedTransport(*[on_generate(finished_track(), lyrics=f"##{name}##") for name in "abc"]) as transport:
        async with patient_client(transport) as client:
            made = await carried_out(client, tmp_path, jobs("a", "b", "c"))
            again = await carried_out(client, tmp_path, jobs("a", "b", "c"))
    assert [(one.index, one.label, one.state, one.path) for one in made.values()] == [
        (index, label, DONE, tmp_path / f"{label}.mp3") for index, label in enumerate("abc")
    ]
    assert [one.receipt is not None and one.receipt.credits_used for one in made.values()] == [63_000] * 3
    assert [(one.index, one.state, one.receipt) for one in again.values()] == [
        (index, DONE, None) for index in range(3)
    ]
    assert (tmp_path / "a.mp3").read_bytes() == silent_mp3()


async def test_outcomes_come_as_jobs_end(tmp_path: Path) -> None:
    """The first job may be the last to end; nobody waits for it to hear of the others."""
    held = threading.Event()
    # Connections come in the order of the jobs, one after the other, and the first one is held.
    with loopback([Await(held), MADE], [MADE]) as server:
        async with client_of(server) as client, client.batch(tmp_path, max_concurrency=2) as batch:
            labels = []
            async for outcome in batch.run(jobs("a", "b", "c")):
                labels.append((outcome.index, outcome.label))
                if len(labels) == 2:
                    held.set()
    assert {*labels} == {(0, "a"), (1, "b"), (2, "c")}
    assert labels[-1] != labels[0]
    assert server.peak <= 2


async def test_one_failure_never_stops_the_others(tmp_path: Path) -> None:
    """Refused, lost, damaged or unreachable: each says so, and the next job is made."""
    fates = [
        on_generate(error_code(1026, "new_sensitive")),
        on_generate(lost()),
        on_generate(finished_track(b"no audio")),
        TRACK,
    ]
    with ScriptedTransport(*fates) as transport:
        async with patient_client(transport) as client:
            made = await carried_out(client, tmp_path, jobs("rude", "lost", "broken", "fine"))
    assert {label: one.state for label, one in made.items()} == {
        "rude": REJECTED,
        "lost": IN_DOUBT,
        "broken": JobState.PAID_LOST,
        "fine": DONE,
    }
    assert isinstance(made["rude"].error, ContentRefusedError)
    assert isinstance(made["lost"].error, InDoubtError)
    assert made["fine"].error is None


async def test_what_costs_nothing_is_repeated(tmp_path: Path) -> None:
    """Not sent, or authentically throttled: the job is tried again, in its time, and each attempt is on record."""
    clock = FakeClock(draw=0.5)
    fates = [on_generate(unreachable()), on_generate(refusal(429, "slow down", retry_after=7)), TRACK]
    with ScriptedTransport(*fates) as transport:
        async with patient_client(transport, clock=clock) as client:
            made = await carried_out(client, tmp_path, jobs("a"))
    assert made["a"].state is DONE
    assert sum(clock.slept) > 7
    with Ledger.observe(tmp_path) as ledger:
        marks = [entry.mark for entry in ledger.marks(records(tmp_path)["a"].key)]
    assert marks.count(Mark.INTENT) == 3
    assert {Mark.NOT_SENT, Mark.DEFERRED} <= set(marks)


async def test_the_whole_batch_rests_at_the_service_s_word(tmp_path: Path) -> None:
    """A wait longer than a job's own patience holds for every job of the same key."""
    clock = FakeClock()
    with ScriptedTransport(on_generate(refusal(429, "tomorrow", retry_after=5000)), TRACK) as transport:
        async with patient_client(transport, clock=clock) as client:
            made = await carried_out(client, tmp_path, jobs("a", "b"))
    assert isinstance(made["a"].error, RateLimitError)
    assert (made["a"].state, made["b"].state) == (PLANNED, DONE)
    assert sum(clock.slept) == 5000


async def test_a_reference_is_uploaded_once(tmp_path: Path) -> None:
    """Once for each content and purpose, whatever the file is called, and however often the batch is run."""
    one, same = tmp_path / "one.mp3", tmp_path / "same.mp3"
    one.write_bytes(REFERENCE)
    same.write_bytes(REFERENCE)
    wanted = [sung("a", one), sung("b", same), sung("c", one, "voice")]
    uses = on_generate(finished_track(), refer_voice=VOICE_ID)
    learned = on_upload(new_reference(voice_id=VOICE_ID), purpose="song")
    voice = on_upload(new_reference(voice_id=VOICE_ID, instrumental_id=None), purpose="voice")
    with ScriptedTransport(learned, uses, uses, voice, uses, uses) as transport:
        async with patient_client(transport) as client:
            made = await carried_out(client, tmp_path / "songs", wanted)
            later = await carried_out(client, tmp_path / "songs", [*wanted, sung("d", same)])
    assert {outcome.state for outcome in (*made.values(), *later.values())} == {DONE}
    assert len(later) == 4


@pytest.mark.parametrize("content", [None, b"something else"])
async def test_a_reference_must_be_what_it_was(tmp_path: Path, content: bytes | None) -> None:
    """A file that is gone or changed between the plan and the call fails its job alone, before any money."""
    reference, directory = tmp_path / "one.mp3", tmp_path / "songs"
    reference.write_bytes(REFERENCE)

    def changed() -> None:
        reference.unlink()
        if content is not None:
            reference.write_bytes(content)

    with ScriptedTransport(on_generate(finished_track(), on_arrival=changed), TRACK) as transport:
        async with patient_client(transport) as client:
            made = await carried_out(client, directory, [job("a"), sung("b", reference), job("c")])
    assert [made[label].state for label in "abc"] == [DONE, PLANNED, DONE]
    assert isinstance(made["b"].error, InputError)
    reference.write_bytes(REFERENCE)
    with ScriptedTransport(on_upload(new_reference()), TRACK) as transport:
        async with patient_client(transport) as client:
            assert (await carried_out(client, directory, None))["b"].state is DONE


async def test_a_budget_is_kept(tmp_path: Path) -> None:
    """What could overrun it is not sent; with more, the batch goes on."""
    with ScriptedTransport(TRACK, TRACK) as transport:
        async with patient_client(transport) as client:
            with pytest.raises(BudgetExceededError):
                await carried_out(client, tmp_path, jobs("a", "b"), budget="0.04")
            made = await carried_out(client, tmp_path, None, budget="0.063")
            with pytest.raises(ConfigError):
                client.batch(tmp_path, budget="much")
    assert {label: (one.index, one.state) for label, one in made.items()} == {"a": (0, DONE), "b": (1, DONE)}


async def test_a_budget_holds_nothing_whose_price_nobody_knows(tmp_path: Path) -> None:
    """Such a job is refused at its turn, and stays planned; the others are made."""
    rain = Job(label="b", model="google/lyria2", prompt="rain")
    with ScriptedTransport(TRACK, TRACK) as transport:
        async with patient_client(transport) as client:
            made = await carried_out(client, tmp_path, [job("a"), rain, job("c")], budget="1")
    assert [made[label].state for label in "abc"] == [DONE, PLANNED, DONE]
    error = made["b"].error
    assert isinstance(error, InputError)
    assert error.message == "What google/lyria2 costs is not known, and no budget can hold it."
    assert records(tmp_path)["b"].cost == 0
    assert records(tmp_path)["b"].file_name == "b.wav"


@pytest.mark.parametrize(
    ("content", "complaint"), [(b"something else", "holds something else"), (b"no audio", "neither WAV nor MP3")]
)
async def test_what_goes_into_a_request_must_be_what_it_was(tmp_path: Path, content: bytes, complaint: str) -> None:
    """A file that changed since its job was planned, or is no audio, is not sent."""
    reference, directory = tmp_path / "one.mp3", tmp_path / "songs"
    reference.write_bytes(b"no audio")
    cover = Job(label="b", model="minimax/music-cover", prompt="a slow waltz", reference=str(reference))
    with ScriptedTransport(
        on_generate(finished_track(), on_arrival=lambda: reference.write_bytes(content))
    ) as transport:
        async with patient_client(transport) as client:
            made = await carried_out(client, directory, [job("a"), cover])
    assert [made[label].state for label in "ab"] == [DONE, PLANNED]
    assert complaint in str(made["b"].error)
    assert records(directory)["b"].reference_sha256


async def test_a_batch_stops_by_itself_where_money_goes_and_no_tracks_come(tmp_path: Path) -> None:
    """Three calls in doubt are enough; the rest waits, and what it waits for is said."""
    with ScriptedTransport(*[on_generate(gateway_page())] * 3) as transport:
        async with patient_client(transport) as client, client.batch(tmp_path, max_concurrency=1) as batch:
            outcomes = batch.run(jobs(*"abcdef"))
            assert [(await anext(outcomes)).state for _ in range(3)] == [IN_DOUBT] * 3
            with pytest.raises(SpendBrakeError, match="may have been charged"):
                await anext(outcomes)
            assert await states_of(batch) == {IN_DOUBT: 3, PLANNED: 3}
            assert len((await batch.report()).in_doubt) == 3


async def test_a_key_that_is_refused_stops_the_batch(tmp_path: Path) -> None:
    """No job can help it, so none is spent on it: they wait for the account to be put in order."""
    with ScriptedTransport(*[NO_CREDITS] * 3) as transport:
        async with patient_client(transport) as client:
            with pytest.raises(SpendBrakeError, match="refuses every call"):
                await carried_out(client, tmp_path, jobs(*"abcd"))
    assert {record.state for record in records(tmp_path).values()} == {PLANNED}


@pytest.mark.row("150")
async def test_stop_lets_what_is_under_way_come_to_its_end(tmp_path: Path) -> None:
    """Nothing new is sent, and what was sent is waited for."""
    later = Later()
    with ScriptedTransport(on_generate(finished_track(), on_arrival=later.stop)) as transport:
        async with patient_client(transport) as client, client.batch(tmp_path, max_concurrency=1) as batch:
            # Before a run, there is nothing to stop or to abort.
            batch.abort()
            later.batch = batch
            assert [outcome.label async for outcome in batch.run(jobs("a", "b", "c"))] == ["a"]
            assert await states_of(batch) == {DONE: 1, PLANNED: 2}


async def test_a_stop_holds_for_what_waits_in_the_client_s_queue(tmp_path: Path) -> None:
    """A job that was begun and has no place among the calls of the client yet is not sent after a stop."""
    arrived, held = threading.Event(), threading.Event()
    with loopback([Signal(arrived), Await(held), MADE]) as server:
        async with client_of(server, max_concurrency=1) as client, client.batch(tmp_path) as batch:
            outcomes: list[JobOutcome] = []

            async def listen() -> None:
                outcomes.extend(await batch.run_all(jobs("a", "b", "c")))

            async with anyio.create_task_group() as group:
                group.start_soon(listen)
                await anyio.to_thread.run_sync(arrived.wait)
                batch.stop()
                held.set()
            assert await states_of(batch) == {DONE: 1, PLANNED: 2}
    assert [outcome.state for outcome in outcomes] == [DONE]
    assert len(server.requests) == 1


async def test_a_stop_while_the_list_is_written_down_holds(tmp_path: Path) -> None:
    """However early it comes, nothing is sent after it."""
    later = Later()

    def listed() -> Iterator[Job]:
        yield job("a")
        later.stop()
        yield job("b")

    with ScriptedTransport() as transport:
        async with patient_client(transport) as client, client.batch(tmp_path) as batch:
            later.batch = batch
            assert await batch.run_all(listed()) == []
            assert await states_of(batch) == {PLANNED: 2}


async def test_stop_ends_a_pause(tmp_path: Path) -> None:
    """A batch that rests at the service's word, or a job that waits to be tried again, begins nothing after a stop."""
    later = Later()
    clock = FakeClock(on_sleep=later.stop)
    with ScriptedTransport(on_generate(unreachable())) as transport:
        async with patient_client(transport, clock=clock) as client, client.batch(tmp_path, max_concurrency=1) as batch:
            later.batch = batch
            outcomes = await batch.run_all(jobs("a", "b"))
    assert [(one.label, one.state, type(one.error)) for one in outcomes] == [("a", PLANNED, NotSentError)]


@pytest.mark.row("150")
async def test_abort_leaves_calls_in_doubt(tmp_path: Path) -> None:
    """A call without an answer is cut short, and the ledger says what is not known of it."""
    later = Later()
    with ScriptedTransport(on_generate(no_answer(), on_arrival=later.abort)) as transport:
        async with patient_client(transport) as client, client.batch(tmp_path, max_concurrency=1) as batch:
            later.batch = batch
            assert await batch.run_all(jobs("a", "b")) == []
            report = await batch.report()
    (call,) = report.in_doubt
    assert call.last.facts["problem"] == "the call was cancelled"
    assert call.client_request_id == transport.requests[0].client_request_id
    assert "In doubt" in (tmp_path / "index.html").read_text(encoding="utf-8")


async def test_a_cancelled_batch_goes_on_where_it_stood(tmp_path: Path) -> None:
    """Whoever is cancelled in a batch finds its tracks, its doubts, and the rest to be made."""
    sent = anyio.Event()
    with ScriptedTransport(TRACK, on_generate(no_answer(), on_arrival=sent.set), TRACK) as transport:
        async with patient_client(transport) as client:
            with anyio.CancelScope() as scope:
                async with client.batch(tmp_path, max_concurrency=1) as batch:
                    async for _ in batch.run(jobs("a", "b", "c")):
                        await sent.wait()
                        scope.cancel()
            assert scope.cancelled_caught
            made = await carried_out(client, tmp_path, jobs("a", "b", "c"))
    assert {label: one.state for label, one in made.items()} == {"a": DONE, "b": IN_DOUBT, "c": DONE}


async def test_what_is_there_twice_is_refused_or_numbered(tmp_path: Path) -> None:
    """Nobody pays for the same words twice without saying so."""
    with ScriptedTransport(TRACK, TRACK) as transport:
        async with patient_client(transport) as client:
            with pytest.raises(InputError, match="the same as job 1"):
                await carried_out(client, tmp_path, jobs("a", "a"))
            assert records(tmp_path) == {}
            async with client.batch(tmp_path, number_copies=True, max_concurrency=1) as batch:
                paths = [outcome.path.name for outcome in await batch.run_all(jobs("a", "a"))]
    assert paths == ["a.mp3", "a-2.mp3"]


async def test_an_edited_list_makes_what_is_new(tmp_path: Path) -> None:
    """Other words are another job; jobs that are not in the list any more stay as they are, without an outcome."""
    with ScriptedTransport(TRACK, TRACK, TRACK) as transport:
        async with patient_client(transport) as client:
            await carried_out(client, tmp_path, jobs("a", "b"))
            edited = await carried_out(client, tmp_path, [job("b", lyrics="other words"), job("a")])
    assert [(one.label, one.index, one.path.name[:2]) for one in edited.values()] == [("b", 0, "b-"), ("a", 1, "a.")]
    with Ledger.observe(tmp_path) as ledger:
        assert ledger.totals().jobs[DONE] == 3


async def test_planned_errors_come_before_money(tmp_path: Path) -> None:
    """A list with one bad line, or a reference that is not there, sends nothing at all."""
    with ScriptedTransport() as transport:
        async with patient_client(transport) as client:
            with pytest.raises(InputError, match="cannot be read"):
                await carried_out(client, tmp_path, [job("a"), sung("b", tmp_path / "none.mp3")])
            with pytest.raises(InputError):
                await carried_out(client, tmp_path, (job(lyrics) for lyrics in ("a", "\udc80")))
    assert records(tmp_path) == {}


@pytest.mark.row("31")
async def test_without_a_ledger_nothing_is_sent(tmp_path: Path) -> None:
    """A ledger that was removed takes no mark, and so no call is made."""
    with ScriptedTransport() as transport:
        async with patient_client(transport) as client, client.batch(tmp_path) as batch:
            (tmp_path / "ledger.sqlite3").unlink()
            with pytest.raises(LedgerError):
                await batch.run_all(jobs("a"))
    assert not transport.requests


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A second one is told who is there, and nothing of it is sent."""
    program = (
        "import sys, anyio, aiml_music\n"
        "async def main():\n"
        "    async with aiml_music.AsyncMusicClient(api_key='k' * 20) as client, client.batch(sys.argv[1]): pass\n"
        "try: anyio.run(main)\n"
        "except aiml_music.LedgerBusyError as error: print(type(error).__name__)\n"
    )
    async with patient_client(ScriptedTransport()) as client, client.batch(tmp_path):
        other = client.batch(tmp_path)
        with pytest.raises(LedgerBusyError):
            await other.__aenter__()
        said = await anyio.run_process([sys.executable, "-c", program, str(tmp_path)])
    assert said.stdout.split() == [b"LedgerBusyError"]


async def test_one_list_at_a_time(tmp_path: Path) -> None:
    """A second run waits for nobody: it is a mistake, and said so; after the first it is none."""
    with ScriptedTransport(TRACK, TRACK) as transport:
        async with patient_client(transport) as client:
            async with client.batch(tmp_path, max_concurrency=1) as batch:
                outcomes = batch.run(jobs("a"))
                assert (await anext(outcomes)).state is DONE
                other = batch.run(jobs("b"))
                # The first one is at its end only when that was seen.
                assert [outcome async for outcome in outcomes] == []
                assert [outcome.label async for outcome in other] == ["b"]
            with pytest.raises(RuntimeError, match="inside `async with"):
                await batch.report()


async def test_two_lists_at_once_are_a_mistake(tmp_path: Path) -> None:
    """The second is refused while the first is under way."""
    sent = anyio.Event()
    with ScriptedTransport(on_generate(no_answer(), on_arrival=sent.set)) as transport:
        async with patient_client(transport) as client, client.batch(tmp_path) as batch:
            async with anyio.create_task_group() as group:
                group.start_soon(batch.run_all, jobs("a"))
                await sent.wait()
                with pytest.raises(RuntimeError, match="one list at a time"):
                    await batch.run_all(jobs("b"))
                batch.abort()
            assert await states_of(batch) == {IN_DOUBT: 1}


async def test_outcomes_may_be_left(tmp_path: Path) -> None:
    """Whoever stops listening loses no track: leaving the batch waits for what is under way."""
    with ScriptedTransport(TRACK, TRACK) as transport:
        async with patient_client(transport) as client, client.batch(tmp_path, max_concurrency=2) as batch:
            async for _ in batch.run(jobs("a", "b")):
                break
    assert {"a.mp3", "index.html"} <= names(tmp_path)
    assert not [name for name in names(tmp_path) if name.startswith(".")]


async def test_a_batch_that_was_not_run_can_be_closed(tmp_path: Path) -> None:
    """Opening makes the directory and its ledger, and nothing to look at."""
    async with patient_client(ScriptedTransport()) as client, client.batch(tmp_path / "new" / "songs") as batch:
        assert await states_of(batch) == {}
    assert names(tmp_path / "new" / "songs") == set()


@pytest.mark.parametrize("calls", [0, -1, 1.5, True])
async def test_a_number_of_calls_that_is_none_is_refused(tmp_path: Path, calls: Any) -> None:
    """Before a directory is made."""
    async with patient_client(ScriptedTransport()) as client:
        with pytest.raises(ConfigError, match="max_concurrency must be"):
            client.batch(tmp_path / "songs", max_concurrency=calls)
    assert not (tmp_path / "songs").exists()


async def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    """A file in the place of the directory, or of the ledger."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "ledger.sqlite3").write_bytes(b"not a ledger, and long enough to be looked at" * 100)
    async with patient_client(ScriptedTransport()) as client:
        with pytest.raises(LedgerError, match="cannot be made"):
            await client.batch(tmp_path / "file").__aenter__()
        with pytest.raises(LedgerCorruptError):
            await client.batch(tmp_path).__aenter__()
        # The lock is not held by who could not open.
        (tmp_path / "ledger.sqlite3").unlink()
        async with client.batch(tmp_path):
            pass


async def test_a_ledger_that_somebody_else_writes_into_stops_the_batch(tmp_path: Path) -> None:
    """Its next mark does not fit any more: the track is kept, nothing else is sent, and the next run collects it."""

    def interfere() -> None:
        with Ledger.open(tmp_path) as ledger:
            (record,) = ledger.jobs([JobState.WIRE])
            ledger.append(record.key, Mark.IN_DOUBT, now=1.0)

    with ScriptedTransport(on_generate(finished_track(), on_arrival=interfere), TRACK) as transport:
        async with patient_client(transport) as client:
            with pytest.raises(LedgerError, match="cannot be marked"):
                await carried_out(client, tmp_path, jobs("a", "b"))
            made = await carried_out(client, tmp_path, jobs("a", "b"))
    assert {label: one.state for label, one in made.items()} == {"a": DONE, "b": DONE}
    assert names(tmp_path) == {"a.mp3", "a.json", "b.mp3", "b.json", "index.html"}


async def test_what_is_nobody_s_money_comes_out_as_it_is(tmp_path: Path) -> None:
    """A mistake in a program is not dressed up, and leaves a job that was not sent to be made."""
    script = ScriptedTransport()
    async with patient_client(script) as client:
        with pytest.raises(AssertionError, match="the script is over"):
            await carried_out(client, tmp_path, jobs("a"))
    assert records(tmp_path)["a"].state is PLANNED


@pytest.mark.row("135")
async def test_a_track_that_was_removed_is_said_to_be_missing(tmp_path: Path) -> None:
    """It is not made again by itself, however often the list is run; by the user's word it is, with a new receipt."""
    other = finished_track(silent_mp3(2))
    with ScriptedTransport(TRACK, TRACK, on_generate(other)) as transport:
        async with patient_client(transport) as client:
            made = await carried_out(client, tmp_path, jobs("a", "b"))
            (tmp_path / "a.mp3").unlink()
            again = await carried_out(client, tmp_path, jobs("a", "b"))
            async with client.batch(tmp_path) as batch:
                with pytest.raises(InputError, match="its track is there"):
                    await batch.pay_again("b", reason="to hear another")
                await batch.pay_again("a", reason="removed by mistake")
                (outcome,) = [one for one in await batch.run_all(jobs("a", "b")) if one.label == "a"]
                assert batch.unwritten == ()
                assert (await batch.report()).totals.balance.spent == 3 * 63_000
    assert [(one.state, one.is_missing) for one in made.values()] == [(DONE, False), (DONE, False)]
    assert [(one.state, one.is_missing) for one in again.values()] == [(DONE, True), (DONE, False)]
    assert (outcome.state, outcome.is_missing) == (DONE, False)
    assert outcome.track is not None
    assert read_receipt(tmp_path / "a.json").sha256 == hashlib.sha256((tmp_path / "a.mp3").read_bytes()).hexdigest()


async def test_a_certificate_that_is_not_trusted_is_tried_once(tmp_path: Path) -> None:
    """Nothing about it changes within seconds: each job says so at once, and is to be made by another run."""
    with ScriptedTransport(*[on_generate(unreachable(FaultKind.TLS_TRUST))] * 2) as transport:
        async with patient_client(transport) as client:
            made = await carried_out(client, tmp_path, jobs("a", "b"))
    assert {label: one.state for label, one in made.items()} == {"a": PLANNED, "b": PLANNED}
    assert all(isinstance(one.error, NotSentError) and one.error.is_lasting for one in made.values())


@define
class Ending:
    """Hears calls end, and says when so many have."""

    left: int
    heard: anyio.Event = field(factory=anyio.Event)

    def __call__(self, event: Event) -> None:
        self.left -= event.kind is EventKind.ENDED
        if not self.left:
            self.heard.set()


async def left_early(batch: Batch, ending: Ending) -> None:
    """Hear of one job, and stay until the last call has ended."""
    async for _ in batch.run(jobs(*"abcd")):
        break
    await ending.heard.wait()


async def test_what_ends_a_run_that_nobody_listens_to_is_raised_on_leaving(tmp_path: Path) -> None:
    """Whoever leaves the outcomes early hears why the batch stopped by itself: once, and at the latest here."""
    ending = Ending(3)
    with ScriptedTransport(*[NO_CREDITS] * 3) as transport:
        async with patient_client(transport, on_event=ending) as client:
            with pytest.raises(SpendBrakeError, match="refuses every call"):
                async with client.batch(tmp_path, max_concurrency=1) as batch:
                    await left_early(batch, ending)
            # It is closed all the same.
            async with client.batch(tmp_path):
                pass
    assert "index.html" in names(tmp_path)


async def test_what_ends_a_run_does_not_hide_what_leaves_the_batch(tmp_path: Path) -> None:
    """An error of the program's own comes out, and bears a note of the other one."""
    ending = Ending(3)

    async def mistaken(client: AsyncMusicClient) -> None:
        async with client.batch(tmp_path, max_concurrency=1) as batch:
            await left_early(batch, ending)
            raise KeyError

    with ScriptedTransport(*[NO_CREDITS] * 3) as transport:
        async with patient_client(transport, on_event=ending) as client:
            with pytest.raises(KeyError) as caught:
                await mistaken(client)
    assert [note.partition(":")[0] for note in caught.value.__notes__] == ["The batch ended with SpendBrakeError"]


async def test_what_ends_a_run_that_nobody_listens_to_comes_before_the_next_one(tmp_path: Path) -> None:
    """The next run begins once it was heard."""
    ending = Ending(3)
    with ScriptedTransport(*[NO_CREDITS] * 3, TRACK) as transport:
        client = patient_client(transport, on_event=ending)
        async with client, client.batch(tmp_path, max_concurrency=1) as batch:
            await left_early(batch, ending)
            await batch._run_ended()
            with pytest.raises(SpendBrakeError, match="refuses every call"):
                await batch.run_all(jobs("a"))
            assert [one.state for one in await batch.run_all(jobs("a"))] == [DONE]


@posix
async def test_a_process_out_of_descriptors_ends_its_batch_in_plain_words(tmp_path: Path) -> None:
    """Not even the directory can be looked into: the verdict is left to the next run, which finds the call in doubt."""
    with ExitStack() as used_up:

        def use_up() -> None:
            used_up.enter_context(limited("RLIMIT_NOFILE", 3))

        with ScriptedTransport(on_generate(lost(), on_arrival=use_up)) as transport:
            async with patient_client(transport) as client:
                async with client.batch(tmp_path) as batch:
                    with pytest.raises(LedgerError, match="failed"):
                        await batch.run_all(jobs("a"))
                    used_up.close()
                made = await carried_out(client, tmp_path, jobs("a"))
    assert made["a"].state is IN_DOUBT


async def test_of_two_errors_at_the_same_time_both_are_told(tmp_path: Path) -> None:
    """One is raised, the other one is a note of it: each names a track that is kept."""
    one, two, gate = threading.Event(), threading.Event(), threading.Event()
    with loopback([Signal(one), Await(gate), MADE], [Signal(two), Await(gate), MADE]) as server:
        async with client_of(server) as client, client.batch(tmp_path, max_concurrency=2) as batch:

            async def listen() -> None:
                with pytest.raises(LedgerError) as caught:
                    await batch.run_all(jobs("a", "b"))
                (note,) = caught.value.__notes__
                told = str(caught.value) + note
                assert {name for name in (".a.mp3", ".b.mp3") if name in told} == {".a.mp3", ".b.mp3"}

            async with anyio.create_task_group() as group:
                group.start_soon(listen)
                for here in (one, two):
                    await anyio.to_thread.run_sync(here.wait, 5)
                with Ledger.open(tmp_path) as ledger:
                    for record in ledger.jobs([JobState.WIRE]):
                        ledger.append(record.key, Mark.IN_DOUBT, now=1.0)
                gate.set()
