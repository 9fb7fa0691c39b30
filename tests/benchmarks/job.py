"""What one client process is told to do, and what one client is to it."""

import json
import ssl
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Literal, Self

import attrs
from attrs import define, field, frozen

from tests.benchmarks.documents import GENERATE_PATH, UPLOAD_PATH
from tests.benchmarks.slow_disk import SlowFile

Task = Literal["tracks", "first", "uploads"]
Loop = Literal["asyncio", "trio"]
Numbers = dict[str, float]
"""What was measured; memory in bytes, time in seconds."""


@frozen(kw_only=True)
class Job:
    """One measurement: a client, an answer, and how many at once.

    Attributes:
        kind: the client.
        answer: what the server says.
        count: how many calls at once; the server holds them until all are there.
        loop: whose event loop.
        lag: watch the event loop, too; it costs time of its own.
        remove: remove each track once it is there, as there is no room for all together.
        ports: of the server, by scheme.
        authority: whom to trust.
        folder: where tracks go.
        track_bytes: the size to expect, as the server was told.
        reference: the file to upload.
        read_seconds: how long the disk takes for each read of it.
    """

    kind: str
    task: Task = "tracks"
    answer: str = "track"
    count: int = 1
    secure: bool = False
    loop: Loop = "asyncio"
    lag: bool = False
    remove: bool = False
    ports: dict[str, int]
    authority: str
    folder: str
    track_bytes: int
    reference: str = ""
    read_seconds: float = 0.0

    @classmethod
    def many_from_json(cls, text: str) -> list[Self]:
        """Read some."""
        return [cls(**values) for values in json.loads(text)]

    def base(self, count: int, answer: str | None = None) -> str:
        """Return the address at which so many calls wait for each other."""
        scheme = "https" if self.secure else "http"
        return f"{scheme}://127.0.0.1:{self.ports[scheme]}/{answer or self.answer}/{count}"

    def file(self, number: int) -> Path:
        """Return where a track goes."""
        return Path(self.folder, f"{number}.mp3")

    @property
    def paths(self) -> list[Path]:
        """What each call is about: the file to fill, or to send."""
        if self.task == "uploads":
            return [Path(self.reference)] * self.count
        return [self.file(number) for number in range(self.count)]


def as_json(jobs: list[Job]) -> str:
    """Write some."""
    return json.dumps([attrs.asdict(job) for job in jobs])


@define(eq=False)
class Way:
    """The way to the server that all calls of a process share: made before the clock starts."""

    job: Job
    base: str

    @property
    def generate(self) -> str:
        """The address of a generation."""
        return self.base + GENERATE_PATH

    @property
    def upload(self) -> str:
        """The address of an upload."""
        return self.base + UPLOAD_PATH

    @cached_property
    def context(self) -> ssl.SSLContext:
        """Whom to trust."""
        return ssl.create_default_context(cafile=self.job.authority)

    def opened(self, reference: Path) -> IO[bytes]:
        """Open a file to send, on the disk that there is or on a slow one."""
        if not self.job.read_seconds:
            return reference.open("rb")
        return SlowFile(reference, self.job.read_seconds)

    def finished(self, path: Path) -> None:
        """Look at a track that has come and remove it, if that is to be done; the first stays for a closer look."""
        if self.job.remove and path != self.job.file(0):
            if path.stat().st_size != self.job.track_bytes:
                raise ValueError(f"{self.job.kind} made a wrong track: {path.name}")
            path.unlink()


Call = Callable[[Path], Coroutine[Any, Any, None]]
"""Make one call: put its track into a file, or send one."""
AsyncClient = Callable[[Way], AbstractAsyncContextManager[Call]]
BlockingClient = Callable[[Way, list[Path]], None]
"""Make all calls at once and put each track into its file."""
FirstAudio = Callable[[Way], Coroutine[Any, Any, float]]
"""Make one call and return the moment of its first audio, by the system's monotonic clock."""


@frozen(kw_only=True)
class Clients:
    """What can be done with one library, by the kinds of its clients."""

    tracks: dict[str, AsyncClient] = field(factory=dict)
    blocking: dict[str, BlockingClient] = field(factory=dict)
    first: dict[str, FirstAudio] = field(factory=dict)
    uploads: dict[str, AsyncClient] = field(factory=dict)
