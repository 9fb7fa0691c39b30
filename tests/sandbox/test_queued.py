"""The models that are submitted and polled: what they take and refuse, and what they answer and cost."""

import contextlib
import functools
import io
import json
import re
import socket
import wave
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from aiml_music.sandbox import Sandbox, Settings, running
from aiml_music.sandbox.living import LIVING_MODELS
from aiml_music.sandbox.mp3 import walk_frames
from aiml_music.sandbox.probe import wrong_cover
from aiml_music.sandbox.wav import measure_wav, wav_file
from aiml_music.testing import FakeClock
from tests.sandbox.conftest import dial
from tests.sandbox.queues import LYRICS, PROMPT, QUEUED, REQUESTS, Body, Queue, as_base64, wanted

SHORT_ID = r"[A-Za-z0-9_-]{21}"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
BARE = {"url"}
FILE = {"url", "content_type", "file_name", "file_size"}
MUSIC = {"extra_info", "trace_id"}

# What the public documentation shows of each: the ids, what a submit says beside id and status, what `audio_file` has,
# what a finished generation says beside it, and the type and name of the file.
RECORDED: dict[str, tuple[str, set[str], set[str], set[str], str, str]] = {
    "minimax-music": (f"{UUID}:minimax-music", set(), FILE, set(), "audio/mpeg", ".mp3"),
    "minimax/music-1.5": (f"{UUID}:minimax/music-1.5", set(), BARE, MUSIC, "audio/mpeg", ".mp3"),
    "minimax/music-2.0": (f"{UUID}:minimax/music-2.0", set(), BARE, MUSIC, "audio/mpeg", ".mp3"),
    "minimax/music-2.6": (SHORT_ID, {"meta"}, BARE, set(), "audio/mpeg", ".mp3"),
    "minimax/music-cover": (SHORT_ID, set(), BARE, set(), "audio/mpeg", ".mp3"),
    "google/lyria2": (f"{UUID}:lyria2", set(), FILE, set(), "audio/wav", ".wav"),
    "stable-audio": (f"{UUID}:stable-audio", set(), FILE, set(), "application/octet-stream", ".wav"),
    "elevenlabs/eleven_music": (f"{UUID}:elevenlabs/eleven_music", set(), BARE, set(), "audio/mpeg", ".mp3"),
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(unix=1_800_000_000)


@pytest.fixture
def timed(clock: FakeClock) -> Iterator[Queue]:
    """A sandbox whose generations wait ten seconds of its own clock, and take twenty."""
    settings = Settings(longest_track=1, queue_seconds=10, generating_seconds=20, result_lives=100)
    with running(sandbox=Sandbox(settings, clock=clock.time, encoder=None)) as server, dial(server) as client:
        yield Queue(server, client)


def test_every_model_has_a_request_here() -> None:
    """A model that is added is tested by being added."""
    assert RECORDED.keys() == REQUESTS.keys() == LIVING_MODELS.keys()


@pytest.mark.parametrize("model", LIVING_MODELS)
def test_answers_have_exactly_the_members_that_were_recorded(queue: Queue, model: str) -> None:
    """From submit to track, each model answers as its documentation shows, and is charged once."""
    ids, submitted_beside, of_file, polled_beside, media_type, suffix = RECORDED[model]
    submitted = queue.submit(wanted(model))
    answer = submitted.json()
    assert submitted.status_code == 200
    assert answer.keys() == {"id", "status"} | submitted_beside
    assert answer["status"] == "queued"
    done = queue.outcome(answer["id"])
    assert done.keys() == {"id", "status", "audio_file"} | polled_beside
    assert done["audio_file"].keys() == of_file
    assert (done["id"], done["status"]) == (answer["id"], "completed")
    assert httpx.URL(done["audio_file"]["url"]).path.endswith(suffix)
    assert re.fullmatch(ids, answer["id"])
    track = queue.fetch(done["audio_file"]["url"])
    assert (track.status_code, track.headers["content-type"]) == (200, media_type)
    assert done["audio_file"].get("file_size", len(track.content)) == len(track.content)
    assert done["audio_file"].get("content_type", media_type) == media_type
    assert queue.charges() == 1


@pytest.mark.parametrize("model", LIVING_MODELS)
def test_tracks_are_what_their_names_say(queue: Queue, model: str) -> None:
    """An MP3 has frames, a WAV its header; both last as long as the sandbox lets them."""
    audio = queue.track(wanted(model))
    if LIVING_MODELS[model].setting.format == "wav":
        with wave.open(io.BytesIO(audio)) as file:
            assert file.getnchannels() == 1
    else:
        assert sum(frame.samples / frame.sample_rate_hz for frame in walk_frames(audio)) == pytest.approx(1, abs=0.1)


def test_what_was_paid_is_told_and_written_down(queue: Queue) -> None:
    """The headers of the submit have the price, polls cost nothing, and the books know the call by its own name."""
    submitted = queue.submit(wanted("minimax/music-2.6"), **{"x-client-request-id": "paid-once"})
    assert submitted.json()["meta"] == {"usage": {"credits_used": 390_000, "usd_spent": 0.195}}
    assert submitted.headers["x-aimlapi-credits-used"] == "390000"
    assert queue.poll(submitted.json()["id"]).headers["x-aimlapi-credits-used"] == "0"
    row = queue.http.get("/v2/logs", params={"period": "1h"}).json()["data"][0]
    assert (row["model"], row["client_request_id"]) == ("minimax/music-2.6", "paid-once")
    assert (row["status"], row["cost"]) == ("succeeded", {"usd": 0.195, "credits": 390_000})
    assert row["inference_id"] == submitted.headers["x-inference-id"]
    charge = queue.http.get("/v2/billing/transactions").json()["data"][0]
    assert (charge["model"], charge["reference_id"]) == ("minimax/music-2.6", row["inference_id"])


def test_the_status_follows_the_clock(timed: Queue, clock: FakeClock) -> None:
    """Queued, then generating, then completed; what was asked of it stands in the state."""
    name = timed.submit(wanted("stable-audio"), **{"x-client-request-id": "mine"}).json()["id"]
    statuses = []
    for seconds in (0, 9, 1, 19):
        clock.pass_by(seconds)
        statuses.append(timed.poll(name).json()["status"])
    clock.pass_by(1)
    assert statuses == ["queued", "queued", "generating", "generating"]
    assert timed.outcome(name)["status"] == "completed"
    (generation,) = timed.http.get("/sandbox/state").json()["generations"]
    assert generation["polls"] >= 5
    assert {member: generation[member] for member in generation if member != "polls"} == {
        "id": name,
        "model": "stable-audio",
        "stage": "over",
        "charged_credits": 100_000,
        "client_request_id": "mine",
        "fetches": 0,
    }


def test_a_quarter_of_the_latency_is_waited_and_another_worked() -> None:
    """So a sandbox without latency is done at once, and one as slow as the service takes its time."""
    assert Settings().stages == (0.5, 0.5)
    assert Settings(latency=60).stages == (15, 15)
    assert Settings(latency=60, queue_seconds=0, generating_seconds=1).stages == (0, 1)
    with pytest.raises(ValueError, match="queue_seconds"):
        Settings(queue_seconds=-1)


def test_another_server_goes_on_with_what_was_submitted(clock: FakeClock) -> None:
    """What was submitted to a server that ended before it was recorded can be collected from the next one."""
    sandbox = Sandbox(Settings(latency=0, longest_track=1), clock=clock.time)
    with running(sandbox=sandbox) as server, dial(server) as client:
        name = Queue(server, client).submit(wanted("google/lyria2")).json()["id"]
    job = sandbox.jobs.find(name)
    assert job is not None
    job.made = None
    with running(sandbox=sandbox) as server, dial(server) as client:
        queue = Queue(server, client)
        assert measure_wav(queue.fetch(queue.outcome(name)["audio_file"]["url"]).content)
    assert sandbox.charges == 1


def test_a_server_ends_though_a_track_is_being_made() -> None:
    """A long track does not hold up the end, and nobody is told of it."""
    with running(Settings(latency=0)) as server, dial(server) as client:
        for number in range(3):
            Queue(server, client).submit(wanted("google/lyria2", seed=number))


def silence(seconds: int) -> bytes:
    return wav_file(bytes(2 * 8000 * seconds), sample_rate_hz=8000, title="", comment="")


def issues_of(response: httpx.Response) -> list[tuple[list[str], str]]:
    assert response.status_code == 400
    return [(issue["path"], issue["code"]) for issue in response.json()["error"]["data"]]


@pytest.mark.parametrize(
    ("model", "changes", "path", "code"),
    [
        ("minimax-music", {"prompt": "x" * 601}, ["prompt"], "too_big"),
        ("minimax-music", {"reference_audio_url": "reference.mp3"}, ["reference_audio_url"], "invalid_string"),
        ("minimax-music", {"reference_audio_url": "aaaa"}, ["reference_audio_url"], "invalid_string"),
        ("minimax-music", {"reference_audio_url": 7}, ["reference_audio_url"], "invalid_type"),
        ("minimax/music-1.5", {"prompt": "x" * 9}, ["prompt"], "too_small"),
        ("minimax/music-1.5", {"prompt": "x" * 301}, ["prompt"], "too_big"),
        ("minimax/music-2.0", {"prompt": "x" * 2001}, ["prompt"], "too_big"),
        ("minimax/music-2.0", {"lyrics": "x" * 3001}, ["lyrics"], "too_big"),
        ("minimax/music-2.0", {"lyrics": None}, ["lyrics"], "invalid_type"),
        ("minimax/music-2.6", {"prompt": None}, ["prompt"], "invalid_type"),
        ("minimax/music-2.6", {"is_instrumental": "yes"}, ["is_instrumental"], "invalid_type"),
        ("minimax/music-2.6", {"audio_setting": []}, ["audio_setting"], "invalid_type"),
        ("minimax/music-2.6", {"audio_setting": {"format": "flac"}}, ["audio_setting", "format"], "invalid_enum_value"),
        (
            "minimax/music-2.6",
            {"audio_setting": {"audio_sample_rate": 1}},
            ["audio_setting", "audio_sample_rate"],
            "invalid_enum_value",
        ),
        ("minimax/music-cover", {"reference_audio_url": "a?"}, ["reference_audio_url"], "invalid_string"),
        ("minimax/music-cover", {"reference_audio_url": "aaaaa"}, ["reference_audio_url"], "invalid_string"),
        ("google/lyria2", {"seed": -1}, ["seed"], "too_small"),
        ("google/lyria2", {"seed": True}, ["seed"], "invalid_type"),
        ("google/lyria2", {"negative_prompt": 1}, ["negative_prompt"], "invalid_type"),
        ("stable-audio", {"seconds_total": 48}, ["seconds_total"], "too_big"),
        ("stable-audio", {"seconds_start": 0}, ["seconds_start"], "too_small"),
        ("stable-audio", {"steps": 1.5}, ["steps"], "invalid_type"),
        ("elevenlabs/eleven_music", {"music_length_ms": 9_999}, ["music_length_ms"], "too_small"),
        ("music-01", {}, ["model"], "invalid_enum_value"),
        (None, {}, ["model"], "invalid_type"),
    ],
)
def test_wrong_fields_are_named(queue: Queue, model: str | None, changes: Body, path: list[str], code: str) -> None:
    """Each wrong field is listed with its path and kind, and nothing is charged."""
    body = {"model": model, **REQUESTS.get(model or "", {}), **changes}
    assert issues_of(queue.submit(body)) == [(path, code)]
    assert queue.charges() == 0


@pytest.mark.parametrize("model", LIVING_MODELS)
def test_what_is_required_must_be_there(queue: Queue, model: str) -> None:
    """A name alone is a request only where nothing else is required, and even there it says too little."""
    required = [[field.name] for field in LIVING_MODELS[model].fields if field.required]
    response = queue.submit({"model": model})
    if required:
        assert issues_of(response) == [(path, "invalid_type") for path in required]
    else:
        assert (response.status_code, response.json()["message"]) == (400, "Either prompt or lyrics is needed")


def test_a_list_is_no_request(queue: Queue) -> None:
    """It is JSON, and nothing more."""
    response = queue.http.post(QUEUED, json=[])
    assert issues_of(response) == [([], "invalid_type")]


def test_aliases_are_served(queue: Queue) -> None:
    """A model answers to its other names as well, and says its own."""
    queue.submit({"model": "lyria2", "prompt": PROMPT})
    assert queue.server.sandbox.jobs.state()[-1]["model"] == "google/lyria2"


def test_the_same_request_makes_the_same_track(queue: Queue) -> None:
    """Nothing is left to chance."""
    body = wanted("minimax/music-2.0")
    assert queue.track(body) == queue.track(body)


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("minimax-music", {"prompt": "##Another day##"}),
        ("minimax-music", {"reference_audio_url": "https://example.org/other.mp3"}),
        ("minimax/music-1.5", {"lyrics": "[Chorus]\nQuite other words"}),
        ("minimax/music-2.6", {"is_instrumental": True}),
        ("minimax/music-2.6", {"lyrics_optimizer": True}),
        ("minimax/music-2.6", {"audio_setting": {"audio_sample_rate": 16000}}),
        ("minimax/music-2.6", {"audio_setting": {"format": "wav"}}),
        ("google/lyria2", {"seed": 7}),
        ("google/lyria2", {"negative_prompt": "drums"}),
        ("stable-audio", {"steps": 7}),
        ("stable-audio", {"seconds_start": 7}),
        ("elevenlabs/eleven_music", {"prompt": "Another"}),
    ],
)
def test_another_field_is_another_track(queue: Queue, model: str, changes: Body) -> None:
    """Whatever is asked for is in the bytes."""
    assert queue.track(wanted(model, **changes)) != queue.track(wanted(model))


