"""What may stand in a field, at the edges of its limits, and what a typed text means."""

from typing import Any

import pytest

from aiml_music._sansio.catalogue import MODELS, Field, FieldKind
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.field_values import check_value, parsed_value

TEXT = Field(name="prompt", least=2, most=4)
PROSE = Field(name="prompt", least=2, most=4, strict=False)
WHOLE = Field(name="seconds_total", kind=FieldKind.INTEGER, least=1, most=47, unit="s")
NUMBER = Field(name="weight", kind=FieldKind.NUMBER, least=0, most=1)
FLAG = Field(name="is_instrumental", kind=FieldKind.FLAG)
ADDRESS = Field(name="reference_audio_url", kind=FieldKind.ADDRESS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (TEXT, "ab"),
        (TEXT, "abcd"),
        (TEXT, "\u6b4c\U0001f3b5"),
        (TEXT, "a\n\tb"),
        (PROSE, "a" * 5),
        (WHOLE, 1),
        (WHOLE, 47),
        (NUMBER, 0),
        (NUMBER, 0.5),
        (NUMBER, 1.0),
        (FLAG, True),
        (FLAG, False),
        (ADDRESS, "https://example.com/a.mp3"),
        (ADDRESS, "https://example.com:8443/a%20b.wav?sig=x#y"),
    ],
)
def test_what_can_be_sent_is_sent_as_it_is(field: Field, value: Any) -> None:
    """Up to both of its limits, which are within."""
    assert check_value(value, field, "m") is value


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        (TEXT, "a", "prompt has 1 character; m takes 2 to 4 characters."),
        (TEXT, "abcde", "prompt has 5 characters; m takes 2 to 4 characters."),
        (TEXT, " \n", "prompt is empty."),
        (TEXT, 7, "prompt must be a str, not int."),
        (TEXT, "a\0b", r"prompt holds a control character (U+0000) at index 1."),
        (TEXT, "a\ud800", "prompt holds a lone surrogate (U+D800) at index 1."),
        (WHOLE, 0, "seconds_total is 0; m takes 1 to 47 s."),
        (WHOLE, 48, "seconds_total is 48; m takes 1 to 47 s."),
        (WHOLE, 1.0, "seconds_total must be a whole number, not float."),
        (WHOLE, True, "seconds_total must be a whole number, not bool."),
        (WHOLE, "1", "seconds_total must be a whole number, not str."),
        (NUMBER, 1.1, "weight is 1.1; m takes 0 to 1."),
        (NUMBER, -0.1, "weight is -0.1; m takes 0 to 1."),
        (NUMBER, float("nan"), "weight must be a finite number; got nan."),
        (NUMBER, float("inf"), "weight must be a finite number; got inf."),
        (NUMBER, "1", "weight must be a number, not str."),
        (NUMBER, True, "weight must be a number, not bool."),
        (FLAG, 1, "is_instrumental must be True or False, not int."),
        (FLAG, "yes", "is_instrumental must be True or False, not str."),
        (ADDRESS, b"https://x", "reference_audio_url must be a str, not bytes."),
        (ADDRESS, "http://example.com/a.mp3", "reference_audio_url must be an https address"),
        (ADDRESS, "song.mp3", "reference_audio_url must be an https address"),
        (ADDRESS, "data:audio/mpeg;base64,AAAA", "reference_audio_url must be an https address"),
        (ADDRESS, "https://", "reference_audio_url must be an https address"),
        (ADDRESS, "https://example.com/a b", "reference_audio_url must be an https address"),
        (ADDRESS, "https://example.com/\u00fc", "reference_audio_url must be an https address"),
        (ADDRESS, "https://[::1/a", "reference_audio_url must be an https address"),
        (ADDRESS, "https://example.com:99999/", "reference_audio_url must be an https address"),
        (ADDRESS, "https://example.com/" + "a" * 4096, "reference_audio_url must be an https address"),
        (ADDRESS, "", "reference_audio_url must be an https address"),
    ],
)
def test_what_cannot_be_meant_is_refused(field: Field, value: Any, complaint: str) -> None:
    """With the field, the value and the limits in the words of a person."""
    with pytest.raises(InputError) as caught:
        check_value(value, field, "m")
    assert caught.value.message.startswith(complaint)


LIMITED = [
    pytest.param(model.id, field, id=f"{model.id} {field.name}")
    for model in MODELS.values()
    for field in model.fields
    if field.kind is FieldKind.INTEGER or (field.kind is FieldKind.TEXT and field.most)
]


def at(field: Field, amount: int) -> object:
    """Return a value of that size."""
    return "a" * amount if field.kind is FieldKind.TEXT else amount


@pytest.mark.parametrize(("model", "field"), LIMITED)
def test_every_limit_of_the_catalogue_is_held_at_its_edge(model: str, field: Field) -> None:
    """What is just within is taken; one more, or one less, is refused where the service's schema says so."""
    for limit, beyond in ((field.least, -1), (field.most, 1)):
        if limit is None:
            continue
        check_value(at(field, limit), field, model)
        if not field.strict:
            check_value(at(field, limit + beyond), field, model)
            continue
        with pytest.raises(InputError, match=model):
            check_value(at(field, limit + beyond), field, model)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (TEXT, " as it is ", " as it is "),
        (ADDRESS, "https://x/", "https://x/"),
        (WHOLE, " 30 ", 30),
        (WHOLE, "-1", -1),
        (WHOLE, "+2", 2),
        (WHOLE, "30.0", 30),
        (NUMBER, "0.25", 0.25),
        (NUMBER, "-.5", -0.5),
        (NUMBER, "3", 3),
        (FLAG, "TRUE", True),
        (FLAG, "yes", True),
        (FLAG, "1", True),
        (FLAG, "no", False),
        (FLAG, "0", False),
        (FLAG, " False ", False),
    ],
)
def test_a_typed_text_means_a_value(field: Field, text: str, value: object) -> None:
    """As people and spreadsheets write them; a text is left as it stands."""
    found = parsed_value(text, field)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("field", "text", "complaint"),
    [
        (WHOLE, "half", "'half' is no whole number."),
        (WHOLE, "1.5", "'1.5' is no whole number."),
        (WHOLE, "1e3", "'1e3' is no whole number."),
        (WHOLE, "\u0663", "'\u0663' is no whole number."),
        (WHOLE, "1" * 5000, "is no whole number."),
        (NUMBER, "nan", "'nan' is no number."),
        (NUMBER, ".", "'.' is no number."),
        (FLAG, "maybe", "'maybe' is neither true nor false."),
    ],
)
def test_a_typed_text_that_means_nothing_is_refused(field: Field, text: str, complaint: str) -> None:
    """Never guessed at: it decides what is paid for."""
    with pytest.raises(InputError) as caught:
        parsed_value(text, field)
    assert caught.value.message.endswith(complaint) or complaint in caught.value.message
    assert len(caught.value.message) < 100
