"""Decide whether a failed attempt is repeated, and after how long.

Pure: the clock and the dice are the caller's. One rule stands above the rest: what may have been carried out is
never sent again.
"""

import re
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

from attrs import field, frozen

from aiml_music._sansio.durations import check_wait
from aiml_music._sansio.errors import ConfigError

MAX_ATTEMPTS = 100

_DELTA = re.compile(r"[0-9]{1,10}(\.[0-9]{1,3})?", re.ASCII)
# The three forms of an HTTP date (RFC 9110 §5.6.7) and no other: the parser of e-mail dates takes far more.
_DATE = re.compile(
    r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT"
    r"|[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}",
    re.ASCII,
)


@frozen(kw_only=True)
class Failure:
    """What `RetryPolicy.decide` needs to know about a failed attempt.

    Attributes:
        never_connected: no connection was made, so not one byte of the request left.
        throttled: the service itself asked for fewer requests, and charged nothing.
        retry_after: seconds it asked to wait.
        lasting: trying again cannot help: a certificate that is not trusted, an allowance that is used up.
    """

    never_connected: bool = False
    throttled: bool = False
    retry_after: float | None = None
    lasting: bool = False


def _attempts(_instance: object, _attribute: object, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_ATTEMPTS:
        raise ConfigError(f"attempts must be a whole number from 1 to {MAX_ATTEMPTS}; got {value!r}.")


@frozen(kw_only=True)
class RetryPolicy:
    """How often to try, and how long to wait between. Durations are seconds.

    Only two failures are ever repeated: a connection that was never made, and a refusal by the service itself that
    asks for fewer requests and charged nothing.

    Args:
        attempts: how often in all, the first one included.
        wait_connect: the base of the wait after a connection that was not made.
        wait_throttled: the base of the wait after a throttling.
        wait_max: the longest wait of our own choosing.
        retry_after_max: the longest wait the service may ask for; beyond it the call fails at once and says so.
    """

    attempts: int = field(default=3, validator=_attempts)
    wait_connect: float = field(default=0.5, validator=check_wait)
    wait_throttled: float = field(default=1.0, validator=check_wait)
    wait_max: float = field(default=20.0, validator=check_wait)
    retry_after_max: float = field(default=60.0, validator=check_wait)

    def decide(
        self, failure: Failure, *, attempt: int, remaining: float, min_useful: float, dice: Callable[[], float]
    ) -> float | None:
        """Return the seconds to wait before the next attempt, or None to give up.

        Args:
            failure: what went wrong.
            attempt: the number of the attempt that failed, from 1.
            remaining: seconds left of the call's own limit; infinite where it has none.
            min_useful: seconds an attempt needs to be worth beginning.
            dice: draws from [0, 1).
        """
        if attempt >= self.attempts or failure.lasting or not (failure.never_connected or failure.throttled):
            return None
        wait = self._backoff(self.wait_throttled if failure.throttled else self.wait_connect, attempt, dice())
        asked = failure.retry_after
        if asked is not None:
            if asked > self.retry_after_max:
                return None
            # Never earlier than asked, and spread above it so that a crowd does not come back as one.
            wait = max(wait, asked) + dice() * min(0.1 * asked, 5.0)
        return wait if wait + min_useful <= remaining else None

    def _backoff(self, first: float, attempt: int, draw: float) -> float:
        # `MAX_ATTEMPTS` bounds the exponent: far from where a power of two overflows a float.
        return draw * min(self.wait_max, first * 2.0 ** (attempt - 1))


def parse_retry_after(value: str | None, *, date: str | None, now: float) -> float | None:
    """Return the seconds a `Retry-After` header asks for, or None where it says nothing usable.

    Args:
        value: the header: seconds as plain digits, or an HTTP date (RFC 9110 §10.2.3).
        date: the answer's own `Date` header; a date is read against it, so a wrong local clock does no harm.
        now: Unix time here, for an answer without a usable `Date`.
    """
    if value is None:
        return None
    text = value.strip()
    if _DELTA.fullmatch(text):
        return float(text)
    then = _http_date(text)
    if then is None:
        return None
    sent = _http_date(date.strip()) if date is not None else None
    return max(0.0, then - (now if sent is None else sent))


def _http_date(text: str) -> float | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
