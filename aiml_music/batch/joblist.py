"""Read a list of jobs, row by row: what each asks for, checked as far as that needs no network.

How rows are written is the matter of `joblist_rows`. Whether two jobs are the same, and what a job's file is called, is
decided where jobs are made of these rows.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from attrs import field, frozen

from aiml_music._sansio import wire
from aiml_music._sansio.catalogue import MUSIC_01, Model, ReferenceUse, find_field, find_model
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.field_values import parsed_value
from aiml_music._sansio.fields import FIELD_NAMES, check_fields
from aiml_music._sansio.lyrics import check_lyrics, check_reference_id
from aiml_music._sansio.models import BITRATES, SAMPLE_RATES, AudioSetting, Purpose
from aiml_music._sansio.order import EMBEDDED_FIELD, check_audio_setting, check_purpose
from aiml_music.batch.joblist_rows import Place, Row, csv_rows, jsonl_rows, shown

MAX_JOBS = 10_000
MAX_LYRICS_BYTES = 1 << 20
MAX_LABEL_CHARS = 200

_READERS = {".csv": csv_rows, ".tsv": csv_rows, ".jsonl": jsonl_rows, ".ndjson": jsonl_rows}
_NUMBERS = {"sample_rate": ("Hz", SAMPLE_RATES), "bitrate": ("bit/s", BITRATES)}


@frozen(kw_only=True)
class JobRow:
    """What one row of a list asks for.

    Attributes:
        file: the list's name.
        line: where in the list the row begins.
        label: what to call the track; None where the row does not say.
        reference: a file to learn from, with the `purpose` that says what is in it where the model wants one.
        refer_voice: a voice id, in place of a reference.
        refer_instrumental: an instrumental id, in place of a reference.
        fields: those of `ModelFields`.
    """

    file: str
    line: int
    label: str | None = None
    lyrics: str | None = None
    reference: Path | None = None
    purpose: Purpose | None = None
    refer_voice: str | None = None
    refer_instrumental: str | None = None
    model: str = MUSIC_01.id
    audio_setting: AudioSetting | None = None
    fields: Mapping[str, Any] = field(factory=dict)
    extra_body: Mapping[str, Any] = field(factory=dict)


def read_jobs(path: Path, *, on_bad_row: Callable[[InputError], None] | None = None) -> Iterator[JobRow]:
    """Yield the jobs of a list; paths in it are relative to its own folder. It reads files, and may block on a disk.

    Args:
        path: `.csv` or `.tsv` with a header, or `.jsonl` or `.ndjson` with one object a line; UTF-8.
        on_bad_row: is given what is wrong with a row, and reading goes on behind it; None: the first one is raised.

    Raises:
        InputError: a row cannot be used, or the list cannot be read, or holds no job, or more than 10,000.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise InputError(f"{shown(path.name)} is no list of jobs by its name.", hint="Name it .csv or .jsonl.")
    count = 0
    with _opened(path) as file:
        for row in read(file, path.name):
            count += 1
            if count > MAX_JOBS:
                raise row.place.refused(None, f"more than {MAX_JOBS:,} jobs.", "Split the list.")
            try:
                job = job_of(row, path.parent)
            except InputError as error:
                if on_bad_row is None:
                    raise
                on_bad_row(error)
            else:
                yield job
    if not count:
        raise InputError(f"{path.name} holds no job.", hint="Write one job a row.")


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:
        # ValueError is Python's word for a name that no operating system takes.
        raise InputError(f"{shown(path.name)} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def job_of(row: Row, folder: Path) -> JobRow:
    """Return what a row asks for.

    Args:
        row: by the names of its fields.
        folder: what paths are relative to.

    Raises:
        InputError: a field cannot be what its author means.
    """
    if isinstance(row.fields, InputError):
        raise row.fields
    fields, place = row.fields, row.place
    name = _text(fields, "model", place) or MUSIC_01.id
    with _told(place, "model"):
        model = find_model(name)
    reference, purpose = _reference(fields, place, folder, model)
    made = JobRow(
        file=place.file,
        line=place.line,
        label=_label(fields, place),
        lyrics=_lyrics(fields, place, folder, model),
        reference=reference,
        purpose=purpose,
        refer_voice=_id(fields, "refer_voice", place),
        refer_instrumental=_id(fields, "refer_instrumental", place),
        model=model.id,
        audio_setting=_audio_setting(fields, place, model),
        fields=_model_fields(fields, place),
        extra_body=_extra_body(fields, place, model),
    )
    given = {"lyrics": made.lyrics, "refer_voice": made.refer_voice, "refer_instrumental": made.refer_instrumental}
    with _told(place, None):
        check_fields(model, {**given, **made.fields}, provided=_provided(model, reference))
    return made


def _provided(model: Model, reference: Path | None) -> tuple[str, ...]:
    """Return the fields that a file fills, in place of the row."""
    if reference is None:
        return ()
    return (EMBEDDED_FIELD,) if model.reference_use is ReferenceUse.URL_OR_CONTENT else model.one_of


@contextmanager
def _told(place: Place, name: str | None) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise place.refused(name, error.message, error.hint) from None


def _text(fields: Mapping[str, Any], name: str, place: Place) -> str | None:
    """Return what stands in a field, without blanks around it; None where nothing does."""
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise place.refused(name, f"must be text, not {shown(value)}.", "Put it in double quotes.")
    return (value or "").strip() or None


def _label(fields: Mapping[str, Any], place: Place) -> str | None:
    label = _text(fields, "label", place)
    if label and len(label) > MAX_LABEL_CHARS:
        raise place.refused("label", f"has more than {MAX_LABEL_CHARS} characters.", "Write a shorter one.")
    return label


def _lyrics(fields: Mapping[str, Any], place: Place, folder: Path, model: Model) -> str | None:
    words = _words(fields, place, folder)
    own = model.field("lyrics")
    if own is None or (words is None and not own.required):
        return words
    with _told(place, "lyrics"):
        return check_lyrics(words or "", model)[0]


def _words(fields: Mapping[str, Any], place: Place, folder: Path) -> str | None:
    words, name = _text(fields, "lyrics", place), _text(fields, "lyrics_file", place)
    if words and name:
        raise place.refused("lyrics", "the row has lyrics and a lyrics_file.", "Leave one of them empty.")
    if name is None:
        # As they stand, with the blanks that their author may mean.
        return str(fields["lyrics"]) if words else None
    data = _content(_file(name, "lyrics_file", place, folder), place)
    try:
        return data.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        wrong = f"{shown(name)} is no text in UTF-8 (byte {error.start + 1})."
        raise place.refused("lyrics_file", wrong, "Save it as UTF-8.") from None


def _content(path: Path, place: Place) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LYRICS_BYTES + 1)
    except OSError as error:
        raise place.refused("lyrics_file", f"{shown(path.name)} cannot be read: {error.strerror}.") from None
    if len(data) > MAX_LYRICS_BYTES:
        raise place.refused("lyrics_file", f"{shown(path.name)} has more than {MAX_LYRICS_BYTES:,} bytes: no lyrics.")
    return data


