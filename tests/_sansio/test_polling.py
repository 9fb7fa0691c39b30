"""When a generation is asked after again: tables, pauses, and one turnstile for all."""

import math
from itertools import pairwise
from typing import Any

import pytest

from aiml_music import (
    AuthenticationError,
    CreditsError,
    InDoubtError,
    InDoubtTimeout,
    InvalidRequestError,
    Money,
    MusicError,
    NotFoundError,
    NotSentError,
    Outcome,
    PayloadError,
    PermissionDeniedError,
    Phase,
    RateLimitError,
    ServerError,
)
from aiml_music._sansio.polling import Next, Pace, Turnstile, Watch, after_answer, after_trouble, next_pause
from aiml_music._sansio.queued import Polled, State
from aiml_music._sansio.retry import Failure
from aiml_music._sansio.verdict import Problem

PACE = Pace(first=10.0, each=5.0)


def polled(state: State, url: str | None = None) -> Polled:
    return Polled(state=state, status=str(state), url=url, raw={})


def trouble(error: type[MusicError], retry_after: float | None = None) -> Problem:
    return Problem(
        error=error,
        message="It did not work.",
        outcome=Outcome.UNKNOWN,
        money=Money.NO,
        phase=Phase.WAIT,
        failure=Failure(retry_after=retry_after),
    )


@pytest.mark.parametrize(
    ("answer", "without_address", "follows"),
    [
        (polled(State.RUNNING), 0, Next.ASK),
        (polled(State.RUNNING, "https://a.example/x"), 0, Next.ASK),
        (polled(State.DONE, "https://a.example/x"), 1, Next.FETCH),
        (polled(State.DONE), 1, Next.ASK),
        (polled(State.DONE), 4, Next.ASK),
        (polled(State.DONE), 5, Next.TELL),
        (polled(State.FAILED), 0, Next.TELL),
        (polled(State.FAILED, "https://a.example/x"), 0, Next.TELL),
    ],
)
def test_what_follows_on_an_answer(answer: Polled, without_address: int, follows: Next) -> None:
    """Running is asked after again, done is fetched, and failed is told."""
    assert after_answer(answer, without_address=without_address) is follows


@pytest.mark.parametrize(
    ("error", "first", "fifth", "hundredth"),
    [
        (AuthenticationError, Next.TELL, Next.TELL, Next.TELL),
        (PermissionDeniedError, Next.TELL, Next.TELL, Next.TELL),
        (CreditsError, Next.TELL, Next.TELL, Next.TELL),
        (NotFoundError, Next.ASK, Next.TELL, Next.TELL),
        (InvalidRequestError, Next.ASK, Next.TELL, Next.TELL),
        *(
            (error, Next.ASK, Next.ASK, Next.ASK)
            for error in (ServerError, RateLimitError, InDoubtError, InDoubtTimeout, NotSentError, PayloadError)
        ),
    ],
)
def test_what_follows_on_trouble(error: type[MusicError], first: Next, fifth: Next, hundredth: Next) -> None:
    """A key that is refused is told at once, an id that stays unknown when it lasts, and all else is asked again."""
    assert after_trouble(error, in_a_row=1) is first
    assert after_trouble(error, in_a_row=5) is fifth
    assert after_trouble(error, in_a_row=100) is hundredth


def pause(**changes: Any) -> float | None:
    given = {"asked": 0, "in_trouble": 0, "retry_after": 0.0, "remaining": math.inf, "dice": lambda: 0.0}
    return next_pause(PACE, **{**given, **changes})


def test_the_pauses_are_the_models_and_grow_slowly() -> None:
    """From the row's first one on; four times the pace at most."""
    assert [pause(asked=n) for n in (0, 1, 10, 30, 1000)] == [10.0, 5.5, 10.0, 20.0, 20.0]


def test_trouble_makes_it_slower_and_never_faster() -> None:
    """Twice as long each time, a minute at most, and without an overflow."""
    assert [pause(asked=n, in_trouble=n) for n in (1, 2, 3, 4, 5000)] == [10.0, 20.0, 40.0, 60.0, 60.0]


