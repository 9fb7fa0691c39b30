"""The way of a paid track: received, inspected, kept; and what is saved of it when something goes wrong."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import anyio
import anyio.lowlevel
import anyio.to_thread
from attrs import frozen

from aiml_music._calls.call import Call
from aiml_music._calls.reservation import reserve
from aiml_music._io.sinks import FileSink, MemorySink, write_file
from aiml_music._sansio import verdict
from aiml_music._sansio.audio import AudioFormatError, AudioInfo, probe
from aiml_music._sansio.errors import MusicError, StorageError
from aiml_music._sansio.inspection import flags_of
from aiml_music._sansio.models import AudioFormat, Track
from aiml_music._sansio.outcome import Outcome, Phase
from aiml_music._sansio.ports import Clock

# How long a track that is already coming in may hold up a cancellation, when there is a file to save it in.
_SHIELD_SECONDS = 30.0


@frozen(kw_only=True)
class Target:
    """The file a track is for.

    Attributes:
        room_bytes: how much room a track may need there.
    """

    path: Path
    overwrite: bool
    room_bytes: int


async def deliver(call: Call, target: Target | None, *, audio_format: AudioFormat, clock: Clock) -> Track:
    """Carry out a call that has its place, and return its track: in memory, or in a file that was reserved first.

    The file is reserved with the place in the queue, not before it: two thousand waiting calls hold no descriptor.

    Raises:
        StorageError: there is no room for the file, and nothing was sent; or as `Delivery.track`.
        MusicError: as `Call.open` and `Delivery.track`.
    """
    if target is None:
        await call.open()
        return await Delivery(call, MemorySink(), audio_format=audio_format, clock=clock).track()
    try:
        sink = await reserve(target.path, expected_bytes=target.room_bytes, overwrite=target.overwrite)
    except StorageError as error:
        call.sign(error)
        raise
    try:
        await call.open()
        return await Delivery(call, sink, audio_format=audio_format, clock=clock).track()
    finally:
        # Nothing is left to discard of a track that was kept or salvaged.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(sink.discard)


class Delivery:
    """One track on its way from an opened call into a sink."""

    def __init__(self, call: Call, sink: FileSink | MemorySink, *, audio_format: AudioFormat, clock: Clock) -> None:
        self._call = call
        self._sink = sink
        self._format: AudioFormat = audio_format
        self._clock = clock
        self._disk_trouble: OSError | None = None

    async def track(self) -> Track:
        """Receive, inspect and keep the track.

        With a file to save it in, a cancellation waits until the track is safe, for half a minute at most.

        Raises:
            PayloadError: the audio cannot be used; what came is its `salvage`.
            StorageError: the audio is good and could not be stored; the bytes are its `salvage`.
        """
        if isinstance(self._sink, MemorySink):
            return await self._deliver(lambda: None)
        return await _sheltered(self._deliver, self._clock)

    async def _deliver(self, yield_if_late: Callable[[], None]) -> Track:
        try:
            await self._receive(yield_if_late)
            return await self._keep(await self._inspect())
        except MusicError:
            raise
        except OSError as error:
            # A disk that neither takes the rest nor gives back the beginning: what is on it is all there is.
            trouble = error
        failure = self._call.error(verdict.of_lost_disk(self._call.evidence, trouble))
        failure.salvage = await self._salvage("partial")
        raise failure

    async def _receive(self, yield_if_late: Callable[[], None]) -> None:
        try:
            while piece := await self._call.read():
                self._store(piece)
                yield_if_late()
        except MusicError as error:
            error.salvage = await self._salvage("partial")
            raise
        except anyio.get_cancelled_exc_class() as cancelled:
            saved = await self._salvage("partial")
            if isinstance(saved, Path):
                cancelled.add_note(f"aiml_music: what had come of the track is in {saved}.")
            raise

    def _store(self, piece: bytes) -> None:
        sink = self._sink
        if isinstance(sink, MemorySink):
            sink.write(piece)
            return
        try:
            sink.write(piece)
        except OSError as error:
            # The disk has failed and the track is paid for: it goes on into memory, and leaves inside the error.
            self._disk_trouble = error
            self._sink = sink.to_memory()
            sink.discard()
            self._sink.write(piece)

    async def _inspect(self) -> AudioInfo | None:
        if self._format == "pcm":
            return None
        try:
            info = await anyio.to_thread.run_sync(probe, self._sink.read_at, self._sink.size)
        except AudioFormatError as error:
            problem = f"the audio is not {self._format}: {error.reason}"
        else:
            if info.container == self._format:
                return info
            problem = f"the audio is {info.container}, not {self._format}"
        failure = self._call.error(verdict.of_broken_answer(self._call.evidence, problem))
        failure.salvage = await self._salvage("unverified")
        raise failure

    async def _keep(self, audio: AudioInfo | None) -> Track:
        content, path = await anyio.to_thread.run_sync(self._stored)
        reply = self._call.reply
        size_bytes = self._sink.size
        return Track(
            content=content,
            path=path,
            format=self._format,
            size_bytes=size_bytes,
            facts=reply.facts,
            audio=audio,
            flags=flags_of(
                reply.facts,
                audio,
                size_bytes=size_bytes,
                audio_format=self._format,
                in_progress=reply.in_progress,
            ),
            trace_id=reply.trace_id,
            receipt=self._call.receipt,
            raw=reply.raw,
            writer=write_file,
        )

    def _stored(self) -> tuple[bytes | None, Path | None]:
        if isinstance(self._sink, FileSink):
            return None, self._published(self._sink)
        content = self._sink.content()
        if self._disk_trouble is not None:
            raise self._call.stamp(_unstored(content, self._disk_trouble), Outcome.COMPLETED, Phase.STORE)
        return content, None

    def _published(self, sink: FileSink) -> Path:
        try:
            return sink.publish()
        except StorageError as error:
            if error.salvage is None:
                error.salvage = sink.to_memory().content()
            self._call.stamp(error, Outcome.COMPLETED, Phase.STORE)
            raise

    async def _salvage(self, kind: Literal["partial", "unverified"]) -> Path | bytes | None:
        """Keep what came, under a name that says what it is; in memory, where there is no file; nothing of nothing."""
        sink = self._sink
        if isinstance(sink, MemorySink):
            return sink.content() or None
        kept: Path | bytes | None = None
        with anyio.CancelScope(shield=True):
            kept = await anyio.to_thread.run_sync(_salvaged, sink, kind)
        return kept  # noqa: RET504 - a scope may swallow what is in it, says mypy of a return inside


def _salvaged(sink: FileSink, kind: Literal["partial", "unverified"]) -> Path | bytes | None:
    kept = sink.salvage(kind)
    # Where somebody removed the file, its bytes can still be read.
    return kept or sink.to_memory().content() or None


def _unstored(salvage: bytes, trouble: OSError) -> StorageError:
    return StorageError(
        f"The track could not be written: {trouble.strerror}.",
        errno=trouble.errno,
        filename=trouble.filename,
        hint="Its bytes are in this error's salvage.",
        salvage=salvage,
    )


async def _sheltered(work: Callable[[Callable[[], None]], Awaitable[Track]], clock: Clock) -> Track:
    """Run work that a cancellation must wait for, until half a minute has passed.

    In a task of its own: a scope's shield does not hold off the `cancel()` of an asyncio task, but a task group's
    end does wait for its members.
    """
    done: list[Track] = []
    failed: list[MusicError] = []
    parting_words: list[str] = []

    async def run() -> None:
        late = clock.monotonic() + _SHIELD_SECONDS
        with anyio.CancelScope(shield=True) as shelter:

            def yield_if_late() -> None:
                shelter.shield = clock.monotonic() < late

            try:
                done.append(await work(yield_if_late))
                parting_words.append(f"aiml_music: the track was kept all the same, in {done[0].path}.")
            except MusicError as error:
                failed.append(error)
                where = f" What came is in {error.salvage}." if isinstance(error.salvage, Path) else ""
                parting_words.append(f"aiml_music: {error}{where}")
            except anyio.get_cancelled_exc_class() as cancelled:
                parting_words.extend(cancelled.__notes__)
                raise

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(run)
        # Trio does not raise a cancellation that came while the group was waiting for its last member.
        await anyio.lowlevel.checkpoint_if_cancelled()
    except anyio.get_cancelled_exc_class() as cancelled:
        for note in parting_words:
            cancelled.add_note(note)
        raise
    if failed:
        raise failed[0]
    return done[0]
