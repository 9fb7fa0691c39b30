"""The service's words: what is sent, and what is read in answers as they were recorded."""

import json
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from aiml_music._sansio.catalogue import MODELS, MUSIC_01, Model, find_model
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.models import AudioFacts, AudioSetting
from aiml_music._sansio.ports import ResponseHead
from aiml_music._sansio.wire import (
    Tracing,
    check_client_request_id,
    generate_payload,
    looks_like_json,
    read_reply,
    read_tracing,
    request_head,
)
from aiml_music._version import __version__

VOICE = "vocal-2025082518145625-6XW9wCOF"
INSTRUMENTAL = "instrumental-2025082518145625-vCCEiiES"

UPLOAD_ANSWER: dict[str, Any] = {
    "voice_id": VOICE,
    "instrumental_id": INSTRUMENTAL,
    "trace_id": "04fb6a8721abeee5b66edd452b4d0f33",
    "base_resp": {"status_code": 0, "status_msg": "success"},
}


@pytest.mark.parametrize("value", ["a", "order:17", "A-Z_a.z:0-9", "x" * 128])
def test_request_ids_the_service_keeps_are_accepted(value: str) -> None:
    """Up to 128 letters, digits and four signs are kept by the service."""
    assert check_client_request_id(value) == value


@pytest.mark.parametrize("value", ["", "x" * 129, "two words", "id\n", "a/b", "\u00e9", "\u0663", 7, None], ids=repr)
def test_request_ids_the_service_would_drop_are_refused(value: object) -> None:
    """An ill-formed id would be dropped silently, and the call billed without a trace."""
    with pytest.raises(InputError, match="client_request_id must be 1 to 128"):
        check_client_request_id(value)  # type: ignore[arg-type]  # that is the point


def test_a_request_says_what_it_is() -> None:
    """The head names the content, asks for an answer that is not compressed, and carries the id."""
    head = request_head("https://api/x", content_type="application/json", client_request_id="order:17")
    assert (head.method, head.url) == ("POST", "https://api/x")
    assert dict(head.headers) == {
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "close",
        "content-type": "application/json",
        "user-agent": f"aiml_music/{__version__}",
        "x-client-request-id": "order:17",
    }


def test_default_headers_are_added() -> None:
    """A header of the user's comes along, in place of ours where the names meet; none is sent twice."""
    head = request_head(
        "https://api/x",
        content_type="application/json",
        client_request_id="order:17",
        default_headers=(("user-agent", "choir/1"), ("x-team", "alto")),
    )
    assert len(dict(head.headers)) == len(head.headers) == 7
    assert dict(head.headers)["user-agent"] == "choir/1"
    assert dict(head.headers)["x-team"] == "alto"


SUNG = {"lyrics": "la", "refer_voice": VOICE}


def payload(**changes: Any) -> bytes:
    """Return the body of a plain generation, with changes."""
    arguments: dict[str, Any] = {"model": MUSIC_01, "fields": SUNG, "audio_setting": None, "extra_body": {}}
    return generate_payload(**(arguments | changes))


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({}, {"model": "music-01", "lyrics": "la", "refer_voice": VOICE}),
        (
            {"fields": {"lyrics": "la", "refer_instrumental": INSTRUMENTAL}},
            {"model": "music-01", "lyrics": "la", "refer_instrumental": INSTRUMENTAL},
        ),
        (
            {"audio_setting": AudioSetting()},
            {"model": "music-01", "lyrics": "la", "refer_voice": VOICE, "audio_setting": {"format": "mp3"}},
        ),
        (
            {"audio_setting": AudioSetting(format="wav", sample_rate=44_100, bitrate=256_000)},
            {
                "model": "music-01",
                "lyrics": "la",
                "refer_voice": VOICE,
                "audio_setting": {"format": "wav", "sample_rate": 44_100, "bitrate": 256_000},
            },
        ),
        (
            {"extra_body": {"seed": 7, "style": None}},
            {"model": "music-01", "lyrics": "la", "refer_voice": VOICE, "seed": 7, "style": None},
        ),
    ],
    ids=["voice", "instrumental", "format alone", "whole setting", "fields of tomorrow"],
)
def test_absent_fields_are_left_out(changes: dict[str, Any], body: dict[str, Any]) -> None:
    """What was not given is not sent, and never sent as null."""
    assert json.loads(payload(**changes)) == body


