"""Batches of the models that answer by an id: paid for once, and collected as often as it takes.

The sandbox counts what it charges; whatever ends a run, the next one adds nothing to that.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aiml_music import (
    AsyncMusicClient,
    Batch,
    BudgetExceededError,
    EventKind,
    Job,
    JobOutcome,
    JobState,
    NotReadyError,
    PayloadError,
    ResultGoneError,
    SettlementVerdict,
)
from aiml_music._sansio.batch.states import Mark
from aiml_music.batch.batch import BatchReport
from aiml_music.batch.ledger import Ledger
from aiml_music.sandbox import RunningSandbox, Settings, running
from aiml_music.testing import silent_mp3
from tests._io.system import posix
from tests.batch.batches import records
from tests.clocks import HastyClock, PatientClock
from tests.model_rows import NAMES, NOBODY_KNOWS, plain_arguments, split

pytestmark = [posix, pytest.mark.anyio]

ACCEPTED, DONE, PLANNED, PAID_LOST = JobState.ACCEPTED, JobState.DONE, JobState.PLANNED, JobState.PAID_LOST
PRICE = 390_000


@pytest.fixture
def server() -> Iterator[RunningSandbox]:
    """A sandbox that is done in a moment, with short tracks."""
    with running(Settings(latency=0, longest_track=0.5)) as served:
        yield served


@pytest.fixture
def slow_server() -> Iterator[RunningSandbox]:
    """A sandbox in which a generation waits a little."""
    with running(Settings(latency=0, longest_track=0.5, queue_seconds=0.4)) as served:
        yield served


def client_of(server: RunningSandbox, **options: Any) -> AsyncMusicClient:
    return AsyncMusicClient(
        api_key=server.api_key, base_url=server.base_url, **{"clock": PatientClock(), "max_retries": 0, **options}
    )


def song(label: str) -> Job:
    return Job(label=label, model="minimax/music-2.6", prompt="a slow waltz")


async def run(
    server: RunningSandbox, directory: Path, *jobs: Job, budget: str | None = None, **options: Any
) -> tuple[dict[str, JobOutcome], BatchReport]:
    """Carry out a list, and return what became of it, by label, and how the batch stands."""
    async with client_of(server, **options) as client, client.batch(directory, budget=budget) as batch:
        made = {outcome.label: outcome for outcome in await batch.run_all(jobs)}
        return made, await batch.report()


async def faulty(
    server: RunningSandbox, directory: Path, scenario: str, **options: Any
) -> tuple[JobOutcome, BatchReport]:
    """Carry out a list of one job into a fault of the sandbox."""
    server.sandbox.use_scenario(scenario)
    made, report = await run(server, directory, song("a"), **options)
    server.sandbox.use_scenario(None)
    return made["a"], report


def marks(directory: Path, label: str = "a") -> list[str]:
    with Ledger.observe(directory) as ledger:
        return [str(entry.mark) for entry in ledger.marks(records(directory)[label].key)]


def hidden(directory: Path) -> set[str]:
    return {path.name for path in directory.glob(".*") if path.suffix in {".part", ".ready"}}


async def test_every_model_of_the_catalogue_in_one_batch(
    server: RunningSandbox, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Each of them once at least; a hundred jobs in the long form. Charged once each, and again nothing."""
    reference = tmp_path / "reference.mp3"
    reference.write_bytes(silent_mp3(11.0))
    wanted = list(mixed(100 if pytestconfig.getoption("--long") else 12, reference))
    made, _ = await run(server, tmp_path / "songs", *wanted, clock=HastyClock())
    assert {label: outcome.state for label, outcome in made.items()} == {job.label: DONE for job in wanted}
    assert server.sandbox.charges == len(wanted)
    assert all(outcome.path.stat().st_size for outcome in made.values())
    again, report = await run(server, tmp_path / "songs", *wanted)
    assert [outcome.track for outcome in again.values()] == [None] * len(wanted)
    assert server.sandbox.charges == len(wanted)
    assert report.totals.balance.spent == sum(request.charged_credits for request in server.sandbox.requests)
    assert report.totals.balance.committed == report.totals.balance.spent


def mixed(count: int, reference: Path) -> Iterator[Job]:
    """Yield jobs that ask for one model after the other; a file goes into the requests of the one that takes it."""
    names = [name for name in NAMES if name != NOBODY_KNOWS]
    for number in range(count):
        name = names[number % len(names)]
        arguments = split(plain_arguments(name))
        fields = arguments.pop("fields")
        if name == "minimax/music-cover":
            del fields["reference_audio_url"]
            arguments["reference"] = str(reference)
        elif name == "music-01":
            arguments = {"lyrics": arguments["lyrics"], "reference": str(reference), "purpose": "song"}
        prompt = fields.pop("prompt", None)
        yield Job(label=f"{number:03} {name}", model=name, prompt=prompt, fields=fields, **arguments)


async def test_the_id_is_on_record_before_the_track_is_waited_for(server: RunningSandbox, tmp_path: Path) -> None:
    """With the model, and the price as what is spent."""
    outcome, _ = await faulty(server, tmp_path, "stall", timeout=30.0)
    record = records(tmp_path)["a"]
    with Ledger.observe(tmp_path) as ledger:
        facts = {entry.mark: entry.facts for entry in ledger.marks(record.key)}
        assert ledger.balance().spent == PRICE
    generation_id = facts[Mark.ACCEPTED]["generation_id"]
    assert server.sandbox.jobs.find(generation_id) is not None
    assert facts[Mark.ACCEPTED]["model"] == "minimax/music-2.6"
    assert isinstance(outcome.error, NotReadyError)
    assert outcome.error.generation_id == generation_id


