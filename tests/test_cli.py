"""The command as a whole: what it says about itself, its errors and its exit codes; and how its tests call it."""

import io
import json
import os
import runpy
import sys
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

import aiml_music.__main__ as entry
from aiml_music import __version__
from aiml_music.cli.app import main
from aiml_music.cli.exit_codes import MEANINGS
from aiml_music.cli.screen import Streams
from aiml_music.sandbox import RunningSandbox, Settings, running

CANARY = "sandbox-canary-4f1d9a77"
COMMANDS = ("upload", "generate", "status", "settle", "rescue", "probe", "sandbox", "demo")
SPEAKING_VARIABLES = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS")
SERVICE_VARIABLES = ("AIML_API_KEY", "AIMLAPI_API_KEY", "AIML_API_BASE", "AIMLAPI_API_BASE")


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@frozen
class Ended:
    """A command that has ended: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


def ended(
    *words: str,
    stdin: bytes = b"",
    load: Callable[[str], Any] = import_module,
    on: Callable[[], io.StringIO] = io.StringIO,
) -> Ended:
    """Run a command in this process, to its end."""
    out, err = on(), on()
    code = main(words, streams=Streams(stdin=io.TextIOWrapper(io.BytesIO(stdin)), stdout=out, stderr=err), load=load)
    return Ended(code, out.getvalue(), err.getvalue())


def clear_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what the environment of the test run says about terminals and keys."""
    for name in SPEAKING_VARIABLES + SERVICE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@contextmanager
