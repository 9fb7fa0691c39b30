"""What the service says of account and models: documents of any shape in, values out."""

from decimal import Decimal
from typing import Any

import pytest

from aiml_music import InputError
from aiml_music._sansio.account import model_path, read_balance, read_model, read_models
from aiml_music._sansio.catalogue import MODELS, MUSIC_01


@pytest.mark.parametrize(
    ("stated", "amount"),
    [(10, "10"), (0.1, "0.1"), ("12.3400", "12.3400"), (0, "0"), (-1.5, "-1.5")],
)
def test_a_balance_is_taken_as_it_is_written(stated: Any, amount: str) -> None:
    """Whichever way JSON spells a number."""
    found = read_balance({"current_balance": stated, "currency": "USD"})
    assert found is not None
    assert (found.amount, found.currency) == (Decimal(amount), "USD")


@pytest.mark.parametrize("stated", [None, True, "much", "NaN", "Infinity", [], {}])
def test_what_is_no_amount_is_no_balance(stated: Any) -> None:
    """Nothing is made up."""
    assert read_balance({"current_balance": stated, "currency": "USD"}) is None


def test_credits_are_those_of_dollars() -> None:
    """Two million are one dollar, and of another currency nobody knows."""
    dollars = read_balance({"current_balance": "0.50"})
    euros = read_balance({"current_balance": "0.50", "currency": "EUR"})
    assert dollars is not None
    assert euros is not None
    assert (dollars.credits, str(dollars)) == (1_000_000, "0.50 USD (1,000,000 credits)")
    assert (euros.credits, str(euros)) == (None, "0.50 EUR")


def test_the_catalogue_comes_first_and_what_makes_music_behind_it() -> None:
    """Models that are no longer listed are there as well, and what only writes text is not."""
    found = read_models(
        {
            "data": [
                {"id": "gpt-4o", "type": "chat-completion"},
                {"id": "new/singer", "modalities": {"output": ["music"]}},
                {"id": "other-music", "pricing": {"credits": 5}, "aliases": ["om"]},
            ]
        }
    )
    assert found is not None
    assert [model.id for model in found[: len(MODELS)]] == list(MODELS)
    assert not any(model.is_listed for model in found[: len(MODELS)])
    singer, other = found[len(MODELS) :]
    assert (singer.id, singer.is_listed, singer.is_known, singer.price_credits) == ("new/singer", True, False, None)
    assert (other.aliases, other.price_credits, other.price_usd) == (("om",), 5, Decimal("0.0000025"))


@pytest.mark.parametrize(
    "entry",
    [{"id": MUSIC_01.id, "aliases": ["m1"]}, {"id": "m1", "aliases": [MUSIC_01.id]}],
    ids=["by its id", "by an alias"],
)
def test_a_listed_model_keeps_the_id_that_is_typed(entry: dict[str, Any]) -> None:
    """Whichever of its names the service calls the first."""
    found = read_models({"data": [entry]})
    assert found is not None
    row = next(model for model in found if model.id == MUSIC_01.id)
    assert (row.is_listed, row.is_known, row.aliases) == (True, True, ("m1",))
    assert read_model(entry) == row


@pytest.mark.parametrize(
    ("pricing", "price"),
    [({"credits": 70_000}, 70_000), ({"credits": True}, 63_000), ({"credits": -1}, 63_000), ("dear", 63_000)],
)
def test_a_price_is_the_listed_one_or_the_last_recorded(pricing: Any, price: int) -> None:
    """What is no number of credits says nothing."""
    assert read_model({"id": MUSIC_01.id, "pricing": pricing}).price_credits == price


@pytest.mark.parametrize("data", [None, {}, "text", 3])
def test_without_a_list_there_are_no_models(data: Any) -> None:
    """An answer of another shape is not read as an empty list."""
    assert read_models({"data": data}) is None


def test_entries_that_are_none_are_passed_over() -> None:
    """One odd entry does not hide the others."""
    found = read_models({"data": [None, {"id": 3}, {}, {"id": "a-song", "aliases": "none"}]})
    assert found is not None
    assert [model.id for model in found if model.is_listed] == ["a-song"]


def test_a_name_may_hold_slashes() -> None:
    """And stays one step of the path."""
    assert model_path("minimax/music-2.0") == "/model/minimax%2Fmusic-2.0"


@pytest.mark.parametrize("name", ["", "  ", None, 3])
def test_what_is_no_name_is_not_asked_about(name: Any) -> None:
    """It would be another question."""
    with pytest.raises(InputError, match="by its name"):
        model_path(name)
