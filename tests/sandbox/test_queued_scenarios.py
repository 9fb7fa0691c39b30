"""Every named fault of the models that are submitted and polled: what the client sees, and whether it was charged."""

import contextlib
import re
from collections.abc import Iterator

import httpx
import pytest

from aiml_music.sandbox import SCENARIOS, Sandbox, Settings, running
from aiml_music.sandbox.living import LIVING_MODELS
from aiml_music.sandbox.wav import measure_wav
from aiml_music.testing import FakeClock
from tests.sandbox.conftest import GENERATE, dial
from tests.sandbox.queues import PLAIN, Body, Queue, wanted

QUEUED_FAULTS = [name for name, scenario in SCENARIOS.items() if scenario.concerns(direct=False)]
BODY = wanted("stable-audio")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(unix=1_800_000_000)


@pytest.fixture
def timed(clock: FakeClock) -> Iterator[Queue]:
    """A sandbox whose generations wait ten seconds of its own clock, take twenty, and can be fetched for a hundred."""
    settings = Settings(longest_track=1, queue_seconds=10, generating_seconds=20, result_lives=100)
    with running(sandbox=Sandbox(settings, clock=clock.time, encoder=None)) as server, dial(server) as client:
        yield Queue(server, client)


def submitted(queue: Queue, scenario: str | None = None, body: Body = BODY) -> str:
    name: str = queue.submit(body, scenario).json()["id"]
    return name


def address(queue: Queue, scenario: str | None = None, body: Body = BODY) -> str:
    """Return where the track of a new generation is said to be."""
    url: str = queue.outcome(submitted(queue, scenario, body))["audio_file"]["url"]
    return url


def statuses(queue: Queue, scenario: str, polls: int) -> list[int]:
    name = submitted(queue, scenario)
    return [queue.poll(name).status_code for _ in range(polls)]


@pytest.mark.parametrize("name", QUEUED_FAULTS)
def test_charges_are_as_described(queue: Queue, name: str) -> None:
    """Each scenario's sentence ends with the truth about the money of a submit; the log and the books have the same."""
    with contextlib.suppress(httpx.TransportError):
        queue.submit(BODY, name)
    charged = queue.charges()
    assert charged == SCENARIOS[name].charged
    assert SCENARIOS[name].description.endswith(" Charged." if charged else " Not charged.")
    record = queue.server.sandbox.requests[-1]
    assert (record.scenario, record.charged_credits) == (name, 100_000 * charged)
    if name != "html_502":
        assert queue.server.sandbox.books.entries()[-1].charged_credits == 100_000 * charged


def test_each_route_has_its_own_faults(queue: Queue) -> None:
    """A fault of the other route is refused with the names of those there are."""
    response = queue.submit(BODY, "odd_hex")
    assert response.status_code == 400
    assert response.json()["message"].split("there are: ")[1].split(", ") == QUEUED_FAULTS


def test_a_fault_for_all_waits_for_the_route_that_has_it(queue: Queue) -> None:
    """A generation of music-01 between them uses none of the faults up."""
    sandbox = queue.server.sandbox
    (voice,) = sandbox.add_reference(b"", ("vocal",))
    sandbox.use_scenario("submit_without_id", uses=2)
    answers = [
        queue.submit(BODY).json(),
        queue.http.post(GENERATE, json={"model": "music-01", "lyrics": "la", "refer_voice": voice}).json(),
        queue.submit(BODY).json(),
        queue.submit(BODY).json(),
    ]
    assert ["id" in answer for answer in answers] == [False, False, False, True]
    assert answers[1]["base_resp"]["status_code"] == 0


def test_a_lost_submit_has_no_answer(queue: Queue) -> None:
    """The connection closes without one byte."""
    with pytest.raises(httpx.RemoteProtocolError):
        queue.submit(BODY, "submit_lost")
    assert queue.server.sandbox.requests[-1].status is None


def test_a_submit_that_came_too_late_does_not_know_the_bill(queue: Queue) -> None:
    """It was taken all the same; nobody was told the id."""
    response = queue.submit(BODY, "gateway_timeout")
    assert response.status_code == 504
    assert "x-aimlapi-credits-used" not in response.headers
    assert queue.server.sandbox.jobs.state()[-1]["id"] not in response.text


