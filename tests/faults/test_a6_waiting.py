"""Rows 68-85: the request is out, and the answer is not what it should be, or none."""

# ruff: noqa: ASYNC240 - a test may look into the kernel's tables

import threading
from pathlib import Path

import anyio
import pytest

from aiml_music import InDoubtError, InDoubtTimeout, Operation, Outcome, Phase, Timeouts
from aiml_music._io.clock import SystemClock
from aiml_music.testing import FakeClock
from tests.answers import answer, head
from tests.calls import MADE, client_of, generate
from tests.faults.harness import (
    GENERATE,
    LEARNED,
    MAYBE,
    Fault,
    both,
    cases,
    doubtful,
    endure,
    failing,
    leaving_nothing,
    suffer,
)
from tests.loopback import Drip, HalfClose, Hang, Reset, Script, Send, Signal, loopback

pytestmark = pytest.mark.anyio

HTML = b"<html><body>Moved</body></html>"
GARBAGE = b"\x00\x01garbage\x1b[2J" + b"z" * 100
DOUBT = doubtful()


def moved(status: int, location: str) -> Script:
    return [answer(HTML, status=f"{status} Moved", headers=[("Location", location)])]


def length(*values: str) -> Script:
    return [Send(head("200 OK", *(("Content-Length", value) for value in values)))]


BROKEN = cases(
    ("nothing", "68", both([], DOUBT)),
    ("nothing, half closed", "68", both([HalfClose(), Hang()], DOUBT)),
    ("nothing, reset", "68", both([Reset()], DOUBT)),
    ("half a head", "69", both([Send(b"HTTP/1.1 200 OK\r\nContent-")], DOUBT)),
    ("a head without its last line", "69", both([Send(head()[:-2])], DOUBT)),
    ("garbage", "74", both([Send(GARBAGE + b"\r\n\r\n")], doubtful(says=["\\x00\\x01garbage\\x1b[2J"]))),
    ("a word that is no status", "74", both([Send(b"HTTP/1.1 fine\r\n\r\n")], DOUBT)),
    ("HTTP/0.9", ("74", "79"), both([Send(b"<html>hello</html>")], DOUBT)),
    ("an endless head", "75", both([Send(head()[:-2] + b"X: " + b"x" * 200_000), Hang()], DOUBT)),
    ("an endless list of headers", "75", both([Send(head()[:-2] + b"X: y\r\n" * 50_000), Hang()], DOUBT)),
    ("two lengths", "76", both(length("5", "6"), DOUBT)),
    ("a length of 10^30", "78", both(length("1" + "0" * 30), DOUBT)),
    ("a length of 99,000 digits", "78", both(length("9" * 99_000), DOUBT)),
    ("a negative length", "78", both(length("-1"), DOUBT)),
    ("a length in words", "78", both(length("many"), DOUBT)),
)

REDIRECTED = cases(
    *(
        (f"{status}", "80", both(moved(status, "/elsewhere"), DOUBT, DOUBT ))
        for status in (301, 302, 303)
    ),
    *((f"{status}", "81", both(moved(status, "/elsewhere"), doubtful(says=["base_url"]), doubtful(says=["base_url"])))
      for status in (307, 308)),
    ("to nowhere", "80", both([answer(HTML, status="302 Found")], DOUBT, DOUBT)),
    ("300", "80", both(moved(300, "/elsewhere"), DOUBT, DOUBT)),
    ("304", "80", both([Send(head("304 Not Modified"))], DOUBT, DOUBT)),
)  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
async def test_an_answer_that_is_none_leaves_a_doubt(fault: Fault, tmp_path: Path) -> None:
    """The request was out: a generation is not sent again, and its error says how to find out about the money."""
    error = await suffer(fault, tmp_path)
    assert error.phase is Phase.WAIT
    assert error.client_request_id is not None
    if fault.operation is GENERATE:
        assert f"look for {error.client_request_id} in the usage log" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 1000


@pytest.mark.parametrize("fault", REDIRECTED)
async def test_a_redirect_is_not_followed(fault: Fault, tmp_path: Path) -> None:
    """To post again could be to pay again: a redirect is no verdict of the service, and no repeat is made of it."""
    error = await suffer(fault, tmp_path)
    assert error.phase is Phase.READ


@pytest.mark.row("80", "82")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_a_redirect_elsewhere_is_not_followed_either(operation: Operation, status: int, tmp_path: Path) -> None:
    """The other host gets neither key nor request, and the error names it without the rest of the address."""
    with (
        leaving_nothing(),
        loopback([MADE]) as other,
        loopback(moved(status, f"http://user:word@127.0.0.1:{other.port}/a-path?token=a-token")) as server,
    ):
        async with client_of(server, clock=FakeClock()) as client:
            error = await failing(client, operation, tmp_path)
        assert server.wait_until_idle()
    doubtful(says=[f"127.0.0.1:{other.port}"]).assert_is(error, operation, 1)
    assert not [word for word in ("a-path", "a-token", "word@") if word in str(error)]
    assert (other.connections, server.connections) == (0, 1)


