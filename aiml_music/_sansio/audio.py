"""Say what a file holds if it is WAV or MP3, from its bytes and never from its name, in bounded reading.

The entrance to the probe: it picks the parser. Where bytes come from and what a length means to the service are the
caller's.
"""

from aiml_music._sansio.audio_info import AudioFormatError, AudioInfo, Container, ReadAt
from aiml_music._sansio.impostors import sniff
from aiml_music._sansio.mp3 import begins_as_mp3, probe_mp3
from aiml_music._sansio.wav import is_wav, probe_wav

__all__ = ["AudioFormatError", "AudioInfo", "Container", "ReadAt", "looks_like", "probe", "probe_bytes", "sniff"]


def probe(read_at: ReadAt, size: int) -> AudioInfo:
    """Measure the audio in a file.

    Args:
        read_at: Gives bytes of the file; what it raises goes through.
        size: How many bytes the file has.

    Raises:
        AudioFormatError: The file is certainly not WAV or MP3 that can be measured. No other error comes of any bytes.
    """
    if size <= 0:
        raise AudioFormatError("the file is empty")
    if is_wav(read_at(0, min(12, size))):
        return probe_wav(read_at, size)
    return probe_mp3(read_at, size)


def probe_bytes(data: bytes | memoryview) -> AudioInfo:
    """Measure the audio in memory, without copying more than a window of it.

    Raises:
        AudioFormatError: As `probe()` does.
    """
    view = memoryview(data).cast("B")
    return probe(lambda offset, count: bytes(view[offset : offset + count]), len(view))


def looks_like(container: Container, head: bytes) -> bool:
    """Whether the first bytes of a file may begin a `container`: cheap, and no promise about what follows.

    Args:
        container: What was asked for.
        head: The first 12 bytes or more; a few thousand let MP3 frames be compared with each other.
    """
    return is_wav(head) if container == "wav" else begins_as_mp3(head)
