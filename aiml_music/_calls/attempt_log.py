"""What became of each attempt of a call, for its receipt and its error."""

from attrs import define, evolve, field

from aiml_music._sansio.outcome import Attempt, Outcome, Phase
from aiml_music._sansio.verdict import Problem


@define
class AttemptLog:
    """The attempts of one call so far.

    Attributes:
        number: of the latest attempt, 0 before the first.
        began: when that was, on the call's clock.
    """

    number: int = 0
    began: float = 0.0
    _waited: float = 0.0
    _ended: list[Attempt] = field(factory=list)

    def begin(self, number: int, *, waited: float, now: float) -> None:
        """Note that an attempt begins, after a pause of so many seconds."""
        self.number, self._waited, self.began = number, waited, now

    def end(self, problem: Problem | None, phase: Phase, status: int | None, *, now: float) -> None:
        """Note that the latest attempt has ended; without a problem, well."""
        self._ended.append(
            Attempt(
                number=self.number,
                outcome=Outcome.COMPLETED if problem is None else problem.outcome,
                phase=phase,
                elapsed=now - self.began,
                waited=self._waited,
                status=status,
                problem="" if problem is None else problem.message,
            )
        )

    def correct(self, problem: Problem) -> None:
        """Note what ended the call behind an attempt that was noted when its answer began."""
        if self._ended and self.is_between:
            self._ended[-1] = evolve(self._ended[-1], outcome=problem.outcome, problem=problem.message)

    @property
    def is_between(self) -> bool:
        """Whether no attempt is under way."""
        return len(self._ended) == self.number

    @property
    def arrived(self) -> int:
        """How many attempts may have reached the service."""
        return sum(attempt.outcome is not Outcome.NOT_SENT for attempt in self._ended)

    @property
    def all(self) -> tuple[Attempt, ...]:
        """Those that have ended, in order."""
        return tuple(self._ended)
