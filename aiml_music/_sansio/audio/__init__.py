"""Say what a file holds if it is WAV or MP3, from its bytes and never from its name, in bounded reading.

The entrance to the probe: it picks the parser. Where bytes come from and what a length means to the service are the
caller's.
"""

from collections.abc import Generator

from aiml_music._sansio.audio.impostors import sniff
from aiml_music._sansio.audio.info import AudioFormatError, AudioInfo, Container, ReadAt
from aiml_music._sansio.audio.mp3 import probe_mp3
from aiml_music._sansio.audio.wav import is_wav, probe_wav

__all__ = ["AudioFormatError", "AudioInfo", "Container", "ReadAt", "probe", "probe_bytes", "probing", "sniff"]


def probing(read_at: ReadAt, size: int) -> Generator[None, None, AudioInfo]:
    """Measure the audio in a file, a quarter of a megabyte at a time; yields between two steps.

    Args:
        read_at: Gives bytes of the file; what it raises goes through.
        size: How many bytes the file has.

    Returns:
        What was measured.

    Raises:
        AudioFormatError: The file is certainly not WAV or MP3 that can be measured. No other error comes of any bytes.
    """
    if size <= 0:
        raise AudioFormatError("the file is empty")
    if is_wav(read_at(0, 12)):
        return probe_wav(read_at, size)
    return (yield from probe_mp3(read_at, size))


def probe(read_at: ReadAt, size: int) -> AudioInfo:
    """Measure the audio in a file, in one go.

    Args:
        read_at: As for `probing()`.
        size: As for `probing()`.

    Raises:
        AudioFormatError: As `probing()` does.
    """
    steps = probing(read_at, size)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            info: AudioInfo = end.value
            return info


def probe_bytes(data: bytes | memoryview) -> AudioInfo:
    """Measure the audio in memory, without copying more than a window of it.

    Raises:
        AudioFormatError: As `probe()` does.
    """
    view = memoryview(data).cast("B")
    return probe(lambda offset, count: bytes(view[offset : offset + count]), len(view))
