"""Named faults: what can go wrong with a call, each as one value.

A scenario only says what it does; `app.py` and `delivery.py` do it.
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


def _unchanged(answer: Answer) -> Answer:
    return answer


@frozen(kw_only=True)
class Scenario:
    """One named fault.

    `refusal` stands in place of the answer; `edit` changes the answer; `delivery` is how it travels. With `charged`
    the work is done, after the usual latency, and paid for; without, the service says no at once.
    """

    name: str
    description: str
    charged: bool = True
    refusal: Refusal | None = None
    edit: Callable[[Answer], Answer] = field(default=_unchanged)
    delivery: Delivery = Delivery.WHOLE


def _refuses(name: str, description: str, refusal: Refusal, *, charged: bool = False) -> Scenario:
    return Scenario(name=name, description=description, refusal=refusal, charged=charged)


def _edits(name: str, description: str, edit: Callable[[Answer], Answer]) -> Scenario:
    return Scenario(name=name, description=description, edit=edit)


def _delivers(name: str, description: str, delivery: Delivery) -> Scenario:
    return Scenario(name=name, description=description, delivery=delivery)


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

SCENARIOS: Mapping[str, Scenario] = MappingProxyType({scenario.name: scenario for scenario in _ALL})

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
