"""What may be sung: lyrics and ids, checked before they cost anything."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiml_music._sansio.catalogue import MUSIC_01
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.lyrics import check_lyrics, check_reference_id


def sent(lyrics: str) -> str:
    """Return lyrics as they would be sent."""
    return check_lyrics(lyrics, MUSIC_01)[0]


def advice(lyrics: str) -> tuple[str, ...]:
    """Return what is said about lyrics."""
    return check_lyrics(lyrics, MUSIC_01)[1]


@pytest.mark.parametrize(
    ("lyrics", "text"),
    [
        ("one\ntwo\n\nthree", "one\ntwo\n\nthree"),
        ("one\r\ntwo\r\n\r\nthree", "one\ntwo\n\nthree"),
        ("one\rtwo\r\rthree", "one\ntwo\n\nthree"),
        ("one\n\rtwo", "one\n\ntwo"),
        ("\ttabbed ", "\ttabbed "),
        ("##la la##", "##la la##"),
        ("e\u0301 \u00e9", "e\u0301 \u00e9"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        ("\u05d0\u202b\u05d1\u202c", "\u05d0\u202b\u05d1\u202c"),
    ],
    ids=["plain", "CRLF", "CR", "LF CR", "blanks", "accompaniment", "no normal form", "joiners", "bidi marks"],
)
def test_lyrics_are_sent_unchanged_but_for_line_ends(lyrics: str, text: str) -> None:
    """Line ends become one kind, and nothing else is touched."""
    assert sent(lyrics) == text


@given(st.text(max_size=50))
def test_accepted_lyrics_can_be_sent_and_are_the_authors(lyrics: str) -> None:
    """What is accepted is the author's own text, and has a form in UTF-8; the rest is an `InputError`."""
    try:
        text = sent(lyrics)
    except InputError:
        return
    assert text == lyrics.replace("\r\n", "\n").replace("\r", "\n")
    assert text.encode("utf-8").decode("utf-8") == text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=50).map(lambda words: f"la {words}"))
def test_words_in_any_script_are_accepted(lyrics: str) -> None:
    """Every character that is neither a control nor half a surrogate pair may be sung."""
    assert sent(lyrics) == lyrics


@pytest.mark.parametrize("lyrics", ["", " ", "\n\n", "\t", "\r\n", "####", "## ##", "##\n##", "#", "\u3000\u00a0"])
def test_lyrics_without_a_word_are_refused(lyrics: str) -> None:
    """Blanks of every kind and bare marks give the service nothing to sing."""
    with pytest.raises(InputError, match=r"The lyrics are empty\.") as caught:
        sent(lyrics)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("lyrics", "complaint"),
    [
        ("la\x00", "a control character (U+0000) at index 2"),
        ("\x1bla", "a control character (U+001B) at index 0"),
        ("l\x7fa", "a control character (U+007F) at index 1"),
        ("la\x85la", "a control character (U+0085) at index 2"),
        ("la\x0bla", "a control character (U+000B) at index 2"),
        ("la \ud800", "a lone surrogate (U+D800) at index 3"),
        ("\udfff la", "a lone surrogate (U+DFFF) at index 0"),
        ("one\r\ntwo\r\n\x07", "a control character (U+0007) at index 10"),
        ("one\r\ntwo\r\n\udc80", "a lone surrogate (U+DC80) at index 10"),
    ],
    ids=[
        "NUL",
        "escape",
        "DEL",
        "C1",
        "vertical tab",
        "high surrogate",
        "low surrogate",
        "control behind CRLF",
        "surrogate behind CRLF",
    ],
)
def test_characters_that_cannot_be_sent_are_refused(lyrics: str, complaint: str) -> None:
    """A control character or half a pair is named, with its place in the author's own text."""
    with pytest.raises(InputError) as caught:
        sent(lyrics)
    assert caught.value.message == f"The lyrics hold {complaint}."


@pytest.mark.parametrize("lyrics", [None, b"la", ["la", "la"], 7], ids=repr)
def test_lyrics_are_text(lyrics: object) -> None:
    """A list of lines, or bytes, is not guessed at."""
    with pytest.raises(InputError, match=f"Lyrics must be a str, not {type(lyrics).__name__}"):
        check_lyrics(lyrics, MUSIC_01)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("character", ["a", "\u6b4c", "\U0001f3b5", "\u00e9"], ids=["latin", "CJK", "emoji", "accent"])
def test_every_character_counts_one(character: str) -> None:
    """600 characters of any script fit, and 601 are worth a word."""
    assert advice(character * 600) == ()
    assert advice(character * 601) == ("601 characters; music-01 is documented for at most 600",)


def test_a_line_end_counts_one() -> None:
    """CRLF is counted as it is sent: as one character."""
    assert advice("a\r\n" * 300) == ()


