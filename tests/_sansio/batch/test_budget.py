"""What a batch may cost, to the credit."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiml_music._sansio.batch.budget import Balance, Budget, balance_after, credits_of, usd_of
from aiml_music._sansio.batch.states import JobState, Mark
from aiml_music._sansio.errors import BudgetExceededError, ConfigError

COST = 63_000
RESERVED, SPENT, DOUBTFUL = Balance(reserved=COST), Balance(spent=COST), Balance(in_doubt=COST)


@pytest.mark.parametrize(
    ("before", "mark", "state", "charged", "expected"),
    [
        (Balance(), Mark.PLANNED, JobState.PLANNED, None, Balance()),
        (Balance(), Mark.INTENT, JobState.INTENT, None, RESERVED),
        (RESERVED, Mark.WIRE, JobState.WIRE, None, RESERVED),
        (RESERVED, Mark.HEAD, JobState.WIRE, None, RESERVED),
        (RESERVED, Mark.HEAD, JobState.WIRE, 0, RESERVED),
        (RESERVED, Mark.HEAD, JobState.WIRE, 70_000, Balance(spent=70_000)),
        (RESERVED, Mark.ACCEPTED, JobState.ACCEPTED, None, SPENT),
        (RESERVED, Mark.ACCEPTED, JobState.ACCEPTED, 5, Balance(spent=5)),
        (SPENT, Mark.SOUGHT, JobState.ACCEPTED, None, SPENT),
        (SPENT, Mark.IN_DOUBT, JobState.IN_DOUBT, None, SPENT),
        (SPENT, Mark.REJECTED, JobState.REJECTED, 0, Balance()),
        (SPENT, Mark.DEFERRED, JobState.PLANNED, 0, Balance()),
        (RESERVED, Mark.RECEIVED, JobState.RECEIVED, None, SPENT),
        (RESERVED, Mark.RECEIVED, JobState.RECEIVED, 5, Balance(spent=5)),
        (RESERVED, Mark.RECEIVED, JobState.RECEIVED, 0, Balance()),
        (Balance(spent=5), Mark.RECEIVED, JobState.RECEIVED, None, Balance(spent=5)),
        (DOUBTFUL, Mark.RECEIVED, JobState.RECEIVED, None, SPENT),
        (SPENT, Mark.DONE, JobState.DONE, None, SPENT),
        (RESERVED, Mark.NOT_SENT, JobState.PLANNED, None, Balance()),
        (RESERVED, Mark.DEFERRED, JobState.PLANNED, None, Balance()),
        (RESERVED, Mark.REJECTED, JobState.REJECTED, None, Balance()),
        (Balance(spent=5), Mark.REJECTED, JobState.REJECTED, None, Balance(spent=5)),
        (RESERVED, Mark.IN_DOUBT, JobState.IN_DOUBT, None, DOUBTFUL),
        (Balance(spent=5), Mark.IN_DOUBT, JobState.IN_DOUBT, None, Balance(spent=5)),
        (RESERVED, Mark.DIED, JobState.IN_DOUBT, None, DOUBTFUL),
        (RESERVED, Mark.DIED, JobState.PLANNED, None, Balance()),
        (RESERVED, Mark.DIED, JobState.POISONED, None, Balance()),
        (DOUBTFUL, Mark.SOUGHT, JobState.IN_DOUBT, None, DOUBTFUL),
        (DOUBTFUL, Mark.UNPAID, JobState.PLANNED, None, Balance()),
        (DOUBTFUL, Mark.PAID, JobState.PAID_LOST, None, SPENT),
        (DOUBTFUL, Mark.PAID, JobState.PAID_LOST, 7, Balance(spent=7)),
        (DOUBTFUL, Mark.PAY_AGAIN, JobState.PLANNED, None, DOUBTFUL),
    ],
)
def test_money_follows_the_marks(
    before: Balance, mark: Mark, state: JobState, charged: int | None, expected: Balance
) -> None:
    """Reserved before it is sent, spent when that is known, and in doubt until somebody knows."""
    assert balance_after(before, mark, state, cost=COST, charged=charged) == expected


def test_balances_add_up() -> None:
    """What is reserved, spent and in doubt is all gone for other calls."""
    total = RESERVED + SPENT + DOUBTFUL
    assert total == Balance(reserved=COST, spent=COST, in_doubt=COST)
    assert total - SPENT == RESERVED + DOUBTFUL
    assert total.committed == 3 * COST


@pytest.mark.parametrize("balance", [RESERVED, SPENT, DOUBTFUL])
def test_a_budget_is_never_overrun(balance: Balance) -> None:
    """The last credit may be used, and not one more."""
    Budget(credits=2 * COST).check(balance, COST)
    with pytest.raises(BudgetExceededError, match=r"\$0\.0629995.*\$0\.0315 .*may cost \$0\.0315\.") as caught:
        Budget(credits=2 * COST - 1).check(balance, COST)
    assert "no money was spent" in str(caught.value)
    Budget().check(Balance(spent=10**18), COST)


@pytest.mark.parametrize(
    ("usd", "amount"),
    [(Decimal("0.0315"), COST), ("1", 2_000_000), (3, 6_000_000), (0, 0), ("0.0000004", 0), ("0.0000009999", 1)],
)
def test_dollars_are_credits(usd: Any, amount: int) -> None:
    """Rounded down: a budget is never more than was said."""
    assert Budget.of_usd(usd) == Budget(credits=amount)
    assert credits_of(Decimal("1e-999999")) == 0
    assert Budget.of_usd(None) == Budget()


@pytest.mark.parametrize("usd", [0.03, True, "-1", "nan", "inf", "1e10", "a dollar", "", None])
def test_no_amount_of_money_is_refused(usd: Any) -> None:
    """A float is not exact, and a budget has to be."""
    with pytest.raises(ConfigError, match="exact decimal number"):
        credits_of(usd)


@pytest.mark.parametrize("amount", [0.5, True, -1, "7"])
def test_a_part_of_a_credit_is_refused(amount: Any) -> None:
    """Credits are counted, and dollars are what is divided."""
    with pytest.raises(ConfigError, match="whole number"):
        Budget(credits=amount)


@given(st.integers(0, 10**15))
def test_credits_survive_the_way_through_dollars(amount: int) -> None:
    """Nothing is rounded on the way out."""
    assert credits_of(usd_of(amount)) == amount


@pytest.mark.parametrize(
    ("amount", "shown"), [(0, "0.00"), (COST, "0.0315"), (200_000_000, "100.00"), (1, "0.0000005")]
)
def test_dollars_are_shown_as_people_write_them(amount: int, shown: str) -> None:
    """At least two decimals, and no more than it takes."""
    assert f"{usd_of(amount):f}" == shown