def test_lyrics_go_out_as_utf_8() -> None:
    """Every script is sent as itself, and line ends as JSON writes them."""
    assert '"lyrics": "\u6b4c\\n\U0001f3b5"'.encode() in payload(fields={"lyrics": "\u6b4c\n\U0001f3b5"})


@pytest.mark.parametrize(
    ("model", "extra", "said"),
    [
        ("music-01", {"seed": 1, "refer_instrumental": INSTRUMENTAL, "lyrics": "lo"}, "lyrics, refer_instrumental:"),
        ("music-01", {"model": "music-02"}, "model:"),
        ("music-01", {"audio_setting": {}}, "audio_setting:"),
        ("minimax-music", {"prompt": "lo"}, r"prompt \(here lyrics\):"),
        ("somebody/sings", {"lyrics": "lo", "tempo": 1}, "lyrics:"),
    ],
)
def test_extra_fields_repeat_none_of_ours(model: str, extra: dict[str, Any], said: str) -> None:
    """A field this library writes is given by its own argument, even one that is left out."""
    with pytest.raises(InputError, match=f"extra_body repeats {said}"):
        payload(model=find_model(model), fields={"lyrics": "la"}, extra_body=extra)


@pytest.mark.parametrize("model", ["minimax-music", "google/lyria2", "somebody/sings"])
def test_extra_fields_say_what_a_row_does_not(model: str) -> None:
    """What a model is not known to take can be sent all the same."""
    row = find_model(model)
    sent = json.loads(payload(model=row, fields={}, extra_body={"audio_setting": {"x": 1}, "steps": 3}))
    assert sent == {"model": model, "audio_setting": {"x": 1}, "steps": 3}


RATE = {"format": "wav", "bitrate": 32_000}


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in MODELS.values()])
def test_every_model_is_spoken_to_in_its_own_words(row: Model) -> None:
    """Fields go out under the names that the service has for them, and the sample rate under the model's."""
    fields = {field.name: f"<{field.name}>" for field in row.fields}
    setting = None if row.audio is None else AudioSetting(format="wav", sample_rate=16_000, bitrate=32_000)
    sent = json.loads(payload(model=row, fields=fields, audio_setting=setting))
    assert sent.pop("model") == row.id
    if row.audio is not None:
        assert sent.pop("audio_setting") == {**RATE, row.audio.rate_word: 16_000}
    assert sent == {field.wire: f"<{field.name}>" for field in row.fields}


@pytest.mark.parametrize(
    ("model", "word"),
    [
        ("music-01", "sample_rate"),
        ("minimax/music-1.5", "audio_sample_rate"),
        ("minimax/music-2.0", "audio_sample_rate"),
        ("minimax/music-2.6", "audio_sample_rate"),
        ("minimax/music-cover", "sample_rate"),
        ("somebody/sings", "sample_rate"),
    ],
)
def test_the_sample_rate_has_two_names(model: str, word: str) -> None:
    """The service's pages spell it one way for some models, and another for others."""
    setting = AudioSetting(sample_rate=24_000)
    sent = json.loads(payload(model=find_model(model), fields={}, audio_setting=setting))
    assert sent["audio_setting"] == {"format": "mp3", word: 24_000}


def test_the_lyrics_of_minimax_music_are_its_prompt() -> None:
    """The one model whose description of the music is the words themselves."""
    fields = {"lyrics": "la", "reference_audio_url": "https://example.com/a.mp3"}
    sent = json.loads(payload(model=MODELS["minimax-music"], fields=fields))
    assert sent == {"model": "minimax-music", "prompt": "la", "reference_audio_url": "https://example.com/a.mp3"}


def nested(depth: int) -> list[Any]:
    """Return lists inside lists."""
    outer: list[Any] = []
    for _ in range(depth):
        outer = [outer]
    return outer


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), {1}, b"bytes", "\ud800", {"\udfff": 1}, {(1, 2): 3}, CIRCLE, nested(100_000)],
    ids=["nan", "inf", "set", "bytes", "surrogate", "surrogate key", "tuple key", "circle", "depth"],
)
def test_what_json_has_no_word_for_is_refused(value: object) -> None:
    """A value that cannot be written is refused before anything is sent."""
    with pytest.raises(InputError, match="extra_body holds a value that JSON has no word for"):
        payload(extra_body={"x": value})


