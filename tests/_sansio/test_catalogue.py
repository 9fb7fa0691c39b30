"""The models as the service documents them."""

import re
from decimal import Decimal

import pytest

from aiml_music._sansio.catalogue import MODELS, MUSIC_01, Model


def test_music_01_is_as_documented() -> None:
    """The routes, limits and price of music-01 are those of the service's own pages."""
    assert Model(
        id="music-01",
        upload_path="/v2/generate/audio/minimax/upload",
        generate_path="/v2/generate/audio/minimax/generate",
        lyrics_max_chars=600,
        lyrics_max_chars_elsewhere=(("MiniMax", 200), ("Replicate", 350)),
        reference_min_seconds=10,
        reference_max_seconds=600,
        price_credits=63_000,
    ) == (MUSIC_01)


def test_a_song_costs_a_little_over_three_cents() -> None:
    """63,000 credits at 2,000,000 to the dollar are $0.0315."""
    assert Decimal(MUSIC_01.price_credits) / 2_000_000 == Decimal("0.0315")


@pytest.mark.parametrize("name", MODELS)
def test_models_are_found_by_their_id(name: str) -> None:
    """The table's names are the rows' own, and their routes can follow any base address."""
    row = MODELS[name]
    assert row.id == name
    assert re.fullmatch(r"(/[a-z0-9-]+)+", row.upload_path)
    assert re.fullmatch(r"(/[a-z0-9-]+)+", row.generate_path)