def test_a_submit_without_id_has_a_status(queue: Queue) -> None:
    """It looks like success."""
    response = queue.submit(BODY, "submit_without_id")
    assert (response.status_code, response.json()) == (200, {"status": "queued"})


def test_polls_are_refused(queue: Queue) -> None:
    """For ever, or three times."""
    assert statuses(queue, "poll_404", 5) == [404] * 5
    assert statuses(queue, "poll_500", 4) == [500, 500, 500, 200]
    assert statuses(queue, "poll_html", 4) == [502, 502, 502, 200]
    assert statuses(queue, "poll_throttled", 4) == [429, 429, 429, 200]


def test_slow_polls_are_right_in_the_end(queue: Queue) -> None:
    """They only take their time."""
    assert queue.outcome(submitted(queue, "poll_slow"))["status"] == "completed"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("status_unknown", ["preparing", "polishing", "completed"]),
        ("status_variants", ["waiting", "active", "complete"]),
    ],
)
def test_statuses_may_be_called_otherwise(timed: Queue, clock: FakeClock, name: str, words: list[str]) -> None:
    """Whatever they are called, the track is there when it has an address."""
    response = timed.submit(BODY, name)
    generation = response.json()["id"]
    heard = [response.json()["status"]]
    clock.pass_by(10)
    heard.append(timed.poll(generation).json()["status"])
    clock.pass_by(20)
    done = timed.outcome(generation)
    assert [*heard, done["status"]] == words
    assert timed.fetch(done["audio_file"]["url"]).status_code == 200


@pytest.mark.parametrize(("name", "row"), [("status_error", "failed"), ("status_error_paid", "succeeded")])
def test_a_generation_can_fail(queue: Queue, name: str, row: str) -> None:
    """The poll says why; the submit announced a price, and the books tell whether it was kept."""
    response = queue.submit(BODY, name)
    assert response.headers["x-aimlapi-credits-used"] == "100000"
    answer = queue.outcome(response.json()["id"])
    assert answer.keys() == {"id", "status", "error"}
    assert (answer["status"], answer["error"].keys()) == ("error", {"name", "message"})
    assert queue.http.get("/v2/logs", params={"period": "1h"}).json()["data"][0]["status"] == row


def test_a_stalled_generation_never_ends(timed: Queue, clock: FakeClock) -> None:
    """Not even after a day."""
    name = submitted(timed, "stall")
    clock.pass_by(86_400)
    assert {timed.poll(name).json()["status"] for _ in range(5)} == {"generating"}


def test_the_store_asks_for_no_key_and_writes_down_what_came(queue: Queue) -> None:
    """A test can show that no key was sent there: the names of all headers are in the log."""
    url = address(queue, body=wanted("minimax/music-2.6"))
    assert url.startswith(queue.server.results_url)
    assert queue.server.results_url != queue.server.base_url
    queue.fetch(url)
    queue.fetch(url, headers={"Authorization": "Bearer careless"})
    clean, careless = queue.server.sandbox.fetches[-2:]
    assert clean.target in url
    assert (clean.method, clean.status, f"http://{clean.host}") == ("GET", 200, queue.server.results_url)
    assert "authorization" not in clean.header_names
    assert "authorization" in careless.header_names
    assert "careless" not in queue.http.get("/sandbox/state").text
    assert queue.http.get("/sandbox/state").json()["fetches"][-1]["header_names"] == list(careless.header_names)


def test_the_address_must_arrive_as_it_was_given(queue: Queue) -> None:
    """A signature that was changed is refused, and so is a path that was tidied up."""
    url = address(queue, body=wanted("minimax/music-2.0"))
    assert re.search(
        r"/music%2Fprod%2Ftts-\d{14}-[\w-]{21}\.mp3\?Expires=\d+&AccessKeyId=sandbox&Signature=\S+%3D$", url
    )
    whole, unsigned, tidied = (
        queue.fetch(changed).status_code for changed in (url, url.partition("?")[0], url.replace("%2F", "/"))
    )
    assert (whole, unsigned, tidied) == (200, 403, 404)


