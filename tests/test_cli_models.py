"""`generate --model …`: the fields of every model, as they are typed and as they are sent."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from aiml_music.cli.faults import CommandError
from aiml_music.cli.job_list import job_list_of
from aiml_music.cli.model_fields import fields_of
from aiml_music.cli.screen import Screen, Streams
from tests.answers import answer, envelope
from tests.loopback import loopback
from tests.test_cli import CANARY, Ended, clear_environment, ended, reference_file

ADDRESS = "https://example.com/a.mp3"
PLAIN: dict[str, tuple[str, ...]] = {
    "music-01": ("--lyrics", "la", "--voice", "vocal-2026010100000000-abcdefgh"),
    "minimax-music": ("--lyrics", "la", "--field", f"reference_audio_url={ADDRESS}"),
    "minimax/music-2.0": ("--lyrics", "la la la la", "--prompt", "a slow waltz"),
    "minimax/music-2.6": ("--prompt", "a slow waltz", "--field", "is_instrumental=yes"),
    "google/lyria2": ("--prompt", "rain", "--field", "seed=7", "--field", "negative-prompt=thunder"),
    "stable-audio": ("--prompt", "rain", "--field=seconds_total=30"),
    "somebody/sings": ("--prompt", "rain", "--field", "tempo=120", "--field", "mood=sad", "--field", "odd=[1]"),
}
REFUSED = answer(envelope(400, "no"), status="400 Bad Request")
SENT: dict[str, dict[str, Any]] = {
    "music-01": {"lyrics": "la", "refer_voice": "vocal-2026010100000000-abcdefgh"},
    "minimax-music": {"prompt": "la", "reference_audio_url": ADDRESS},
    "minimax/music-2.0": {"prompt": "a slow waltz", "lyrics": "la la la la"},
    "minimax/music-2.6": {"prompt": "a slow waltz", "is_instrumental": True},
    "google/lyria2": {"prompt": "rain", "seed": 7, "negative_prompt": "thunder"},
    "stable-audio": {"prompt": "rain", "seconds_total": 30},
    "somebody/sings": {"prompt": "rain", "tempo": 120, "mood": "sad", "odd": "[1]"},
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_environment(monkeypatch)
    monkeypatch.setenv("AIML_API_KEY", CANARY)
    # Where a command is refused before anything is sent, nobody is asked.
    monkeypatch.setenv("AIML_API_BASE", "http://127.0.0.1:9")


def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[Ended, Any]:
    """Type a command to a service that refuses everything, and return what it was asked for."""
    with loopback([REFUSED]) as server:
        monkeypatch.setenv("AIML_API_BASE", server.url)
        made = ended("generate", *words, "-o", str(tmp_path / "song"))
    return made, server.requests[0].json()


@pytest.mark.parametrize("model", PLAIN)
def test_every_field_can_be_typed(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words for what all have, `--field` for the rest; a number is a number, and true is true."""
    made, sent = asked(tmp_path, monkeypatch, "--model", model, *PLAIN[model])
    assert made.code == 3
    assert sent == {"model": model} | SENT[model]
    assert ("is no model this library knows" in made.err) is (model == "somebody/sings")
    assert "Warning" not in made.err


