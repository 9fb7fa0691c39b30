"""The one paid call that makes the track of a job, licensed step by step by its journal; or the collecting of it."""

from pathlib import Path

from aiml_music._calls.attempt import Plan
from aiml_music._calls.delivery import Target, deliver
from aiml_music._calls.plans import collect_plan, generate_plan
from aiml_music._calls.session import Session
from aiml_music._calls.upload import upload
from aiml_music._sansio.batch.budget import Budget
from aiml_music._sansio.batch.job import Job
from aiml_music._sansio.batch.records import JobRecord
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.models import Purpose, Reference, Track
from aiml_music._sansio.options import UNSET, Options
from aiml_music._sansio.order import GenerateOrder
from aiml_music.batch.attempt_journal import AttemptJournal, CollectingJournal
from aiml_music.batch.ledger_thread import LedgerThread
from aiml_music.batch.references import References, check_unchanged


class Maker:
    """Makes tracks into one directory."""

    def __init__(
        self, session: Session, options: Options, directory: Path, ledger: LedgerThread, budget: Budget
    ) -> None:
        self._session = session
        self._options = options
        self._directory = directory
        self._budget = budget
        self._references = References(ledger, session.clock, self._upload)

    async def track(self, record: JobRecord, journal: AttemptJournal) -> Track:
        """Make the track of a job.

        Raises:
            MusicError: as `AsyncMusicClient.generate` and `upload`, and the journal's own.
        """
        job = record.job
        if job.cost is None and self._budget.credits is not None:
            raise InputError(
                f"What {job.model} costs is not known, and no budget can hold it.",
                hint="Run this job in a batch without a budget.",
            )
        asked = job.order(*await self._ids(job, record.reference_sha256))
        plan = await generate_plan(self._options, asked, UNSET, journal.client_request_id)
        return await self._delivered(plan, asked, record, journal)

    async def collected(self, record: JobRecord, journal: CollectingJournal) -> Track:
        """Collect the track of a job that was accepted; nothing is paid, and no reference is needed any more.

        Raises:
            MusicError: as `AsyncMusicClient.collect`, and the journal's own.
        """
        asked = record.job.order(None, None)
        generation_id, request_id = journal.generation_id, journal.client_request_id
        plan = await collect_plan(self._options, generation_id, asked.model, UNSET, request_id)
        return await self._delivered(plan, asked, record, journal)

    async def _delivered(self, plan: Plan, asked: GenerateOrder, record: JobRecord, journal: AttemptJournal) -> Track:
        target = Target(
            path=self._directory / record.file_name,
            overwrite=False,
            room_bytes=asked.room_bytes,
            slow_disk=self._options.slow_disk,
            journal=journal,
            token=journal.attempt,
        )
        with plan.handed_on():
            call = self._session.call(plan)
        async with call:
            return await deliver(call, target, audio_format=asked.audio_format)

    async def _ids(self, job: Job, sha256: str | None) -> tuple[str | None, str | None]:
        if job.reference is None or sha256 is None:
            return job.refer_voice, job.refer_instrumental
        if job.purpose is None:
            await check_unchanged(Path(job.reference), sha256)
            return None, None
        known = await self._references.of(Path(job.reference), job.purpose, sha256)
        return known.voice_id, known.instrumental_id

    async def _upload(self, path: Path, purpose: Purpose) -> Reference:
        return await upload(
            self._session,
            self._options,
            path,
            purpose=purpose,
            check_audio=True,
            timeout=UNSET,
            client_request_id=None,
        )
