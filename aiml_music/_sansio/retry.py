"""Decide whether a failed attempt is repeated, and after how long.

Pure: the clock and the dice are the caller's. One rule stands above the rest: a generation that may have been carried
out is never sent again. An upload may be: a second id of the same reference costs nothing that is known. Reading is
free, and is repeated after whatever may pass.
"""

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC
from enum import StrEnum

from attrs import define, field, frozen

from aiml_music._sansio.durations import check_wait
from aiml_music._sansio.errors import ConfigError
from aiml_music._sansio.outcome import Operation

MAX_ATTEMPTS = 100
# More repeats of an upload in doubt would only make more ids of the same reference.
_MAX_DOUBTFUL_REPEATS = 2
# A name that does not exist, or a peer that speaks no TLS, may be a passing fault once.
_MAX_STUBBORN_REPEATS = 1

_DELTA = re.compile(r"[0-9]{1,10}(\.[0-9]{1,3})?", re.ASCII)
# The three forms of an HTTP date (RFC 9110 §5.6.7) and no other: the parser of e-mail dates takes far more.
_DATE = re.compile(
    r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT"
    r"|[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}",
    re.ASCII,
)


class Trouble(StrEnum):
    """What a failed attempt is to a policy."""

    NOT_SENT = "no complete request left this machine"
    THROTTLED = "the service asked for fewer requests, and charged nothing"
    SERVER = "the service itself said that it failed"
    IN_DOUBT = "sent, and no authentic answer came"
    DAMAGED = "success was announced, and the answer is unusable"
    REFUSED = "any other refusal by the service"


_REPEATED = {
    Operation.UPLOAD: frozenset(Trouble) - {Trouble.REFUSED},
    Operation.GENERATE: frozenset({Trouble.NOT_SENT, Trouble.THROTTLED}),
    Operation.READ: frozenset(Trouble) - {Trouble.REFUSED},
}
# A generation takes a minute: with less time left than this, a repeat would only be cut off after it was paid.
_USEFUL_SECONDS = {Operation.GENERATE: 90.0, Operation.UPLOAD: 5.0, Operation.READ: 1.0}
# Those whose rules differ; reading has those of an upload, and a line of its own.
_COLUMNS = (Operation.UPLOAD, Operation.GENERATE)

QUOTA = 500
_COST_THROTTLED, _COST_OTHER = 5, 14


@frozen(kw_only=True)
class Failure:
    """What `RetryPolicy.decide` needs to know about a failed attempt.

    Attributes:
        retry_after: seconds the service asked to wait.
        lasting: trying again cannot help: a certificate that is not trusted, an allowance that is used up.
        stubborn: trying again more than once cannot help: a host name that does not exist.
    """

    trouble: Trouble = Trouble.REFUSED
    retry_after: float | None = None
    lasting: bool = False
    stubborn: bool = False


class Stop(StrEnum):
    """Why a failed attempt is not repeated."""

    NEVER = "what failed is never repeated"
    ENOUGH = "it was tried often enough"
    TOO_LONG = "the service asks to wait longer than the policy allows"
    NO_TIME = "the time left is too short for another attempt"
    QUOTA = "the client's quota of repeats is used up"


@frozen(kw_only=True)
class Decision:
    """Whether to repeat: after `wait` seconds, for `cost` of the quota; or not, for the reason `stop`."""

    wait: float = 0.0
    cost: int = 0
    stop: Stop | None = None


def min_useful(operation: Operation, total: float | None) -> float:
    """Return the seconds an attempt needs to be worth beginning: half the call's own limit, where that is short."""
    useful = _USEFUL_SECONDS[operation]
    return useful if total is None else min(useful, total / 2)