@pytest.mark.parametrize(
    ("headers", "tracing"),
    [
        ({}, Tracing()),
        (
            {
                "x-inference-id": "inf-1",
                "x-aimlapi-credits-used": "63000",
                "x-aimlapi-usd-spent": "0.0315",
            },
            Tracing(inference_id="inf-1", credits_used=63_000, usd_spent=Decimal("0.0315")),
        ),
        ({"x-inference-id": ""}, Tracing()),
        ({"x-inference-id": "a\x1b[1m" + "b" * 300}, Tracing(inference_id="a[1m" + "b" * 195 + "\u2026")),
        ({"x-aimlapi-credits-used": "0"}, Tracing(credits_used=0)),
        ({"x-aimlapi-credits-used": "-1"}, Tracing()),
        ({"x-aimlapi-credits-used": "1.5"}, Tracing()),
        ({"x-aimlapi-credits-used": "\u00b2"}, Tracing()),
        ({"x-aimlapi-credits-used": "9" * 15}, Tracing(credits_used=999_999_999_999_999)),
        ({"x-aimlapi-credits-used": "9" * 16}, Tracing()),
        ({"x-aimlapi-usd-spent": "0"}, Tracing(usd_spent=Decimal(0))),
        ({"x-aimlapi-usd-spent": "3.15E-2"}, Tracing(usd_spent=Decimal("0.0315"))),
        ({"x-aimlapi-usd-spent": "-0.01"}, Tracing()),
        ({"x-aimlapi-usd-spent": "NaN"}, Tracing()),
        ({"x-aimlapi-usd-spent": "sNaN"}, Tracing()),
        ({"x-aimlapi-usd-spent": "Infinity"}, Tracing()),
        ({"x-aimlapi-usd-spent": "$0.03"}, Tracing()),
        ({"x-aimlapi-usd-spent": ""}, Tracing()),
    ],
    ids=[
        "none",
        "all",
        "empty id",
        "dirty id",
        "no credits",
        "negative credits",
        "broken credits",
        "superscript credits",
        "most credits",
        "too many credits",
        "no dollars",
        "an exponent",
        "negative dollars",
        "nan",
        "signalling nan",
        "infinity",
        "a sign",
        "empty dollars",
    ],
)
def test_tracing_headers_are_read(headers: dict[str, str], tracing: Tracing) -> None:
    """What the headers say about id and cost is read; what is malformed counts as absent."""
    assert read_tracing(ResponseHead(status=200, headers=tuple(headers.items()))) == tracing


@pytest.mark.parametrize(
    ("beginning", "json_like"),
    [
        (b'{"data"', True),
        (b" \r\n\t{", True),
        (b"\xef\xbb\xbf{", True),
        (b"", False),
        (b"[1]", False),
        (b"<html>", False),
        (b"ID3\x04", False),
        (b'"text"', False),
    ],
    ids=["object", "blanks", "byte order mark", "nothing", "array", "HTML", "MP3", "string"],
)
def test_the_services_answers_are_objects(beginning: bytes, *, json_like: bool) -> None:
    """A body that does not begin an object is not the service's."""
    assert looks_like_json(beginning) is json_like


def test_the_recorded_upload_answer_is_read() -> None:
    """The answer on record, with the key its schema does not have, gives both ids."""
    reply = read_reply(UPLOAD_ANSWER)
    assert reply.accepted
    assert (reply.voice_id, reply.instrumental_id) == (VOICE, INSTRUMENTAL)
    assert reply.trace_id == "04fb6a8721abeee5b66edd452b4d0f33"
    assert reply.raw is UPLOAD_ANSWER
    assert not reply.in_progress


@pytest.mark.parametrize(
    ("base", "accepted"),
    [
        ({}, True),
        ({"base_resp": None}, True),
        ({"base_resp": {}}, True),
        ({"base_resp": "ok"}, True),
        ({"base_resp": []}, True),
        ({"base_resp": {"status_code": None}}, True),
        ({"base_resp": {"status_code": True}}, True),
        ({"base_resp": {"status_code": 0}}, True),
        ({"base_resp": {"status_code": 0, "status_msg": "error"}}, True),
        ({"base_resp": {"status_code": 1}}, False),
        ({"base_resp": {"status_code": 1008}}, False),
        ({"base_resp": {"status_code": -1}}, False),
    ],
    ids=json.dumps,
)
def test_only_a_number_other_than_zero_refuses(base: dict[str, Any], *, accepted: bool) -> None:
    """A track that was paid for is not thrown away for a `base_resp` that is absent or malformed."""
    assert read_reply(base).accepted is accepted


