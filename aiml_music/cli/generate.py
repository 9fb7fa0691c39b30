"""`aiml-music generate`: make one track, straight into a file.

Everything that can be wrong here is looked for before a reference is uploaded, and again before the track is paid for.
"""

import secrets
import warnings
from pathlib import Path
from typing import Annotated, Literal, cast

from attrs import frozen
from cyclopts import Parameter

from aiml_music._io.sinks import FileSink
from aiml_music._sansio import order
from aiml_music._sansio.catalogue import (
    MUSIC_01,
    Model,
    ReferenceUse,
    UnknownModelWarning,
    find_model,
    unknown_words,
)
from aiml_music._sansio.fields import ModelFields
from aiml_music._sansio.models import AudioFormat, AudioSetting, Reference, Track
from aiml_music.cli.calls import client_of, run, service
from aiml_music.cli.faults import CommandError
from aiml_music.cli.lyrics_input import read_lyrics
from aiml_music.cli.model_fields import fields_of
from aiml_music.cli.parameters import AsJson, LyricsCheckName, OnScreen, PurposeName, Switch
from aiml_music.cli.salvage import salvaging
from aiml_music.cli.screen import Screen
from aiml_music.cli.wording import reference_document, reference_facts, track_document, track_facts
from aiml_music.client import AsyncMusicClient


@frozen(kw_only=True)
class Song:
    """What is asked for, whatever it will be sung with."""

    model: Model
    lyrics: str | None
    fields: ModelFields
    setting: AudioSetting | None
    output: Path
    overwrite: bool


@frozen(kw_only=True)
class Singers:
    """What it will be sung with: a file to upload, ids, or a file that goes into the request."""

    file: Path | None = None
    purpose: PurposeName | None = None
    voice: str | None = None
    instrumental: str | None = None
    audio: Path | None = None


def generate(
    *,
    reference: Path | None = None,
    purpose: PurposeName | None = None,
    voice: str | None = None,
    instrumental: str | None = None,
    reference_audio: Path | None = None,
    model: str = MUSIC_01.id,
    prompt: str | None = None,
    fields: Annotated[list[str] | None, Parameter(name="--field", negative=())] = None,
    lyrics: str | None = None,
    lyrics_file: Annotated[Path | None, Parameter(allow_leading_hyphen=True)] = None,
    output: Annotated[Path, Parameter(name=("--output", "-o"))],
    audio_format: Annotated[AudioFormat | None, Parameter(name="--format")] = None,
    sample_rate: Literal[16000, 24000, 32000, 44100] | None = None,
    bitrate: Literal[32000, 64000, 128000, 256000] | None = None,
    overwrite: Switch = False,
    lyrics_check: LyricsCheckName = "warn",
    timeout: float | None = None,
    as_json: AsJson = False,
    screen: OnScreen,
) -> None:
    """Make a track. It costs money and takes a minute or more.

    music-01 sings with a reference that is uploaded first (--reference with
    --purpose), or with ids that an upload printed: --voice, --instrumental
    or both. A voice alone has no accompaniment, an instrumental no voice.
    Other models take a --prompt, --lyrics, or fields of their own; what
    --model takes is checked before anything is sent.

    The words come from --lyrics, from --lyrics-file, or for - from standard
    input. Two hash signs at head and tail ask music-01 and minimax-music for
    accompaniment.

    Args:
        reference: WAV or MP3 to upload first, longer than 10 s and at most 10 minutes.
        purpose: What is in the reference.
        voice: A voice id.
        instrumental: An instrumental id.
        reference_audio: WAV or MP3 to send within the request, for minimax/music-cover: 6 s to 6 minutes.
        model: The model; aiml-music models lists them.
        prompt: A description of the music, for models that take one.
        fields: Another field of the model, as NAME=VALUE; may be given several times.
        lyrics: The words.
        lyrics_file: A text file with the words, in UTF-8.
        output: The file to make. It must not exist.
        audio_format: Left out: what the name of the file says, else mp3.
        sample_rate: In Hz.
        bitrate: In bit/s.
        overwrite: Replace the file if it exists, once the track is whole.
        lyrics_check: What to do about lyrics that look wrong, such as more than 600 characters.
        timeout: Seconds for each call. Left out: 600 for the track.
        as_json: Print one JSON document instead of lines.
        screen: Where to print.
    """
    row = find_model(model)
    singers = singers_of(row, reference, purpose, voice, instrumental, reference_audio)
    song = Song(
        model=row,
        lyrics=_lyrics(row, lyrics, lyrics_file, screen),
        fields=cast("ModelFields", fields_of(prompt, fields or ())),
        setting=setting_of(row, output, audio_format, sample_rate, bitrate),
        output=output,
        overwrite=overwrite,
    )
    client = client_of(timeout)
    for advice in rehearse(song, singers, lyrics_check):
        screen.tell("Lyrics: ", f"{advice}.", style="yellow")
    if not row.known:
        screen.note(unknown_words(row.id))

    async def work() -> tuple[Reference | None, Track]:
        learned = await _learn(client, singers, screen)
        return learned, await _make(client, song, singers, learned, screen)

    _show(*run(work), as_json=as_json, screen=screen)


