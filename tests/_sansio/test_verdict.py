"""How an attempt that ended badly is judged: error, outcome, money, words, and whether it may be repeated."""

import errno
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiml_music._sansio.errors import (
    ContentRefusedError,
    InDoubtError,
    InDoubtTimeout,
    MusicError,
    NotSentError,
    NotSentTimeout,
    PayloadError,
    RateLimitError,
    StorageError,
)
from aiml_music._sansio.outcome import Answer, Marks, Money, Operation, Outcome, Phase
from aiml_music._sansio.ports import FaultKind, ResponseHead, TransportFault
from aiml_music._sansio.refusal import refusal_of_document, refusal_of_status
from aiml_music._sansio.retry import QUOTA, Failure, RetryPolicy, Trouble
from aiml_music._sansio.verdict import (
    Evidence,
    Problem,
    in_doubt_hint,
    of_broken_answer,
    of_fault,
    of_foreign_body,
    of_giving_up,
    of_lost_disk,
    of_refusal,
    of_reply,
    of_timeout,
)
from aiml_music._sansio.wire import Tracing, read_reply

NOTHING = Marks()
BEGUN = Marks(request_begun=True)
WHOLE = Marks(request_begun=True, body_handed_over=True)
ANSWERED = Marks(request_begun=True, body_handed_over=True, response_begun=True)
EARLY = Marks(request_begun=True, response_begun=True)


def evidence(marks: Marks, **changes: Any) -> Evidence:
    """Return what is known of a generation that got this far."""
    known: dict[str, Any] = {"operation": Operation.GENERATE, "host": "api", "client_request_id": "order:17"}
    return Evidence(marks=marks, **(known | changes))


def raised(problem: Problem) -> MusicError:
    """Return the error a problem becomes."""
    return problem.error(
        problem.message,
        **problem.details,
        outcome=problem.outcome,
        money=problem.money,
        phase=problem.phase,
        hint=problem.hint,
        trace_id=problem.trace_id,
    )


@pytest.mark.parametrize("kind", FaultKind)
def test_trouble_before_the_request_is_repeated(kind: FaultKind) -> None:
    """Nothing left this machine, so it may be tried again, unless trying again cannot help."""
    problem = of_fault(evidence(NOTHING), TransportFault(kind, "no route"))
    assert problem.error is (NotSentTimeout if kind is FaultKind.TIMEOUT else NotSentError)
    assert (problem.outcome, problem.money, problem.phase) == (Outcome.NOT_SENT, Money.NO, Phase.CONNECT)
    assert problem.failure == Failure(
        trouble=Trouble.NOT_SENT,
        lasting=kind in {FaultKind.TLS_TRUST, FaultKind.PROXY_SETUP},
        stubborn=kind in {FaultKind.NO_NAME, FaultKind.NO_TLS},
    )
    assert problem.crowded is (kind is FaultKind.EXHAUSTED)
    assert problem.message == "api could not be reached before anything was sent: no route."


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (FaultKind.DNS, "resolver"),
        (FaultKind.NO_NAME, "host name"),
        (FaultKind.EXHAUSTED, "ulimit"),
        (FaultKind.CONNECT, "firewall"),
        (FaultKind.NO_TLS, "captive portal"),
        (FaultKind.TLS_TRUST, "clock"),
        (FaultKind.PROXY, "HTTPS_PROXY"),
        (FaultKind.PROXY_SETUP, "HTTPS_PROXY"),
    ],
)
def test_trouble_on_the_way_comes_with_a_next_step(kind: FaultKind, word: str) -> None:
    """What keeps a request from leaving can mostly be put right here."""
    assert word in str(of_fault(evidence(NOTHING), TransportFault(kind, "x")).hint)


