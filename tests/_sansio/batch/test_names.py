"""Labels become names of files that lead nowhere, and that no disk takes for one another."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiml_music._sansio.batch.names import MAX_BYTES, candidates, folded, is_safe

KEY = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4


def named(*labels: str) -> list[str]:
    """Name jobs one after the other, as a ledger does."""
    taken: dict[str, str] = {}
    for number, label in enumerate(labels):
        key = f"{number:08x}" + KEY[8:]
        name = next(name for name in candidates(label, "##La la##", key) if folded(name) not in taken)
        taken[folded(name)] = name
    return list(taken.values())


@pytest.mark.row("23")
@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("song", "song"),
        ("Two words", "Two-words"),
        ("v1.2 (final)", "v1-2-final"),
        ("Don't stop", "Dont-stop"),
        ("Don’t stop", "Dont-stop"),  # noqa: RUF001 - what word processors make of it
        ("snake_case", "snake_case"),
        ("Füße – 歌", "Füße-歌"),  # noqa: RUF001 - a dash of people
        ("e'\u0301", "\u00e9"),
        ("take.MP3", "take"),
        ("../../x", "x"),
        ("/etc/passwd", "etc-passwd"),
        ("C:\\Windows\\x", "C-Windows-x"),
        ("~root", "root"),
        (".hidden", "hidden"),
        ("a\0b\nc", "a-b-c"),
        ("a\u202eb\u200bc", "a-b-c"),
        ("a\ufe0fb", "ab"),
        ("trailing. ", "trailing"),
        ("-rf", "rf"),
        ('<>:"|?*', "La-la"),
        ("", "La-la"),
        ("😀", "La-la"),
        ("CON", "CON-01234567"),
        ("nul.mp3", "nul-01234567"),
        ("COM¹", "COM¹-01234567"),
        ("index", "index-01234567"),
        ("x" * 300, "x" * 120),
        ("歌" * 100, "歌" * 40),
    ],
)
def test_a_label_is_no_path(label: str, name: str) -> None:
    """What a file is called is what is left of the label when everything that could lead anywhere is gone."""
    assert next(candidates(label, "##La la##", KEY)) == name


@pytest.mark.row("24")
@pytest.mark.parametrize(
    "labels",
    [
        ("song", "SONG"),
        ("stra\u00dfe", "STRASSE"),
        ("\u00e9", "e\u0301"),
        ("\ufb01ne", "fine"),
        ("a b", "a/b"),
        ("x" * 300, "x" * 301),
        ("", ""),
    ],
)
def test_names_never_fall_together(labels: tuple[str, str]) -> None:
    """The second one gets a part of its key, and both are told apart on every disk."""
    first, second = named(*labels)
    assert second.endswith("-00000001")
    assert folded(first) != folded(second)
    assert max(len(name.encode()) for name in (first, second)) <= MAX_BYTES


def test_a_longer_part_of_the_key_where_that_is_taken() -> None:
    """There is always a name that nobody else can have."""
    names = list(candidates("song", "la", KEY))
    assert names == ["song", "song-01234567", f"song-{KEY[:16]}", f"song-{KEY}"]
    assert list(candidates("song", "la", KEY, 2))[:2] == ["song-2", "song-2-01234567"]


def test_without_any_letters_the_key_is_the_name() -> None:
    """Lyrics may be all signs, where the label is."""
    assert next(candidates("?", "\n…", KEY)) == "track-01234567"


def test_a_name_without_a_label_is_a_line() -> None:
    """The first that has anything to say, and not too much of it."""
    assert next(candidates(" ", "##\n\n## Side by side\nNext", KEY)) == "Side-by-side"
    assert next(candidates("", "la " * 100, KEY)) == "-".join(["la"] * 20)


@given(st.text(max_size=200), st.integers(1, 3))
@example("\u00df\u0345\u03b1", 1)
@example("\u1100\u200d\u1161", 1)
def test_every_name_is_safe(label: str, copy: int) -> None:
    """Whatever people write, in whatever script."""
    names = list(candidates(label, "la", KEY, copy))
    for name in names:
        assert is_safe(name)
        assert unicodedata.is_normalized("NFC", name)
        assert not set(name) & set('/\\:*?"<>|~.\0 ')
        assert folded(folded(name)) == folded(name)
        assert len(f".{name}.mp3.{KEY[:32]}.ready".encode()) <= 255
    assert folded(names[-1]) != folded(list(candidates(label, "la", OTHER, copy))[-1])


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../x", "a\\b", "a.b", "nul", "index", "x" * 121, "\ud800", "a "]
)
def test_a_name_from_elsewhere_is_looked_at(name: str) -> None:
    """A ledger may come from anybody."""
    assert not is_safe(name)
