"""What is repeated, after how long, and what `Retry-After` asks for."""

import itertools
import math
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiml_music._sansio.errors import ConfigError
from aiml_music._sansio.outcome import Operation
from aiml_music._sansio.retry import (
    QUOTA,
    Decision,
    Failure,
    RetryPolicy,
    RetryQuota,
    Stop,
    Trouble,
    min_useful,
    parse_retry_after,
)

UNSENT = Failure(trouble=Trouble.NOT_SENT)
THROTTLED = Failure(trouble=Trouble.THROTTLED)
DOUBTFUL = Failure(trouble=Trouble.IN_DOUBT)
UNKNOWN_NAME = Failure(trouble=Trouble.NOT_SENT, stubborn=True)
HIGHEST = math.nextafter(1.0, 0.0)
GENERATE, UPLOAD, READ = Operation.GENERATE, Operation.UPLOAD, Operation.READ


def decide(
    *failures: Failure,
    operation: Operation = GENERATE,
    policy: RetryPolicy | None = None,
    remaining: float = math.inf,
    quota: int = QUOTA,
    draw: float = 0.5,
) -> Decision:
    """Ask a policy about a call whose attempts would need 90 s."""
    return (policy or RetryPolicy()).decide(
        operation, failures, remaining=remaining, useful=90.0, quota=quota, dice=lambda: draw
    )


REPEATED = {
    Trouble.NOT_SENT: {UPLOAD, GENERATE, READ},
    Trouble.THROTTLED: {UPLOAD, GENERATE, READ},
    Trouble.SERVER: {UPLOAD, READ},
    Trouble.IN_DOUBT: {UPLOAD, READ},
    Trouble.DAMAGED: {UPLOAD, READ},
    Trouble.REFUSED: set(),
}


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("trouble", Trouble)
def test_what_is_repeated_is_this(trouble: Trouble, operation: Operation) -> None:
    """A generation is sent again only if it never left or was throttled for nothing; the others after more."""
    decision = decide(Failure(trouble=trouble), operation=operation)
    if operation not in REPEATED[trouble]:
        assert decision == Decision(stop=Stop.NEVER)
    elif trouble is Trouble.THROTTLED:
        assert decision == Decision(wait=0.5, cost=5)
    else:
        assert decision == Decision(wait=0.25, cost=14)


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("trouble", Trouble)
def test_what_lasts_is_never_repeated(trouble: Trouble, operation: Operation) -> None:
    """Where trying again cannot help, nothing is tried again, whatever went wrong."""
    assert decide(Failure(trouble=trouble, lasting=True), operation=operation).stop is Stop.NEVER


@pytest.mark.parametrize(
    "decision",
    [decide(DOUBTFUL), decide(UNSENT, UNSENT, UNSENT), decide(UNSENT, remaining=1.0), decide(UNSENT, quota=0)],
    ids=lambda decision: decision.stop.name,
)
def test_a_call_that_ends_waits_for_nothing(decision: Decision) -> None:
    """What is not repeated neither waits nor takes anything of the quota."""
    assert (decision.wait, decision.cost) == (0.0, 0)


@pytest.mark.parametrize(
    ("failures", "waits"),
    [
        ([UNSENT], 0.25),
        ([UNSENT, UNSENT], 0.5),
        ([UNSENT, THROTTLED], 1.0),
        ([THROTTLED], 0.5),
        ([THROTTLED, THROTTLED], 1.0),
        ([THROTTLED, UNSENT], 0.5),
    ],
)
def test_waits_double_from_a_base_that_the_latest_trouble_sets(failures: list[Failure], waits: float) -> None:
    """Each wait is a random part of twice the one before, and a throttling waits twice as long as other trouble."""
    assert decide(*failures).wait == waits


@pytest.mark.parametrize("failure", [UNSENT, THROTTLED])
def test_three_attempts_are_enough(failure: Failure) -> None:
    """The third failure is the last."""
    assert decide(failure, failure).stop is None
    assert decide(failure, failure, failure).stop is Stop.ENOUGH
    assert decide(failure, policy=RetryPolicy(attempts=1)).stop is Stop.ENOUGH


def test_an_upload_in_doubt_is_repeated_twice_whatever_the_policy() -> None:
    """More repeats of an upload that may have arrived would only make more ids; other trouble in between counts not."""
    patient = RetryPolicy(attempts=100)
    doubt = [DOUBTFUL, UNSENT, DOUBTFUL]
    assert decide(*doubt, operation=UPLOAD, policy=patient).stop is None
    assert decide(*doubt, DOUBTFUL, operation=UPLOAD, policy=patient).stop is Stop.ENOUGH


