"""What is wrong with a field, spelled as the gateway's validator spells it: kind, path, words."""

from typing import Any

from aiml_music.sandbox.answers import Issues

MISSING = object()

_TYPE_NAMES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}


def text(payload: dict[str, Any], name: str) -> Issues:
    """Return the issue of a field that must be a string."""
    value = payload.get(name, MISSING)
    return [] if isinstance(value, str) else [wrong_type((name,), "string", value)]


def choice(payload: dict[str, Any], path: tuple[str, ...], choices: tuple[object, ...]) -> Issues:
    """Return the issue of a field that must have one of some values."""
    value = payload.get(path[-1], MISSING)
    if not isinstance(value, str | int | float):
        return [wrong_type(path, "string" if isinstance(choices[0], str) else "number", value)]
    if value in choices:
        return []
    listed = " | ".join(f"'{possible}'" for possible in choices)
    return [
        {
            "code": "invalid_enum_value",
            "received": value,
            "options": list(choices),
            "path": list(path),
            "message": f"Invalid enum value. Expected {listed}, received '{value}'",
        }
    ]


def wrong_type(path: tuple[str, ...], expected: str, value: object) -> dict[str, Any]:
    """Return the issue of a value that is not of the type that is expected, or is not there."""
    received = "undefined" if value is MISSING else _TYPE_NAMES.get(type(value), "null")
    return {
        "code": "invalid_type",
        "expected": expected,
        "received": received,
        "path": list(path),
        "message": "Required" if value is MISSING else f"Expected {expected}, received {received}",
    }


def out_of_bounds(name: str, value: str | float, least: int | None, most: int | None) -> Issues:
    """Return the issue of a text that is too short or too long, or of a number that is too small or too large."""
    is_text = isinstance(value, str)
    size = len(value) if isinstance(value, str) else value
    if least is not None and size < least:
        code, word, bound, limit = "too_small", "at least", "minimum", least
    elif most is not None and size > most:
        code, word, bound, limit = "too_big", "at most", "maximum", most
    else:
        return []
    message = f"String must contain {word} {limit} character(s)" if is_text else f"Number must be {word} {limit}"
    return [
        {
            "code": code,
            bound: limit,
            "type": "string" if is_text else "number",
            "inclusive": True,
            "path": [name],
            "message": message,
        }
    ]


def malformed(name: str, wanted: str) -> dict[str, Any]:
    """Return the issue of a text that is not what its field is for, such as a `url`."""
    return {"code": "invalid_string", "validation": wanted, "path": [name], "message": f"Invalid {wanted}"}
