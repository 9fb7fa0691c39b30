"""Lists of jobs: what people's programs write is read, and what cannot be meant is refused by file, line and field."""

import io
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from aiml_music._sansio.errors import InputError
from aiml_music._sansio.models import AudioSetting, Purpose
from aiml_music.batch.joblist import MAX_LYRICS_BYTES, JobRow, read_jobs
from aiml_music.batch.joblist_rows import MAX_LINE_BYTES, csv_rows, jsonl_rows

VOICE = "vocal-2025082518145625-6XW9wCOF"
INSTRUMENTAL = "instrumental-2025082518145625-6XW9wCOF"
SUNG = {"lyrics": "Side by side", "refer_voice": VOICE}


def jobs(folder: Path, content: str | bytes, name: str = "songs.csv") -> list[JobRow]:
    """Return the jobs of a list with this content."""
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_jobs(folder / name))


def job(folder: Path, **fields: object) -> JobRow:
    """Return the job of one line of JSON."""
    (made,) = jobs(folder, json.dumps(SUNG | fields), "songs.jsonl")
    return made


def refusal(folder: Path, content: str | bytes, name: str = "songs.csv") -> str:
    """Return what is said about a list that cannot be used."""
    with pytest.raises(InputError) as caught:
        jobs(folder, content, name)
    return " ".join(filter(None, (caught.value.message, caught.value.hint)))


def refused(folder: Path, **fields: object) -> str:
    return refusal(folder, json.dumps(SUNG | fields), "songs.jsonl")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("begin", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_spreadsheets_write_is_read(tmp_path: Path, delimiter: str, begin: bytes, end: str) -> None:
    """Each usual delimiter, line end and mark of byte order gives the same jobs."""
    rows = [
        ["Label", "lyrics", "refer_voice", "format", "sample_rate", ""],
        ["First, and; foremost", f'"Storms ""may"" come{end}\t; , we stay"', VOICE, "wav", "44100", ""],
        ["", "", "", "", "", ""],
        ["", "##Friends\\n##", VOICE],
    ]
    rows[1][0] = f'"{rows[1][0]}"'
    text = end.join(delimiter.join(cells) for cells in rows) + end
    first, second = jobs(tmp_path, begin + text.encode())
    assert first == JobRow(
        file="songs.csv",
        line=2,
        label="First, and; foremost",
        lyrics='Storms "may" come\n\t; , we stay',
        refer_voice=VOICE,
        audio_setting=AudioSetting(format="wav", sample_rate=44_100),
    )
    assert (second.line, second.label, second.lyrics) == (5, None, "##Friends\\n##")


def test_a_delimiter_is_known_by_the_names_between(tmp_path: Path) -> None:
    """Commas in the words of the first row, or in the names, do not make a list of semicolons one of commas."""
    (made,) = jobs(tmp_path, f"lyrics;refer_voice\none, two, three;{VOICE}\n")
    assert made.lyrics == "one, two, three"


def test_blanks_behind_a_delimiter_are_nobodys(tmp_path: Path) -> None:
    """Lists that people type have blanks behind commas, before quotes too."""
    (made,) = jobs(tmp_path, f'lyrics, refer_voice, label\n"a, b", {VOICE}, "c, d"\n')
    assert (made.lyrics, made.refer_voice, made.label) == ("a, b", VOICE, "c, d")


def test_a_reference_and_lyrics_are_files_beside_the_list(tmp_path: Path) -> None:
    """Paths begin at the folder of the list, wherever the program runs."""
    (tmp_path / "reference.mp3").write_bytes(b"any")
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "1.txt").write_bytes(b"\xef\xbb\xbfSide by side\r\nfriends\r\n")
    text = "lyrics_file,reference,purpose\nwords/1.txt,reference.mp3,song\n"
    (made,) = jobs(tmp_path, text)
    assert (made.lyrics, made.reference, made.purpose) == (
        "Side by side\nfriends",
        tmp_path / "reference.mp3",
        Purpose.SONG,
    )


