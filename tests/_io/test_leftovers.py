"""A track that waits for its name under a hidden one, and what a kill at any point leaves of it."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from aiml_music._io.digest import sha256_of
from aiml_music._io.leftovers import Leftovers, discard, leftovers, promote, salvage
from aiml_music._io.publishing import FileSystem
from aiml_music._io.sinks import FileSink
from aiml_music._sansio.errors import OutputExistsError, StorageError
from aiml_music._sansio.outcome import Money, Outcome, Phase
from tests._io.system import failing, posix

AUDIO = os.urandom(3_000_000)
SHA256 = hashlib.sha256(AUDIO).hexdigest()
PART, READY = ".song.mp3.a1.part", ".song.mp3.a1.ready"


class KilledError(BaseException):
    """The process ends here; nothing of ours is run any more."""


class Machine:
    """The operating system's calls, counted, and ending at one of them: before it is made, or just after."""

    def __init__(self, last: int = -1, *, after: bool = False) -> None:
        self.made: list[str] = []
        self._last = last
        self._after = after

    @property
    def system(self) -> FileSystem:
        """Return the calls that are counted."""
        calls: dict[str, Any] = {"fsync": os.fsync, "link": os.link, "replace": os.replace, "unlink": os.unlink}
        return FileSystem(**{name: self._counted(name, call) for name, call in calls.items()})

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def made(*arguments: Any) -> Any:
            self.made.append(name)
            is_last = len(self.made) - 1 == self._last
            if is_last and not self._after:
                raise KilledError
            result = call(*arguments)
            if is_last:
                raise KilledError
            return result

        return made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "song.mp3"


def names(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()}


def reserved(target: Path, system: FileSystem = FileSystem()) -> FileSink:  # noqa: B008 - a frozen value
    sink = FileSink.reserve(target, expected_bytes=len(AUDIO) + 10_000, token="a1", system=system)
    sink.write(AUDIO)
    return sink


def made_ready(target: Path) -> Path:
    sink = reserved(target)
    ready = sink.make_ready()
    sink.discard()
    return ready.path


def test_a_digest_is_that_of_the_whole_file(target: Path) -> None:
    """Of megabytes as of nothing."""
    target.write_bytes(AUDIO)
    assert sha256_of(target) == SHA256
    target.write_bytes(b"")
    assert sha256_of(target) == hashlib.sha256().hexdigest()


def test_a_track_gets_its_name_step_by_step(target: Path) -> None:
    """Each step is synced before it ends, and the hidden name goes last."""
    machine = Machine()
    sink = reserved(target, machine.system)
    ready = sink.make_ready()
    assert (ready.path, ready.sha256, sink.size) == (target.with_name(READY), SHA256, len(AUDIO))
    assert names(target) == {READY}
    assert machine.made == ["fsync", "replace", "fsync"]
    assert sink.publish_ready() == target
    assert machine.made[3:] == ["link", "fsync"]
    assert names(target) == {READY, "song.mp3"}
    sink.forget_ready()
    assert machine.made[5:] == ["unlink"]
    assert names(target) == {"song.mp3"}
    assert target.read_bytes() == AUDIO


def through(sink: FileSink) -> None:
    """Make a track ready, publish it and tidy up."""
    sink.make_ready()
    sink.publish_ready()
    sink.forget_ready()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("last", range(6))
def test_a_kill_at_any_step_loses_no_track(last: int, target: Path, *, after: bool) -> None:
    """Whatever a process had come to, its hidden files have their own names, and the track is whole in one of them."""
    sink = reserved(target, Machine(last, after=after).system)
    with pytest.raises(KilledError):
        through(sink)
    left = leftovers(target.parent, "song.mp3", "a1")
    if left.part is not None:
        assert (left.ready, target.exists()) == (None, False)
        assert salvage(left.part, target) == target.with_name("song.partial.mp3")
        assert target.with_name("song.partial.mp3").read_bytes() == AUDIO
        assert names(target) == {"song.partial.mp3"}
    else:
        promote(target.with_name(READY), target, sha256=SHA256)
        assert target.read_bytes() == AUDIO
        assert names(target) == {"song.mp3"}
    # This process lives, and lets go of its descriptor.
    sink.discard()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("last", range(3))
