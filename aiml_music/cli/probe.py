"""`aiml-music probe`: what the bytes of a file say, and whether it would do as a reference. Sends nothing."""

from pathlib import Path

from aiml_music._io.sources import open_source
from aiml_music._sansio import order
from aiml_music._sansio.audio import AudioFormatError, AudioInfo
from aiml_music._sansio.audio import probe as probe_audio
from aiml_music._sansio.catalogue import MUSIC_01
from aiml_music._sansio.errors import InputError
from aiml_music.cli.calls import run
from aiml_music.cli.faults import CommandError
from aiml_music.cli.parameters import AsJson, OnScreen
from aiml_music.cli.wording import plain, seconds, sound_of


def probe(
    file: Path,
    /,
    *,
    as_json: AsJson = False,
    screen: OnScreen,
) -> None:
    """Say what is in an audio file, and whether it would do as a reference.

    Nothing is sent, and no key is needed. The exit code is 0 for every file
    that can be measured.

    Args:
        file: WAV or MP3, by its bytes and not by its name.
        as_json: Print one JSON document instead of lines.
        screen: Where to print.
    """
    audio = run(lambda: _measure(file))
    objection = _objection(audio)
    if as_json:
        verdict = {"accepted": objection is None, "reason": objection}
        screen.document({"path": str(file), "audio": plain(audio), "reference": verdict})
        return
    facts = {"duration": seconds(audio.duration), "audio": sound_of(audio), "size": f"{audio.audio_bytes:,} bytes"}
    if audio.truncated:
        facts["look at it"] = "the sound ends before its header or its last frame says"
    screen.facts(file.name, facts | {"as a reference": "yes" if objection is None else f"no: {objection}"})


async def _measure(file: Path) -> AudioInfo:
    try:
        async with open_source(file) as source:
            return probe_audio(source.read_at, source.size)
    except AudioFormatError as error:
        raise CommandError(f"{str(file)!r} is neither WAV nor MP3: {error.reason}.") from None
    except InputError as error:
        raise CommandError(error.message, error.hint) from None


def _objection(audio: AudioInfo) -> str | None:
    try:
        order.check_reference_length(audio, MUSIC_01)
    except InputError as error:
        return error.message
    return None