@pytest.mark.parametrize("kind", FaultKind)
def test_trouble_while_sending_may_be_repeated(kind: FaultKind) -> None:
    """A request that left in part cost nothing: no server acts on half of one."""
    problem = of_fault(evidence(BEGUN), TransportFault(kind, "reset"))
    assert problem.error is (NotSentTimeout if kind is FaultKind.TIMEOUT else NotSentError)
    assert (problem.outcome, problem.money, problem.phase) == (Outcome.NOT_SENT, Money.NO, Phase.SEND)
    assert problem.failure.trouble is Trouble.NOT_SENT
    assert "before the request was sent" in problem.message
    assert "size of the reference" in str(problem.hint)


@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize(
    ("marks", "status", "words", "phase"),
    [
        (WHOLE, None, "the connection ended without an answer: reset.", Phase.WAIT),
        (ANSWERED, 200, "the connection ended after HTTP 200 and before any audio: reset.", Phase.READ),
    ],
    ids=["no answer", "no audio"],
)
def test_trouble_after_the_request_is_in_doubt(
    kind: FaultKind, marks: Marks, status: int | None, words: str, phase: Phase
) -> None:
    """A whole request without a whole answer may have been paid, whatever broke; it is not repeated."""
    problem = of_fault(evidence(marks, status=status), TransportFault(kind, "reset"))
    assert problem.error is (InDoubtTimeout if kind is FaultKind.TIMEOUT else InDoubtError)
    assert (problem.outcome, problem.money, problem.phase) == (Outcome.UNKNOWN, Money.UNKNOWN, phase)
    assert problem.message == f"api took the request, and {words}"
    assert problem.details == {"status": status}
    assert "order:17" in str(problem.hint)
    assert problem.failure == Failure(trouble=Trouble.IN_DOUBT)


def test_a_cost_on_an_unfinished_answer_counts() -> None:
    """A charge the headers announced is a charge, though the rest never came."""
    known = evidence(ANSWERED, status=200, tracing=Tracing(credits_used=63_000))
    assert of_fault(known, TransportFault(FaultKind.READ, "reset")).money is Money.YES


@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
def test_audio_that_breaks_off_is_damaged(operation: Operation) -> None:
    """Once audio came, the answer was a success: what is missing makes it damaged goods."""
    known = evidence(ANSWERED, status=200, audio_bytes=12_345, operation=operation)
    problems = [
        of_fault(known, TransportFault(FaultKind.READ, "reset")),
        of_timeout(known, "nothing came for 30 s"),
        of_broken_answer(known, "the document is cut"),
    ]
    assert {problem.error for problem in problems} == {PayloadError}
    assert {problem.outcome for problem in problems} == {Outcome.DAMAGED}
    assert {problem.money for problem in problems} == {Money.YES if operation is Operation.GENERATE else Money.UNKNOWN}
    assert [problem.message for problem in problems] == [
        "api answered, but the connection broke: reset after 12,345 bytes of audio.",
        "api answered, but nothing came for 30 s after 12,345 bytes of audio.",
        "api answered, but the document is cut after 12,345 bytes of audio.",
    ]


def test_a_broken_answer_without_audio_may_be_free() -> None:
    """Success was announced and nothing usable came: the money is gone or not, and nobody says."""
    problem = of_broken_answer(evidence(ANSWERED, status=200), "The document ends early", trace_id="04fb")
    assert (problem.error, problem.outcome, problem.money) == (PayloadError, Outcome.DAMAGED, Money.UNKNOWN)
    assert (problem.phase, problem.trace_id) == (Phase.DECODE, "04fb")
    assert problem.message == "api answered, but the document ends early."