def _attempts(_instance: object, _attribute: object, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_ATTEMPTS:
        raise ConfigError(f"attempts must be a whole number from 1 to {MAX_ATTEMPTS}; got {value!r}.")


@frozen(kw_only=True)
class RetryPolicy:
    """How often to try, and how long to wait between. Durations are seconds.

    A generation is repeated after two failures alone: no complete request left this machine, or the service itself
    asked for fewer requests and charged nothing. `explain()` prints the whole table.

    Args:
        attempts: how often in all, the first one included.
        wait_transport: the base of the wait after any failure but a throttling.
        wait_throttled: the base of the wait after a throttling.
        wait_max: the longest wait of our own choosing.
        retry_after_max: the longest wait the service may ask for; beyond it the call fails at once and says so.
    """

    attempts: int = field(default=3, validator=_attempts)
    wait_transport: float = field(default=0.5, validator=check_wait)
    wait_throttled: float = field(default=1.0, validator=check_wait)
    wait_max: float = field(default=20.0, validator=check_wait)
    retry_after_max: float = field(default=60.0, validator=check_wait)

    def decide(
        self,
        operation: Operation,
        failures: Sequence[Failure],
        *,
        remaining: float,
        useful: float,
        quota: int,
        dice: Callable[[], float],
    ) -> Decision:
        """Return whether to try again, and after how long.

        Args:
            operation: what the call asks of the service.
            failures: what went wrong with each attempt so far, the latest last.
            remaining: seconds left of the call's own limit; infinite where it has none.
            useful: seconds an attempt needs to be worth beginning.
            quota: how much is left of the client's quota.
            dice: draws from [0, 1).
        """
        latest = failures[-1]
        throttled = latest.trouble is Trouble.THROTTLED
        if latest.lasting or latest.trouble not in _REPEATED[operation]:
            return Decision(stop=Stop.NEVER)
        if len(failures) >= self.attempts or _repeated_enough(failures):
            return Decision(stop=Stop.ENOUGH)
        wait = self._backoff(self.wait_throttled if throttled else self.wait_transport, len(failures), dice())
        asked = latest.retry_after
        if asked is not None:
            if asked > self.retry_after_max:
                return Decision(stop=Stop.TOO_LONG)
            # Never earlier than asked, and spread above it so that a crowd does not come back as one.
            wait = max(wait, asked) + dice() * min(0.1 * asked, 5.0)
        if wait + useful > remaining:
            return Decision(stop=Stop.NO_TIME)
        cost = _COST_THROTTLED if throttled else _COST_OTHER
        return Decision(stop=Stop.QUOTA) if cost > quota else Decision(wait=wait, cost=cost)

    def _backoff(self, first: float, attempt: int, draw: float) -> float:
        # `MAX_ATTEMPTS` bounds the exponent: far from where a power of two overflows a float.
        return draw * min(self.wait_max, first * 2.0 ** (attempt - 1))

    def explain(self) -> str:
        """Return what this policy repeats, how often and after which waits, as text for people.

        Each verdict of its table is asked of `decide` itself.
        """
        rows = [("what failed", *(str(operation) for operation in _COLUMNS))]
        rows += [(what, *(self._often(operation, failure) for operation in _COLUMNS)) for what, failure in _CASES]
        width = max(len(row[0]) for row in rows)
        table = [f"{what:{width}}  {upload:8}  {generate}" for what, upload, generate in rows]
        return "\n".join([*table, "", *self._numbers()])

    def _often(self, operation: Operation, failure: Failure) -> str:
        """Say how often a failure is repeated that happens again and again."""
        failures = [failure]
        while (
            self.decide(operation, failures, remaining=math.inf, useful=0, quota=QUOTA, dice=lambda: 0.0).stop is None
        ):
            failures.append(failure)
        repeats = len(failures) - 1
        return {0: "never", 1: "once", 2: "twice"}.get(repeats, f"{repeats} times")

    def _numbers(self) -> tuple[str, ...]:
        upload, generation, read = (_USEFUL_SECONDS[operation] for operation in (*_COLUMNS, Operation.READ))
        return (
            f"Attempts in all: {self.attempts} at most.",
            f"Wait before repeat n: a random part of {self.wait_transport:g} s x 2^(n-1), {self.wait_max:g} s at most.",
            f"After a throttling: a random part of {self.wait_throttled:g} s x 2^(n-1).",
            "A Retry-After is never undercut, and up to a tenth of it is added, 5 s at most.",
            f"A Retry-After above {self.retry_after_max:g} s ends the call.",
            f"Time a repeat needs: {generation:g} s for a generation, {upload:g} s for an upload; or half the limit.",
            f"Quota for each operation: {QUOTA}; a repeat takes {_COST_OTHER}, after a throttling {_COST_THROTTLED}.",
            "A repeat that succeeds gives back what it took; a first attempt that succeeds gives 1.",
            f"A look into the usage log is free, and repeated like an upload; a repeat needs {read:g} s.",
        )


_CASES = (
    (str(Trouble.NOT_SENT), Failure(trouble=Trouble.NOT_SENT)),
    ("  the same: unknown host name, or no TLS at the other end", Failure(trouble=Trouble.NOT_SENT, stubborn=True)),
    ("  the same: untrusted certificate, or useless proxy setting", Failure(trouble=Trouble.NOT_SENT, lasting=True)),
    *((str(trouble), Failure(trouble=trouble)) for trouble in Trouble if trouble is not Trouble.NOT_SENT),
)


def _repeated_enough(failures: Sequence[Failure]) -> bool:
    doubtful = sum(failure.trouble is Trouble.IN_DOUBT for failure in failures)
    stubborn = sum(failure.stubborn for failure in failures)
    return doubtful > _MAX_DOUBTFUL_REPEATS or stubborn > _MAX_STUBBORN_REPEATS


@define
class RetryQuota:
    """How many repeats a client has left for one operation, so that an outage is not answered with a storm.

    Attributes:
        left: units, from 0 to `QUOTA`.
    """

    left: int = QUOTA

    def take(self, cost: int) -> None:
        """Pay for a repeat that was decided."""
        self.left -= cost

    def succeeded(self, taken: int) -> None:
        """Give back what the repeat that succeeded took; a first attempt, which took nothing, earns one unit."""
        self.left = min(QUOTA, self.left + (taken or 1))


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
    then = http_date(text)
    if then is None:
        return None
    sent = http_date(date.strip()) if date is not None else None
    return max(0.0, then - (now if sent is None else sent))


def http_date(text: str) -> float | None:
    """Return the Unix time that an HTTP date means (RFC 9110 §5.6.7), or None where it is none."""
    if not _DATE.fullmatch(text):
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - slow to load, and whoever speaks HTTP has done it

    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
