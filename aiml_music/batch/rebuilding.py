"""A new ledger in the place of a damaged one, which is kept: made of what proves itself, and of doubts.

A job is done where its track is there, with the hash that its receipt or the old ledger has. It is accepted where the
old ledger has an id to collect it by, which costs nothing. Every other job may have been sent, so it is in doubt,
whatever the damaged ledger says of it: only the service's books or the user's word have it sent again.
"""

import os
import shlex
import shutil
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path, PurePath
from typing import Any

from attrs import evolve, frozen

from aiml_music._io.digest import sha256_of
from aiml_music._io.publishing import FileSystem, sync_directory
from aiml_music._sansio.batch.budget import Budget
from aiml_music._sansio.batch.job import Plan
from aiml_music._sansio.batch.names import is_safe
from aiml_music._sansio.batch.states import Mark
from aiml_music._sansio.errors import InputError, LedgerCorruptError
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.ledger_file import LEDGER_NAME, reached
from aiml_music.batch.receipts import TrackReceipt, read_receipt
from aiml_music.batch.remains import OldCall, Remains, remains_of
from aiml_music.batch.tokens import PREFIX, fresh

_BUILDING = ".ledger.rebuilt"
_PROBLEM = "The ledger was damaged: whether this call was made, and what became of it, is not known."
_LATER = "The ledger was damaged; the job had a later call."


@frozen(kw_only=True)
class Rebuilt:
    """What became of a damaged ledger.

    Attributes:
        kept: where it is now.
        done: jobs whose track is there.
        accepted: jobs whose track can be collected.
        in_doubt: all others.
    """

    kept: Path
    done: int
    accepted: int = 0
    in_doubt: int


def rebuild(
    directory: Path,
    listed: Iterable[Plan],
    *,
    now: float,
    system: FileSystem = FileSystem(),  # noqa: B008 - a frozen value
) -> Rebuilt:
    """Put a new ledger in the place of a damaged one; whole, or not at all.

    Afterwards, `resume` collects the tracks that wait under their hidden names.

    Args:
        directory: where the batch is; its lock is held.
        listed: the jobs of the lists that were carried out here, for those that cannot be read any more.
        now: Unix time, as a label.
        system: the operating system's calls.

    Raises:
        LedgerCorruptError: jobs cannot be read, and there is no list of them.
        LedgerError: the new one cannot be written.
    """
    path, building = directory / LEDGER_NAME, directory / _BUILDING
    with reached(path):
        remains, lists = remains_of(path), {plan.key: plan for plan in listed}
        if not remains.is_whole and not lists:
            raise LedgerCorruptError(
                f"The ledger {str(path)!r} is damaged, and not each of its jobs can be read.",
                hint=f"Give every list that was carried out here: {_command(directory)} --jobs LIST",
            )
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o700)
        known = {plan.key for plan in remains.plans}
        plans = [*remains.plans, *(plan for key, plan in lists.items() if key not in known)]
        with Ledger.open(building) as ledger:
            ends = _Builder(ledger, directory, remains, now).build(plans)
        kept = _swapped(path, building / LEDGER_NAME, system)
        shutil.rmtree(building, ignore_errors=True)
    done, accepted, in_doubt = (ends[mark] for mark in (Mark.DONE, Mark.ACCEPTED, Mark.IN_DOUBT))
    return Rebuilt(kept=kept, done=done, accepted=accepted, in_doubt=in_doubt)


def _swapped(path: Path, built: Path, system: FileSystem) -> Path:
    """Keep the damaged ledger, and give the new one its name: at no moment is there none."""
    kept = next(name for name in _names_for(path) if not os.path.lexists(name))
    try:
        system.link(path, kept)
    except OSError:
        shutil.copy2(path, kept)
    # Left where it is, SQLite could play it back into the new ledger. A hot one was played back when the old one was
    # opened, as far as that could be.
    with suppress(FileNotFoundError):
        system.replace(_journal(path), _journal(kept))
    system.replace(built, path)
    sync_directory(path.parent, system)
    return kept


def _command(directory: Path) -> str:
    return shlex.join(["aiml-music", "rescue", str(directory)])


def _names_for(path: Path) -> Iterator[Path]:
    yield path.with_name(f"{path.stem}.damaged{path.suffix}")
    yield from (path.with_name(f"{path.stem}.damaged-{number}{path.suffix}") for number in count(2))


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")


