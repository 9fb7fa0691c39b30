"""What a probe of an audio file answers with: the facts found, or the reason there are none.

`mp3.py` and `wav.py` find the facts; whether a file is long or short enough for the service is the caller's to say.
"""

from typing import Literal, Protocol, TypeAlias

from attrs import field, frozen
from attrs.validators import gt

Container: TypeAlias = Literal["mp3", "wav"]


class ReadAt(Protocol):
    """A door to the file: `count` bytes from `offset`, fewer only where the file ends."""

    def __call__(self, offset: int, count: int, /) -> bytes: ...


class AudioFormatError(ValueError):
    """The bytes are not audio that can be measured; `reason` says why in one plain sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@frozen(kw_only=True)
class AudioInfo:
    """What is really in the file, whatever its headers claim.

    Args:
        container: The wrapping, by its bytes and never by its name.
        encoding: How the sound is stored: `mp3`; in WAV `pcm_u8`, `pcm_s16`, `pcm_s24`, `pcm_s32`, `float32`,
            `float64`, `mulaw`, `alaw`, `adpcm_ms`, `adpcm_ima`.
        duration: Seconds of sound that are present and whole.
        sample_rate_hz: Of the first frame, should a spliced MP3 change it on the way.
        channels: 1 is mono.
        bitrate: Mean over the sound present, in bit/s.
        variable_bitrate: Whether frames differ in bitrate; never so for WAV.
        audio_bytes: The bytes that hold the sound, without headers, tags and padding.
        truncated: The sound stops before its header or its last frame says, or gives way to a mass of other bytes.
    """

    container: Container
    encoding: str
    duration: float = field(validator=gt(0))
    sample_rate_hz: int = field(validator=gt(0))
    channels: int = field(validator=gt(0))
    bitrate: int = field(validator=gt(0))
    variable_bitrate: bool
    audio_bytes: int = field(validator=gt(0))
    truncated: bool

    @property
    def media_type(self) -> str:
        """The name of the container in HTTP."""
        return "audio/mpeg" if self.container == "mp3" else "audio/wav"
