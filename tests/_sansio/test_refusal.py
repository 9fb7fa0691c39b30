"""What the service's refusals mean, in every shape they come in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiml_music._sansio.errors import (
    APIError,
    AuthenticationError,
    ContentRefusedError,
    CreditsError,
    InDoubtError,
    InvalidRequestError,
    MusicError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from aiml_music._sansio.outcome import Answer, Marks, Money, Operation, Outcome
from aiml_music._sansio.ports import ResponseHead
from aiml_music._sansio.refusal import Refusal, base_code, is_traced, refusal_of_document, refusal_of_status
from aiml_music._sansio.retry import Failure, Trouble
from aiml_music._sansio.verdict import Evidence, Problem, of_refusal

KEY = "sk-canary-31415926535"
ID = "order:17"
SENT = Marks(request_begun=True, body_handed_over=True, response_begun=True)
HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"


def flat(status: int, message: str) -> dict[str, Any]:
    """Return the flat shape: the status is a string in it."""
    return {
        "message": message,
        "path": "/v2/generate/audio/minimax/generate",
        "requestId": "req-1",
        "statusCode": str(status),
        "timestamp": "2026-08-20T10:00:00.000Z",
    }


def nested(_status: int, message: str) -> dict[str, Any]:
    """Return the nested shape."""
    return {"error": {"name": "Error", "message": message, "data": {"kind": "err_any"}}}


def with_code(_status: int, message: str) -> dict[str, Any]:
    """Return the provider's shape, outside its place in a 200."""
    return {"base_resp": {"status_code": 4242, "status_msg": message}}


SHAPES = [flat, nested, with_code]


