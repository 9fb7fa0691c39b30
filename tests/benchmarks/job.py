"""What one client process is told to do, and what one client is to it."""

import json
import ssl
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import attrs
from attrs import define, frozen

from tests.benchmarks.documents import GENERATE_PATH, UPLOAD_PATH

Task = Literal["tracks", "first", "upload"]
Numbers = dict[str, float]
"""What was measured; memory in bytes, time in seconds."""


@frozen(kw_only=True)
class Job:
    """One measurement: a client, an answer, and how many at once.

    Attributes:
        kind: the client.
        answer: what the server says.
        count: how many calls at once; the server holds them until all are there.
        lag: watch the event loop, too; it costs time of its own.
        ports: of the server, by scheme.
        authority: whom to trust.
        folder: where tracks go.
        track_bytes: the size to expect, as the server was told.
        reference: the file to upload.
    """

    kind: str
    task: Task = "tracks"
    answer: str = "track"
    count: int = 1
    secure: bool = False
    lag: bool = False
    ports: dict[str, int]
    authority: str
    folder: str
    track_bytes: int
    reference: str = ""

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read one."""
        return cls(**json.loads(text))

    def as_json(self) -> str:
        """Write it."""
        return json.dumps(attrs.asdict(self))

    def base(self, count: int, answer: str | None = None) -> str:
        """Return the address at which so many calls wait for each other."""
        scheme = "https" if self.secure else "http"
        return f"{scheme}://127.0.0.1:{self.ports[scheme]}/{answer or self.answer}/{count}"

    def file(self, number: int) -> Path:
        """Return where a track goes."""
        return Path(self.folder, f"{number}.mp3")


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


Fetch = Callable[[Path], Coroutine[Any, Any, None]]
"""Make one call and put its track into a file."""
AsyncClient = Callable[[Way], AbstractAsyncContextManager[Fetch]]
BlockingClient = Callable[[Way, list[Path]], None]
"""Make all calls at once and put each track into its file."""
FirstAudio = Callable[[Way], Coroutine[Any, Any, float]]
"""Make one call and return the moment of its first audio, by the system's monotonic clock."""
Upload = Callable[[Way, Path], Coroutine[Any, Any, None]]
