"""Rows 55-67: the request is on its way."""

# ruff: noqa: ASYNC240 - a test may wait for its own disk

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from aiml_music import (
    APIError,
    AuthenticationError,
    InDoubtTimeout,
    InvalidRequestError,
    MusicError,
    NotSentError,
    NotSentTimeout,
    Operation,
    Outcome,
    Phase,
    Timeouts,
)
from aiml_music._io.clock import SystemClock
from aiml_music.testing import FakeClock
from tests.answers import answer, envelope, head
from tests.calls import MADE, client_of, generate
from tests.faults.harness import (
    GENERATE,
    LEARNED,
    NO,
    UPLOAD,
    Ending,
    Fault,
    assert_succeeded,
    both,
    call,
    cases,
    doubtful,
    endure,
    failing,
    leaving_nothing,
    rejected,
    suffer,
    unsent,
)
from tests.loopback import (
    Await,
    Hang,
    Loopback,
    ReadHead,
    ReadOnly,
    Repeat,
    Reset,
    Script,
    Send,
    Signal,
    loopback,
)

pytestmark = pytest.mark.anyio

SENT_AMID = "before the request was sent"


def large(script: Script, ending: Ending) -> tuple[Fault, Fault]:
    """Return a fault that hits a request too large to be in the buffers of both sides."""
    return both(script, ending, seen=0, large=True)


TIMED = {"timeout": Timeouts(total=0.3), "clock": SystemClock()}
BROKEN = cases(
    ("reset before a byte was read", "55", large([ReadOnly(0), Reset()], unsent())),
    ("reset behind the head", "55", large([ReadHead(), Reset()], unsent(says=[SENT_AMID]))),
    ("reset amid the body", "56", large([ReadHead(), ReadOnly(100_000), Reset()], unsent(says=[SENT_AMID]))),
    ("closed amid the body", "56", large([ReadHead(), ReadOnly(100_000)], unsent(says=[SENT_AMID]))),
    ("reset behind the last byte", "57", both([Reset()], doubtful(says=["took the request"]))),
    ("reset before the last byte was taken", "58", Fault(script=[ReadOnly(9), Reset()], ending=doubtful(), seen=0)),
    ("an upgrade nobody asked for", "64", both([Send(head("101 Switching Protocols", ("Upgrade", "x")))], doubtful())),
    ("interim answers for ever", "63", Fault(
        script=[Repeat(head("102 Processing"), 100, 0.02)],
        ending=doubtful(error=InDoubtTimeout, says=["0.3 s ran out"]),
        options=TIMED)),
)  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
async def test_what_left_whole_is_in_doubt_and_what_did_not_was_never_sent(fault: Fault, tmp_path: Path) -> None:
    """The last byte of the body is the border: before it a repeat costs nothing, behind it none is made of a track."""
    error = await suffer(fault, tmp_path)
    assert isinstance(error, ConnectionError)
    # A reset may outrun the head of the request.
    expected = {Outcome.NOT_SENT: {Phase.CONNECT, Phase.SEND}, Outcome.UNKNOWN: {Phase.WAIT, Phase.READ}}
    assert error.phase in expected[error.outcome]


@pytest.mark.row("60")
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_a_refusal_that_the_reset_outran_is_hinted_at(operation: Operation, tmp_path: Path) -> None:
    """Where the server hung up amid the request, its reason is lost: the error says that it may have had one."""
    ending = unsent(says=["may have refused it before it was whole"])
    fault = Fault(script=[ReadHead(), Reset()], ending=ending, operation=operation, seen=0, large=True)
    await suffer(fault, tmp_path)


EARLY: dict[str, tuple[int, type[APIError]]] = {
    "too large": (413, InvalidRequestError),
    "gave up reading": (408, APIError),
}


@pytest.mark.row("60", "91")
@pytest.mark.parametrize("case", EARLY)
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_an_early_answer_never_makes_half_a_request_one_that_was_sent(
    operation: Operation, case: str, tmp_path: Path
) -> None:
    """Whether the answer or the reset comes first, the body was not whole: no money was spent."""
    status, refusal = EARLY[case]
    early = answer(envelope(status, "no"), status=f"{status} Early")
    with leaving_nothing(), loopback([ReadHead(), early, Reset()]) as server:
        async with client_of(server, clock=FakeClock(), max_retries=0) as client:
            error = await failing(client, operation, tmp_path, large=True)
        assert server.wait_until_idle()
    assert type(error) in {refusal, NotSentError}
    assert error.outcome in ({Outcome.NOT_SENT, Outcome.REJECTED} if status == 413 else {Outcome.NOT_SENT})
    assert error.money is NO
    assert list(tmp_path.iterdir()) == []


@pytest.mark.row("60")
async def test_an_early_answer_is_read_if_the_server_goes_on_listening(tmp_path: Path) -> None:
    """A server that answers at once and takes the rest in all the same is understood."""
    early = answer(envelope(401, "no key"), status="401 Unauthorized")
    with leaving_nothing(), loopback([ReadHead(), early, Hang()]) as server:
        async with client_of(server, clock=FakeClock()) as client:
            error = await failing(client, UPLOAD, tmp_path, large=True)
        assert server.wait_until_idle()
    rejected(AuthenticationError).assert_is(error, UPLOAD, 1)
    assert server.connections == 1