class _Builder:
    def __init__(self, ledger: Ledger, directory: Path, remains: Remains, now: float) -> None:
        self._ledger = ledger
        self._directory = directory
        self._remains = remains
        self._now = now
        self._receipts = {receipt.job_key: receipt for receipt in _receipts(directory) if receipt.job_key is not None}

    def build(self, plans: Iterable[Plan]) -> Counter[Mark]:
        """Write down jobs and what is known of them, and return how many of them end with which mark."""
        # First those whose file has a name: the others get what is free.
        named = sorted(map(self._named, plans), key=lambda plan: plan.name is None)
        self._ledger.add(named, now=self._now)
        return Counter(map(self._settled, named))

    def _named(self, plan: Plan) -> Plan:
        receipt = self._receipts.get(plan.key)
        if plan.name is not None or receipt is None:
            return plan
        file = PurePath(receipt.file)
        fits = is_safe(file.stem) and file.suffix == f".{plan.job.audio_format}"
        return evolve(plan, name=file.stem) if fits else plan

    def _settled(self, plan: Plan) -> Mark:
        record, receipt = self._ledger.job(plan.key), self._receipts.get(plan.key)
        *earlier, latest = self._calls(plan, record.file_name)
        for call in earlier:
            if not call.is_free:
                self._doubt(plan, call)
                self._ledger.append(plan.key, Mark.PAY_AGAIN, now=self._now, facts={"reason": _LATER})
        track = self._directory / record.file_name
        digest = self._proven(plan, track, receipt)
        if digest is None and latest.generation_id is not None:
            self._sent(plan, latest)
            self._ledger.append(plan.key, Mark.ACCEPTED, now=self._now, facts={"generation_id": latest.generation_id})
            return Mark.ACCEPTED
        if digest is None:
            self._doubt(plan, latest)
            return Mark.IN_DOUBT
        self._sent(plan, latest)
        facts = {"sha256": digest, "size_bytes": track.stat().st_size, **_facts(receipt)}
        charged = None if receipt is None else receipt.credits_used
        self._ledger.append(plan.key, Mark.RECEIVED, now=self._now, charged=charged, facts=facts)
        self._ledger.append(plan.key, Mark.DONE, now=self._now, facts={"file": record.file_name})
        return Mark.DONE

    def _calls(self, plan: Plan, file_name: str) -> list[OldCall]:
        """Return the calls of a job; one at least, which may be that of its hidden files, or of nothing at all."""
        calls = self._remains.calls.get(plan.key, [])
        files = [path for path in self._directory.glob(f".*.{PREFIX}*") if _is_of(path, file_name)]
        # A whole track settles its job, so its call is the one that counts.
        for path in sorted(files, key=lambda path: path.suffix == ".ready")[-1:]:
            token = path.suffixes[-2].removeprefix(".")
            own = [call for call in calls if call.attempt == token]
            return [*(call for call in calls if call.attempt != token), *(own or [self._unknown(token)])]
        return calls or [self._unknown(fresh())]

    def _unknown(self, attempt: str) -> OldCall:
        return OldCall(attempt, str(uuid.uuid4()), self._now)

    def _proven(self, plan: Plan, track: Path, receipt: TrackReceipt | None) -> str | None:
        """Return the hash of a job's track, where that is there and is known to be its own."""
        known = self._remains.hashes.get(plan.key, set()) | ({receipt.sha256} if receipt is not None else set())
        if not known or not track.is_file():
            return None
        digest = sha256_of(track)
        return digest if digest in known else None

    def _doubt(self, plan: Plan, call: OldCall) -> None:
        self._sent(plan, call)
        self._ledger.append(plan.key, Mark.IN_DOUBT, now=self._now, facts={"problem": _PROBLEM})

    def _sent(self, plan: Plan, call: OldCall) -> None:
        self._ledger.begin(
            plan.key,
            attempt=call.attempt,
            client_request_id=call.client_request_id,
            reserved=plan.cost,
            budget=Budget(),
            now=call.sent_at,
        )
        self._ledger.append(plan.key, Mark.WIRE, now=call.sent_at)


def _is_of(path: Path, file_name: str) -> bool:
    # The longest of names are cut: their hidden files are not told apart, and stay where they are.
    return path.name.startswith(f".{file_name}.{PREFIX}") and path.suffix in {".ready", ".part"}


def _facts(receipt: TrackReceipt | None) -> dict[str, Any]:
    if receipt is None:
        return {}
    facts = {
        "seconds": receipt.seconds,
        "flags": list(receipt.flags) or None,
        "inference_id": receipt.inference_id,
        "trace_id": receipt.trace_id,
        "usd_spent": None if receipt.usd_spent is None else str(receipt.usd_spent),
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def _receipts(directory: Path) -> Iterator[TrackReceipt]:
    for path in sorted(directory.glob("*.json")):
        with suppress(InputError):
            yield read_receipt(path)