def test_a_name_that_does_not_exist_is_asked_for_twice() -> None:
    """The second time the resolver says that there is no such name, it is believed."""
    patient = RetryPolicy(attempts=100)
    assert decide(UNKNOWN_NAME, policy=patient).stop is None
    assert decide(UNKNOWN_NAME, UNSENT, UNKNOWN_NAME, policy=patient).stop is Stop.ENOUGH


@pytest.mark.parametrize("failure", [UNSENT, THROTTLED], ids=["not sent", "throttled"])
@pytest.mark.parametrize("count", [*range(1, 101), 1_000, 1_025])
def test_waits_are_bounded_for_every_attempt(failure: Failure, count: int) -> None:
    """No number of attempts overflows, waits more than the longest wait, or goes beyond the policy's number."""
    policy = RetryPolicy(attempts=100)
    base = 1.0 if failure is THROTTLED else 0.5
    most, least = (decide(*[failure] * count, policy=policy, draw=draw) for draw in (HIGHEST, 0.0))
    if count >= 100:
        assert most.stop is least.stop is Stop.ENOUGH
    else:
        assert most.wait == pytest.approx(min(20.0, base * 2 ** (count - 1)))
        assert least == Decision(wait=0.0, cost=most.cost)


def test_the_longest_waits_do_not_overflow() -> None:
    """The largest finite settings still give a finite wait."""
    policy = RetryPolicy(attempts=100, wait_throttled=1.7e308, wait_max=1.7e308)
    assert decide(*[THROTTLED] * 99, policy=policy).wait == pytest.approx(0.85e308)


@pytest.mark.parametrize("count", range(1, 7))
def test_waits_are_spread_evenly(count: int) -> None:
    """Ten thousand clients that failed together come back evenly over the whole wait."""
    dice = random.Random(count).random
    policy = RetryPolicy(attempts=10)
    longest = min(20.0, 2.0 ** (count - 1))
    failures = [THROTTLED] * count
    decisions = [
        policy.decide(GENERATE, failures, remaining=math.inf, useful=0, quota=QUOTA, dice=dice) for _ in range(10_000)
    ]
    buckets = Counter(int(10 * decision.wait / longest) for decision in decisions)
    assert set(buckets) == set(range(10))
    assert all(800 <= number <= 1200 for number in buckets.values())


def test_seeded_dice_replay() -> None:
    """The policy draws from the caller's dice alone, so the same dice give the same waits."""

    def waits() -> list[float]:
        dice = random.Random(7).random
        asked = Failure(trouble=Trouble.THROTTLED, retry_after=3.0)
        return [
            RetryPolicy().decide(GENERATE, [asked] * count, remaining=math.inf, useful=0, quota=QUOTA, dice=dice).wait
            for count in (1, 2)
        ]

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
@pytest.mark.parametrize(("operation", "trouble"), [(GENERATE, Trouble.THROTTLED), (UPLOAD, Trouble.THROTTLED)])
def test_the_service_is_waited_for(
    operation: Operation, trouble: Trouble, asked: float, draw: float, wait: float | None
) -> None:
    """A repeat waits at least what was asked for, a little spread above it; what is too long ends the call."""
    decision = decide(Failure(trouble=trouble, retry_after=asked), operation=operation, draw=draw)
    if wait is None:
        assert decision == Decision(stop=Stop.TOO_LONG)
    else:
        assert decision.wait == pytest.approx(wait)


def test_the_spread_above_what_was_asked_is_bounded() -> None:
    """However long the service asks to wait, five seconds more are the most."""
    patient = RetryPolicy(retry_after_max=1000.0)
    asked = Failure(trouble=Trouble.THROTTLED, retry_after=900.0)
    assert decide(asked, policy=patient, draw=HIGHEST).wait == pytest.approx(905.0)


@given(asked=st.floats(0, 60), count=st.integers(1, 99), draws=st.lists(st.floats(0, HIGHEST), min_size=2, max_size=2))
def test_no_repeat_comes_earlier_than_asked(asked: float, count: int, draws: list[float]) -> None:
    """Whatever the dice say, the wait lies between what was asked and a small spread above the longer of the two."""
    dice = itertools.cycle(draws)
    decision = RetryPolicy(attempts=100).decide(
        GENERATE,
        [Failure(trouble=Trouble.THROTTLED, retry_after=asked)] * count,
        remaining=math.inf,
        useful=0,
        quota=QUOTA,
        dice=lambda: next(dice),
    )
    assert decision.stop is None
    assert asked <= decision.wait <= max(20.0, asked) + 5.0


@pytest.mark.parametrize(
    ("remaining", "repeated"),
    [(90.5, True), (90.499, False), (90.0, False), (0.0, False), (-1.0, False), (math.inf, True)],
)
def test_a_repeat_must_fit_the_deadline(remaining: float, *, repeated: bool) -> None:
    """A repeat that would be cut off by the call's own limit is not begun."""
    expected = Decision(wait=0.5, cost=5) if repeated else Decision(stop=Stop.NO_TIME)
    assert decide(THROTTLED, remaining=remaining) == expected


