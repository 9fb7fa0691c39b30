"""Where audio is kept while it comes, and how it gets its name."""

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from aiml_music._io.publishing import FileSystem
from aiml_music._io.sinks import FileSink, MemorySink, write_file
from aiml_music._sansio.errors import OutputExistsError, StorageError
from aiml_music._sansio.outcome import Money, Outcome, Phase
from tests._io.system import failing, limited, open_files, posix

AUDIO = os.urandom(100_000)


def reserve(target: Path | str, *, overwrite: bool = False, system: FileSystem | None = None) -> FileSink:
    return FileSink.reserve(
        target, expected_bytes=len(AUDIO), token="t0", overwrite=overwrite, system=system or FileSystem()
    )


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    """A name in an empty directory; no descriptor may be open at the end that was not at the start."""
    before = open_files()
    yield tmp_path / "song.mp3"
    assert open_files() == before


def names(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def says_nothing_was_sent(error: StorageError) -> bool:
    return (error.outcome, error.money, error.phase) == (Outcome.NOT_SENT, Money.NO, Phase.PREPARE)


def says_the_track_is_paid(error: StorageError) -> bool:
    return (error.outcome, error.money, error.phase) == (Outcome.COMPLETED, Money.YES, Phase.STORE)


def test_memory_keeps_what_it_is_given() -> None:
    """A sink in memory has every byte, at its place."""
    sink = MemorySink()
    assert (sink.size, sink.content()) == (0, b"")
    for start in range(0, len(AUDIO), 7_000):
        sink.write(AUDIO[start : start + 7_000])
    assert sink.size == len(AUDIO)
    assert sink.read_at(6_990, 20) == AUDIO[6_990:7_010]
    assert sink.read_at(len(AUDIO) - 5, 100) == AUDIO[-5:]
    assert sink.read_at(len(AUDIO) + 5, 100) == b""
    assert sink.content() == AUDIO


def test_memory_gives_its_bytes_away_without_a_copy() -> None:
    """Asked twice, a sink in memory answers with the same object."""
    sink = MemorySink()
    sink.write(AUDIO)
    assert sink.content() is sink.content()


def test_a_published_file_has_what_was_written_and_nothing_lies_beside_it(target: Path) -> None:
    """The room reserved beyond the track is given back, and the part file is gone."""
    sink = reserve(target)
    sink.write(AUDIO[:60_000])
    sink.write(AUDIO[60_000:99_000])
    assert sink.size == 99_000
    assert sink.publish() == target
    assert target.read_bytes() == AUDIO[:99_000]
    assert names(target) == ["song.mp3"]


def test_more_than_was_expected_can_be_written(target: Path) -> None:
    """What was expected is a guess and no limit."""
    sink = reserve(target)
    sink.write(AUDIO + AUDIO)
    sink.publish()
    assert target.read_bytes() == AUDIO + AUDIO


def test_no_final_name_before_the_track_is_whole(target: Path) -> None:
    """While it is written a track is a hidden file that only its owner may read."""
    sink = reserve(str(target))
    sink.write(AUDIO)
    assert names(target) == [".song.mp3.t0.part"]
    assert sink.part == target.with_name(".song.mp3.t0.part")
    if os.name == "posix":
        assert stat.S_IMODE(sink.part.stat().st_mode) == 0o600
    sink.discard()
    assert names(target) == []


def test_a_relative_target_stays_where_it_was_meant(target: Path) -> None:
    """A change of the working directory between reserving and publishing moves nothing."""
    with chdir(target.parent):
        sink = reserve("song.mp3")
    sink.write(AUDIO)
    assert sink.publish() == target


def test_bytes_can_be_read_while_more_are_written(target: Path) -> None:
    """Reading back moves nothing of what is written next, and ends where the track does."""
    sink = reserve(target)
    sink.write(AUDIO[:50_000])
    assert sink.read_at(10, 20) == AUDIO[10:30]
    sink.write(AUDIO[50_000:90_000])
    assert sink.read_at(89_990, 1_000) == AUDIO[89_990:90_000]
    assert sink.read_at(95_000, 1_000) == b""
    sink.publish()
    assert target.read_bytes() == AUDIO[:90_000]


def test_a_short_write_is_carried_on(target: Path) -> None:
    """A disk that takes one byte at a time gets all of them."""
    sink = reserve(target, system=FileSystem(write=lambda descriptor, data: os.write(descriptor, data[:1])))
    sink.write(AUDIO[:500])
    sink.write(AUDIO[500:1_000])
    sink.publish()
    assert target.read_bytes() == AUDIO[:1_000]


@posix
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_gets_the_mode_of_any_new_file(target: Path, umask: int) -> None:
    """The umask decides, as it does for `open`."""
    before = os.umask(umask)
    try:
        sink = reserve(target)
        sink.write(AUDIO)
        sink.publish()
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~umask


@posix
def test_a_file_that_is_replaced_keeps_its_mode(target: Path) -> None:
    """Overwriting a private file leaves it private."""
    target.write_bytes(b"old")
    target.chmod(0o600)
    sink = reserve(target, overwrite=True)
    sink.write(AUDIO)
    sink.publish()
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (AUDIO, 0o600)


@pytest.mark.parametrize("chmod", [None, failing(errno.EPERM)])
def test_a_file_system_without_modes_will_do(target: Path, chmod: Callable[[int, int], None] | None) -> None:
    """FAT refuses modes, Windows has none; both keep a track."""
    sink = reserve(target, system=FileSystem(chmod=chmod))
    sink.write(AUDIO)
    sink.publish()
    assert target.read_bytes() == AUDIO


def test_a_target_that_exists_is_refused_before_money(target: Path) -> None:
    """The file stays as it is, and the error is a FileExistsError too."""
    target.write_bytes(b"old")
    with pytest.raises(OutputExistsError, match="overwrite=True") as caught:
        reserve(target)
    assert isinstance(caught.value, FileExistsError)
    assert (caught.value.errno, caught.value.filename) == (errno.EEXIST, str(target))
    assert says_nothing_was_sent(caught.value)
    assert (names(target), target.read_bytes()) == (["song.mp3"], b"old")


@posix
def test_a_link_to_nowhere_is_a_target_that_exists(target: Path) -> None:
    """A planted link is not followed."""
    target.symlink_to(target.with_name("elsewhere"))
    with pytest.raises(OutputExistsError):
        reserve(target)
    assert names(target) == ["song.mp3"]


@posix
def test_overwriting_a_link_replaces_the_link(target: Path) -> None:
    """What a link points to is never written to."""
    victim = target.with_name("victim")
    victim.write_bytes(b"precious")
    for place in (victim, target.with_name("nowhere")):
        target.unlink(missing_ok=True)
        target.symlink_to(place)
        sink = reserve(target, overwrite=True)
        sink.write(AUDIO)
        sink.publish()
        assert not target.is_symlink()
        assert target.read_bytes() == AUDIO
    assert victim.read_bytes() == b"precious"


@posix
def test_a_device_is_never_replaced(target: Path) -> None:
    """Overwriting a pipe, or /dev/null, would put a file in its place."""
    os.mkfifo(target)
    with pytest.raises(StorageError, match="not a regular file") as caught:
        reserve(target, overwrite=True)
    assert says_nothing_was_sent(caught.value)
    assert stat.S_ISFIFO(target.stat().st_mode)


def place_without_directory(target: Path) -> Path:
    return target.parent / "missing" / "song.mp3"


def place_below_a_file(target: Path) -> Path:
    (target.parent / "file").write_bytes(b"")
    return target.parent / "file" / "song.mp3"


def place_with_a_nul(target: Path) -> Path:
    return target.with_name("so\0ng.mp3")


def place_with_a_long_name(target: Path) -> Path:
    return target.with_name("é" * 200 + ".mp3")


def place_that_is_a_directory(target: Path) -> Path:
    return target.parent


def place_at_the_root(target: Path) -> Path:
    return Path(target.anchor)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("place", "number"),
    [
        (place_without_directory, errno.ENOENT),
        pytest.param(place_below_a_file, errno.ENOTDIR, marks=posix),
        (place_with_a_nul, errno.EINVAL),
        pytest.param(place_with_a_long_name, errno.ENAMETOOLONG, marks=posix),
        (place_that_is_a_directory, errno.EISDIR),
        (place_at_the_root, errno.EISDIR),
    ],
)
def test_a_place_where_nothing_can_be_is_refused_before_money(
    target: Path, place: Callable[[Path], Path], number: int, *, overwrite: bool
) -> None:
    """The error names the place and the reason, says what to do, and nothing was sent."""
    impossible = place(target)
    with pytest.raises(StorageError) as caught:
        reserve(impossible, overwrite=overwrite)
    assert (caught.value.errno, caught.value.filename) == (number, str(impossible))
    assert not isinstance(caught.value, OutputExistsError)
    assert says_nothing_was_sent(caught.value)
    assert (caught.value.hint is None) == (number == errno.EINVAL)


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_may_not_be_written_to_is_refused_before_money(target: Path) -> None:
    """Permission is asked for by making the part file, not by looking."""
    target.parent.chmod(0o500)
    with pytest.raises(StorageError) as caught:
        reserve(target)
    target.parent.chmod(0o700)
    assert caught.value.errno == errno.EACCES
    assert says_nothing_was_sent(caught.value)


