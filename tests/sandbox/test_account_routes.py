"""The account's books: which generations stand in them, as what, and since when."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from aiml_music.sandbox import LOG_FAULTS, RunningSandbox, Sandbox, Settings, running
from aiml_music.testing import FakeClock
from tests.sandbox.conftest import GENERATE, dial

LOGS, TRANSACTIONS, BILLING = "/v2/logs", "/v2/billing/transactions", "/v2/billing"
ROW = {"created", "status", "origin", "model", "cost", "tokens", "request_id", "inference_id", "client_request_id"}
PRICE = {"usd": 0.0315, "credits": 63_000}

Generate = Callable[..., None]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(unix=1_800_000_000)


@pytest.fixture
def books(clock: FakeClock) -> Iterator[RunningSandbox]:
    """A sandbox whose rows appear after a minute of its own clock."""
    settings = Settings(latency=0, longest_track=1, drip_seconds=0, log_delay=60)
    with running(sandbox=Sandbox(settings, clock=clock.time)) as server:
        yield server


@pytest.fixture
def http(books: RunningSandbox) -> Iterator[httpx.Client]:
    with dial(books) as client:
        yield client


@pytest.fixture
def generate(books: RunningSandbox, http: httpx.Client) -> Generate:
    """Ask for a track under an id, in a scenario."""
    (voice,) = books.sandbox.add_reference(b"", ("vocal",))

    def ask(name: str, scenario: str | None = None) -> None:
        headers = {"x-client-request-id": name} | ({"x-sandbox-scenario": scenario} if scenario else {})
        with contextlib.suppress(httpx.TransportError):
            http.post(GENERATE, json={"model": "music-01", "lyrics": "la", "refer_voice": voice}, headers=headers)

    return ask


def rows(http: httpx.Client, **query: Any) -> dict[str, tuple[str, int]]:
    """Return status and credits of each row, newest first."""
    answer = http.get(LOGS, params={"period": "24h", **query}).json()
    return {row["client_request_id"]: (row["status"], row["cost"]["credits"]) for row in answer["data"]}


def test_rows_and_charges_appear_after_their_time(http: httpx.Client, generate: Generate, clock: FakeClock) -> None:
    """What a call cost can be seen a while after its answer, and not before."""
    generate("one")
    assert (rows(http), http.get(BILLING).json()) == ({}, {"current_balance": 100.0, "currency": "USD"})
    clock.pass_by(60)
    (row,) = http.get(LOGS, params={"period": "1h"}).json()["data"]
    assert row.keys() == ROW
    assert (row["status"], row["model"], row["cost"]) == ("succeeded", "music-01", PRICE)
    charge, opening = http.get(TRANSACTIONS).json()["data"]
    assert (charge["reference_id"], charge["amount"]) == (row["inference_id"], PRICE)
    assert (charge["direction"], charge["type"]) == ("CHARGE", "MODEL_USAGE")
    assert (opening["direction"], opening["type"], opening["reference_id"]) == ("TOPUP", "INIT", None)
    assert http.get(BILLING).json()["current_balance"] == pytest.approx(100 - 0.0315)


def test_a_lost_answer_stands_in_the_log_as_it_was(http: httpx.Client, generate: Generate, clock: FakeClock) -> None:
    """What ran was paid, what failed was not, and what only a proxy saw is not there."""
    for name in ("gateway_drop", "cut_mid_body", "gateway_timeout", "failed_drop", "throttled", "html_502"):
        generate(name, name)
    clock.pass_by(60)
    paid, failed = ("succeeded", 63_000), ("failed", 0)
    assert rows(http) == {
        "throttled": failed,
        "failed_drop": failed,
        "gateway_timeout": paid,
        "cut_mid_body": paid,
        "gateway_drop": paid,
    }
    assert len(http.get(TRANSACTIONS, params={"direction": "CHARGE"}).json()["data"]) == 3


def test_the_log_is_filtered_and_paged(http: httpx.Client, generate: Generate, clock: FakeClock) -> None:
    """By status, model and time; newest first, so many at once."""
    for name, scenario in (("a", None), ("b", "throttled"), ("c", None)):
        generate(name, scenario)
        clock.pass_by(3600)
    assert list(rows(http)) == ["c", "b", "a"]
    assert list(rows(http, status="failed")) == ["b"]
    assert list(rows(http, status=["failed", "succeeded"])) == ["c", "b", "a"]
    assert list(rows(http, model="music-01", limit=1, offset=1)) == ["b"]
    assert rows(http, model="music-01,other") == {}
    window = {"start": "2027-01-15T09:00:00", "end": "2027-01-15T10:30:00+00:00"}
    assert [row["client_request_id"] for row in http.get(LOGS, params=window).json()["data"]] == ["c", "b"]
    place = http.get(LOGS, params={"period": "1d", "limit": 2}).json()["pagination"]
    assert place == {"limit": 2, "offset": 0, "total": 3, "has_more": True}


def test_transactions_have_cursors(http: httpx.Client, generate: Generate, clock: FakeClock) -> None:
    """One page leads to the next, and what is charged meanwhile shifts nothing."""
    generate("a")
    clock.pass_by(60)
    first = http.get(TRANSACTIONS, params={"limit": 1}).json()
    assert first["pagination"]["has_more"]
    generate("b")
    clock.pass_by(60)
    cursor = first["pagination"]["next_cursor"]
    second = http.get(TRANSACTIONS, params={"limit": 1, "cursor": cursor}).json()
    assert [row["type"] for row in first["data"] + second["data"]] == ["MODEL_USAGE", "INIT"]
    assert second["pagination"] == {"next_cursor": None, "has_more": False}
    some = {"type": "MODEL_USAGE", "from": "2027-01-15T08:00:30Z", "to": "2027-01-15T08:01:30Z"}
    assert len(http.get(TRANSACTIONS, params=some).json()["data"]) == 1


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (LOGS, {}),
        (LOGS, {"period": "7d", "start": "2026-01-01", "end": "2026-01-02"}),
        (LOGS, {"start": "2026-01-01"}),
        (LOGS, {"period": "0d"}),
        (LOGS, {"period": "93d"}),
        (LOGS, {"start": "soon", "end": "later"}),
        (LOGS, {"start": "2026-01-02", "end": "2026-01-01"}),
        (LOGS, {"period": "7d", "status": "succeeded,failed"}),
        (LOGS, {"period": "7d", "limit": "101"}),
        (LOGS, {"period": "7d", "limit": "0"}),
        (LOGS, {"period": "7d", "offset": "-1"}),
        (TRANSACTIONS, {"direction": "SIDEWAYS"}),
        (TRANSACTIONS, {"type": "GIFT"}),
        (TRANSACTIONS, {"from": "soon"}),
        (TRANSACTIONS, {"cursor": "?"}),
        (TRANSACTIONS, {"cursor": "OTk="}),
    ],
)
def test_wrong_questions_are_refused(http: httpx.Client, path: str, query: dict[str, str]) -> None:
    """With a 400 in the flat shape, as documented."""
    response = http.get(path, params=query)
    assert (response.status_code, response.json()["statusCode"]) == (400, "400")


@pytest.mark.parametrize("path", [LOGS, TRANSACTIONS, BILLING])
def test_the_books_need_a_key(http: httpx.Client, path: str) -> None:
    """They are nobody else's business."""
    assert http.get(path, headers={"authorization": "Bearer 0123"}).status_code == 401
    assert http.post(path).status_code == 405


