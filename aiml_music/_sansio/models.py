"""The values a caller gives and gets: purposes, settings, references, tracks, receipts, settlements."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen
from attrs.validators import instance_of, optional

from aiml_music._sansio.audio import AudioInfo
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.outcome import Attempt, Money, Operation, Outcome


class Purpose(StrEnum):
    """What a reference is: it decides which ids an upload answers with."""

    SONG = "song"
    """Singing with accompaniment; gives a voice id and an instrumental id."""
    VOICE = "voice"
    """Singing alone; gives a voice id."""
    INSTRUMENTAL = "instrumental"
    """Accompaniment alone; gives an instrumental id."""


AudioFormat = Literal["mp3", "wav", "pcm"]
SAMPLE_RATES = (16_000, 24_000, 32_000, 44_100)
BITRATES = (32_000, 64_000, 128_000, 256_000)


def _one_of(*choices: object) -> Callable[[object, Any, object], None]:
    def check(_instance: object, attribute: Any, value: object) -> None:
        # By type too: True is 1 to Python, and 32000.0 is 32000.
        if not any(value is choice or (type(value) is type(choice) and value == choice) for choice in choices):
            names = ", ".join(repr(choice) for choice in choices if choice is not None)
            raise InputError(f"audio_setting: {attribute.name} must be one of {names}; got {value!r}.")

    return check


@frozen(kw_only=True)
class AudioSetting:
    """The audio asked for; what is left out, the service chooses.

    Args:
        format: `mp3`, `wav`, or `pcm` (samples without a header).
        sample_rate: Hz, one of 16000, 24000, 32000, 44100.
        bitrate: bit/s, one of 32000, 64000, 128000, 256000.

    Raises:
        InputError: one of them is something else.
    """

    format: AudioFormat = field(default="mp3", validator=_one_of("mp3", "wav", "pcm"))
    sample_rate: int | None = field(default=None, validator=_one_of(None, *SAMPLE_RATES))
    bitrate: int | None = field(default=None, validator=_one_of(None, *BITRATES))


@frozen(kw_only=True)
class Receipt:
    """What a call did and cost.

    Attributes:
        generation_id: what the service calls the generation, where it makes it under an id.
        credits_used: what the service says it charged; None where it did not say.
        usd_spent: the same in US dollars.
        elapsed: seconds from the call to its end, queue and pauses included.
    """

    operation: Operation
    outcome: Outcome
    money: Money
    client_request_id: str
    generation_id: str | None = None
    inference_id: str | None = None
    trace_id: str | None = None
    credits_used: int | None = None
    usd_spent: Decimal | None = None
    attempts: tuple[Attempt, ...] = ()
    elapsed: float = 0.0

    def __str__(self) -> str:
        cost = "cost not stated" if self.credits_used is None else f"{self.credits_used:,} credits"
        if self.usd_spent is not None:
            cost += f" (${self.usd_spent})"
        tries = "1 attempt, " if len(self.attempts) == 1 else f"{len(self.attempts)} attempts, "
        if self.operation is Operation.POLL:
            # What is only collected was tried by the call that submitted it.
            tries = ""
        return f"{self.operation} {self.outcome}, {cost}, {tries}{self.elapsed:.1f} s, {self.client_request_id}"


@frozen(kw_only=True)
class Reference:
    """A reference the service has learned: give it to `generate(reference=…)`.

    Attributes:
        voice_id: the voice, for purposes `song` and `voice`.
        instrumental_id: the accompaniment, for purposes `song` and `instrumental`.
        audio: what the file's own bytes said before it was sent.
        raw: the service's answer as it came.
    """

    voice_id: str | None = field(default=None, validator=optional(instance_of(str)))
    instrumental_id: str | None = field(default=None, validator=optional(instance_of(str)))
    purpose: Purpose | None = None
    audio: AudioInfo | None = None
    trace_id: str | None = None
    receipt: Receipt | None = None
    raw: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)


@frozen(kw_only=True)
class AudioFacts:
    """What the service says about a track, in one vocabulary; a zero on the wire is None here."""

    duration_ms: int | None = None
    size_bytes: int | None = None
    bitrate: int | None = None
    """bit/s"""
    sample_rate_hz: int | None = None
    channels: int | None = None


class Flag(StrEnum):
    """Something about a track that deserves a look; the track itself was kept."""

    IN_PROGRESS = "the service called the track unfinished, and sent it all the same"
    SIZE_DIFFERS = "the service announced another size than it sent"
    DURATION_DIFFERS = "the service announced another duration than the frames have"
    SAMPLE_RATE_DIFFERS = "the service announced another sample rate than the frames have"
    BITRATE_DIFFERS = "the service announced another bitrate than the frames have"
    TRUNCATED = "the audio ends before its header or its last frame says"
    ENDS_ODD = "the audio does not end at the end of a sample"


Writer = Callable[[bytes | Path, Path, bool], Path]


@frozen(kw_only=True)
class Track:
    """A track that was paid for, checked and kept: in memory (`content`) or in a file (`path`).

    Attributes:
        content: the audio; None when it went to a file.
        path: the file; None when it is in memory.
        format: `mp3`, `wav` or `pcm`: what was asked for, or what came where that was left open.
        size_bytes: the audio's length.
        facts: what the service says about it.
        audio: what the frames themselves say; None for `pcm`, which has none.
        flags: where the two disagree, and what else deserves a look.
        raw: the service's answer, without the audio.
    """

    content: bytes | None = field(default=None, repr=False)
    path: Path | None = None
    format: AudioFormat = "mp3"
    size_bytes: int = 0
    facts: AudioFacts = AudioFacts()
    audio: AudioInfo | None = None
    flags: tuple[Flag, ...] = ()
    trace_id: str | None = None
    receipt: Receipt | None = None
    raw: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)
    _writer: Writer | None = field(default=None, repr=False, eq=False, alias="writer")

    @property
    def duration(self) -> float | None:
        """Seconds: of the frames where there are any, else as the service says, else None."""
        if self.audio is not None:
            return self.audio.duration
        return None if self.facts.duration_ms is None else self.facts.duration_ms / 1000

    def write_to_file(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the track to a file: whole and synced, or not at all.

        Args:
            path: the file to make.
            overwrite: replace a file that exists.

        Raises:
            OutputExistsError: the file exists, and `overwrite` is off.
            StorageError: it could not be written; the track is unharmed.
        """
        source = self.path if self.content is None else self.content
        if source is None or self._writer is None:
            raise ValueError("this track holds no audio")
        return self._writer(source, Path(path), overwrite)


