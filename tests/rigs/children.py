"""Processes that carry out a batch, and how they end."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from attrs import frozen

from tests.rigs.child import ENDED, FAILED, Errand


@frozen(kw_only=True)
class Ending:
    """How a process ended.

    Attributes:
        status: its exit code; negative is the signal that killed it.
        words: what it wrote before.
    """

    status: int
    words: str

    @property
    def was_killed(self) -> bool:
        """Say whether a signal ended it."""
        return self.status < 0

    @property
    def is_plain(self) -> bool:
        """Say whether it ended by itself, with nothing but an error of this library."""
        return self.status in {ENDED, FAILED} and "Traceback" not in self.words


@frozen
class Children:
    """Starts one process after the other."""

    _program: subprocess.Popen[str]
    _words: IO[str]

    def run(self, errand: Errand, *, begun: Callable[[int], None] | None = None) -> Ending:
        """Carry out an errand, and return how its process ended.

        Args:
            errand: what it is to do.
            begun: is called with the process id of one that is held, before that goes on.
        """
        place = self._words.seek(0, 2)
        self._send(errand.to_json())
        pid = self._answer("pid")
        if begun is not None:
            begun(pid)
            self._send("")
        status = self._answer("status")
        self._words.seek(place)
        return Ending(status=status, words=self._words.read())

    def _send(self, line: str) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write(f"{line}\n")
        self._program.stdin.flush()

    def _answer(self, word: str) -> int:
        assert self._program.stdout is not None
        return int(json.loads(self._program.stdout.readline())[word])


@contextmanager
def children(directory: Path) -> Iterator[Children]:
    """Start the program that starts processes; what they write goes into a file of a directory."""
    with (
        (directory / "words.txt").open("w+") as words,
        subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.rigs.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
            cwd=Path(__file__).parents[2],
        ) as program,
    ):
        yield Children(program, words)
