"""Find the row of a model by the name that somebody typed: a name that is nearly right is wrong, any other is new."""

import re
from difflib import SequenceMatcher

from aiml_music._sansio.catalogue.model import Field, Model
from aiml_music._sansio.catalogue.rows import MODELS
from aiml_music._sansio.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")
_SEPARATORS = re.compile(r"[._:/-]+")
_NEAR = 0.85


class UnknownModelWarning(UserWarning):
    """A model this library does not know: what is asked for goes to it unchecked, and costs what it costs."""


def find_model(name: str) -> Model:
    """Return the row of a model, or for a name that no row is near to, what `unknown_model` makes of it.

    Raises:
        InputError: it is nearly the name of a known model, or no name at all.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(f"{name!r:.120} is no name of a model.", hint=f"Known: {', '.join(MODELS)}.")
    for row in MODELS.values():
        if name == row.id or name in row.aliases:
            return row
    near = [row.id for row in MODELS.values() if _is_near(name, row.id)]
    if near:
        raise InputError(f"Unknown model {name!r}.", hint=f"Did you mean {' or '.join(map(repr, near))}?")
    return unknown_model(name)


def unknown_model(name: str) -> Model:
    """Return what is assumed of a model without a row: that it is queued, as all new ones are."""
    return Model(id=name, known=False)


def unknown_words(name: str) -> str:
    """Return what to say of a model without a row."""
    return f"{name} is no model this library knows: its fields are passed on unchecked, and its price is not known."


def living_models() -> tuple[Model, ...]:
    """Return the rows of the models that the service still offers, as far as its pages say."""
    return tuple(row for row in MODELS.values() if row.withdrawn is None)


def models_taking(name: str) -> tuple[Model, ...]:
    """Return the rows that have a field."""
    return tuple(row for row in MODELS.values() if row.field(name) is not None)


def find_field(name: str) -> Field | None:
    """Return a field by its name, of whichever row has it first: its kind is the same in all of them."""
    return next((found for row in MODELS.values() if (found := row.field(name)) is not None), None)


def _is_near(name: str, known: str) -> bool:
    """Say whether somebody who typed a name meant a known model, and not its next version or a variant of it."""
    plain, plain_known = _plain(name), _plain(known)
    if plain in {plain_known, _plain(known.rpartition("/")[2])}:
        return True
    if re.match(rf"{re.escape(known)}[._:/-]", name, re.IGNORECASE):
        return False
    if re.match(rf"{re.escape(name)}(?![A-Za-z])", known, re.IGNORECASE):
        return True
    alike = SequenceMatcher(None, plain, plain_known, autojunk=False).ratio() >= _NEAR
    return alike and _numbers(name) == _numbers(known)


def _plain(name: str) -> str:
    return _SEPARATORS.sub("", name.casefold().replace("_", "-"))


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall("[0-9]+", name)]
