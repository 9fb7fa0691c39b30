"""What the service says of the account and of its models: documents in, values out.

Read tolerantly: no schema of these answers is published, so whatever is not as expected counts as absent, and the
answer itself stays in `raw`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from attrs import field, frozen

from aiml_music._sansio.catalogue import MODELS, Model
from aiml_music._sansio.errors import InputError

BALANCE_PATH = "/v2/billing"
MODELS_PATH = "/v1/models"
MODELS_QUERY = (("include", "pricing,capabilities,modalities"),)
CREDITS_PER_USD = 2_000_000

_MUSIC = re.compile(r"music|song", re.IGNORECASE)
_CURRENCY = re.compile(r"[A-Z]{3}")


@frozen(kw_only=True)
class AccountBalance:
    """What is left of the money.

    Attributes:
        amount: in `currency`, as the service states it.
        currency: three letters, such as `USD`.
        raw: the answer as it came.
    """

    amount: Decimal
    currency: str
    raw: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)

    @property
    def credits(self) -> int | None:
        """The same in credits, of which 2,000,000 are one US dollar; None in another currency."""
        return int(self.amount * CREDITS_PER_USD) if self.currency == "USD" else None

    def __str__(self) -> str:
        credit = "" if self.credits is None else f" ({self.credits:,} credits)"
        return f"{self.amount:f} {self.currency}{credit}"


@frozen(kw_only=True)
class ModelInfo:
    """A model, as this library's catalogue and the service's own list know it.

    Attributes:
        id: what `generate(model=...)` takes.
        aliases: other names of it, says the service.
        is_listed: whether the service lists it today; a model it does not list may still answer.
        is_known: whether this library knows its fields and limits, so that they are checked before money is spent.
        price_credits: what one generation costs: as listed, else as last recorded here; None where nobody said.
        raw: its entry in the list as it came; empty where there is none.
    """

    id: str
    aliases: tuple[str, ...] = ()
    is_listed: bool
    is_known: bool
    price_credits: int | None = None
    raw: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)

    @property
    def price_usd(self) -> Decimal | None:
        """The price in US dollars."""
        return None if self.price_credits is None else Decimal(self.price_credits) / CREDITS_PER_USD


def model_path(model: str) -> str:
    """Return where one model is asked for; its name may hold slashes.

    Raises:
        InputError: it is no name.
    """
    if not isinstance(model, str) or not model.strip():
        raise InputError(f"A model is asked for by its name; got {model!r}.")
    return f"/model/{quote(model, safe='')}"


def read_balance(document: Mapping[str, Any]) -> AccountBalance | None:
    """Read the answer of the billing route; None where it states no balance."""
    amount = _amount(document.get("current_balance"))
    currency = document.get("currency")
    if amount is None:
        return None
    is_currency = isinstance(currency, str) and _CURRENCY.fullmatch(currency)
    return AccountBalance(amount=amount, currency=str(currency) if is_currency else "USD", raw=document)


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    # A float is taken as it is written: 0.1 is a tenth.
    try:
        amount = Decimal(str(value))
    except ArithmeticError:
        return None
    return amount if amount.is_finite() else None


def read_models(document: Mapping[str, Any]) -> tuple[ModelInfo, ...] | None:
    """Read the list of models: those of the catalogue first, listed or not, then listed ones that make music.

    Returns:
        None where the answer holds no list.
    """
    listed = document.get("data")
    if not isinstance(listed, list):
        return None
    entries = [entry for entry in listed if isinstance(entry, Mapping) and _text(entry, "id")]
    known = tuple(_info_of(row, _entry_of(row.id, entries)) for row in MODELS.values())
    taken = {id(info.raw) for info in known}
    others = (entry for entry in entries if id(entry) not in taken and _makes_music(entry))
    return known + tuple(map(read_model, others))


def read_model(document: Mapping[str, Any]) -> ModelInfo:
    """Read one entry of the list, or the answer about one model."""
    name = _text(document, "id") or ""
    names = (name, *_aliases(document))
    row = next((MODELS[each] for each in names if each in MODELS), None)
    if row is not None:
        return _info_of(row, document)
    return ModelInfo(
        id=name,
        aliases=_aliases(document),
        is_listed=True,
        is_known=False,
        price_credits=_price(document),
        raw=document,
    )


def _info_of(row: Model, entry: Mapping[str, Any] | None) -> ModelInfo:
    entry = {} if entry is None else entry
    listed = _text(entry, "id")
    names = () if listed is None else (listed, *_aliases(entry))
    price = _price(entry)
    return ModelInfo(
        id=row.id,
        aliases=tuple(name for name in dict.fromkeys(names) if name != row.id),
        is_listed=listed is not None,
        is_known=True,
        price_credits=row.price_credits if price is None else price,
        raw=entry,
    )


def _entry_of(name: str, entries: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((entry for entry in entries if name in (entry.get("id"), *_aliases(entry))), None)


def _aliases(entry: Mapping[str, Any]) -> tuple[str, ...]:
    aliases = entry.get("aliases")
    return tuple(name for name in aliases if isinstance(name, str) and name) if isinstance(aliases, list) else ()


def _makes_music(entry: Mapping[str, Any]) -> bool:
    told = [entry.get(name) for name in ("id", "type", "capabilities", "modalities")]
    return _MUSIC.search(json.dumps(told)) is not None


def _price(entry: Mapping[str, Any]) -> int | None:
    pricing = entry.get("pricing")
    stated = pricing.get("credits") if isinstance(pricing, Mapping) else None
    return stated if isinstance(stated, int) and not isinstance(stated, bool) and stated >= 0 else None


def _text(entry: Mapping[str, Any], name: str) -> str | None:
    value = entry.get(name)
    return value if isinstance(value, str) and value else None
