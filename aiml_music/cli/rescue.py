"""`aiml-music rescue`: bring home what a run that was killed left on the disk. Sends nothing."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

from aiml_music.batch.ledger import Ledger
from aiml_music.batch.lock import DirectoryLock
from aiml_music.batch.resume import resume
from aiml_music.cli.batch_report import facts_of
from aiml_music.cli.parameters import AsJson, OnScreen
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
    as_json: AsJson = False,
    screen: OnScreen,
) -> None:
    """Give whole tracks that a killed run left their names, and list what else came.

    Nothing is sent, and no key is needed.

    Args:
        directory: Where the batch is.
        as_json: Print one JSON document instead of lines.
        screen: Where to print.
    """
    check_is_batch(directory)
    with DirectoryLock.take(directory, now=time.time()), Ledger.open(directory) as ledger:
        resume(ledger, directory, now=time.time)
    found = dict(salvaged_in(directory))
    if as_json:
        files = [{"path": str(path), "kind": kind} for path, kind in found.items()]
        screen.document({"salvaged": files})
        return
    screen.facts(str(directory), facts_of(standing_of(directory)))
    screen.say()
    screen.say("Salvaged:" if found else "There is nothing to salvage.", style="bold")
    for path, kind in found.items():
        screen.say(f"  {path}: {_KINDS[kind]}, {path.stat().st_size:,} bytes")


def salvaged_in(directory: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files in which something of a track is that has no name of its own, and what each is."""
    for path in sorted(directory.iterdir()):
        named = _SALVAGED.search(path.name) or _HIDDEN.search(path.name)
        if named:
            yield path, named[1]