@pytest.mark.parametrize("given_up", [False, True], ids=["time ran out", "given up"])
@pytest.mark.parametrize(
    ("marks", "error", "outcome"),
    [
        (NOTHING, NotSentTimeout, Outcome.NOT_SENT),
        (BEGUN, NotSentTimeout, Outcome.NOT_SENT),
        (EARLY, NotSentTimeout, Outcome.NOT_SENT),
        (WHOLE, InDoubtTimeout, Outcome.UNKNOWN),
        (ANSWERED, InDoubtTimeout, Outcome.UNKNOWN),
    ],
    ids=["nothing", "begun", "answered early", "whole", "answered"],
)
def test_an_end_from_this_side(marks: Marks, error: type[MusicError], outcome: Outcome, *, given_up: bool) -> None:
    """How far the request got decides whether time ran out, or patience, before the money or after it."""
    problem = (of_giving_up if given_up else of_timeout)(evidence(marks, status=200), "it took too long")
    plain = NotSentError if error is NotSentTimeout else InDoubtError
    assert (problem.error, problem.outcome, problem.phase) == (plain if given_up else error, outcome, marks.phase)
    assert problem.message == "api: it took too long."
    assert problem.details == ({"status": 200} if error is InDoubtTimeout else {})
    assert (problem.hint is None) is (error is NotSentTimeout)
    assert problem.failure == Failure(trouble=Trouble.NOT_SENT if error is NotSentTimeout else Trouble.IN_DOUBT)


def test_the_way_out_of_doubt_depends_on_the_price() -> None:
    """A generation is looked up before it is paid again; an upload is simply made again."""
    assert "order:17 in the usage log" in in_doubt_hint(evidence(WHOLE))
    assert "Uploading the same reference again" in in_doubt_hint(evidence(WHOLE, operation=Operation.UPLOAD))
    assert "asking again costs nothing" in in_doubt_hint(evidence(WHOLE, operation=Operation.READ))


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (OSError(errno.EIO, "Input/output error", "song.mp3"), "Input/output error"),
        (OSError("no more \x1b[1mroom\n"), "no more [1mroom"),
    ],
    ids=["with a number", "with words alone"],
)
def test_a_lost_disk_is_an_error_of_storage(trouble: OSError, words: str) -> None:
    """A track that a dying disk cut short was paid for: the error names the disk's trouble and the file."""
    error = raised(of_lost_disk(evidence(ANSWERED, status=200, audio_bytes=7), trouble))
    assert isinstance(error, StorageError)
    assert (error.outcome, error.money, error.phase) == (Outcome.DAMAGED, Money.YES, Phase.STORE)
    assert (error.errno, error.filename) == (trouble.errno, trouble.filename)
    assert error.message == f"api answered, but the disk failed: {words} after 7 bytes of audio."
    assert "salvage" in str(error.hint)


THROTTLED = (
    b'{"message": "slow down", "statusCode": "429", "requestId": "r"}',
    ResponseHead(status=429, headers=(("x-inference-id", "inf-1"),)),
)


@pytest.mark.parametrize(
    ("credits_used", "money", "throttled"),
    [(None, Money.NO, True), (0, Money.NO, True), (1, Money.YES, False)],
    ids=["unsaid", "free", "charged"],
)
def test_only_free_throttling_is_repeated(credits_used: int | None, money: Money, *, throttled: bool) -> None:
    """A throttling that was charged for is not tried again."""
    body, head = THROTTLED
    known = evidence(ANSWERED, status=429, tracing=Tracing(credits_used=credits_used))
    problem = of_refusal(known, refusal_of_status(head, body, client_request_id="order:17"), 7.5)
    trouble = Trouble.THROTTLED if throttled else Trouble.REFUSED
    assert (problem.error, problem.money, problem.failure.trouble) == (RateLimitError, money, trouble)
    assert problem.failure.retry_after == 7.5
    assert problem.crowded


def test_a_refusal_tells_everything_the_service_said() -> None:
    """Status, code, words, fields and the wait asked for arrive in the error."""
    body, head = THROTTLED
    refusal = refusal_of_status(head, body, client_request_id="order:17")
    error = raised(of_refusal(evidence(ANSWERED, status=429), refusal, 7.5))
    assert isinstance(error, RateLimitError)
    assert (error.status, error.api_code, error.api_message, error.fields) == (429, None, "slow down", ())
    assert error.retry_after == 7.5
    assert error.message == "api answered HTTP 429: slow down."
    assert error.hint