@pytest.mark.parametrize(
    ("lyrics", "words"),
    [
        ("la" * 9 + "\u200b\u200b", ()),
        ("la" * 9 + "\u200b\u200b\u200b", ("3 of 21 characters are invisible; the provider refuses too many",)),
        ("\u200b", ("1 of 1 characters are invisible; the provider refuses too many",)),
    ],
    ids=["a tenth", "more than a tenth", "nothing else"],
)
def test_many_invisible_characters_are_worth_a_word(lyrics: str, words: tuple[str, ...]) -> None:
    """More than a tenth of invisible characters may be refused by the provider."""
    assert advice(lyrics) == words


HEAD = "'##' stands only at the head; accompaniment needs it at both ends"
TAIL = "'##' stands only at the tail; accompaniment needs it at both ends"
DOUBLED = "'##' is doubled; accompaniment wants exactly two at each end"
INSIDE = "'##' stands inside the lyrics, where it may be sung or end the accompaniment"


@pytest.mark.parametrize(
    ("lyrics", "words"),
    [
        ("la", None),
        ("##la##", None),
        ("  ##la##\n", None),
        ("##la\n\nla##", None),
        ("#la#", None),
        ("la #1 la", None),
        ("##la", HEAD),
        ("##la#", HEAD),
        ("la##", TAIL),
        ("##la####", DOUBLED),
        ("####la##", DOUBLED),
        ("###la###", DOUBLED),
        ("##la##la##", INSIDE),
        ("la##la", INSIDE),
        ("a##b", INSIDE),
    ],
)
def test_accompaniment_marks_come_in_a_pair(lyrics: str, words: str | None) -> None:
    """`##` at both ends asks for accompaniment; any other use is probably a mistake."""
    assert advice(lyrics) == (() if words is None else (words,))


def test_everything_worth_a_word_is_said() -> None:
    """One piece of advice does not hide another."""
    assert len(advice("##" + "\u200b" * 601)) == 3


def test_invisible_means_of_the_format_category() -> None:
    """The characters counted as invisible are those Unicode calls format characters."""
    marks = [chr(code) for code in (0x00AD, 0x200B, 0x200D, 0x202E, 0x2066, 0xFEFF, 0xE0041)]
    assert {unicodedata.category(mark) for mark in marks} == {"Cf"}
    assert all(advice(mark * 5 + "la") for mark in marks)


VOICE = "vocal-2025082518145625-6XW9wCOF"
INSTRUMENTAL = "instrumental-2025082518145625-vCCEiiES"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("refer_voice", VOICE),
        ("refer_instrumental", INSTRUMENTAL),
        ("refer_voice", "a-shape-of-tomorrow"),
        ("refer_instrumental", "42"),
        ("refer_voice", "x" * 256),
    ],
    ids=["voice", "instrumental", "another shape", "short", "long"],
)
def test_ids_are_sent_as_they_are(field: str, value: str) -> None:
    """The shape of an id is the service's own business."""
    assert check_reference_id(field, value) == value


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("refer_voice", INSTRUMENTAL, "refer_voice was given an id that belongs in refer_instrumental."),
        ("refer_instrumental", VOICE, "refer_instrumental was given an id that belongs in refer_voice."),
        ("refer_voice", "vocal-2025010100000000-a0AAAaaa", "refer_voice is the placeholder of the documentation."),
        (
            "refer_instrumental",
            "instrumental-2025010100000000-Aaa0aAAA",
            "refer_instrumental is the placeholder of the documentation.",
        ),
    ],
    ids=["instrumental for voice", "voice for instrumental", "placeholder voice", "placeholder instrumental"],
)
def test_ids_that_are_surely_wrong_are_refused(field: str, value: str, complaint: str) -> None:
    """Swapped ids and the documentation's placeholders are caught, with a way out."""
    with pytest.raises(InputError) as caught:
        check_reference_id(field, value)
    assert caught.value.message == complaint
    assert caught.value.hint


@pytest.mark.parametrize(
    "value",
    ["", " ", f" {VOICE}", f"{VOICE}\n", "two ids", "\u6b4c", "a\x00b", "a\x7f", "x" * 257],
    ids=["empty", "blank", "blank before", "line end", "inner blank", "not ASCII", "NUL", "DEL", "too long"],
)
def test_what_no_id_is_is_refused(value: str) -> None:
    """An id is one word of plain characters."""
    with pytest.raises(InputError, match="refer_voice is not an id"):
        check_reference_id("refer_voice", value)


@pytest.mark.parametrize("value", [None, 42, b"vocal-1", ["vocal-1"]], ids=repr)
def test_ids_are_text(value: object) -> None:
    """Anything but text is named by its type."""
    with pytest.raises(InputError, match=f"refer_voice must be a str, not {type(value).__name__}"):
        check_reference_id("refer_voice", value)  # type: ignore[arg-type]  # that is the point
