"""The references of a batch: each is uploaded once, however many jobs use it and however often the batch is run."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio

from aiml_music._io.digest import sha256_of
from aiml_music._io.disk import on_disk
from aiml_music._sansio.batch.records import ReferenceRecord
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.models import Purpose, Reference
from aiml_music._sansio.outcome import Phase
from aiml_music._sansio.ports import Clock
from aiml_music.batch.ledger_thread import LedgerThread

Upload = Callable[[Path, Purpose], Awaitable[Reference]]
"""Teaches the service a file."""


class References:
    """Knows what the service calls each reference."""

    def __init__(self, ledger: LedgerThread, clock: Clock, upload: Upload) -> None:
        self._ledger = ledger
        self._clock = clock
        self._upload = upload
        self._locks: dict[tuple[str, Purpose], anyio.Lock] = {}

    async def of(self, path: Path, purpose: Purpose, sha256: str) -> ReferenceRecord:
        """Return a reference, uploaded now if no job needed it before.

        Args:
            path: where its file was when the job was planned.
            purpose: what it is.
            sha256: of its content as it was planned.

        Raises:
            InputError: the file is gone, or holds something else now.
            MusicError: as `AsyncMusicClient.upload`.
        """
        lock = self._locks.setdefault((sha256, purpose), anyio.Lock())
        async with lock:
            known = await self._ledger.do(lambda ledger: ledger.reference(sha256, purpose))
            return known or await self._learned(path, purpose, sha256)

    async def _learned(self, path: Path, purpose: Purpose, sha256: str) -> ReferenceRecord:
        await check_unchanged(path, sha256)
        answered = await self._upload(path, purpose)
        record = ReferenceRecord(
            sha256=sha256,
            purpose=purpose,
            voice_id=answered.voice_id,
            instrumental_id=answered.instrumental_id,
        )
        await self._ledger.do(lambda ledger: ledger.add_reference(record, now=self._clock.time()))
        return record


async def check_unchanged(path: Path, sha256: str) -> None:
    """Make sure that a file holds what it held when its job was planned.

    Raises:
        InputError: it does not, or is gone.
    """
    try:
        changed = await on_disk(partial(sha256_of, path)) != sha256
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror}.", phase=Phase.PREPARE) from exc
    if changed:
        raise InputError(
            f"{path} holds something else than when its job was planned.",
            hint="Run the batch with its list again: the job is another one now.",
            phase=Phase.PREPARE,
        )
