"""The fault table and its report: complete, and never kinder than the tests were."""

import re

from tests.faults.rows import ROWS, Row
from tests.faults.tally import Tally

TABLE = (Row("1", "one"), Row("2", "two"), Row("3", "three", "nobody can"))


def test_the_table_is_whole() -> None:
    """Every number stands in it once, in order, with a short title."""
    eights = [f"98{letter}" for letter in "abcdefgh"]
    numbers = [*(str(number) for number in range(1, 98)), *eights, *(str(number) for number in range(99, 185))]
    assert [row.number for row in ROWS] == numbers
    assert len(ROWS) == 191
    assert len({row.title for row in ROWS}) == len(ROWS)
    assert all(1 <= len(row.title.split()) <= 12 for row in ROWS)
    assert not any(re.search(r"[.\n]$", row.title + row.untested) for row in ROWS)


def test_a_row_is_survived_when_all_its_tests_passed() -> None:
    """One test that fails undoes any number that passed, and a test that did not run counts for nothing."""
    tally = Tally(TABLE)
    assert tally.unknown({"1", "2"}) == set()
    tally.note({"1", "2"}, passed=True)
    assert tally.survived == 2
    tally.note({"2"}, passed=False)
    tally.note({"2"}, passed=True)
    assert tally.survived == 1
    assert tally.mistakes == []
    assert list(tally.lines()) == [
        "faults survived 1/3",
        "row 2 failed: two",
        "row 3 has no test, for nobody can",
    ]


def test_a_row_needs_a_test_or_a_reason_and_not_both() -> None:
    """A row that fell under the table, or a reason that is no longer true, is a mistake."""
    tally = Tally(TABLE, figures=["sinks scanned 9"])
    assert tally.unknown({"1", "3", "4"}) == {"4"}
    assert tally.survived == 0
    assert tally.mistakes == [
        "row 2 has neither test nor reason: two",
        "row 3 has a test, and a reason to have none",
    ]
    assert list(tally.lines()) == [
        "faults survived 0/3",
        "sinks scanned 9",
        "row 1 was skipped: one",
        "row 3 was skipped: three",
        *tally.mistakes,
    ]