def test_a_service_that_gave_up_reading_was_sent_nothing_whole() -> None:
    """A 408 that came before the body was out proves that no whole request arrived."""
    refusal = refusal_of_status(
        ResponseHead(status=408), b'{"statusCode": 408, "requestId": "r"}', client_request_id="order:17"
    )
    problem = of_refusal(evidence(EARLY, status=408), refusal, None)
    assert (problem.outcome, problem.money) == (Outcome.NOT_SENT, Money.NO)
    assert problem.message == "api answered HTTP 408."


@pytest.mark.parametrize("status", [200, 413], ids=["a portal's page", "a gateway's refusal"])
@pytest.mark.parametrize(
    ("marks", "error", "outcome", "money"),
    [
        (EARLY, NotSentError, Outcome.NOT_SENT, Money.NO),
        (ANSWERED, InDoubtError, Outcome.UNKNOWN, Money.UNKNOWN),
    ],
    ids=["early", "after the request"],
)
def test_something_in_between_answers(
    status: int, marks: Marks, error: type[MusicError], outcome: Outcome, money: Money
) -> None:
    """An answer that is not the service's proves nothing once the request is out, and is harmless before."""
    known = evidence(marks, status=status)
    refusal = refusal_of_status(ResponseHead(status=status), b"<html>", client_request_id="order:17")
    problem = of_foreign_body(known, "text/html", "<html>") if status == 200 else of_refusal(known, refusal, None)
    words = "with text/html, not JSON: '<html>'" if status == 200 else "HTTP 413"
    assert (problem.error, problem.outcome, problem.money) == (error, outcome, money)
    assert problem.message == f"Something between here and api answered {words}."
    assert problem.details == ({} if error is NotSentError else {"status": status})
    assert (problem.hint is None) is (error is NotSentError)


def replied(document: Mapping[str, Any], *, audio_bytes: int = 0, operation: Operation = Operation.GENERATE) -> Problem:
    """Judge a document that is not what was asked for."""
    known = evidence(ANSWERED, status=200, audio_bytes=audio_bytes, operation=operation)
    problem = of_reply(known, read_reply(document), refusal_of_document(ResponseHead(status=200), document), None)
    assert problem is not None
    return problem


OK = {"status_code": 0, "status_msg": "success"}


@pytest.mark.parametrize(
    ("operation", "audio_bytes", "document"),
    [
        (Operation.GENERATE, 7, {"data": {"status": 2}, "base_resp": OK}),
        (Operation.GENERATE, 7, {"data": {"status": 1}, "base_resp": OK}),
        (Operation.GENERATE, 7, {"data": {}}),
        (Operation.GENERATE, 7, {"data": {}, "base_resp": {}}),
        (Operation.UPLOAD, 0, {"voice_id": "v", "base_resp": OK}),
        (Operation.UPLOAD, 0, {"instrumental_id": "i", "base_resp": OK}),
        (Operation.UPLOAD, 0, {"voice_id": "v", "instrumental_id": "i"}),
    ],
    ids=["track", "unfinished track", "no base_resp", "empty base_resp", "voice", "instrumental", "both"],
)
def test_what_was_asked_for_is_no_problem(operation: Operation, audio_bytes: int, document: dict[str, Any]) -> None:
    """Audio, or an id, under a success is what was asked for."""
    known = evidence(ANSWERED, status=200, audio_bytes=audio_bytes, operation=operation)
    refusal = refusal_of_document(ResponseHead(status=200), document)
    assert of_reply(known, read_reply(document), refusal, None) is None


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"base_resp": OK}, "it holds no audio"),
        ({"base_resp": OK, "data": {"status": 2, "audio": ""}}, "it holds no audio"),
        ({"base_resp": OK, "data": {"status": 1}}, "it calls the track unfinished and holds no audio"),
        ({"base_resp": OK, "data": {"audio": "//uQxAAA"}}, "the audio is not hexadecimal"),
        (
            {"base_resp": OK, "data": {"audio": "https://cdn.example/x.mp3?sig=1"}},
            "the audio is a link to be fetched soon: https://cdn.example/x.mp3?sig=1",
        ),
        (
            {"base_resp": OK, "data": {"audio": "http://cdn.example/\x1b[2Jx\r\n.mp3"}},
            "the audio is a link to be fetched soon: http://cdn.example/[2Jx .mp3",
        ),
        (
            {"base_resp": OK, "data": {"audio": "https://" + "x" * 9000}},
            "the audio is a link to be fetched soon: https://" + "x" * 4087 + "\u2026",
        ),
    ],
    ids=["no data", "empty audio", "in progress", "base64", "link", "a link that steers", "an endless link"],
)
def test_a_success_without_audio_is_damaged(document: dict[str, Any], words: str) -> None:
    """A success that holds no track is described, in words fit to be shown, with the service's id."""
    problem = replied(document | {"trace_id": "04fb"})
    assert (problem.error, problem.outcome, problem.money) == (PayloadError, Outcome.DAMAGED, Money.UNKNOWN)
    assert problem.message == f"api answered, but {words}."
    assert problem.trace_id == "04fb"


