"""Rows 25 to 30: whether there is a place for a track is found out before the first byte of a call that costs money."""

import errno
import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from aiml_music import Money, NotSentError, Outcome, OutputExistsError, Phase, StorageError
from aiml_music.testing import FakeClock
from tests._io.system import limited, posix
from tests.answers import VOICE_ID
from tests.calls import MADE, TRACK, Fate, client_of, failure, generate
from tests.canary import KEY
from tests.loopback import Await, Loopback, Signal, loopback

# ruff: noqa: ASYNC240 - a test may wait for its own disk

pytestmark = pytest.mark.anyio

NO_PLACE = Fate(StorageError, Outcome.NOT_SENT, Money.NO, Phase.PREPARE, attempts=0)
TAKEN = Fate(OutputExistsError, Outcome.NOT_SENT, Money.NO, Phase.PREPARE, attempts=0)


@pytest.fixture
def server() -> Iterator[Loopback]:
    """A server that would do anything, and is never asked."""
    with loopback([MADE]) as server:
        yield server
    assert server.connections == 0


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A file that is to be made."""
    return tmp_path / "song.mp3"


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


@asynccontextmanager
async def under_way(song: Path, **changes: Any) -> AsyncIterator[None]:
    """Do something after a call has made its preparations, and before the track comes."""
    begun, gate = threading.Event(), threading.Event()
    with loopback([Signal(begun), Await(gate), MADE]) as server:
        async with client_of(server) as client, anyio.create_task_group() as group:
            group.start_soon(lambda: generate(client, to=song, **changes))
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            try:
                yield
            finally:
                gate.set()


@pytest.mark.row("25")
async def test_a_target_that_exists_is_refused_before_money(server: Loopback, song: Path) -> None:
    """The file stays as it is, and nothing is beside it."""
    song.write_bytes(b"mine")
    async with client_of(server) as client:
        error = await failure(client, to=song)
    assert Fate.of(error) == TAKEN
    assert isinstance(error, FileExistsError)
    assert (names(song.parent), song.read_bytes()) == ({"song.mp3"}, b"mine")


@pytest.mark.row("25")
async def test_a_racer_is_not_overwritten_and_the_track_not_lost(song: Path) -> None:
    """Who takes the name while the track is made keeps it; the track, which is paid, is beside it."""
    with pytest.RaisesGroup(OutputExistsError, flatten_subgroups=True) as caught:
        async with under_way(song):
            song.write_bytes(b"theirs")
    error = caught.value.exceptions[0]
    assert isinstance(error, OutputExistsError)
    assert Fate.of(error) == Fate(OutputExistsError, Outcome.COMPLETED, Money.YES, Phase.STORE)
    assert error.salvage == song.with_name("song.kept.mp3")
    contents = {path.name: path.read_bytes() for path in song.parent.iterdir()}
    assert contents == {"song.mp3": b"theirs", "song.kept.mp3": TRACK}


@pytest.mark.row("26")
@posix
@pytest.mark.parametrize("victim", ["victim", "nowhere"])
async def test_a_planted_link_leads_nobody_astray(victim: str, song: Path) -> None:
    """A link in the target's place is a target that exists; to overwrite it is to replace the link."""
    (song.parent / "victim").write_bytes(b"precious")
    song.symlink_to(song.parent / victim)
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            assert Fate.of(await failure(client, to=song)) == TAKEN
            assert server.connections == 0
            await generate(client, to=song, overwrite=True)
    assert (song.parent / "victim").read_bytes() == b"precious"
    assert not song.is_symlink()
    assert song.read_bytes() == TRACK
    assert names(song.parent) == {"song.mp3", "victim"}


@pytest.mark.row("26")
@posix
async def test_a_pipe_is_never_replaced(server: Loopback, song: Path) -> None:
    """To overwrite a pipe, or a device, would put a file in its place."""
    os.mkfifo(song)
    async with client_of(server) as client:
        assert Fate.of(await failure(client, to=song, overwrite=True)) == NO_PLACE
    assert stat.S_ISFIFO(song.stat().st_mode)


@pytest.mark.row("26", "30")
@posix
@pytest.mark.parametrize("place", ["here", "/dev/shm"])  # noqa: S108 - another file system, where there is one
async def test_an_unfinished_track_is_hidden_private_and_beside_its_target(place: str, tmp_path: Path) -> None:
    """On whatever file system the target is, so is the part file; others may read the track once it is whole."""
    with tempfile.TemporaryDirectory(dir=place if Path(place).is_dir() else tmp_path) as name:
        song = Path(name) / "song.mp3"
        async with under_way(song):
            (part,) = song.parent.iterdir()
            found = part.lstat()
            assert part.name.startswith(".song.mp3.")
            assert (stat.S_ISREG(found.st_mode), stat.S_IMODE(found.st_mode)) == (True, 0o600)
            assert found.st_dev == song.parent.stat().st_dev
        umask = os.umask(0)
        os.umask(umask)
        assert names(song.parent) == {"song.mp3"}
        assert stat.S_IMODE(song.stat().st_mode) == 0o666 & ~umask


