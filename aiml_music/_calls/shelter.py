"""A shelter for a track that is coming in: a cancellation waits for it, for a while."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import anyio.lowlevel

from aiml_music._sansio.errors import MusicError
from aiml_music._sansio.models import Track


async def sheltered(work: Callable[[], Awaitable[Track]], seconds: float) -> Track:
    """Run work that a cancellation must wait for, for so many seconds at most.

    In a task of its own: a scope's shield does not hold off the `cancel()` of an asyncio task, but a task group's
    end does wait for its members.
    """
    shelter = _Shelter(work)
    interruption: BaseException | None = None
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(shelter.run)
            try:
                await shelter.ended.wait()
            except BaseException as error:
                interruption = error
                shelter.end_within(seconds)
                raise
        # Trio does not raise a cancellation that came while the group was waiting for its last member.
        await anyio.lowlevel.checkpoint_if_cancelled()
    except BaseException as error:  # noqa: BLE001 - every one is raised again
        # Itself, and not in the group that a task group makes of it.
        ending = interruption or error
    else:
        return shelter.result()
    for note in shelter.parting_words:
        ending.add_note(note)
    raise ending


class _Shelter:
    """Work that goes on for a while after whoever waits for it was cancelled."""

    def __init__(self, work: Callable[[], Awaitable[Track]]) -> None:
        self._work = work
        self._scope = anyio.CancelScope(shield=True)
        self._track: Track | None = None
        self._failure: BaseException | None = None
        self.ended = anyio.Event()
        self.parting_words: list[str] = []

    def end_within(self, seconds: float) -> None:
        """Let the work go on for so long, and no longer."""
        self._scope.deadline = anyio.current_time() + seconds

    async def run(self) -> None:
        """Do the work, and keep what comes of it, a failure too."""
        try:
            with self._scope:
                await self._done()
        finally:
            self.ended.set()

    async def _done(self) -> None:
        try:
            self._track = await self._work()
        except MusicError as error:
            self._failure = error
            where = f" What came is in {error.salvage}." if isinstance(error.salvage, Path) else ""
            self.parting_words.append(f"aiml_music: {error}{where}")
        except BaseException as error:
            self._failure = error
            self.parting_words += getattr(error, "__notes__", [])
            raise
        else:
            self.parting_words.append(f"aiml_music: the track was kept all the same, in {self._track.path}.")

    def result(self) -> Track:
        """Return the track, or raise what came instead."""
        if self._track is None:
            raise self._failure or RuntimeError("the work was never begun")
        return self._track
