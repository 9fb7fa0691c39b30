"""Lists of jobs, and clients of scripts and sandboxes whose batches make them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import define

from aiml_music import AsyncMusicClient, Batch, Job, JobOutcome, JobState
from aiml_music._sansio.batch.records import JobRecord
from aiml_music.batch.ledger import Ledger
from aiml_music.testing import FakeClock, ScriptedTransport
from tests.answers import VOICE_ID
from tests.testing.clients import client_of

START = 1_800_000_000.0


def job(label: str, **changes: Any) -> Job:
    """Return a job that names a voice, unless it is changed."""
    return Job(**{"label": label, "lyrics": f"##{label}##", "refer_voice": VOICE_ID, **changes})


def jobs(*labels: str) -> list[Job]:
    return [job(label) for label in labels]


def sung(label: str, reference: Path, purpose: str = "song") -> Job:
    """Return a job with a reference to upload."""
    return job(label, refer_voice=None, reference=str(reference), purpose=purpose)


def patient_client(transport: ScriptedTransport, **options: Any) -> AsyncMusicClient:
    """Return a client of a script to whom time is nothing."""
    return client_of(transport, **{"clock": FakeClock(unix=START), **options})


@define
class Later:
    """A batch that a script may speak of before there is one."""

    batch: Batch | None = None

    def stop(self) -> None:
        assert self.batch is not None
        self.batch.stop()

    def abort(self) -> None:
        assert self.batch is not None
        self.batch.abort()


async def carried_out(
    client: AsyncMusicClient, directory: Path, wanted: Iterable[Job] | None, **options: Any
) -> dict[str, JobOutcome]:
    """Open a batch, run a list one by one, and return the outcome of each label."""
    async with client.batch(directory, **{"max_concurrency": 1, **options}) as batch:
        return {outcome.label: outcome for outcome in await batch.run_all(wanted)}


async def states_of(batch: Batch) -> dict[JobState, int]:
    """Return how many jobs stand where; none that is nowhere."""
    return {state: count for state, count in (await batch.report()).totals.jobs.items() if count}


def records(directory: Path) -> dict[str, JobRecord]:
    """Return the jobs of a directory's ledger, by their labels."""
    with Ledger.observe(directory) as ledger:
        return {record.label: record for record in ledger.jobs()}


def names(directory: Path) -> set[str]:
    """Return what a person sees in a directory."""
    return {path.name for path in directory.iterdir() if not path.name.startswith((".", "ledger"))}
