"""What is asked for, checked before it costs anything: arguments in, the bytes that will be sent out."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, get_args

from attrs import fields as attrs_fields
from attrs import frozen

from aiml_music._sansio import wire
from aiml_music._sansio.audio import AudioInfo
from aiml_music._sansio.catalogue import Model, find_model
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.lyrics import LyricsCheck, check_lyrics, check_reference_id
from aiml_music._sansio.models import AudioFormat, AudioSetting, Purpose, Reference

_SUFFIXES = {".mp3": "mp3", ".wav": "wav", ".wave": "wav", ".pcm": "pcm", ".raw": "pcm"}


@frozen(kw_only=True)
class GenerateOrder:
    """A generation that can be sent.

    Attributes:
        advice: what looks wrong about the lyrics, for a warning.
    """

    model: Model
    payload: bytes
    audio_format: AudioFormat
    audio_setting: AudioSetting | None
    advice: tuple[str, ...]


def generate_order(
    *,
    lyrics: str,
    reference: Reference | None,
    refer_voice: str | None,
    refer_instrumental: str | None,
    model: str,
    audio_setting: AudioSetting | Mapping[str, Any] | None,
    lyrics_check: LyricsCheck,
    extra_body: Mapping[str, Any] | None,
) -> GenerateOrder:
    """Check what `generate` was given.

    Raises:
        InputError: it cannot be what its author means.
    """
    if lyrics_check not in get_args(LyricsCheck):
        raise InputError(f"lyrics_check must be 'warn', 'refuse' or 'off'; got {lyrics_check!r}.")
    row = find_model(model)
    text, advice = check_lyrics(lyrics, row)
    if lyrics_check == "refuse" and advice:
        raise InputError(f"The lyrics: {'; '.join(advice)}.", hint="lyrics_check='warn' sends them all the same.")
    voice, instrumental = _ids(reference, refer_voice, refer_instrumental)
    setting = check_audio_setting(audio_setting)
    payload = wire.generate_payload(
        model=row.id,
        lyrics=text,
        refer_voice=voice,
        refer_instrumental=instrumental,
        audio_setting=setting,
        extra_body=extra_body or {},
    )
    return GenerateOrder(
        model=row,
        payload=payload,
        audio_format="mp3" if setting is None else setting.format,
        audio_setting=setting,
        advice=advice if lyrics_check == "warn" else (),
    )


def check_audio_setting(value: AudioSetting | Mapping[str, Any] | None) -> AudioSetting | None:
    """Return the setting that a value or a mapping means.

    Raises:
        InputError: a field is unknown, or out of its range.
    """
    if value is None or isinstance(value, AudioSetting):
        return value
    try:
        return AudioSetting(**value)
    except TypeError:
        fields = ", ".join(attribute.name for attribute in attrs_fields(AudioSetting))
        raise InputError(f"audio_setting takes {fields}, and nothing else.") from None


def _ids(
    reference: Reference | None, refer_voice: str | None, refer_instrumental: str | None
) -> tuple[str | None, str | None]:
    if reference is not None:
        if not isinstance(reference, Reference):
            raise InputError(
                f"reference must be what upload() returned, not {type(reference).__name__}.",
                hint="For a bare id use refer_voice= or refer_instrumental=.",
            )
        if refer_voice is not None or refer_instrumental is not None:
            raise InputError("Give either reference= or the ids refer_voice= and refer_instrumental=, not both.")
        refer_voice, refer_instrumental = reference.voice_id, reference.instrumental_id
    if refer_voice is None and refer_instrumental is None:
        raise InputError(
            "A generation needs a voice, an instrumental or both.", hint="Give what upload() returned as reference=."
        )
    return (
        None if refer_voice is None else check_reference_id("refer_voice", refer_voice),
        None if refer_instrumental is None else check_reference_id("refer_instrumental", refer_instrumental),
    )


def check_output_name(target: PurePath, audio_format: AudioFormat) -> None:
    """Refuse a file name that says another format than the one asked for.

    Raises:
        InputError: it does.
    """
    promised = _SUFFIXES.get(target.suffix.lower())
    if promised is not None and promised != audio_format:
        raise InputError(
            f"{target.name} is named as {promised}, but the audio asked for is {audio_format}.",
            hint=f'Pass audio_setting={{"format": "{promised}"}}, or name the file .{audio_format}.',
        )


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
    if not least < audio.duration <= most:
        cut = " (the file is cut short)" if audio.truncated else ""
        raise InputError(
            f"The reference lasts {audio.duration:.1f} s{cut}; "
            f"the service takes more than {least:g} s and at most {most:g} s."
        )
