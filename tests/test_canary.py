"""The scan for the key finds it wherever it is put, in whatever disguise."""

import logging
import warnings
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import pytest
from attrs import frozen

from aiml_music import LyricsWarning, Track
from tests.canary import KEY, SINKS, Left, leaks, shows_key
from tests.loopback import Request


@frozen
class Chatty:
    """A value that shows what it holds."""

    words: str = KEY


def caught(error: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    return type(error), error, error.__traceback__


def record(message: str = "", **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("x", logging.DEBUG, "x.py", 1, message, (), None)
    made.__dict__.update(extra)
    return made


def raised(held: str = KEY) -> BaseException:
    """Return an error that was raised by a frame that holds the key."""
    try:
        held.index("x")
    except ValueError as error:
        return error
    raise AssertionError("there is no x in the key")


def error_with(note: str = "", text: str = "", **attributes: str) -> BaseException:
    error = ValueError(text)
    error.add_note(note)
    vars(error).update(attributes)
    return error


def request(path: str = "/", name: str = "x", body: bytes = b"") -> Request:
    return Request("POST", path, {"authorization": f"Bearer {KEY}", name: "x"}, body)


PLANTED: dict[str, Callable[[], Left]] = {
    "standard output": lambda: Left(out=f"key: {KEY}"),
    "standard error": lambda: Left(err=f"key: {KEY}"),
    "log lines": lambda: Left(records=[record(KEY)]),
    "log records": lambda: Left(records=[record(token=KEY)]),
    "warnings": lambda: Left(warned=[warnings.WarningMessage(LyricsWarning(KEY), LyricsWarning, "x.py", 1)]),
    "events": lambda: Left(events=[Chatty()]),
    "repr": lambda: Left(clients=[Chatty()]),
    "str": lambda: Left(clients=[error_with(text=KEY)]),
    "format": lambda: Left(clients=[Chatty()]),
    "attributes": lambda: Left(clients=[error_with(key=KEY)]),
    "fields as JSON": lambda: Left(results=[Track(raw={"nested": [{"key": KEY}]})]),
    "pickles": lambda: Left(results=[Track(raw={"key": KEY})]),
    "copies": lambda: Left(results=[Track(raw={"key": KEY})]),
    "whatever values lead to": lambda: Left(results=[Track(raw={"nested": [({KEY: 1},)]})]),
    "texts of errors": lambda: Left(errors=[error_with(text=KEY)]),
    "attributes of errors": lambda: Left(errors=[error_with(key=KEY)]),
    "notes of errors": lambda: Left(errors=[error_with(note=KEY)]),
    "whatever errors lead to": lambda: Left(errors=[error_with(key=KEY)]),
    "pickles of errors": lambda: Left(errors=[error_with(key=KEY)]),
    "copies of errors": lambda: Left(errors=[error_with(key=KEY)]),
    "tracebacks": lambda: Left(errors=[error_with(note=KEY)]),
    "tracebacks with locals": lambda: Left(errors=[raised()]),
    "tracebacks in colour": lambda: Left(errors=[raised()]),
    "logged tracebacks": lambda: Left(errors=[error_with(text=KEY)]),
    "tracebacks of log records": lambda: Left(records=[record(exc_info=caught(raised()))]),
    "addresses of requests": lambda: Left(requests=[request(path=f"/?key={quote(KEY)}")]),
    "headers of requests": lambda: Left(requests=[request(name=KEY)]),
    "bodies of requests": lambda: Left(requests=[request(body=KEY.encode())]),
}


@pytest.mark.parametrize("sink", PLANTED)
def test_the_scan_finds_a_key_in_every_kind_of_place(sink: str) -> None:
    """A key that was planted is found, and in the place where it was planted."""
    assert sink in leaks(PLANTED[sink]())


def test_the_scan_finds_a_key_in_files(tmp_path: Path) -> None:
    """Hidden files and directories are looked into; names count as much as contents."""
    hidden = tmp_path / ".hidden"
    hidden.mkdir()
    (hidden / ".part").write_bytes(b"\0" + KEY.encode())
    assert leaks(Left(directories=[tmp_path])) == {"contents of files"}
    (hidden / ".part").unlink()
    (hidden / KEY.replace("/", "")[:24]).touch()
    assert leaks(Left(directories=[tmp_path])) == {"names of files"}


def test_the_scan_follows_the_chain_of_an_error() -> None:
    """What an error came from is looked at like the error itself."""
    error = ValueError("x")
    error.__context__ = KeyError("y")
    error.__context__.__cause__ = error_with(note=KEY)
    assert "notes of errors" in leaks(Left(errors=[error]))


DISGUISES = {
    "as it is": KEY,
    "its beginning": KEY[:12],
    "its end": KEY[-12:],
    "quoted": quote(KEY, safe=""),
    "in JSON": KEY.replace("/", "\\/"),
    "in hex": KEY.encode().hex(),
    "in HEX": KEY.encode().hex().upper(),
    "backwards": KEY[::-1],
    **{f"in base64 behind {count}": b64encode(b"x" * count + KEY.encode()).decode() for count in range(4)},
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_disguised_key_is_a_key(disguise: str) -> None:
    """Encoding a key, or cutting it, hides it from nobody."""
    assert shows_key(f"before {DISGUISES[disguise]} after")
    assert shows_key(b"\xff" + DISGUISES[disguise].encode())


def test_every_place_is_planted_once_and_nothing_clean_is_suspected() -> None:
    """Each kind of place has its own proof, and a harmless ending no leak."""
    assert set(PLANTED) | {"names of files", "contents of files"} == set(SINKS)
    clean = Left("out", "err", records=[record("x")], errors=[ValueError("***")], requests=[request()])
    assert leaks(clean) == set()