def read_only_file_system(_: Path) -> Path:
    mounts = Path("/proc/mounts")
    lines = [line.split() for line in mounts.read_text().splitlines()] if mounts.exists() else []
    found = [Path(words[1]) for words in lines if "ro" in words[3].split(",") and Path(words[1]).is_dir()]
    return found[0] if found else pytest.skip("nothing is mounted read-only here")


NOWHERE: dict[str, Callable[[Path], Path]] = {
    "missing": lambda directory: directory / "missing",
    "read-only": read_only_file_system,
    "no place for files": lambda _: Path("/proc/self"),
    "NUL": lambda directory: directory / "so\0ng",
    "long": lambda directory: directory / ("n" * 256),
}


@pytest.mark.row("27")
@pytest.mark.parametrize("case", NOWHERE)
@pytest.mark.parametrize("overwrite", [False, True])
async def test_a_place_where_nothing_can_be_is_refused_before_money(
    case: str, server: Loopback, tmp_path: Path, *, overwrite: bool
) -> None:
    """The place is tried, not looked at."""
    target = NOWHERE[case](tmp_path) / "song.mp3"
    async with client_of(server) as client:
        error = await failure(client, to=target, overwrite=overwrite)
    assert Fate.of(error) == NO_PLACE
    assert repr(str(target)) in str(error)


@pytest.mark.row("27")
@posix
async def test_a_directory_that_may_not_be_written_to_is_refused_before_money(
    server: Loopback, own_directory: Path
) -> None:
    """Permission is asked for by making the part file."""
    own_directory.chmod(0o500)
    async with client_of(server) as client:
        error = await failure(client, to=own_directory / "song.mp3")
    assert Fate.of(error) == NO_PLACE
    assert isinstance(error, StorageError)
    assert error.errno == errno.EACCES


@pytest.mark.row("28")
@posix
async def test_room_that_is_not_there_is_found_out_before_money(server: Loopback, song: Path) -> None:
    """Where a file may not grow to what a track can need, none is paid for."""
    with limited("RLIMIT_FSIZE", 1_000_000):
        async with client_of(server) as client:
            error = await failure(client, to=song)
    assert Fate.of(error) == NO_PLACE
    assert isinstance(error, StorageError)
    assert error.errno == errno.EFBIG
    assert names(song.parent) == set()


def on_a_small_disk(directory: Path, url: str, *, megabytes: int) -> tuple[int, dict[str, Any]]:
    """Run the command on a disk of its own, and return its exit code and what it says of the error."""
    mount = f'mount -t tmpfs -o size={megabytes}m none "$0" && exec "$@"'
    own = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(directory)]
    try:
        subprocess.run([*own, "true"], check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no disk can be mounted here")
    asked = ("generate", "--voice", VOICE_ID, "--lyrics", "la", "-o", str(directory / "song.mp3"), "--json")
    ended = subprocess.run(
        [*own, sys.executable, "-m", "aiml_music", *asked],
        env={**os.environ, "AIML_API_KEY": KEY, "AIML_API_BASE": url},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert KEY.encode() not in ended.stdout + ended.stderr
    return ended.returncode, json.loads(ended.stdout)["error"]


@pytest.mark.row("28")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_full_disk_is_found_out_before_money(server: Loopback, tmp_path: Path) -> None:
    """A real disk without room for a track refuses the reservation, and the command ends without a call."""
    code, error = await anyio.to_thread.run_sync(lambda: on_a_small_disk(tmp_path, server.url, megabytes=1))
    assert code == 2
    assert (error["type"], error["outcome"], error["money"], error["phase"]) == (
        "StorageError", "not_sent", "no", "prepare"
    )  # fmt: skip
    assert "No space left" in error["message"]


def lowest_free_descriptor() -> int:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    return descriptor


@pytest.mark.row("29")
@posix
async def test_the_last_descriptor_is_missed_before_money(song: Path) -> None:
    """The part file needs one first: a process that has none left pays for nothing, and later may try again."""
    with loopback([MADE]) as server:
        async with client_of(server) as client:
            await generate(client)
            assert server.wait_until_idle()
            with limited("RLIMIT_NOFILE", lowest_free_descriptor()):
                error = await failure(client, to=song)
            assert Fate.of(error) == NO_PLACE
            assert isinstance(error, StorageError)
            assert error.errno == errno.EMFILE
            assert "ulimit" in str(error)
            await generate(client, to=song)
    assert len(server.requests) == 2
    assert names(song.parent) == {"song.mp3"}


@pytest.mark.row("29")
@posix
async def test_a_connection_without_a_descriptor_is_not_tried_in_a_hurry() -> None:
    """Nothing was sent, so it is tried again, after pauses that grow, and not for ever."""
    clock = FakeClock()
    with loopback([MADE]) as server:
        async with client_of(server, clock=clock) as client:
            await generate(client)
            assert server.wait_until_idle()
            with limited("RLIMIT_NOFILE", lowest_free_descriptor()):
                error = await failure(client)
            assert Fate.of(error) == Fate(NotSentError, Outcome.NOT_SENT, Money.NO, Phase.CONNECT, attempts=3)
            assert clock.slept == [0.25, 0.5]
            await generate(client)
    assert len(server.requests) == 2