SILENCES = cases(
    ("nothing ever comes", "70", both([Hang()], doubtful(error=InDoubtTimeout))),
    ("the head drips", "73", Fault(script=[Drip(MADE.data, 0.02)], ending=doubtful(error=InDoubtTimeout))),
    ("half a head, then nothing", "73", both([Send(b"HTTP/1.1 200"), Hang()], doubtful(error=InDoubtTimeout))),
)


@pytest.mark.parametrize("fault", SILENCES)
async def test_the_whole_call_has_a_limit(fault: Fault, tmp_path: Path) -> None:
    """A call ends at its limit whatever trickles in; the work at the service does not, and the error says so."""
    timed = Fault(
        script=fault.script,
        ending=doubtful(error=InDoubtTimeout, says=["the time limit of 0.15 s ran out"]),
        operation=fault.operation,
        options={"timeout": Timeouts(total=0.15), "clock": SystemClock()},
    )
    error = await suffer(timed, tmp_path)
    assert isinstance(error, TimeoutError)
    assert error.is_timeout
    assert error.elapsed < 5


@pytest.mark.row("71")
async def test_the_system_probes_a_silent_connection() -> None:
    """A router that forgets silent connections within a minute is reminded after 20 s at most."""
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("this platform does not list its connections")
    begun = threading.Event()
    with leaving_nothing(), loopback([Signal(begun), Hang()]) as server:
        async with client_of(server) as client, anyio.create_task_group() as group:
            group.start_soon(generate, client)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()]
            timers = [row[5] for row in rows if row[2].endswith(f":{server.port:04X}") and row[3] == "01"]
            group.cancel_scope.cancel()
        assert server.wait_until_idle()
    # The kernel's own table: kind 2 is the timer of keep-alive, due in so many hundredths of a second.
    kind, due = timers[0].split(":")
    assert kind == "02"
    assert int(due, 16) <= 2000


STRANGE = [
    pytest.param(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n%(size)x\r\n%(body)b\r\n0\r\n\r\n",
        id="a length, and chunks",
        marks=pytest.mark.row("77"),
    ),
    pytest.param(b"HTTP/1.0 200 OK\r\n\r\n%(body)b", id="HTTP/1.0 without a length", marks=pytest.mark.row("79")),
    pytest.param(
        b"HTTP/1.0 200 OK\r\nContent-Length: %(size)d\r\n\r\n%(body)b",
        id="HTTP/1.0 with a length",
        marks=pytest.mark.row("79"),
    ),
]


@pytest.mark.parametrize("frame", STRANGE)
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_old_and_double_framing_is_understood(operation: Operation, frame: bytes, tmp_path: Path) -> None:
    """On a connection of its own, an answer is framed by its end if by nothing else."""
    body = (MADE if operation is GENERATE else LEARNED).data.partition(b"\r\n\r\n")[2]
    await endure([Send(frame % {b"size": len(body), b"body": body})], tmp_path, operation=operation)


@pytest.mark.row("84")
async def test_time_asleep_counts(tmp_path: Path) -> None:
    """A machine that slept through the limit of a call does not begin the call's wait again when it wakes."""
    clock = FakeClock()
    asleep = threading.Event()
    script: Script = [Send(MADE.data[:500]), Signal(asleep), Hang()]

    async def sleep_through() -> None:
        assert await anyio.to_thread.run_sync(asleep.wait, 5)
        clock.pass_by(3600)

    with leaving_nothing(), loopback(script) as server:
        timeouts = Timeouts(total=600, idle=0.2)
        async with client_of(server, clock=clock, timeout=timeouts) as client, anyio.create_task_group() as group:
            group.start_soon(sleep_through)
            error = await failing(client, GENERATE, tmp_path)
        assert server.wait_until_idle()
    assert error.elapsed >= 3600
    assert error.outcome in {Outcome.DAMAGED, Outcome.UNKNOWN}


def test_every_doubt_may_have_cost_money() -> None:
    """No broken answer to a whole request is taken for a sign that nothing was charged."""
    endings = {param.values[0].ending for param in [*BROKEN, *REDIRECTED, *SILENCES]}
    assert {(ending.outcome, ending.money) for ending in endings} == {(Outcome.UNKNOWN, MAYBE)}
    assert {ending.error for ending in endings} == {InDoubtError, InDoubtTimeout}