def _file(name: str, field_name: str, place: Place, folder: Path) -> Path:
    path = folder / name
    try:
        # A pipe or a device would be waited for, for ever.
        found = path.is_file()
    except OSError as error:
        raise place.refused(field_name, f"{shown(name)} cannot be read: {error.strerror}.") from None
    if not found:
        hint = "Paths begin at the folder of the list."
        raise place.refused(field_name, f"there is no file {shown(name)}.", hint)
    return path


def _id(fields: Mapping[str, Any], name: str, place: Place) -> str | None:
    value = _text(fields, name, place)
    if value is None:
        return None
    with _told(place, name):
        return check_reference_id(name, value)


def _reference(
    fields: Mapping[str, Any], place: Place, folder: Path, model: Model
) -> tuple[Path | None, Purpose | None]:
    name, said = _text(fields, "reference", place), _text(fields, "purpose", place)
    ids = bool(_text(fields, "refer_voice", place) or _text(fields, "refer_instrumental", place))
    if name and ids:
        raise place.refused("reference", "the row has a reference and ids.", "Leave one of them empty.")
    uploads = model.reference_use is ReferenceUse.IDS
    if name is None:
        if said:
            raise place.refused("purpose", "there is no reference that it could be of.", "Name a file in reference.")
        if uploads and not ids:
            hint = "Name a file in reference, or give refer_voice, refer_instrumental or both."
            raise place.refused("reference", "a track needs a voice, an instrumental or both.", hint)
        return None, None
    if model.reference_use not in {ReferenceUse.IDS, ReferenceUse.URL_OR_CONTENT}:
        raise place.refused("reference", f"{model.id} takes no file as its reference.", "Leave it empty.")
    if uploads:
        return _file(name, "reference", place, folder), _purpose(said, place)
    if said:
        raise place.refused("purpose", f"a reference of {model.id} has none.", "Leave it empty.")
    return _file(name, "reference", place, folder), None


def _purpose(said: str | None, place: Place) -> Purpose:
    if said is None:
        raise place.refused("purpose", "it must say what is in the reference.", "Write song, voice or instrumental.")
    with _told(place, "purpose"):
        return check_purpose(said)


def _model_fields(fields: Mapping[str, Any], place: Place) -> dict[str, Any]:
    values = {name: _model_field(fields, name, place) for name in FIELD_NAMES}
    return {name: value for name, value in values.items() if value is not None}


def _model_field(fields: Mapping[str, Any], name: str, place: Place) -> Any:
    value, known = fields.get(name), find_field(name)
    if not isinstance(value, str) or known is None:
        return value
    if not value.strip():
        return None
    with _told(place, name):
        return parsed_value(value, known)


def _audio_setting(fields: Mapping[str, Any], place: Place, model: Model) -> AudioSetting | None:
    flat: dict[str, Any] = {"format": _text(fields, "format", place)}
    flat |= {name: _number(fields, name, place) for name in _NUMBERS}
    flat = {name: value for name, value in flat.items() if value is not None}
    whole = _object(fields, "audio_setting", place)
    if flat and whole is not None:
        raise place.refused("audio_setting", f"the row has {', '.join(flat)} beside it.", "Write them inside it.")
    with _told(place, "audio_setting" if whole is not None else ", ".join(flat)):
        return check_audio_setting(whole if whole is not None else flat or None, model)


def _number(fields: Mapping[str, Any], name: str, place: Place) -> int | None:
    value, (unit, choices) = fields.get(name), _NUMBERS[name]
    if isinstance(value, str):
        value = value.strip() or None
    if value is None:
        return None
    number = next((choice for choice in choices if str(value) == str(choice)), None)
    if number is None:
        known = ", ".join(map(str, choices))
        raise place.refused(name, f"{shown(value)} is no number it may be.", f"In {unit}: {known}.")
    return number


def _object(fields: Mapping[str, Any], name: str, place: Place) -> Mapping[str, Any] | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, dict):
        raise place.refused(name, f"must be an object, not {shown(value)}.", 'Write {"…": …}.')
    return value


def _extra_body(fields: Mapping[str, Any], place: Place, model: Model) -> Mapping[str, Any]:
    extra = _object(fields, "extra_body", place) or {}
    with _told(place, "extra_body"):
        wire.check_extra_body(model, extra, given=[name for name in FIELD_NAMES if fields.get(name) is not None])
    return extra