def test_every_field_of_a_line_of_json_is_read(tmp_path: Path) -> None:
    """Nulls and blank lines are nothing."""
    line = {
        **SUNG,
        "label": " one ",
        "lyrics": " Side by side",
        "refer_instrumental": INSTRUMENTAL,
        "model": "music-01",
        "audio_setting": {"bitrate": 256_000},
        "extra_body": {"seed": 7},
        "reference": None,
        "sample_rate": None,
    }
    (made,) = jobs(tmp_path, f"\n{json.dumps(line)}\n\n", "songs.ndjson")
    assert made == JobRow(
        file="songs.ndjson",
        line=2,
        label="one",
        lyrics=" Side by side",
        refer_voice=VOICE,
        refer_instrumental=INSTRUMENTAL,
        audio_setting=AudioSetting(bitrate=256_000),
        extra_body={"seed": 7},
    )
    assert job(tmp_path, sample_rate=16_000, bitrate="32000").audio_setting == AudioSetting(
        sample_rate=16_000, bitrate=32_000
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the first line must name the columns"),
        (",,\n", "line 1: the first line must name the columns"),
        ("lyrics,,label\n", "line 1: column 2 has no name"),
        ("lyrics,label,Lyrics\n", "line 1, lyrics: the column is there twice"),
        ("lyrics,refer_voise\n", "line 1: 'refer_voise' is unknown. Write 'refer_voice'."),
        ("lyrics,\x1b[31mq\n", "line 1: '[31mq' is unknown. Known: label, lyrics, lyrics_file"),
        ("lyrics,refer_voice\n", "songs.csv holds no job"),
        (f"lyrics,refer_voice\na, b,{VOICE}\n", "line 2: 3 cells, but 2 columns. Put double quotes around a cell"),
        (f'lyrics,refer_voice\na,{VOICE}\n"b\nc,d\n', "line 3: the row that begins here is no CSV: unexpected end"),
        (f'lyrics,refer_voice\n"a"b,{VOICE}\n', "line 2: the row that begins here is no CSV"),
        ("lyrics,refer_voice\ra,b\r", "line 1: the row that begins here is no CSV"),
        ("lyrics,refer_voice\n" + "a" * 150_000 + ",b\n", "line 2: the row that begins here is no CSV"),
        ("l" * 150_000, "line 1: the row that begins here is no CSV"),
        (f"lyrics,refer_voice\n,{VOICE}\n", "line 2, lyrics: The lyrics are empty"),
        (f"lyrics,refer_voice\na\0,{VOICE}\n", "line 2, lyrics: The lyrics hold a control character"),
        ("lyrics,refer_voice\na,\n", "line 2, reference: a track needs a voice, an instrumental or both. Name a file"),
        (f"lyrics,refer_voice\na,{INSTRUMENTAL}\n", "line 2, refer_voice: refer_voice was given an id that belongs"),
        (f"lyrics,refer_voice,sample_rate\na,{VOICE},44.1\n", "line 2, sample_rate: '44.1' is no number it may be. In"),
        (f"lyrics,refer_voice,format\na,{VOICE},ogg\n", "line 2, format: audio_setting: format must be one of 'mp3'"),
    ],
)
def test_a_csv_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """What is wrong, where, and what to write instead."""
    assert said in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1: no JSON at character 2"),
        ("[]", "line 1: no JSON object"),
        ("[" * 100_000, "line 1: no JSON that can be used"),
        ('{"seed": NaN}', "NaN is no number of JSON"),
        ('{"a": 1, "lyrics": 1, "a": 2}', "'a' is there twice"),
        ('{"Refer_Voice": "a"}', "line 1: 'Refer_Voice' is unknown. Write 'refer_voice'."),
        ('{"zzz": "a"}', "'zzz' is unknown. Known: label"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(tmp_path: Path, line: str, said: str) -> None:
    """JSON is taken strictly: of two equal names one would be lost."""
    assert said in refusal(tmp_path, line, "songs.jsonl")


def test_a_field_that_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    """Each by its name, before anything is sent."""
    (tmp_path / "reference.mp3").write_bytes(b"any")
    song = {"refer_voice": None, "reference": "reference.mp3"}
    assert "line 1, label: must be text, not 7" in refused(tmp_path, label=7)
    assert "line 1, label: has more than 200" in refused(tmp_path, label="a" * 201)
    assert "line 1, model: Unknown model 'musik-01'" in refused(tmp_path, model="musik-01")
    assert "line 1, lyrics: the row has lyrics and a lyrics_file" in refused(tmp_path, lyrics_file="a.txt")
    assert "line 1, reference: the row has a reference and ids" in refused(tmp_path, reference="reference.mp3")
    assert "line 1, purpose: there is no reference" in refused(tmp_path, purpose="song")
    assert "line 1, purpose: it must say what" in refused(tmp_path, **song)
    assert "line 1, purpose: purpose must be one of" in refused(tmp_path, **song, purpose="sonng")
    assert "line 1, bitrate: True is no number" in refused(tmp_path, bitrate=True)
    assert "line 1, audio_setting: must be an object, not 'mp3'" in refused(tmp_path, audio_setting="mp3")
    assert "line 1, audio_setting: the row has format" in refused(tmp_path, audio_setting={}, format="mp3")
    assert "line 1, audio_setting: audio_setting takes format" in refused(tmp_path, audio_setting={"rate": 1})
    assert "line 1, extra_body: extra_body repeats model" in refused(tmp_path, extra_body={"model": "x"})
    assert "line 1, extra_body: must be an object, not [1]" in refused(tmp_path, extra_body=[1])


def test_a_file_that_a_row_names_must_be_there_and_be_one(tmp_path: Path) -> None:
    """It is looked at when the list is read, and not when its turn has come."""
    (tmp_path / "latin.txt").write_bytes(b"abc\xe9")
    (tmp_path / "large.txt").write_bytes(b"a" * (MAX_LYRICS_BYTES + 1))
    os.mkfifo(tmp_path / "pipe")

    def words(name: str) -> str:
        return refused(tmp_path, lyrics=None, lyrics_file=name)

    assert "line 1, lyrics_file: there is no file 'pipe'. Paths begin at the folder of the list." in words("pipe")
    assert "line 1, lyrics_file: there is no file" in words("a\0b")
    assert "line 1, lyrics_file: 'latin.txt' is no text in UTF-8 (byte 4)" in words("latin.txt")
    assert "line 1, lyrics_file: 'large.txt' has more than 1,048,576 bytes" in words("large.txt")
    assert "cannot be read: File name too long" in words("a" * 300)
    missing = refused(tmp_path, refer_voice="", reference="no.mp3", purpose="song")
    assert "line 1, reference: there is no file 'no.mp3'" in missing


def test_a_file_that_may_not_be_read_is_refused(own_directory: Path) -> None:
    """Whoever runs the batch learns it before any money is spent."""
    (own_directory / "words.txt").write_text("Side by side")
    (own_directory / "words.txt").chmod(0)
    said = refused(own_directory, lyrics=None, lyrics_file="words.txt")
    assert "line 1, lyrics_file: 'words.txt' cannot be read: Permission denied" in said


def test_other_encodings_and_endless_lines_are_named(tmp_path: Path) -> None:
    """They come from programs, and programs have a setting for it."""
    assert "line 1: the file is in UTF-16. Save it as UTF-8." in refusal(tmp_path, "lyrics".encode("utf-16"))
    assert "line 2: no UTF-8 (byte 4)" in refusal(tmp_path, b"lyrics,refer_voice\nabc\xe9,a\n")
    assert "line 1: the line has more than" in refusal(tmp_path, "a" * (MAX_LINE_BYTES + 1), "songs.jsonl")
    assert "'songs.xlsx' is no list of jobs by its name. Name it .csv" in refusal(tmp_path, "", "songs.xlsx")


def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A missing one, one whose name no system takes, one whose disk fails."""
    with pytest.raises(InputError, match=r"'no\.csv' cannot be read: No such file"):
        next(read_jobs(tmp_path / "no.csv"))
    with pytest.raises(InputError, match="cannot be read: embedded null byte"):
        next(read_jobs(tmp_path / "a\0b.csv"))

    class Broken(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:  # noqa: ARG002 - as files have it
            raise OSError(5, "Input/output error")

    with pytest.raises(InputError, match=r"a\.csv, line 1: the file cannot be read: Input/output error"):
        next(csv_rows(Broken(), "a.csv"))


def test_all_bad_rows_are_learned_at_once(tmp_path: Path) -> None:
    """Whoever mends a list of hundreds does it once."""
    found: list[InputError] = []
    (tmp_path / "songs.csv").write_text(f"lyrics,refer_voice\n,{VOICE}\na,{VOICE}\nb,,,c\nd,{VOICE}\n")
    made = list(read_jobs(tmp_path / "songs.csv", on_bad_row=found.append))
    assert [job.lyrics for job in made] == ["a", "d"]
    assert [error.message.partition(":")[0] for error in found] == ["songs.csv, line 2, lyrics", "songs.csv, line 4"]


def test_a_list_is_read_no_further_than_it_is_asked_for() -> None:
    """One row in, one row out: the size of a list is nobody's memory."""

    class Endless(io.BytesIO):
        lines = 0

        def readline(self, size: int | None = -1, /) -> bytes:  # noqa: ARG002 - as files have it
            self.lines += 1
            return b'{"label": "one"}\n'

    file = Endless()
    rows = jsonl_rows(file, "endless.jsonl")
    assert [next(rows).place.line for _ in range(3)] == [1, 2, 3]
    assert file.lines == 3


def test_a_list_may_have_any_length(tmp_path: Path) -> None:
    """Nothing of the rows before is held; what is wrong with the last one is found."""
    (tmp_path / "songs.jsonl").write_text("0\n" * 20_000 + "{}\n")
    wrong = Counter[str]()

    def note(error: InputError) -> None:
        wrong[error.message.partition(": ")[2]] += 1

    assert list(read_jobs(tmp_path / "songs.jsonl", on_bad_row=note)) == []
    assert list(wrong.values()) == [20_000, 1]


ADDRESS = "https://example.com/a.mp3"
CSV_OF_MODELS = """\
label,model,prompt,lyrics,reference,reference_audio_url,seed,seconds_total,steps,music_length_ms,is_instrumental,format
one,minimax/music-2.0,a slow waltz,la la la la,,,,,,,,wav
two,google/lyria2,rain,,,, 7 ,,,,,
three,stable-audio,rain,,,,,30.0,100,,,
four,elevenlabs/eleven_music,rain,,,,,,,"10000",,
five,minimax/music-2.6,a slow waltz,,,,,,,,TRUE,
six,minimax-music,,la,,https://example.com/a.mp3,,,,,,
seven,minimax/music-cover,a slow waltz,,song.mp3,,,,,,,
eight,somebody/sings,,la,,,,,5,,no,
"""


def test_a_list_may_ask_for_every_model(tmp_path: Path) -> None:
    """A column for each field; its cells are what the field is, and empty ones are not there."""
    (tmp_path / "song.mp3").write_bytes(b"any")
    made = {row.label: row for row in jobs(tmp_path, CSV_OF_MODELS)}
    assert {label: dict(row.fields) for label, row in made.items()} == {
        "one": {"prompt": "a slow waltz"},
        "two": {"prompt": "rain", "seed": 7},
        "three": {"prompt": "rain", "seconds_total": 30, "steps": 100},
        "four": {"prompt": "rain", "music_length_ms": 10_000},
        "five": {"prompt": "a slow waltz", "is_instrumental": True},
        "six": {"reference_audio_url": ADDRESS},
        "seven": {"prompt": "a slow waltz"},
        "eight": {"steps": 5, "is_instrumental": False},
    }
    assert [row.lyrics for row in made.values()] == ["la la la la", None, None, None, None, "la", None, "la"]
    assert made["one"].audio_setting == AudioSetting(format="wav")
    assert (made["seven"].reference, made["seven"].purpose) == (tmp_path / "song.mp3", None)


def test_json_says_the_same(tmp_path: Path) -> None:
    """Numbers and flags as such; also where somebody put them in quotes."""
    line = {"model": "google/lyria2", "prompt": "rain", "seed": 7, "steps": None, "lyrics": None, "refer_voice": None}
    assert job(tmp_path, **line).fields == {"prompt": "rain", "seed": 7}
    assert job(tmp_path, **line | {"seed": "7"}).fields == {"prompt": "rain", "seed": 7}


def test_a_row_that_its_model_does_not_take_is_refused(tmp_path: Path) -> None:
    """By file and line, and by the field where it is one alone."""
    (tmp_path / "a.mp3").write_bytes(b"any")
    lyria = {"model": "google/lyria2", "prompt": "rain", "lyrics": None, "refer_voice": None}
    cover = lyria | {"model": "minimax/music-cover", "prompt": "a slow waltz"}
    for changes, said in (
        ({"lyrics": "la"}, "songs.jsonl, line 1: google/lyria2 takes no lyrics. Models that do: music-01"),
        ({"prompt": None}, "line 1: google/lyria2 needs prompt."),
        ({"seed": "often"}, "line 1, seed: 'often' is no whole number."),
        ({"seed": -1}, "line 1: seed is -1; google/lyria2 takes at least 0."),
        ({"seed": 1.5}, "line 1: seed must be a whole number, not float."),
        ({"is_instrumental": "perhaps"}, "line 1, is_instrumental: 'perhaps' is neither true nor false."),
        ({"format": "wav"}, "line 1, format: google/lyria2 takes no audio_setting; it comes as wav. Leave it out."),
        ({"reference": "a.mp3"}, "line 1, reference: google/lyria2 takes no file as its reference. Leave it empty."),
        ({"refer_voice": VOICE}, "line 1: google/lyria2 takes no refer_voice."),
        ({"purpose": "song"}, "line 1, purpose: there is no reference"),
        ({"promptt": "x"}, "line 1: 'promptt' is unknown. Write 'prompt'."),
    ):
        assert said in refused(tmp_path, **lyria | changes)
    assert "line 1: minimax/music-cover needs reference_audio_url." in refused(tmp_path, **cover)
    covered = cover | {"reference": "a.mp3"}
    assert job(tmp_path, **covered).reference == tmp_path / "a.mp3"
    assert "line 1, purpose: a reference of minimax/music-cover has none." in refused(
        tmp_path, **covered, purpose="song"
    )
    short = lyria | {"model": "minimax/music-2.0", "lyrics": "la", "prompt": "a slow waltz"}
    assert "line 1, lyrics: lyrics has 2 characters; minimax/music-2.0 takes 10 to" in refused(tmp_path, **short)
    nobody = lyria | {"model": "somebody/sings", "seed": [1], "extra_body": {"x": 1}}
    assert job(tmp_path, **nobody).fields == {"prompt": "rain", "seed": [1]}
    assert "line 1, extra_body: extra_body repeats prompt:" in refused(
        tmp_path, **nobody | {"extra_body": {"prompt": 1}}
    )
