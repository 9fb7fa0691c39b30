"""A journal that remembers what it was told, and calls that keep one."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field

from aiml_music import AsyncMusicClient, Track
from aiml_music._calls.delivery import Target, deliver
from aiml_music._calls.plans import checked_order, generate_plan
from aiml_music._sansio.models import Flag, Receipt
from aiml_music._sansio.options import UNSET
from aiml_music._sansio.wire import Tracing
from tests.answers import VOICE_ID

Act = Callable[[], Awaitable[None]]
PART, READY = ".song.mp3.a1.part", ".song.mp3.a1.ready"


@define
class Recorder:
    """Keeps the marks, in order, with what they said, and what was on the disk when they were made.

    Attributes:
        acts: what to do at a mark, after it was kept.
    """

    directory: Path
    acts: Mapping[str, Act] = field(factory=dict)
    marks: list[str] = field(factory=list)
    facts: dict[str, Any] = field(factory=dict)
    files: dict[str, set[str]] = field(factory=dict)

    async def intent(self) -> None:
        await self._keep("intent")

    async def wire(self) -> None:
        await self._keep("wire")

    async def head(self, status: int, tracing: Tracing) -> None:
        await self._keep("head", status, tracing)

    async def accepted(self, generation_id: str, receipt: Receipt) -> None:
        await self._keep("accepted", generation_id, receipt)

    async def received(
        self, *, sha256: str, size_bytes: int, seconds: float | None, flags: tuple[Flag, ...], receipt: Receipt
    ) -> None:
        await self._keep("received", sha256, size_bytes, receipt, seconds, flags)

    async def done(self, path: Path) -> None:
        await self._keep("done", path)

    async def _keep(self, mark: str, *facts: object) -> None:
        self.marks.append(mark)
        self.facts[mark] = facts
        self.files[mark] = {path.name for path in self.directory.iterdir()}
        if mark in self.acts:
            await self.acts[mark]()


MARKS = ["intent", "wire", "head", "received", "done"]


def raising(error: Exception) -> Act:
    """Return an act that fails."""

    async def act() -> None:
        raise error

    return act


async def journalled(client: AsyncMusicClient, journal: Recorder, *, shelter_seconds: float = 30.0) -> Track:
    """Ask for `song.mp3` in the journal's directory."""
    order = checked_order("la", None, VOICE_ID, None, "music-01", None, "off", None)
    plan = await generate_plan(client._options, order, UNSET, "a1")
    target = Target(
        path=journal.directory / "song.mp3", overwrite=False, room_bytes=10_000, journal=journal, token="a1"
    )
    async with client._session.call(plan) as call:
        return await deliver(call, target, audio_format="mp3", shelter_seconds=shelter_seconds)
