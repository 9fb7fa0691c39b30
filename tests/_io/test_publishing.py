"""How a finished file gets its name, and what stands in for what a platform lacks."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aiml_music._io.publishing import (
    FileSystem,
    fitted,
    make_directory,
    place,
    reserve_bytes,
    storage_error,
    sync_directory,
)
from tests._io.system import failing, open_files, posix

AUDIO = b"ID3" * 1_000


NO_LINKS = FileSystem(link=failing(errno.EPERM))


@pytest.fixture
def part(tmp_path: Path) -> Path:
    path = tmp_path / ".song.mp3.part"
    path.write_bytes(AUDIO)
    return path


@pytest.mark.parametrize("beginning", ["song", "s" * 300, "é" * 300, "x" + "🎵" * 100, ""])
def test_a_name_always_fits(beginning: str) -> None:
    """A name too long loses the end of its beginning, never half a character, and has at most 255 bytes."""
    name = fitted(beginning, ".partial.mp3")
    assert name.endswith(".partial.mp3")
    assert beginning.startswith(name.removesuffix(".partial.mp3"))
    assert 255 - 3 <= len(name.encode()) <= 255 or name == beginning + ".partial.mp3"


def test_an_end_too_long_keeps_no_beginning() -> None:
    """Where the end alone is too long, the operating system is left to say so."""
    assert fitted("song", "." + "x" * 300) == "." + "x" * 300


@pytest.mark.parametrize("system", [FileSystem(), NO_LINKS])
def test_a_name_that_is_free_is_taken(part: Path, system: FileSystem) -> None:
    """The file appears under its name, whole, with hard links and without."""
    target = part.with_name("song.mp3")
    place(part, target, overwrite=False, system=system)
    assert target.read_bytes() == AUDIO


@pytest.mark.parametrize("system", [FileSystem(), NO_LINKS])
def test_a_name_that_is_taken_is_left_alone(part: Path, system: FileSystem) -> None:
    """Nothing is overwritten unasked, with hard links and without."""
    target = part.with_name("song.mp3")
    target.write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        place(part, target, overwrite=False, system=system)
    assert (target.read_bytes(), part.read_bytes()) == (b"theirs", AUDIO)


def test_a_link_whose_answer_was_lost_counts_as_made(part: Path) -> None:
    """A network file system may refuse the repeat of a link it has made: the name is ours, then."""

    def link(source: Path, name: Path) -> None:
        os.link(source, name)
        os.link(source, name)

    target = part.with_name("song.mp3")
    place(part, target, overwrite=False, system=FileSystem(link=link))
    assert target.read_bytes() == AUDIO


def test_without_links_a_failed_rename_leaves_no_empty_file(part: Path) -> None:
    """The empty file that holds the name goes when the track cannot take its place."""
    target = part.with_name("song.mp3")
    system = FileSystem(link=failing(errno.EPERM), replace=failing(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        place(part, target, overwrite=False, system=system)
    assert not target.exists()
    assert part.read_bytes() == AUDIO


@pytest.mark.parametrize("system", [FileSystem(), NO_LINKS])
def test_a_name_is_replaced_when_asked(part: Path, system: FileSystem) -> None:
    """Overwriting needs no hard links."""
    target = part.with_name("song.mp3")
    target.write_bytes(b"old")
    place(part, target, overwrite=True, system=system)
    assert target.read_bytes() == AUDIO


@pytest.mark.parametrize("fallocate", [None, failing(errno.EOPNOTSUPP), failing(errno.EINVAL), failing(errno.ENOSYS)])
def test_a_disk_that_cannot_reserve_must_have_twice_the_room(
    part: Path, fallocate: Callable[[int, int, int], None] | None
) -> None:
    """What is merely free may be taken by somebody else meanwhile."""
    with part.open("rb+", buffering=0) as file:
        reserve_bytes(file, 1_000, part.parent, FileSystem(fallocate=fallocate, free_bytes=lambda _: 2_000))
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as caught:
            reserve_bytes(file, 1_000, part.parent, FileSystem(fallocate=fallocate, free_bytes=lambda _: 1_999))
    assert caught.value.errno == errno.ENOSPC


def test_the_room_of_a_real_disk_is_asked_for(part: Path) -> None:
    """No disk has an exabyte free, and every one a byte."""
    system = FileSystem(fallocate=None)
    with part.open("rb+", buffering=0) as file:
        reserve_bytes(file, 1, part.parent, system)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            reserve_bytes(file, 10**18, part.parent, system)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this platform cannot reserve")
def test_reserved_room_is_really_taken(tmp_path: Path) -> None:
    """The file has its blocks before the first byte is written."""
    with (tmp_path / "part").open("xb+", buffering=0) as file:
        reserve_bytes(file, 1_000_000, tmp_path, FileSystem(free_bytes=lambda _: 0))
        assert os.fstat(file.fileno()).st_blocks * 512 >= 1_000_000


@posix
def test_a_directory_is_synced(tmp_path: Path) -> None:
    """The directory itself is what gets synced, and no descriptor stays."""
    synced: list[bool] = []
    before = open_files()
    here = tmp_path.stat()
    sync_directory(
        tmp_path, FileSystem(fsync=lambda descriptor: synced.append(os.path.samestat(here, os.fstat(descriptor))))
    )
    assert synced == [True]
    assert open_files() == before


def test_a_directory_that_cannot_be_opened_is_let_be(tmp_path: Path) -> None:
    """Some platforms open no directories; they are none the worse for it."""
    sync_directory(tmp_path / "missing", FileSystem(fsync=failing(errno.EIO)))


@posix
def test_a_file_system_that_syncs_no_directories_is_let_be(tmp_path: Path) -> None:
    """EINVAL says that it cannot be done here; EIO, that it failed."""
    sync_directory(tmp_path, FileSystem(fsync=failing(errno.EINVAL)))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        sync_directory(tmp_path, FileSystem(fsync=failing(errno.EIO)))


def test_a_name_cannot_steer_a_terminal(tmp_path: Path) -> None:
    """An error shows a name with its control characters escaped."""
    error = storage_error(tmp_path / "\x1b[2Jsong.mp3", OSError(errno.EROFS, "Read-only file system"))
    assert "\x1b" not in str(error)
    assert "Read-only file system" in str(error)


@posix
def test_a_directory_is_made_to_stay(tmp_path: Path) -> None:
    """A new name is durable when the directory it is in was synced: that of each new one, and of one that is there."""
    synced: list[int] = []
    system = FileSystem(fsync=lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    for expected in [{"", "new", "new/deep"}, {"new/deep"}]:
        make_directory(tmp_path / "new" / "deep" / "songs", system=system)
        assert (tmp_path / "new" / "deep" / "songs").is_dir()
        assert set(synced) == {(tmp_path / name).stat().st_ino for name in expected}
        synced.clear()


@posix
def test_a_directory_that_may_not_stay_is_not_trusted(tmp_path: Path) -> None:
    """The disk says that it could not keep its name."""
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        make_directory(tmp_path / "songs", system=FileSystem(fsync=failing(errno.EIO)))
