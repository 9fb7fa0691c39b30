"""What is asked for, checked before it costs anything: arguments in, the bytes that will be sent out."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, get_args

from attrs import fields as attrs_fields
from attrs import frozen

from aiml_music._sansio import wire
from aiml_music._sansio.audio import AudioInfo
from aiml_music._sansio.catalogue import MODELS, Model, ReferenceUse, find_model
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.fields import check_fields
from aiml_music._sansio.inspection import largest_bytes
from aiml_music._sansio.lyrics import LyricsCheck
from aiml_music._sansio.models import AudioFormat, AudioSetting, Purpose, Reference

EMBEDDED_FIELD = "reference_audio_url"
"""The field that a reference within the request stands in."""
_SUFFIXES = {".mp3": "mp3", ".wav": "wav", ".wave": "wav", ".pcm": "pcm", ".raw": "pcm"}


@frozen(kw_only=True)
class GenerateOrder:
    """A generation that can be sent.

    Attributes:
        payload: the JSON of the request, but for `reference_audio`.
        audio_format: what will come; None is whatever the bytes are.
        reference_audio: whatever `open_source` takes, to be sent within the request.
        advice: what looks wrong about the lyrics, for a warning.
    """

    model: Model
    payload: bytes
    audio_format: AudioFormat | None
    audio_setting: AudioSetting | None
    reference_audio: object = None
    advice: tuple[str, ...] = ()

    @property
    def room_bytes(self) -> int:
        """How much room its track can need."""
        return largest_bytes(self.audio_setting, self.model)


def generate_order(
    *,
    lyrics: str | None,
    reference: Reference | None,
    refer_voice: str | None,
    refer_instrumental: str | None,
    model: str,
    audio_setting: AudioSetting | Mapping[str, Any] | None,
    lyrics_check: LyricsCheck,
    extra_body: Mapping[str, Any] | None,
    reference_audio: object = None,
    fields: Mapping[str, Any] | None = None,
) -> GenerateOrder:
    """Check what `generate` was given, its `ModelFields` among it, against the row of its model.

    Raises:
        InputError: it cannot be what its author means.
    """
    if lyrics_check not in get_args(LyricsCheck):
        raise InputError(f"lyrics_check must be 'warn', 'refuse' or 'off'; got {lyrics_check!r}.")
    row = find_model(model)
    voice, instrumental = _ids(row, reference, refer_voice, refer_instrumental)
    given = {"lyrics": lyrics, "refer_voice": voice, "refer_instrumental": instrumental, **(fields or {})}
    embedded = _embedded(row, reference_audio, given)
    checked, advice = check_fields(row, given, provided=embedded)
    if lyrics_check == "refuse" and advice:
        raise InputError(f"The lyrics: {'; '.join(advice)}.", hint="lyrics_check='warn' sends them all the same.")
    setting = check_audio_setting(audio_setting, row)
    return GenerateOrder(
        model=row,
        payload=wire.generate_payload(model=row, fields=checked, audio_setting=setting, extra_body=extra_body or {}),
        audio_format=row.audio_format if setting is None else setting.format,
        audio_setting=setting,
        reference_audio=reference_audio,
        advice=advice if lyrics_check == "warn" else (),
    )


def check_audio_setting(
    value: AudioSetting | Mapping[str, Any] | None, model: Model | None = None
) -> AudioSetting | None:
    """Return the setting that a value or a mapping means.

    Args:
        value: the setting.
        model: the row that has to offer it, where it is known.

    Raises:
        InputError: a field is unknown, or out of its range, or the model offers no choice.
    """
    setting = _setting(value)
    if setting is None or model is None or not model.known:
        return setting
    if model.audio is None:
        comes = f"; it comes as {model.audio_format}" if model.audio_format else ""
        raise InputError(f"{model.id} takes no audio_setting{comes}.", hint="Leave it out.")
    for name, offered in (
        ("format", model.audio.formats),
        ("sample_rate", model.audio.sample_rates),
        ("bitrate", model.audio.bitrates),
    ):
        wanted = getattr(setting, name)
        if wanted is not None and wanted not in offered:
            raise InputError(f"audio_setting: {name} of {model.id} must be one of {', '.join(map(repr, offered))}.")
    return setting


def _setting(value: AudioSetting | Mapping[str, Any] | None) -> AudioSetting | None:
    if value is None or isinstance(value, AudioSetting):
        return value
    try:
        return AudioSetting(**value)
    except TypeError:
        fields = ", ".join(attribute.name for attribute in attrs_fields(AudioSetting))
        raise InputError(f"audio_setting takes {fields}, and nothing else.") from None


def _ids(
    model: Model, reference: Reference | None, refer_voice: str | None, refer_instrumental: str | None
) -> tuple[str | None, str | None]:
    if reference is not None:
        _check_reference(model, reference)
        if refer_voice is not None or refer_instrumental is not None:
            raise InputError("Give either reference= or the ids refer_voice= and refer_instrumental=, not both.")
        refer_voice, refer_instrumental = reference.voice_id, reference.instrumental_id
    if model.reference_use is ReferenceUse.IDS and refer_voice is None and refer_instrumental is None:
        raise InputError(
            "A generation needs a voice, an instrumental or both.", hint="Give what upload() returned as reference=."
        )
    return refer_voice, refer_instrumental


_REFERENCE_HINTS = {
    ReferenceUse.NONE: "Leave it out.",
    ReferenceUse.IDS: "For a bare id use refer_voice= or refer_instrumental=.",
    ReferenceUse.URL: "Give an address that the service can fetch as reference_audio_url=.",
    ReferenceUse.URL_OR_CONTENT: (
        "Give a file as reference_audio=, or an address that the service can fetch as reference_audio_url=."
    ),
}


def _check_reference(model: Model, reference: Reference) -> None:
    hint = _REFERENCE_HINTS[model.reference_use]
    if model.known and model.reference_use is not ReferenceUse.IDS:
        raise InputError(f"{model.id} takes no uploaded reference.", hint=hint)
    if not isinstance(reference, Reference):
        raise InputError(f"reference must be what upload() returned, not {type(reference).__name__}.", hint=hint)


def _embedded(model: Model, reference_audio: object, given: Mapping[str, Any]) -> frozenset[str]:
    """Return the fields that a reference within the request fills."""
    if reference_audio is None:
        return frozenset()
    if model.reference_use is not ReferenceUse.URL_OR_CONTENT:
        takers = [row.id for row in MODELS.values() if row.reference_use is ReferenceUse.URL_OR_CONTENT]
        raise InputError(f"{model.id} takes no reference_audio.", hint=f"Models that do: {', '.join(takers)}.")
    if given.get(EMBEDDED_FIELD) is not None:
        raise InputError(f"Give either reference_audio= or {EMBEDDED_FIELD}=, not both.")
    return frozenset({EMBEDDED_FIELD})


def check_output_name(target: PurePath, asked: GenerateOrder) -> None:
    """Refuse a file name that says another format than the one that will come.

    Raises:
        InputError: it does.
    """
    promised, comes = _SUFFIXES.get(target.suffix.lower()), asked.audio_format
    if promised is None or comes is None or promised == comes:
        return
    chooses = asked.model.audio is not None or not asked.model.known
    what = "the audio asked for is" if chooses else f"the audio of {asked.model.id} is"
    way_out = f'Pass audio_setting={{"format": "{promised}"}}, or name' if chooses else "Name"
    raise InputError(f"{target.name} is named as {promised}, but {what} {comes}.", hint=f"{way_out} the file .{comes}.")


def check_purpose(value: str) -> Purpose:
    """Return the purpose of a reference.

    Raises:
        InputError: it is none of the three.
    """
    try:
        return Purpose(value)
    except ValueError:
        names = ", ".join(repr(str(purpose)) for purpose in Purpose)
        raise InputError(f"purpose must be one of {names}; got {value!r}.") from None


def check_reference_length(audio: AudioInfo, model: Model) -> None:
    """Refuse a reference the service is documented not to take.

    Raises:
        InputError: it is too short or too long.
    """
    least, most = model.reference_min_seconds, model.reference_max_seconds
    long_enough = audio.duration > least or (audio.duration == least and model.reference_min_is_enough)
    if not long_enough or audio.duration > most:
        cut = " (the file is cut short)" if audio.truncated else ""
        more_than = "at least" if model.reference_min_is_enough else "more than"
        raise InputError(
            f"The reference lasts {audio.duration:.1f} s{cut}; "
            f"the service takes {more_than} {least:g} s and at most {most:g} s."
        )
