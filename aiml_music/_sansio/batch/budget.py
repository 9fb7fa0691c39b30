"""What a batch may cost: reserved before it is sent, spent when it is known, never more than the budget.

Money is whole credits; US dollars are decimal numbers, in and out. Binary fractions have no place here.
"""

from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from typing import Any

from attrs import evolve, field, frozen

from aiml_music._sansio.batch.states import JobState, Mark
from aiml_music._sansio.errors import BudgetExceededError, ConfigError

CREDITS_PER_USD = 2_000_000
_MOST_USD = 10**9
_ROUNDED_DOWN = Context(prec=40, rounding=ROUND_DOWN)
_VERDICTS = frozenset({Mark.NOT_SENT, Mark.DEFERRED, Mark.REJECTED, Mark.IN_DOUBT, Mark.DIED})


@frozen(kw_only=True)
class Balance:
    """Credits of an attempt, or of a whole batch.

    Attributes:
        reserved: the worst case of calls under way.
        spent: what was charged, as the service says, or the worst case where it did not say.
        in_doubt: the worst case of calls that may have been charged.
    """

    reserved: int = 0
    spent: int = 0
    in_doubt: int = 0

    @property
    def committed(self) -> int:
        """What is not there any more for other calls."""
        return self.reserved + self.spent + self.in_doubt

    def __add__(self, other: "Balance") -> "Balance":
        return Balance(
            reserved=self.reserved + other.reserved,
            spent=self.spent + other.spent,
            in_doubt=self.in_doubt + other.in_doubt,
        )

    def __sub__(self, other: "Balance") -> "Balance":
        return Balance(
            reserved=self.reserved - other.reserved,
            spent=self.spent - other.spent,
            in_doubt=self.in_doubt - other.in_doubt,
        )


def balance_after(balance: Balance, mark: Mark, state: JobState, *, cost: int, charged: int | None = None) -> Balance:
    """Return the balance of an attempt after a mark.

    Args:
        balance: before the mark.
        mark: what is written down about the attempt.
        state: where that leaves the job.
        cost: its worst case, in credits.
        charged: the credits that the service says it charged; None where it does not say.
    """
    if mark is Mark.INTENT:
        return Balance(reserved=cost)
    if mark is Mark.HEAD:
        # A charge may be stated in the head already; a call without one may still be charged.
        return Balance(spent=charged) if charged else balance
    if mark in {Mark.ACCEPTED, Mark.RECEIVED, Mark.PAID, Mark.EARLIER_PAID}:
        return Balance(spent=(balance.spent or cost) if charged is None else charged)
    is_free = mark in {Mark.DEFERRED, Mark.REJECTED} and charged == 0
    if is_free or mark in {Mark.UNPAID, Mark.EARLIER_UNPAID}:
        return Balance()
    if mark in _VERDICTS:
        return evolve(balance, reserved=0, in_doubt=balance.reserved if state is JobState.IN_DOUBT else 0)
    return balance


def _check_credits(_instance: object, _attribute: object, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise ConfigError(f"A budget in credits is a whole number, 0 or more; got {value!r}.")


@frozen(kw_only=True)
class Budget:
    """The most that a batch may cost.

    Args:
        credits: a whole number, 0 or more; None is no limit.

    Raises:
        ConfigError: it is something else.
    """

    credits: int | None = field(default=None, validator=_check_credits)

    @classmethod
    def of_usd(cls, usd: Decimal | int | str | None) -> "Budget":
        """Return the budget of so many US dollars; None is no limit.

        Raises:
            ConfigError: that is no amount of money.
        """
        return cls(credits=None if usd is None else credits_of(usd))

    def check(self, balance: Balance, cost: int) -> None:
        """Refuse a call that the budget has no room for.

        Args:
            balance: of the whole batch.
            cost: the call's worst case, in credits.

        Raises:
            BudgetExceededError: the call could overrun the budget.
        """
        if self.credits is None or balance.committed + cost <= self.credits:
            return
        raise BudgetExceededError(
            f"The budget is ${usd_of(self.credits)}; ${usd_of(balance.committed)} of it are committed, "
            f"and the next call may cost ${usd_of(cost)}.",
            hint="Raise the budget to go on.",
        )


def usd_of(amount: int) -> Decimal:
    """Return credits as US dollars, exactly."""
    return (Decimal(amount) / CREDITS_PER_USD).normalize() + Decimal("0.00")


def credits_of(usd: Decimal | int | str) -> int:
    """Return US dollars as whole credits, rounded down.

    Args:
        usd: an exact amount, not below zero; a float is refused, because it is not exact.

    Raises:
        ConfigError: that is no amount of money.
    """
    if isinstance(usd, Decimal | int | str) and not isinstance(usd, bool):
        try:
            amount = Decimal(usd)
        except InvalidOperation:
            amount = Decimal("NaN")
        if amount.is_finite() and 0 <= amount <= _MOST_USD:
            return int(_ROUNDED_DOWN.multiply(amount, Decimal(CREDITS_PER_USD)))
    raise ConfigError(f"An amount in US dollars is an exact decimal number, 0 or more; got {usd!r}.")