def test_a_promotion_that_is_killed_can_be_done_again(last: int, target: Path, *, after: bool) -> None:
    """At whichever of its steps: the second time ends where the first one would have."""
    ready = made_ready(target)
    machine = Machine(last, after=after)
    with pytest.raises(KilledError):
        promote(ready, target, sha256=SHA256, system=machine.system)
    assert len(machine.made) == last + 1
    for _ in range(2):
        promote(ready, target, sha256=SHA256)
        assert target.read_bytes() == AUDIO
        assert names(target) == {"song.mp3"}


def test_a_track_that_has_its_name_already_is_left_there(target: Path) -> None:
    """A file with the recorded digest is the track, however it came there; the hidden one is removed."""
    ready = made_ready(target)
    target.write_bytes(AUDIO)
    promote(ready, target, sha256=SHA256)
    assert names(target) == {"song.mp3"}


def test_a_name_that_is_somebody_elses_is_not_taken(target: Path) -> None:
    """What stands there stays, and the error leads to the track."""
    ready = made_ready(target)
    target.write_bytes(b"theirs")
    with pytest.raises(OutputExistsError) as caught:
        promote(ready, target, sha256=SHA256)
    assert (caught.value.outcome, caught.value.money) == (Outcome.COMPLETED, Money.YES)
    assert caught.value.phase is Phase.STORE
    assert caught.value.salvage == ready
    assert str(ready) in str(caught.value)
    assert (target.read_bytes(), ready.read_bytes()) == (b"theirs", AUDIO)


@pytest.mark.parametrize("there", [True, False])
def test_another_file_is_not_taken_for_the_track(target: Path, *, there: bool) -> None:
    """What has not the recorded digest gets no name; where nothing is left, that is said."""
    ready = made_ready(target)
    if there:
        ready.write_bytes(AUDIO[:-1])
    else:
        ready.unlink()
    with pytest.raises(StorageError, match="holds the track that was received") as caught:
        promote(ready, target, sha256=SHA256)
    assert caught.value.salvage == (ready if there else None)
    assert not target.exists()


def test_a_directory_that_cannot_be_synced_is_told_of(target: Path) -> None:
    """The track has its name, and keeps the hidden one until that is durable."""
    ready = made_ready(target)
    with pytest.raises(StorageError) as caught:
        promote(ready, target, sha256=SHA256, system=FileSystem(fsync=failing(5)))
    assert caught.value.salvage == target
    assert names(target) == {"song.mp3", READY}


@posix
def test_no_planted_link_is_taken_for_a_leftover(target: Path) -> None:
    """Whoever can write to the directory does not choose what is published."""
    target.with_name("else").write_bytes(AUDIO)
    target.with_name(READY).symlink_to("else")
    assert leftovers(target.parent, "song.mp3", "a1") == Leftovers(part=None, ready=None)


def test_a_long_name_is_found_again(tmp_path: Path) -> None:
    """However a hidden name was cut, it is cut the same way the next time."""
    name = "s" * 251 + ".mp3"
    sink = FileSink.reserve(tmp_path / name, expected_bytes=10, token="a1")
    assert leftovers(tmp_path, name, "a1") == Leftovers(part=sink.part, ready=None)
    sink.write(AUDIO)
    ready = sink.make_ready().path
    assert leftovers(tmp_path, name, "a1") == Leftovers(part=None, ready=ready)
    assert leftovers(tmp_path, name, "a2") == Leftovers(part=None, ready=None)
    sink.discard()


@pytest.mark.parametrize("room", [b"", bytes(100), bytes(2_500_000)])
def test_a_part_in_which_nothing_came_is_removed(room: bytes, target: Path) -> None:
    """Reserved room is no audio."""
    part = target.with_name(PART)
    part.write_bytes(room)
    assert discard(part)
    part.write_bytes(room)
    assert salvage(part, target) is None
    assert names(target) == set()


