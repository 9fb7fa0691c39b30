"""Save a track that was paid for and is nowhere but in memory."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aiml_music._io.sinks import write_file
from aiml_music._sansio.errors import MusicError, OutputExistsError, StorageError


@contextmanager
def salvaging(output: Path) -> Iterator[None]:
    """Save what an error that passes has of a track, beside the file it was meant for or else in a temporary place."""
    try:
        yield
    except MusicError as error:
        if isinstance(error.salvage, bytes):
            places = (output.parent, Path(tempfile.gettempdir()))
            error.salvage = save_bytes(error.salvage, output, places) or error.salvage
        raise


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
