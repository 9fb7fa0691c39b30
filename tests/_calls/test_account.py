"""The account over a real connection: balance, models, and what is not sent twice."""

import pytest

from aiml_music import AuthenticationError, Event, InputError, MusicClient, NotFoundError, Operation, PayloadError
from tests.answers import answer, envelope
from tests.calls import client_of
from tests.canary import KEY, assert_keyless
from tests.loopback import Send, loopback

pytestmark = pytest.mark.anyio

LIST = {"object": "list", "data": [{"id": "music-01", "pricing": {"credits": 63_000}}]}
TAGGED = answer(LIST, headers=(("ETag", '"one"'),))
NOT_MODIFIED = Send(b'HTTP/1.1 304 Not Modified\r\nETag: "one"\r\n\r\n')


async def test_the_balance_is_asked_for_with_the_key() -> None:
    """It is the account of that key."""
    with loopback([answer({"current_balance": 9.5, "currency": "USD"})]) as server:
        async with client_of(server) as client:
            left = await client.balance()
    assert left.credits == 19_000_000
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/v2/billing")
    assert request.headers["authorization"] == f"Bearer {KEY}"


async def test_a_refused_key_is_told_and_not_shown() -> None:
    """As for every other call."""
    with loopback([answer(envelope(401, "Unauthorized"), status="401 Unauthorized")]) as server:
        async with client_of(server) as client:
            with pytest.raises(AuthenticationError) as caught:
                await client.balance()
    assert caught.value.operation is Operation.READ
    assert_keyless(caught.value)


@pytest.mark.parametrize("document", [{}, {"current_balance": "much"}, {"current_balance": None}])
async def test_an_answer_without_a_balance_is_no_balance(document: dict[str, object]) -> None:
    """It says so, rather than nought."""
    with loopback([answer(document)]) as server:
        async with client_of(server) as client:
            with pytest.raises(PayloadError, match="not in the shape"):
                await client.balance()


async def test_a_list_that_has_not_changed_is_not_sent_again() -> None:
    """The second time, its tag is enough (RFC 9110 §13.1.2)."""
    events: list[Event] = []
    with loopback([TAGGED], [NOT_MODIFIED], [answer(LIST)]) as server:
        async with client_of(server, on_event=events.append) as client:
            first, second, third = [await client.models() for _ in range(3)]
    assert first == second == third
    assert first[0].is_listed
    assert [request.headers.get("if-none-match") for request in server.requests] == [None, '"one"', '"one"']
    assert {request.path for request in server.requests} == {"/v1/models?include=pricing%2Ccapabilities%2Cmodalities"}
    assert [event.status for event in events if event.status is not None] == [200, 304, 200]


async def test_one_model_is_asked_for_by_its_name() -> None:
    """Slashes and all."""
    with loopback([answer({"id": "minimax/music-9"})]) as server:
        async with client_of(server) as client:
            found = await client.model("minimax/music-9")
            with pytest.raises(InputError):
                await client.model("")
    assert (found.id, found.is_listed, found.is_known) == ("minimax/music-9", True, False)
    assert [request.path for request in server.requests] == ["/model/minimax%2Fmusic-9"]


async def test_an_unknown_model_is_not_found() -> None:
    """Says the service."""
    with loopback([answer(envelope(404, "Not found"), status="404 Not Found")]) as server:
        async with client_of(server) as client:
            with pytest.raises(NotFoundError):
                await client.model("nobody/sings")


async def test_nothing_is_remembered_of_an_answer_that_cannot_be_read() -> None:
    """The next one is asked for whole."""
    odd = answer({"data": "none"}, headers=(("ETag", '"odd"'),))
    with loopback([odd], [answer(LIST)]) as server:
        async with client_of(server) as client:
            with pytest.raises(PayloadError):
                await client.models()
            assert (await client.models())[0].is_listed
    assert [request.headers.get("if-none-match") for request in server.requests] == [None, None]


async def test_a_304_that_nobody_asked_for_is_an_error() -> None:
    """There is nothing it could stand for."""
    with loopback([NOT_MODIFIED]) as server:
        async with client_of(server, max_retries=0) as client:
            with pytest.raises(Exception, match="304"):
                await client.models()


def test_the_blocking_client_asks_the_same() -> None:
    """Without `await`."""
    scripts = [answer({"current_balance": 1})], [TAGGED], [answer({"id": "music-01"})]
    with loopback(*scripts) as server, MusicClient(api_key=KEY, base_url=server.url) as client:
        assert client.balance(timeout=20).credits == 2_000_000
        assert client.models()[0].id == "music-01"
        assert client.model("music-01").is_known
