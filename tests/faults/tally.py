"""Count the rows of the fault table that were survived."""

from collections.abc import Iterable, Iterator, Sequence

from attrs import define, field

from tests.faults.rows import Row


@define
class Tally:
    """What became of the tests of each row.

    Attributes:
        rows: the whole table.
        figures: what else the tests measured, a line each.
    """

    rows: Sequence[Row]
    figures: list[str] = field(factory=list)
    _passed: set[str] = field(factory=set)
    _failed: set[str] = field(factory=set)
    _known: set[str] = field(factory=set)

    def unknown(self, numbers: Iterable[str]) -> set[str]:
        """Note that these rows have a test, and return those that the table does not have."""
        numbers = set(numbers)
        self._known |= numbers
        return numbers - {row.number for row in self.rows}

    def note(self, numbers: Iterable[str], *, passed: bool) -> None:
        """Take the end of one test."""
        (self._passed if passed else self._failed).update(numbers)

    @property
    def survived(self) -> int:
        """How many rows have tests that ran, and none that failed."""
        return len(self._passed - self._failed)

    @property
    def mistakes(self) -> list[str]:
        """What is wrong with the table itself: a row without test and reason, or with both."""
        tested, reasoned = self._known, {row.number for row in self.rows if row.untested}
        neither = [row for row in self.rows if row.number not in tested | reasoned]
        both = [row for row in self.rows if row.number in tested & reasoned]
        return [
            *(f"row {row.number} has neither test nor reason: {row.title}" for row in neither),
            *(f"row {row.number} has a test, and a reason to have none" for row in both),
        ]

    def lines(self) -> Iterator[str]:
        """Yield the report."""
        yield f"faults survived {self.survived}/{len(self.rows)}"
        yield from self.figures
        for row in self.rows:
            if row.number in self._failed:
                yield f"row {row.number} failed: {row.title}"
            elif row.number in self._known and row.number not in self._passed:
                yield f"row {row.number} was skipped: {row.title}"
            elif row.number not in self._known and row.untested:
                yield f"row {row.number} has no test, for {row.untested}"
        yield from self.mistakes