def test_a_wait_that_is_asked_for_is_never_undercut() -> None:
    """Whatever the model's pace; and what is spread is spread above it."""
    assert pause(asked=1, retry_after=90.0) == 90.0
    assert pause(asked=1, retry_after=90.0, dice=lambda: 0.5) == pytest.approx(94.5)
    assert pause(asked=1, retry_after=1.0) == 5.5


@pytest.mark.parametrize(
    ("remaining", "changes", "expected"),
    [
        (100.0, {"asked": 1}, 5.5),
        (6.0, {"asked": 1}, 5.0),
        (2.0, {"asked": 1}, 1.0),
        (1.9, {"asked": 1}, None),
        (0.0, {"asked": 1}, None),
        (-5.0, {"asked": 1}, None),
        (0.4, {"asked": 0}, 0.2),
        (30.0, {"asked": 1, "retry_after": 60.0}, None),
    ],
)
def test_time_that_runs_out_gets_one_last_look(
    remaining: float, changes: dict[str, Any], expected: float | None
) -> None:
    """Unless the service has asked not to be asked so soon."""
    assert pause(remaining=remaining, **changes) == expected


def test_looks_come_to_an_end() -> None:
    """However often the last look is the last: what is left shrinks to nothing."""
    remaining, looks = 60.0, 0
    while (wait := pause(asked=looks + 1, remaining=remaining)) is not None:
        remaining, looks = remaining - wait, looks + 1
    assert 5 < looks < 15


def test_a_watch_counts() -> None:
    """Answers end a row of trouble, another trouble begins a new one, and the latest word is kept."""
    watch = Watch()
    assert watch.pause(PACE, remaining=math.inf, dice=lambda: 0.0) == 10.0
    for _ in range(4):
        assert watch.troubled(trouble(NotFoundError)) is Next.ASK
    assert watch.troubled(trouble(ServerError, retry_after=100.0)) is Next.ASK
    assert watch.pause(PACE, remaining=math.inf, dice=lambda: 0.0) == 100.0
    assert watch.seen == "It did not work"
    assert watch.troubled(trouble(NotFoundError)) is Next.ASK
    assert watch.answered(polled(State.RUNNING)) is Next.ASK
    assert watch.seen == "the service calls it running"
    assert watch.pause(PACE, remaining=math.inf, dice=lambda: 0.0) == pytest.approx(8.5)
    follows = [watch.troubled(trouble(NotFoundError)) for _ in range(5)]
    assert follows == [Next.ASK] * 4 + [Next.TELL]


def test_done_without_an_address_must_last() -> None:
    """Running in between begins anew."""
    watch = Watch()
    for _ in range(4):
        assert watch.answered(polled(State.DONE)) is Next.ASK
    assert watch.answered(polled(State.RUNNING)) is Next.ASK
    follows = [watch.answered(polled(State.DONE)) for _ in range(5)]
    assert follows == [Next.ASK] * 4 + [Next.TELL]
    assert watch.answered(Polled(raw={})) is Next.ASK
    assert watch.seen == "the service calls it nothing"


def test_a_turnstile_lets_so_many_through_in_a_second() -> None:
    """A thousand at once take a hundred seconds, one by one; who comes later waits for no turn that has passed."""
    turnstile = Turnstile()
    waits = [turnstile.wait(100.0) for _ in range(1000)]
    assert waits[0] == 0.0
    assert waits[-1] == pytest.approx(99.9)
    assert all(b - a == pytest.approx(0.1) for a, b in pairwise(waits))
    assert turnstile.wait(1000.0) == 0.0


def test_a_service_that_asks_for_fewer_requests_is_left_in_peace() -> None:
    """For as long as it says, or for a second; and never shorter than before."""
    turnstile = Turnstile()
    turnstile.hold(10.0, 5.0)
    turnstile.hold(10.0, None)
    assert turnstile.wait(10.0) == pytest.approx(5.0)
    other = Turnstile()
    other.hold(10.0, None)
    assert other.wait(10.0) == pytest.approx(1.0)
