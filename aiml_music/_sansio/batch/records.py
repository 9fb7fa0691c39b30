"""What a ledger remembers, as values."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from aiml_music._sansio.batch.budget import Balance
from aiml_music._sansio.batch.job import Job
from aiml_music._sansio.batch.states import JobState, Mark
from aiml_music._sansio.models import AudioFormat, Purpose


@frozen(kw_only=True)
class JobRecord:
    """A job, and where it stands.

    Attributes:
        position: its place in the ledger, from 1.
        name: of its file, without the suffix.
        copy: which of several copies it is.
        cost: the worst case, in credits.
        deaths: attempts that died without a verdict since the user's last word.
        attempt: its latest attempt; None before the first.
        spec: the job as JSON.
    """

    position: int
    key: str
    label: str
    name: str
    format: AudioFormat
    copy: int
    cost: int
    reference_sha256: str | None
    state: JobState
    deaths: int
    attempt: str | None
    spec: str = field(repr=False)

    @property
    def job(self) -> Job:
        """The job as it was planned, read anew each time.

        Raises:
            InputError: this release does not take it any more.
        """
        return Job.from_json(self.spec)

    @property
    def file_name(self) -> str:
        """The name that its track has, or will have."""
        return f"{self.name}.{self.format}"


@frozen(kw_only=True)
class Entry:
    """One line of a ledger: a mark that was made.

    Attributes:
        sequence: its place among all marks; this is the order, whatever clocks say.
        at: Unix time, as a label.
        attempt: the attempt it is about; None where it is about the job.
        state: where it left the job.
        charged: credits that the service says it charged.
        facts: what else was written down with it.
    """

    sequence: int
    at: float
    key: str
    attempt: str | None
    mark: Mark
    state: JobState
    charged: int | None
    facts: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class AttemptRecord:
    """One paid call that was made, or was about to be made.

    Attributes:
        number: which of its job's attempts it is, from 1.
        reserved: its worst case, in credits.
        last: the latest mark about it.
        balance: what it cost, or may have cost.
    """

    attempt: str
    key: str
    number: int
    client_request_id: str
    reserved: int
    last: Entry
    balance: Balance


@frozen(kw_only=True)
class ReferenceRecord:
    """A reference that the service has learned.

    Attributes:
        sha256: of the file's content.
        receipt: of the upload, as plain data.
    """

    sha256: str
    purpose: Purpose
    voice_id: str | None = None
    instrumental_id: str | None = None
    receipt: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class Totals:
    """A batch in numbers: how many jobs stand where, and the money of all attempts."""

    jobs: Mapping[JobState, int]
    balance: Balance
