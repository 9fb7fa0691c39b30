"""A key that must turn up nowhere, and every place where somebody could look for it."""

import base64
import copy
import json
import logging
import pickle
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType, FunctionType, MethodType, ModuleType, TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import attrs
from attrs import define, field
from rich.traceback import Traceback

from aiml_music._sansio.secret import Secret
from tests.loopback import Request

E = TypeVar("E", bound=BaseException)

KEY = "sk-canary/0123456789+abcdef=="

# This much of a key in one piece is a leak as well; a shorter piece may be any word's.
_PIECE = 12


def _disguises(key: str) -> set[str]:
    pieces = {key[start : start + _PIECE] for start in range(len(key) - _PIECE + 1)}
    # In base64 the same bytes look different at each of three places, and their neighbours colour both ends.
    encoded = {base64.b64encode(b"\0" * place + key.encode())[4:-4].decode() for place in range(3)}
    quoted = quote(key, safe="")
    return pieces | encoded | {quoted, quoted.lower(), key.replace("/", "\\/"), key.encode().hex(), key[::-1]}


_DISGUISES = tuple(sorted(_disguises(KEY)))


def shows_key(text: str | bytes) -> bool:
    """Say whether a text holds the key, a good piece of it, or one of its disguises."""
    plain = text if isinstance(text, str) else text.decode("latin-1")
    return any(disguise in plain for disguise in _DISGUISES) or KEY.encode().hex().upper() in plain


@define
class Left:
    """What one ending of one call left behind.

    Attributes:
        out: standard output.
        err: standard error.
        records: what was logged, by whomever.
        warned: the warnings.
        events: what the client told its observer.
        clients: clients and their parts, which hold the key and do not show it.
        results: what calls returned, which hold no key.
        errors: what they raised, cancellations too.
        directories: where they may have left files.
        requests: what went over the wire.
    """

    out: str = ""
    err: str = ""
    records: list[logging.LogRecord] = field(factory=list)
    warned: list[warnings.WarningMessage] = field(factory=list)
    events: list[object] = field(factory=list)
    clients: list[object] = field(factory=list)
    results: list[object] = field(factory=list)
    errors: list[BaseException] = field(factory=list)
    directories: list[Path] = field(factory=list)
    requests: list[Request] = field(factory=list)

    @property
    def values(self) -> list[object]:
        """Everything that somebody could print."""
        return [*self.clients, *self.results, *self.events]

    @property
    def chain(self) -> list[BaseException]:
        """The errors and what they came from."""
        found: list[BaseException] = []
        following: list[BaseException | None] = [*self.errors]
        while following:
            link = following.pop()
            if link is not None and link not in found:
                found.append(link)
                following += [link.__cause__, link.__context__]
        return found


Sink = Callable[[Left], Iterable[str | bytes]]


def _attributes(value: object) -> dict[str, object]:
    slots = {name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())}
    found = {name: getattr(value, name) for name in slots if hasattr(value, name) and not isinstance(value, Secret)}
    return {**getattr(value, "__dict__", {}), **found}


_LEADS_NOWHERE = (type, ModuleType, FunctionType, MethodType, FrameType, TracebackType)


def _reachable(roots: Iterable[object]) -> Iterator[str | bytes]:
    """Yield every text that a debugger could find by following attributes and items, and no code."""
    following, seen = list(roots), set[int]()
    kept: list[object] = []
    while following:
        value = following.pop()
        if id(value) in seen or isinstance(value, _LEADS_NOWHERE):
            continue
        seen.add(id(value))
        kept.append(value)  # An object that is gone would leave its number to another one.
        if isinstance(value, str | bytes | bytearray):
            yield value if isinstance(value, str) else bytes(value)
        elif isinstance(value, dict):
            following += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set | frozenset):
            following += value
        else:
            following += _attributes(value).values()


def _pickled(values: Iterable[object]) -> Iterator[bytes | str]:
    for value in values:
        try:
            yield pickle.dumps(value)
        except Exception as refusal:  # noqa: BLE001 - what cannot be pickled says so, and how is looked at too
            yield repr(refusal)