def test_the_store_gives_and_takes_nothing_else(queue: Queue) -> None:
    """It is asked with GET, and has neither the service's routes nor tracks that nobody made."""
    url = address(queue)
    assert httpx.post(url, verify=PLAIN).status_code == 405
    assert queue.fetch(f"{queue.server.results_url}/v1/models").status_code == 404
    assert queue.fetch(url.replace(queue.server.results_url, queue.server.base_url)).status_code == 404
    assert [record.generation_id is None for record in queue.server.sandbox.fetches[-2:]] == [False, True]


@pytest.mark.parametrize(("model", "status"), [("minimax/music-cover", 403), ("google/lyria2", 404)])
def test_results_die(timed: Queue, clock: FakeClock, model: str, status: int) -> None:
    """An address works so long; where it has a signature the refusal says why, elsewhere there is nothing any more."""
    name = submitted(timed, body=wanted(model))
    clock.pass_by(30)
    url = timed.outcome(name)["audio_file"]["url"]
    clock.pass_by(99)
    alive = timed.fetch(url).status_code
    clock.pass_by(1)
    assert (alive, timed.fetch(url).status_code) == (200, status)
    assert timed.poll(name).json()["audio_file"]["url"] == url


@pytest.mark.parametrize("model", LIVING_MODELS)
@pytest.mark.parametrize(("name", "statuses"), [("result_403", {403}), ("result_expired", {403, 404})])
def test_results_can_be_refused(queue: Queue, model: str, name: str, statuses: set[int]) -> None:
    """From the beginning, whatever the poll says."""
    assert queue.fetch(address(queue, name, wanted(model))).status_code in statuses


def test_a_result_can_lead_on_to_another_host(queue: Queue) -> None:
    """To the same place by another name, once; the log knows by which name each request came."""
    url = address(queue, "result_redirect", wanted("minimax/music-2.6"))
    response = queue.fetch(url)
    assert response.status_code == 302
    assert response.headers["location"] == url.replace("127.0.0.1", "localhost")
    # A machine may know "localhost" by another address first.
    assert (
        queue.fetch(url, headers={"host": httpx.URL(response.headers["location"]).netloc.decode()}).status_code == 200
    )
    hosts = [record.host.partition(":")[0] for record in queue.server.sandbox.fetches[-2:]]
    assert hosts == ["127.0.0.1", "localhost"]


def test_a_result_can_be_endless(queue: Queue) -> None:
    """The track, and then zeros for as long as anybody reads."""
    url = address(queue, "result_endless")
    received = b""
    with httpx.stream("GET", url, verify=PLAIN, timeout=20) as response:
        assert "content-length" not in response.headers
        for chunk in response.iter_raw():
            received += chunk
            if len(received) > 1 << 20:
                break
    assert measure_wav(received)
    assert received.endswith(bytes(1000))


def test_an_endless_result_ends_with_the_server() -> None:
    """Nobody waits for a body that never ends."""
    with (
        running(Settings(latency=0, longest_track=1)) as server,
        dial(server) as client,
        httpx.stream("GET", address(Queue(server, client), "result_endless"), verify=PLAIN, timeout=20) as response,
    ):
        next(response.iter_raw())


def test_a_result_can_be_a_page(queue: Queue) -> None:
    """It is called audio, and is none."""
    response = queue.fetch(address(queue, "result_wrong_bytes"))
    assert (response.status_code, response.headers["content-type"]) == (200, "application/octet-stream")
    assert response.content.startswith(b"<!doctype html>")


def test_a_result_can_be_in_a_private_network(queue: Queue) -> None:
    """Its address is one that no stranger should make a client ask."""
    assert httpx.URL(address(queue, "result_private")).host == "10.0.0.1"


def test_a_result_can_break_off_once(queue: Queue) -> None:
    """Half of it comes, and the next time all of it, under the same tag and of the same length."""
    url = address(queue, "result_cut")
    received = b""
    with (
        httpx.stream("GET", url, verify=PLAIN, timeout=20) as broken,
        contextlib.suppress(httpx.RemoteProtocolError),
    ):
        for chunk in broken.iter_raw():
            received += chunk
    whole = queue.fetch(url)
    assert received == whole.content[: len(whole.content) // 2]
    assert {name: broken.headers[name] for name in ("etag", "content-length")} == {
        name: whole.headers[name] for name in ("etag", "content-length")
    }
