"""What is asked for, checked whole before it costs anything."""

import json
from pathlib import PurePath
from typing import Any

import pytest

from aiml_music._sansio.audio import AudioInfo
from aiml_music._sansio.catalogue import MUSIC_01
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.models import AudioFormat, AudioSetting, Purpose, Reference
from aiml_music._sansio.order import (
    GenerateOrder,
    check_audio_setting,
    check_output_name,
    check_purpose,
    check_reference_length,
    generate_order,
)

VOICE = "vocal-2025082518145625-6XW9wCOF"
INSTRUMENTAL = "instrumental-2025082518145625-vCCEiiES"


def order(**changes: Any) -> GenerateOrder:
    """Order a plain track by a voice, with changes."""
    arguments: dict[str, Any] = {
        "lyrics": "la",
        "reference": None,
        "refer_voice": VOICE,
        "refer_instrumental": None,
        "model": "music-01",
        "audio_setting": None,
        "lyrics_check": "warn",
        "extra_body": None,
    }
    return generate_order(**(arguments | changes))


def body(**changes: Any) -> dict[str, Any]:
    """Return what such an order would send."""
    fields: dict[str, Any] = json.loads(order(**changes).payload)
    return fields


def test_an_order_can_be_sent() -> None:
    """The order holds the bytes to send, and what to expect in return."""
    asked = order()
    assert asked.model is MUSIC_01
    assert asked.payload == f'{{"model": "music-01", "lyrics": "la", "refer_voice": "{VOICE}"}}'.encode()
    assert (asked.audio_format, asked.audio_setting, asked.advice) == ("mp3", None, ())


@pytest.mark.parametrize(
    ("reference", "ids"),
    [
        (Reference(voice_id=VOICE, instrumental_id=INSTRUMENTAL), (VOICE, INSTRUMENTAL)),
        (Reference(voice_id=VOICE), (VOICE, None)),
        (Reference(instrumental_id=INSTRUMENTAL), (None, INSTRUMENTAL)),
    ],
    ids=["song", "voice", "instrumental"],
)
def test_a_reference_brings_its_ids(reference: Reference, ids: tuple[str | None, str | None]) -> None:
    """What an upload returned is given back whole; an id it lacks is not sent."""
    sent = body(reference=reference, refer_voice=None)
    assert (sent.get("refer_voice"), sent.get("refer_instrumental")) == ids
    assert None not in sent.values()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"refer_voice": None}, "A generation needs a voice, an instrumental or both."),
        ({"refer_voice": None, "reference": Reference()}, "A generation needs a voice, an instrumental or both."),
        ({"reference": Reference(voice_id=VOICE)}, "Give either reference= or the ids"),
        (
            {"reference": Reference(voice_id=VOICE), "refer_voice": None, "refer_instrumental": INSTRUMENTAL},
            "Give either",
        ),
        ({"reference": VOICE}, "reference must be what upload() returned, not str."),
        ({"refer_voice": INSTRUMENTAL}, "refer_voice was given an id that belongs in refer_instrumental."),
        ({"refer_instrumental": VOICE}, "refer_instrumental was given an id that belongs in refer_voice."),
        ({"lyrics": ""}, "The lyrics are empty."),
        ({"model": "musik-01"}, "Unknown model 'musik-01'."),
        ({"audio_setting": {"format": "flac"}}, "audio_setting: format must be one of"),
        ({"lyrics_check": "strict"}, "lyrics_check must be 'warn', 'refuse' or 'off'; got 'strict'."),
        ({"extra_body": {"lyrics": "lo"}}, "extra_body repeats lyrics"),
    ],
    ids=[
        "no ids",
        "a reference without ids",
        "reference and voice",
        "reference and instrumental",
        "an id as reference",
        "ids swapped",
        "instrumental swapped",
        "no lyrics",
        "another model",
        "another format",
        "another check",
        "a field twice",
    ],
)
def test_an_order_that_cannot_be_meant_is_refused(changes: dict[str, Any], complaint: str) -> None:
    """What contradicts itself or is incomplete is refused before anything is sent."""
    with pytest.raises(InputError) as caught:
        order(**changes)
    assert caught.value.message.startswith(complaint)


ADVICE = ("601 characters; music-01 is documented for at most 600",)


def test_advice_comes_with_the_order() -> None:
    """Lyrics that only look wrong are sent, with a word about them."""
    assert order(lyrics="a" * 601).advice == ADVICE
    assert body(lyrics="a" * 601)["lyrics"] == "a" * 601


def test_advice_can_be_turned_off() -> None:
    """Who knows better hears nothing."""
    assert order(lyrics="a" * 601, lyrics_check="off").advice == ()


def test_advice_can_refuse() -> None:
    """Who wants to be sure is refused what only looks wrong, and still sends what does not."""
    with pytest.raises(
        InputError, match="The lyrics: 601 characters; music-01 is documented for at most 600"
    ) as caught:
        order(lyrics="a" * 601, lyrics_check="refuse")
    assert "lyrics_check='warn'" in str(caught.value.hint)
    assert order(lyrics="a" * 600, lyrics_check="refuse").advice == ()


def test_the_format_asked_for_is_the_one_expected() -> None:
    """The setting decides what will be checked when the track arrives."""
    asked = order(audio_setting={"format": "wav", "sample_rate": 16_000})
    assert asked.audio_format == "wav"
    assert asked.audio_setting == AudioSetting(format="wav", sample_rate=16_000)