@posix
def test_no_descriptor_left_is_found_out_before_money(target: Path) -> None:
    """The part file needs one, so a process that has none left pays for nothing."""
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    with limited("RLIMIT_NOFILE", lowest_free), pytest.raises(StorageError, match="ulimit") as caught:
        reserve(target)
    assert caught.value.errno == errno.EMFILE
    assert says_nothing_was_sent(caught.value)


@posix
def test_room_that_is_not_there_is_found_out_before_money(target: Path) -> None:
    """A limit on the size of files makes the reservation fail, and no part file stays."""
    with limited("RLIMIT_FSIZE", 1_000), pytest.raises(StorageError) as caught:
        reserve(target)
    assert caught.value.errno == errno.EFBIG
    assert says_nothing_was_sent(caught.value)
    assert names(target) == []


def test_a_full_disk_is_found_out_before_money(target: Path) -> None:
    """No part file stays, and the hint says to make room."""
    with pytest.raises(StorageError, match="Make room") as caught:
        reserve(target, system=FileSystem(fallocate=failing(errno.ENOSPC)))
    assert caught.value.errno == errno.ENOSPC
    assert says_nothing_was_sent(caught.value)
    assert names(target) == []


def test_two_calls_never_share_a_part_file(target: Path) -> None:
    """A part file of another process is not touched, and the call refused before money."""
    first = reserve(target)
    part = first.part
    first.discard()
    part.write_bytes(AUDIO)
    with pytest.raises(StorageError, match=r"\.part is in its way") as caught:
        reserve(target)
    assert not isinstance(caught.value, OutputExistsError)
    assert says_nothing_was_sent(caught.value)
    assert part.read_bytes() == AUDIO