def refused(status: int, document: object, *, headers: tuple[tuple[str, str], ...] = ()) -> Refusal:
    """Read an answer that is a refusal."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return refusal_of_status(ResponseHead(status=status, headers=headers), body, client_request_id=ID, secret=KEY)


def judged(refusal: Refusal, *, operation: Operation = Operation.GENERATE) -> Problem:
    """Judge it as the answer to a whole request."""
    evidence = Evidence(operation=operation, host="api", client_request_id=ID, marks=SENT, status=refusal.status)
    return of_refusal(evidence, refusal, None)


NO, UNKNOWN = Money.NO, Money.UNKNOWN

# status, words, error, outcome, money, throttled, lasting
STATUSES: list[tuple[int, str, type[MusicError], Outcome, Money, bool, bool]] = [
    (400, "lyrics required", InvalidRequestError, Outcome.REJECTED, NO, False, False),
    (401, "invalid key", AuthenticationError, Outcome.REJECTED, NO, False, True),
    (402, "pay", CreditsError, Outcome.REJECTED, NO, False, True),
    (403, "You've run out of credits. Please top up", CreditsError, Outcome.REJECTED, NO, False, True),
    (403, "You have reached the spending limit of the key", CreditsError, Outcome.REJECTED, NO, False, True),
    (403, "Insufficient balance", CreditsError, Outcome.REJECTED, NO, False, True),
    (403, "Verify your card", PermissionDeniedError, Outcome.REJECTED, NO, False, True),
    (404, "Cannot POST", NotFoundError, Outcome.REJECTED, NO, False, True),
    (405, "no", PermissionDeniedError, Outcome.REJECTED, NO, False, True),
    (408, "too slow", APIError, Outcome.UNKNOWN, UNKNOWN, False, False),
    (409, "conflict", APIError, Outcome.UNKNOWN, UNKNOWN, False, True),
    (410, "gone", NotFoundError, Outcome.REJECTED, NO, False, True),
    (411, "length", InvalidRequestError, Outcome.REJECTED, NO, False, False),
    (413, "too large", InvalidRequestError, Outcome.REJECTED, NO, False, False),
    (414, "too long", InvalidRequestError, Outcome.REJECTED, NO, False, False),
    (415, "type", InvalidRequestError, Outcome.REJECTED, NO, False, False),
    (418, "teapot", APIError, Outcome.REJECTED, NO, False, False),
    (422, "enum", InvalidRequestError, Outcome.REJECTED, NO, False, False),
    (425, "early", APIError, Outcome.REJECTED, NO, False, False),
    (428, "condition", APIError, Outcome.REJECTED, NO, False, False),
    (429, "Too many requests", RateLimitError, Outcome.REJECTED, NO, True, False),
    (429, "Free-tier limit: 10 requests", RateLimitError, Outcome.REJECTED, NO, False, True),
    (429, "100 requests per hour are allowed", RateLimitError, Outcome.REJECTED, NO, False, True),
    (431, "headers", InvalidRequestError, Outcome.REJECTED, NO, False, False),
    (451, "law", PermissionDeniedError, Outcome.REJECTED, NO, False, True),
    (499, "client", APIError, Outcome.REJECTED, NO, False, False),
    (500, "oops", ServerError, Outcome.REJECTED, UNKNOWN, False, False),
    (502, "provider", ServerError, Outcome.UNKNOWN, UNKNOWN, False, False),
    (503, "model is under maintenance", ServerError, Outcome.REJECTED, UNKNOWN, False, False),
    (504, "Generation timeout", ServerError, Outcome.UNKNOWN, UNKNOWN, False, False),
    (520, "?", ServerError, Outcome.UNKNOWN, UNKNOWN, False, False),
    (521, "?", ServerError, Outcome.UNKNOWN, UNKNOWN, False, False),
    (599, "?", ServerError, Outcome.UNKNOWN, UNKNOWN, False, False),
    (304, "?", ServerError, Outcome.UNKNOWN, UNKNOWN, False, True),
    (307, "?", ServerError, Outcome.UNKNOWN, UNKNOWN, False, True),
]
STATUS_IDS = [f"{row[0]} {row[1]}" for row in STATUSES]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("status", "words", "error", "outcome", "money", "throttled", "lasting"), STATUSES, ids=STATUS_IDS
)
def test_the_services_own_statuses(
    shape: Any,
    status: int,
    words: str,
    error: type[MusicError],
    outcome: Outcome,
    money: Money,
    *,
    throttled: bool,
    lasting: bool,
) -> None:
    """In whatever shape the service says it, a status means one error, one outcome, one state of the money."""
    refusal = refused(status, shape(status, words))
    problem = judged(refusal)
    assert refusal.authentic
    assert refusal.api_message == words
    assert (problem.error, problem.outcome, problem.money) == (error, outcome, money)
    assert (problem.failure.trouble is Trouble.THROTTLED, problem.failure.lasting) == (throttled, lasting)


@pytest.mark.parametrize("status", sorted({row[0] for row in STATUSES} - {521}))
def test_foreign_answers_prove_nothing(status: int) -> None:
    """A gateway's page with the same status is no verdict: the call is in doubt, and never repeated."""
    refusal = refused(status, b"<html>You've run out of credits per hour</html>")
    problem = judged(refusal)
    assert not refusal.authentic
    assert (problem.error, problem.outcome, problem.money) == (InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN)
    passing = status >= 500 or status in {408, 425, 429}
    assert problem.failure == Failure(trouble=Trouble.IN_DOUBT, lasting=not passing)


@pytest.mark.parametrize("status", range(520, 531))
def test_an_edge_may_say_that_it_never_got_through(status: int) -> None:
    """Four statuses of an edge server mean that it had no connection to the service; the others may not."""
    unreached = status in {521, 523, 525, 526}
    refusal = refused(status, HTML)
    assert refusal.meaning.answer is (Answer.UNREACHED if unreached else Answer.FOREIGN)
    problem = judged(refusal)
    assert problem.outcome is (Outcome.NOT_SENT if unreached else Outcome.UNKNOWN)
    assert problem.error is (NotSentError if unreached else InDoubtError)
    trouble = Trouble.NOT_SENT if unreached else Trouble.IN_DOUBT
    assert problem.failure == Failure(trouble=trouble, lasting=status in {525, 526})


