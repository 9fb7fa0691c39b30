"""What is asked for, checked whole before it costs anything."""

import json
from pathlib import PurePath
from typing import Any

import pytest
from attrs import evolve

from aiml_music._sansio.audio import AudioInfo
from aiml_music._sansio.catalogue import MODELS, MUSIC_01, AudioWords, find_model
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.inspection import largest_bytes
from aiml_music._sansio.models import AudioFormat, AudioSetting, Purpose, Reference
from aiml_music._sansio.order import (
    GenerateOrder,
    check_audio_setting,
    check_output_name,
    check_purpose,
    check_reference_length,
    generate_order,
)
from tests.model_rows import INSTRUMENTAL, NAMES, VOICE, plain_arguments, split


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


def asked_of(model: str, **changes: Any) -> GenerateOrder:
    """Order the plainest track of a model, with changes."""
    return order(model=model, **({"lyrics": None, "refer_voice": None} | split(plain_arguments(model)) | changes))


def sent_to(model: str, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(asked_of(model, **changes).payload)
    return fields


@pytest.mark.parametrize("model", NAMES)
def test_every_model_has_an_order_of_its_own(model: str) -> None:
    """What was asked for goes out, and nothing else; what will come is known where the row says so."""
    asked, row = asked_of(model), find_model(model)
    words = {field.name: field.wire for field in row.fields}
    given = {words.get(name, name): value for name, value in plain_arguments(model).items()}
    assert json.loads(asked.payload) == {"model": model} | given
    assert asked.model == row
    assert (asked.audio_format, asked.audio_setting, asked.reference_audio) == (row.audio_format, None, None)
    assert asked.room_bytes == largest_bytes(None, row)


@pytest.mark.parametrize("model", NAMES)
def test_every_model_is_asked_for_the_audio_it_offers(model: str) -> None:
    """Whoever chooses a format gets it, or hears at once that there is no choice."""
    row = find_model(model)
    if row.audio is not None or not row.known:
        asked = asked_of(model, audio_setting={"format": "wav"})
        assert asked.audio_format == "wav"
        assert json.loads(asked.payload)["audio_setting"] == {"format": "wav"}
        return
    with pytest.raises(InputError, match=f"{model} takes no audio_setting"):
        asked_of(model, audio_setting={"format": "wav"})


def test_a_model_may_offer_less_than_others() -> None:
    """Formats, rates and bitrates are those of the row."""
    row = evolve(MUSIC_01, audio=AudioWords(formats=("mp3",), sample_rates=(44_100,), bitrates=(256_000,)))
    best = AudioSetting(sample_rate=44_100, bitrate=256_000)
    assert check_audio_setting(best, row) is best
    assert check_audio_setting(AudioSetting(), row) == AudioSetting()
    for lesser, name in (
        (AudioSetting(format="wav"), "format of music-01 must be one of 'mp3'"),
        (AudioSetting(sample_rate=16_000), "sample_rate of music-01 must be one of 44100"),
        (AudioSetting(bitrate=32_000), "bitrate of music-01 must be one of 256000"),
    ):
        with pytest.raises(InputError, match=name):
            check_audio_setting(lesser, row)


@pytest.mark.parametrize(
    ("model", "changes", "complaint", "hint"),
    [
        ("google/lyria2", {"lyrics": "la"}, "google/lyria2 takes no lyrics.", "Models that do: music-01"),
        ("google/lyria2", {"refer_voice": VOICE}, "google/lyria2 takes no refer_voice.", "Models that do: music-01."),
        ("google/lyria2", {"reference": Reference()}, "google/lyria2 takes no uploaded reference.", "Leave it out."),
        ("minimax-music", {"reference": "a.mp3"}, "minimax-music takes no uploaded", "Give an address"),
        ("minimax/music-cover", {"reference": "a.mp3"}, "minimax/music-cover takes no uploaded", "Give a file as"),
        ("minimax-music", {"reference_audio": b"x"}, "minimax-music takes no reference_audio.", "minimax/music-cover."),
        ("somebody/sings", {"reference_audio": b"x"}, "somebody/sings takes no reference_audio.", "minimax/music-cov"),
        ("minimax/music-cover", {"reference_audio": b"x"}, "Give either reference_audio= or", "None"),
        ("minimax/music-2.6", {"fields": {}}, "minimax/music-2.6 needs prompt or lyrics.", "None"),
        ("minimax-music", {"fields": {}}, "minimax-music needs reference_audio_url.", "None"),
        ("somebody/sings", {"fields": {"x": {1}}}, "The request holds a value that JSON", "None"),
        ("somebody/sings", {"extra_body": {"tempo": 1}}, "extra_body repeats tempo:", "None"),
        ("music-01", {"lyrics": None}, "music-01 needs lyrics.", "None"),
    ],
)
def test_what_a_model_does_not_take_is_refused(model: str, changes: dict[str, Any], complaint: str, hint: str) -> None:
    """Before money, with what to do instead."""
    with pytest.raises(InputError) as caught:
        asked_of(model, **changes)
    assert caught.value.message.startswith(complaint)
    assert hint in str(caught.value.hint)


def test_a_reference_may_go_into_the_request() -> None:
    """What it is is nobody's business here: it is opened and looked at before it is sent."""
    asked = asked_of("minimax/music-cover", fields={"prompt": "a slow waltz"}, reference_audio="song.mp3")
    assert asked.reference_audio == "song.mp3"
    assert json.loads(asked.payload) == {"model": "minimax/music-cover", "prompt": "a slow waltz"}


def test_a_model_nobody_knows_may_sing_with_ids() -> None:
    """A reference that was uploaded is given as what it is."""
    sent = sent_to("somebody/sings", reference=Reference(voice_id=VOICE))
    assert sent == {"model": "somebody/sings", "lyrics": "la", "refer_voice": VOICE, "tempo": 120}


@pytest.mark.parametrize(
    ("model", "name", "complaint", "hint"),
    [
        (
            "google/lyria2",
            "rain.mp3",
            "rain.mp3 is named as mp3, but the audio of google/lyria2 is wav.",
            "Name the file",
        ),
        ("minimax/music-2.6", "a.wav", "a.wav is named as wav, but the audio asked for is mp3.", "Pass audio_setting="),
    ],
)
def test_a_name_that_promises_something_else_is_told_the_way_out(
    model: str, name: str, complaint: str, hint: str
) -> None:
    """Another setting where there is one, else another name."""
    with pytest.raises(InputError) as caught:
        check_output_name(PurePath(name), asked_of(model))
    assert caught.value.message == complaint
    assert str(caught.value.hint).startswith(hint)


@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a"])
def test_a_track_of_no_known_format_may_have_any_name(name: str) -> None:
    """Nobody can promise anything."""
    check_output_name(PurePath(name), asked_of("elevenlabs/eleven_music"))


COVER = MODELS["minimax/music-cover"]


@pytest.mark.parametrize("seconds", [6.0, 6.001, 360.0])
def test_a_cover_is_made_of_six_seconds_to_six_minutes(seconds: float) -> None:
    """Both limits are within."""
    check_reference_length(lasting(seconds), COVER)


@pytest.mark.parametrize("seconds", [5.99, 360.01])
def test_a_cover_is_made_of_nothing_else(seconds: float) -> None:
    """The limits are told."""
    with pytest.raises(InputError, match=r"the service takes at least 6 s and at most 360 s\."):
        check_reference_length(lasting(seconds), COVER)