def test_a_part_in_which_something_came_is_not_removed(target: Path) -> None:
    """However much room lies behind it."""
    part = target.with_name(PART)
    part.write_bytes(b"\1" + bytes(2_500_000))
    assert not discard(part)
    assert part.exists()


@pytest.mark.parametrize("kind", ["partial", "unverified"])
@pytest.mark.parametrize(
    ("came", "room"), [(AUDIO, 10_000), (AUDIO[:1000], 2_500_000), (AUDIO[:1000] + b"\1" + bytes(100), 0)]
)
def test_what_came_into_a_part_is_kept_beside_the_target(came: bytes, room: int, kind: Any, target: Path) -> None:
    """Without the room behind it, under a name that says what it is, and that nobody has."""
    part, taken = target.with_name(PART), target.with_name(f"song.{kind}.mp3")
    part.write_bytes(came + bytes(room))
    taken.write_bytes(b"older")
    kept = salvage(part, target, kind)
    assert kept == target.with_name(f"song.{kind}-2.mp3")
    assert kept.read_bytes() == came
    assert names(target) == {taken.name, kept.name}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("last", range(4))
def test_a_salvage_that_is_killed_can_be_done_again(last: int, target: Path, *, after: bool) -> None:
    """It leaves one file, the same one."""
    part = target.with_name(PART)
    part.write_bytes(AUDIO[:1000] + bytes(10_000))
    with pytest.raises(KilledError):
        salvage(part, target, system=Machine(last, after=after).system)
    if part.exists():
        assert salvage(part, target) == target.with_name("song.partial.mp3")
    assert target.with_name("song.partial.mp3").read_bytes() == AUDIO[:1000]
    assert names(target) == {"song.partial.mp3"}


@pytest.mark.parametrize(
    ("system", "left"),
    [
        (FileSystem(fsync=failing(5)), PART),
        (FileSystem(link=failing(5), replace=failing(5)), PART),
    ],
)
def test_a_salvage_that_fails_leaves_what_came(system: FileSystem, left: str, target: Path) -> None:
    """The error leads to it, and does not say that it is a track."""
    part = target.with_name(PART)
    part.write_bytes(AUDIO[:1000])
    with pytest.raises(StorageError) as caught:
        salvage(part, target, system=system)
    assert (caught.value.outcome, caught.value.money) == (Outcome.UNKNOWN, Money.UNKNOWN)
    assert caught.value.salvage == target.with_name(left)
    assert names(target) == {left}


def test_a_whole_track_is_rescued_without_its_name(target: Path) -> None:
    """Where somebody has to be told first, a rescue ends at the hidden name, wherever it begins."""
    sink = reserved(target)
    assert sink.rescue("ready") == target.with_name(READY)
    assert sink.rescue("ready") == target.with_name(READY)
    assert names(target) == {READY}
    sink.publish_ready()
    assert sink.rescue("ready") == target
    sink.discard()
    assert target.read_bytes() == AUDIO


def test_a_rescue_that_cannot_make_a_track_ready_says_where_it_is(target: Path) -> None:
    """The part file is what is left, or the file that says that nobody knows."""
    sink = reserved(target, FileSystem(replace=failing(5)))
    assert sink.rescue("ready") == target.with_name(PART)
    sink.discard()
    assert target.with_name(PART).read_bytes() == AUDIO
    other = reserved(target.with_name("other.mp3"), FileSystem(fsync=failing(5)))
    assert other.rescue("ready") == target.with_name("other.partial.mp3")


def never(*_: object) -> NoReturn:
    raise AssertionError


def test_a_hidden_name_that_is_gone_is_no_error(target: Path) -> None:
    """Where a file system has no links, the hidden name went when the track got its own."""
    sink = reserved(target, FileSystem(link=failing(1)))
    sink.make_ready()
    sink.publish_ready()
    assert names(target) == {"song.mp3"}
    sink.forget_ready()
    assert target.read_bytes() == AUDIO
    promote(target.with_name(READY), target, sha256=SHA256, system=FileSystem(link=never))
