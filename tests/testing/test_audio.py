"""The sound that tests use."""

import miniaudio  # type: ignore[import-untyped]  # it has no stubs
import pytest

from aiml_music._sansio.audio import probe_bytes
from aiml_music.testing import silent_mp3


@pytest.mark.parametrize(("seconds", "frames"), [(0.0, 1), (0.01, 1), (1.0, 39), (12.0, 460), (60.0, 2297)])
def test_silence_is_an_mp3_of_that_length(seconds: float, frames: int) -> None:
    """A decoder plays nothing but zeros, for as long as was asked for and at most a frame longer."""
    data = silent_mp3(seconds)
    played = miniaudio.mp3_read_s16(data)
    assert set(played.samples) == {0}
    assert (played.nchannels, played.sample_rate, played.num_frames) == (1, 44_100, frames * 1152)
    assert played.duration >= seconds


def test_the_probe_measures_it() -> None:
    """The library finds nothing wrong with it, and reads the same length."""
    info = probe_bytes(silent_mp3(12))
    assert (info.container, info.truncated, info.channels, info.variable_bitrate) == ("mp3", False, 1, False)
    assert 12 <= info.duration < 12.03