def test_a_file_goes_into_the_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the one model that takes it so, without an upload."""
    words = ("--model", "minimax/music-cover", "--prompt", "a slow waltz")
    made, sent = asked(tmp_path, monkeypatch, *words, "--reference-audio", str(reference_file(tmp_path)))
    assert made.code == 3
    assert sent["reference_audio_url"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "musik-01", "--lyrics", "la"), "Did you mean 'music-01'?"),
        (("--model", "google/lyria2"), "google/lyria2 needs prompt."),
        (("--model", "google/lyria2", "--prompt", "rain", "--lyrics", "la"), "google/lyria2 takes no lyrics."),
        (("--model", "google/lyria2", "--prompt", "rain", "--voice", "v"), "google/lyria2 takes no --voice."),
        (("--model", "google/lyria2", "--prompt", "rain", "--format", "wav"), "takes no audio_setting"),
        (("--model", "google/lyria2", "--prompt", "rain", "--field", "steps=1"), "google/lyria2 takes no steps."),
        (("--model", "google/lyria2", "--prompt", "rain", "--field", "sed=1"), "Did you mean 'seed'?"),
        (
            ("--model", "google/lyria2", "--prompt", "rain", "--field", "seed=x"),
            "--field seed: 'x' is no whole number.",
        ),
        (("--model", "google/lyria2", "--reference", "a", "--purpose", "song"), "takes no uploaded reference."),
        (("--model", "minimax/music-cover", "--reference", "a"), "Use --reference-audio."),
        (
            ("--model", "minimax/music-cover", "--prompt", "a slow waltz"),
            "A file of yours goes into --reference-audio.",
        ),
        (("--model", "google/lyria2", "--prompt", "rain", "--field", "zzz=1"), 'Next: The guide "Which model?" lists'),
        (("--model", "minimax-music", "--lyrics", "la"), "minimax-music needs reference_audio_url."),
        (("--model", "minimax-music"), "There are no lyrics."),
        (("--voice", "vocal-1", "--lyrics", "la", "--prompt", "rain"), "music-01 takes no prompt."),
        (("--voice", "vocal-1", "--lyrics", "la", "--reference-audio", "a"), "music-01 takes no reference_audio."),
    ],
)
def test_what_a_model_does_not_take_is_told_plainly(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """Before anything is sent, and before the file is made."""
    made = ended("generate", *words, "-o", str(tmp_path / "song"))
    assert (made.code, said in made.err) == (2, True), made.err
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_named_after_what_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that makes WAV takes a name that says so, and no other; nobody asks it for a format."""
    lyria = ("generate", "--model", "google/lyria2", "--prompt", "rain", "-o")
    wrong = ended(*lyria, str(tmp_path / "rain.mp3"))
    assert wrong.code == 2
    assert "the audio of google/lyria2 is wav" in wrong.err
    with loopback([REFUSED]) as server:
        monkeypatch.setenv("AIML_API_BASE", server.url)
        ended(*lyria, str(tmp_path / "rain.wav"))
    assert server.requests[0].json() == {"model": "google/lyria2", "prompt": "rain"}


@pytest.mark.parametrize(
    ("prompt", "typed", "complaint"),
    [
        (None, ["seed"], "--field takes NAME=VALUE, not 'seed'."),
        (None, ["=7"], "--field takes NAME=VALUE, not '=7'."),
        (None, ["seed=1", "seed=2"], "--field seed is given twice."),
        ("rain", ["prompt=x"], "--field prompt has an option of its own."),
        (None, ["lyrics=x"], "--field lyrics has an option of its own."),
    ],
)
def test_a_field_is_typed_once_and_one_way(prompt: str | None, typed: list[str], complaint: str) -> None:
    """What could mean two things is refused."""
    with pytest.raises(CommandError) as caught:
        fields_of(prompt, typed)
    assert str(caught.value).startswith(complaint)


def test_a_value_may_hold_anything() -> None:
    """Everything behind the first equals sign, and blanks where the field is a text."""
    assert fields_of(None, [" negative-prompt = a=b "]) == {"negative_prompt": " a=b "}
    assert fields_of(None, ["unknown=" + "[" * 10_000]) == {"unknown": "[" * 10_000}
    assert fields_of(None, ["a=true", "b=1.5", "c=null", "d="]) == {"a": True, "b": 1.5, "c": "null", "d": ""}


def test_a_list_of_models_nobody_knows_says_so_once(tmp_path: Path) -> None:
    """The list itself can be used."""
    row = {"model": "somebody/sings", "prompt": "rain"}
    path = tmp_path / "jobs.jsonl"
    path.write_text("\n".join(json.dumps(row | {"label": label}) for label in "ab"), encoding="utf-8")
    err = io.StringIO()
    listed = job_list_of(
        path, number_copies=False, screen=Screen(Streams(stdin=io.StringIO(), stdout=io.StringIO(), stderr=err))
    )
    assert [(job.label, job.prompt, dict(job.fields)) for job in listed.jobs()] == [
        ("a", "rain", {}),
        ("b", "rain", {}),
    ]
    assert err.getvalue().count("somebody/sings is no model this library knows") == 1