# code, error, outcome, money, throttled, lasting
CODES: list[tuple[int, type[MusicError], Outcome, Money, bool, bool]] = [
    *[(code, RateLimitError, Outcome.REJECTED, NO, True, False) for code in (1002, 1039, 1041, 2045)],
    (2056, RateLimitError, Outcome.REJECTED, NO, False, True),
    *[(code, ServerError, Outcome.UNKNOWN, UNKNOWN, False, False) for code in (1000, 1001, 1013, 1024, 1033)],
    *[(code, AuthenticationError, Outcome.REJECTED, NO, False, True) for code in (1004, 2049)],
    (1008, CreditsError, Outcome.REJECTED, NO, False, True),
    (1026, ContentRefusedError, Outcome.REJECTED, NO, False, False),
    (1027, ContentRefusedError, Outcome.REJECTED, UNKNOWN, False, False),
    (2044, PermissionDeniedError, Outcome.REJECTED, NO, False, True),
    *[
        (code, InvalidRequestError, Outcome.REJECTED, NO, False, False)
        for code in (1042, 2013, 20132, 2037, 2042, 2048)
    ],
    *[(code, ServerError, Outcome.UNKNOWN, UNKNOWN, False, False) for code in (1, -1, 9999, 10**9)],
]


@pytest.mark.parametrize(
    ("code", "error", "outcome", "money", "throttled", "lasting"), CODES, ids=[str(row[0]) for row in CODES]
)
def test_the_providers_codes(
    code: int, error: type[MusicError], outcome: Outcome, money: Money, *, throttled: bool, lasting: bool
) -> None:
    """A code in a 200 means what the provider's table says; a code nobody knows may have done the work."""
    document = {"base_resp": {"status_code": code, "status_msg": "no"}, "trace_id": "04fb"}
    problem = judged(refusal_of_document(ResponseHead(status=200), document))
    assert (problem.error, problem.outcome, problem.money) == (error, outcome, money)
    assert (problem.failure.trouble is Trouble.THROTTLED, problem.failure.lasting) == (throttled, lasting)
    assert (problem.details["api_code"], problem.details["api_message"]) == (code, "no")


@pytest.mark.parametrize("base", [None, {}, "text", {"status_code": None, "status_msg": 7}], ids=repr)
def test_a_document_without_a_code_settles_nothing(base: object) -> None:
    """A 200 that does not say what it is may have done the work."""
    refusal = refusal_of_document(ResponseHead(status=200), {"base_resp": base})
    assert (refusal.meaning.answer, refusal.api_code, refusal.api_message) == (Answer.UNSETTLED, None, "")


@pytest.mark.parametrize("row", STATUSES, ids=STATUS_IDS)
def test_a_refused_upload_costs_nothing_either(
    row: tuple[int, str, type[MusicError], Outcome, Money, bool, bool],
) -> None:
    """That no price of an upload is known makes its refusals no dearer, and its throttling no less repeatable."""
    status, words, _, outcome, money, throttled, _ = row
    problem = judged(refused(status, flat(status, words)), operation=Operation.UPLOAD)
    assert (problem.outcome, problem.money, problem.failure.trouble is Trouble.THROTTLED) == (
        outcome,
        money,
        throttled,
    )


@pytest.mark.parametrize("row", [row for row in STATUSES if row[4] is UNKNOWN], ids=lambda row: str(row[0]))
def test_doubt_about_money_comes_with_a_next_step(
    row: tuple[int, str, type[MusicError], Outcome, Money, bool, bool],
) -> None:
    """Who may have paid for a refusal is told where to look before paying again."""
    assert "usage log" in str(judged(refused(row[0], flat(row[0], row[1]))).hint)


