"""The client people await: it checks what it is given, then hands over to one call.

Three things differ from what users of other clients expect, all for the sake of money: `timeout` is the wall clock of
the whole call; a generation that may have been delivered is never sent again; no type of the HTTP library shows.
"""

from collections.abc import Mapping
from decimal import Decimal
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import anyio

from aiml_music._calls.account_client import AccountClient
from aiml_music._calls.call import Call
from aiml_music._calls.delivery import deliver
from aiml_music._calls.generation import Generation
from aiml_music._calls.keys import hidden
from aiml_music._calls.plans import checked_order, file_target, generate_plan
from aiml_music._calls.session import Session
from aiml_music._calls.settings import changed, options_of, transport_of
from aiml_music._calls.stream import AudioStream
from aiml_music._calls.upload import upload
from aiml_music._io.clock import SystemClock
from aiml_music._io.pacer import pacer
from aiml_music._io.sources import SourceInput
from aiml_music._sansio import order
from aiml_music._sansio.catalogue import MUSIC_01
from aiml_music._sansio.events import EventHandler
from aiml_music._sansio.lyrics import LyricsCheck
from aiml_music._sansio.models import AudioSetting, Reference, Track
from aiml_music._sansio.options import UNSET, TimeoutInput, Unset
from aiml_music._sansio.ports import Clock, Transport
from aiml_music._sansio.retry import RetryPolicy
from aiml_music._sansio.secret import KeyInput

if TYPE_CHECKING:
    from aiml_music.batch.batch import Batch


