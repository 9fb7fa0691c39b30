"""What a duration may be."""

from decimal import Decimal

import pytest
from attrs import field, frozen

from aiml_music._sansio.durations import check_seconds, check_seconds_or_none, check_wait
from aiml_music._sansio.errors import ConfigError


@frozen(kw_only=True)
class Limits:
    """One field of each kind."""

    total: float = field(default=1, validator=check_seconds)
    idle: float | None = field(default=1, validator=check_seconds_or_none)
    pause: float = field(default=1, validator=check_wait)


NO_NUMBERS = {
    "nan": float("nan"),
    "infinite": float("inf"),
    "minus infinite": float("-inf"),
    "an int no float can hold": 10**400,
    "negative": -0.5,
    "a bool": True,
    "a str": "30",
    "a Decimal": Decimal(30),
}


@pytest.mark.parametrize("name", ["total", "idle", "pause"])
@pytest.mark.parametrize("value", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_only_finite_numbers_are_durations(name: str, value: object) -> None:
    """Whatever is no finite number of seconds is refused by the name of its option."""
    with pytest.raises(ConfigError, match=f"^{name} must be a number of seconds"):
        Limits(**{name: value})  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("value", [1, 0.001, 1e300, 10**300])
def test_finite_numbers_are_durations(value: float) -> None:
    """Whole and fractional seconds of any size are taken as they are."""
    limits = Limits(total=value, idle=value, pause=value)
    assert (limits.total, limits.idle, limits.pause) == (value, value, value)


def test_zero_is_a_wait_and_no_limit() -> None:
    """A pause may be nothing; a limit of nothing would end every call."""
    assert Limits(pause=0).pause == 0
    with pytest.raises(ConfigError, match="total must be a number of seconds above 0; got 0"):
        Limits(total=0)
    with pytest.raises(ConfigError, match=r"idle must be a number of seconds above 0; got 0\.0"):
        Limits(idle=0.0)


def test_none_is_no_limit() -> None:
    """None stands for no limit where that makes sense, and nowhere else."""
    assert Limits(idle=None).idle is None
    with pytest.raises(ConfigError, match="total must be"):
        Limits(total=None)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ConfigError, match="pause must be"):
        Limits(pause=None)  # type: ignore[arg-type]  # that is the point