def test_a_rate_by_another_models_name_is_not_heard(queue: Queue) -> None:
    """`sample_rate` is what music-cover calls it; the others call it `audio_sample_rate`."""
    rates = []
    for model in ("minimax/music-2.6", "minimax/music-cover"):
        audio = queue.track(wanted(model, audio_setting={"sample_rate": 16000}))
        rates.append(next(walk_frames(audio)).sample_rate_hz)
    assert rates == [44100, 16000]


def test_a_track_lasts_as_long_as_is_asked() -> None:
    """In seconds or milliseconds, where a model has a field for it."""
    with running(sandbox=Sandbox(Settings(latency=0), encoder=None)) as server, dial(server) as client:
        queue = Queue(server, client)
        extent = measure_wav(queue.track(wanted("stable-audio", seconds_total=2)))
        assert extent is not None
        assert extent.seconds == pytest.approx(2, abs=0.01)
        frames = walk_frames(queue.track(wanted("elevenlabs/eleven_music", music_length_ms=11_000)))
        assert sum(frame.samples / frame.sample_rate_hz for frame in frames) == pytest.approx(11, abs=0.1)


@pytest.mark.parametrize("prefix", ["", "data:audio/wav;base64,"])
def test_a_reference_may_be_inside_the_request(queue: Queue, prefix: str) -> None:
    """In base64, for the model that takes it."""
    response = queue.submit(wanted("minimax/music-cover", reference_audio_url=prefix + as_base64(silence(6))))
    assert response.status_code == 200


