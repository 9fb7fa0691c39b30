"""Keep a receipt beside each track: `song.json` beside `song.mp3`, for people and for their programs.

It tells and decides nothing: money is the ledger's matter, so a receipt may be edited by hand, and is read as far as it
makes sense. It names no directory and holds no key.
"""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path, PurePath
from typing import Any

from attrs import field, frozen

from aiml_music._io.sinks import write_file
from aiml_music._sansio.errors import InputError, OutputExistsError
from aiml_music.batch.tokens import fresh

SCHEMA = 1
MAX_BYTES = 4 << 20


def _name_of(path: str | PurePath) -> str:
    return PurePath(path).name


def _name_if_any(path: str | PurePath | None) -> str | None:
    return None if path is None else _name_of(path)


def _in_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)


@frozen(kw_only=True)
class SungWith:
    """What a track was sung with.

    Attributes:
        file: the name of the file that was uploaded, without its directory.
        purpose: what was in it.
    """

    file: str | None = field(default=None, converter=_name_if_any)
    purpose: str | None = None
    refer_voice: str | None = None
    refer_instrumental: str | None = None


@frozen(kw_only=True)
class TrackReceipt:
    """What is to be known of a track, long after it was made.

    Attributes:
        file: the track's name, without its directory.
        size_bytes: the track's length.
        seconds: how long it plays; None where that is not known.
        credits_used: what the service says it charged; None where it did not say.
        usd_spent: the same in US dollars.
        attempts: how many requests it took.
        started: when the first of them began.
        finished: when the track was whole.
        job_key: of the job, by which a damaged ledger is mended.
        flags: what deserves a look.
    """

    label: str
    file: str = field(converter=_name_of)
    sha256: str = ""
    size_bytes: int | None = None
    seconds: float | None = None
    model: str = ""
    client_request_id: str | None = None
    inference_id: str | None = None
    trace_id: str | None = None
    credits_used: int | None = None
    usd_spent: Decimal | None = None
    attempts: int | None = None
    started: datetime | None = field(default=None, converter=_in_utc)
    finished: datetime | None = field(default=None, converter=_in_utc)
    sung_with: SungWith = SungWith()
    lyrics: str = ""
    flags: tuple[str, ...] = ()
    job_key: str | None = None


def receipt_path(track: Path) -> Path:
    """Return where the receipt of a track is."""
    return track.with_suffix(".json")


def receipt_bytes(receipt: TrackReceipt) -> bytes:
    """Return a receipt as JSON to be read by people: always the same bytes for the same receipt."""
    sung_with = receipt.sung_with
    document = {
        "schema": SCHEMA,
        "label": receipt.label,
        "file": receipt.file,
        "sha256": receipt.sha256,
        "size_bytes": receipt.size_bytes,
        "seconds": receipt.seconds,
        "model": receipt.model,
        "ids": {
            "job": receipt.job_key,
            "client_request_id": receipt.client_request_id,
            "inference_id": receipt.inference_id,
            "trace_id": receipt.trace_id,
        },
        # As text: as a number of JSON, a price would be rounded by whoever reads it.
        "cost": {"credits": receipt.credits_used, "usd": None if receipt.usd_spent is None else str(receipt.usd_spent)},
        "attempts": receipt.attempts,
        "times": {"started": _written(receipt.started), "finished": _written(receipt.finished)},
        "sung_with": {
            "file": sung_with.file,
            "purpose": sung_with.purpose,
            "refer_voice": sung_with.refer_voice,
            "refer_instrumental": sung_with.refer_instrumental,
        },
        "lyrics": receipt.lyrics,
        "flags": list(receipt.flags),
    }
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2)
    # A name that is no text has half characters in it; written out, they are escapes of JSON as well.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_receipt(track: Path, receipt: TrackReceipt, *, instead_of: Collection[str] = ()) -> Path:
    """Write a receipt beside its track, synced and whole; the one that is there already stays as it is.

    It may block on a disk.

    Args:
        track: the file.
        receipt: what is to be said of it.
        instead_of: hashes of tracks that were there before, whose receipt this one replaces.

    Raises:
        OutputExistsError: something else has its name.
        StorageError: it could not be written.
    """
    target = receipt_path(track)
    try:
        return _written_file(receipt, target, overwrite=False)
    except OutputExistsError:
        found = _found(target)
        if found is None or found.file != receipt.file:
            raise
        if found.sha256 in instead_of:
            return _written_file(receipt, target, overwrite=True)
        if found.sha256 != receipt.sha256:
            raise
        return target


def _written_file(receipt: TrackReceipt, target: Path, *, overwrite: bool) -> Path:
    # It holds lyrics, as the ledger does, and is as much its owner's alone.
    return write_file(receipt_bytes(receipt), target, overwrite, token=fresh(), private=True)


def _found(target: Path) -> TrackReceipt | None:
    try:
        return read_receipt(target)
    except InputError:
        return None


def read_receipt(path: Path) -> TrackReceipt:
    """Read a receipt that people may have edited: what is missing or makes no sense counts as not said.

    It may block on a disk.

    Raises:
        InputError: it cannot be read, or is no JSON object at all.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror}.") from None
    return receipt_of(data, path.name)


def receipt_of(data: bytes, name: str) -> TrackReceipt:
    """Return the receipt that a file's content is.

    Args:
        data: JSON, at most 4 MiB.
        name: the file's name, for what it does not say itself and for errors.

    Raises:
        InputError: it is no JSON object.
    """
    try:
        document = json.loads(data.decode("utf-8-sig")) if len(data) <= MAX_BYTES else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise InputError(f"{name} is no receipt: no JSON object.", hint="Mend it, or remove it.")
    ids, money, times = (_part(document, name) for name in ("ids", "cost", "times"))
    sung_with = _part(document, "sung_with")
    flags = document.get("flags")
    return TrackReceipt(
        label=_text(document, "label") or PurePath(name).stem,
        file=_text(document, "file") or "",
        sha256=(_text(document, "sha256") or "").lower(),
        size_bytes=_count(document, "size_bytes"),
        seconds=_seconds(document),
        model=_text(document, "model") or "",
        job_key=_text(ids, "job"),
        client_request_id=_text(ids, "client_request_id"),
        inference_id=_text(ids, "inference_id"),
        trace_id=_text(ids, "trace_id"),
        credits_used=_count(money, "credits"),
        usd_spent=_decimal(money.get("usd")),
        attempts=_count(document, "attempts"),
        started=_moment(times, "started"),
        finished=_moment(times, "finished"),
        sung_with=SungWith(
            file=_text(sung_with, "file"),
            purpose=_text(sung_with, "purpose"),
            refer_voice=_text(sung_with, "refer_voice"),
            refer_instrumental=_text(sung_with, "refer_instrumental"),
        ),
        lyrics=_text(document, "lyrics") or "",
        flags=tuple(flag for flag in flags if isinstance(flag, str)) if isinstance(flags, list) else (),
    )


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = document.get(name)
    return part if isinstance(part, dict) else {}


def _text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) else None


def _decimal(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    # Nobody counts further; the power of a thousand digits would take for ever to write out.
    return number if number.is_finite() and 0 <= number < 1 << 63 else None


def _count(document: Mapping[str, Any], name: str) -> int | None:
    number = _decimal(document.get(name))
    return int(number) if number is not None and number == int(number) else None


def _seconds(document: Mapping[str, Any]) -> float | None:
    number = _decimal(document.get("seconds"))
    return None if number is None else float(number)


def _moment(document: Mapping[str, Any], name: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(_text(document, name) or "")
        # Without a zone it is what stands beside it everywhere: UTC.
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
