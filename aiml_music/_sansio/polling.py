"""When a generation that was accepted is asked after again, and when to stop asking.

Pure: the clock and the dice are the caller's. Asking costs nothing, so that nearly every trouble means: ask again.
"""

from collections.abc import Callable
from enum import Enum

from attrs import define, field, frozen

from aiml_music._sansio.errors import (
    AuthenticationError,
    CreditsError,
    InvalidRequestError,
    MusicError,
    NotFoundError,
    PermissionDeniedError,
)
from aiml_music._sansio.queued import Polled, State
from aiml_music._sansio.result_url import Reach
from aiml_music._sansio.verdict import Problem

POLLS_PER_SECOND = 10.0
"""So many questions a client asks in a second, however many generations it waits for."""
POLL_SECONDS = 30.0
"""A question that is not answered within so long is asked again."""

# The longer a track takes, the less a few seconds matter: up to this many times the pace of the model's row.
_SLOWEST = 4.0
_SLOWER_EVERY = 10
_JITTER = 0.1
_LONGEST_AFTER_TROUBLE = 60.0
_LAST_LOOK_SECONDS = 1.0
# What a service that asks for fewer requests, and not for how long, is given.
_BREATH_SECONDS = 1.0
# A new id may not have reached every server of the service yet.
_MOST_REFUSALS_IN_A_ROW = 5
# The address of a track may follow a little later than the word that it is done.
_MOST_DONE_WITHOUT_ADDRESS = 5


@frozen(kw_only=True)
class Pace:
    """How often a generation is asked after. Durations are seconds.

    Attributes:
        first: after it was accepted.
        each: between two questions.
    """

    first: float = 10.0
    each: float = 5.0


@frozen(kw_only=True)
class Course:
    """How a generation goes on that the service takes under an id.

    Attributes:
        poll_url: where it is asked after.
        default_headers: for every question; never for the host of a track.
        reach: where its track may lie.
        lives_seconds: how long its track is kept; None where that is not known.
        generation_id: the id, where it was submitted before and nothing is to be paid.
    """

    poll_url: str
    default_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    pace: Pace = Pace()
    reach: Reach = Reach()
    lives_seconds: float | None = None
    generation_id: str | None = None


class Next(Enum):
    """What follows on an answer."""

    ASK = "ask again"
    FETCH = "fetch the track"
    TELL = "raise what came"


# What the service itself says about the key, and what no time will change.
_TOLD_AT_ONCE = (AuthenticationError, CreditsError, PermissionDeniedError)
# What it says about the id, and may soon say otherwise.
_TOLD_WHEN_LASTING = (NotFoundError, InvalidRequestError)


def after_answer(polled: Polled, *, without_address: int) -> Next:
    """Return what follows on an answer.

    Args:
        polled: the answer.
        without_address: how often in a row, this one included, the generation was done and had no address.
    """
    if polled.state is State.FAILED:
        return Next.TELL
    if polled.state is State.RUNNING:
        return Next.ASK
    if polled.url is not None:
        return Next.FETCH
    return Next.TELL if without_address >= _MOST_DONE_WITHOUT_ADDRESS else Next.ASK


def after_trouble(error: type[MusicError], *, in_a_row: int) -> Next:
    """Return what follows on a question that got no usable answer.

    Args:
        error: what came instead.
        in_a_row: how often in a row, this one included, it was of this kind.
    """
    if issubclass(error, _TOLD_AT_ONCE):
        return Next.TELL
    lasting = issubclass(error, _TOLD_WHEN_LASTING) and in_a_row >= _MOST_REFUSALS_IN_A_ROW
    return Next.TELL if lasting else Next.ASK


def next_pause(
    pace: Pace,
    *,
    asked: int,
    in_trouble: int,
    retry_after: float,
    remaining: float,
    dice: Callable[[], float],
) -> float | None:
    """Return the seconds to wait before the next question; None where there is no time for one.

    Args:
        pace: the model's own.
        asked: how many questions were asked.
        in_trouble: how many in a row got no usable answer.
        retry_after: seconds the service asked to wait.
        remaining: seconds left of the call's own limit; infinite where it has none.
        dice: draws from [0, 1).
    """
    pause = pace.each * min(_SLOWEST, 1 + asked / _SLOWER_EVERY) if asked else pace.first
    if in_trouble:
        # Far from where a power of two overflows a float.
        pause = max(pause, min(_LONGEST_AFTER_TROUBLE, pace.each * 2.0 ** min(in_trouble, 10)))
    # Spread, so that generations which were begun as one do not ask as one; and never earlier than asked for.
    pause = max(pause, retry_after) * (1 + _JITTER * dice())
    # One last look before time runs out, where the next one would come too late.
    last = remaining - min(_LAST_LOOK_SECONDS, remaining / 2)
    if pause <= last:
        return pause
    is_worth_it = last >= _LAST_LOOK_SECONDS or not asked
    return last if is_worth_it and retry_after <= last else None


@define
class Watch:
    """What the questions after one generation have come to.

    Attributes:
        seen: the latest word on it, a clause for people.
    """

    seen: str = "nobody has asked after it"
    _asked: int = field(default=0, init=False)
    _in_trouble: int = field(default=0, init=False)
    _in_a_row: int = field(default=0, init=False)
    _without_address: int = field(default=0, init=False)
    _retry_after: float = field(default=0.0, init=False)
    _latest: type[MusicError] | None = field(default=None, init=False)

    def pause(self, pace: Pace, *, remaining: float, dice: Callable[[], float]) -> float | None:
        """Return the seconds until the next question; None where there is no time for one."""
        return next_pause(
            pace,
            asked=self._asked,
            in_trouble=self._in_trouble,
            retry_after=self._retry_after,
            remaining=remaining,
            dice=dice,
        )

    def answered(self, polled: Polled) -> Next:
        """Take an answer, and return what follows on it."""
        self._asked += 1
        self._in_trouble, self._in_a_row, self._retry_after, self._latest = 0, 0, 0.0, None
        self.seen = f"the service calls it {polled.status or 'nothing'}"
        self._without_address = self._without_address + 1 if polled.state is State.DONE else 0
        return after_answer(polled, without_address=self._without_address)

    def troubled(self, problem: Problem) -> Next:
        """Take what came instead of an answer, and return what follows on it."""
        self._asked += 1
        self._in_trouble += 1
        self._in_a_row = self._in_a_row + 1 if problem.error is self._latest else 1
        self._latest, self._retry_after = problem.error, problem.failure.retry_after or 0.0
        self.seen = problem.message.rstrip(".")
        return after_trouble(problem.error, in_a_row=self._in_a_row)


@define
class Turnstile:
    """Lets the questions of one client through one by one, in the order in which they came.

    Args:
        per_second: how many at most.
    """

    _per_second: float = POLLS_PER_SECOND
    _next: float = field(default=0.0, init=False)

    def wait(self, now: float) -> float:
        """Take the next turn, and return how many seconds it is away."""
        turn = max(now, self._next)
        self._next = turn + 1 / self._per_second
        return turn - now

    def hold(self, now: float, seconds: float | None) -> None:
        """Let nobody through for a while, for the service has asked for fewer requests.

        Args:
            now: the client's clock.
            seconds: how long it asked to wait; None where it did not say.
        """
        self._next = max(self._next, now + (_BREATH_SECONDS if seconds is None else seconds))
