"""How many calls may be under way at once: where the number starts, what moves it, and how fast it may grow."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiml_music._sansio.concurrency import ConcurrencyLimit

# Seconds after which the limit may take its next step up.
STEP = 10.0


def after_successes(limit: ConcurrencyLimit, *, seconds_apart: float, count: int) -> list[int]:
    """Return the limit after each of so many successes of a client that uses it up."""
    seen = []
    for number in range(count):
        limit.succeeded(now=number * seconds_apart, under_way=limit.calls)
        seen.append(limit.calls)
    return seen


def test_an_adaptive_limit_starts_at_four() -> None:
    """Nothing is known of the account at first, and four at once harm nobody."""
    assert ConcurrencyLimit.of(None).calls == 4


@pytest.mark.parametrize("number", [1, 3, 20, 500])
def test_a_number_is_kept(number: int) -> None:
    """Who names a number of calls gets it, however the calls fare."""
    limit = ConcurrencyLimit.of(number)
    after_successes(limit, seconds_apart=STEP, count=3 * number)
    assert limit.calls == number
    limit.throttled(now=1e6, began=1e6)
    assert limit.calls == number


@pytest.mark.parametrize(
    ("start", "seen"),
    [
        (1, [2, 2, 2, 3]),
        (4, [4, 4, 4, 4, 5, 5, 5, 5, 5, 6]),
        (10, [10] * 10 + [11]),
        (19, [19] * 19 + [20]),
        (20, [20] * 30),
    ],
)
def test_a_success_adds_its_part_of_a_call(start: int, seen: list[int]) -> None:
    """A success adds one divided by the limit, up to twenty calls, so that a round of successes adds about one call."""
    assert after_successes(ConcurrencyLimit(exact=start), seconds_apart=STEP, count=len(seen)) == seen


@pytest.mark.parametrize(
    ("start", "under_way", "felt"),
    [(4, 1, False), (4, 2, True), (5, 2, False), (5, 3, True), (10, 4, False), (10, 5, True), (10, 10, True)],
)
def test_a_limit_that_is_not_felt_does_not_grow(start: int, under_way: int, *, felt: bool) -> None:
    """Successes prove nothing while less than half of the places are taken."""
    limit = ConcurrencyLimit(exact=start)
    for number in range(2 * start):
        limit.succeeded(now=number * STEP, under_way=under_way)
    assert limit.calls == start + felt


def test_the_limit_takes_one_step_in_ten_seconds() -> None:
    """However many calls succeed, the next step comes ten seconds after the last, and a burst saves up no other."""
    limit = ConcurrencyLimit.of(None)
    for _ in range(100):
        limit.succeeded(now=1000.0, under_way=20)
    assert limit.calls == 5
    for _ in range(100):
        limit.succeeded(now=1009.99, under_way=20)
    assert limit.calls == 5
    limit.succeeded(now=1010.0, under_way=20)
    assert limit.calls == 6
    limit.succeeded(now=1020.0, under_way=20)
    assert limit.calls == 6


@pytest.mark.parametrize("seconds", [9.99, 10.0], ids=["too early", "in time"])
def test_a_cut_puts_the_next_step_off(seconds: float) -> None:
    """A service that just asked for fewer calls is given ten seconds before it gets one more."""
    limit = ConcurrencyLimit.of(None)
    limit.throttled(now=500.0, began=499.0)
    for _ in range(10):
        limit.succeeded(now=500.0 + seconds, under_way=2)
    assert limit.calls == (3 if seconds >= STEP else 2)


def test_throttling_takes_three_tenths_away() -> None:
    """Every throttling leaves seven tenths of the limit, whole calls of it, and the last call is never taken."""
    limit = ConcurrencyLimit(exact=20)
    seen = []
    for now in range(9):
        limit.throttled(now=now, began=now)
        seen.append(limit.calls)
    assert seen == [14, 9, 6, 4, 3, 2, 1, 1, 1]


def test_a_limit_at_its_least_comes_back() -> None:
    """The floor is one whole call, not a part of one: the first success brings the second call back."""
    limit = ConcurrencyLimit.of(None)
    for now in range(100):
        limit.throttled(now=now, began=now)
    limit.succeeded(now=200.0, under_way=1)
    assert limit.calls == 2


def test_calls_that_were_throttled_together_cut_once() -> None:
    """Verdicts on calls begun before the last cut say nothing about the limit since; later calls count again."""
    limit = ConcurrencyLimit(exact=20)
    for number in range(20):
        limit.throttled(now=100.0 + number, began=50.0 + number)
    assert limit.calls == 14
    limit.throttled(now=130.0, began=99.99)
    assert limit.calls == 14
    limit.throttled(now=140.0, began=100.0)
    assert limit.calls == 9
    limit.throttled(now=150.0, began=130.0)
    assert limit.calls == 9


@pytest.mark.parametrize(
    "unnamed",
    [
        lambda limit: limit.succeeded(1.0, under_way=4),
        lambda limit: limit.throttled(1.0, began=0.0),
        lambda _: ConcurrencyLimit(4.0, 20, False, 0.0),  # type: ignore[call-arg]  # noqa: FBT003 - that is the point
    ],
    ids=["success", "throttling", "past"],
)
def test_moments_are_named_and_none_is_given_in_advance(unnamed: Callable[[ConcurrencyLimit], None]) -> None:
    """Nobody can mistake one moment for another, and a limit begins without a past."""
    with pytest.raises(TypeError, match=r"takes .* positional argument"):
        unnamed(ConcurrencyLimit.of(None))


# What happens, after how many seconds, and to a call begun how many seconds before (or with how many under way).
happenings = st.lists(
    st.tuples(st.sampled_from(["succeeded", "throttled"]), st.floats(0, 30), st.floats(0, 60), st.integers(1, 20)),
    max_size=200,
)


@given(start=st.integers(1, 20), happened=happenings)
def test_the_limit_moves_within_its_bounds(start: int, happened: list[tuple[str, float, float, int]]) -> None:
    """Whatever happens in whatever order: 1 to 20 calls, one step up in ten seconds, one cut for calls that overlap."""
    limit = ConcurrencyLimit(exact=start)
    now, moved_up, cut = 0.0, float("-inf"), float("-inf")
    for what, later, before, under_way in happened:
        now += later
        calls = limit.calls
        if what == "succeeded":
            limit.succeeded(now=now, under_way=under_way)
            assert limit.calls in {calls, calls + 1}
            if limit.calls > calls:
                assert 2 * under_way >= calls
                assert now - max(moved_up, cut) >= STEP
                moved_up = now
        else:
            limit.throttled(now=now, began=now - before)
            if now - before < cut:
                assert limit.calls == calls
            else:
                assert max(1, int(0.7 * calls)) <= limit.calls <= max(1, 0.7 * (calls + 1))
                cut = now
        assert 1 <= limit.calls <= 20


@given(happened=happenings)
def test_what_is_fixed_never_moves(happened: list[tuple[str, float, float, int]]) -> None:
    """No verdict of the service changes a number that the user chose."""
    limit, now = ConcurrencyLimit.of(7), 0.0
    for what, later, before, under_way in happened:
        now += later
        if what == "succeeded":
            limit.succeeded(now=now, under_way=under_way)
        else:
            limit.throttled(now=now, began=now - before)
        assert limit.calls == 7


@given(throttlings=st.integers(0, 50))
def test_every_limit_finds_its_way_back(throttlings: int) -> None:
    """No number of throttlings keeps a limit down for ever: a client that is well served gets to twenty calls again."""
    limit = ConcurrencyLimit.of(None)
    for now in range(throttlings):
        limit.throttled(now=now, began=now)
    for number in range(220):
        limit.succeeded(now=1000.0 + number * STEP, under_way=limit.calls)
    assert limit.calls == 20
