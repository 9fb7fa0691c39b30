"""A job: everything that decides one track, checked before it costs anything, and the key it is known by."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, Protocol

from attrs import asdict, define, field, frozen

from aiml_music._sansio import wire
from aiml_music._sansio.catalogue import MUSIC_01, Model, ReferenceUse, find_model
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.lyrics import one_line_end
from aiml_music._sansio.models import AudioFormat, AudioSetting, Purpose
from aiml_music._sansio.order import GenerateOrder, check_audio_setting, check_purpose, generate_order

_LABEL_MAX_CHARS = 500
_KEY_VERSION = 1
_NAMES = ("lyrics", "prompt", "refer_voice", "refer_instrumental")


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


def _fields(value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {name: member for name, member in _frozen_copy("fields", value).items() if member is not None}


def _extra_body(value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return _frozen_copy("extra_body", value)


def _frozen_copy(attribute: str, value: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a copy that no caller can change any more, as JSON would give it back."""
    if value is not None and not isinstance(value, Mapping):
        raise InputError(f"{attribute} must be a mapping, not {type(value).__name__}.")
    members: dict[str, Any] = json.loads(wire.to_json(value or {}, attribute))
    return members


@frozen(kw_only=True)
class Job:
    """One track of a batch.

    Args:
        label: what people call it; its file is named after it, or after its first line.
        lyrics: the words.
        prompt: a description of the music.
        reference: the path of a file: for `music-01` to upload, with `purpose` and instead of the ids; for
            `minimax/music-cover` to send within the request.
        purpose: what the reference of `music-01` is: `song`, `voice` or `instrumental`.
        refer_voice: the id of a voice.
        refer_instrumental: the id of an accompaniment.
        model: the model.
        audio_setting: the audio asked for.
        fields: other fields that only some models take; see `ModelFields`.
        extra_body: fields the service adds tomorrow.

    Raises:
        InputError: it cannot be what its author means.
    """

    label: str = field(default="", converter=_label)
    lyrics: str | None = None
    prompt: str | None = None
    reference: str | None = field(default=None, converter=_path)
    purpose: Purpose | None = field(default=None, converter=_purpose)
    refer_voice: str | None = None
    refer_instrumental: str | None = None
    model: str = MUSIC_01.id
    audio_setting: AudioSetting | None = field(default=None, converter=check_audio_setting)
    fields: Mapping[str, Any] = field(default=None, converter=_fields, hash=False)
    extra_body: Mapping[str, Any] = field(default=None, converter=_extra_body, hash=False)

    def __attrs_post_init__(self) -> None:
        own = sorted({*self.fields} & {*_NAMES})
        if own:
            raise InputError(f"fields holds {', '.join(own)}: use the argument of that name.")
        if isinstance(self.lyrics, str):
            object.__setattr__(self, "lyrics", one_line_end(self.lyrics))
        row = find_model(self.model)
        if self.reference is not None:
            self._check_reference(row)
        elif self.purpose is not None:
            raise InputError("A purpose says what a reference is, and there is no reference.")
        elif row.reference_use is ReferenceUse.IDS and self.refer_voice is None and self.refer_instrumental is None:
            raise InputError("A job needs a reference to upload, or the id of a voice, of an instrumental or of both.")
        # What a reference will be called is known once it is uploaded.
        learned = self.reference is not None and not self.embeds_reference
        self.order("vocal-to-be-learned" if learned else self.refer_voice, self.refer_instrumental)

    def _check_reference(self, row: Model) -> None:
        if not isinstance(self.reference, str) or not self.reference or "\0" in self.reference:
            raise InputError(f"reference must be the path of a file; got {self.reference!r}.")
        if self.refer_voice is not None or self.refer_instrumental is not None:
            raise InputError("Give either a reference, or the ids refer_voice and refer_instrumental, not both.")
        if row.reference_use not in {ReferenceUse.IDS, ReferenceUse.URL_OR_CONTENT}:
            raise InputError(f"{row.id} takes no file as its reference.")
        if (self.purpose is None) is (row.reference_use is ReferenceUse.IDS):
            wrong = (
                "A reference needs a purpose." if self.purpose is None else f"A reference of {row.id} has no purpose."
            )
            hint = "One of 'song', 'voice', 'instrumental'." if self.purpose is None else "Leave it out."
            raise InputError(wrong, hint=hint)

    def order(self, refer_voice: str | None, refer_instrumental: str | None) -> GenerateOrder:
        """Return what to ask the service for.

        Args:
            refer_voice: the id of the voice, the job's own or that of its reference.
            refer_instrumental: the id of the accompaniment.

        Raises:
            InputError: it cannot be what its author means.
        """
        return generate_order(
            lyrics=self.lyrics,
            reference=None,
            refer_voice=refer_voice,
            refer_instrumental=refer_instrumental,
            reference_audio=self.reference if self.embeds_reference else None,
            model=self.model,
            audio_setting=self.audio_setting,
            lyrics_check="off",
            extra_body=self.extra_body,
            fields={"prompt": self.prompt, **self.fields},
        )

    @property
    def embeds_reference(self) -> bool:
        """Whether the content of its reference goes into the request."""
        return self.reference is not None and find_model(self.model).reference_use is ReferenceUse.URL_OR_CONTENT

    @property
    def audio_format(self) -> AudioFormat:
        """The format that its file is named after: the one asked for, else what the model makes, else `mp3`."""
        if self.audio_setting is not None:
            return self.audio_setting.format
        return find_model(self.model).audio_format or "mp3"

    @property
    def cost(self) -> int | None:
        """The worst case, in credits; None where no price is known."""
        return find_model(self.model).price_credits

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
    # Beside what older releases knew: the keys of their ledgers stay as they are.
    decides |= {name: value for name, value in (("prompt", job.prompt), ("fields", dict(job.fields))) if value}
    return hashlib.sha256(_canonical(decides).encode()).hexdigest()


