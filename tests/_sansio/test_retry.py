"""What is repeated, after how long, and what `Retry-After` asks for."""

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiml_music._sansio.errors import ConfigError
from aiml_music._sansio.retry import Failure, RetryPolicy, parse_retry_after

UNREACHED = Failure(never_connected=True)
THROTTLED = Failure(throttled=True)
HIGHEST = math.nextafter(1.0, 0.0)


def always(draw: float) -> Callable[[], float]:
    """Return loaded dice."""
    return lambda: draw


def decide(
    failure: Failure, *, policy: RetryPolicy | None = None, attempt: int = 1, remaining: float = math.inf, draw: float
) -> float | None:
    """Ask a policy about an attempt that would need 90 s."""
    return (policy or RetryPolicy()).decide(
        failure, attempt=attempt, remaining=remaining, min_useful=90.0, dice=always(draw)
    )


@pytest.mark.parametrize(
    ("failure", "attempt", "wait"),
    [
        (Failure(), 1, None),
        (UNREACHED, 1, 0.25),
        (UNREACHED, 2, 0.5),
        (UNREACHED, 3, None),
        (THROTTLED, 1, 0.5),
        (THROTTLED, 2, 1.0),
        (THROTTLED, 3, None),
        (Failure(never_connected=True, throttled=True), 1, 0.5),
        (Failure(never_connected=True, lasting=True), 1, None),
        (Failure(throttled=True, lasting=True), 1, None),
        (Failure(retry_after=1.0), 1, None),
        (Failure(lasting=True), 1, None),
    ],
    ids=[
        "anything else",
        "never connected, first",
        "never connected, second",
        "never connected, last",
        "throttled, first",
        "throttled, second",
        "throttled, last",
        "both wait the longer",
        "a certificate nobody trusts",
        "an allowance that is used up",
        "a wait asked for by something else",
        "lasting",
    ],
)
def test_only_two_failures_are_repeated(failure: Failure, attempt: int, wait: float | None) -> None:
    """Only what never left, and what the service throttled for nothing, is sent again; three times in all."""
    assert decide(failure, attempt=attempt, draw=0.5) == wait


@pytest.mark.parametrize("failure", [UNREACHED, THROTTLED], ids=["never connected", "throttled"])
@pytest.mark.parametrize("attempt", [*range(1, 101), 1_000, 1_025, 10**6])
def test_waits_are_bounded_for_every_attempt(failure: Failure, attempt: int) -> None:
    """No attempt number overflows, waits more than the longest wait, or is tried beyond the policy's number."""
    policy = RetryPolicy(attempts=100)
    base = 1.0 if failure.throttled else 0.5
    longest = None if attempt >= 100 else min(20.0, base * 2 ** (attempt - 1))
    shortest = None if attempt >= 100 else 0.0
    assert decide(failure, policy=policy, attempt=attempt, draw=HIGHEST) == pytest.approx(longest)
    assert decide(failure, policy=policy, attempt=attempt, draw=0.0) == shortest


def test_the_longest_waits_do_not_overflow() -> None:
    """The largest finite settings still give a finite wait."""
    policy = RetryPolicy(attempts=100, wait_throttled=1.7e308, wait_max=1.7e308)
    assert decide(THROTTLED, policy=policy, attempt=99, draw=0.5) == pytest.approx(0.85e308)


@pytest.mark.parametrize("attempt", range(1, 7))
def test_waits_are_spread_evenly(attempt: int) -> None:
    """Ten thousand clients that failed together come back evenly over the whole wait."""
    dice = random.Random(attempt)
    policy = RetryPolicy(attempts=10)
    longest = min(20.0, 2.0 ** (attempt - 1))
    waits = [
        policy.decide(THROTTLED, attempt=attempt, remaining=math.inf, min_useful=0, dice=dice.random)
        for _ in range(10_000)
    ]
    buckets = Counter(int(10 * wait / longest) for wait in waits if wait is not None)
    assert set(buckets) == set(range(10))
    assert all(800 <= count <= 1200 for count in buckets.values())