@pytest.mark.parametrize(
    ("value", "setting"),
    [
        (None, None),
        ({}, AudioSetting()),
        (AudioSetting(bitrate=32_000), AudioSetting(bitrate=32_000)),
        ({"format": "pcm", "sample_rate": 24_000, "bitrate": None}, AudioSetting(format="pcm", sample_rate=24_000)),
    ],
    ids=["none", "empty", "a value", "a mapping"],
)
def test_a_setting_is_a_value_or_a_mapping(value: AudioSetting | dict[str, Any] | None, setting: AudioSetting) -> None:
    """Settings may be written either way."""
    assert check_audio_setting(value) == setting


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"format": "MP3"}, ": format must be one of 'mp3', 'wav', 'pcm'; got 'MP3'."),
        ({"format": None}, ": format must be one of 'mp3', 'wav', 'pcm'; got None."),
        ({"sample_rate": 48_000}, ": sample_rate must be one of 16000, 24000, 32000, 44100; got 48000."),
        ({"sample_rate": 32_000.0}, ": sample_rate must be one of 16000, 24000, 32000, 44100; got 32000.0."),
        ({"bitrate": "256k"}, ": bitrate must be one of 32000, 64000, 128000, 256000; got '256k'."),
        ({"bitrate": True}, ": bitrate must be one of 32000, 64000, 128000, 256000; got True."),
        ({"quality": 9}, " takes format, sample_rate, bitrate, and nothing else."),
        ({7: 7}, " takes format, sample_rate, bitrate, and nothing else."),
        ("mp3", " takes format, sample_rate, bitrate, and nothing else."),
    ],
    ids=["format", "no format", "rate", "a float", "bitrate", "a bool", "unknown field", "no name", "no mapping"],
)
def test_a_setting_out_of_range_is_refused(value: Any, complaint: str) -> None:
    """A field that is unknown or out of range is named, with what it may be, in one sentence."""
    with pytest.raises(InputError) as caught:
        check_audio_setting(value)
    assert caught.value.message == f"audio_setting{complaint}"


@pytest.mark.parametrize(
    ("name", "audio_format"),
    [
        ("song.mp3", "mp3"),
        ("SONG.MP3", "mp3"),
        ("song.wav", "wav"),
        ("song.wave", "wav"),
        ("song.pcm", "pcm"),
        ("song.raw", "pcm"),
        ("song", "mp3"),
        ("song.track", "wav"),
        (".mp3", "wav"),
    ],
)
def test_a_file_may_be_named_after_its_format(name: str, audio_format: AudioFormat) -> None:
    """A suffix that promises nothing else is the user's own choice."""
    check_output_name(PurePath("out") / name, order(audio_setting={"format": audio_format}))


@pytest.mark.parametrize(
    ("name", "promised", "audio_format"),
    [("a.mp3", "mp3", "wav"), ("a.WAV", "wav", "mp3"), ("a.raw", "pcm", "wav"), ("a.mp3.wav", "wav", "mp3")],
)
def test_a_file_is_not_named_after_another_format(name: str, promised: str, audio_format: AudioFormat) -> None:
    """A name that promises another format is refused before money, with both ways out."""
    with pytest.raises(InputError) as caught:
        check_output_name(PurePath(name), order(audio_setting={"format": audio_format}))
    assert caught.value.message == f"{name} is named as {promised}, but the audio asked for is {audio_format}."
    assert f'"{promised}"' in str(caught.value.hint)
    assert f".{audio_format}" in str(caught.value.hint)


@pytest.mark.parametrize("purpose", Purpose)
def test_a_purpose_is_one_of_three(purpose: Purpose) -> None:
    """A purpose may be given as the service's own word."""
    assert check_purpose(purpose.value) is check_purpose(purpose) is purpose


@pytest.mark.parametrize("value", ["", "Song", "speech", None, 7, []], ids=repr)
def test_other_purposes_are_refused(value: Any) -> None:
    """Any other word is answered with the three."""
    with pytest.raises(InputError, match="purpose must be one of 'song', 'voice', 'instrumental'; got"):
        check_purpose(value)


def lasting(seconds: float, *, truncated: bool = False) -> AudioInfo:
    """Return what a probe would say of a file of this length."""
    return AudioInfo(
        container="mp3",
        encoding="mp3",
        duration=seconds,
        sample_rate_hz=44_100,
        channels=2,
        bitrate=128_000,
        variable_bitrate=False,
        audio_bytes=1,
        truncated=truncated,
    )


@pytest.mark.parametrize("seconds", [10.001, 60.0, 600.0])
def test_a_reference_of_the_documented_length_is_taken(seconds: float) -> None:
    """Longer than ten seconds, and at most ten minutes."""
    check_reference_length(lasting(seconds), MUSIC_01)


@pytest.mark.parametrize(
    ("audio", "complaint"),
    [
        (lasting(10.0), "The reference lasts 10.0 s; the service takes more than 10 s and at most 600 s."),
        (lasting(0.04), "The reference lasts 0.0 s; the service"),
        (lasting(600.1), "The reference lasts 600.1 s; the service"),
        (lasting(9.5, truncated=True), "The reference lasts 9.5 s (the file is cut short); the service"),
    ],
    ids=["just too short", "much too short", "too long", "cut short"],
)
def test_a_reference_of_another_length_is_refused(audio: AudioInfo, complaint: str) -> None:
    """What the service would not take is not uploaded; a damaged file is called one."""
    with pytest.raises(InputError) as caught:
        check_reference_length(audio, MUSIC_01)
    assert caught.value.message.startswith(complaint)
