"""Foreign text, made fit to be shown."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiml_music._sansio.text import MAX_CHARS, blotted, clean

KEY = "sk-canary-31415926535"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("", ""),
        ("  around \t and\r\n\nbetween  ", "around and between"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("a\x00b\x07c\x7fd\x9be", "abcde"),
        ("safe\u202egpj.exe\u202c", "safegpj.exe"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("line\u2028separated\u2029twice", "line separated twice"),
        ("no\u00a0break\u3000wide", "no break wide"),
        ("lone\ud800surrogate", "lonesurrogate"),
        ("private\ue000use", "privateuse"),
        ("\u6b4c\u8a5e \U0001f3b5", "\u6b4c\u8a5e \U0001f3b5"),
    ],
    ids=[
        "plain",
        "empty",
        "blanks",
        "ansi",
        "controls",
        "bidi",
        "zero width",
        "separators",
        "wide blanks",
        "surrogate",
        "private",
        "other scripts",
    ],
)
def test_text_is_made_fit_to_be_shown(text: str, shown: str) -> None:
    """Words stay, what steers a terminal goes, and everything stands on one line."""
    assert clean(text) == shown


@pytest.mark.parametrize("length", [MAX_CHARS - 1, MAX_CHARS, MAX_CHARS + 1, 10_000_000])
def test_text_is_capped(length: int) -> None:
    """Up to the limit a text is whole; beyond it an ellipsis takes the last place."""
    shown = clean("x" * length)
    assert shown == ("x" * length if length <= MAX_CHARS else "x" * (MAX_CHARS - 1) + "\u2026")


def test_the_cap_can_be_chosen() -> None:
    """Labels are shorter than messages."""
    assert clean("abcdef", max_chars=4) == "abc\u2026"


@pytest.mark.parametrize(
    "text",
    [
        f"Bearer {KEY} is wrong",
        KEY * 3,
        f"hidden {KEY[:5]}\u200b{KEY[5:]}",
        f"hidden {KEY[:5]}\x00{KEY[5:]}",
    ],
    ids=["echo", "again and again", "split by a zero width", "split by a control"],
)
def test_an_echoed_key_is_blotted_out(text: str) -> None:
    """The key is not repeated, even where invisible characters stand in it."""
    shown = clean(text, secret=KEY)
    assert "***" in shown
    assert KEY[:8] not in shown


@pytest.mark.parametrize("kept", range(4, len(KEY)))
def test_a_key_at_the_cut_does_not_show_its_beginning(kept: int) -> None:
    """Where a huge text is cut, blanks before it must not bring half a key into view."""
    at_the_cut = "echo:" + " " * (4 * MAX_CHARS - 5 - kept)
    assert clean(at_the_cut + KEY + " rest", secret=KEY) == "echo:"


@pytest.mark.parametrize("kept", range(4, len(KEY)))
def test_half_a_key_at_the_end_of_what_came_does_not_show(kept: int) -> None:
    """Where the network cut a text, the key in it may be cut too."""
    assert clean(f"echo: {KEY[:kept]}", secret=KEY) == "echo: ".strip()


@pytest.mark.parametrize("kept", range(4))
def test_a_word_that_ends_as_a_key_begins_is_left_alone(kept: int) -> None:
    """A few letters give no key away, and most words would lose some."""
    assert clean(f"credit{KEY[:kept]}", secret=KEY) == f"credit{KEY[:kept]}"


@given(text=st.text(max_size=3000), max_chars=st.integers(1, 600))
def test_nothing_hidden_gets_through(text: str, max_chars: int) -> None:
    """Whatever comes in, one short line of visible characters comes out, and cleaning it again changes nothing."""
    shown = clean(text, max_chars=max_chars)
    assert len(shown) <= max_chars
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert clean(shown, max_chars=max_chars) == shown


def test_an_echoed_key_is_blotted_out_of_a_whole_document() -> None:
    """Values and names, however deep; what is no text stays as it is."""
    document = {"a": "of sk-1!", "sk-1": [1, None, True, "sk-1", {"b": 2.5}]}
    assert blotted(document, "sk-1") == {"a": "of ***!", "***": [1, None, True, "***", {"b": 2.5}]}
