"""What a killed process left of a track: found again by its names, and brought to its end.

Everything here blocks, sends nothing, and can itself be killed at any point and be done again.
"""

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from attrs import frozen

from aiml_music._io.digest import sha256_of
from aiml_music._io.publishing import FileSystem, hidden, place, place_beside, sync_directory, told
from aiml_music._sansio.errors import Circumstances, StorageError
from aiml_music._sansio.outcome import Outcome, Phase, money_of

_PIECE_BYTES = 1024 * 1024
# No frame of MP3 is this long, and none is without other bytes: so many zeros at an end are reserved room.
_ROOM_BYTES = 4096


@frozen(kw_only=True)
class Leftovers:
    """The hidden files of one attempt, as far as they are there.

    Attributes:
        part: may hold a beginning, a whole track that nobody has checked, or nothing but reserved room.
        ready: a track that is whole, checked and synced.
    """

    part: Path | None
    ready: Path | None


def leftovers(directory: Path, name: str, attempt: str) -> Leftovers:
    """Return what an attempt left.

    Args:
        directory: where its track was to go.
        name: the file name its track was to have.
        attempt: the token its hidden files were named after.
    """
    part, ready = (_regular(hidden(directory / name, attempt, stage)) for stage in ("part", "ready"))
    return Leftovers(part=part, ready=ready)


def promote(ready: Path, target: Path, *, sha256: str, system: FileSystem = FileSystem()) -> None:  # noqa: B008 - a frozen value
    """Give a track that is ready its name, unless it has it already, and remove its hidden one.

    Args:
        ready: the hidden file; it may be gone, where the target is there.
        target: the file to make; nothing is overwritten.
        sha256: of the track, as it was recorded.
        system: the operating system's calls.

    Raises:
        OutputExistsError: something else has the name; the track stays where it is, the error's `salvage`.
        StorageError: neither file holds the track, or the disk failed; `salvage` is what there is.
    """
    found = _regular(ready)
    with told(target, _kept_in(found, Outcome.COMPLETED)):
        if not _holds(target, sha256):
            if found is None or sha256_of(found) != sha256:
                missing = f"Neither {ready} nor {target} holds the track that was received."
                raise StorageError(missing, **_kept_in(found, Outcome.COMPLETED))
            place(found, target, overwrite=False, system=system)
    with told(target, _kept_in(target, Outcome.COMPLETED)):
        sync_directory(target.parent, system)
    with suppress(OSError):
        system.unlink(ready)


def discard(part: Path, *, system: FileSystem = FileSystem()) -> bool:  # noqa: B008 - as above
    """Remove a part file in which nothing came, and say whether it was such a one.

    Raises:
        StorageError: it cannot be read.
    """
    with told(part, _kept_in(part, Outcome.UNKNOWN)), io.FileIO(part) as file:
        empty = _audio_bytes(file) == 0
    if empty:
        with suppress(OSError):
            system.unlink(part)
    return empty


def salvage(
    part: Path,
    target: Path,
    kind: Literal["partial", "unverified"] = "partial",
    *,
    system: FileSystem = FileSystem(),  # noqa: B008 - as above
) -> Path | None:
    """Keep what came into a part file beside the target, as `song.partial.mp3`, numbered where that is taken.

    Returns:
        The file; None where nothing had come, and the part file is gone.

    Raises:
        StorageError: the disk failed; `salvage` is the file that has what came.
    """
    if discard(part, system=system):
        return None
    with told(part, _kept_in(part, Outcome.UNKNOWN)):
        with io.FileIO(part, "r+") as file:
            file.truncate(_audio_bytes(file))
            system.fsync(file.fileno())
        kept = place_beside(part, target, kind, system=system)
    with told(kept, _kept_in(kept, Outcome.UNKNOWN)):
        sync_directory(kept.parent, system)
    with suppress(OSError):
        system.unlink(part)
    return kept


def _regular(path: Path) -> Path | None:
    # No link is followed: whoever planted it would choose what is published.
    return path if path.is_file() and not path.is_symlink() else None


def _holds(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256


def _kept_in(path: Path | None, outcome: Outcome) -> Circumstances:
    known: Circumstances = {"outcome": outcome, "money": money_of(outcome), "phase": Phase.STORE, "salvage": path}
    return known if path is None else {**known, "hint": f"What there is of the track is in {path}."}


def _audio_bytes(file: io.FileIO) -> int:
    """Return where the audio in a part file ends; behind it is nothing but reserved room."""
    size = end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - _PIECE_BYTES)
        file.seek(start)
        audio = file.read(end - start).rstrip(b"\0")
        end = start + len(audio)
        if audio:
            break
    return end if end == 0 or size - end >= _ROOM_BYTES else size