async def test_what_was_not_ready_is_collected_by_the_next_run(slow_server: RunningSandbox, tmp_path: Path) -> None:
    """The same attempt, file and receipt; nothing is submitted again, and what is planned is made beside it."""
    made, report = await run(slow_server, tmp_path, song("a"), timeout=5.0)
    assert (made["a"].state, type(made["a"].error)) == (ACCEPTED, NotReadyError)
    (accepted,) = report.accepted
    assert accepted.balance.spent == PRICE
    made, report = await run(slow_server, tmp_path, song("a"), song("b"))
    assert [outcome.state for outcome in made.values()] == [DONE, DONE]
    assert slow_server.sandbox.charges == 2
    assert report.accepted == ()
    assert marks(tmp_path) == ["planned", "intent", "wire", "head", "accepted", "sought", "received", "done"]
    track = made["a"].track
    assert track is not None
    assert track.receipt is not None
    assert track.receipt.client_request_id == accepted.client_request_id
    assert (tmp_path / "a.json").is_file()
    assert hidden(tmp_path) == set()


async def test_collecting_needs_no_budget(slow_server: RunningSandbox, tmp_path: Path) -> None:
    """It is done before the budget ends the run, wherever the job stands in the list."""
    await run(slow_server, tmp_path, song("a"), timeout=5.0, budget="0.195")
    async with client_of(slow_server) as client, client.batch(tmp_path, budget="0.195") as batch:
        with pytest.raises(BudgetExceededError):
            await batch.run_all([song("first"), song("a")])
    assert {record.label: record.state for record in records(tmp_path).values()} == {"a": DONE, "first": PLANNED}
    assert slow_server.sandbox.charges == 1


async def test_a_batch_that_is_aborted_leaves_what_was_accepted(slow_server: RunningSandbox, tmp_path: Path) -> None:
    """And the run after it collects."""
    opened: list[Batch] = []
    client = client_of(
        slow_server, on_event=lambda event: opened[0].abort() if event.kind is EventKind.POLLED else None
    )
    async with client, client.batch(tmp_path) as batch:
        opened.append(batch)
        assert await batch.run_all([song("a")]) == []
        assert (await batch.report()).totals.jobs[ACCEPTED] == 1
    assert hidden(tmp_path) == set()
    made, _ = await run(slow_server, tmp_path, song("a"))
    assert made["a"].state is DONE
    assert slow_server.sandbox.charges == 1


@pytest.mark.parametrize(
    ("scenario", "error", "state", "words"),
    [
        ("result_403", ResultGoneError, PAID_LOST, ["paid"]),
        ("result_expired", ResultGoneError, PAID_LOST, ["paid"]),
        ("result_wrong_bytes", PayloadError, ACCEPTED, ["sought"]),
        ("result_cut", None, DONE, ["received", "done"]),
        ("poll_500", None, DONE, ["received", "done"]),
    ],
)
async def test_only_the_service_ends_what_it_accepted(
    scenario: str,
    error: type[Exception] | None,
    state: JobState,
    words: list[str],
    server: RunningSandbox,
    tmp_path: Path,
) -> None:
    """A track that is gone is paid for and lost; the id is the evidence, and nothing is sent again by itself."""
    outcome, report = await faulty(server, tmp_path, scenario)
    assert outcome.state is state
    assert outcome.error is None if error is None else type(outcome.error) is error
    assert marks(tmp_path)[4:] == ["accepted", *words]
    assert report.totals.balance.spent == PRICE
    made, _ = await run(server, tmp_path, song("a"))
    assert made["a"].state is state
    assert server.sandbox.charges == 1


async def test_a_generation_that_failed_is_settled_by_the_books(server: RunningSandbox, tmp_path: Path) -> None:
    """Its charge is what the service says later: not charged, it is made again; charged, it is lost."""
    for directory, scenario, verdict, state in (
        (tmp_path / "free", "status_error", SettlementVerdict.UNPAID, PLANNED),
        (tmp_path / "paid", "status_error_paid", SettlementVerdict.PAID, PAID_LOST),
    ):
        outcome, _ = await faulty(server, directory, scenario)
        assert outcome.state is JobState.IN_DOUBT
        async with client_of(server) as client, client.batch(directory) as batch:
            (settled,) = await batch.settle()
        assert settled.settlement is not None
        assert (settled.settlement.verdict, settled.state) == (verdict, state)


async def test_the_word_to_pay_again_gives_an_id_up(server: RunningSandbox, tmp_path: Path) -> None:
    """Of a generation that never ends, say; the first payment stays on record."""
    await faulty(server, tmp_path, "stall", timeout=30.0)
    async with client_of(server) as client, client.batch(tmp_path) as batch:
        await batch.pay_again("a", reason="it has been a week")
    made, report = await run(server, tmp_path, song("a"))
    assert made["a"].state is DONE
    assert server.sandbox.charges == 2
    assert report.totals.balance.spent == 2 * PRICE
