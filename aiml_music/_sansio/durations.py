"""What a duration may be: a finite number of seconds."""

import sys
from typing import Any

from aiml_music._sansio.errors import ConfigError


def check_seconds(_instance: object, attribute: Any, value: Any) -> None:
    """Validate an attrs field that holds seconds above zero."""
    if not _is_number(value) or value <= 0:
        raise ConfigError(f"{attribute.name} must be a number of seconds above 0; got {value!r}.")


def check_seconds_or_none(instance: object, attribute: Any, value: Any) -> None:
    """Validate an attrs field that holds seconds above zero, or None for no limit."""
    if value is not None:
        check_seconds(instance, attribute, value)


def check_wait(_instance: object, attribute: Any, value: Any) -> None:
    """Validate an attrs field that holds a wait: zero or more seconds."""
    if not _is_number(value) or value < 0:
        raise ConfigError(f"{attribute.name} must be a number of seconds, 0 or more; got {value!r}.")


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    # Not `math.isfinite`: it raises for an int that no float can hold.
    return abs(value) <= sys.float_info.max
