"""`aiml-music status`: how a batch stands, also while another process works on it. Reads, and sends nothing."""

import shlex
from pathlib import Path

from aiml_music.cli.batch_report import next_command, say_standing, standing_document
from aiml_music.cli.parameters import AsJson, OnScreen
from aiml_music.cli.standing import standing_of


def status(
    directory: Path,
    /,
    *,
    as_json: AsJson = False,
    screen: OnScreen,
) -> None:
    """Say how a batch stands, also while it runs.

    Nothing is sent or changed, and no key is needed. The exit code is 0 for
    every batch that can be read, however its jobs stand.

    Args:
        directory: Where the batch is.
        as_json: Print one JSON document instead of lines.
        screen: Where to print.
    """
    standing = standing_of(directory)
    following = next_command(standing, f"aiml-music batch JOBS -o {shlex.quote(str(directory))}")
    if as_json:
        screen.document({"batch": standing_document(standing, following)})
    else:
        say_standing(standing, following, screen)