def test_an_upload_without_ids_is_damaged() -> None:
    """An upload that succeeded without an id is of no use."""
    problem = replied({"base_resp": OK, "trace_id": "04fb"}, operation=Operation.UPLOAD)
    assert (problem.error, problem.outcome, problem.money) == (PayloadError, Outcome.DAMAGED, Money.UNKNOWN)
    assert problem.message == "api answered, but it holds neither a voice id nor an instrumental id."


@pytest.mark.parametrize(
    ("message", "words"), [("risky", "1027: risky"), ("", "1027")], ids=["with words", "without words"]
)
def test_audio_under_an_error_is_kept_and_damaged(message: str, words: str) -> None:
    """Audio that comes with an error code was made, and probably paid: it is salvage, not a refusal."""
    document = {"base_resp": {"status_code": 1027, "status_msg": message}, "trace_id": "04fb"}
    problem = replied(document, audio_bytes=7)
    assert (problem.error, problem.outcome, problem.money) == (PayloadError, Outcome.DAMAGED, Money.YES)
    assert problem.message == f"api answered, but audio came together with error code {words} after 7 bytes of audio."
    assert problem.trace_id == "04fb"


def test_throttling_in_a_200_is_asked_to_wait_like_any_other() -> None:
    """What `Retry-After` says holds whatever the status."""
    document = {"base_resp": {"status_code": 1002, "status_msg": "slow down"}}
    refusal = refusal_of_document(ResponseHead(status=200), document)
    problem = of_reply(evidence(ANSWERED), read_reply(document), refusal, 7.0)
    assert problem is not None
    assert (problem.failure.trouble, problem.failure.retry_after) == (Trouble.THROTTLED, 7.0)
    assert problem.details["retry_after"] == 7.0


@pytest.mark.parametrize("used", [None, 0, 63_000])
@pytest.mark.parametrize("answer", Answer, ids=lambda answer: answer.name)
def test_a_look_into_the_account_is_free(answer: Answer, used: int | None) -> None:
    """However it ends, and whatever a header says: nothing was asked for that has a price."""
    known = evidence(ANSWERED, operation=Operation.READ, tracing=Tracing(credits_used=used))
    assert known.judge(answer)[1] is Money.NO