def test_a_reference_inside_is_looked_at(queue: Queue) -> None:
    """What is no audio is refused, and nothing is charged."""
    response = queue.submit(wanted("minimax/music-cover", reference_audio_url=as_base64(bytes(300))))
    assert response.status_code == 400
    assert "WAV or MP3" in response.json()["message"]
    assert queue.charges() == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [(bytes(50_000_001), "larger than 50000000"), (silence(5), "duration 5"), (silence(361), "duration 361")],
    ids=["large", "short", "long"],
)
def test_a_reference_inside_has_bounds(content: bytes, words: str) -> None:
    """From 6 seconds to 6 minutes, and not too large."""
    assert words in (wrong_cover(as_base64(content)) or "")


def test_unknown_generations_are_refused(queue: Queue) -> None:
    """A poll needs an id, and one that exists."""
    assert queue.poll("no:such/one").status_code == 404
    assert issues_of(queue.http.get(QUEUED)) == [(["generation_id"], "invalid_type")]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_both_routes_need_a_key(queue: Queue, method: str) -> None:
    """As all that costs or tells of costs."""
    assert queue.http.request(method, QUEUED, headers={"authorization": "Bearer 0123"}).status_code == 401


def test_a_withdrawn_model_is_refused_as_unknown() -> None:
    """What is gone from the catalogue is refused with the names of what lives; all else goes on."""
    settings = Settings(latency=0, longest_track=1, withdrawn=frozenset({"minimax-music"}))
    with running(settings) as server, dial(server) as client:
        queue = Queue(server, client)
        (issue,) = queue.submit(wanted("minimax-music")).json()["error"]["data"]
        assert "minimax-music" not in issue["options"]
        assert "google/lyria2" in issue["options"]
        assert queue.submit(wanted("google/lyria2")).status_code == 200