class AsyncMusicClient(AccountClient):
    """An asynchronous client of AI/ML API's music endpoints, on asyncio and on trio.

    `timeout` is the wall clock of a call from its place in the queue to the last byte of its answer, attempts and
    pauses included. Calls beyond `max_concurrency` wait in the client's own queue, so hundreds may be started at once.
    Nothing is connected until the first call.

    Args:
        api_key: the key; default: `AIML_API_KEY`, then `AIMLAPI_API_KEY`. A callable, plain or async, is asked for it
            at every call.
        base_url: default: `AIML_API_BASE`, then `AIMLAPI_API_BASE`, then the service itself.
        timeout: seconds for a whole call, a `Timeouts`, or None for no limit; default: 600 s for a generation, 120 s
            and one more for every 100 kB for an upload.
        max_retries: how often to try again at most; or
        retry: the whole policy. Neither ever repeats a generation that may have been delivered.
        max_concurrency: calls under way at once; default: 4 at first, then as many as the service takes well, 20 at
            most and fewer while it throttles.
        default_headers: headers for every request.
        slow_disk: write tracks in worker threads, 256 KiB at a time, so that the event loop does not wait for the disk.
            For a network file system, or a disk that stalls; writing to a local disk costs less than the way to a
            thread. It is about the files of `to=`, and changes nothing for tracks in memory and streams.
        allow_insecure_http: accept an `http` address on another machine, where the key travels in the clear.
        on_event: called with an `Event` at every step of every call, in the event loop; it must not wait.
        transport: `"stock"` leaves sockets to the HTTP library, which costs more memory and time; or another way to
            send requests, for tests.
        clock: another clock, for tests.

    Raises:
        ConfigError: the key, the address or an option cannot be used.
    """

    def __init__(
        self,
        *,
        api_key: KeyInput | None = None,
        base_url: str | None = None,
        timeout: TimeoutInput | Unset = UNSET,
        max_retries: int | None = None,
        retry: RetryPolicy | None = None,
        max_concurrency: int | None = None,
        default_headers: Mapping[str, str] | None = None,
        slow_disk: bool = False,
        allow_insecure_http: bool = False,
        on_event: EventHandler | None = None,
        transport: Transport | Literal["stock"] | None = None,
        clock: Clock | None = None,
    ) -> None:
        key = hidden(api_key)
        del api_key
        self._options = options_of(
            key, base_url, timeout, max_retries, retry, max_concurrency, default_headers, slow_disk, allow_insecure_http
        )
        self._session = Session(
            transport=transport_of(transport),
            clock=SystemClock() if clock is None else clock,
            max_concurrency=self._options.max_concurrency,
            on_event=on_event,
        )
        self._owns_session = True

    def __repr__(self) -> str:
        # A report of a crash may ask while the constructor is still at it.
        options = vars(self).get("_options")
        return f"{type(self).__name__}({'' if options is None else f'base_url={options.base_url!r}'})"

    def __reduce__(self) -> Any:
        raise TypeError("a client is not pickled or copied: it holds a key and a queue; make one where it is needed")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owns_session and isinstance(error, anyio.get_cancelled_exc_class()):
            self._session.closed = True
            await self._session.drain_cancelled()
        else:
            await self.close()

    async def close(self, *, drain: float | None = 90.0) -> tuple[Generation, ...]:
        """Take no more calls, wait for those that were submitted, and return what did not end in time.

        Calls that somebody awaits end as they would have. On a view of another client it does nothing.

        Args:
            drain: how many seconds to wait; None waits as long as it takes. What is still under way then is given up,
                and its `await` says what is known of the request and the money.
        """
        if not self._owns_session:
            return ()
        self._session.closed = True
        return await self._session.drain(drain)

    aclose = close

    def is_closed(self) -> bool:
        """Say whether the client takes no more calls."""
        return self._session.closed

    def with_options(
        self,
        *,
        api_key: KeyInput | None = None,
        timeout: TimeoutInput | Unset = UNSET,
        max_retries: int | None = None,
        retry: RetryPolicy | None = None,
        default_headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a view of this client with other options; it shares the queue, and closing it closes nothing.

        Args:
            api_key: another key.
            timeout: as in the constructor.
            max_retries: as in the constructor.
            retry: as in the constructor.
            default_headers: headers in addition to the client's own, and in place of those of the same name.

        Raises:
            ConfigError: an option cannot be used.
        """
        key = hidden(api_key)
        del api_key
        view = object.__new__(type(self))
        view._options = changed(self._options, key, timeout, max_retries, retry, default_headers)
        view._session, view._owns_session = self._session, False
        return view

    async def upload(
        self,
        source: SourceInput,
        *,
        purpose: str,
        check_audio: bool = True,
        timeout: TimeoutInput | Unset = UNSET,
        client_request_id: str | None = None,
    ) -> Reference:
        """Teach the service a reference: a song, a voice or an accompaniment.

        Args:
            source: WAV or MP3, longer than 10 s and at most 10 min: a path, bytes, a binary file object,
                `(name, bytes)`, or an async iterator of bytes. The name is never sent.
            purpose: `song` (gives both ids), `voice` (singing alone) or `instrumental`.
            check_audio: look at the bytes first; False leaves the judgement to the service.
            timeout: as in the constructor, for this call.
            client_request_id: your own id of the call, 1 to 128 of `A-Za-z0-9._:-`; default: a new one.

        Raises:
            InputError: the reference cannot be what the service takes; nothing was sent.
            MusicError: see the error tree; every error says what happened to the request.
        """
        return await upload(
            self._session,
            self._options,
            source,
            purpose=order.check_purpose(purpose),
            check_audio=check_audio,
            timeout=timeout,
            client_request_id=client_request_id,
        )

    async def generate(
        self,
        *,
        lyrics: str,
        reference: Reference | None = None,
        refer_voice: str | None = None,
        refer_instrumental: str | None = None,
        model: str = MUSIC_01.id,
        audio_setting: AudioSetting | Mapping[str, Any] | None = None,
        to: str | PathLike[str] | None = None,
        overwrite: bool = False,
        lyrics_check: LyricsCheck = "warn",
        extra_body: Mapping[str, Any] | None = None,
        timeout: TimeoutInput | Unset = UNSET,
        client_request_id: str | None = None,
    ) -> Track:
        r"""Make a track, in memory or straight into a file. One call costs money and takes a minute or more.

        Args:
            lyrics: the words; a new line is a line, a blank line a pause, `##` at head and tail asks for accompaniment.
            reference: what `upload` returned; or
            refer_voice: a voice id; alone it gives singing without accompaniment.
            refer_instrumental: an instrumental id; alone it gives music without singing.
            model: the model.
            audio_setting: format, sample rate in Hz, bitrate in bit/s.
            to: the file to make; None keeps the track in memory. It must not exist: that is checked, and room for it
                is made, before anything is sent.
            overwrite: replace the file if it exists, once the track is whole.
            lyrics_check: what to do about lyrics that look wrong, such as more than 600 characters or a lone `##`:
                `warn` (a `LyricsWarning`), `refuse` or `off`.
            extra_body: fields of the request this library does not know.
            timeout: as in the constructor, for this call.
            client_request_id: your own id of the call, 1 to 128 of `A-Za-z0-9._:-`; default: a new one.

        Raises:
            InputError: an argument cannot be what its author means; nothing was sent.
            OutputExistsError: the file exists; nothing was sent.
            PayloadError: the track was paid for and is unusable; `salvage` holds what came.
            StorageError: no room for the file, and nothing was sent; or the track was paid for and could not be
                stored, and `salvage` holds it. `outcome` tells which.
            MusicError: see the error tree; every error says what happened to the request and to the money.
        """
        # Hundreds of calls may begin in one turn of the loop.
        await pacer().step()
        asked = checked_order(
            lyrics, reference, refer_voice, refer_instrumental, model, audio_setting, lyrics_check, extra_body
        )
        target = file_target(self._options, asked, to, overwrite=overwrite)
        plan = await generate_plan(self._options, asked, timeout, client_request_id)
        async with self._session.call(plan) as call:
            return await deliver(call, target, audio_format=asked.audio_format)

    async def submit(
        self,
        *,
        lyrics: str,
        reference: Reference | None = None,
        refer_voice: str | None = None,
        refer_instrumental: str | None = None,
        model: str = MUSIC_01.id,
        audio_setting: AudioSetting | Mapping[str, Any] | None = None,
        to: str | PathLike[str] | None = None,
        overwrite: bool = False,
        lyrics_check: LyricsCheck = "warn",
        extra_body: Mapping[str, Any] | None = None,
        timeout: TimeoutInput | Unset = UNSET,
        client_request_id: str | None = None,
    ) -> Generation:
        """Start a generation in a task of its own, which whoever waits for it cannot lose by being cancelled.

        Returns at once; `await` what it returns for the track. The arguments are those of `generate`.

        Raises:
            InputError: an argument cannot be what its author means; nothing was sent.
            RuntimeError: a call of this `client_request_id` was submitted and not collected yet.
        """
        asked = checked_order(
            lyrics, reference, refer_voice, refer_instrumental, model, audio_setting, lyrics_check, extra_body
        )
        target = file_target(self._options, asked, to, overwrite=overwrite)
        plan = await generate_plan(self._options, asked, timeout, client_request_id)
        return self._session.submit(self._session.call(plan), target, audio_format=asked.audio_format)

    def batch(
        self,
        directory: str | PathLike[str],
        *,
        budget: Decimal | int | str | None = None,
        max_concurrency: int | None = None,
        number_copies: bool = False,
    ) -> "Batch":
        """Make many tracks into a directory: durable, resumable, within a budget.

        `async with client.batch("songs") as batch:` opens the directory, `async for outcome in batch.run(jobs):` does
        what is not done yet. Whatever ends the program, the same lines go on where it stood, and pay nothing twice.

        Args:
            directory: where the tracks go, beside their ledger; it is made if it is not there.
            budget: the most that everything in this directory may cost, in US dollars: a `Decimal`, an int or a str
                such as `"2.50"`; None is no limit.
            max_concurrency: jobs under way at once; default: as many as the client lets through.
            number_copies: make a job that is in the list twice that many tracks; otherwise such a list is refused.

        Raises:
            ConfigError: the budget is no amount of money, or `max_concurrency` no whole number above 0.
        """
        from aiml_music.batch.batch import Batch  # noqa: PLC0415 - loads a database that single calls never need

        return Batch(self._session, self._options, directory, budget, max_concurrency, number_copies)

    @property
    def generations(self) -> tuple[Generation, ...]:
        """What was submitted and not collected yet, in order."""
        return self._session.generations

    def generation(self, client_request_id: str) -> Generation:
        """Find a generation again that was submitted and not collected yet.

        Raises:
            KeyError: there is none of this id.
        """
        return {found.client_request_id: found for found in self.generations}[client_request_id]

    def stream(
        self,
        *,
        lyrics: str,
        reference: Reference | None = None,
        refer_voice: str | None = None,
        refer_instrumental: str | None = None,
        model: str = MUSIC_01.id,
        audio_setting: AudioSetting | Mapping[str, Any] | None = None,
        lyrics_check: LyricsCheck = "warn",
        extra_body: Mapping[str, Any] | None = None,
        timeout: TimeoutInput | Unset = UNSET,
        client_request_id: str | None = None,
    ) -> AudioStream:
        """Make a track and hand its audio on as it arrives, for a web response or a player.

        `async with client.stream(...) as audio:` sends the request; `async for chunk in audio:` reads it. The
        arguments are those of `generate`.

        Raises:
            InputError: an argument cannot be what its author means; nothing was sent.
        """
        asked = checked_order(
            lyrics, reference, refer_voice, refer_instrumental, model, audio_setting, lyrics_check, extra_body
        )

        async def start() -> Call:
            return self._session.call(await generate_plan(self._options, asked, timeout, client_request_id))

        return AudioStream(start, audio_format=asked.audio_format)