def test_seeded_dice_replay() -> None:
    """The policy draws from the caller's dice alone, so the same dice give the same waits."""

    def waits() -> list[float | None]:
        dice = random.Random(7).random
        asked = Failure(throttled=True, retry_after=3.0)
        return [RetryPolicy().decide(asked, attempt=n, remaining=math.inf, min_useful=0, dice=dice) for n in (1, 2)]

    assert waits() == waits()
    assert len(set(waits())) == 2


@pytest.mark.parametrize(
    ("asked", "draw", "wait"),
    [
        (0.0, 0.5, 0.5),
        (0.25, 0.0, 0.25),
        (7.0, 0.0, 7.0),
        (7.0, 0.5, 7.35),
        (60.0, 0.5, 62.5),
        (60.001, 0.0, None),
        (9_999_999_999.0, 0.0, None),
    ],
    ids=["nothing asked", "less than our own", "asked", "spread above", "the most", "too long", "years"],
)
def test_the_service_is_waited_for(asked: float, draw: float, wait: float | None) -> None:
    """A repeat waits at least what was asked for, a little spread above it; what is too long ends the call."""
    answer = decide(Failure(throttled=True, retry_after=asked), draw=draw)
    assert answer == (None if wait is None else pytest.approx(wait))


@given(
    asked=st.floats(0, 60), attempt=st.integers(1, 99), draws=st.lists(st.floats(0, HIGHEST), min_size=2, max_size=2)
)
def test_no_repeat_comes_earlier_than_asked(asked: float, attempt: int, draws: list[float]) -> None:
    """Whatever the dice say, the wait lies between what was asked and a small spread above the longer of the two."""
    policy = RetryPolicy(attempts=100)
    dice = itertools.cycle(draws)
    failure = Failure(throttled=True, retry_after=asked)
    wait = policy.decide(failure, attempt=attempt, remaining=math.inf, min_useful=0, dice=lambda: next(dice))
    assert wait is not None
    assert asked <= wait <= max(20.0, asked) + 5.0


@pytest.mark.parametrize(
    ("remaining", "repeated"),
    [(90.5, True), (90.499, False), (90.0, False), (0.0, False), (-1.0, False), (math.inf, True)],
)
def test_a_repeat_must_fit_the_deadline(remaining: float, *, repeated: bool) -> None:
    """A repeat that would be cut off by the call's own limit is not begun."""
    wait = decide(THROTTLED, remaining=remaining, draw=0.5)
    assert wait == (0.5 if repeated else None)


def test_an_asked_wait_must_fit_the_deadline_too() -> None:
    """What the service asks for counts against the deadline like a wait of our own."""
    asked = Failure(throttled=True, retry_after=30.0)
    assert decide(asked, remaining=120.0, draw=0.0) == 30.0
    assert decide(asked, remaining=119.9, draw=0.0) is None


@pytest.mark.parametrize("attempts", [0, -1, 101, 10**6, 2.0, True, "3", None], ids=repr)
def test_the_number_of_attempts_is_checked(attempts: object) -> None:
    """A policy tries from 1 to 100 times."""
    with pytest.raises(ConfigError, match="attempts must be a whole number from 1 to 100"):
        RetryPolicy(attempts=attempts)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("name", ["wait_connect", "wait_throttled", "wait_max", "retry_after_max"])
def test_waits_are_checked(name: str) -> None:
    """A policy's waits are finite and not negative; none at all is fine."""
    of: Callable[..., RetryPolicy] = RetryPolicy
    assert getattr(of(**{name: 0}), name) == 0
    with pytest.raises(ConfigError, match=f"{name} must be a number of seconds"):
        of(**{name: math.nan})


NOON = "Sun, 06 Nov 1994 12:00:00 GMT"
NOON_UNIX = 784_123_200.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("007", 7.0),
        ("1.5", 1.5),
        ("1.125", 1.125),
        ("  30\t", 30.0),
        ("9999999999", 9_999_999_999.0),
        ("Sun, 06 Nov 1994 12:00:30 GMT", 30.0),
        ("Sunday, 06-Nov-94 12:00:30 GMT", 30.0),
        ("Sun Nov  6 12:00:30 1994", 30.0),
        ("Wed Nov 16 12:00:00 1994", 864_000.0),
        ("Sun, 06 Nov 1994 11:59:00 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 252_618_177_599.0),
    ],
    ids=[
        "zero",
        "seconds",
        "leading zeros",
        "a fraction",
        "three places",
        "blanks around",
        "ten digits",
        "IMF-fixdate",
        "RFC 850",
        "asctime",
        "asctime, two digits",
        "a date gone by",
        "the epoch",
        "the year 9999",
    ],
)
def test_retry_after_is_read(value: str, seconds: float) -> None:
    """Plain seconds and the three forms of an HTTP date say how long to wait."""
    assert parse_retry_after(value, date=NOON, now=0.0) == seconds