STALLED = {
    "the limit of the call": (Timeouts(total=0.3), "the time limit of 0.3 s ran out"),
    "the floor of 1 KiB/s": (Timeouts(idle=0.3), "stopped taking the request"),
}


@pytest.mark.row("59")
@pytest.mark.parametrize("case", STALLED)
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_a_server_that_stops_reading_is_left(operation: Operation, case: str, tmp_path: Path) -> None:
    """A request that cannot get out was never sent, and nobody waits for it longer than for an answer."""
    timeouts, words = STALLED[case]
    over = threading.Event()
    with leaving_nothing(), loopback([ReadHead(), Await(over)]) as server:
        async with client_of(server, timeout=timeouts, clock=FakeClock(), max_retries=0) as client:
            error = await failing(client, operation, tmp_path, large=True)
        over.set()
        assert server.wait_until_idle()
    unsent(error=NotSentTimeout, says=[words]).assert_is(error, operation, 1)
    assert error.phase is Phase.SEND
    assert (server.connections, len(server.requests)) == (1, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.row("61")
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_no_connection_is_used_twice(operation: Operation, tmp_path: Path) -> None:
    """A server that would keep a connection open is told not to, and the next call has one of its own."""
    whole = MADE if operation is GENERATE else LEARNED
    kept: Script = [Send(whole.data.replace(b"\r\n", b"\r\nConnection: keep-alive\r\n", 1)), Hang()]
    with leaving_nothing(), loopback(kept) as server:
        async with client_of(server, clock=FakeClock()) as client:
            for number in (1, 2):
                assert_succeeded(await call(client, operation, tmp_path), operation, tmp_path)
                assert server.wait_until_idle()
                assert server.connections == number
    assert [request.headers["connection"] for request in server.requests] == ["close", "close"]


@pytest.mark.row("63")
@pytest.mark.parametrize("times", [1, 100])
async def test_interim_answers_are_passed_over(times: int, tmp_path: Path) -> None:
    """`100`, `102` and `103` are no answers yet, however many there are: a track that follows was paid for."""
    interim = b"".join(head(status) for status in ("100 Continue", "102 Processing", "103 Early Hints"))
    await endure([Send(interim * times), MADE], tmp_path)


CANCELLED: dict[str, tuple[Script, bool, str]] = {
    "before the last byte": (
        [ReadHead()],
        True,
        "in phase send. No complete request was sent; no money was spent.",
    ),
    "behind the last byte": (
        [],
        False,
        (
            "in phase wait. The request may have been carried out and charged. It was not repeated."
            ' Before you pay again, look for mine in the usage log: client.settle("mine").'
        ),
    ),
}


@pytest.mark.row("65", "85")
@pytest.mark.parametrize("case", CANCELLED)
async def test_a_cancelled_call_says_whether_it_had_left(case: str, tmp_path: Path) -> None:
    """The cancellation passes as itself, with a note that carries the id of the call and the state of the money."""
    steps, is_large, words = CANCELLED[case]
    begun, over = threading.Event(), threading.Event()
    notes: list[str] = []

    async def cancelled(server: Loopback) -> None:
        async with client_of(server, clock=FakeClock()) as client:
            try:
                await call(client, GENERATE, tmp_path, client_request_id="mine", large=is_large)
            except anyio.get_cancelled_exc_class() as error:
                notes.extend(error.__notes__)
                raise

    script = [*steps, Signal(begun), Await(over)]
    with leaving_nothing(), loopback(script) as server:
        async with anyio.create_task_group() as group:
            group.start_soon(cancelled, server)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        over.set()
        assert server.wait_until_idle()
    assert notes == [f"aiml_music: generate mine was cancelled {words}"]
    assert server.connections == 1
    assert list(tmp_path.iterdir()) == []


class Exhausting(dict[str, Any]):
    """Fields that take the last memory when they are written down."""

    def __iter__(self) -> Iterator[str]:
        raise MemoryError

    def keys(self) -> Any:
        raise MemoryError

    def items(self) -> Any:
        raise MemoryError


@pytest.mark.row("67")
async def test_a_request_is_built_before_anything_is_connected(tmp_path: Path) -> None:
    """Where memory runs out over the request, nothing was sent, no file is left and the client goes on."""
    with leaving_nothing(), loopback([MADE]) as server:
        async with client_of(server, max_concurrency=1) as client:
            with pytest.raises(MemoryError):
                await generate(client, to=tmp_path / "song.mp3", extra_body={"x": Exhausting(a=1)})
            assert server.connections == 0
            assert list(tmp_path.iterdir()) == []
            assert_succeeded(await call(client, GENERATE, tmp_path), GENERATE, tmp_path)


def test_no_ending_of_half_a_request_costs_money() -> None:
    """Whatever did not leave whole is free, and says so by its class."""
    endings = {param.values[0].ending for param in BROKEN}
    free: set[type[MusicError]] = {ending.error for ending in endings if ending.money is NO}
    assert free == {NotSentError}