def sandboxed(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Iterator[RunningSandbox]:
    """Run a sandbox that the environment points to, with a key that must be seen nowhere."""
    with running(Settings(**{"latency": 0, "longest_track": 0.5, **settings})) as server:
        monkeypatch.setenv("AIML_API_BASE", server.base_url)
        monkeypatch.setenv("AIML_API_KEY", CANARY)
        yield server


def reference_file(directory: Path, name: str = "reference.wav", seconds: int = 11) -> Path:
    """Make a WAV that the service takes as a reference."""
    path = directory / name
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(b"\x80" * 8000 * seconds)
    return path


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_environment(monkeypatch)


@pytest.mark.parametrize("words", [(), ("--help",), *((command, "--help") for command in COMMANDS)])
def test_every_help_names_every_exit_code(words: tuple[str, ...]) -> None:
    """Whoever asks for help also reads what the exit codes mean."""
    helped = ended(*words)
    assert (helped.code, helped.err) == (0, "")
    for code, meaning in MEANINGS.items():
        assert f"{int(code)}  {meaning}" in helped.out


def test_help_names_every_command() -> None:
    """The first help lists all there is to type."""
    out = ended("--help").out
    assert all(f"  {command}: " in out for command in COMMANDS)


def test_help_of_a_command_says_what_its_options_are_for() -> None:
    """No option is without a word about it, and what is not typed is not shown."""
    for command in COMMANDS:
        out = ended(command, "--help").out
        options = [line for line in out.splitlines() if line.startswith("  --")]
        assert options
        assert all(len(line.partition(": ")[2]) > 5 for line in options)
        assert "SCREEN" not in out.upper()
        assert "--load" not in out


def test_help_has_boxes_on_a_terminal_only() -> None:
    """A pipe gets no drawings."""
    assert "╭" in ended("--help", on=Terminal).out
    assert "╭" not in ended("--help").out


def test_version_names_the_program() -> None:
    """The version is one line."""
    assert ended("--version") == Ended(0, f"aiml-music {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "said", "next_words"),
    [
        (("sing",), 'Unknown command "sing"', "aiml-music --help"),
        (("upload",), "requires an argument", "aiml-music upload --help"),
        (("upload", "x.mp3", "--purpose", "speech"), '"speech"', "aiml-music upload --help"),
        (("generate", "-o", "x.mp3", "--volume", "11"), "--volume", "aiml-music generate --help"),
    ],
)
def test_a_wrong_command_is_told_in_two_lines(words: tuple[str, ...], said: str, next_words: str) -> None:
    """What cannot be read is an error of two lines and exit code 2, without boxes or tracebacks."""
    told = ended(*words)
    first, second = told.err.splitlines()
    assert (told.code, told.out) == (2, "")
    assert first.startswith("Error: ")
    assert said in first
    assert second == f"Next: {next_words}"


@pytest.mark.parametrize(
    "words",
    [
        ("upload", "x.mp3", f"--api-key={CANARY}"),
        ("upload", "x.mp3", "--api-key", CANARY),
        ("--key", CANARY, "demo"),
        ("generate", f"--API_KEY={CANARY}"),
        ("generate", f"--bearer-token={CANARY}"),
    ],
)
def test_a_key_among_the_words_is_refused(words: tuple[str, ...]) -> None:
    """No option takes a key, and the refusal says why without repeating it."""
    told = ended(*words)
    assert told.code == 2
    assert "others on this machine can read it" in told.err
    assert "AIML_API_KEY" in told.err
    assert CANARY not in told.out + told.err


def test_a_key_typed_as_something_else_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Complaints about what was typed leave the key of the environment out."""
    monkeypatch.setenv("AIMLAPI_API_KEY", CANARY)
    told = ended("upload", "x.mp3", CANARY, "--purpose", "song")
    assert told.code == 2
    assert "***" in told.err
    assert CANARY not in told.out + told.err


def test_errors_are_one_json_document_as_well() -> None:
    """With --json, standard output holds the error, and standard error the lines for people."""
    told = ended("upload", "x.mp3", "--purpose", "song", "--json")
    assert told.code == 2
    assert told.document == {
        "error": {
            "type": "ConfigError",
            "exit_code": 2,
            "message": "No API key.",
            "what_happened": "No complete request was sent; no money was spent.",
            "hint": "Set AIML_API_KEY (or AIMLAPI_API_KEY).",
            "salvage": None,
            "outcome": "not_sent",
            "money": "no",
            "phase": "input",
            "operation": None,
            "attempts": 0,
            "elapsed": 0.0,
            "client_request_id": None,
            "generation_id": None,
            "inference_id": None,
            "trace_id": None,
            "credits_used": None,
            "usd_spent": None,
        }
    }
    assert told.err.splitlines() == [
        "Error: No API key.",
        "No complete request was sent; no money was spent.",
        "Next: Set AIML_API_KEY (or AIMLAPI_API_KEY).",
    ]


def test_a_fault_of_the_program_is_exit_code_1_and_a_trace() -> None:
    """Only what nobody expected shows where it happened."""

    def broken(_name: str) -> Any:
        raise RuntimeError("the \x1b[31m roof")

    told = ended("demo", load=broken)
    assert told.code == 1
    assert "Error: Unexpected RuntimeError: the \\x1b[31m roof" in told.err
    assert "in broken" in told.err
    assert "\x1b" not in told.err


def test_an_interruption_outside_any_call_is_exit_code_130() -> None:
    """Ctrl-C before anything was begun says no more than that."""

    def interrupted(_name: str) -> Any:
        raise KeyboardInterrupt

    assert ended("demo", load=interrupted) == Ended(130, "", "Error: Interrupted.\n")


def test_the_entry_hands_over(capsys: pytest.CaptureFixture[str]) -> None:
    """What is installed as `aiml-music` runs the command on the streams of the process."""
    assert entry.main(["--version"]) == 0
    assert capsys.readouterr().out == f"aiml-music {__version__}\n"


def test_the_entry_says_how_to_install_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    """Without the extra there is one line and exit code 2."""

    def without(_name: str) -> Any:
        raise ModuleNotFoundError("No module named 'cyclopts'", name="cyclopts")

    assert entry.main(["--version"], load=without) == 2
    assert capsys.readouterr() == ("", "aiml-music needs cyclopts; in its checkout: pip install '.[cli]'\n")


def test_the_entry_can_be_interrupted_while_it_loads(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C during the first tenth of a second shows no traceback either."""

    def interrupted(_name: str) -> Any:
        raise KeyboardInterrupt

    assert entry.main([], load=interrupted) == 130
    assert capsys.readouterr() == ("", "")


def test_the_package_can_be_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m aiml_music` is the same command."""
    monkeypatch.setattr(sys, "argv", ["aiml_music", "--version"])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(os.fspath(entry.__file__), run_name="__main__")
    assert left.value.code == 0
    assert capsys.readouterr().out == f"aiml-music {__version__}\n"


@pytest.mark.parametrize("command", [("demo",), ("sandbox",), ("sandbox", "--list-scenarios")])
def test_commands_that_need_the_sandbox_say_how_to_install_it(command: tuple[str, ...]) -> None:
    """Without the extra there are two lines and exit code 2."""

    def without(_name: str) -> Any:
        raise ModuleNotFoundError("No module named 'starlette'", name="starlette")

    assert ended(*command, load=without) == Ended(
        2, "", "Error: The sandbox needs starlette.\nNext: In the checkout: pip install '.[cli,sandbox]'\n"
    )
