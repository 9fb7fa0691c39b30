"""Run calls of the client from a command, so that Ctrl-C ends them at once and says what became of the money."""

import os
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

import anyio

from aiml_music._sansio.options import UNSET, base_url_from_env, check_base_url
from aiml_music.client import AsyncMusicClient

T = TypeVar("T")


def client_of(timeout: float | None, *, max_concurrency: int | None = None) -> AsyncMusicClient:
    """Return a client whose key and address are those of the environment.

    Args:
        timeout: seconds for a whole call; None leaves the client's own limits.
        max_concurrency: calls under way at once; None is as many as the service takes well.
    """
    return AsyncMusicClient(timeout=UNSET if timeout is None else timeout, max_concurrency=max_concurrency)


def service() -> str:
    """Return the address that calls go to: a sandbox must not be taken for the service, nor the reverse."""
    return check_base_url(base_url_from_env(os.environ))


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Await something and return what it gives.

    Raises:
        KeyboardInterrupt: Ctrl-C; its notes are those of the cancellation it became.
    """
    with _Notes() as notes:
        return anyio.run(partial(notes.taken_of, work))


class _Notes:
    """Carries the notes of a cancellation over to the interruption behind it."""

    def __init__(self) -> None:
        self._notes: list[str] = []

    async def taken_of(self, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await work()
        except anyio.get_cancelled_exc_class() as cancelled:
            self._notes.extend(getattr(cancelled, "__notes__", ()))
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for note in self._notes:
                error.add_note(note)
