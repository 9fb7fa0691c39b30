"""Make every distinct track once, and keep the last ones."""

from collections import OrderedDict
from threading import Lock

from aiml_music.sandbox.encoding import AudioSetting, Encoder, Recording, record
from aiml_music.sandbox.score import Song

_KEPT_BYTES = 64 << 20


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
        self._shelf: OrderedDict[tuple[Song, AudioSetting], Recording] = OrderedDict()
        self._lock = Lock()

    def remembered(self, song: Song, setting: AudioSetting) -> Recording | None:
        """Return a recording that is there already; never waits."""
        return self._shelf.get((song, setting))

    def record(self, song: Song, setting: AudioSetting) -> Recording:
        """Return a recording; may take seconds, so call it in a worker thread."""
        with self._lock:
            found = self._shelf.get((song, setting))
            if found is None:
                found = self._shelf[song, setting] = record(song, setting, longest=self._longest, encoder=self._encoder)
                self._forget()
            return found

    def _forget(self) -> None:
        size = sum(len(recording.audio) for recording in self._shelf.values())
        while size > self._kept_bytes:
            _, oldest = self._shelf.popitem(last=False)
            size -= len(oldest.audio)
