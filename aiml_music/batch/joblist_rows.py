"""Read the rows of a table of jobs, one after the other: CSV as people's programs write it, or one JSON object a line.

Owns encodings, delimiters, quotes and the names of the columns. What the cells mean is left to `joblist`.
"""

import codecs
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import chain
from typing import IO, Any

from attrs import frozen

from aiml_music._sansio.errors import InputError
from aiml_music._sansio.fields import FIELD_NAMES
from aiml_music._sansio.text import clean

# The lyrics of a track are a few hundred characters: what is longer by far is another kind of file.
MAX_LINE_BYTES = 1 << 20
SHOWN_CHARS = 60

COLUMNS = (
    *("label", "lyrics", "lyrics_file", "reference", "purpose", "refer_voice", "refer_instrumental", "model"),
    *("format", "sample_rate", "bitrate"),
    *FIELD_NAMES,
)
FIELDS = (*COLUMNS, "audio_setting", "extra_body")

_DELIMITERS = ",;\t"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@frozen(kw_only=True)
class Place:
    """Where in a list something stands."""

    file: str
    line: int

    def refused(self, field: str | None, wrong: str, hint: str | None = None) -> InputError:
        """Return an error that names file, line and field."""
        where = ", ".join(filter(None, (self.file, f"line {self.line}", field)))
        return InputError(f"{where}: {wrong}", hint=hint)


@frozen(kw_only=True)
class Row:
    """A row by the names of its fields, or why it has none; the rows behind it can be read all the same."""

    place: Place
    fields: Mapping[str, Any] | InputError


def csv_rows(file: IO[bytes], name: str) -> Iterator[Row]:
    """Yield the rows of a CSV whose first line names the columns; rows without any content are passed over.

    Args:
        file: UTF-8, with or without a byte order mark; comma, semicolon or tab between cells.
        name: what to call the file in errors.

    Raises:
        InputError: the header or the quoting cannot be read, or the encoding is another one.
    """
    lines = _lines(file, name)
    first = next(lines, "")
    place = Place(file=name, line=1)
    try:
        delimiter = _delimiter_of(first)
        reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True, skipinitialspace=True)
        names = _header(next(reader, []), place)
        place = Place(file=name, line=reader.line_num + 1)
        for cells in reader:
            here, place = place, Place(file=name, line=reader.line_num + 1)
            if any(map(str.strip, cells)):
                yield Row(place=here, fields=_named(names, cells, here, delimiter))
    except csv.Error as error:
        hint = "Put double quotes around a cell that holds line breaks or quotes, and double the quotes in it."
        raise place.refused(None, f"the row that begins here is no CSV: {error}.", hint) from None


def jsonl_rows(file: IO[bytes], name: str) -> Iterator[Row]:
    """Yield the objects of a file with one JSON object a line; blank lines are passed over.

    Args:
        file: UTF-8, with or without a byte order mark.
        name: what to call the file in errors.

    Raises:
        InputError: the encoding is another one, or a line is too long.
    """
    for number, line in enumerate(_lines(file, name), 1):
        if line.strip():
            place = Place(file=name, line=number)
            yield Row(place=place, fields=_parsed(line, place))


def _lines(file: IO[bytes], name: str) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        place = Place(file=name, line=number)
        try:
            line = file.readline(MAX_LINE_BYTES + 1)
        except OSError as error:
            raise place.refused(None, f"the file cannot be read: {error.strerror}.") from None
        if not line:
            return
        if number == 1:
            if line.startswith(_UTF_16):
                raise place.refused(None, "the file is in UTF-16.", "Save it as UTF-8.")
            line = line.removeprefix(codecs.BOM_UTF8)
        if len(line) > MAX_LINE_BYTES:
            raise place.refused(None, f"the line has more than {MAX_LINE_BYTES:,} bytes.", "Is it a list of jobs?")
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise place.refused(None, f"no UTF-8 (byte {error.start + 1}).", "Save the file as UTF-8.") from None
        yield text


def _delimiter_of(header: str) -> str:
    """Return what lies between the cells: whatever makes the most of the header known names."""

    def known(delimiter: str) -> int:
        cells = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True), [])
        return len(set(map(_plain, cells)) & set(COLUMNS))

    return max(_DELIMITERS, key=known)


def _plain(cell: str) -> str:
    return cell.strip().casefold()


def _header(cells: Sequence[str], place: Place) -> list[str]:
    names = [_plain(cell) for cell in cells]
    # Spreadsheets write a few empty columns more than they show.
    while names and not names[-1]:
        names.pop()
    if not names:
        raise place.refused(None, "the first line must name the columns.", f"Known: {', '.join(COLUMNS)}.")
    for index, name in enumerate(names):
        if not name:
            raise place.refused(None, f"column {index + 1} has no name.", f"Known: {', '.join(COLUMNS)}.")
        if name in names[:index]:
            raise place.refused(name, "the column is there twice.", "Leave one of them out.")
    check_names(names, COLUMNS, place)
    return names


def check_names(names: Sequence[str], known: Sequence[str], place: Place) -> None:
    """Refuse a name nobody knows: a misspelt field that is passed over would make, and cost, another track.

    Raises:
        InputError: there is one.
    """
    for name in names:
        if name not in known:
            near = get_close_matches(name.casefold(), known, 1)
            hint = f"Write {near[0]!r}." if near else f"Known: {', '.join(known)}."
            raise place.refused(None, f"{shown(name)} is unknown.", hint)


def shown(value: object) -> str:
    """Return somebody else's value, short and on one line, in quotes where it is text."""
    text = clean(str(value), max_chars=SHOWN_CHARS)
    return repr(text) if isinstance(value, str) else text


def _named(names: Sequence[str], cells: Sequence[str], place: Place, delimiter: str) -> Mapping[str, str] | InputError:
    if any(map(str.strip, cells[len(names) :])):
        return place.refused(
            None,
            f"{len(cells)} cells, but {len(names)} columns.",
            f"Put double quotes around a cell that holds {delimiter!r}.",
        )
    return dict(zip(names, cells, strict=False))


def _parsed(line: str, place: Place) -> Mapping[str, Any] | InputError:
    try:
        value = json.loads(line, object_pairs_hook=_once, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        return place.refused(None, f"no JSON at character {error.pos + 1}: {error.msg}.", "Write one object a line.")
    except (ValueError, RecursionError) as error:
        # Names that are there twice, NaN, numbers without end, brackets without end.
        return place.refused(None, f"no JSON that can be used: {clean(str(error))}.")
    if not isinstance(value, dict):
        return place.refused(None, "no JSON object.", 'Write {"lyrics": "…", …}, one a line.')
    try:
        check_names(list(value), FIELDS, place)
    except InputError as error:
        return error
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = next(name for index, (name, _) in enumerate(pairs) if name in dict(pairs[:index]))
        raise ValueError(f"{shown(twice)} is there twice")
    return members


def _no_number(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")