def test_too_many_looks_are_throttled(books: RunningSandbox, http: httpx.Client, clock: FakeClock) -> None:
    """200 in a minute are taken, the next one is told when to come back, and then it is welcome."""
    clock.pass_by(0.5)
    assert [books.sandbox.books.seconds_until_read() for _ in range(200)] == [0.0] * 200
    clock.pass_by(20)
    refused = http.get(LOGS, params={"period": "7d"})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "40")
    clock.pass_by(40)
    assert http.get(LOGS, params={"period": "7d"}).status_code == 200


@pytest.mark.parametrize(
    ("fault", "logs", "transactions"),
    [("down", 500, 500), ("html", 502, 502), ("missing", 404, 404), ("slow", 200, 200), ("ledger_down", 200, 500)],
)
def test_the_books_can_fail(
    books: RunningSandbox, http: httpx.Client, fault: str, logs: int, transactions: int
) -> None:
    """Each named fault concerns the books alone, so often as is asked."""
    books.sandbox.use_log_fault(fault, uses=2)
    answers = [http.get(LOGS, params={"period": "7d"}), http.get(TRANSACTIONS)]
    assert [answer.status_code for answer in answers] == [logs, transactions]
    assert [http.get(path).status_code for path in (TRANSACTIONS, BILLING, "/")] == [200, 200, 200]


def test_rows_can_be_hidden_or_lack_their_cost(
    books: RunningSandbox, http: httpx.Client, generate: Generate, clock: FakeClock
) -> None:
    """A log that is empty, and one that does not say what was charged."""
    generate("a")
    clock.pass_by(60)
    books.sandbox.use_log_fault("no_cost")
    (row,) = http.get(LOGS, params={"period": "7d"}).json()["data"]
    assert row.keys() == ROW - {"cost"}
    books.sandbox.use_log_fault("empty")
    assert http.get(LOGS, params={"period": "7d"}).json()["data"] == []
    books.sandbox.use_log_fault(None)
    assert list(rows(http)) == ["a"]


def test_unknown_faults_are_refused_at_once(books: RunningSandbox) -> None:
    """A misspelt fault fails where it is written."""
    with pytest.raises(ValueError, match="there are: down"):
        books.sandbox.use_log_fault("no_such")
    with pytest.raises(ValueError, match="there are: down"):
        Settings(log_fault="no_such")
    assert all(words.endswith(".") for words in LOG_FAULTS.values())


def test_a_sandbox_can_be_born_with_a_fault() -> None:
    """The first look meets it already."""
    with running(Settings(log_fault="down")) as server, dial(server) as client:
        assert client.get(BILLING).status_code == 500


def test_openapi_describes_the_books_truly(http: httpx.Client, generate: Generate, clock: FakeClock) -> None:
    """The document knows the members that real answers have."""
    generate("a")
    clock.pass_by(60)
    schemas = http.get("/openapi.json").json()["components"]["schemas"]
    for path, page, row in ((LOGS, "LogsResponse", "LogRow"), (TRANSACTIONS, "TransactionsResponse", "Transaction")):
        answer = http.get(path, params={"period": "7d"}).json()
        members = schemas[page]["properties"]
        assert answer.keys() == members.keys()
        assert answer["pagination"].keys() == members["pagination"]["properties"].keys()
        assert answer["data"][0].keys() == schemas[row]["properties"].keys()
    assert http.get(BILLING).json().keys() == schemas["BalanceResponse"]["properties"].keys()