def test_everything_can_be_withdrawn() -> None:
    """A service without models refuses all of them."""
    everything = frozenset({"music-01", *LIVING_MODELS})
    with running(Settings(withdrawn=everything)) as server, dial(server) as client:
        assert issues_of(Queue(server, client).submit(wanted("stable-audio"))) == [(["model"], "invalid_enum_value")]


def test_only_known_models_can_be_withdrawn() -> None:
    """A misspelt model fails where it is written."""
    with pytest.raises(ValueError, match="there are: music-01, minimax-music"):
        Settings(withdrawn=frozenset({"music-02"}))


def test_a_client_that_hangs_up_has_paid_for_a_track_that_can_be_collected(queue: Queue) -> None:
    """The lost answer had an id; the state of the sandbox still knows it."""
    with contextlib.suppress(httpx.TransportError):
        queue.submit(wanted("stable-audio"), "submit_lost", **{"x-client-request-id": "lost"})
    generation = queue.server.sandbox.jobs.state()[-1]
    assert generation["client_request_id"] == "lost"
    assert queue.outcome(generation["id"])["status"] == "completed"
    assert queue.charges() == 1


def test_lyrics_may_be_left_to_the_service(queue: Queue) -> None:
    """The youngest model needs no lyrics: with none, its prompt is sung."""
    assert queue.submit({"model": "minimax/music-2.6", "prompt": PROMPT, "lyrics_optimizer": True}).status_code == 200
    assert queue.submit({"model": "minimax/music-2.6", "lyrics": LYRICS}).status_code == 200


