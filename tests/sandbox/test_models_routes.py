"""Which models are served and what they cost: anybody may ask."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from aiml_music.sandbox import RunningSandbox, Settings, running
from aiml_music.sandbox.living import LIVING_MODELS
from tests.sandbox.conftest import settle
from tests.sandbox.queues import PLAIN

MODELS = "/v1/models"
ALWAYS = {"id", "info", "type", "aliases", "tags"}
SECTIONS = {"pricing", "modalities", "capabilities"}


@pytest.fixture
def http(queueing: RunningSandbox) -> Iterator[httpx.Client]:
    """A client without a key."""
    with httpx.Client(base_url=queueing.base_url, verify=PLAIN, timeout=20) as client:
        yield client
    settle(queueing)


def ids(http: httpx.Client, **query: Any) -> list[str]:
    return [model["id"] for model in http.get(MODELS, params=query).json()["data"]]


@pytest.mark.parametrize("path", [MODELS, "/models", "/api/v1/models"])
def test_all_models_are_listed_without_their_sections(http: httpx.Client, path: str) -> None:
    """What is always there is there, and the rest has to be asked for."""
    answer = http.get(path).json()
    assert answer["object"] == "list"
    assert [model["id"] for model in answer["data"]] == ["music-01", *LIVING_MODELS]
    assert all(model.keys() == ALWAYS for model in answer["data"])


@pytest.mark.parametrize(
    ("query", "sections"),
    [
        ({"include": "pricing"}, {"pricing"}),
        ({"include": "pricing, Modalities,nonsense"}, {"pricing", "modalities"}),
        ({"include": ["pricing", "capabilities"]}, {"pricing", "capabilities"}),
        ({"include": "all"}, SECTIONS),
        ({"details": "true"}, SECTIONS),
        ({"details": "no"}, set()),
    ],
)
def test_sections_are_attached_when_asked_for(http: httpx.Client, query: dict[str, Any], sections: set[str]) -> None:
    """By name, in one word or several; a name that nobody knows is not refused."""
    assert all(model.keys() == ALWAYS | sections for model in http.get(MODELS, params=query).json()["data"])


def test_prices_are_those_that_are_charged(http: httpx.Client) -> None:
    """A price is for so many units; here for one generation."""
    (model,) = http.get(MODELS, params={"id": "music-2.6", "include": "pricing"}).json()["data"]
    unit = {"name": "generation", "measure": "output", "price": 0.195, "per": 1}
    assert model["pricing"] == {"kind": "fixed", "currency": "USD", "units": [unit]}
    (direct,) = http.get(MODELS, params={"id": "music-01", "include": "pricing"}).json()["data"]
    assert direct["pricing"]["units"][0]["price"] == 0.0315


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"id": "google/lyria2"}, ["google/lyria2"]),
        ({"id": "LYRIA2"}, ["google/lyria2"]),
        ({"id": "stable-audio,music-01"}, ["music-01", "stable-audio"]),
        ({"id": ["stable-audio", "music-01"]}, ["music-01", "stable-audio"]),
        ({"id": "gpt-4o"}, []),
        ({"input_modalities": "audio"}, ["music-01", "minimax-music", "minimax/music-cover"]),
        ({"modalities": "audio", "tags": "playground:audio", "id": "stable-audio"}, ["stable-audio"]),
        ({"output_modalities": "video"}, []),
        ({"capabilities": "music_generation", "id": "music-01"}, ["music-01"]),
        ({"type": "openai/chat-completions"}, []),
    ],
)
def test_filters_narrow_the_list(http: httpx.Client, query: dict[str, Any], found: list[str]) -> None:
    """Several values are alternatives, several filters conditions; an alias counts as the id."""
    assert ids(http, **query) == found


@pytest.mark.parametrize("name", ["minimax/music-2.6", "music-2.6", "MiniMax/Music-2.6"])
def test_one_model_is_looked_up(http: httpx.Client, name: str) -> None:
    """Its id stands in the path as it is; an alias and other letters lead there too."""
    answer = http.get(f"/model/{name}", params={"include": "pricing"}).json()
    assert answer["object"] == "model"
    assert (answer["data"]["id"], answer["data"]["aliases"]) == ("minimax/music-2.6", ["music-2.6"])
    assert answer["data"].keys() == ALWAYS | {"pricing"}


def test_an_unknown_model_is_not_found(http: httpx.Client) -> None:
    """The refusal has the usual shape."""
    response = http.get("/model/music-02")
    assert (response.status_code, response.json()["statusCode"]) == (404, "404")


@pytest.mark.parametrize("path", [MODELS, "/model/music-01"])
def test_an_answer_that_is_known_is_not_sent_again(http: httpx.Client, path: str) -> None:
    """A tag is for one answer to one question."""
    tag = http.get(path).headers["etag"]
    assert tag.startswith('W/"')
    for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        answer = http.get(path, headers={"if-none-match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    other = http.get(path, params={"include": "pricing"}, headers={"if-none-match": tag})
    assert other.status_code == 200
    assert other.headers["etag"] != tag


def test_a_withdrawn_model_is_gone() -> None:
    """It is neither listed nor found, and a generation with it is refused with the names of those that live."""
    with (
        running(Settings(withdrawn=frozenset({"music-01"}))) as server,
        httpx.Client(base_url=server.base_url, verify=PLAIN, timeout=20) as http,
    ):
        assert ids(http) == [*LIVING_MODELS]
        assert http.get("/model/music-01").status_code == 404
        refused = http.post(
            "/v2/generate/audio/minimax/generate",
            json={"model": "music-01", "lyrics": "la"},
            headers={"authorization": f"Bearer {server.api_key}"},
        )
        (issue,) = refused.json()["error"]["data"]
        assert (refused.status_code, issue["path"], issue["received"]) == (400, ["model"], "music-01")
        assert "minimax/music-2.6" in issue["options"]


def test_openapi_describes_the_models_truly(http: httpx.Client) -> None:
    """The document knows the members that an entry has."""
    schema = http.get("/openapi.json").json()["components"]["schemas"]["Model"]
    for model in http.get(MODELS, params={"include": "all"}).json()["data"]:
        assert model.keys() == schema["properties"].keys()
        assert model["info"].keys() == schema["properties"]["info"]["properties"].keys()
    assert set(schema["required"]) == ALWAYS
