"""The tables of the guide "Which model?", as the catalogue has them; `python -m tests.model_tables` prints both."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from aiml_music._sansio.batch.budget import CREDITS_PER_USD
from aiml_music._sansio.catalogue import MODELS, FieldKind, Model, ReferenceUse

MODELS_HEAD = ("model", "makes", "reference", "audio", "a track cost", "offered")
FIELDS_HEAD = ("model", "field", "what it is", "limits")

_KINDS = {
    FieldKind.TEXT: "text",
    FieldKind.INTEGER: "whole number",
    FieldKind.NUMBER: "number",
    FieldKind.FLAG: "`True` or `False`",
    FieldKind.ADDRESS: "https address",
}
_REFERENCES = {
    ReferenceUse.NONE: "none",
    ReferenceUse.IDS: "`reference`, or the ids",
    ReferenceUse.URL: "`reference_audio_url`",
    ReferenceUse.URL_OR_CONTENT: "`reference_audio`, or `reference_audio_url`",
}


def models_rows() -> list[tuple[str, ...]]:
    """Return a row for each model."""
    return [
        (f"`{row.id}`", row.summary, _reference(row), _audio(row), _price(row), _offered(row))
        for row in MODELS.values()
    ]


def fields_rows() -> list[tuple[str, ...]]:
    """Return a row for each field of each model; those a request needs are in bold."""
    return [row for model in MODELS.values() for row in _fields(model)]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as the page has it."""
    lines = [_line(head), "|---" * len(head) + "|", *map(_line, rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _reference(row: Model) -> str:
    length = ""
    if row.reference_min_seconds:
        least = "" if row.reference_min_is_enough else "more than "
        most = "" if row.reference_max_seconds == float("inf") else f" to {row.reference_max_seconds:g} s"
        length = f", {least}{row.reference_min_seconds:g} s{most}"
    size = f", {row.reference_max_bytes // 1_000_000} MB" if row.reference_max_bytes else ""
    return _REFERENCES[row.reference_use] + length + size


def _audio(row: Model) -> str:
    if row.audio is None:
        return row.audio_format or "not documented"
    return ", ".join(row.audio.formats)


def _price(row: Model) -> str:
    if row.price_credits is None:
        return "not known"
    return f"${Decimal(row.price_credits) / CREDITS_PER_USD:f}"


def _offered(row: Model) -> str:
    return "yes" if row.withdrawn is None else f"until {row.withdrawn}"


def _fields(model: Model) -> Iterable[tuple[str, ...]]:
    for field in model.fields:
        name = f"**`{field.name}`**" if field.required else f"`{field.name}`"
        limits = field.limits if field.strict else f"{field.limits}; more is only advised against"
        yield f"`{model.id}`", name, _KINDS[field.kind], limits
    if model.audio is not None:
        yield f"`{model.id}`", "`audio_setting`", "format, sample rate, bitrate", ""


if __name__ == "__main__":
    print(markdown(MODELS_HEAD, models_rows()))  # noqa: T201 - that is what it is for
    print(markdown(FIELDS_HEAD, fields_rows()))  # noqa: T201 - that is what it is for