def test_a_refusal_in_a_200_keeps_the_services_id() -> None:
    """The id to ask the service about is not lost with the refusal."""
    document = {"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}, "trace_id": "04fb"}
    problem = replied(document)
    assert (problem.error, problem.trace_id) == (ContentRefusedError, "04fb")
    assert problem.message == "api answered HTTP 200 (code 1026): input new_sensitive."


@pytest.mark.parametrize("operation", [Operation.UPLOAD, Operation.GENERATE])
@pytest.mark.parametrize("answer", Answer, ids=lambda answer: answer.name)
def test_only_the_success_of_an_upload_is_unpriced(operation: Operation, answer: Answer) -> None:
    """No price of an upload is published, so its success proves no charge; what was refused is free for both."""
    outcome, money = evidence(ANSWERED, operation=operation).judge(answer)
    charged = Money.UNKNOWN if operation is Operation.UPLOAD else Money.YES
    assert (
        money
        is {
            Outcome.NOT_SENT: Money.NO,
            Outcome.REJECTED: Money.NO,
            Outcome.UNKNOWN: Money.UNKNOWN,
            Outcome.DAMAGED: charged,
            Outcome.COMPLETED: charged,
        }[outcome]
    )


@given(
    marks=st.sampled_from([NOTHING, BEGUN, EARLY, WHOLE, ANSWERED]),
    status=st.sampled_from([None, 200, 429, 502]),
    audio_bytes=st.sampled_from([0, 0, 7]),
    operation=st.sampled_from(Operation),
    kind=st.sampled_from(FaultKind),
    credits_used=st.sampled_from([None, 0, 5]),
)
def test_an_error_never_contradicts_itself(
    marks: Marks, status: int | None, audio_bytes: int, operation: Operation, kind: FaultKind, credits_used: int | None
) -> None:
    """However an attempt ends, class and outcome agree, it can be raised, and only what never left is repeatable."""
    known = evidence(
        marks,
        status=status,
        audio_bytes=audio_bytes,
        operation=operation,
        tracing=Tracing(credits_used=credits_used),
    )
    for problem in (
        of_fault(known, TransportFault(kind, "reset")),
        of_timeout(known, "time ran out"),
        of_foreign_body(known, "text/html", "<html>"),
        of_broken_answer(known, "it is cut"),
    ):
        error = raised(problem)
        assert isinstance(error, NotSentError) is (problem.outcome is Outcome.NOT_SENT)
        assert isinstance(error, InDoubtError) is (problem.outcome is Outcome.UNKNOWN)
        assert isinstance(error, PayloadError) is (problem.outcome is Outcome.DAMAGED)
        assert (
            problem.failure.trouble
            is {
                Outcome.NOT_SENT: Trouble.NOT_SENT,
                Outcome.UNKNOWN: Trouble.IN_DOUBT,
                Outcome.DAMAGED: Trouble.DAMAGED,
            }[problem.outcome]
        )


@pytest.mark.parametrize(
    ("credits_used", "retry_after", "trouble"),
    [
        (0, 7.0, Trouble.THROTTLED),
        (None, 7.0, Trouble.SERVER),
        (0, None, Trouble.SERVER),
        (1, 7.0, Trouble.SERVER),
    ],
    ids=["free, later", "cost unsaid", "no wait asked", "charged"],
)
@pytest.mark.parametrize("status", [500, 503])
def test_a_busy_service_is_waited_for(
    status: int, credits_used: int | None, retry_after: float | None, trouble: Trouble
) -> None:
    """A 503 that charged nothing, and says when to come back, is a throttling; everything else is a failure."""
    refusal = refusal_of_status(
        ResponseHead(status=status), b'{"statusCode": "503", "requestId": "r"}', client_request_id="order:17"
    )
    known = evidence(ANSWERED, status=status, tracing=Tracing(credits_used=credits_used))
    problem = of_refusal(known, refusal, retry_after)
    assert problem.failure.trouble is (trouble if status == 503 else Trouble.SERVER)
    assert not problem.crowded


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://other.example/v2/x?key=1", "other.example"),
        ("https://user:secret@other.example:8443/", "other.example:8443"),
        ("/elsewhere", ""),
        ("http://[", ""),
    ],
)
def test_a_redirect_names_its_host_and_no_more(location: str, host: str) -> None:
    """A redirect is not followed and not repeated; of where it leads, the host alone is told."""
    head = ResponseHead(status=302, headers=(("location", location),))
    refusal = refusal_of_status(head, b"", client_request_id="order:17")
    problem = of_refusal(evidence(ANSWERED, status=302), refusal, None)
    assert (problem.error, problem.outcome, problem.failure.lasting) == (InDoubtError, Outcome.UNKNOWN, True)
    told = f", a redirect to {host}, which is not followed" if host else ""
    assert problem.message == f"Something between here and api answered HTTP 302{told}."


AUTHENTIC = b'{"statusCode": "1", "requestId": "r", "message": "out of credits, free tier, per hour"}'


