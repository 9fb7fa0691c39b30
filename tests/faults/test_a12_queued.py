"""Rows 168-184: what can go wrong with a generation that is submitted, asked after and fetched.

`service` itself makes sure, in every one of these tests, that no key and no header of the client's own came to the host
of a track.
"""

from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

from aiml_music import (
    AuthenticationError,
    InDoubtError,
    Money,
    MusicError,
    NotFoundError,
    NotReadyError,
    Outcome,
    PayloadError,
    RateLimitError,
    ResultGoneError,
    ServerError,
)
from aiml_music._sansio.options import Timeouts
from tests.answers import GENERATION_ID, accepted, answer, envelope, finished, head, kept
from tests.calls import TRACK
from tests.faults.harness import MAYBE, NO, YES, leaving_nothing
from tests.loopback import Drip, Hang, Repeat, Reset, Script, Send, loopback
from tests.queued import RUNNING, TAKEN, failing, make, service

pytestmark = pytest.mark.anyio

PAGE = b"<html><body>Bad gateway</body></html>"
GOOD: Script = [kept(TRACK)]
CHARGED = ("x-aimlapi-credits-used", "390000")


@frozen(kw_only=True)
class Fault:
    """What the service and the host of the track do to a call, and how that ends.

    Attributes:
        scripts: what each connection to the service does; None says that the generation is done, and where.
        store: what each connection to the host of the tracks does.
        error: exactly this class; None where the track is made all the same.
        polls: how many questions are asked.
        says: what the whole text of the error must contain.
        salvage: the audio that is kept, and under which name.
        is_accepted: whether the id is known, and so in the error.
        options: of the client.
    """

    scripts: tuple[Script | None, ...]
    store: tuple[Script, ...] = (GOOD,)
    error: type[MusicError] | None = None
    outcome: Outcome = Outcome.COMPLETED
    money: Money = YES
    polls: int
    says: tuple[str, ...] = ()
    salvage: tuple[str, bytes] | None = None
    is_accepted: bool = True
    options: dict[str, Any] = field(factory=dict)


def fault(name: str, row: str, *scripts: Script | None, **more: Any) -> Any:
    """Return a parameter of the test."""
    return pytest.param(Fault(scripts=scripts, **more), id=name, marks=pytest.mark.row(row))


def edge(status: int) -> Script:
    return [answer(PAGE, status=f"{status} Some Words")]


def own(status: int) -> Script:
    return [answer(envelope(status, "no"), status=f"{status} Some Words")]


LOST: dict[str, Any] = {
    "error": InDoubtError,
    "outcome": Outcome.UNKNOWN,
    "money": MAYBE,
    "polls": 0,
    "is_accepted": False,
}
NAMELESS: dict[str, Any] = {"error": PayloadError, "outcome": Outcome.DAMAGED, "polls": 0, "is_accepted": False}
WAITING: dict[str, Any] = {
    "error": NotReadyError,
    "outcome": Outcome.ACCEPTED,
    "says": (GENERATION_ID, "client.collect("),
}
BROKEN: dict[str, Any] = {"error": PayloadError, "outcome": Outcome.DAMAGED, "polls": 1}
LONG = head("200 OK", ("Content-Length", str(len(TRACK))))