def test_two_sinks_never_share_a_target(target: Path) -> None:
    """One process makes a file once at a time; the name is free again when that has ended."""
    first = reserve(target)
    with pytest.raises(OutputExistsError, match="another call of this process") as caught:
        reserve(target)
    assert says_nothing_was_sent(caught.value)
    first.discard()
    reserve(target).discard()


@posix
def test_a_planted_part_link_is_not_followed(target: Path) -> None:
    """A link in the part file's place leads nobody astray."""
    victim = target.with_name("victim")
    victim.write_bytes(b"precious")
    target.with_name(".song.mp3.t0.part").symlink_to(victim)
    with pytest.raises(StorageError):
        reserve(target)
    assert victim.read_bytes() == b"precious"


def test_a_late_racer_is_not_overwritten(target: Path) -> None:
    """A file that appears meanwhile stays; the paid track stays too, and the error says where."""
    sink = reserve(target)
    sink.write(AUDIO)
    target.write_bytes(b"theirs")
    with pytest.raises(OutputExistsError) as caught:
        sink.publish()
    assert says_the_track_is_paid(caught.value)
    assert target.read_bytes() == b"theirs"
    sink.discard()
    kept = target.with_name("song.kept.mp3")
    assert caught.value.salvage == kept
    assert kept.read_bytes() == AUDIO
    assert names(target) == sorted([target.name, kept.name])


def test_overwriting_replaces_a_file_at_the_end_and_not_before(target: Path) -> None:
    """The old file is whole until the new one is."""
    target.write_bytes(b"old")
    sink = reserve(target, overwrite=True)
    sink.write(AUDIO)
    assert target.read_bytes() == b"old"
    sink.publish()
    assert target.read_bytes() == AUDIO
    assert names(target) == ["song.mp3"]


@posix
def test_a_write_past_the_end_of_the_disk_leaves_what_was_taken_readable(target: Path) -> None:
    """After a write that failed half-way the sink has what it had before, for memory to take over."""
    sink = FileSink.reserve(target, expected_bytes=0, token="t0")
    sink.write(AUDIO[:60_000])
    with limited("RLIMIT_FSIZE", 70_000), pytest.raises(OSError, match="File too large") as caught:
        sink.write(AUDIO[60_000:])
    assert caught.value.errno == errno.EFBIG
    assert sink.part.stat().st_size == 70_000
    assert sink.size == 60_000
    memory = sink.to_memory()
    sink.discard()
    memory.write(AUDIO[60_000:])
    assert memory.content() == AUDIO
    assert names(target) == []


