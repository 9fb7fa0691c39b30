"""The models as the service documents them."""

import re
from decimal import Decimal

import pytest

from aiml_music._sansio.catalogue import (
    MODELS,
    MUSIC_01,
    Field,
    FieldKind,
    Model,
    ReferenceUse,
    Route,
    find_field,
    find_model,
    living_models,
    models_taking,
    unknown_model,
)
from aiml_music._sansio.errors import InputError


def rows() -> list[object]:
    return [pytest.param(model, id=model.id) for model in MODELS.values()]


def test_music_01_is_as_documented() -> None:
    """The routes, limits and price of music-01 are those of the service's own pages."""
    assert (MUSIC_01.route, MUSIC_01.poll_path) == (Route.DIRECT, None)
    assert MUSIC_01.upload_path == "/v2/generate/audio/minimax/upload"
    assert MUSIC_01.generate_path == "/v2/generate/audio/minimax/generate"
    assert MUSIC_01.field("lyrics") == Field(name="lyrics", required=True, most=600, strict=False)
    assert dict(MUSIC_01.lyrics_max_chars_elsewhere) == {"MiniMax": 200, "Replicate": 350}
    assert (MUSIC_01.reference_min_seconds, MUSIC_01.reference_max_seconds) == (10, 600)
    assert (MUSIC_01.price_credits, MUSIC_01.withdrawn) == (63_000, "2026-08-17")


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("music-01", "lyrics* refer_voice refer_instrumental"),
        ("minimax-music", "lyrics* reference_audio_url*"),
        ("minimax/music-1.5", "prompt* lyrics*"),
        ("minimax/music-2.0", "prompt* lyrics*"),
        ("minimax/music-2.6", "prompt lyrics lyrics_optimizer is_instrumental"),
        ("minimax/music-cover", "prompt* reference_audio_url* lyrics"),
        ("google/lyria2", "prompt* negative_prompt seed"),
        ("stable-audio", "prompt* seconds_start seconds_total steps"),
        ("elevenlabs/eleven_music", "prompt* music_length_ms"),
    ],
)
def test_the_fields_are_those_of_the_pages(name: str, fields: str) -> None:
    """Every model of the service's pages has a row, with the fields it takes and those it needs."""
    assert [one.name + "*" * one.required for one in MODELS[name].fields] == fields.split()


@pytest.mark.parametrize(("credits_used", "usd"), [(MUSIC_01.price_credits, "0.0315"), (390_000, "0.195")])
def test_a_dollar_is_two_million_credits(credits_used: int, usd: str) -> None:
    """Both prices that are known, as the service stated them in dollars."""
    assert Decimal(credits_used) / 2_000_000 == Decimal(usd)


@pytest.mark.parametrize("row", rows())
def test_every_row_makes_sense(row: Model) -> None:
    """Whatever is said of a model can be used as it is, and agrees with itself."""
    assert MODELS[row.id] is row is find_model(row.id)
    assert row.known
    assert row.summary
    queued = row.route is Route.QUEUED
    for path in (row.generate_path, row.poll_path, row.upload_path):
        assert path is None or re.fullmatch(r"(/[a-z0-9-]+)+", path)
    assert (row.poll_path is not None) is queued
    assert (row.upload_path is not None) is (row.reference_use is ReferenceUse.IDS)
    assert len({one.name for one in row.fields}) == len({one.wire for one in row.fields}) == len(row.fields)
    assert all(row.field(name) for name in row.one_of)
    assert row.audio is None or row.audio_format in row.audio.formats
    assert 0 < row.first_poll_seconds < row.patience_seconds
    assert 0 < row.poll_seconds < row.patience_seconds
    assert row.price_credits is None or row.price_credits > 0
    takes_url = row.field("reference_audio_url") is not None
    assert takes_url is (row.reference_use in {ReferenceUse.URL, ReferenceUse.URL_OR_CONTENT})


@pytest.mark.parametrize("row", rows())
def test_a_field_means_the_same_in_every_row(row: Model) -> None:
    """So that a column of a list of jobs can be read before its model is known."""
    for one in row.fields:
        found = find_field(one.name)
        assert found is not None
        assert found.kind is one.kind
        assert row in models_taking(one.name)
        assert row.takes(one.name)


def test_what_no_row_has_is_not_found() -> None:
    """A name nobody takes has no kind and no models."""
    assert find_field("no_such_field") is None
    assert models_taking("no_such_field") == ()
    assert MUSIC_01.field("seed") is None
    assert not MUSIC_01.takes("seed")


def test_what_was_withdrawn_does_not_live() -> None:
    """The pages of the service say that music-01 is not offered any more."""
    assert MUSIC_01 not in living_models()
    assert len(living_models()) == len(MODELS) - 1


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Music-01", "music-01"),
        ("music_01", "music-01"),
        ("music-1", "music-01"),
        ("musik-01", "music-01"),
        ("music-2.0", "minimax/music-2.0"),
        ("MiniMax/music-2.0", "minimax/music-2.0"),
        ("minimax/music-2", "minimax/music-2.0"),
        ("minmax/music-2.0", "minimax/music-2.0"),
        ("minimax/music-covers", "minimax/music-cover"),
        ("google/lyria-2", "google/lyria2"),
        ("google/lyria", "google/lyria2"),
        ("stable_audio", "stable-audio"),
        ("eleven-music", "elevenlabs/eleven_music"),
        ("minimax", "minimax-music"),
    ],
)
def test_who_nearly_names_a_model_means_it(typed: str, meant: str) -> None:
    """A slip would otherwise be sent to the service as a model of its own."""
    with pytest.raises(InputError, match="Unknown model") as caught:
        find_model(typed)
    assert repr(meant) in str(caught.value.hint)


@pytest.mark.parametrize(
    "name",
    [
        *("music-02", "minimax/music-2.7", "minimax/music-3", "minimax/music-2.6-hd", "minimax/music-cover-free"),
        *("google/lyria3", "stable-audio-2", "elevenlabs/eleven_music_v2", "somebody/sings:latest", "x", "a" * 100),
    ],
)
def test_what_nobody_knows_may_be_new(name: str) -> None:
    """The next version, a variant, or another maker's model: no row is needed to use it."""
    row = find_model(name)
    assert row == unknown_model(name)
    assert (row.id, row.known, row.route, row.fields) == (name, False, Route.QUEUED, ())
    assert (row.price_credits, row.audio_format, row.withdrawn) == (None, None, None)
    assert row.takes("anything")


@pytest.mark.parametrize("name", ["", " ", "music-01 ", "x y", "-x", "a" * 101, "ü", "x\n", None, 1])
def test_what_is_no_name_is_refused(name: object) -> None:
    """The known names are listed, since no name is near to it."""
    with pytest.raises(InputError, match="is no name of a model") as caught:
        find_model(name)  # type: ignore[arg-type]  # that is the point
    assert "music-01, minimax-music" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (Field(name="prompt"), ""),
        (Field(name="prompt", most=2000), "at most 2,000 characters"),
        (Field(name="prompt", least=10, most=300), "10 to 300 characters"),
        (Field(name="seed", kind=FieldKind.INTEGER, least=0), "at least 0"),
        (Field(name="length", kind=FieldKind.INTEGER, least=1, most=47, unit="s"), "1 to 47 s"),
        (Field(name="weight", kind=FieldKind.NUMBER, unit="kg"), ""),
    ],
)
def test_limits_are_told(one: Field, said: str) -> None:
    """In the unit of the field."""
    assert one.limits == said
