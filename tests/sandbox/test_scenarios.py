"""Every named fault: what the client sees of it, and whether it was charged."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from aiml_music.sandbox import SCENARIOS, RunningSandbox, Settings, running
from tests.sandbox.conftest import GENERATE, dial, settle
from tests.sandbox.queues import PLAIN, Body

Build = Callable[..., Body]
Ask = Callable[[str], httpx.Response]

DIRECT = [name for name, scenario in SCENARIOS.items() if scenario.direct]


@pytest.fixture(scope="module")
def faulty() -> Iterator[RunningSandbox]:
    with running(Settings(latency=0, longest_track=1, drip_seconds=0.05)) as server:
        settle(server)
        yield server


@pytest.fixture
def ask(faulty: RunningSandbox) -> Iterator[Ask]:
    """Ask for one track under a scenario."""
    (voice,) = faulty.sandbox.add_reference(b"a voice", ("vocal",))
    with dial(faulty) as client:
        yield lambda name: client.post(
            GENERATE,
            json={"model": "music-01", "lyrics": "la", "refer_voice": voice},
            headers={"x-sandbox-scenario": name} if name else {},
        )
    settle(faulty)


@pytest.fixture
def good(ask: Ask) -> Body:
    """The answer when nothing goes wrong."""
    answer: Body = ask("").json()
    return answer


@pytest.mark.parametrize("name", DIRECT)
def test_charges_are_as_described(ask: Ask, faulty: RunningSandbox, name: str) -> None:
    """Each scenario's sentence ends with the truth about the money, and the log has the same."""
    before = faulty.sandbox.charges
    with contextlib.suppress(httpx.TransportError):
        ask(name)
    charged = faulty.sandbox.charges - before
    assert charged == SCENARIOS[name].charged
    assert SCENARIOS[name].description.endswith(" Charged." if charged else " Not charged.")
    record = faulty.sandbox.requests[-1]
    assert (record.scenario, record.charged_credits) == (name, 63_000 * charged)


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("throttled", 429, "Too many requests"),
        ("out_of_credits", 403, "You've run out of credits"),
        ("server_error", 500, "Internal server error"),
        ("gateway_timeout", 504, "Generation timeout"),
    ],
)
def test_flat_refusals(ask: Ask, name: str, status: int, words: str) -> None:
    """They have the service's flat shape and a status as a string."""
    response = ask(name)
    assert (response.status_code, response.json()["statusCode"]) == (status, str(status))
    assert words in response.json()["message"]


def test_throttled_says_when_to_come_back(ask: Ask) -> None:
    """A 429 carries Retry-After in seconds."""
    assert ask("throttled").headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("name", "code"), [("throttled_in_200", 1002), ("error_in_200", 1001), ("content_refused", 1026)]
)
def test_refusals_in_200(ask: Ask, name: str, code: int) -> None:
    """The HTTP status says success, base_resp does not, and there is no audio."""
    response = ask(name)
    assert (response.status_code, response.json()["base_resp"]["status_code"]) == (200, code)
    assert "data" not in response.json()


def test_html_502_is_a_proxys_page(ask: Ask) -> None:
    """A proxy answers with HTML and knows no tracing headers."""
    response = ask("html_502")
    assert response.status_code == 502
    assert response.headers["content-type"].startswith("text/html")
    assert "x-inference-id" not in response.headers
    assert response.headers["x-aiml-sandbox"] == "1"


def test_gateway_timeout_does_not_know_the_bill(ask: Ask) -> None:
    """The charge lands after the answer, so its headers leave the price out."""
    response = ask("gateway_timeout")
    assert "x-inference-id" in response.headers
    assert "x-aimlapi-credits-used" not in response.headers


def _audio(answer: Body) -> Any:
    return answer["data"]["audio"]


def test_odd_hex_lacks_a_digit(ask: Ask, good: Body) -> None:
    """One digit is missing at the end."""
    assert _audio(ask("odd_hex").json()) == _audio(good)[:-1]


