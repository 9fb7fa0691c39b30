"""Which fields a model takes, which it needs, and what is said of those it does not know."""

from typing import Any, get_args, get_type_hints

import pytest

from aiml_music._sansio.catalogue import MODELS, FieldKind, Model, ReferenceUse, find_field, unknown_model
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.fields import FIELD_NAMES, ModelFields, check_fields
from tests.model_rows import VOICE, all_fields, least_fields, value_of

TYPES: dict[FieldKind, type] = {
    FieldKind.TEXT: str,
    FieldKind.ADDRESS: str,
    FieldKind.INTEGER: int,
    FieldKind.NUMBER: float,
    FieldKind.FLAG: bool,
}
ARGUMENTS = {"lyrics", "refer_voice", "refer_instrumental"}


def rows() -> list[object]:
    return [pytest.param(model, id=model.id) for model in MODELS.values()]


def refused(model: Model, fields: dict[str, Any]) -> InputError:
    with pytest.raises(InputError) as caught:
        check_fields(model, fields)
    return caught.value


def test_every_field_of_the_catalogue_can_be_written() -> None:
    """What a row has is an argument of `generate`, of the type that its kind means; there is none that no row has."""
    assert {*FIELD_NAMES} | ARGUMENTS == {field.name for model in MODELS.values() for field in model.fields}
    for name, hint in get_type_hints(ModelFields).items():
        found = find_field(name)
        assert found is not None
        assert set(get_args(hint)) == {TYPES[found.kind], type(None)}


@pytest.mark.parametrize("row", rows())
def test_every_row_takes_all_of_its_fields(row: Model) -> None:
    """In whatever order they are given; what is None counts as not given."""
    given = dict(reversed(all_fields(row).items())) | dict.fromkeys(FIELD_NAMES, None) | all_fields(row)
    checked, advice = check_fields(row, given)
    assert checked == all_fields(row)
    assert list(checked) == [field.name for field in row.fields]
    assert advice == ()


@pytest.mark.parametrize("row", rows())
def test_every_row_needs_what_it_requires(row: Model) -> None:
    """Each of them by itself; the others may be left out, but for one of those that stand in for each other."""
    needed = [field.name for field in row.fields if field.required]
    for name in needed:
        assert f"{row.id} needs {name}." == refused(row, all_fields(row) | {name: None}).message
    least = least_fields(row)
    assert check_fields(row, least)[0] == least
    if row.one_of:
        assert refused(row, least | {row.one_of[0]: None}).message == f"{row.id} needs {' or '.join(row.one_of)}."


@pytest.mark.parametrize("row", rows())
@pytest.mark.parametrize("name", [*FIELD_NAMES, *sorted(ARGUMENTS)])
def test_a_field_of_another_model_names_the_models_that_take_it(row: Model, name: str) -> None:
    """Whoever has the right field and the wrong model learns the right model."""
    found = find_field(name)
    assert found is not None
    if row.field(name) is not None:
        return
    error = refused(row, all_fields(row) | {name: value_of(found)})
    assert error.message == f"{row.id} takes no {name}."
    takers = [other.id for other in MODELS.values() if other.field(name) is not None]
    assert error.hint == f"Models that do: {', '.join(takers)}."


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("promptt", "'prompt'"),
        ("negativ_prompt", "'negative_prompt'"),
        ("lyric", "'lyrics'"),
        ("overwrit", "'overwrite'"),
    ],
)
def test_a_misspelt_field_is_told_the_right_one(name: str, near: str) -> None:
    """Of all models, and of the call itself."""
    error = refused(MODELS["google/lyria2"], {"prompt": "rain", name: "x"})
    assert error.message == f"{name!r} is no field of google/lyria2, nor of any known model."
    assert error.hint == f"Did you mean {near}? extra_body passes on what this library does not know."


def test_a_field_nobody_knows_has_a_way_out() -> None:
    """What the service added since is sent by `extra_body`."""
    error = refused(MODELS["google/lyria2"], {"prompt": "rain", "zzz": 1})
    assert error.hint == "extra_body passes on what this library does not know."


def test_what_comes_another_way_is_not_missed() -> None:
    """A file within the request stands for its address."""
    cover = MODELS["minimax/music-cover"]
    fields = {"prompt": "a waltz of it"}
    assert refused(cover, fields).hint == "A file of yours goes into reference_audio=."
    assert check_fields(cover, fields, provided={"reference_audio_url"}) == (fields, ())
    assert refused(MODELS["minimax-music"], {"lyrics": "la"}).hint is None


def test_a_model_nobody_knows_is_given_everything() -> None:
    """Unchecked, in the order given; only what is None is left out."""
    given = {"tempo": 120, "prompt": "", "lyrics": "###", "seed": "x", "mood": None}
    assert check_fields(unknown_model("x"), given) == ({"tempo": 120, "prompt": "", "lyrics": "###", "seed": "x"}, ())


@pytest.mark.parametrize("row", [row for row in MODELS.values() if row.field("lyrics")], ids=lambda row: row.id)
def test_lyrics_are_checked_by_their_row(row: Model) -> None:
    """What is too long is advice where only prose has the limit, and `##` matters where it means something."""
    field = row.field("lyrics")
    assert field is not None
    assert field.most is not None
    given = all_fields(row)
    assert refused(row, given | {"lyrics": " # "}).message == "The lyrics are empty."
    assert refused(row, given | {"lyrics": ["la"]}).message == "Lyrics must be a str, not list."
    assert check_fields(row, given | {"lyrics": "a" * field.most})[1] == ()
    if field.strict:
        assert "characters" in refused(row, given | {"lyrics": "a" * (field.most + 1)}).message
    else:
        assert "documented for at most" in check_fields(row, given | {"lyrics": "a" * (field.most + 1)})[1][0]
    lonely = check_fields(row, given | {"lyrics": "##la la la la"})[1]
    assert bool(lonely) is row.accompaniment_marks
    assert check_fields(row, given | {"lyrics": "la la\r\nla la"})[0]["lyrics"] == "la la\nla la"


def test_ids_are_checked_where_they_are_sung_with() -> None:
    """An id of the other kind, and a placeholder, cost nothing."""
    row = next(row for row in MODELS.values() if row.reference_use is ReferenceUse.IDS)
    error = refused(row, {"lyrics": "la", "refer_instrumental": VOICE})
    assert error.message == "refer_instrumental was given an id that belongs in refer_voice."