class SettlementVerdict(StrEnum):
    """What the service's own books say about a call whose answer was lost."""

    PAID = "paid"
    """It was carried out, or charged."""
    UNPAID = "unpaid"
    """It failed, at no cost."""
    NOT_SEEN = "not_seen"
    """No row bears its id; one may still come."""
    UNSETTLED = "unsettled"
    """What was found, or could be read, does not say how it ended."""


_SETTLED_MONEY = {SettlementVerdict.PAID: Money.YES, SettlementVerdict.UNPAID: Money.NO}


@frozen(kw_only=True)
class Settlement:
    """What became of a call, by the service's usage log and billing ledger. Only `UNPAID` says that it may be repeated.

    Attributes:
        verdict: what the evidence amounts to.
        note: what that means and what to do, a sentence or two.
        credits: what was charged; None where that is not stated (yet).
        usd: the same in US dollars.
        inference_id: the service's own id of the work.
        log_row: the row of the usage log that decided, as it came.
        transaction: the charge in the billing ledger, as it came; looked for only where the row states no cost.
        rows_read: how many rows were looked through.
        checked_at: when that was, in UTC.
    """

    client_request_id: str
    verdict: SettlementVerdict
    note: str
    credits: int | None = None
    usd: Decimal | None = None
    inference_id: str | None = None
    log_row: Mapping[str, Any] | None = field(default=None, repr=False)
    transaction: Mapping[str, Any] | None = field(default=None, repr=False)
    rows_read: int = 0
    checked_at: datetime

    @property
    def money(self) -> Money:
        """Whether the call was charged, in the words of every error and receipt."""
        return _SETTLED_MONEY.get(self.verdict, Money.UNKNOWN)

    def __str__(self) -> str:
        cost = "" if self.credits is None else f", {self.credits:,} credits"
        usd = "" if self.usd is None else f" (${self.usd:f})"
        return f"{self.client_request_id}: {self.verdict.replace('_', ' ')}{cost}{usd}. {self.note}"