def _show(learned: Reference | None, track: Track, *, as_json: bool, screen: Screen) -> None:
    if as_json:
        reference_said = None if learned is None else reference_document(learned)
        screen.document({"track": track_document(track), "reference": reference_said, "service": service()})
    else:
        screen.facts(str(track.path), track_facts(track) | {"service": service()})


def _lyrics(row: Model, text: str | None, file: Path | None, screen: Screen) -> str | None:
    own = row.field("lyrics")
    if text is None and file is None and not (own is not None and own.required):
        return None
    return read_lyrics(text, file, screen)


def singers_of(
    row: Model,
    reference: Path | None,
    purpose: PurposeName | None,
    voice: str | None,
    instrumental: str | None,
    audio: Path | None,
) -> Singers:
    """Return what a track is sung with.

    Raises:
        CommandError: there is nothing, too much, or no purpose.
    """
    ids = voice is not None or instrumental is not None
    if row.reference_use is not ReferenceUse.IDS:
        if reference is not None or purpose is not None:
            hint = " Use --reference-audio." if row.reference_use is ReferenceUse.URL_OR_CONTENT else ""
            raise CommandError(f"{row.id} takes no uploaded reference.", f"Leave out --reference and --purpose.{hint}")
        return Singers(voice=voice, instrumental=instrumental, audio=audio)
    if (reference is not None) == ids:
        wrong = "Give a reference or ids, not both." if ids else "A track needs a voice, an instrumental or both."
        raise CommandError(wrong, "Give --reference FILE --purpose song, or the ids as --voice ID --instrumental ID.")
    if (reference is None) != (purpose is None):
        raise CommandError("--reference and --purpose go together.", "Purposes are song, voice and instrumental.")
    return Singers(file=reference, purpose=purpose, voice=voice, instrumental=instrumental, audio=audio)


def setting_of(
    row: Model, output: Path, audio_format: AudioFormat | None, sample_rate: int | None, bitrate: int | None
) -> AudioSetting | None:
    """Return the audio to ask for; None leaves it to the service."""
    named = output.suffix.lower().removeprefix(".")
    by_name = row.audio is not None and named in {"wav", "pcm"}
    wanted = audio_format or (cast("AudioFormat", named) if by_name else None)
    if wanted is None and sample_rate is None and bitrate is None:
        return None
    return AudioSetting(format=wanted or "mp3", sample_rate=sample_rate, bitrate=bitrate)


def rehearse(song: Song, singers: Singers, lyrics_check: LyricsCheckName) -> tuple[str, ...]:
    """Do everything of a generation that needs no network, and return advice about the lyrics.

    Raises:
        MusicError: it would fail; nothing was sent.
    """
    asked = order.generate_order(
        lyrics=song.lyrics,
        reference=None,
        # The ids of a file are known once it is uploaded.
        refer_voice=singers.voice if singers.file is None else "vocal-to-be-learned",
        refer_instrumental=singers.instrumental,
        reference_audio=singers.audio,
        model=song.model.id,
        audio_setting=song.setting,
        lyrics_check=lyrics_check,
        extra_body=None,
        fields=song.fields,
    )
    order.check_output_name(song.output, asked)
    FileSink.reserve(
        song.output,
        expected_bytes=asked.room_bytes,
        overwrite=song.overwrite,
        token=secrets.token_hex(6),
    ).discard()
    return asked.advice


async def _learn(client: AsyncMusicClient, singers: Singers, screen: Screen) -> Reference | None:
    if singers.file is None or singers.purpose is None:
        return None
    with screen.step(f"Uploading {singers.file.name}"):
        reference = await client.upload(singers.file, purpose=singers.purpose)
    # Said at once: whatever becomes of the track, the reference need not be uploaded again.
    for option, name in reference_facts(reference).items():
        if option.startswith("--"):
            screen.note(f"Use it again with {option} {name}")
    return reference


async def _make(
    client: AsyncMusicClient, song: Song, singers: Singers, learned: Reference | None, screen: Screen
) -> Track:
    # What there is to say of a model that is not known was said.
    with (
        screen.step(f"Generating {song.output.name}"),
        salvaging(song.output),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", UnknownModelWarning)
        return await client.generate(
            lyrics=song.lyrics,
            reference=learned,
            refer_voice=singers.voice,
            refer_instrumental=singers.instrumental,
            reference_audio=singers.audio,
            model=song.model.id,
            audio_setting=song.setting,
            to=song.output,
            overwrite=song.overwrite,
            # The rehearsal has said what there is to say.
            lyrics_check="off",
            **song.fields,
        )
