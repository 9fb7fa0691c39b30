"""A generation that runs by itself: whoever waits for it may be cancelled, and loses nothing."""

from collections.abc import Callable, Generator
from typing import Any

import anyio

from aiml_music._calls.delivery import Target, deliver
from aiml_music._calls.track_call import TrackCall
from aiml_music._io.background import start_detached
from aiml_music._sansio.models import AudioFormat, Track


class Generation:
    """A generation under way: `await` it for its track, as often as you like.

    Cancelling an `await` stops the waiting and not the call. Made by `AsyncMusicClient.submit`.

    Attributes:
        client_request_id: its name; `AsyncMusicClient.generation` finds it again by that.
    """

    def __init__(
        self,
        call: TrackCall,
        target: Target | None,
        *,
        audio_format: AudioFormat | None,
        on_collected: Callable[[], object],
    ) -> None:
        self._call = call
        self._target = target
        self._format: AudioFormat | None = audio_format
        self._on_collected = on_collected
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._accepted = anyio.Event()
        call.on_accepted = self._accepted.set
        self._track: Track | None = None
        self._error: Exception | None = None
        self.client_request_id: str = call.plan.client_request_id

    def __repr__(self) -> str:
        state = "under way" if not self.done() else "failed" if self._track is None else "done"
        return f"<Generation {self.client_request_id}, {state}>"

    def __await__(self) -> Generator[Any, Any, Track]:
        """Wait for the track.

        Raises:
            MusicError: as `AsyncMusicClient.generate`; or the client was closed before the call had ended.
        """
        return self._collect().__await__()

    @property
    def id(self) -> str | None:
        """The service's id of it, by which `AsyncMusicClient.collect` finds its track even after a crash.

        None until the service has taken it, and for models that give their track at once, such as music-01.
        """
        return self._call.generation_id

    async def accepted(self) -> str:
        """Wait until the service has taken it, and return its `id`.

        Raises:
            MusicError: the service did not take it.
            RuntimeError: its model gives no id.
        """
        if self._call.plan.course is None:
            raise RuntimeError("this model gives its track at once, and no id")
        # What has ended can be asked in any event loop.
        if self.id is None and not self.done():
            await self._accepted.wait()
        if self.id is None:
            raise self._error or RuntimeError("the service gave the track at once, and no id")
        return self.id

    def done(self) -> bool:
        """Say whether it has ended, well or not."""
        return self._ended.is_set()

    def result(self) -> Track:
        """Return the track of a generation that has ended.

        Raises:
            MusicError: it ended badly.
            RuntimeError: it is still under way: `await` it.
        """
        if not self.done():
            raise RuntimeError(f"{self.client_request_id} is still under way: await it")
        self._on_collected()
        if self._track is None:
            raise self._error or RuntimeError("the generation was never begun")
        return self._track

    def start(self) -> None:
        """Begin, in a task of its own."""
        start_detached(self._run, name=f"aiml_music {self.client_request_id}")

    def give_up(self) -> None:
        """Stop, unless it has ended; a track that is coming into a file may still take half a minute to land."""
        self._scope.cancel()

    async def ended(self) -> None:
        """Wait until it has ended, well or not."""
        # What has ended can be asked in any event loop.
        if not self.done():
            await self._ended.wait()

    async def _collect(self) -> Track:
        try:
            await self.ended()
        except anyio.get_cancelled_exc_class() as cancelled:
            cancelled.add_note(
                f"aiml_music: {self._call.plan.operation} {self.client_request_id} goes on without whoever waited for"
                " it; the client's generation() finds it again."
            )
            raise
        return self.result()

    async def _run(self) -> None:
        notes: list[str] = []
        try:
            with self._scope:
                await self._deliver(notes)
        finally:
            if self._track is None and self._error is None:
                self._error = self._call.give_up("the call was given up when the client was closed")
                for note in notes:
                    self._error.add_note(note)
            self._ended.set()
            self._accepted.set()

    async def _deliver(self, notes: list[str]) -> None:
        try:
            async with self._call as call:
                self._track = await deliver(call, self._target, audio_format=self._format)
        except Exception as error:  # noqa: BLE001 - raised by whoever waits, and nowhere else
            self._error = error
        except BaseException as ending:
            notes += getattr(ending, "__notes__", ())
            raise
