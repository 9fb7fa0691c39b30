"""Where words go: results to standard output, everything else to standard error, fit for terminals and pipes alike.

On a terminal there is colour, and a spinner while something runs; into a pipe go the same lines, plain and never
wrapped. Whatever somebody else named, a file or a message, is shown with its control characters spelt out, and nothing
in it is read as markup.
"""

import errno
import json
import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import IO, Any, NoReturn, TextIO

from attrs import define, field, frozen
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.text import Text

from aiml_music.cli.faults import Fault

_SPELT_OUT = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_GAP = "  "


def visible(text: str) -> str:
    """Return text on one line, with the characters that could steer a terminal spelt out as escapes."""
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in _SPELT_OUT else character
        for character in text
    )


def aligned(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Return rows as lines whose columns begin below each other.

    Args:
        rows: cells, as many in each row.
        right: the columns whose cells end below each other instead.
    """
    widths = [max(map(_cells, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        padded = []
        for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
            blanks = " " * (width - _cells(cell))
            padded.append(blanks + cell if number in right else cell + blanks)
        lines.append(_GAP.join(padded).rstrip())
    return lines


def _cells(text: str) -> int:
    return Text(text).cell_len


class _Closed(StringIO):
    """Stands for a descriptor that was closed before the process began; Python has None there."""

    def write(self, _text: str, /) -> NoReturn:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


@frozen(kw_only=True)
class Streams:
    """The three streams of a process."""

    stdin: TextIO = field(factory=lambda: sys.stdin)
    stdout: TextIO = field(factory=lambda: sys.stdout or _Closed())
    stderr: TextIO = field(factory=lambda: sys.stderr)


class _Console(Console):
    """A console that falls silent when its reader has gone, and where else it cannot write, speaks through another.

    Attributes:
        failed: whether it could not write, although nobody had gone.
    """

    failed: bool = False

    def __init__(self, stream: IO[str], spare: Console | None = None) -> None:
        super().__init__(file=stream, markup=False, highlight=False, emoji=False, soft_wrap=True)
        self._spare = spare

    def print(self, *objects: Any, **options: Any) -> None:
        try:
            super().print(*objects, **options)
        except BrokenPipeError:
            self._fall_silent()
        except OSError as error:
            self._fall_silent()
            self.failed = True
            if self._spare is not None:
                reason = f"The result could not be written: {error.strerror or error}."
                self._spare.print(Text.assemble(("Error: ", "bold red"), reason))
        if self.failed and self._spare is not None:
            self._spare.print(*objects, **options)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError

    def _fall_silent(self) -> None:
        self.quiet = True
        # What is still in the stream's buffer would fail once more when Python flushes it at the end.
        with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), self.file.fileno())


class Screen:
    """Standard output and standard error, as the commands see them.

    A reader who goes away early does not change what a command does, nor its exit code: the track is paid for. A result
    that cannot be written where it belongs is printed to standard error instead: it names what was paid for.
    """

    def __init__(self, streams: Streams) -> None:
        self.stdin: TextIO = streams.stdin
        self.err: Console = _console_on(streams.stderr)
        self.out: _Console = _console_on(streams.stdout, spare=self.err)

    def say(self, text: str = "", *, style: str = "") -> None:
        """Print a line of the result."""
        self.out.print(Text(visible(text), style=style))

    def note(self, text: str, *, style: str = "") -> None:
        """Print a line about the way to it."""
        self.err.print(Text(visible(text), style=style))

    def tell(self, head: str, sentence: str, *, style: str = "bold") -> None:
        """Print a sentence about the way to the result, behind a word that says what it is."""
        # A person reads whole words, whatever the width; a program reads whole lines.
        self.err.print(Text.assemble((head, style), visible(sentence)), soft_wrap=not self.err.is_terminal)

    def facts(self, title: str, facts: Mapping[str, str]) -> None:
        """Print a result as a title and named facts below it."""
        self.say(title, style="bold")
        for line in _listed(facts):
            self.say(line)

    def document(self, document: Mapping[str, Any]) -> None:
        """Print the one JSON document of a command."""
        # ASCII, so that no encoding of a pipe can spoil it, nor a name that is no valid text.
        self.out.print(Text(json.dumps(document, indent=2)))

    def fault(self, fault: Fault) -> None:
        """Print what went wrong, what became of the money, and what to type next."""
        self.tell("Error: ", fault.message, style="bold red")
        if fault.happened:
            self.tell("", fault.happened)
        if fault.saved:
            self.note(f"Saved: what came of the track is in {fault.saved}")
        if fault.hint:
            self.tell("Next: ", fault.hint)
        for line in _listed(fault.ids):
            self.note(line)
        for line in fault.trace.splitlines():
            self.note(line, style="dim")

    @contextmanager
    def step(self, label: str) -> Iterator["Step"]:
        """Show the one thing that runs meanwhile."""
        with self.board() as board, board.step(label) as step:
            yield step

    @contextmanager
    def board(self) -> Iterator["Board"]:
        """Show what runs meanwhile: a spinner each on a terminal, plain lines elsewhere."""
        with ExitStack() as shown:
            live = None
            if self.err.is_terminal and not self.err.is_dumb_terminal:
                live = shown.enter_context(_progress(self.err))
            yield Board(self, live)


@define
class Step:
    """Something that runs; `outcome` is what to say once it has ended well."""

    outcome: str = "done"


class Board:
    """The steps under way, of which there may be several at once."""

    def __init__(self, screen: Screen, live: Progress | None) -> None:
        self._screen = screen
        self._live = live

    @contextmanager
    def step(self, label: str) -> Iterator[Step]:
        """Show that something runs, until the block ends, and then how it ended."""
        step, ended = Step(), "failed"
        end = self._begin_line(label) if self._live is None else _begin_row(self._live, visible(label))
        try:
            yield step
            ended = step.outcome
        finally:
            end(ended)

    def _begin_line(self, label: str) -> Callable[[str], None]:
        began = time.monotonic()
        self._screen.note(f"{label} ...")

        def end(ended: str) -> None:
            self._screen.note(f"{label}: {ended} ({time.monotonic() - began:.1f} s)")

        return end


def _begin_row(live: Progress, label: str) -> Callable[[str], None]:
    row = live.add_task(label, total=1, outcome="")

    def end(ended: str) -> None:
        live.update(row, completed=1, outcome=visible(ended))
        live.stop_task(row)

    return end


def _console_on(stream: IO[str], spare: Console | None = None) -> _Console:
    # A pipe may have an encoding that lacks a character of a file's name; that is no reason to end.
    with suppress(AttributeError):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]  # where it is not, nothing is encoded
    return _Console(stream, spare)


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn("line"),
        TextColumn("{task.elapsed:5.1f} s", markup=False),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[outcome]}", style="green", markup=False),
        console=console,
    )


def _listed(facts: Mapping[str, str]) -> list[str]:
    return aligned([("", name, visible(value)) for name, value in facts.items()])