@pytest.mark.parametrize(
    ("headers", "authentic"),
    [
        ((), False),
        ((("x-inference-id", "inf-1"),), True),
        ((("x-inference-id", ""),), False),
        ((("x-client-request-id", ID),), True),
        ((("x-client-request-id", "order:18"),), False),
        ((("x-client-request-id", ""),), False),
        ((("server", "cloudflare"), ("cf-ray", "1")), False),
    ],
    ids=["none", "inference id", "empty inference id", "our id", "another id", "empty id", "an edge's"],
)
def test_the_marks_of_the_service(headers: tuple[tuple[str, str], ...], *, authentic: bool) -> None:
    """An inference id, or the echo of our own id, shows that an answer without a known body is the service's own."""
    assert is_traced(ResponseHead(status=500, headers=headers), ID) is authentic
    refusal = refused(500, HTML, headers=headers)
    assert refusal.authentic is authentic
    assert judged(refusal).error is (ServerError if authentic else InDoubtError)


@pytest.mark.parametrize(
    ("document", "authentic"),
    [
        ({"message": "Endpoint request timed out"}, False),
        ({"error": "Bad Gateway"}, False),
        ({"error": {}}, False),
        ({"error": {"code": 7}}, False),
        ({"error": None, "message": "x"}, False),
        ({}, False),
        ({"base_resp": {}}, False),
        ({"base_resp": {"status_code": "1008"}}, False),
        ({"error": {"name": "ValidationError"}}, True),
        ({"error": {"message": None}}, True),
        ({"statusCode": 500}, True),
        ({"requestId": "req-1"}, True),
        ({"base_resp": {"status_code": 1008}}, True),
    ],
    ids=json.dumps,
)
def test_only_the_services_own_shapes_are_a_verdict(document: dict[str, Any], *, authentic: bool) -> None:
    """JSON alone proves nothing: gateways speak it too."""
    assert refused(500, document).authentic is authentic


HOSTILE = {
    "nothing": b"",
    "deep lists": b"[" * 60_000 + b"]" * 60_000,
    "deep objects": b'{"a":' * 30_000 + b"1" + b"}" * 30_000,
    "deep error": b'{"error":' * 30_000 + b"1" + b"}" * 30_000,
    "cut short": b'{"error": {"message": "no',
    "cut in a character": b'{"message": "\xe6\xad',
    "not UTF-8": b'{"message": "\xff", "statusCode": 500}',
    "UTF-16": '{"statusCode": 500}'.encode("utf-16"),
    "a list": b'[{"statusCode": 500}]',
    "a number": b"500",
    "a string": b'"statusCode"',
    "null": b"null",
    "a huge number": b"9" * 60_000,
    "a huge number inside": b'{"statusCode": ' + b"9" * 60_000 + b"}",
    "controls": b'{"message": "\x00", "statusCode": 500}',
    "zeros": bytes(64 * 1024),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bodies_are_foreign(body: bytes) -> None:
    """A body that cannot be read is no verdict, and breaks nothing."""
    refusal = refused(500, body)
    assert not refusal.authentic
    assert (refusal.api_message, refusal.fields, refusal.api_code) == ("", (), None)


@pytest.mark.parametrize("depth", [1, 10, 100, 900, 950, 980, 990, 5_000, 9_990, 20_000])
def test_a_deep_path_is_no_trouble(depth: int) -> None:
    """However deep the field of a complaint is nested, reading it ends without an error of Python's."""
    path = b"[" * depth + b"]" * depth
    refusal = refused(400, b'{"error": {"message": "no", "data": [{"path": ["lyrics", %s, 7]}]}}' % path)
    assert refusal.fields in {("lyrics.7",), ()}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "error",
                        "message",
                        "name",
                        "data",
                        "path",
                        "base_resp",
                        "status_code",
                        "status_msg",
                        "statusCode",
                        "requestId",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    st.integers(300, 599),
)
def test_any_document_is_read(document: object, status: int) -> None:
    """Whatever types stand where, an answer becomes an error that can be raised."""
    problem = judged(refused(status, document))
    error = problem.error(problem.message, outcome=problem.outcome, money=problem.money, **problem.details)
    assert str(status) in str(error)


