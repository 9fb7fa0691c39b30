"""What is entered and left with `async with`, for whoever has no event loop."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any, Self

Run = Callable[[Callable[[], Awaitable[Any]]], Any]
"""Does work in an event loop on another thread, and waits for it."""


class BlockingContext:
    """Enters and leaves something on the thread of an event loop, which is kept as long as it is entered.

    Args:
        entered: what is entered.
        run: does one step.
        calling: keeps the thread, or refuses.
    """

    def __init__(
        self,
        entered: AbstractAsyncContextManager[Any],
        run: Run,
        calling: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._entered = entered
        self._run = run
        self._calling = calling
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(self._calling())
            self._run(self._entered.__aenter__)
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            self._run(lambda: self._entered.__aexit__(kind, error, trace))