@given(
    marks=st.builds(Marks, request_begun=st.booleans(), body_handed_over=st.booleans(), response_begun=st.booleans()),
    status=st.integers(300, 599) | st.sampled_from([408, 429, 500, 503, 521, 523]),
    body=st.sampled_from([AUTHENTIC, b'{"statusCode": "1", "requestId": "r"}', b"<html>"]),
    code=st.none() | st.integers(1000, 2100) | st.sampled_from([1002, 1039, 1041, 2045, 2056]),
    kind=st.sampled_from(FaultKind),
    credits_used=st.sampled_from([None, 0, 5]),
    retry_after=st.sampled_from([None, 7.0]),
)
def test_a_generation_that_may_have_been_paid_is_never_sent_again(
    marks: Marks,
    status: int,
    body: bytes,
    code: int | None,
    kind: FaultKind,
    credits_used: int | None,
    retry_after: float | None,
) -> None:
    """However an attempt ended badly, the policy repeats it only where it is known to have cost nothing."""
    known = evidence(marks, status=status, tracing=Tracing(credits_used=credits_used))
    refused = refusal_of_status(ResponseHead(status=status), body, client_request_id="order:17")
    coded = refusal_of_document(ResponseHead(status=200), {"base_resp": {"status_code": code}})
    for problem in (
        of_fault(known, TransportFault(kind, "reset")),
        of_timeout(known, "time ran out"),
        of_giving_up(known, "the client was closed"),
        of_foreign_body(known, "text/html", "<html>"),
        of_broken_answer(known, "it is cut"),
        of_refusal(known, refused, retry_after),
        of_refusal(known, coded, retry_after),
    ):
        decision = RetryPolicy().decide(
            Operation.GENERATE, [problem.failure], remaining=math.inf, useful=0, quota=QUOTA, dice=lambda: 0.5
        )
        if decision.stop is None:
            assert problem.money is Money.NO
            assert problem.outcome in {Outcome.NOT_SENT, Outcome.REJECTED}


@pytest.mark.parametrize(
    ("data", "words"),
    [({"audio": "https://cdn.example/x.mp3"}, "https://cdn.example/x.mp3"), ({"status": 1}, "an unfinished track")],
    ids=["link", "unfinished"],
)
def test_a_throttling_with_a_track_is_no_throttling(data: dict[str, Any], words: str) -> None:
    """An error code that comes with a track, or with one under way, is no clean refusal: nothing is sent again."""
    problem = replied({"base_resp": {"status_code": 1002}, "data": data, "trace_id": "04fb"})
    assert (problem.error, problem.outcome, problem.trace_id) == (PayloadError, Outcome.DAMAGED, "04fb")
    assert problem.failure.trouble is Trouble.DAMAGED
    assert problem.message == f"api answered, but error code 1002 came together with {words}."
    assert "before you pay again" in str(problem.hint).lower()


def test_a_refusal_of_many_fields_names_them() -> None:
    """What the service complains of arrives in the error, with the code and the phase it came in."""
    body = (
        b'{"error": {"name": "E", "message": "no", "data": [{"path": ["a", 0]}]}, "base_resp": {"status_code": 2013}}'
    )
    refusal = refusal_of_status(ResponseHead(status=400), body, client_request_id="order:17")
    problem = of_refusal(evidence(EARLY, status=400), refusal, None)
    assert (problem.details["fields"], problem.details["api_code"], problem.phase) == (("a.0",), 2013, Phase.READ)
    assert problem.message == "api answered HTTP 400 (code 2013): no."


@pytest.mark.parametrize(
    ("marks", "phase"), [(NOTHING, Phase.CONNECT), (BEGUN, Phase.SEND), (WHOLE, Phase.WAIT), (ANSWERED, Phase.READ)]
)
def test_what_is_in_between_answers_in_a_phase(marks: Marks, phase: Phase) -> None:
    """Whatever answered instead of the service, the error says how far the request had got."""
    assert of_foreign_body(evidence(marks), "text/html", "<html>").phase is phase
