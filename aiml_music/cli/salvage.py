"""Save a track that was paid for and is nowhere but in memory."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from aiml_music._io.sinks import write_file
from aiml_music._sansio.errors import OutputExistsError, StorageError


def save_bytes(content: bytes, name: Path, directories: Iterable[Path]) -> Path | None:
    """Write bytes into the first directory that takes them, under a name that says what they are.

    Args:
        content: what came of the track.
        name: the file it was meant for; its directory does not matter.
        directories: where to try, in this order.

    Returns:
        The file; None where no directory took it.
    """
    for directory in directories:
        with suppress(StorageError):
            return _write(content, directory / name.name)
    return None


def _write(content: bytes, target: Path) -> Path:
    mark, number = ".salvaged", 1
    while True:
        path = target.with_name(f"{target.stem}{mark}{target.suffix}").absolute()
        try:
            return write_file(content, path, False)  # noqa: FBT003 - its signature
        except OutputExistsError:
            number += 1
            mark = f".salvaged-{number}"
