"""`aiml-music models`: which models live, and what they cost."""

from typing import Any

from aiml_music._sansio.account import ModelInfo
from aiml_music.cli.calls import client_of, run, service
from aiml_music.cli.parameters import AsJson, OnScreen
from aiml_music.cli.screen import aligned

_HEAD = ("model", "listed", "credits", "USD", "fields", "other names")


def models(*, as_json: AsJson = False, screen: OnScreen) -> None:
    """Say which models live today, and what a track of each costs.

    A model is listed where the service itself names it. Where the fields are
    known, they are checked before money is spent.

    Args:
        as_json: Print one JSON document instead of a table.
        screen: Where to print.
    """

    async def work() -> tuple[ModelInfo, ...]:
        async with client_of(None) as client:
            return await client.models()

    with screen.step("Asking for the models"):
        found = run(work)
    if as_json:
        screen.document({"models": [_document(model) for model in found], "service": service()})
    else:
        for line in aligned([_HEAD, *map(_row, found)], right=frozenset({2, 3})):
            screen.say(line)


def _row(model: ModelInfo) -> tuple[str, ...]:
    return (
        model.id,
        "yes" if model.is_listed else "no",
        "?" if model.price_credits is None else f"{model.price_credits:,}",
        "?" if model.price_usd is None else f"{model.price_usd:f}",
        "known" if model.is_known else "passed on",
        ", ".join(model.aliases),
    )


def _document(model: ModelInfo) -> dict[str, Any]:
    return {
        "id": model.id,
        "aliases": list(model.aliases),
        "is_listed": model.is_listed,
        "is_known": model.is_known,
        "price_credits": model.price_credits,
        "price_usd": None if model.price_usd is None else str(model.price_usd),
    }
