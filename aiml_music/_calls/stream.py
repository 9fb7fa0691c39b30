"""Audio handed on while it arrives."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

from aiml_music._calls.track_call import TrackCall
from aiml_music._sansio.inspection import flags_of
from aiml_music._sansio.models import AudioFacts, AudioFormat, Flag, Receipt

_MEDIA_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "pcm": "audio/pcm"}


class AudioStream(AsyncIterator[bytes]):
    """A generation whose audio is handed on as it comes: `async with` begins it, `async for` reads it.

    The request is sent on entering; entering returns when the first audio is there, of a queued model once it is done.
    What the service says about the track comes with its last byte: `facts`, `receipt`, `trace_id`, `raw` and `flags`
    are there once the loop has ended.
    Leaving early closes the connection; the track is paid for all the same.

    Attributes:
        format: `mp3`, `wav` or `pcm`, as asked for; None where that was left open, and the bytes say it.
        size_bytes: how much audio was handed on so far.
    """

    def __init__(self, start: Callable[[], Awaitable[TrackCall]], *, audio_format: AudioFormat | None) -> None:
        self._start = start
        self._call: TrackCall | None = None
        self.format: AudioFormat | None = audio_format
        self.size_bytes: int = 0

    @property
    def media_type(self) -> str:
        """The media type of what is asked for, for a `Content-Type` header."""
        return _MEDIA_TYPES.get(self.format or "", "application/octet-stream")

    async def __aenter__(self) -> Self:
        if self._call is not None:
            raise RuntimeError("a stream is entered once; ask for another generation for another track")
        self._call = await self._start()
        await self._call.__aenter__()
        try:
            await self._call.open()
        except BaseException:
            await self._call.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._entered.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next audio.

        Raises:
            PayloadError: the answer broke off, or ended otherwise than it began to.
        """
        piece = await self._entered.read()
        if not piece:
            raise StopAsyncIteration
        self.size_bytes += len(piece)
        return piece

    @property
    def receipt(self) -> Receipt:
        """What the call did and cost."""
        return self._entered.receipt

    @property
    def facts(self) -> AudioFacts:
        """What the service says about the track."""
        return self._entered.reply.facts

    @property
    def flags(self) -> tuple[Flag, ...]:
        """Where what the service says disagrees with what came, as far as a stream can see."""
        reply = self._entered.reply
        return flags_of(
            reply.facts, None, size_bytes=self.size_bytes, audio_format=self.format, in_progress=reply.in_progress
        )

    @property
    def trace_id(self) -> str | None:
        """The service's own id of the call."""
        return self._entered.reply.trace_id

    @property
    def raw(self) -> Mapping[str, Any]:
        """The answer, without the audio."""
        return self._entered.reply.raw

    @property
    def _entered(self) -> TrackCall:
        if self._call is None:
            raise RuntimeError("use 'async with' to begin the stream")
        return self._call
