"""Rows 87-98h: what the service, or something in front of it, answers instead of what was asked for."""

from pathlib import Path
from typing import Any

import pytest

from aiml_music import (
    APIError,
    AuthenticationError,
    ContentRefusedError,
    CreditsError,
    InvalidRequestError,
    MusicError,
    NotFoundError,
    NotSentError,
    Operation,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from tests.answers import answer, envelope, generated, refused, uploaded
from tests.calls import TRACK
from tests.faults.harness import (
    GENERATE,
    MAYBE,
    NO,
    UPLOAD,
    YES,
    Ending,
    Fault,
    as_upload,
    both,
    cases,
    damaged,
    doubtful,
    endure,
    recover,
    rejected,
    suffer,
    unsent,
)
from tests.loopback import Script

pytestmark = pytest.mark.anyio

HTML = b"<html><body>Bad gateway</body></html>"
FREE, CHARGED = ("x-aimlapi-credits-used", "0"), ("x-aimlapi-credits-used", "63000")


def service(status: int, text: str = "no", *headers: tuple[str, str]) -> Script:
    """Answer as the service itself does."""
    return [answer(envelope(status, text), status=f"{status} Some Words", headers=headers)]


def edge(status: int, *headers: tuple[str, str]) -> Script:
    """Answer as something in front of the service does."""
    return [answer(HTML, status=f"{status} Some Words", headers=headers)]


def coded(code: int, *headers: tuple[str, str]) -> Script:
    """Answer with success, and with an error code in the document."""
    return [answer(refused(code, "the provider's words"), headers=headers)]


def either(status: int, ending: Ending, upload: Ending | None = None, text: str = "no") -> tuple[Fault, Fault]:
    return both(service(status, text), ending, upload)


INVALID = rejected(InvalidRequestError)
DENIED = rejected(PermissionDeniedError)
GONE = rejected(NotFoundError)
POOR = rejected(CreditsError)
FAILED, FAILED_UPLOAD = rejected(ServerError, money=MAYBE), rejected(ServerError, money=MAYBE, again=True)
UNSETTLED = doubtful(error=ServerError)
BUSY = rejected(RateLimitError, again=True)
USED_UP = rejected(RateLimitError)

REFUSALS = cases(
    ("400", "87", either(400, INVALID)),
    ("422", "87", either(422, INVALID)),
    ("401", "88", either(401, rejected(AuthenticationError))),
    ("402", "89", either(402, POOR)),
    ("403 for credits", "89", either(403, POOR, text="You've run out of credits.")),
    ("403 for the key's limit", "89", either(403, POOR, text="The key reached its spending limit.")),
    ("403", "90", either(403, DENIED)),
    ("404", "90", either(404, GONE)),
    ("405", "90", either(405, DENIED)),
    ("410", "90", either(410, GONE)),
    ("451", "90", either(451, DENIED)),
    ("408", "91", either(408, doubtful(error=APIError))),
    ("409", "92", either(409, doubtful(error=APIError), doubtful(error=APIError))),
    *((str(status), "93", either(status, INVALID)) for status in (411, 413, 414, 415, 431)),
    *((str(status), "94", either(status, rejected(APIError))) for status in (425, 428)),
    ("429", "95", either(429, BUSY)),
    ("429 at no cost", "95", both(service(429, "slow down", FREE), BUSY)),
    (
        "429 that was charged",
        "95",
        Fault(script=service(429, "no", CHARGED), ending=rejected(RateLimitError, money=YES)),
    ),
    ("429 for the hour", "95", either(429, USED_UP, text="Free-tier limit: 10 requests per hour")),
    ("429 of an edge", "95", both(edge(429), doubtful())),
)

FAULTS_OF_THE_SERVICE = cases(
    ("500", "98a", either(500, FAILED, FAILED_UPLOAD)),
    ("503", "98a", either(503, FAILED, FAILED_UPLOAD)),
    ("500 at no cost", "98a", Fault(script=service(500, "no", FREE), ending=rejected(ServerError))),
    ("503 at no cost", "98a", Fault(script=service(503, "no", FREE), ending=rejected(ServerError))),
    ("502", "98b", either(502, UNSETTLED)),
    ("504", "98b", either(504, UNSETTLED, text="Generation timeout")),
    ("599", "98f", either(599, UNSETTLED)),
    *((f"{status} of a gateway", "98c", both(edge(status), doubtful())) for status in (500, 502, 503, 504)),
    (
        "503 with Retry-After, cost unknown",
        "98d",
        Fault(script=service(503, "no", ("Retry-After", "7")), ending=FAILED),
    ),
    ("503 of a gateway with Retry-After", "98d", Fault(script=edge(503, ("Retry-After", "7")), ending=doubtful())),
    *((f"{status} of an edge", "98e", both(edge(status), unsent())) for status in (521, 523)),
    *((f"{status} of an edge", "98e", both(edge(status), unsent(again=False))) for status in (525, 526)),
    *((f"{status} of an edge", "98e", both(edge(status), doubtful())) for status in (520, 522)),
    *((f"{status} of an edge", "98f", both(edge(status), doubtful())) for status in (524, 527, 530, 599, 555)),
    ("504 after a gateway's minute", "72", both(edge(504), doubtful(says=("HTTP 504", "may have been carried out")))),
    ("524 after an edge's minute", "72", both(edge(524), doubtful(says=("HTTP 524", "may have been carried out")))),
)

OTHER_SUCCESSES = cases(
    ("201 and nothing", "98g", both([answer(b"", status="201 Created")], damaged())),
    ("202 and no track", "98g", both([answer({"id": "job-1", "status": "queued"}, status="202 Accepted")], damaged())),
    ("204", "98g", both([answer(b"", status="204 No Content")], damaged())),
    ("206 and a half", "98g", both([answer(b'{"data": {', status="206 Partial Content")], damaged())),
)

CODES: dict[tuple[int, ...], Ending] = {
    (1002, 1039, 1041, 2045): BUSY,
    (2056,): USED_UP,
    (1000, 1001, 1013, 1024, 1033): UNSETTLED,
    (1004, 2049): rejected(AuthenticationError),
    (1008,): POOR,
    (1026,): rejected(ContentRefusedError),
    (1027,): rejected(ContentRefusedError, money=MAYBE),
    (1042, 2013, 20132, 2037, 2042, 2048): INVALID,
    (2044,): DENIED,
    (1, 7, -1, 99999, 2**40): UNSETTLED,
}
CODED = cases(
    *((f"code {code}", "98h", both(coded(code), ending)) for codes, ending in CODES.items() for code in codes)
)


@pytest.mark.parametrize("fault", [*REFUSALS, *FAULTS_OF_THE_SERVICE, *OTHER_SUCCESSES, *CODED])
async def test_an_answer_has_one_ending(fault: Fault, tmp_path: Path) -> None:
    """Class, outcome and money follow from who answered what, and only what cost nothing for certain is repeated."""
    await suffer(fault, tmp_path)


PAID_CODES = {code: ending for codes, ending in CODES.items() for code in codes if ending is BUSY}


@pytest.mark.row("98h")
@pytest.mark.parametrize("code", PAID_CODES)
async def test_a_throttling_that_was_charged_is_not_repeated(code: int, tmp_path: Path) -> None:
    """The header of the cost is looked at before a code is believed."""
    await suffer(Fault(script=coded(code, CHARGED), ending=rejected(RateLimitError, money=YES)), tmp_path)


@pytest.mark.row("98h")
@pytest.mark.parametrize("code", [1000, 1027, 7])
@pytest.mark.parametrize(("cost", "money"), [(FREE, NO), (CHARGED, YES)])
async def test_the_header_of_the_cost_decides_about_the_money(
    code: int, cost: tuple[str, str], money: Any, tmp_path: Path
) -> None:
    """Whether a failed call was charged is what the service itself says, where it says so."""
    ending = rejected(ContentRefusedError, money=money) if code == 1027 else doubtful(error=ServerError, money=money)
    await suffer(Fault(script=coded(code, cost), ending=ending), tmp_path)


@pytest.mark.row("98h")
async def test_a_code_comes_with_the_providers_words(tmp_path: Path) -> None:
    """Code and words of the document are in the error, beside the status that says success."""
    error = await suffer(Fault(script=coded(2013), ending=rejected(InvalidRequestError)), tmp_path)
    assert isinstance(error, APIError)
    assert (error.status, error.api_code, error.api_message) == (200, 2013, "the provider's words")
    assert error.trace_id


@pytest.mark.row("87")
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_the_fields_complained_about_are_named(operation: Operation, tmp_path: Path) -> None:
    """The service's own hints are in the error, without control characters and not without end."""
    issues = [{"path": ["lyrics"], "message": "too long"}, {"path": ["audio_setting", "\x1b[31mformat" + "x" * 999]}]
    body = {"error": {"name": "ValidationError", "message": "bad\x1b[2J\r\nfields", "data": issues}}
    script = [answer(body, status="400 Bad Request")]
    error = await suffer(Fault(operation=operation, script=script, ending=INVALID), tmp_path)
    assert isinstance(error, InvalidRequestError)
    assert error.fields[0] == "lyrics"
    assert error.fields[1].startswith("audio_setting.")
    assert len(error.fields[1]) <= 100
    assert all(text.isprintable() for text in (*error.fields, error.api_message))


@pytest.mark.row("93")
@pytest.mark.parametrize("status", [413])
async def test_a_limit_of_size_is_hinted_at(status: int, tmp_path: Path) -> None:
    """What is larger than the service takes is said to be."""
    ending = rejected(InvalidRequestError, says=("larger than the service takes",))
    await suffer(Fault(operation=UPLOAD, script=service(status), ending=ending), tmp_path)


WAITS = {
    "none": ((), 0.5),
    "seconds": ((("Retry-After", "7"),), 7.35),
    "a fraction": ((("Retry-After", "1.5"),), 1.575),
    "zero": ((("Retry-After", "0"),), 0.5),
    "a date, with a clock that is years away": (
        (("Date", "Wed, 21 Oct 2015 07:28:00 GMT"), ("Retry-After", "Wed, 21 Oct 2015 07:28:10 GMT")),
        10.5,
    ),
    "a date that is past": (
        (("Date", "Wed, 21 Oct 2015 07:28:00 GMT"), ("Retry-After", "Wed, 21 Oct 2015 07:27:00 GMT")),
        0.5,
    ),
}
NONSENSE = ["soon", "-7", "+7", "inf", "nan", "1e9", "0x10", "\u0663", "7 s", "", "9" * 400, "1_0", "7;8"]


@pytest.mark.row("95", "96")
@pytest.mark.parametrize("case", WAITS)
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_a_throttling_is_waited_out(operation: Operation, case: str, tmp_path: Path) -> None:
    """The wait is never shorter than the service asks for, and an answer's own date is what a date is read against."""
    headers, wait = WAITS[case]
    fault = Fault(operation=operation, script=service(429, "slow down", *headers), ending=BUSY)
    assert await recover(fault, tmp_path) == [pytest.approx(wait)]


@pytest.mark.row("97")
@pytest.mark.parametrize("value", NONSENSE)
async def test_a_wait_that_is_nonsense_is_our_own(value: str, tmp_path: Path) -> None:
    """What no server should write as `Retry-After` counts as not written."""
    raw = value.encode().decode("latin-1")
    fault = Fault(script=service(429, "slow down", ("Retry-After", raw)), ending=BUSY)
    assert await recover(fault, tmp_path) == [0.5]


@pytest.mark.row("97")
@pytest.mark.parametrize(
    "headers",
    [
        (("Retry-After", "61"),),
        (("Retry-After", "9999999999"),),
        (("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"),),
    ],
)
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_a_wait_that_is_too_long_is_the_callers_affair(
    operation: Operation, headers: tuple[tuple[str, str], ...], tmp_path: Path
) -> None:
    """Nobody is kept waiting for more than a minute: the error says how long it would have been."""
    fault = Fault(operation=operation, script=service(429, "slow down", *headers), ending=USED_UP)
    error = await suffer(fault, tmp_path)
    assert isinstance(error, RateLimitError)
    assert error.retry_after is not None
    assert error.retry_after > 60


@pytest.mark.row("98d")
@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
async def test_a_service_that_is_busy_at_no_cost_is_asked_again(operation: Operation, tmp_path: Path) -> None:
    """A 503 that says when to come back, and that nothing was charged, is waited out like a throttling."""
    ending = rejected(ServerError, again=True)
    fault = Fault(operation=operation, script=service(503, "busy", ("Retry-After", "7"), FREE), ending=ending)
    await suffer(fault, tmp_path)
    assert await recover(fault, tmp_path) == [pytest.approx(7.35)]


@pytest.mark.row("98d")
async def test_an_upload_waits_as_long_as_it_is_asked_to(tmp_path: Path) -> None:
    """An upload is repeated after any 503 of the service, and not before the time it names."""
    script = service(503, "busy", ("Retry-After", "7"))
    slept = await recover(Fault(operation=UPLOAD, script=script, ending=as_upload(FAILED_UPLOAD)), tmp_path)
    assert slept == [pytest.approx(7.35)]


@pytest.mark.row("98g")
@pytest.mark.parametrize("status", ["201 Created", "202 Accepted", "206 Partial Content", "299 Fine"])
async def test_any_success_with_a_good_document_is_one(status: str, tmp_path: Path) -> None:
    """What counts is the document: a track that was paid for is not thrown away for the number above it."""
    await endure([answer(generated(TRACK), status=status)], tmp_path, operation=GENERATE)
    await endure([answer(uploaded(), status=status)], tmp_path, operation=UPLOAD)


def test_the_classes_are_those_of_the_tree() -> None:
    """Every refusal is an `APIError`, and what never reached the service is none."""
    classes: set[type[MusicError]] = {param.values[0].ending.error for param in [*REFUSALS, *CODED]}
    assert {error for error in classes if not issubclass(error, APIError)} == {doubtful().error}
    assert not issubclass(NotSentError, APIError)
