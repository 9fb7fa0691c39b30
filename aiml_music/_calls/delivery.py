"""The way of a paid track: received, inspected, kept; and what is saved of it when something goes wrong."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Literal

import anyio
import anyio.lowlevel
from attrs import frozen

from aiml_music._calls.call import Call
from aiml_music._calls.keeping import intend, publish, publish_by_steps
from aiml_music._calls.reservation import reserve
from aiml_music._io.disk import on_disk
from aiml_music._io.pacer import pacer
from aiml_music._io.sinks import FileSink, MemorySink, write_file
from aiml_music._sansio import verdict
from aiml_music._sansio.audio import AudioFormatError, AudioInfo, probing
from aiml_music._sansio.errors import MusicError, StorageError
from aiml_music._sansio.inspection import flags_of
from aiml_music._sansio.journal import Journal
from aiml_music._sansio.models import AudioFormat, Track
from aiml_music._sansio.outcome import Outcome, Phase

# How long a track that is already coming in may hold up a cancellation, when there is a file to save it in.
SHELTER_SECONDS = 30.0


@frozen(kw_only=True)
class Target:
    """The file a track is for.

    Attributes:
        room_bytes: how much room a track may need there.
        journal: told of every step of the call before it is taken.
        token: sets the hidden files of this call apart from every other's; None for one of chance.
    """

    path: Path
    overwrite: bool
    room_bytes: int
    journal: Journal | None = None
    token: str | None = None


async def deliver(
    call: Call, target: Target | None, *, audio_format: AudioFormat, shelter_seconds: float = SHELTER_SECONDS
) -> Track:
    """Carry out a call that has its place, and return its track: in memory, or in a file that was reserved first.

    The file is reserved with the place in the queue, not before it: two thousand waiting calls hold no descriptor.

    Raises:
        StorageError: there is no room for the file, and nothing was sent; or as `Delivery.track`.
        MusicError: as `Call.open` and `Delivery.track`; or the journal's own, whose `salvage` is the track if it came.
    """
    if target is None:
        await call.open()
        return await Delivery(call, MemorySink(), audio_format=audio_format, shelter_seconds=shelter_seconds).track()
    try:
        sink = await reserve(
            target.path, expected_bytes=target.room_bytes, overwrite=target.overwrite, token=target.token
        )
    except StorageError as error:
        call.sign(error)
        raise
    try:
        if target.journal is not None:
            await intend(call, target.journal)
        await call.open()
        return await Delivery(call, sink, audio_format=audio_format, shelter_seconds=shelter_seconds).track()
    except BaseException:
        # Of a track that was salvaged nothing is left to discard; of one that was kept, nobody need ask.
        await _discard(sink)
        raise


async def _discard(sink: FileSink) -> None:
    try:
        with anyio.CancelScope(shield=True):
            await on_disk(sink.discard)
    except BaseException:
        # A second cancellation by asyncio itself takes no notice of a shield.
        sink.discard()
        raise


class _UnusableError(Exception):
    """What came is not the audio that was asked for; never seen by users."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Delivery:
    """One track on its way from an opened call into a sink."""

    def __init__(
        self, call: Call, sink: FileSink | MemorySink, *, audio_format: AudioFormat, shelter_seconds: float
    ) -> None:
        self._call = call
        self._sink = sink
        self._format: AudioFormat = audio_format
        self._shelter_seconds = shelter_seconds
        self._disk_trouble: OSError | None = None
        self._inspected = False

    async def track(self) -> Track:
        """Receive, inspect and keep the track.

        With a file to save it in, a cancellation waits until the track is safe, for `shelter_seconds` at most; then,
        and where nothing can wait any more, what came is saved at once.

        Raises:
            PayloadError: the audio cannot be used; what came is its `salvage`.
            StorageError: the audio is good and could not be stored; the bytes are its `salvage`.
        """
        if isinstance(self._sink, MemorySink):
            return await self._deliver()
        return await _sheltered(self._deliver, self._shelter_seconds)

    async def _deliver(self) -> Track:
        try:
            await self._receive()
            return await self._finish()
        except MusicError:
            raise
        except OSError as error:
            # A disk that neither takes the rest nor gives back the beginning: what is on it is all there is.
            trouble = error
        except BaseException as interruption:
            # Here nothing is awaited any more: the end of an event loop cancels this task, and would again.
            for note in self._rescued():
                self._call.last_words = note
                interruption.add_note(note)
            raise
        failure = self._call.error(verdict.of_lost_disk(self._call.evidence, trouble))
        failure.salvage = await self._salvage("partial")
        raise failure

    async def _receive(self) -> None:
        try:
            await self._call.read_on(self._store)
        except MusicError as error:
            error.salvage = await self._salvage("partial")
            raise

    def _rescued(self) -> list[str]:
        """Save what came, and say where it is."""
        if isinstance(self._sink, MemorySink):
            return []
        if not self._call.is_answered:
            path = self._sink.rescue("partial")
            return [f"aiml_music: what had come of the track is in {path}."] if path else []
        whole: Literal["ready"] | None = None if self._call.journal is None else "ready"
        path = self._sink.rescue(whole if self._inspected else "unverified")
        return [f"aiml_music: the track was kept all the same, in {path}."] if path else []

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

    async def _finish(self) -> Track:
        """Inspect the track and keep it."""
        try:
            audio = None if self._format == "pcm" else await self._audio()
        except _UnusableError as unusable:
            failure = self._call.error(verdict.of_broken_answer(self._call.evidence, unusable.problem))
            failure.salvage = await self._salvage("unverified")
            raise failure from None
        self._inspected = True
        content, path = await self._stored()
        return self._track(audio, content, path)

    async def _audio(self) -> AudioInfo:
        try:
            info = await _measured(self._sink)
        except AudioFormatError as error:
            raise _UnusableError(f"the audio is not {self._format}: {error.reason}") from None
        if info.container != self._format:
            raise _UnusableError(f"the audio is {info.container}, not {self._format}")
        return info

    def _track(self, audio: AudioInfo | None, content: bytes | None, path: Path | None) -> Track:
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

    async def _stored(self) -> tuple[bytes | None, Path | None]:
        if isinstance(self._sink, FileSink):
            if self._call.journal is not None:
                return None, await publish_by_steps(self._call, self._sink, self._call.journal)
            return None, await on_disk(partial(publish, self._call, self._sink))
        content = self._sink.content()
        if self._disk_trouble is not None:
            raise self._call.stamp(_unstored(content, self._disk_trouble), Outcome.COMPLETED, Phase.STORE)
        return content, None

    async def _salvage(self, kind: Literal["partial", "unverified"]) -> Path | bytes | None:
        """Keep what came, under a name that says what it is; in memory, where there is no file; nothing of nothing."""
        sink = self._sink
        if isinstance(sink, MemorySink):
            return sink.content() or None
        kept: Path | bytes | None = None
        with anyio.CancelScope(shield=True):
            kept = await on_disk(partial(_salvaged, sink, kind))
        return kept  # noqa: RET504 - a scope may swallow what is in it, says mypy of a return inside


def _salvaged(sink: FileSink, kind: Literal["partial", "unverified"]) -> Path | bytes | None:
    kept = sink.salvage(kind)
    # Where somebody removed the file, its bytes can still be read.
    return kept or sink.to_memory().content() or None


async def _measured(sink: FileSink | MemorySink) -> AudioInfo:
    """Measure a track on the loop, in steps: threads at the same work take the interpreter from it for longer."""
    steps, mine = probing(sink.read_at, sink.size), pacer()
    while True:
        await mine.step()
        try:
            next(steps)
        except StopIteration as end:
            info: AudioInfo = end.value
            return info


def _unstored(salvage: bytes, trouble: OSError) -> StorageError:
    return StorageError(
        f"The track could not be written: {trouble.strerror}.",
        errno=trouble.errno,
        filename=trouble.filename,
        hint="Its bytes are in this error's salvage.",
        salvage=salvage,
    )


async def _sheltered(work: Callable[[], Awaitable[Track]], seconds: float) -> Track:
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