GARBAGE = {
    "empty": "",
    "blank": "  ",
    "a sign": "+5",
    "negative": "-1",
    "infinite": "inf",
    "infinity": "Infinity",
    "not a number": "nan",
    "an exponent": "1e9",
    "hexadecimal": "0x10",
    "an underscore": "1_0",
    "Arabic digits": "\u0663\u0660",
    "superscript digits": "\u00b2",
    "fullwidth digits": "\uff13",
    "eleven digits": "1" * 11,
    "400 digits": "9" * 400,
    "four places": "1.0625",
    "no places": "1.",
    "no whole": ".5",
    "a comma": "1,5",
    "two values": "5, 10",
    "a unit": "5s",
    "words": "soon",
    "lower-case names": "sun, 06 nov 1994 12:00:30 gmt",
    "upper-case names": "SUN, 06 NOV 1994 12:00:30 GMT",
    "an offset": "Sun, 06 Nov 1994 12:00:30 +0000",
    "another zone": "Sun, 06 Nov 1994 12:00:30 EST",
    "no zone": "Sun, 06 Nov 1994 12:00:30",
    "no weekday": "06 Nov 1994 12:00:30 GMT",
    "one digit of a day": "Sun, 6 Nov 1994 12:00:30 GMT",
    "no seconds": "Sun, 06 Nov 1994 12:00 GMT",
    "a month that is none": "Sun, 06 Nop 1994 12:00:30 GMT",
    "a weekday that is none": "Nop Nov  6 12:00:30 1994",
    "the 31st of February": "Mon, 31 Feb 1994 12:00:30 GMT",
    "25 o'clock": "Sun, 06 Nov 1994 25:00:30 GMT",
    "the year 10000": "Sun, 06 Nov 10000 12:00:30 GMT",
    "ISO 8601": "1994-11-06T12:00:30Z",
    "Arabic digits in a date": "Sun, \u0660\u0666 Nov 1994 12:00:30 GMT",
    "two lines": "Sun, 06 Nov 1994 12:00:30 GMT\nx",
}


@pytest.mark.parametrize("value", GARBAGE.values(), ids=GARBAGE)
def test_garbage_in_retry_after_is_ignored(value: str) -> None:
    """What is neither plain seconds nor an HTTP date counts as absent."""
    assert parse_retry_after(value, date=NOON, now=NOON_UNIX) is None


def test_no_header_asks_for_nothing() -> None:
    """An answer without the header asks for no wait."""
    assert parse_retry_after(None, date=NOON, now=NOON_UNIX) is None


@pytest.mark.parametrize("now", [0.0, NOON_UNIX + 86_400, NOON_UNIX - 86_400, 4e9])
def test_a_wrong_local_clock_does_no_harm(now: float) -> None:
    """A date is read against the answer's own date, whatever the clock here shows."""
    assert parse_retry_after("Sun, 06 Nov 1994 12:00:30 GMT", date=NOON, now=now) == 30.0


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 31 Feb 1994 12:00:00 GMT"])
def test_without_a_usable_date_the_local_clock_counts(date: str | None) -> None:
    """An answer that does not say when it was sent was sent now."""
    assert parse_retry_after("Sun, 06 Nov 1994 12:00:30 GMT", date=date, now=NOON_UNIX) == 30.0


@given(value=st.text(max_size=40), date=st.none() | st.text(max_size=40))
def test_any_header_gives_a_wait_or_none(value: str, date: str | None) -> None:
    """No header whatever raises, or asks for a negative or infinite wait."""
    seconds = parse_retry_after(value, date=date, now=NOON_UNIX)
    assert seconds is None or 0 <= seconds < math.inf
