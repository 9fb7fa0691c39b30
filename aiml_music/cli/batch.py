"""`aiml-music batch`: make every track of a list, and go on where the last run stood.

Two readings of Ctrl-C: the first lets what is paid for come in, the second ends at once. Neither pays anything twice.
"""

import asyncio
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from attrs import define, frozen
from cyclopts import Parameter
from cyclopts.validators import Number

from aiml_music._sansio.errors import BudgetExceededError, InputError, LedgerError, MusicError
from aiml_music.batch.batch import Batch
from aiml_music.cli.batch_board import BatchBoard
from aiml_music.cli.batch_report import again_of, exit_of, next_command, say_standing, standing_document
from aiml_music.cli.calls import client_of, run, service
from aiml_music.cli.exit_codes import BatchExit
from aiml_music.cli.faults import in_words_of_the_command
from aiml_music.cli.job_list import JobList, job_list_of
from aiml_music.cli.parameters import AsJson, OnScreen, Switch
from aiml_music.cli.screen import Screen
from aiml_music.cli.standing import Standing, standing_of


@define
class _Ending:
    """How a run ended, beside how its jobs stand.

    Attributes:
        stopped: why it sent nothing more by itself.
        interruptions: how often somebody asked it to end.
        unwritten: why receipts or the page could not be written.
    """

    stopped: MusicError | None = None
    interruptions: int = 0
    unwritten: tuple[MusicError, ...] = ()

    def code(self, standing: Standing) -> BatchExit:
        """Return the exit code."""
        code = exit_of(standing)
        if self.interruptions and code is not BatchExit.ALL_DONE:
            return BatchExit.INTERRUPTED
        if self.stopped is None:
            return code
        return BatchExit.BUDGET if isinstance(self.stopped, BudgetExceededError) else BatchExit.BRAKE


@frozen(kw_only=True)
class _Wish:
    """What is to be made, where, and within which bounds."""

    listed: JobList
    directory: Path
    budget: str | None
    concurrency: int | None
    number_copies: bool
    unsafe_fs: bool


def batch(
    jobs: Path,
    /,
    *,
    output: Annotated[Path, Parameter(name=("--output", "-o"))],
    budget: str | None = None,
    concurrency: Annotated[int | None, Parameter(validator=Number(gte=1, lte=1000))] = None,
    number_copies: Switch = False,
    unsafe_fs: Switch = False,
    as_json: AsJson = False,
    screen: OnScreen,
) -> BatchExit:
    """Make every track of a list; the same command again goes on where it stood.

    The columns of a list are label, lyrics or lyrics_file, reference with
    purpose, or refer_voice and refer_instrumental, and format, sample_rate,
    bitrate and model; and prompt, seed and every other field of a model by
    its name. It is checked whole before anything is sent.

    Ctrl-C once: nothing more is sent, and what is under way comes in. Ctrl-C
    twice ends at once.

    Args:
        jobs: The list: a .csv whose first line names the columns, or a .jsonl with one object a line.
        output: The directory for the tracks and their ledger. It is made if it is not there.
        budget: The most that all of this directory may cost, in US dollars, such as 2.50.
        concurrency: Calls under way at once. Left out: as many as the service takes well.
        number_copies: Make a track for each row that asks for the same; otherwise such a list is refused.
        unsafe_fs: Your word that no other process works in the directory, should its file system have no locks.
        as_json: Print one JSON document instead of lines.
        screen: Where to print.
    """
    listed = job_list_of(jobs, number_copies=number_copies, screen=screen)
    wish = _Wish(
        listed=listed,
        directory=output,
        budget=budget,
        concurrency=concurrency,
        number_copies=number_copies,
        unsafe_fs=unsafe_fs,
    )
    ending = _Ending()
    run(lambda: _made(wish, ending, screen))
    options = [] if concurrency is None else ["--concurrency", str(concurrency)]
    options += ["--number-copies"] if number_copies else []
    options += ["--unsafe-fs"] if unsafe_fs else []
    again = again_of(jobs, output, *options)
    return _told(wish, ending, again, as_json=as_json, screen=screen)


async def _made(wish: _Wish, ending: _Ending, screen: Screen) -> None:
    client = client_of(None, max_concurrency=wish.concurrency)
    opened = client.batch(
        wish.directory,
        budget=wish.budget,
        max_concurrency=wish.concurrency,
        number_copies=wish.number_copies,
        unsafe_fs=wish.unsafe_fs,
    )
    async with client, opened:
        spent = (await opened.report()).totals.balance.spent
        board = BatchBoard(screen=screen, jobs=len(wish.listed.keys), spent=spent, under_way=lambda: opened.under_way)
        with board.shown():
            await _run(opened, wish.listed, board, ending, screen)
    ending.unwritten = opened.unwritten


async def _run(opened: Batch, listed: JobList, board: BatchBoard, ending: _Ending, screen: Screen) -> None:
    def interrupted() -> None:
        ending.interruptions += 1
        if ending.interruptions == 1:
            opened.stop()
            screen.tell("Stopping: ", "nothing more is sent; what is under way comes in. Ctrl-C again ends at once.")
        else:
            opened.abort()
            screen.tell("Ending: ", "tracks that are coming in have half a minute; other calls are left in doubt.")

    with _heeding_signals(interrupted):
        try:
            async for outcome in opened.run(listed.jobs()):
                board.take(outcome)
        except InputError:
            # The list is another one than a moment ago, when it was checked; nothing of it was taken.
            raise
        except MusicError as error:
            ending.stopped = error


@contextmanager
def _heeding_signals(act: Callable[[], None]) -> Iterator[None]:
    loop, signals = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, act)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _told(wish: _Wish, ending: _Ending, again: str, *, as_json: bool, screen: Screen) -> BatchExit:
    """Print how it ended, and return the exit code."""
    for error in ending.unwritten:
        screen.tell("Not written: ", f"{error.message} No track is the worse for it.", style="yellow")
    stopped = ending.stopped
    why = None if stopped is None else {"type": type(stopped).__name__, "message": stopped.message}
    if stopped is not None:
        screen.tell("Stopped: ", in_words_of_the_command(" ".join(filter(None, (stopped.message, stopped.hint)))))
    document: dict[str, Any] | None = None
    if isinstance(stopped, LedgerError):
        # It is not asked again: its trouble may be that of a disk.
        code = BatchExit.BRAKE
        screen.tell("Next: ", shlex.join(["aiml-music", "status", str(wish.directory)]))
    else:
        standing = standing_of(wish.directory, wish.listed.keys)
        code, following = ending.code(standing), next_command(standing, again, budget=wish.budget, stopped=stopped)
        document = standing_document(standing, following)
        if not as_json:
            say_standing(standing, following, screen)
    if as_json:
        screen.document({"batch": document, "stopped": why, "exit_code": int(code), "service": service()})
    return code