def test_foreign_hex_has_one_wrong_character(ask: Ask, good: Body) -> None:
    """One character in the middle is no hex digit."""
    pairs = enumerate(zip(_audio(ask("foreign_hex").json()), _audio(good), strict=True))
    wrong = [(at, found) for at, (found, true) in pairs if found != true]
    assert wrong == [(len(_audio(good)) // 2, "g")]


def test_upper_hex_is_the_same_audio(ask: Ask, good: Body) -> None:
    """Capitals are hex as well."""
    audio = _audio(ask("upper_hex").json())
    assert audio == _audio(good).upper() != _audio(good)


def test_url_audio_leads_to_the_audio(ask: Ask, good: Body) -> None:
    """The address gives the same bytes without a key, and an invented one nothing."""
    url = _audio(ask("url_audio").json())
    response = httpx.get(url, verify=PLAIN)
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.content == bytes.fromhex(_audio(good))
    assert httpx.get(url + "0", verify=PLAIN).status_code == 404


def test_no_audio_is_in_progress(ask: Ask) -> None:
    """Status 1 and nothing to hear."""
    assert ask("no_audio").json()["data"] == {"status": 1}


def test_in_progress_with_audio_has_both(ask: Ask, good: Body) -> None:
    """Status 1, and the audio is there all the same."""
    assert ask("in_progress_with_audio").json()["data"] == {**good["data"], "status": 1}


def test_wrong_size_disagrees_with_the_audio(ask: Ask, good: Body) -> None:
    """Size and length are not those of the audio."""
    answer = ask("wrong_size").json()
    assert answer["data"] == good["data"]
    assert answer["extra_info"]["audio_size"] != good["extra_info"]["audio_size"]
    assert answer["extra_info"]["audio_length"] != good["extra_info"]["audio_length"]


def test_zero_info_is_all_zeros(ask: Ask, good: Body) -> None:
    """The same keys, and nothing in them."""
    assert ask("zero_info").json()["extra_info"] == dict.fromkeys(good["extra_info"], 0)


def test_audio_last_is_the_same_answer(ask: Ask, good: Body) -> None:
    """Only the order of the keys changes: the audio ends the body."""
    response = ask("audio_last")
    assert list(response.json()) == list(reversed(good))
    assert response.text.endswith(_audio(good) + '"}}')


def test_slow_body_is_whole_in_the_end(ask: Ask, good: Body) -> None:
    """Dripping changes the pace and nothing else."""
    assert ask("slow_body").json()["data"] == good["data"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("cut_mid_body", httpx.RemoteProtocolError),
        ("reset_mid_body", httpx.ReadError),
        ("gateway_drop", httpx.RemoteProtocolError),
        ("failed_drop", httpx.RemoteProtocolError),
    ],
)
def test_connections_break(ask: Ask, name: str, error: type[Exception]) -> None:
    """The connection ends where it should not."""
    with pytest.raises(error):
        ask(name)


def test_cut_mid_body_leaves_half(client: httpx.Client, body: Build) -> None:
    """What came before the cut can be read: the head of the JSON and half of the digits."""
    received: list[bytes] = []
    cut = {"x-sandbox-scenario": "cut_mid_body"}
    with (
        client.stream("POST", GENERATE, json=body(), headers=cut) as response,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        received.extend(response.iter_raw())
    assert len(b"".join(received)) == int(response.headers["content-length"]) // 2
    assert b"".join(received).startswith(b'{"data":{"status":2,"audio":"4944')


def test_gateway_drop_is_logged_without_a_status(ask: Ask, faulty: RunningSandbox) -> None:
    """The log shows what the client cannot see: it was charged, and nobody was told."""
    with pytest.raises(httpx.RemoteProtocolError):
        ask("gateway_drop")
    assert (faulty.sandbox.requests[-1].status, faulty.sandbox.requests[-1].charged_credits) == (None, 63_000)


def test_unknown_scenarios_are_refused(ask: Ask) -> None:
    """The refusal lists the names that exist."""
    response = ask("no_such")
    assert response.status_code == 400
    assert response.json()["message"].split("there are: ")[1].split(", ") == DIRECT


def test_a_scenario_for_all_ends_after_its_uses(client: httpx.Client, body: Build, server: RunningSandbox) -> None:
    """The first generations fail, the next is well; a name in the header goes before."""
    server.sandbox.use_scenario("throttled", uses=2)
    named = client.post(GENERATE, json=body(), headers={"x-sandbox-scenario": "server_error"})
    others = [client.post(GENERATE, json=body()).status_code for _ in range(3)]
    assert (named.status_code, others) == (500, [429, 429, 200])


def test_a_scenario_for_all_can_be_ended(client: httpx.Client, body: Build, server: RunningSandbox) -> None:
    """Without a number of uses it stays until it is taken away."""
    server.sandbox.use_scenario("throttled")
    during = [client.post(GENERATE, json=body()).status_code for _ in range(2)]
    server.sandbox.use_scenario(None)
    assert (during, client.post(GENERATE, json=body()).status_code) == ([429, 429], 200)


def test_settings_choose_the_first_scenario() -> None:
    """A sandbox can be born with a fault."""
    with running(Settings(latency=0, longest_track=1, scenario="throttled", scenario_uses=1)) as server:
        (voice,) = server.sandbox.add_reference(b"", ("vocal",))
        request = {"model": "music-01", "lyrics": "la", "refer_voice": voice}
        with dial(server) as client:
            assert [client.post(GENERATE, json=request).status_code for _ in range(2)] == [429, 200]


def test_unknown_names_are_refused_at_once(server: RunningSandbox) -> None:
    """A misspelt scenario fails where it is written."""
    with pytest.raises(KeyError):
        server.sandbox.use_scenario("no_such")
    with pytest.raises(ValueError, match="there are: slow_body"):
        Settings(scenario="no_such")