@pytest.mark.parametrize("model", LIVING_MODELS)
def test_openapi_describes_the_route_truly(queue: Queue, model: str) -> None:
    """The document knows the fields of each model, and every member that a real answer has."""
    document = queue.http.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    body = wanted(model)
    (request,) = [one for one in schemas["SubmitRequest"]["oneOf"] if model in one["properties"]["model"]["enum"]]
    assert body.keys() <= request["properties"].keys()
    assert set(request["required"]) <= body.keys()
    assert list(request["properties"]) == ["model", *(field.name for field in LIVING_MODELS[model].fields)]
    answer = queue.submit(body).json()
    assert answer.keys() <= schemas["SubmitResponse"]["properties"].keys()
    done = queue.outcome(answer["id"])
    assert done.keys() <= schemas["PollResponse"]["properties"].keys()
    assert done["audio_file"].keys() <= schemas["PollResponse"]["properties"]["audio_file"]["properties"].keys()


def test_openapi_tells_the_bounds_of_a_field(queue: Queue) -> None:
    """In the words of JSON Schema, and none that a field does not have."""
    document = queue.http.get("/openapi.json").json()
    fields = {
        name: schema
        for request in document["components"]["schemas"]["SubmitRequest"]["oneOf"]
        for name, schema in request["properties"].items()
        if request["properties"]["model"]["enum"][0] in {"minimax/music-2.6", "minimax/music-cover", "stable-audio"}
    }
    assert fields["steps"] == {"type": "integer", "minimum": 1, "maximum": 1000}
    assert fields["lyrics_optimizer"] == {"type": "boolean"}
    assert fields["reference_audio_url"] == {"type": "string"}
    assert fields["audio_setting"]["properties"]["sample_rate"]["enum"] == [16000, 24000, 32000, 44100]
    assert fields["lyrics"] == {"type": "string", "minLength": 10, "maxLength": 3000}


def test_hundreds_of_polls_at_once(queue: Queue) -> None:
    """Three hundred generations are polled side by side, each is charged once, and none gets another's answer."""
    names = [queue.submit(wanted("minimax/music-2.0")).json()["id"] for _ in range(300)]
    port = httpx.URL(queue.server.base_url).port
    connections = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in names]
    for connection, name in zip(connections, names, strict=True):
        target = f"{QUEUED}?generation_id={quote(name, safe='')}"
        head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sandbox-key\r\n"
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
    answers = [b"".join(iter(functools.partial(connection.recv, 65536), b"")) for connection in connections]
    for connection in connections:
        connection.close()
    assert [json.loads(answer.partition(b"\r\n\r\n")[2])["id"] for answer in answers] == names
    assert queue.charges() == 300