def test_memory_takes_over_a_track_of_megabytes(target: Path) -> None:
    """Every piece arrives, also the last short one."""
    track = AUDIO * 25
    sink = reserve(target)
    sink.write(track)
    assert sink.to_memory().content() == track
    sink.discard()


def test_a_failed_sync_leaves_the_bytes_to_be_taken_over(target: Path) -> None:
    """The same file is never synced again: no name is given, and memory can have the bytes."""
    sink = reserve(target, system=FileSystem(fsync=failing(errno.EIO)))
    sink.write(AUDIO)
    with pytest.raises(StorageError) as caught:
        sink.publish()
    assert (caught.value.errno, caught.value.salvage) == (errno.EIO, None)
    assert says_the_track_is_paid(caught.value)
    assert sink.to_memory().content() == AUDIO
    sink.discard()
    assert names(target) == []


def test_a_file_that_cannot_be_named_is_kept(target: Path) -> None:
    """Where neither link nor rename works, the part file is what is left, and the error says so."""
    system = FileSystem(link=failing(errno.EPERM), replace=failing(errno.EACCES))
    sink = reserve(target, system=system)
    sink.write(AUDIO)
    with pytest.raises(StorageError) as caught:
        sink.publish()
    assert caught.value.salvage == sink.part
    assert says_the_track_is_paid(caught.value)
    assert names(target) == [sink.part.name]
    assert sink.part.read_bytes() == AUDIO


def test_a_directory_that_cannot_be_synced_is_told(target: Path) -> None:
    """The track has its name, but the name may not survive a loss of power."""

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    sink = reserve(target, system=FileSystem(fsync=fsync))
    sink.write(AUDIO)
    with pytest.raises(StorageError) as caught:
        sink.publish()
    assert caught.value.salvage == target
    assert target.read_bytes() == AUDIO


@posix
def test_the_track_outlives_its_directory(target: Path) -> None:
    """Where somebody removed the part file, the open descriptor still has the paid bytes."""
    sink = reserve(target)
    sink.write(AUDIO)
    sink.part.unlink()
    with pytest.raises(StorageError) as caught:
        sink.publish()
    assert (caught.value.errno, caught.value.salvage) == (errno.ENOENT, None)
    assert sink.salvage("unverified") is None
    assert sink.to_memory().content() == AUDIO
    sink.discard()


@pytest.mark.parametrize("kind", ["partial", "unverified"])
def test_what_is_salvaged_says_what_it_is(target: Path, kind: str) -> None:
    """What came of a track is kept beside the target, numbered where that name is taken."""
    for name in (f"song.{kind}.mp3", f"song.{kind}-2.mp3", f"song.{kind}-3.mp3"):
        sink = reserve(target)
        sink.write(AUDIO[:1_000])
        kept = sink.salvage("partial" if kind == "partial" else "unverified")
        assert kept == target.with_name(name)
        assert kept.read_bytes() == AUDIO[:1_000]
        sink.discard()
    assert names(target) == sorted([f"song.{kind}.mp3", f"song.{kind}-2.mp3", f"song.{kind}-3.mp3"])


def test_nothing_written_leaves_nothing(target: Path) -> None:
    """An empty part file is not worth keeping."""
    sink = reserve(target)
    assert sink.salvage("partial") is None
    assert names(target) == []


def test_a_published_track_cannot_be_salvaged_or_discarded(target: Path) -> None:
    """Once a track has its name, nothing a cleanup does can take it away."""
    sink = reserve(target)
    sink.write(AUDIO)
    sink.publish()
    assert sink.salvage("partial") is None
    sink.discard()
    assert names(target) == ["song.mp3"]


def test_what_cannot_be_named_is_salvaged_where_it_is(target: Path) -> None:
    """With no way to give a name, and no way to sync, the part file itself is kept."""
    refuse = failing(errno.EACCES)
    sink = reserve(target, system=FileSystem(fsync=failing(errno.EIO), link=refuse, replace=refuse))
    sink.write(AUDIO)
    assert sink.salvage("partial") == sink.part
    sink.discard()
    assert sink.part.read_bytes() == AUDIO


def test_a_directory_that_cannot_be_synced_loses_no_salvage(target: Path) -> None:
    """Half a track is kept as well as can be."""
    sink = reserve(target, system=FileSystem(fsync=failing(errno.EIO)))
    sink.write(AUDIO)
    assert sink.salvage("unverified") == target.with_name("song.unverified.mp3")


def test_discarding_what_is_gone_is_no_error(target: Path) -> None:
    """Cleaning up never fails, also twice, and when somebody else was faster."""
    sink = reserve(target)
    sink.part.unlink()
    sink.discard()
    sink.discard()
    assert names(target) == []


