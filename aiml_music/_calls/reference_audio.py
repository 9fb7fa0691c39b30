"""Look at a reference before it is sent, and put one into the request of a generation."""

from typing import cast

from anyio import to_thread

from aiml_music._io.embedding import EmbeddedBody
from aiml_music._io.reading import Guard
from aiml_music._io.sources import SourceInput, open_into
from aiml_music._sansio import order
from aiml_music._sansio.audio import AudioFormatError, AudioInfo, probe
from aiml_music._sansio.catalogue import Model
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.ports import Source


def measured(source: Source, model: Model) -> AudioInfo:
    """Return what the bytes of a reference say. Blocking: call it from a worker thread.

    Raises:
        InputError: it is no audio, or shorter or longer than the model takes.
    """
    try:
        audio = probe(source.read_at, source.size)
    except AudioFormatError as error:
        raise InputError(f"The reference is neither WAV nor MP3: {error.reason}.") from None
    order.check_reference_length(audio, model)
    return audio


async def embedded(asked: order.GenerateOrder, guard: Guard) -> EmbeddedBody:
    """Return the body of a generation with its reference in it, which can be read until the guard closes.

    Raises:
        InputError: the reference cannot be what the model takes; nothing was sent.
        StorageError: what can be read only once could not be kept.
    """
    value = cast("SourceInput", asked.reference_audio)
    source = await open_into(guard, value, max_bytes=asked.model.reference_max_bytes)
    await to_thread.run_sync(measured, source, asked.model)
    return EmbeddedBody(asked.payload, name=order.EMBEDDED_FIELD, source=source)