@pytest.mark.parametrize(
    ("data", "in_progress"),
    [({"status": 1}, True), ({"status": 2}, False), ({"status": True}, False), ({"status": "1"}, False), ({}, False)],
    ids=json.dumps,
)
def test_status_1_is_in_progress(data: dict[str, Any], *, in_progress: bool) -> None:
    """`data.status` 1 is a track that is not finished, and 2 is one that is."""
    assert read_reply({"data": data}).in_progress is in_progress


@pytest.mark.parametrize("data", [None, [], "text", 7, {}, {"audio": None}, {"audio": ""}, {"audio": 7}], ids=repr)
def test_data_of_another_type_counts_as_absent(data: object) -> None:
    """An answer without audio where it is expected has none."""
    reply = read_reply({"data": data})
    assert (reply.audio_link, reply.in_progress) == (None, False)


def test_text_in_place_of_audio_is_kept() -> None:
    """Where the service sends a link, it can be read."""
    assert read_reply({"data": {"audio": "https://cdn.example/x.mp3"}}).audio_link == "https://cdn.example/x.mp3"


@pytest.mark.parametrize("value", [None, "", 7, ["x"]], ids=repr)
def test_ids_of_another_type_count_as_absent(value: object) -> None:
    """Only text that is not empty is an id."""
    reply = read_reply({"voice_id": value, "instrumental_id": value, "trace_id": value})
    assert (reply.voice_id, reply.instrumental_id, reply.trace_id) == (None, None, None)


def test_a_trace_id_is_fit_to_be_shown() -> None:
    """The service's own id is shown to people, so it is cleaned and capped."""
    trace_id = read_reply({"trace_id": "04fb\x1b[2J" + "6" * 300}).trace_id
    assert trace_id == "04fb[2J" + "6" * 192 + "\u2026"


OLDER = {"audio_length": 59_300, "audio_size": 1_920_000, "audio_bitrate": 256_000, "audio_sample_rate": 44_100}
NEWER = {
    "music_duration": 59_300,
    "music_size": 1_920_000,
    "bitrate": 256_000,
    "music_sample_rate": 44_100,
    "music_channel": 2,
}
FACTS = AudioFacts(duration_ms=59_300, size_bytes=1_920_000, bitrate=256_000, sample_rate_hz=44_100)


@pytest.mark.parametrize(
    ("extra_info", "facts"),
    [
        (OLDER, FACTS),
        (OLDER | {"audio_channel": 1}, evolve(FACTS, channels=1)),
        (NEWER, evolve(FACTS, channels=2)),
        (dict.fromkeys(OLDER | NEWER, 0), AudioFacts()),
        (OLDER | {"audio_size": 0, "music_size": 7}, evolve(FACTS, size_bytes=7)),
        (OLDER | {"music_duration": 1}, FACTS),
        (dict.fromkeys(NEWER, -1), AudioFacts()),
        (dict.fromkeys(NEWER, True), AudioFacts()),
        (dict.fromkeys(NEWER, "7"), AudioFacts()),
        (dict.fromkeys(NEWER, 1.5), AudioFacts()),
        ({"unknown": 1, "music_duration": 1000}, AudioFacts(duration_ms=1000)),
        (None, AudioFacts()),
        ("text", AudioFacts()),
        ([], AudioFacts()),
    ],
    ids=[
        "older words",
        "older with channels",
        "newer words",
        "zeros",
        "a zero in one",
        "both",
        "negative",
        "bools",
        "strings",
        "fractions",
        "unknown words",
        "null",
        "a string",
        "a list",
    ],
)
def test_both_vocabularies_become_one(extra_info: object, facts: AudioFacts) -> None:
    """Older and newer names mean the same facts, and a zero means nothing."""
    assert read_reply({"extra_info": extra_info}).facts == facts


def test_an_echoed_key_shows_in_no_id_and_no_link() -> None:
    """A server that answers with the key where an id or a link belongs shows it to nobody."""
    key = "sk-canary-0123456789"
    document = {"trace_id": f"t-{key}", "data": {"audio": f"https://x.test/?k={key}"}}
    reply = read_reply(document, secret=key)
    tracing = read_tracing(ResponseHead(status=200, headers=(("x-inference-id", f"i-{key}"),)), secret=key)
    assert (reply.trace_id, reply.audio_link) == ("t-***", "https://x.test/?k=***")
    assert tracing.inference_id == "i-***"