def test_a_discard_waits_for_a_publication_under_way(target: Path) -> None:
    """Whoever stops waiting for `publish` and discards cannot take the track away."""
    syncing = threading.Event()
    go_on = threading.Event()

    def fsync(descriptor: int) -> None:
        syncing.set()
        assert go_on.wait(10)
        os.fsync(descriptor)

    sink = reserve(target, system=FileSystem(fsync=fsync))
    sink.write(AUDIO)
    publishing = threading.Thread(target=sink.publish)
    publishing.start()
    assert syncing.wait(10)
    discarding = threading.Thread(target=sink.discard)
    discarding.start()
    # Without a lock it would be over by now.
    discarding.join(0.05)
    go_on.set()
    publishing.join(10)
    discarding.join(10)
    assert target.read_bytes() == AUDIO


def test_content_is_written_whole(target: Path) -> None:
    """Bytes become a file, synced and named, with nothing beside it."""
    track = AUDIO * 25
    assert write_file(track, target, overwrite=False) == target
    assert target.read_bytes() == track
    assert names(target) == ["song.mp3"]


def test_a_file_is_copied_whole(target: Path) -> None:
    """A copy has the bytes of the file, which stays."""
    track = AUDIO * 25
    write_file(track, target, overwrite=False)
    copy = write_file(target, target.with_name("copy.mp3"), overwrite=False)
    assert copy.read_bytes() == target.read_bytes() == track
    assert names(target) == ["copy.mp3", "song.mp3"]


def test_a_second_copy_overwrites_only_when_asked(target: Path) -> None:
    """Without `overwrite` the first file stays, with it the second one replaces it; also itself."""
    write_file(b"first", target, overwrite=False)
    with pytest.raises(OutputExistsError) as caught:
        write_file(b"second", target, overwrite=False)
    assert says_the_track_is_paid(caught.value)
    assert target.read_bytes() == b"first"
    write_file(b"second", target, overwrite=True)
    write_file(target, target, overwrite=True)
    assert target.read_bytes() == b"second"
    assert names(target) == ["song.mp3"]


def test_a_copy_of_nothing_names_what_is_missing(target: Path) -> None:
    """Where the file to copy is gone, the error names that file."""
    gone = target.with_name("gone.mp3")
    with pytest.raises(StorageError) as caught:
        write_file(gone, target, overwrite=False)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(gone))
    assert names(target) == []


@posix
def test_a_copy_that_finds_no_room_leaves_nothing(target: Path) -> None:
    """Where there is no room for a copy, the error says that the track itself is paid and there."""
    with limited("RLIMIT_FSIZE", len(AUDIO)), pytest.raises(StorageError) as caught:
        write_file(AUDIO * 25, target, overwrite=False)
    assert caught.value.errno == errno.EFBIG
    assert says_the_track_is_paid(caught.value)
    assert names(target) == []


@pytest.mark.parametrize(
    "system",
    [FileSystem(write=failing(errno.EIO)), FileSystem(link=failing(errno.EPERM), replace=failing(errno.EIO))],
    ids=["write", "name"],
)
def test_a_copy_that_fails_leaves_nothing(target: Path, system: FileSystem) -> None:
    """The track is still where it was, so half a copy, or a nameless one, is no salvage."""
    with pytest.raises(StorageError) as caught:
        write_file(AUDIO, target, overwrite=False, system=system)
    assert (caught.value.errno, caught.value.salvage) == (errno.EIO, None)
    assert says_the_track_is_paid(caught.value)
    assert names(target) == []


def test_a_whole_track_is_rescued_under_its_name(target: Path) -> None:
    """Whoever cannot wait any more publishes at once, and learns where the track is as often as he asks."""
    sink = reserve(target)
    sink.write(AUDIO)
    assert sink.rescue(None) == target
    assert sink.rescue(None) == target
    assert target.read_bytes() == AUDIO
    assert names(target) == [target.name]


def test_a_rescue_that_cannot_publish_keeps_the_track_beside(target: Path) -> None:
    """A name that was taken meanwhile stays taken; the track is where the rescue says."""
    sink = reserve(target)
    sink.write(AUDIO)
    target.write_bytes(b"theirs")
    kept = sink.rescue(None)
    assert kept == target.with_name("song.kept.mp3")
    assert kept.read_bytes() == AUDIO
    assert target.read_bytes() == b"theirs"


def test_a_rescue_of_nothing_leaves_nothing(target: Path) -> None:
    """Where nothing came, there is nothing to keep."""
    assert reserve(target).rescue("partial") is None
    assert names(target) == []
