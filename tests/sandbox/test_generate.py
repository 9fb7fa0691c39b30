"""The generation route: what it takes and refuses, and what it answers and costs."""

import json
from collections.abc import Callable

import httpx
import pytest

from aiml_music.sandbox import Settings, running
from tests.sandbox.conftest import GENERATE, dial
from tests.sandbox.queues import Body

Build = Callable[..., Body]
Charges = Callable[[], int]
RATE_PATH = ["audio_setting", "sample_rate"]


def test_a_track_comes_as_hex_with_what_it_cost(client: httpx.Client, body: Build, charges: Charges) -> None:
    """A good request answers with audio, true numbers and the price, and is charged once."""
    response = client.post(GENERATE, json=body())
    answer = response.json()
    assert response.status_code == 200
    assert list(answer) == ["data", "extra_info", "analysis_info", "trace_id", "base_resp"]
    assert answer["data"]["status"] == 2
    assert answer["analysis_info"] is None
    assert answer["base_resp"] == {"status_code": 0, "status_msg": "success"}
    assert len(bytes.fromhex(answer["data"]["audio"])) == answer["extra_info"]["audio_size"]
    assert response.headers["x-aimlapi-credits-used"] == "63000"
    assert response.headers["x-aimlapi-usd-spent"] == "0.0315"
    assert charges() == 1


def test_same_request_same_bytes(client: httpx.Client, body: Build, charges: Charges) -> None:
    """Asked twice, the same track comes twice and is paid twice."""
    first, second = (client.post(GENERATE, json=body()).json()["data"] for _ in range(2))
    assert first == second
    assert charges() == 2


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"model": "music-02"}, ["model"], "invalid_enum_value"),
        ({"model": None}, ["model"], "invalid_type"),
        ({"lyrics": 7}, ["lyrics"], "invalid_type"),
        ({"lyrics": None}, ["lyrics"], "invalid_type"),
        ({"refer_voice": None}, ["refer_voice"], "invalid_type"),
        ({"refer_instrumental": None}, ["refer_instrumental"], "invalid_type"),
        ({"refer_voice": ["x"]}, ["refer_voice"], "invalid_type"),
        ({"audio_setting": None}, ["audio_setting"], "invalid_type"),
        ({"audio_setting": {}}, ["audio_setting", "format"], "invalid_type"),
        ({"audio_setting": {"format": "flac"}}, ["audio_setting", "format"], "invalid_enum_value"),
        ({"audio_setting": {"format": "pcm", "sample_rate": 1}}, RATE_PATH, "invalid_enum_value"),
        ({"audio_setting": {"format": "mp3", "bitrate": 1}}, ["audio_setting", "bitrate"], "invalid_enum_value"),
        ({"audio_setting": {"format": "mp3", "bitrate": None}}, ["audio_setting", "bitrate"], "invalid_type"),
    ],
)  # fmt: skip
def test_wrong_fields_are_named(
    client: httpx.Client, body: Build, charges: Charges, changes: Body, path: list[str], code: str
) -> None:
    """Each wrong field is listed with its path and kind, and nothing is charged."""
    response = client.post(GENERATE, json=body(**changes))
    (issue,) = response.json()["error"]["data"]
    assert (response.status_code, issue["path"], issue["code"]) == (400, path, code)
    assert issue["message"]
    assert charges() == 0


def test_every_wrong_field_is_listed_at_once(client: httpx.Client) -> None:
    """An empty object lacks the model and the lyrics."""
    issues = client.post(GENERATE, json={}).json()["error"]["data"]
    assert [(issue["path"], issue["message"]) for issue in issues] == [
        (["model"], "Required"),
        (["lyrics"], "Required"),
    ]


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b'{"model": NaN}'])
def test_broken_json_is_refused(client: httpx.Client, content: bytes) -> None:
    """What is not JSON is refused before anything else is looked at."""
    response = client.post(GENERATE, content=content, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["message"]) == (400, "The body is not valid JSON")


def test_json_that_is_no_object_is_refused(client: httpx.Client) -> None:
    """A list is JSON, but not a request."""
    (issue,) = client.post(GENERATE, json=[]).json()["error"]["data"]
    assert (issue["expected"], issue["received"]) == ("object", "array")


def test_other_content_types_are_refused(client: httpx.Client, body: Build) -> None:
    """JSON has to be announced as JSON."""
    assert client.post(GENERATE, data=body()).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"refer_voice": "vocal-2025010100000000-a0AAAaaa"},
        {"refer_instrumental": "vocal-2025010100000000-a0AAAaaa"},
        {"lyrics": " \n"},
        {"lyrics": "x" * 601},
    ],
    ids=["unknown", "wrong kind", "nothing to sing", "too long"],
)
def test_the_provider_refuses_inside_200(client: httpx.Client, body: Build, charges: Charges, changes: Body) -> None:
    """Ids that do not exist and lyrics that do not fit are refused with HTTP 200, and not charged."""
    response = client.post(GENERATE, json=body(**changes))
    assert (response.status_code, response.json()["base_resp"]["status_code"]) == (200, 2013)
    assert "data" not in response.json()
    assert charges() == 0


def test_ids_do_not_change_places(client: httpx.Client, body: Build) -> None:
    """A voice is not an instrumental, though both ids exist."""
    good = body()
    swapped = {**good, "refer_voice": good["refer_instrumental"], "refer_instrumental": good["refer_voice"]}
    assert client.post(GENERATE, json=swapped).json()["base_resp"]["status_code"] == 2013


def test_at_least_one_reference_is_needed(client: httpx.Client) -> None:
    """Lyrics alone are not enough."""
    answer = client.post(GENERATE, json={"model": "music-01", "lyrics": "la"}).json()
    assert answer["base_resp"]["status_code"] == 2013


@pytest.mark.parametrize("name", ["refer_voice", "refer_instrumental"])
def test_one_reference_is_enough(client: httpx.Client, body: Build, name: str) -> None:
    """Either id may be left out."""
    good = body()
    answer = client.post(GENERATE, json={key: good[key] for key in ("model", "lyrics", name)}).json()
    assert answer["base_resp"]["status_code"] == 0


def test_lone_surrogates_are_sung(client: httpx.Client, body: Build) -> None:
    """Half a character is legal in JSON and breaks nothing."""
    content = json.dumps(body(lyrics="la \ud800")).encode()
    response = client.post(GENERATE, content=content, headers={"content-type": "application/json; charset=utf-8"})
    assert response.json()["base_resp"]["status_code"] == 0


def test_large_requests_are_refused() -> None:
    """More JSON than allowed is refused with 413."""
    with running(Settings(max_request_bytes=100)) as server, dial(server) as client:
        response = client.post(GENERATE, json={"lyrics": "x" * 200})
    assert (response.status_code, response.json()["statusCode"]) == (413, "413")


def test_no_limit_for_lyrics() -> None:
    """With the limit taken away, a whole poem is sung."""
    with running(Settings(latency=0, longest_track=1, max_lyrics=None)) as server, dial(server) as client:
        (voice,) = server.sandbox.add_reference(b"", ("vocal",))
        answer = client.post(GENERATE, json={"model": "music-01", "lyrics": "la " * 999, "refer_voice": voice}).json()
    assert answer["base_resp"]["status_code"] == 0