@pytest.mark.parametrize(
    ("issues", "fields"),
    [
        ([{"path": ["lyrics"]}], ("lyrics",)),
        ([{"path": ["audio_setting", "bitrate"]}, {"path": ["tags", 0]}], ("audio_setting.bitrate", "tags.0")),
        ([{"path": []}], ("",)),
        ([{"path": "lyrics"}, {"code": "x"}, "text", None, 7, []], ()),
        ([{"path": [None, "a", 1.5, {"b": 1}, ["c"], "d"]}], ("a.d",)),
        ([{"path": ["a\x1b[31m\n" + "b" * 100]}], ("a[31m " + "b" * 73 + "\u2026",)),
        ([{"path": [KEY]}], ("***",)),
        ([{"path": [str(n)]} for n in range(30)], tuple(str(n) for n in range(20))),
        ({"kind": "err_unverified_card"}, ()),
        (None, ()),
        ("text", ()),
    ],
    ids=["one", "two", "root", "other types", "odd steps", "dirty", "the key", "many", "an object", "none", "a string"],
)
def test_complained_fields_are_named(issues: object, fields: tuple[str, ...]) -> None:
    """The paths of a validation's issues are given dotted, clean, short, and not too many."""
    assert refused(400, {"error": {"name": "E", "message": "m", "data": issues}}).fields == fields


@pytest.mark.parametrize("shape", SHAPES)
def test_the_services_words_are_fit_to_be_shown(shape: Any) -> None:
    """A message is one clean line of at most 500 characters, without the key it may repeat."""
    message = refused(401, shape(401, f"Key {KEY}\r\n\x1b[31mis wrong" + "!" * 900)).api_message
    assert message.startswith("Key *** [31mis wrong!!!")
    assert len(message) == 500
    words = {"base_resp": {"status_code": 1004, "status_msg": f"{KEY} \x07 is wrong"}}
    assert refusal_of_document(ResponseHead(status=200), words, secret=KEY).api_message == "*** is wrong"


@pytest.mark.parametrize(
    ("base", "code"),
    [
        ({"status_code": 0}, 0),
        ({"status_code": 1008}, 1008),
        ({"status_code": True}, None),
        ({"status_code": "1008"}, None),
        ({"status_code": 1008.0}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
    ids=repr,
)
def test_a_code_is_a_whole_number(base: object, code: int | None) -> None:
    """What is no whole number is no code."""
    assert base_code({"base_resp": base}) == code
    assert base_code({}) is None


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "belongs to this base URL"), (402, "Top up"), (404, "base_url"), (429, "max_concurrency"), (413, "larger")],
)
def test_a_refusal_that_cost_nothing_says_what_to_change(status: int, words: str) -> None:
    """Where there is no doubt about money, the next step is about what was refused, and not about the usage log."""
    hint = str(judged(refused(status, flat(status, "no"))).hint)
    assert words in hint
    assert "usage log" not in hint


@pytest.mark.parametrize("body", [flat(300, "?"), HTML], ids=["the service", "an edge"])
@pytest.mark.parametrize("status", [300, 399])
def test_every_redirect_is_doubt_that_lasts(body: object, status: int) -> None:
    """The whole class of redirects is neither followed nor repeated, whoever sends one."""
    problem = judged(refused(status, body))
    assert (problem.outcome, problem.failure.lasting) == (Outcome.UNKNOWN, True)


def test_a_redirect_does_not_tell_the_key() -> None:
    """A server that builds the key into a host gets it blotted out of the message."""
    refusal = refused(302, HTML, headers=(("location", f"https://{KEY}.example/"),))
    assert refusal.moved_to == "***.example"
    assert KEY not in judged(refusal).message