def test_an_asked_wait_must_fit_the_deadline_too() -> None:
    """What the service asks for counts against the deadline like a wait of our own."""
    asked = Failure(trouble=Trouble.THROTTLED, retry_after=30.0)
    assert decide(asked, remaining=120.0, draw=0.0).wait == 30.0
    assert decide(asked, remaining=119.9, draw=0.0).stop is Stop.NO_TIME


@pytest.mark.parametrize(
    ("operation", "total", "seconds"),
    [
        (GENERATE, None, 90.0),
        (GENERATE, 600.0, 90.0),
        (GENERATE, 180.0, 90.0),
        (GENERATE, 100.0, 50.0),
        (UPLOAD, None, 5.0),
        (UPLOAD, 120.0, 5.0),
        (UPLOAD, 4.0, 2.0),
    ],
)
def test_an_attempt_needs_time_to_be_worth_beginning(operation: Operation, total: float | None, seconds: float) -> None:
    """A repeat needs a minute and a half, an upload five seconds, and half of a limit that is shorter than that."""
    assert min_useful(operation, total) == seconds


@pytest.mark.parametrize(("failure", "cost"), [(UNSENT, 14), (THROTTLED, 5)], ids=["not sent", "throttled"])
def test_a_repeat_needs_its_part_of_the_quota(failure: Failure, cost: int) -> None:
    """A client without quota gives up at once; what is just enough is enough."""
    assert decide(failure, quota=cost).cost == cost
    assert decide(failure, quota=cost - 1) == Decision(stop=Stop.QUOTA)
    assert decide(failure, quota=0) == Decision(stop=Stop.QUOTA)


@pytest.mark.parametrize(
    "unnamed",
    [
        lambda: RetryPolicy(3),  # type: ignore[call-arg]  # that is the point
        lambda: Failure(Trouble.NOT_SENT),  # type: ignore[call-arg]  # as above
        lambda: Decision(0.5),  # type: ignore[call-arg]  # as above
        lambda: RetryPolicy().decide(GENERATE, [UNSENT], 600.0, useful=90.0, quota=QUOTA, dice=lambda: 0.5),  # type: ignore[call-arg]
        lambda: parse_retry_after("7", NOON, 0.0),  # type: ignore[call-arg]
    ],
    ids=["policy", "failure", "decision", "time left", "date"],
)
def test_numbers_are_named(unnamed: Callable[[], object]) -> None:
    """Nobody can mistake a number of attempts for seconds, or one moment for another: each is given by its name."""
    with pytest.raises(TypeError, match=r"takes \d positional argument"):
        unnamed()


def played(quota: RetryQuota, *results: Failure | None) -> int:
    """Return how many attempts a call made whose attempts end like this; None is a success."""
    failures: list[Failure] = []
    taken = 0
    for result in results:
        if result is None:
            quota.succeeded(taken)
            break
        failures.append(result)
        decision = decide(*failures, quota=quota.left)
        if decision.stop is not None:
            break
        taken = decision.cost
        quota.take(taken)
    return len(failures) + (result is None)


@pytest.mark.parametrize(
    ("left", "results", "attempts", "after"),
    [
        (500, [UNSENT, UNSENT, None], 3, 486),
        (500, [UNSENT, UNSENT, UNSENT], 3, 472),
        (14, [UNSENT, UNSENT], 2, 0),
        (20, [UNSENT, UNSENT], 2, 6),
        (0, [UNSENT, None], 1, 0),
        (100, [None], 1, 101),
        (500, [None], 1, 500),
        (500, [THROTTLED, None], 2, 500),
        (500, [THROTTLED, THROTTLED, None], 3, 495),
        (495, [THROTTLED, UNSENT, None], 3, 490),
    ],
)
def test_the_quota_is_taken_and_given_back(left: int, results: list[Failure | None], attempts: int, after: int) -> None:
    """A repeat takes its part, one that succeeds gives it back, a first success earns one, up to what there was."""
    quota = RetryQuota(left)
    assert (played(quota, *results), quota.left) == (attempts, after)