@frozen(kw_only=True)
class Plan:
    """A job as it goes into a ledger.

    Attributes:
        key: see `job_key`.
        copy: which of several tracks that are asked for in the same words; 1 is the first.
        cost: the worst case, in credits; 0 where no price is known.
        name: of its file, without the suffix, where it has one already; None where the ledger gives it one.
    """

    key: str
    job: Job
    copy: int = 1
    cost: int
    reference_sha256: str | None = None
    name: str | None = None


class Places(Protocol):
    """Where jobs stand in a list, from 1, by their keys."""

    def get(self, key: str, /) -> int | None:
        """Return the place of a job; None where it has none yet."""
        ...

    def __setitem__(self, key: str, place: int, /) -> None:
        """Note the place of a job."""
        ...


@define(eq=False)
class PlacesInMemory:
    """Places for whoever has no ledger: some 200 bytes a job, however long its words."""

    _places: dict[bytes, int] = field(factory=dict, init=False)

    def get(self, key: str, /) -> int | None:
        """See `Places`."""
        return self._places.get(bytes.fromhex(key))

    def __setitem__(self, key: str, place: int, /) -> None:
        self._places[bytes.fromhex(key)] = place

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and bytes.fromhex(key) in self._places

    def __len__(self) -> int:
        return len(self._places)


def planned(
    jobs: Iterable[tuple[Job, str | None]], *, number_copies: bool = False, places: Places | None = None
) -> Iterator[Plan]:
    """Give each job its key, one after the other.

    Args:
        jobs: each with the hash of its reference's content, or None.
        number_copies: make jobs that are asked for twice in the same words copies 1, 2 and so on.
        places: is told the place of each, once the next one is asked for.

    Raises:
        InputError: a job is there twice, and `number_copies` is off.
    """
    places = PlacesInMemory() if places is None else places
    # Only of those that are there more than once.
    copies: dict[str, int] = {}
    for place, (job, sha256) in enumerate(jobs, start=1):
        first = job_key(job, sha256)
        before = places.get(first)
        if before is not None and not number_copies:
            raise InputError(
                f"Job {place} ({job.label or 'without a label'}) is the same as job {before}.",
                hint="Remove it, give it another label, or have copies numbered.",
            )
        copy = 1 if before is None else copies.get(first, 1) + 1
        if copy > 1:
            copies[first] = copy
        key = first if copy == 1 else job_key(job, sha256, copy)
        yield Plan(key=key, job=job, copy=copy, cost=job.cost or 0, reference_sha256=sha256)
        places[key] = place