def _copied(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        for make in (copy.copy, copy.deepcopy):
            try:
                yield repr(_attributes(make(value)))
            except Exception as refusal:  # noqa: BLE001 - as above
                yield repr(refusal)


def _as_json(value: object) -> str:
    fields: Any = attrs.asdict(value, recurse=True) if attrs.has(type(value)) else _attributes(value)  # type: ignore[arg-type]
    return json.dumps(fields, default=str, skipkeys=True)


def _in_colour(error: BaseException) -> str:
    """Return what rich would paint of a traceback; to paint it takes a second."""
    trace = Traceback.extract(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=10_000, locals_max_length=1_000
    )
    frames = [frame for stack in trace.stacks for frame in stack.frames]
    said = [f"{stack.exc_value} {getattr(stack, 'notes', '')}" for stack in trace.stacks]
    return "\n".join(said + [f"{name} = {value}" for frame in frames for name, value in (frame.locals or {}).items()])


def _files(left: Left) -> Iterator[Path]:
    return (path for directory in left.directories for path in directory.rglob("*"))


SINKS: dict[str, Sink] = {
    "standard output": lambda left: [left.out],
    "standard error": lambda left: [left.err],
    "log lines": lambda left: [logging.Formatter("%(name)s %(message)s").format(each) for each in left.records],
    "log records": lambda left: [repr(vars(each)) for each in left.records],
    "warnings": lambda left: [f"{each.message} {each.message!r} {each.line}" for each in left.warned],
    "events": lambda left: [f"{each} {each!r} {_as_json(each)}" for each in left.events],
    "repr": lambda left: map(repr, left.values),
    "str": lambda left: map(str, left.values),
    "format": lambda left: [f"{each:}" + f"{each!a}" for each in left.values],
    "attributes": lambda left: [repr(_attributes(each)) for each in left.values],
    "fields as JSON": lambda left: map(_as_json, left.values),
    "pickles": lambda left: _pickled(left.values),
    "copies": lambda left: _copied(left.values),
    "whatever values lead to": lambda left: _reachable(left.values),
    "texts of errors": lambda left: [f"{each} {each!r} {each.args!r}" for each in left.chain],
    "attributes of errors": lambda left: [repr(_attributes(each)) for each in left.chain],
    "notes of errors": lambda left: [repr(getattr(each, "__notes__", ())) for each in left.chain],
    "whatever errors lead to": lambda left: _reachable(left.chain),
    "pickles of errors": lambda left: _pickled(left.chain),
    "copies of errors": lambda left: _copied(left.chain),
    "tracebacks": lambda left: ["".join(traceback.format_exception(each)) for each in left.errors],
    "tracebacks with locals": lambda left: [
        "".join(traceback.TracebackException.from_exception(each, capture_locals=True).format()) for each in left.errors
    ],
    "tracebacks in colour": lambda left: map(_in_colour, left.errors),
    "logged tracebacks": lambda left: [
        logging.Formatter().formatException((type(each), each, each.__traceback__)) for each in left.errors
    ],
    "tracebacks of log records": lambda left: [
        "".join(traceback.TracebackException(*each.exc_info, capture_locals=True).format())
        for each in left.records
        if each.exc_info and each.exc_info[0]
    ],
    "names of files": lambda left: [str(path) for path in _files(left)],
    "contents of files": lambda left: [path.read_bytes() for path in _files(left) if path.is_file()],
    "addresses of requests": lambda left: [f"{each.method} {each.path}" for each in left.requests],
    "headers of requests": lambda left: [
        repr({name: value for name, value in each.headers.items() if name != "authorization"}) for each in left.requests
    ],
    "bodies of requests": lambda left: [each.body for each in left.requests],
}


def leaks(left: Left) -> set[str]:
    """Return the sinks in which the key can be seen."""
    return {name for name, sink in SINKS.items() if any(map(shows_key, sink(left)))}


def of_the_library(error: E) -> E:
    """Return an error without the frames of the test that provoked it, which may well know the key."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals["__name__"].startswith(("tests.", "_pytest.")):
        trace = trace.tb_next
    return error.with_traceback(trace)


_OF_ERRORS = [name for name in SINKS if "error" in name or "traceback" in name]


def shown(error: BaseException) -> Iterator[str]:
    """Yield all that an error says to people, loggers, trackers and other processes, its whole chain included."""
    left = Left(errors=[error])
    for name in _OF_ERRORS:
        yield from (text if isinstance(text, str) else text.decode("latin-1") for text in SINKS[name](left))


def assert_keyless(error: BaseException) -> None:
    """Make sure that an error shows the key to nobody, and reaches another process unharmed and without it."""
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    assert not any(map(shows_key, shown(error)))
