"""What every request passes: keys, hosts, tracing, the log, and the sandbox's own pages."""

from collections.abc import Callable

import httpx
import pytest

from aiml_music.sandbox import SCENARIOS, RunningSandbox, Settings, running
from tests.sandbox.conftest import GENERATE, UPLOAD, dial
from tests.sandbox.queues import QUEUED, Body

Build = Callable[..., Body]
FLAT = {"message", "path", "requestId", "statusCode", "timestamp"}


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer 0123456789abcdef", "Basic sandbox-key", "sandbox-key"])
@pytest.mark.parametrize("path", [UPLOAD, GENERATE])
def test_only_sandbox_keys_are_let_in(
    client: httpx.Client, server: RunningSandbox, path: str, authorization: str
) -> None:
    """A key that could be real is refused with a reason, and is neither repeated nor kept."""
    response = client.post(path, headers={"authorization": authorization})
    assert response.status_code == 401
    assert response.json().keys() == FLAT
    assert "keys that start with 'sandbox'" in response.json()["message"]
    assert "0123456789abcdef" not in response.text + str(server.sandbox.state())


def test_any_key_that_starts_with_the_prefix_is_let_in(client: httpx.Client, body: Build) -> None:
    """Case of the scheme and the end of the key do not matter."""
    response = client.post(GENERATE, json=body(), headers={"authorization": "bearer sandbox-of-mine"})
    assert response.status_code == 200


def test_a_prefix_can_be_stricter() -> None:
    """A sandbox can be closed to other sandboxes' keys, and the served key still fits."""
    with running(Settings(accept_keys="sandbox-a")) as server, dial(server) as client:
        assert client.post(GENERATE, json={}).status_code == 400
        assert client.post(GENERATE, json={}, headers={"authorization": "Bearer sandbox-b"}).status_code == 401


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nothing", 404), ("GET", GENERATE, 405)])
def test_unknown_paths_and_methods(client: httpx.Client, method: str, path: str, status: int) -> None:
    """They are refused in the service's flat shape, with the status as a string."""
    response = client.request(method, path)
    answer = response.json()
    assert response.status_code == status
    assert answer.keys() == FLAT
    assert (answer["statusCode"], answer["path"]) == (str(status), path)
    assert answer["requestId"] == response.headers["x-inference-id"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:1", 200),
        ("localhost", 200),
        ("LOCALHOST:80", 200),
        ("[::1]:8088", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example:80", 403),
        ("", 403),
    ],
)
def test_only_loopback_names_are_served(client: httpx.Client, host: str, status: int) -> None:
    """A web page that points its own name at this machine gets nothing."""
    assert client.get("/", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        ("Abc.1:2_3-4", "Abc.1:2_3-4"),
        ("x" * 128, "x" * 128),
        ("x" * 129, None),
        ("a b", None),
        ("", None),
        (None, None),
    ],
)
def test_client_request_ids_are_echoed_when_well_formed(
    client: httpx.Client, sent: str | None, echoed: str | None
) -> None:
    """An ill-formed id is dropped without a word."""
    response = client.get("/", headers={} if sent is None else {"x-client-request-id": sent})
    assert response.headers.get("x-client-request-id") == echoed


def test_every_answer_is_traced_and_marked(client: httpx.Client) -> None:
    """Pages and errors alike carry an inference id of their own, cost nothing and say that this is the sandbox."""
    responses = [client.get("/"), client.get("/nothing"), client.post(GENERATE)]
    assert len({response.headers["x-inference-id"] for response in responses}) == 3
    for response in responses:
        assert response.headers["x-aiml-sandbox"] == "1"
        assert response.headers["x-aimlapi-credits-used"] == "0"
        assert response.headers["x-aimlapi-usd-spent"] == "0"


def test_the_log_tells_what_each_request_cost(client: httpx.Client, body: Build, server: RunningSandbox) -> None:
    """By its client request id, a test finds a request's status, price and fault."""
    responses = [
        client.post(GENERATE, json=body(), headers={"x-client-request-id": "one"}),
        client.post(GENERATE, json=body(), headers={"x-client-request-id": "two", "x-sandbox-scenario": "throttled"}),
    ]
    first, second = server.sandbox.requests[-2:]
    assert (first.method, first.route, first.status) == ("POST", GENERATE, 200)
    assert (first.client_request_id, first.charged_credits, first.scenario) == ("one", 63_000, None)
    assert (second.client_request_id, second.charged_credits, second.scenario) == ("two", 0, "throttled")
    assert second.status == 429
    assert [first.inference_id, second.inference_id] == [answer.headers["x-inference-id"] for answer in responses]


def test_state_can_be_read_over_http(client: httpx.Client, body: Build) -> None:
    """Another process sees the same counts."""
    before = client.get("/sandbox/state", headers={"authorization": ""}).json()
    client.post(GENERATE, json=body())
    after = client.get("/sandbox/state").json()
    assert after["charges"] == before["charges"] + 1
    assert after["credits"] == before["credits"] + 63_000
    assert float(after["usd"]) == pytest.approx(float(before["usd"]) + 0.0315)
    assert [request["route"] for request in after["requests"]][-2:] == ["/sandbox/state", GENERATE]


def test_home_says_what_it_is(client: httpx.Client) -> None:
    """A person with a browser learns that this is not the service."""
    assert "offline stand-in" in client.get("/").text


def test_openapi_describes_the_routes_truly(client: httpx.Client, body: Build) -> None:
    """The document knows the fields, headers and statuses that real answers have."""
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert document["openapi"].startswith("3.1")
    account = {"/v2/logs", "/v2/billing/transactions", "/v2/billing"}
    assert set(document["paths"]) == {UPLOAD, GENERATE, QUEUED, "/v1/models", "/model/{id}"} | account
    operation = document["paths"][GENERATE]["post"]
    response = client.post(GENERATE, json=body(), headers={"x-client-request-id": "one"})
    assert response.json().keys() == schemas["GenerateResponse"]["properties"].keys()
    assert (
        response.json()["extra_info"].keys()
        == schemas["GenerateResponse"]["properties"]["extra_info"]["properties"].keys()
    )
    assert all(name in response.headers for name in operation["responses"]["200"]["headers"])
    assert client.get("/nothing").json().keys() == schemas["FlatError"]["properties"].keys()
    error = client.post(GENERATE, json={"lyrics": 1}).json()["error"]
    assert error.keys() == schemas["FieldError"]["properties"]["error"]["properties"].keys()
    assert all(issue.keys() >= set(schemas["Issue"]["required"]) for issue in error["data"])
    assert set(schemas["GenerateRequest"]["properties"]) == {*body(), "audio_setting"}
    statuses = {str(scenario.refusal.status) for scenario in SCENARIOS.values() if scenario.refusal}
    assert statuses <= operation["responses"].keys()


def test_openapi_refers_only_to_what_it_has(client: httpx.Client) -> None:
    """No reference in the document leads nowhere."""
    document = client.get("/openapi.json").json()

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if "$ref" in value else set()
            return own.union(*(references(member) for member in value.values()))
        return set().union(*(references(member) for member in value)) if isinstance(value, list) else set()

    names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) == names
