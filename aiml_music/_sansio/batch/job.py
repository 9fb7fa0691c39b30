"""A job: everything that decides one track, checked before it costs anything, and the key it is known by."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from attrs import asdict, field, frozen

from aiml_music._sansio import wire
from aiml_music._sansio.catalogue import MODELS
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.lyrics import check_lyrics, check_reference_id
from aiml_music._sansio.models import AudioFormat, AudioSetting, Purpose
from aiml_music._sansio.order import check_audio_setting, check_purpose, find_model

_LABEL_MAX_CHARS = 500
_KEY_VERSION = 1


def _label(value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"A label must be a str, not {type(value).__name__}.")
    if len(value) > _LABEL_MAX_CHARS:
        raise InputError(f"A label has at most {_LABEL_MAX_CHARS} characters; this one has {len(value)}.")
    if not _is_text(value):
        raise InputError("The label holds a lone surrogate, which no file can be written with.")
    return value


def _is_text(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _path(value: Any) -> Any:
    return str(value) if isinstance(value, PurePath) else value


def _purpose(value: Any) -> Purpose | None:
    return None if value is None else check_purpose(value)


def _frozen_copy(value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return a copy that no caller can change any more, as JSON would give it back."""
    if value is not None and not isinstance(value, Mapping):
        raise InputError(f"extra_body must be a mapping, not {type(value).__name__}.")
    payload = wire.generate_payload(
        model="", lyrics="", refer_voice=None, refer_instrumental=None, audio_setting=None, extra_body=value or {}
    )
    fields: dict[str, Any] = json.loads(payload)
    return {name: member for name, member in fields.items() if name not in {"model", "lyrics"}}


@frozen(kw_only=True)
class Job:
    """One track of a batch.

    Args:
        label: what people call it; its file is named after it, or after its first line.
        lyrics: the words.
        reference: the path of a file to upload; with `purpose`, and instead of the ids.
        purpose: what the reference is: `song`, `voice` or `instrumental`.
        refer_voice: the id of a voice.
        refer_instrumental: the id of an accompaniment.
        model: the model.
        audio_setting: the audio asked for.
        extra_body: fields the service adds tomorrow.

    Raises:
        InputError: it cannot be what its author means.
    """

    label: str = field(default="", converter=_label)
    lyrics: str
    reference: str | None = field(default=None, converter=_path)
    purpose: Purpose | None = field(default=None, converter=_purpose)
    refer_voice: str | None = None
    refer_instrumental: str | None = None
    model: str = "music-01"
    audio_setting: AudioSetting | None = field(default=None, converter=check_audio_setting)
    extra_body: Mapping[str, Any] = field(default=None, converter=_frozen_copy, hash=False)

    def __attrs_post_init__(self) -> None:
        text, _ = check_lyrics(self.lyrics, find_model(self.model))
        object.__setattr__(self, "lyrics", text)
        if self.reference is None:
            self._check_ids()
        else:
            self._check_reference()

    def _check_ids(self) -> None:
        if self.purpose is not None:
            raise InputError("A purpose says what a reference is, and there is no reference.")
        if self.refer_voice is None and self.refer_instrumental is None:
            raise InputError("A job needs a reference to upload, or the id of a voice, of an instrumental or of both.")
        for name in ("refer_voice", "refer_instrumental"):
            if getattr(self, name) is not None:
                check_reference_id(name, getattr(self, name))

    def _check_reference(self) -> None:
        if not isinstance(self.reference, str) or not self.reference or "\0" in self.reference:
            raise InputError(f"reference must be the path of a file; got {self.reference!r}.")
        if self.purpose is None:
            raise InputError("A reference needs a purpose.", hint="One of 'song', 'voice', 'instrumental'.")
        if self.refer_voice is not None or self.refer_instrumental is not None:
            raise InputError("Give either a reference, or the ids refer_voice and refer_instrumental, not both.")

    @property
    def audio_format(self) -> AudioFormat:
        """The format that its track will have."""
        return "mp3" if self.audio_setting is None else self.audio_setting.format

    @property
    def cost(self) -> int:
        """The worst case, in credits."""
        return MODELS[self.model].price_credits

    def to_json(self) -> str:
        """Return it as `from_json` reads it."""
        return _canonical({name: value for name, value in asdict(self).items() if value not in (None, "", {})})

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """Return the job that `to_json` wrote.

        Raises:
            InputError: that is none.
        """
        try:
            return cls(**json.loads(text))
        except InputError:
            raise
        except (TypeError, ValueError):
            raise InputError("That is not a job.") from None


def _canonical(value: Mapping[str, Any]) -> str:
    # In ASCII: the path of a file may hold bytes that are no text.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def job_key(job: Job, reference_sha256: str | None = None, copy: int = 1) -> str:
    """Return the key of a job: the same for the same track under the same label, whenever and wherever.

    Args:
        job: the job.
        reference_sha256: of the reference's content, in lower-case hexadecimal; None where there is none.
        copy: which of several tracks that are asked for in the same words; 1 is the first.
    """
    if (job.reference is None) is not (reference_sha256 is None):
        raise ValueError("a reference counts by its content, so the hash goes with it")
    setting = None if job.audio_setting is None else asdict(job.audio_setting)
    decides = {
        "version": _KEY_VERSION,
        "label": job.label,
        "lyrics": job.lyrics,
        "reference": reference_sha256,
        "purpose": job.purpose,
        "refer_voice": job.refer_voice,
        "refer_instrumental": job.refer_instrumental,
        "model": job.model,
        "audio_setting": setting,
        "extra_body": dict(job.extra_body),
        "copy": copy,
    }
    return hashlib.sha256(_canonical(decides).encode()).hexdigest()


@frozen(kw_only=True)
class Plan:
    """A job as it goes into a ledger.

    Attributes:
        key: see `job_key`.
        copy: which of several tracks that are asked for in the same words; 1 is the first.
        cost: the worst case, in credits.
        name: of its file, without the suffix, where it has one already; None where the ledger gives it one.
    """

    key: str
    job: Job
    copy: int = 1
    cost: int
    reference_sha256: str | None = None
    name: str | None = None


def planned(jobs: Iterable[tuple[Job, str | None]], *, number_copies: bool = False) -> Iterator[Plan]:
    """Give each job its key, one after the other.

    Args:
        jobs: each with the hash of its reference's content, or None.
        number_copies: make jobs that are asked for twice in the same words copies 1, 2 and so on.

    Raises:
        InputError: a job is there twice, and `number_copies` is off.
    """
    seen: dict[bytes, int] = {}
    for position, (job, sha256) in enumerate(jobs, start=1):
        key = job_key(job, sha256)
        times = seen.get(digest := bytes.fromhex(key), 0)
        if times and not number_copies:
            raise InputError(
                f"Job {position} ({job.label or 'without a label'}) is the same as job {times}.",
                hint="Remove it, give it another label, or have copies numbered.",
            )
        copy = times + 1 if number_copies else 1
        seen[digest] = copy if number_copies else position
        yield Plan(
            key=key if copy == 1 else job_key(job, sha256, copy),
            job=job,
            copy=copy,
            cost=job.cost,
            reference_sha256=sha256,
        )
