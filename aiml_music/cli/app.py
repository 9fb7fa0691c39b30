"""The door: what was typed becomes a command, its errors become lines and an exit code."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from cyclopts import App, CycloptsError

from aiml_music._sansio.secret import KEY_VARIABLES
from aiml_music._sansio.text import clean
from aiml_music._version import __version__
from aiml_music.cli.batch import batch
from aiml_music.cli.demo import demo
from aiml_music.cli.doctor import doctor
from aiml_music.cli.exit_codes import BATCH_MEANINGS, MEANINGS, BatchExit, ExitCode
from aiml_music.cli.faults import CommandError, fault_of
from aiml_music.cli.generate import generate
from aiml_music.cli.models import models
from aiml_music.cli.parameters import Load
from aiml_music.cli.probe import probe
from aiml_music.cli.rescue import rescue
from aiml_music.cli.sandbox import sandbox
from aiml_music.cli.screen import Screen, Streams
from aiml_music.cli.settle import settle
from aiml_music.cli.status import status
from aiml_music.cli.upload import upload

_NAME = "aiml-music"
_ABOUT = """Make music with AI/ML API: never pay twice, never lose a track you paid for.

The key is read from AIML_API_KEY (or AIMLAPI_API_KEY), and the address from
AIML_API_BASE. No key yet? Begin with: aiml-music demo"""
_KEY_OPTION = re.compile(r"--?[\w-]*(key|token|secret|password|bearer|authorization)(=.*)?", re.IGNORECASE | re.DOTALL)


def main(argv: Sequence[str] | None = None, *, streams: Streams | None = None, load: Load = import_module) -> int:
    """Run one command and return its exit code.

    Args:
        argv: what was typed behind the name of the program.
        streams: where to read and print; default: those of the process.
        load: imports the module of a name, for what may not be installed.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    screen = Screen(streams or Streams())
    try:
        return int(_run(words, screen, load) or (ExitCode.UNEXPECTED if screen.out.failed else ExitCode.OK))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, somebody waits for an exit code
        fault = fault_of(error)
    screen.fault(fault)
    if "--json" in words:
        screen.document(fault.document())
    return int(fault.code)


def _run(words: Sequence[str], screen: Screen, load: Load) -> ExitCode | BatchExit | None:
    _refuse_keys(words)
    try:
        command, bound, given = _app(screen).parse_args(list(_spelt_out(words)), print_error=False, exit_on_error=False)
    except CycloptsError as error:
        asked = (_NAME, *(error.command_chain or ()), "--help")
        raise CommandError(_without_key(str(error)), " ".join(asked)) from None
    surroundings: dict[str, Any] = {"screen": screen, "load": load}
    ended: ExitCode | BatchExit | None = command(
        *bound.args, **bound.kwargs, **{name: surroundings[name] for name in given}
    )
    return ended


def _app(screen: Screen) -> App:
    app = App(
        name=_NAME,
        help=_ABOUT,
        help_format="plaintext",
        help_formatter="default" if screen.out.is_terminal else "plain",
        help_epilogue=_table(MEANINGS),
        version=f"{_NAME} {__version__}",
        console=screen.out,
    )
    calls: tuple[Callable[..., Any], ...] = (upload, generate, status, settle, rescue)
    looks: tuple[Callable[..., Any], ...] = (models, doctor, probe, sandbox, demo)
    for command in calls + looks:
        app.command(command)
    app.command(batch, help_epilogue=_table(BATCH_MEANINGS))
    return app


def _table(meanings: Mapping[Any, str]) -> str:
    return "Exit codes:\n\n" + "\n".join(f"{code:5}  {meaning}" for code, meaning in meanings.items())


def _refuse_keys(words: Sequence[str]) -> None:
    """Refuse a key among the words, where every user of the machine can read it in the list of processes."""
    if any(_KEY_OPTION.fullmatch(word) for word in words):
        raise CommandError(
            "A key is never typed into a command: others on this machine can read it, and the shell writes it down.",
            f"Set {KEY_VARIABLES[0]} in the environment, and make a new key if that one was real.",
        )


def _spelt_out(words: Sequence[str]) -> Iterator[str]:
    """Give the lone `-` of tradition the name of the option it stands for."""
    previous = ""
    for word in words:
        yield "--lyrics-file=-" if word == "-" and previous != "--lyrics-file" else word
        previous = word


def _without_key(text: str) -> str:
    """Return a message about what was typed, without the key where that was typed."""
    for name in KEY_VARIABLES:
        text = clean(text, secret=os.environ.get(name))
    return text
