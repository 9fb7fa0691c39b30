"""Make every distinct track once, and keep the last ones; takes that differ in their label alone are one."""

from collections import OrderedDict
from threading import Lock

import anyio
import anyio.to_thread
from attrs import evolve

from aiml_music.sandbox.encoding import Encoder, Recording, Take, labelled, record

_KEPT_BYTES = 64 << 20

# Synthesis is pure Python and holds the interpreter: a second worker would only take turns with the first.
_WORKERS = 1


class Studio:
    """Records songs, one at a time, and remembers them.

    Args:
        encoder: makes MP3s, if there is one.
        longest: seconds that no track exceeds.
        kept_bytes: how much audio is remembered.
    """

    def __init__(self, *, encoder: Encoder | None, longest: float, kept_bytes: int = _KEPT_BYTES) -> None:
        self._encoder = encoder
        self._longest = longest
        self._kept_bytes = kept_bytes
        self._shelf: OrderedDict[Take, Recording] = OrderedDict()
        self._lock = Lock()
        self._workers = anyio.CapacityLimiter(_WORKERS)

    def remembered(self, take: Take) -> Recording | None:
        """Return a recording that is there already; never waits."""
        found = self._shelf.get(_unlabelled(take))
        return None if found is None else labelled(found, take)

    def record(self, take: Take) -> Recording:
        """Return a recording; may take seconds, so call it in a worker thread."""
        with self._lock:
            found = self.remembered(take)
            if found is None:
                made = record(take, longest=self._longest, encoder=self._encoder)
                self._shelf[_unlabelled(take)] = made
                self._forget()
                found = labelled(made, take)
            return found

    async def recorded(self, take: Take) -> Recording:
        """Return a recording, made in a worker thread when it is not there."""
        found = self.remembered(take)
        if found is None:
            found = await anyio.to_thread.run_sync(self.record, take, limiter=self._workers)
        return found

    def _forget(self) -> None:
        size = sum(len(recording.audio) for recording in self._shelf.values())
        while size > self._kept_bytes:
            _, oldest = self._shelf.popitem(last=False)
            size -= len(oldest.audio)


def _unlabelled(take: Take) -> Take:
    return evolve(take, label="")
