"""The blocking client: the same methods, each awaited in an event loop on a thread of its own. Decides nothing."""

import inspect
import threading
import warnings
import weakref
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

import anyio
import anyio.lowlevel

from aiml_music._calls.generation import Generation
from aiml_music._calls.keys import hidden
from aiml_music._calls.stream import AudioStream
from aiml_music._io.blocking_context import BlockingContext, Run
from aiml_music._io.loop_thread import LoopThread
from aiml_music._sansio.account import AccountBalance, ModelInfo
from aiml_music._sansio.models import AudioFacts, AudioFormat, Flag, Receipt, Reference, Settlement, Track
from aiml_music.client import AsyncMusicClient

if TYPE_CHECKING:
    from aiml_music.batch.blocking import BlockingBatch

P = ParamSpec("P")
T = TypeVar("T")


class BlockingWarning(UserWarning):
    """The blocking client holds up the event loop it is called from."""


def _like(
    method: Callable[Concatenate[AsyncMusicClient, P], Any],
) -> Callable[[Callable[..., T]], Callable[Concatenate["MusicClient", P], T]]:
    """Give a method the arguments of its asynchronous twin, and its documentation unless it has its own."""

    def apply(twin: Any) -> Callable[Concatenate["MusicClient", P], T]:
        result = twin.__annotations__["return"]
        twin.__signature__ = inspect.signature(method).replace(return_annotation=result)
        twin.__annotations__ = method.__annotations__ | {"return": result}
        twin.__doc__ = twin.__doc__ or method.__doc__
        checked: Callable[Concatenate[MusicClient, P], T] = twin
        return checked

    return apply


class MusicClient:
    """A blocking client of AI/ML API's music endpoints, with the arguments and methods of `AsyncMusicClient`.

    May be used from several threads at once. Works inside a running event loop, as in a notebook, and warns once that
    it holds that loop up.
    """

    @_like(AsyncMusicClient.__init__)
    def __init__(self, **options: Any) -> None:
        options["api_key"] = hidden(options.get("api_key"))
        self._client = AsyncMusicClient(**options)
        self._thread = LoopThread()
        # Taken by the first who warns, for a client and all its views, and never given back.
        self._warning = threading.Lock()
        self._owner: MusicClient | None = None
        # Also at the interpreter's exit, for a client that nobody closed.
        weakref.finalize(self, self._thread.stop, cancel=True)

    def __repr__(self) -> str:
        twin = vars(self).get("_client")
        return f"{type(self).__name__}()" if twin is None else repr(twin).replace("Async", "", 1)

    def __reduce__(self) -> Any:
        return self._client.__reduce__()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self, *, drain: float | None = 90.0) -> "tuple[BlockingGeneration, ...]":
        """Take no more calls, wait for those that were submitted, and return what did not end in time.

        Calls under way in other threads end as they would have, and then the client's thread. On a view of another
        client it does nothing.

        Args:
            drain: how many seconds to wait; None waits as long as it takes. What is still under way then is given up.
        """
        if self._owner is not None:
            return ()
        # The twin's own `close` would need a loop for this.
        self._client._session.closed = True  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        left: tuple[Generation, ...] = ()
        if self._client.generations:
            left = self._thread.run(lambda: self._client.close(drain=drain))
        self._thread.stop(cancel=False)
        return tuple(map(self._blocking, left))

    def is_closed(self) -> bool:
        """Say whether the client takes no more calls."""
        return self._client.is_closed()

    @_like(AsyncMusicClient.with_options)
    def with_options(self, **options: Any) -> "MusicClient":  # noqa: D102 - its twin's
        options["api_key"] = hidden(options.get("api_key"))
        view = object.__new__(type(self))
        view._client = self._client.with_options(**options)
        view._thread, view._warning = self._thread, self._warning
        # Kept alive: when the owner goes, the thread ends with all that runs in it.
        view._owner = self._owner or self
        return view

    @_like(AsyncMusicClient.upload)
    def upload(self, *source: Any, **arguments: Any) -> Reference:  # noqa: D102 - its twin's
        with self._calling():
            return self._run(lambda: self._client.upload(*source, **arguments))

    @_like(AsyncMusicClient.generate)
    def generate(self, **arguments: Any) -> Track:  # noqa: D102 - its twin's
        with self._calling():
            return self._run(lambda: self._client.generate(**arguments))

    @_like(AsyncMusicClient.submit)
    def submit(self, **arguments: Any) -> "BlockingGeneration":
        """Start a generation on the client's own thread, and return at once; `result()` waits for the track.

        The arguments are those of `generate`.

        Raises:
            InputError: an argument cannot be what its author means; nothing was sent.
            RuntimeError: a call of this `client_request_id` was submitted and not collected yet.
        """
        with self._calling():
            return self._blocking(self._run(lambda: self._client.submit(**arguments)))

    @property
    def generations(self) -> "tuple[BlockingGeneration, ...]":
        """What was submitted and not collected yet, in order."""
        return tuple(map(self._blocking, self._client.generations))

    def generation(self, client_request_id: str) -> "BlockingGeneration":
        """Find a generation again that was submitted and not collected yet.

        Raises:
            KeyError: there is none of this id.
        """
        return self._blocking(self._client.generation(client_request_id))

    def _blocking(self, generation: Generation) -> "BlockingGeneration":
        return BlockingGeneration(generation, self._run)

    @_like(AsyncMusicClient.stream)
    def stream(self, **arguments: Any) -> "BlockingAudioStream":
        """Make a track and hand its audio on as it arrives, for a web response or a player.

        `with client.stream(...) as audio:` sends the request; `for chunk in audio:` reads it. The arguments are those
        of `generate`.

        Raises:
            InputError: an argument cannot be what its author means; nothing was sent.
        """
        return BlockingAudioStream(self._client.stream(**arguments), self._run, self._calling)

    @_like(AsyncMusicClient.batch)
    def batch(self, *directory: Any, **options: Any) -> "BlockingBatch":
        """Make many tracks into a directory: durable, resumable, within a budget; see `AsyncMusicClient.batch`.

        `with client.batch("songs") as batch:` opens the directory, `for outcome in batch.run(jobs):` does what is not
        done yet.

        Raises:
            ConfigError: the budget is no amount of money, or `max_concurrency` no whole number above 0.
        """
        from aiml_music.batch.blocking import BlockingBatch  # noqa: PLC0415 - as in the twin

        return BlockingBatch(self._client.batch(*directory, **options), self._run, self._calling)

    @_like(AsyncMusicClient.settle)
    def settle(self, *client_request_id: Any, **arguments: Any) -> Settlement:  # noqa: D102 - its twin's
        with self._calling():
            return self._run(lambda: self._client.settle(*client_request_id, **arguments))

    @_like(AsyncMusicClient.balance)
    def balance(self, **arguments: Any) -> AccountBalance:  # noqa: D102 - its twin's
        with self._calling():
            return self._run(lambda: self._client.balance(**arguments))

    @_like(AsyncMusicClient.models)
    def models(self, **arguments: Any) -> tuple[ModelInfo, ...]:  # noqa: D102 - its twin's
        with self._calling():
            return self._run(lambda: self._client.models(**arguments))

    @_like(AsyncMusicClient.model)
    def model(self, *name: Any, **arguments: Any) -> ModelInfo:  # noqa: D102 - its twin's
        with self._calling():
            return self._run(lambda: self._client.model(*name, **arguments))

    @contextmanager
    def _calling(self) -> Generator[None, None, None]:
        with self._thread.kept():
            if self.is_closed():
                raise RuntimeError("this client is closed; make another one")
            yield

    def _run(self, work: Callable[[], Awaitable[T]]) -> T:
        self._warn_in_a_loop()
        return self._thread.run(work)

    def _warn_in_a_loop(self) -> None:
        try:
            anyio.lowlevel.current_token()
        except RuntimeError:
            return
        if self._warning.acquire(blocking=False):
            warnings.warn(
                "MusicClient blocks the event loop it is called from; AsyncMusicClient does not.",
                BlockingWarning,
                stacklevel=4,
            )


