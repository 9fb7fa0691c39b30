"""The way of a paid track: received, inspected, kept; and what is saved of it when something goes wrong."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Literal

import anyio
from attrs import evolve, frozen

from aiml_music._calls.keeping import intend, publish, publish_by_steps
from aiml_music._calls.reservation import reserve
from aiml_music._calls.shelter import sheltered
from aiml_music._calls.track_call import TrackCall
from aiml_music._io.disk import on_disk
from aiml_music._io.gathering import Gathered
from aiml_music._io.pacer import pacer
from aiml_music._io.sinks import FileSink, MemorySink, write_file
from aiml_music._sansio import verdict
from aiml_music._sansio.audio import AudioFormatError, AudioInfo, probe, probing
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
        slow_disk: write and read the file in worker threads, never on the event loop.
        journal: told of every step of the call before it is taken.
        token: sets the hidden files of this call apart from every other's; None for one of chance.
    """

    path: Path
    overwrite: bool
    room_bytes: int
    slow_disk: bool = False
    journal: Journal | None = None
    token: str | None = None


async def deliver(
    call: TrackCall,
    target: Target | None,
    *,
    audio_format: AudioFormat | None,
    shelter_seconds: float = SHELTER_SECONDS,
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
        delivery = Delivery(
            call, sink, audio_format=audio_format, shelter_seconds=shelter_seconds, slow_disk=target.slow_disk
        )
        return await delivery.track()
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
        self,
        call: TrackCall,
        sink: FileSink | MemorySink,
        *,
        audio_format: AudioFormat | None,
        shelter_seconds: float,
        slow_disk: bool = False,
    ) -> None:
        self._call = call
        self._sink = sink
        self._format: AudioFormat | None = audio_format
        self._shelter_seconds = shelter_seconds
        self._slow_disk = slow_disk
        # What a slow disk has not been given yet; empty for every other one.
        self._gathered = Gathered()
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
        return await sheltered(self._deliver, self._shelter_seconds)

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
            for note in await self._rescue(interruption):
                self._call.last_words = note
                interruption.add_note(note)
            raise
        failure = self._call.error(verdict.of_lost_disk(self._call.evidence, trouble))
        failure.salvage = await self._salvage("partial")
        raise failure

    async def _receive(self) -> None:
        try:
            if self._slow_disk:
                await self._read_in_batches()
            else:
                await self._call.read_on(self._store)
        except MusicError as error:
            error.salvage = await self._salvage("partial")
            raise

    async def _read_in_batches(self) -> None:
        """Read no further ahead of the disk than is written at once, and store each in a thread."""
        write = partial(self._gathered.write, self._store)
        try:
            while piece := await self._call.read():
                if self._gathered.add(piece):
                    await on_disk(write)
        except MusicError:
            with anyio.CancelScope(shield=True):
                await on_disk(write)
            raise
        await on_disk(write)

    async def _rescue(self, interruption: BaseException) -> list[str]:
        """Save what came, and say where it is; for a slow disk in a thread, as long as one can be waited for."""
        with suppress(BaseException):
            # Only a task that was cancelled may still wait: a coroutine that is thrown away may not.
            if self._slow_disk and isinstance(interruption, anyio.get_cancelled_exc_class()):
                with anyio.CancelScope(shield=True):
                    return await on_disk(self._rescued)
        # Here nothing is awaited any more: the end of an event loop cancels this task, and would again.
        return self._rescued()

    def _rescued(self) -> list[str]:
        return self._gathered.settle(self._saved)

    def _saved(self, rest: bytes) -> list[str]:
        sink = self._sink
        if isinstance(sink, MemorySink):
            return []
        if rest:
            with suppress(OSError):
                sink.write(rest)
        if not self._call.is_answered:
            path = sink.rescue("partial")
            return [f"aiml_music: what had come of the track is in {path}."] if path else []
        whole: Literal["ready"] | None = None if self._call.journal is None else "ready"
        path = sink.rescue(whole if self._inspected else "unverified")
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
        track = self._track(audio)
        content, path = await self._stored(track)
        # What keeping it took is in the receipt as well.
        return evolve(track, content=content, path=path, receipt=self._call.receipt)

    async def _audio(self) -> AudioInfo:
        try:
            if self._slow_disk and isinstance(self._sink, FileSink):
                info = await on_disk(partial(probe, self._sink.read_at, self._sink.size))
            else:
                info = await _measured(self._sink)
        except AudioFormatError as error:
            raise _UnusableError(f"the audio is not {self._format or 'any that is known'}: {error.reason}") from None
        if info.container != (self._format or info.container):
            raise _UnusableError(f"the audio is {info.container}, not {self._format}")
        return info

    def _track(self, audio: AudioInfo | None) -> Track:
        """Return what is known of the track before it is kept."""
        reply = self._call.reply
        size_bytes = self._sink.size
        return Track(
            format=self._format or ("mp3" if audio is None else audio.container),
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
            raw=reply.raw,
            writer=write_file,
        )

    async def _stored(self, track: Track) -> tuple[bytes | None, Path | None]:
        if isinstance(self._sink, FileSink):
            if self._call.journal is not None:
                return None, await publish_by_steps(
                    self._call, self._sink, self._call.journal, seconds=track.duration, flags=track.flags
                )
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