def test_a_policy_explains_itself() -> None:
    """The table says for each trouble how often each operation is repeated, and the numbers are the policy's own."""
    lines = RetryPolicy(wait_transport=0.25, wait_max=7, retry_after_max=33).explain().splitlines()
    columns = [re.split(r"  +", line.strip()) for line in lines[: lines.index("")]]
    assert columns == [
        ["what failed", "upload", "generate"],
        ["no complete request left this machine", "twice", "twice"],
        ["the same: unknown host name, or no TLS at the other end", "once", "once"],
        ["the same: untrusted certificate, or useless proxy setting", "never", "never"],
        ["the service asked for fewer requests, and charged nothing", "twice", "twice"],
        ["the service itself said that it failed", "twice", "never"],
        ["sent, and no authentic answer came", "twice", "never"],
        ["success was announced, and the answer is unusable", "twice", "never"],
        ["any other refusal by the service", "never", "never"],
    ]
    assert lines[lines.index("") + 1 :] == [
        "Attempts in all: 3 at most.",
        "Wait before repeat n: a random part of 0.25 s x 2^(n-1), 7 s at most.",
        "After a throttling: a random part of 1 s x 2^(n-1).",
        "A Retry-After is never undercut, and up to a tenth of it is added, 5 s at most.",
        "A Retry-After above 33 s ends the call.",
        "Time a repeat needs: 90 s for a generation, 5 s for an upload; or half the limit.",
        "Quota for each operation: 500; a repeat takes 14, after a throttling 5.",
        "A repeat that succeeds gives back what it took; a first attempt that succeeds gives 1.",
        "A look into the usage log is free, and repeated like an upload; a repeat needs 1 s.",
    ]


def test_the_table_has_columns() -> None:
    """In every row of the table, what is said of an operation stands below its name."""
    lines = RetryPolicy().explain().splitlines()
    table = lines[: lines.index("")]
    columns = (lines[0].index("upload"), lines[0].index("generate"))
    assert {tuple(gap.end() for gap in re.finditer(r"(?<=\S)  +", line)) for line in table} == {columns}


@pytest.mark.parametrize(
    ("attempts", "unsent", "doubtful"), [(1, "never", "never"), (2, "once", "once"), (9, "8 times", "twice")]
)
def test_the_table_follows_the_policy(attempts: int, unsent: str, doubtful: str) -> None:
    """A policy of another number of attempts says so, and keeps the limits that are not its own."""
    lines = RetryPolicy(attempts=attempts).explain().splitlines()
    assert re.split(r"  +", lines[1])[1:] == [unsent, unsent]
    assert re.split(r"  +", lines[6])[1:] == [doubtful, "never"]


@pytest.mark.parametrize("attempts", [0, -1, 101, 10**6, 2.0, True, "3", None], ids=repr)
def test_the_number_of_attempts_is_checked(attempts: object) -> None:
    """A policy tries from 1 to 100 times."""
    with pytest.raises(ConfigError, match="attempts must be a whole number from 1 to 100"):
        RetryPolicy(attempts=attempts)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("name", ["wait_transport", "wait_throttled", "wait_max", "retry_after_max"])
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


@pytest.fixture(params=["UTC0", "EST5", "XXX-14"])
def local_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put this machine into another time zone."""
    with monkeypatch.context() as zone:
        zone.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("local_time")
@pytest.mark.parametrize(
    "date", ["Sun, 06 Nov 1994 12:00:30 GMT", "Sunday, 06-Nov-94 12:00:30 GMT", "Sun Nov  6 12:00:30 1994"]
)
def test_dates_are_read_the_same_everywhere(date: str) -> None:
    """An HTTP date is one of Greenwich, also the form that does not say so, and wherever this machine stands."""
    assert parse_retry_after(date, date=None, now=NOON_UNIX) == 30.0


names = st.from_regex("[A-Z][a-z]{2}", fullmatch=True) | st.sampled_from(["Sun", "Feb", "Nov", "Dec"])
two_digits = st.integers(0, 99).map("{:02}".format)
hours = st.builds("{}:{}:{}".format, two_digits, two_digits, two_digits)
years = st.integers(0, 9999).map("{:04}".format)
dates_of_any_kind = (
    st.builds("{}, {} {} {} {} GMT".format, names, two_digits, names, years, hours)
    | st.builds("{}day, {}-{}-{} {} GMT".format, names, two_digits, names, two_digits, hours)
    | st.builds("{} {} {} {} {}".format, names, names, two_digits, hours, years)
)


@given(value=dates_of_any_kind, date=st.none() | dates_of_any_kind)
def test_any_date_gives_a_wait_or_none(value: str, date: str | None) -> None:
    """No day that is none, no year and no hour raises, or asks for a negative or infinite wait."""
    seconds = parse_retry_after(value, date=date, now=NOON_UNIX)
    assert seconds is None or 0 <= seconds < math.inf


@given(value=st.text(max_size=40), date=st.none() | st.text(max_size=40))
def test_any_header_gives_a_wait_or_none(value: str, date: str | None) -> None:
    """No header whatever raises, or asks for a negative or infinite wait."""
    seconds = parse_retry_after(value, date=date, now=NOON_UNIX)
    assert seconds is None or 0 <= seconds < math.inf
