"""An event loop on a thread of its own, for callers that block."""

import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

T = TypeVar("T")

# After Ctrl-C: how long a track that is already coming in may take to land. A second Ctrl-C ends the wait.
_LANDING_SECONDS = 35.0


class LoopThread:
    """Runs coroutines for a thread that waits for them.

    The thread is a daemon: a program that forgets to stop it still exits.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._portal: BlockingPortal | None = None
        self._thread: threading.Thread | None = None
        self._process = 0
        self._users = 0
        self._ending = False

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await something on the loop's thread and return what it gives.

        A Ctrl-C meanwhile cancels the work, waits until it has let go, and goes on with the notes of the cancellation,
        which say what happened to the request and to the money.
        """
        step, portal = _Step(work), self._started()
        future: Future[T] | None = None
        try:
            future = portal.start_task_soon(step.run)
            return future.result()
        except BaseException as interruption:
            # A Ctrl-C may come while the work is being handed over: whether it arrived, only the loop knows.
            if future is None or not future.done():
                portal.start_task_soon(step.cancel)
                step.ended.wait(_LANDING_SECONDS)
                for note in step.notes:
                    interruption.add_note(note)
            raise

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Put off a `stop` that cancels nothing: the last who lets go then ends the loop."""
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                last = self._ending and not self._users
            if last:
                self.stop(cancel=False)

    def stop(self, *, cancel: bool) -> None:
        """End the loop.

        Args:
            cancel: at once, with all that runs in it; False leaves that to the last who keeps it, and does not wait.
        """
        with self._lock:
            self._ending = self._users > 0 and not cancel
            if self._ending:
                return
            portal, self._portal = self._portal, None
            thread, self._thread = self._thread, None
        if portal is None or thread is None or self._process != os.getpid():
            return
        if thread is threading.current_thread():
            # The garbage collector may end a forgotten client on the loop's own thread, which cannot wait for itself.
            threading.Thread(target=_end, args=(portal, thread), daemon=True).start()
        else:
            _end(portal, thread)

    def _started(self) -> BlockingPortal:
        with self._lock:
            # A fork copies this object and not its thread.
            if self._portal is None or self._process != os.getpid():
                self._portal = self._start()
                self._process = os.getpid()
            return self._portal

    def _start(self) -> BlockingPortal:
        started: Future[BlockingPortal] = Future()

        async def serve() -> None:
            async with BlockingPortal() as portal:
                started.set_result(portal)
                await portal.sleep_until_stopped()

        def work() -> None:
            try:
                anyio.run(serve)
            except BaseException as error:  # noqa: BLE001 - raised by who waits for the start, or for the work
                with suppress(InvalidStateError):
                    started.set_exception(error)

        self._thread = threading.Thread(target=work, name="aiml_music", daemon=True)
        self._thread.start()
        return started.result()


class _Step(Generic[T]):
    """Work on its way through the loop, which can be cancelled from the moment it is handed over.

    Attributes:
        ended: set once nothing of it runs any more.
        notes: what its cancellation had to say.
    """

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._scope: anyio.CancelScope | None = None
        self.ended = threading.Event()
        self.notes: list[str] = []

    async def run(self) -> T:
        """Do the work."""
        try:
            with anyio.CancelScope() as self._scope:
                return await self._noting()
        finally:
            self.ended.set()
        raise RuntimeError("the work was cancelled, and nobody waits for it")

    async def _noting(self) -> T:
        try:
            return await self._work()
        except anyio.get_cancelled_exc_class() as cancelled:
            self.notes.extend(getattr(cancelled, "__notes__", ()))
            raise

    def cancel(self) -> None:
        """Cancel the work, on the loop's thread."""
        if self._scope is None:
            # What was handed over before this has begun by now: so it never was.
            self.ended.set()
        else:
            self._scope.cancel()


def _end(portal: BlockingPortal, thread: threading.Thread) -> None:
    portal.start_task_soon(portal.stop, True)  # noqa: FBT003 - the portal takes no keywords
    thread.join()
