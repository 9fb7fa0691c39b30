"""Named faults: what can go wrong with a call, each as one value.

A scenario only says what it does; `app.py`, `queued.py`, `results.py` and `delivery.py` do it.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType

from attrs import evolve, field, frozen

from aiml_music.sandbox.answers import Answer, Digits, Refusal, Tracing, base_resp_refusal, flat_refusal, html_refusal


class Delivery(Enum):
    """How an answer travels."""

    WHOLE = "whole"
    DRIP = "drip"
    CUT = "cut"
    RESET = "reset"
    NOTHING = "nothing"


class Result(Enum):
    """What the store of results does with a finished track."""

    WHOLE = "whole"
    FORBIDDEN = "forbidden"
    EXPIRED = "expired"
    ELSEWHERE = "elsewhere"
    ENDLESS = "endless"
    A_PAGE = "a page"
    PRIVATE = "private"
    CUT = "cut"


@frozen(kw_only=True)
class Course:
    """What becomes of a generation that is submitted and polled.

    Args:
        words: its status while it waits, while it is made, and when it is done.
        ends: whether it is ever done.
        error: what it fails with instead of being done.
        named: whether the answer to the submit has an id.
        poll_refusal: stands in place of the answers to polls.
        refused_polls: only so many times; afterwards all is well.
        slow_polls: whether the answers to polls come after `drip_seconds`.
        result: what happens to those who fetch the track.
    """

    words: tuple[str, str, str] = ("queued", "generating", "completed")
    ends: bool = True
    error: Mapping[str, str] | None = None
    named: bool = True
    poll_refusal: Refusal | None = None
    refused_polls: int | None = None
    slow_polls: bool = False
    result: Result = Result.WHOLE


def _unchanged(answer: Answer) -> Answer:
    return answer


@frozen(kw_only=True)
class Scenario:
    """One named fault.

    `refusal` stands in place of the answer; `edit` changes the answer; `delivery` is how it travels. With `charged`
    the work is done, after the usual latency, and paid for; without, the service says no at once. `direct` faults
    concern music-01; those with a `course` concern the models that are submitted and polled.
    """

    name: str
    description: str
    charged: bool = True
    refusal: Refusal | None = None
    edit: Callable[[Answer], Answer] = field(default=_unchanged)
    delivery: Delivery = Delivery.WHOLE
    direct: bool = True
    course: Course | None = None

    def concerns(self, *, direct: bool) -> bool:
        """Say whether it is a fault of music-01, or of the models that are submitted and polled."""
        return self.direct if direct else self.course is not None


def _refuses(name: str, description: str, refusal: Refusal, *, charged: bool = False) -> Scenario:
    # What is refused inside a 200 is the word of music-01's provider, the rest that of the gateway before all models.
    course = None if refusal.shape == "base_resp" else Course()
    return Scenario(name=name, description=description, refusal=refusal, charged=charged, course=course)


def _edits(name: str, description: str, edit: Callable[[Answer], Answer]) -> Scenario:
    return Scenario(name=name, description=description, edit=edit)


def _delivers(name: str, description: str, delivery: Delivery) -> Scenario:
    return Scenario(name=name, description=description, delivery=delivery)


def _goes(name: str, description: str, course: Course) -> Scenario:
    return Scenario(name=name, description=description, direct=False, course=course)


def _ends(name: str, description: str, result: Result) -> Scenario:
    return _goes(name, description, Course(result=result))


def _digits(change: Callable[[Digits], Digits]) -> Callable[[Answer], Answer]:
    def edit(answer: Answer) -> Answer:
        return evolve(answer, digits=change(answer.digits))

    return edit


_NO_MONEY = "You've run out of credits. Please top up your balance or update your payment method to continue."
_PROXY_PAGE = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>"
)

_ALL = (
    _delivers("slow_body", "The answer drips in small pieces. Charged.", Delivery.DRIP),
    _delivers("cut_mid_body", "The connection closes in the middle of the audio. Charged.", Delivery.CUT),
    _delivers("reset_mid_body", "The connection is reset in the middle of the audio. Charged.", Delivery.RESET),
    _delivers(
        "gateway_drop", "The work is done, then the connection closes without one byte. Charged.", Delivery.NOTHING
    ),
    Scenario(
        name="failed_drop",
        description="The work fails, then the connection closes without one byte. Not charged.",
        charged=False,
        delivery=Delivery.NOTHING,
    ),
    _refuses(
        "throttled",
        "HTTP 429 with Retry-After: 1. Not charged.",
        flat_refusal(429, "Too many requests. Please retry later.", headers={"retry-after": "1"}),
    ),
    _refuses("throttled_in_200", "HTTP 200 with base_resp 1002. Not charged.", base_resp_refusal(1002, "rate limit")),
    _refuses("error_in_200", "HTTP 200 with base_resp 1001. Not charged.", base_resp_refusal(1001, "request timeout")),
    _refuses(
        "content_refused",
        "HTTP 200 with base_resp 1026: the lyrics are refused. Not charged.",
        base_resp_refusal(1026, "input new_sensitive"),
    ),
    _refuses(
        "out_of_credits", "HTTP 403 that says the credits are used up. Not charged.", flat_refusal(403, _NO_MONEY)
    ),
    _edits("odd_hex", "The last hex digit is missing. Charged.", _digits(lambda digits: evolve(digits, missing=1))),
    _edits(
        "foreign_hex",
        "A character in the middle of the hex is not a digit. Charged.",
        _digits(lambda digits: evolve(digits, foreign_at=len(digits) // 2)),
    ),
    _edits("upper_hex", "The hex digits are capitals. Charged.", _digits(lambda digits: evolve(digits, upper=True))),
    _edits("url_audio", "The audio is an address instead of hex. Charged.", lambda answer: evolve(answer, as_url=True)),
    _edits(
        "no_audio",
        "The status is 1, in progress, and there is no audio. Charged.",
        lambda answer: evolve(answer, status=1, has_audio=False),
    ),
    _edits(
        "in_progress_with_audio",
        "The status is 1, in progress, yet the audio is there. Charged.",
        lambda answer: evolve(answer, status=1),
    ),
    _edits(
        "wrong_size",
        "extra_info claims another size and length than the audio has. Charged.",
        lambda answer: evolve(
            answer,
            extra_info={
                **answer.extra_info,
                "audio_size": answer.extra_info["audio_size"] + 1000,
                "audio_length": answer.extra_info["audio_length"] * 2,
            },
        ),
    ),
    _edits(
        "zero_info",
        "Every number in extra_info is zero. Charged.",
        lambda answer: evolve(answer, extra_info=dict.fromkeys(answer.extra_info, 0)),
    ),
    _edits(
        "audio_last", "The keys come in another order, the audio last. Charged.", lambda a: evolve(a, audio_last=True)
    ),
    _refuses(
        "html_502",
        "HTTP 502, a proxy's page without tracing headers. Not charged.",
        html_refusal(502, _PROXY_PAGE, tracing=Tracing.NONE),
    ),
    _refuses("server_error", "HTTP 500. Not charged.", flat_refusal(500, "Internal server error")),
    _refuses(
        "gateway_timeout",
        "HTTP 504 after the work was done; the headers do not say what it cost. Charged.",
        flat_refusal(504, "Generation timeout", tracing=Tracing.NO_BILL),
        charged=True,
    ),
)

_REFUSED_POLLS = 3
_FAILURE = {"name": "GenerationError", "message": "The provider could not make this track"}

_QUEUED = (
    Scenario(
        name="submit_lost",
        description="The submit is taken, then the connection closes without one byte. Charged.",
        delivery=Delivery.NOTHING,
        direct=False,
        course=Course(),
    ),
    _goes("submit_without_id", "The answer to the submit has no id. Charged.", Course(named=False)),
    _goes(
        "poll_404", "Every poll gets HTTP 404. Charged.", Course(poll_refusal=flat_refusal(404, "Generation not found"))
    ),
    _goes(
        "poll_500",
        "The first three polls get HTTP 500. Charged.",
        Course(poll_refusal=flat_refusal(500, "Internal server error"), refused_polls=_REFUSED_POLLS),
    ),
    _goes(
        "poll_html",
        "The first three polls get HTTP 502, a proxy's page without tracing headers. Charged.",
        Course(poll_refusal=html_refusal(502, _PROXY_PAGE, tracing=Tracing.NONE), refused_polls=_REFUSED_POLLS),
    ),
    _goes(
        "poll_throttled",
        "The first three polls get HTTP 429 with Retry-After: 1. Charged.",
        Course(
            poll_refusal=flat_refusal(429, "Too many requests. Please retry later.", headers={"retry-after": "1"}),
            refused_polls=_REFUSED_POLLS,
        ),
    ),
    _goes("poll_slow", "The answers to polls come after drip_seconds. Charged.", Course(slow_polls=True)),
    _goes(
        "status_unknown",
        "The status is a word that nobody documented, until the track is done. Charged.",
        Course(words=("preparing", "polishing", "completed")),
    ),
    _goes(
        "status_variants",
        "The statuses are waiting, active and complete. Charged.",
        Course(words=("waiting", "active", "complete")),
    ),
    Scenario(
        name="status_error",
        description="The generation fails, and the money that was held is given back. Not charged.",
        charged=False,
        direct=False,
        course=Course(error=_FAILURE),
    ),
    _goes("status_error_paid", "The generation fails, and the money is kept. Charged.", Course(error=_FAILURE)),
    _goes("stall", "The generation never ends. Charged.", Course(ends=False)),
    _ends("result_403", "The track cannot be fetched: HTTP 403. Charged.", Result.FORBIDDEN),
    _ends("result_expired", "The address of the track has expired when it is announced. Charged.", Result.EXPIRED),
    _ends("result_redirect", "The address of the track leads on to another host. Charged.", Result.ELSEWHERE),
    _ends("result_endless", "Behind the track come zeros without end. Charged.", Result.ENDLESS),
    _ends("result_wrong_bytes", "In place of the track comes a page, called audio. Charged.", Result.A_PAGE),
    _ends("result_private", "The address of the track is in a private network. Charged.", Result.PRIVATE),
    _ends("result_cut", "The first fetch breaks off in the middle of the track. Charged.", Result.CUT),
)

SCENARIOS: Mapping[str, Scenario] = MappingProxyType({scenario.name: scenario for scenario in _ALL + _QUEUED})

LOG_FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "down": "HTTP 500, for the usage log and the billing ledger.",
        "html": "HTTP 502, a proxy's page without tracing headers.",
        "missing": "HTTP 404: there are no such routes.",
        "slow": "The answer comes after drip_seconds.",
        "empty": "The usage log is empty.",
        "no_cost": "The rows of the usage log do not say what they cost.",
        "ledger_down": "HTTP 500, for the billing ledger alone.",
    }
)