FAULTS = [
    fault("no answer", "168", [Reset()], **LOST, says=("may have been carried out and charged", "client.settle(")),
    fault("half an answer", "168", [Send(head("200 OK", ("Content-Length", "99")) + b'{"id": "ge')], **LOST),
    fault("a gateway's 504", "168", edge(504), **LOST),
    fault(
        "no id", "169", [answer({"status": "queued"})], **NAMELESS, money=MAYBE, says=("no id to collect", "settle(")
    ),
    fault("no id, charged", "169", [answer({"status": "queued"}, headers=[CHARGED])], **NAMELESS, money=YES),
    fault("an id that is none", "169", [answer({"id": "a b"})], **NAMELESS, money=MAYBE),
    fault("an empty answer", "169", [answer(b"", status="202 Accepted")], **NAMELESS, money=MAYBE),
    fault(
        "refused at the submit",
        "170",
        own(429),
        error=RateLimitError,
        outcome=Outcome.REJECTED,
        money=NO,
        polls=0,
        is_accepted=False,
        options={"max_retries": 0},
    ),
    fault("404 for a while", "171", [TAKEN], *[own(404)] * 4, None, polls=5),
    fault(
        *("404 for good", "171", [TAKEN], own(404)),
        **{**WAITING, "error": NotFoundError, "polls": 5},
    ),
    fault("a gateway's 404", "171", [TAKEN], *[edge(404)] * 9, None, polls=10),
    fault("500", "172", [TAKEN], *[own(500)] * 9, None, polls=10),
    fault("503 and 502", "172", [TAKEN], own(503), own(502), edge(502), None, polls=4),
    fault("a page", "173", [TAKEN], [answer(PAGE)], [answer(b"")], [answer(b"[]")], [answer(b"{")], None, polls=5),
    fault("no answer to a question", "174", [TAKEN], [Reset()], [Reset()], None, polls=3),
    fault(
        "a question without end",
        "174",
        [TAKEN],
        [Send(head("200 OK", ("Content-Length", "99")) + b"{"), Hang()],
        None,
        polls=2,
        options={"timeout": Timeouts(total=1800, idle=0.1)},
    ),
    fault("never done", "174", [TAKEN], [RUNNING], **WAITING, polls=14, options={"timeout": 120}),
    fault(
        *("unknown words", "175", [TAKEN]),
        *([answer(accepted(status=word))] for word in ("polishing", "succeeded", "", None, 7)),
        *(None,),
        polls=6,
    ),
    fault(
        "it failed",
        "176",
        *([TAKEN], [answer({"id": GENERATION_ID, "status": "error", "error": {"name": "X", "message": "it broke"}})]),
        error=ServerError,
        outcome=Outcome.REJECTED,
        money=MAYBE,
        polls=1,
        says=("X: it broke", "client.settle("),
    ),
    fault(
        *("the key is refused meanwhile", "177", [TAKEN], own(401)),
        **{**WAITING, "error": AuthenticationError, "polls": 1},
    ),
    fault(
        "403 where the track is",
        "178",
        *([TAKEN], None),
        store=(edge(403),),
        error=ResultGoneError,
        outcome=Outcome.DAMAGED,
        polls=3,
        says=("HTTP 403", "24 hours", "client.collect("),
    ),
    fault(
        "410 where the track was",
        "178",
        *([TAKEN], None),
        store=(edge(410),),
        error=ResultGoneError,
        outcome=Outcome.DAMAGED,
        polls=3,
    ),
    fault("503 where the track is", "178", [TAKEN], None, store=(edge(503), [Reset()], GOOD), polls=3),
    fault(
        "a page in place of the track",
        "179",
        *([TAKEN], None),
        store=([kept(PAGE)],),
        **BROKEN,
        says=("not mp3",),
        salvage=("song.unverified.mp3", PAGE),
    ),
    fault("no byte in place of the track", "179", [TAKEN], None, store=([kept(b"")],), **BROKEN, says=("not mp3",)),
    fault("a track cut in two", "180", [TAKEN], None, store=([Send(LONG + TRACK[:900])], GOOD), polls=2),
    fault(
        "a track that stops coming",
        "180",
        *([TAKEN], None),
        store=([Send(LONG + TRACK[:900]), Hang()], [Send(LONG), Drip(TRACK[:9], 0.01), Reset()], GOOD),
        polls=3,
        options={"timeout": Timeouts(total=1800, idle=0.2)},
    ),
    fault(
        "another track the second time",
        "180",
        *([TAKEN], None),
        store=([Send(LONG + TRACK[:900])], [kept(bytes(len(TRACK)))]),
        **{**BROKEN, "polls": 2},
        salvage=("song.partial.mp3", TRACK[:900]),
    ),
    fault(
        "an announced length without end",
        "181",
        *([TAKEN], None),
        store=([Send(head("200 OK", ("Content-Length", "9999999999")) + TRACK)],),
        **BROKEN,
        says=("9,999,999,999 bytes",),
    ),
    *(
        fault(name, "182", [TAKEN], [answer(finished(url))], **BROKEN, says=(url, reason, "client.collect("))
        for name, url, reason in (
            ("a private address", "https://10.0.0.1/song.mp3", "public internet"),
            ("the metadata of a cloud", "https://169.254.169.254/latest/meta-data", "public internet"),
            ("a strange number", "https://0x0a000001/song.mp3", "public internet"),
            ("another scheme", "file:///etc/passwd", "not https"),
            ("plain http elsewhere", "http://example.com/song.mp3", "not https"),
            ("a user in it", "https://me:pw@example.com/song.mp3", "a user or a password"),
        )
    ),
    fault(
        "a redirect to a private address",
        "183",
        *([TAKEN], None),
        store=([answer(b"", status="302 Found", headers=[("Location", "https://192.168.0.1/song.mp3")])],),
        **BROKEN,
        says=("public internet",),
    ),
    fault(
        "a redirect without end",
        "183",
        *([TAKEN], None),
        store=([answer(b"", status="307 Temporary Redirect", headers=[("Location", "/song.mp3")])],),
        **BROKEN,
        says=("more than 5 times",),
    ),
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_queued_call_has_one_ending(fault: Fault, tmp_path: Path) -> None:
    """One paid request whatever happens; with the id where there is one, and the key at no host of a track."""
    with leaving_nothing(), service(*fault.scripts, store=fault.store) as served:
        async with served.client(**fault.options) as client:
            if fault.error is None:
                track = await make(client, to=tmp_path / "song.mp3")
                assert track.receipt is not None
                assert (track.receipt.outcome, track.receipt.money) == (fault.outcome, fault.money)
                assert track.receipt.generation_id == GENERATION_ID
                assert (tmp_path / "song.mp3").read_bytes() == TRACK
            else:
                error = await failing(client, to=tmp_path / "song.mp3")
                _assert_is(error, fault, tmp_path)
        assert (served.submits, served.polls) == (1, fault.polls)


def _assert_is(error: MusicError, fault: Fault, directory: Path) -> None:
    assert (type(error), error.outcome, error.money) == (fault.error, fault.outcome, fault.money), str(error)
    assert error.generation_id == (GENERATION_ID if fault.is_accepted else None)
    for part in fault.says:
        assert part in str(error)
    files = {path.name: path.read_bytes() for path in directory.iterdir()}
    assert files == ({} if fault.salvage is None else dict([fault.salvage]))
    assert error.salvage == (None if fault.salvage is None else directory / fault.salvage[0])


@pytest.mark.row("181")
async def test_a_track_without_end_is_cut_off(tmp_path: Path) -> None:
    """Nobody has announced how long it is; 128 MiB are the most, and what came is kept beside."""
    endless: Script = [Send(head("200 OK") + TRACK), Repeat(bytes(1 << 20), times=200)]
    with leaving_nothing(), service([TAKEN], None, store=(endless,)) as served:
        async with served.client() as client:
            error = await failing(client, to=tmp_path / "song.mp3")
    assert (type(error), error.outcome, error.money) == (PayloadError, Outcome.DAMAGED, YES)
    assert "more than 134,217,728 bytes" in str(error)
    (tmp_path / "song.partial.mp3").unlink()


@pytest.mark.row("183", "184")
async def test_a_redirect_to_another_host_takes_no_key_along() -> None:
    """Each of them is asked as the first one was: by a stranger."""
    with loopback(GOOD) as other:
        on = answer(b"", status="302 Found", headers=[("Location", f"http://localhost:{other.port}/b.mp3")])
        with leaving_nothing(), service([TAKEN], None, store=([on],)) as served:
            async with served.client() as client:
                assert (await make(client)).content == TRACK
    (request,) = other.requests
    assert set(request.headers) == {"host", "accept", "accept-encoding", "connection", "user-agent"}
