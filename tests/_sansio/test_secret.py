"""The key is checked without being repeated, and shows itself to nobody."""

import copy
import pickle

import pytest

from aiml_music._sansio.errors import ConfigError
from aiml_music._sansio.secret import KEY_VARIABLES, Secret, check_key
from tests._sansio.crash_reports import told

CANARY = "sk-canary-31415926535"

BROKEN = {
    "an inner line end": (f"{CANARY}\nx", "a blank (U+000A) at index 21"),
    "an inner CRLF": (f"{CANARY}\r\nx", "a blank (U+000D) at index 21"),
    "an inner space": (f"{CANARY} x", "a blank (U+0020) at index 21"),
    "an inner space behind outer ones": (f"  {CANARY} x", "a blank (U+0020) at index 23"),
    "an inner no-break space": (f"{CANARY}\u00a0x", "a blank (U+00A0) at index 21"),
    "NUL": (f"\x00{CANARY}", "a character no key has (U+0000) at index 0"),
    "DEL": (f"{CANARY}\x7f", "a character no key has (U+007F) at index 21"),
    "an accent": (f"{CANARY}\u00e9", "a character no key has (U+00E9) at index 21"),
    "a lone surrogate": (f"{CANARY}\udc80", "a character no key has (U+DC80) at index 21"),
    "an emoji": (f"{CANARY}\U0001f511", "a character no key has (U+1F511) at index 21"),
}

PLACEHOLDERS = [
    "<YOUR_API_KEY>",
    "YOUR_API_KEY",
    "<YOUR_AIMLAPI_KEY>",
    "YOUR_AIMLAPI_KEY",
    "your-aimlapi-key",
    "YOUR_AIML_API_KEY",
    "your key",
    "yourApiKey",
    "[YOUR API KEY]",
    "{your_api_key}",
    "<key>",
    "<>",
]


@pytest.mark.parametrize(
    "value", [CANARY, f" {CANARY}", f"{CANARY}\n", f"\t{CANARY}\r\n", f"{CANARY}\u00a0", "my-key", "x"]
)
def test_blanks_around_a_key_are_dropped(value: str) -> None:
    """A key read from a file works with the line end the file leaves on it."""
    assert check_key(value).reveal() == value.strip()


@pytest.mark.parametrize(("value", "complaint"), BROKEN.values(), ids=BROKEN)
def test_a_broken_key_is_described(value: str, complaint: str) -> None:
    """The message says which character stands where in what was given, and how to give a key."""
    with pytest.raises(ConfigError) as caught:
        check_key(value, origin="AIML_API_KEY")
    assert caught.value.message == f"AIML_API_KEY holds {complaint}."
    assert "AIML_API_KEY" in str(caught.value.hint)


@pytest.mark.parametrize("value", ["", " ", "\n", "\u00a0\t"], ids=repr)
def test_an_empty_key_is_none(value: str) -> None:
    """Blanks alone are an empty key."""
    with pytest.raises(ConfigError, match=r"^api_key is empty\."):
        check_key(value)


@pytest.mark.parametrize("value", PLACEHOLDERS)
def test_placeholders_are_no_keys(value: str) -> None:
    """What the documentation prints in place of a key is recognised."""
    with pytest.raises(ConfigError, match=r"^api_key is a placeholder, not a key\."):
        check_key(value)


@pytest.mark.parametrize("value", ["yourself-0123", "donkey", "x-your-api-key-x0", "9a8b7c<>", "your" + "_" * 100_000])
def test_other_words_are_keys(value: str) -> None:
    """A key may look like a placeholder in parts, and a very long one is judged as fast as any."""
    assert check_key(value).reveal() == value


@pytest.mark.parametrize("value", [None, 7, CANARY.encode(), [CANARY]], ids=["None", "int", "bytes", "list"])
def test_a_key_is_text(value: object) -> None:
    """Anything else is named by its type, and not shown."""
    with pytest.raises(ConfigError, match=f"api_key must be a str, not {type(value).__name__}") as caught:
        check_key(value)
    assert CANARY not in told(caught.value)


@pytest.mark.parametrize("value", [value for value, _ in BROKEN.values()], ids=BROKEN)
def test_a_refused_key_is_not_repeated(value: str) -> None:
    """Neither the message nor anything a crash report collects holds a key that was refused."""
    with pytest.raises(ConfigError) as caught:
        check_key(value)
    assert CANARY not in told(caught.value)
    assert CANARY.encode() not in pickle.dumps(caught.value)


def test_a_key_does_not_show_itself() -> None:
    """Printing, formatting and the debugger's view of a key are the same stars."""
    key = check_key(CANARY)
    assert {repr(key), str(key), f"{key}", f"{key!r}", "{}".format(key), "%s" % key} == {"Secret('***')"}  # noqa: UP031, UP032 - each way of formatting is its own code
    assert not hasattr(key, "__dict__")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_is_not_pickled(protocol: int) -> None:
    """A key does not travel into another process or a file."""
    with pytest.raises(TypeError, match="an API key is not pickled") as caught:
        pickle.dumps(Secret(CANARY), protocol)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_key_is_not_copied(duplicate: object) -> None:
    """A key has one owner."""
    assert callable(duplicate)
    with pytest.raises(TypeError, match="an API key is not pickled or copied"):
        duplicate(Secret(CANARY))


def test_the_variables_are_the_services_own() -> None:
    """The key is read from the names in use, the usual one first."""
    assert KEY_VARIABLES == ("AIML_API_KEY", "AIMLAPI_API_KEY")