class BlockingGeneration:
    """A generation under way on the client's thread: `result()` waits for its track, as often as you like.

    Attributes:
        client_request_id: its name; `MusicClient.generation` finds it again by that.
    """

    def __init__(self, generation: Generation, run: Run) -> None:
        self._generation = generation
        self._run = run
        self.client_request_id: str = generation.client_request_id

    def __repr__(self) -> str:
        return repr(self._generation).replace("<", "<Blocking", 1)

    def done(self) -> bool:
        """Say whether it has ended, well or not."""
        return self._generation.done()

    def result(self, timeout: float | None = None) -> Track:
        """Wait for the track.

        Args:
            timeout: how many seconds to wait; None waits as long as it takes.

        Raises:
            TimeoutError: it is still under way; nothing is lost, ask again.
            MusicError: as `MusicClient.generate`; or the client was closed before the call had ended.
        """

        async def collect() -> Track | None:
            with anyio.move_on_after(timeout):
                return await self._generation
            return None

        # What has ended needs no loop, and may be asked for after the client was closed.
        track: Track | None = self._generation.result() if self.done() else self._run(collect)
        if track is None:
            raise TimeoutError(f"{self.client_request_id} is still under way; nothing is lost, ask again")
        return track


class BlockingAudioStream(BlockingContext, Iterator[bytes]):
    """A generation whose audio is handed on as it comes: `with` begins it, `for` reads it; see `AudioStream`."""

    def __init__(self, stream: AudioStream, run: Run, calling: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(stream, run, calling)
        self._stream = stream

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        """Return the next audio; see `AudioStream.__anext__`."""
        # A StopAsyncIteration may leave a coroutine, and then its place in a `for` is a StopIteration.
        piece: bytes = self._run(lambda: anext(self._stream, b""))
        if not piece:
            raise StopIteration
        return piece

    @property
    def format(self) -> AudioFormat:
        """The format asked for: `mp3`, `wav` or `pcm`."""
        return self._stream.format

    @property
    def media_type(self) -> str:
        """The media type of what is asked for."""
        return self._stream.media_type

    @property
    def size_bytes(self) -> int:
        """How much audio was handed on so far."""
        return self._stream.size_bytes

    @property
    def receipt(self) -> Receipt:
        """What the call did and cost, once the loop has ended."""
        return self._stream.receipt

    @property
    def facts(self) -> AudioFacts:
        """What the service says about the track, once the loop has ended."""
        return self._stream.facts

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What deserves a look, once the loop has ended."""
        return self._stream.flags

    @property
    def trace_id(self) -> str | None:
        """The service's own id of the call, once the loop has ended."""
        return self._stream.trace_id

    @property
    def raw(self) -> Mapping[str, Any]:
        """The answer without the audio, once the loop has ended."""
        return self._stream.raw
