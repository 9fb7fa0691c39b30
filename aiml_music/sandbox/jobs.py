"""The generations that were submitted: how far each has come by the clock, and where its track is fetched.

A job keeps no audio: the studio makes the same take again whenever it is asked for.
"""

import secrets
import string
import uuid
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from hashlib import sha1
from typing import Any
from urllib.parse import quote

from attrs import define, evolve, field

from aiml_music.sandbox.answers import Refusal
from aiml_music.sandbox.encoding import Recording, Take
from aiml_music.sandbox.living import LivingModel
from aiml_music.sandbox.scenarios import Course, Result
from aiml_music.sandbox.settings import Settings

_LETTERS = string.ascii_letters + string.digits + "_-"
_SHORT_ID = 21


class Stage(Enum):
    """How far a generation has come."""

    QUEUED = 0
    GENERATING = 1
    OVER = 2


@define(kw_only=True, eq=False)
class Job:
    """One generation. Moments are Unix time; `made` describes its track, once it is recorded, without the audio."""

    id: str
    token: str
    model: LivingModel
    take: Take
    course: Course
    trace_id: str
    charged_credits: int
    client_request_id: str | None
    generates: float
    ends: float
    dies: float
    polls: int = 0
    fetches: int = 0
    made: Recording | None = None
    size: int = 0
    _refused_polls: int = field(default=0, init=False)

    def stage(self, now: float) -> Stage:
        """Return how far it has come."""
        if now < self.generates:
            return Stage.QUEUED
        over = self.course.ends and now >= self.ends and (self.made is not None or self.course.error is not None)
        return Stage.OVER if over else Stage.GENERATING

    def keep(self, recording: Recording) -> None:
        """Remember what a recording says of the track."""
        self.made, self.size = evolve(recording, audio=b""), len(recording.audio)

    def next_refusal(self) -> Refusal | None:
        """Return what the next poll is refused with, and count it as used."""
        most = self.course.refused_polls
        if most is not None and self._refused_polls >= most:
            return None
        self._refused_polls += 1
        return self.course.poll_refusal

    @property
    def path(self) -> str:
        """The path of its track on the store of results, as it is spelled in a URL."""
        if self.model.url_ends:
            day = datetime.fromtimestamp(self.ends, UTC)
            return f"/music%2Fprod%2Ftts-{day:%Y%m%d%H%M%S}-{self.token}.{self.take.setting.format}"
        return f"/files/{self.token}_{self.file_name}"

    @property
    def query(self) -> str:
        """The query of that URL: a signature, for models whose results say when they expire."""
        if not self.model.url_ends:
            return ""
        expires = int(self.dies)
        signature = b64encode(sha1(f"{self.token} {expires}".encode(), usedforsecurity=False).digest()).decode()
        return f"Expires={expires}&AccessKeyId=sandbox&Signature={quote(signature, safe='')}"

    @property
    def file_name(self) -> str:
        """What the store of results calls the file."""
        return f"output.{self.take.setting.format}"


class Jobs:
    """All generations of a sandbox. Read from any thread, written by the server's.

    Args:
        settings: how long they take.
        clock: tells Unix time.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._by_path: dict[str, Job] = {}

    def now(self) -> float:
        """Return Unix time."""
        return self._clock()

    def add(
        self,
        model: LivingModel,
        take: Take,
        course: Course,
        *,
        charged_credits: int,
        client_request_id: str | None,
        trace_id: str,
    ) -> Job:
        """Take a generation in."""
        waits, works = self._settings.stages
        generates = self._clock() + waits
        ends = generates + works
        lives = 0.0 if course.result is Result.EXPIRED else self._settings.result_lives
        job = Job(
            id=f"{uuid.uuid4()}:{model.id_ends}" if model.id_ends else _letters(_SHORT_ID),
            token=_letters(_SHORT_ID),
            model=model,
            take=take,
            course=course,
            trace_id=trace_id,
            charged_credits=charged_credits,
            client_request_id=client_request_id,
            generates=generates,
            ends=ends,
            dies=ends + lives,
        )
        self._jobs[job.id] = self._by_path[job.path] = job
        return job

    def find(self, generation_id: str) -> Job | None:
        """Return a generation by its id."""
        return self._jobs.get(generation_id)

    def find_result(self, path: str) -> Job | None:
        """Return the generation whose track has a path, as it was spelled in a request."""
        return self._by_path.get(path)

    def state(self) -> list[Mapping[str, Any]]:
        """Return all of them as plain values, oldest first."""
        now = self._clock()
        return [
            {
                "id": job.id,
                "model": job.model.id,
                "stage": job.stage(now).name.lower(),
                "charged_credits": job.charged_credits,
                "client_request_id": job.client_request_id,
                "polls": job.polls,
                "fetches": job.fetches,
            }
            for job in tuple(self._jobs.values())
        ]


def _letters(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))
