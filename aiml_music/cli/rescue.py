"""`aiml-music rescue`: bring home what a run that was killed left on the disk. Sends nothing."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from aiml_music._io.digest import sha256_of
from aiml_music._sansio.batch.job import Plan, planned
from aiml_music._sansio.errors import LedgerCorruptError
from aiml_music.batch.joblist import read_jobs
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.lock import DirectoryLock
from aiml_music.batch.rebuilding import Rebuilt, rebuild
from aiml_music.batch.resume import resume
from aiml_music.cli.batch_report import facts_of
from aiml_music.cli.job_list import job_list_of, job_of
from aiml_music.cli.parameters import AsJson, OnScreen, Switch
from aiml_music.cli.screen import Screen
from aiml_music.cli.standing import check_is_batch, standing_of

_KINDS = {
    "partial": "the beginning of a track",
    "unverified": "a track that was not checked",
    "kept": "a whole track, whose name was taken",
    "ready": "a whole track that has no name yet",
    "part": "what a call that is over wrote last",
}
_SALVAGED = re.compile(r"\.(partial|unverified|kept)(-[0-9]+)?\.(mp3|wav|pcm)$")
_HIDDEN = re.compile(r"^\..*\.(ready|part)$")


def rescue(
    directory: Path,
    /,
    *,
    jobs: Annotated[list[Path] | None, Parameter(negative=(), consume_multiple=False)] = None,
    unsafe_fs: Switch = False,
    as_json: AsJson = False,
    screen: OnScreen,
) -> None:
    """Give whole tracks that a killed run left their names, and list what else came.

    Nothing is sent, and no key is needed. A damaged ledger is kept beside a
    new one, in which every job is done whose track proves itself, and every
    other one is in doubt.

    Args:
        directory: Where the batch is.
        jobs: A list that was carried out here, where jobs cannot be read. May be repeated.
        unsafe_fs: As for `batch`.
        as_json: Print one JSON document instead of lines.
        screen: Where to print.
    """
    check_is_batch(directory)
    rebuilt: Rebuilt | None = None
    with DirectoryLock.take(directory, now=time.time(), unsafe_fs=unsafe_fs):
        try:
            _resumed(directory)
        except LedgerCorruptError:
            rebuilt = rebuild(directory, list(_plans(jobs or [], screen)), now=time.time())
            _resumed(directory)
    found = dict(salvaged_in(directory))
    if as_json:
        files = [{"path": str(path), "kind": kind} for path, kind in found.items()]
        kept = None if rebuilt is None else str(rebuilt.kept)
        screen.document({"salvaged": files, "damaged_ledger": kept})
        return
    if rebuilt is not None:
        screen.say(f"The ledger was damaged, and is kept as {rebuilt.kept}.")
        screen.say("In the new one, what proves itself is done, and what has an id can be collected.")
        screen.say("All else may have been sent, and is in doubt.")
        screen.say()
    screen.facts(str(directory), facts_of(standing_of(directory)))
    screen.say()
    screen.say("Salvaged:" if found else "There is nothing to salvage.", style="bold")
    for path, kind in found.items():
        screen.say(f"  {path}: {_KINDS[kind]}, {path.stat().st_size:,} bytes")


def _resumed(directory: Path) -> None:
    with Ledger.open(directory) as ledger:
        resume(ledger, directory, now=time.time)


def _plans(lists: list[Path], screen: Screen) -> Iterator[Plan]:
    for path in lists:
        # Read once to say all that is wrong with it, and once more for its jobs.
        job_list_of(path, number_copies=True, screen=screen)
        rows = ((job_of(row), None if row.reference is None else sha256_of(row.reference)) for row in read_jobs(path))
        yield from planned(rows, number_copies=True)


def salvaged_in(directory: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files in which something of a track is that has no name of its own, and what each is."""
    for path in sorted(directory.iterdir()):
        named = _SALVAGED.search(path.name) or _HIDDEN.search(path.name)
        if named:
            yield path, named[1]
