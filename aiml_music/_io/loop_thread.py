"""An event loop on a thread of its own, for callers that block."""

import os
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

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

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await something on the loop's thread and return what it gives.

        A Ctrl-C meanwhile cancels the work, waits until it has let go, and goes on with the notes of the cancellation,
        which say what happened to the request and to the money.
        """
        notes: list[str] = []
        ended = threading.Event()

        async def step() -> T:
            try:
                return await work()
            except anyio.get_cancelled_exc_class() as cancelled:
                notes.extend(getattr(cancelled, "__notes__", ()))
                raise
            finally:
                ended.set()

        future = self._started().start_task_soon(step)
        try:
            return future.result()
        except BaseException as interruption:
            if not future.done():
                future.cancel()
                ended.wait(_LANDING_SECONDS)
                for note in notes:
                    interruption.add_note(note)
            raise

    def stop(self) -> None:
        """End the loop; what still runs in it is cancelled."""
        with self._lock:
            portal, self._portal = self._portal, None
            thread, self._thread = self._thread, None
        if portal is not None and thread is not None and self._process == os.getpid():
            portal.start_task_soon(portal.stop, True)  # noqa: FBT003 - the portal takes no keywords
            thread.join()

    def _started(self) -> BlockingPortal:
        with self._lock:
            # A fork copies this object and not its thread.
            if self._portal is None or self._process != os.getpid():
                self._process = os.getpid()
                self._portal = self._start()
            return self._portal

    def _start(self) -> BlockingPortal:
        ready = threading.Event()
        portals: list[BlockingPortal] = []

        async def serve() -> None:
            async with BlockingPortal() as portal:
                portals.append(portal)
                ready.set()
                await portal.sleep_until_stopped()

        self._thread = threading.Thread(target=anyio.run, args=(serve,), name="aiml_music", daemon=True)
        self._thread.start()
        ready.wait()
        return portals[0]
