"""How a whole track gets its name: at once, or step by step, each told to a journal before the next one is taken."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from aiml_music._calls.track_call import TrackCall
from aiml_music._io import digest
from aiml_music._io.disk import on_disk
from aiml_music._io.sinks import FileSink
from aiml_music._sansio.errors import MusicError, StorageError
from aiml_music._sansio.journal import Journal, marked
from aiml_music._sansio.models import Flag
from aiml_music._sansio.outcome import Money, Outcome, Phase

T = TypeVar("T")


async def intend(call: TrackCall, journal: Journal) -> None:
    """Tell a journal that a call, whose file has its room, is about to be made; and the call, to tell the rest.

    Raises:
        MusicError: the journal's own, signed; nothing was sent.
    """
    # While whatever is wrong with it costs nothing.
    await on_disk(digest.load)
    try:
        await marked(journal.intent())
    except MusicError as error:
        error.outcome, error.money, error.phase = Outcome.NOT_SENT, Money.NO, Phase.PREPARE
        call.sign(error)
        raise
    call.journal = journal


def publish(call: TrackCall, sink: FileSink) -> Path:
    """Give a whole track its name.

    Raises:
        StorageError: it could not be done; `salvage` has the track.
    """
    path = _signed(call, sink, sink.publish)
    _note(call, path)
    return path


async def publish_by_steps(
    call: TrackCall, sink: FileSink, journal: Journal, *, seconds: float | None, flags: tuple[Flag, ...]
) -> Path:
    """Give a whole track its name, and tell a journal before each step.

    Args:
        call: that made it.
        sink: that holds it.
        journal: what is told.
        seconds: how long it plays; None where that is not known.
        flags: what deserves a look.

    Raises:
        StorageError: as `publish`.
        MusicError: the journal's own; `salvage` is the file that has the track.
    """
    ready = await on_disk(partial(_signed, call, sink, sink.make_ready))
    _note(call, ready.path)
    if call.journal_trouble is not None:
        raise _kept(call, call.journal_trouble, ready.path)
    received = journal.received(
        sha256=ready.sha256, size_bytes=sink.size, seconds=seconds, flags=flags, receipt=call.receipt
    )
    await _mark(call, received, ready.path)
    path = await on_disk(partial(_signed, call, sink, sink.publish_ready))
    _note(call, path)
    await _mark(call, journal.done(path), path)
    await on_disk(sink.forget_ready)
    return path


def _signed(call: TrackCall, sink: FileSink, step: Callable[[], T]) -> T:
    try:
        return step()
    except StorageError as error:
        if error.salvage is None:
            error.salvage = sink.to_memory().content()
        call.stamp(error, Outcome.COMPLETED, Phase.STORE)
        raise


def _note(call: TrackCall, path: Path) -> None:
    call.last_words = f"aiml_music: the track was kept all the same, in {path}."


async def _mark(call: TrackCall, mark: Awaitable[None], path: Path) -> None:
    try:
        await marked(mark)
    except MusicError as error:
        _kept(call, error, path)
        raise


def _kept(call: TrackCall, error: MusicError, path: Path) -> MusicError:
    """Return a journal's error with what became of the track written on it."""
    error.salvage, error.hint = path, " ".join(filter(None, (error.hint, f"The track is in {path}.")))
    return call.stamp(error, Outcome.COMPLETED, Phase.STORE)
