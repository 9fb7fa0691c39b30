"""What the service says about a track, held against what its frames say."""

import pytest
from attrs import evolve

from aiml_music._sansio.audio import AudioInfo
from aiml_music._sansio.catalogue import MUSIC_01, find_model
from aiml_music._sansio.inspection import flags_of, largest_bytes
from aiml_music._sansio.models import AudioFacts, AudioSetting, Flag

AUDIO = AudioInfo(
    container="mp3",
    encoding="mp3",
    duration=59.3,
    sample_rate_hz=44_100,
    channels=2,
    bitrate=128_000,
    variable_bitrate=False,
    audio_bytes=948_800,
    truncated=False,
)
FACTS = AudioFacts(duration_ms=59_300, size_bytes=948_800, bitrate=128_000, sample_rate_hz=44_100, channels=2)


@pytest.mark.parametrize(
    ("facts", "flags"),
    [
        (FACTS, ()),
        (AudioFacts(), ()),
        (evolve(FACTS, size_bytes=948_801), (Flag.SIZE_DIFFERS,)),
        (evolve(FACTS, duration_ms=59_800), ()),
        (evolve(FACTS, duration_ms=58_799), (Flag.DURATION_DIFFERS,)),
        (evolve(FACTS, duration_ms=59_801), (Flag.DURATION_DIFFERS,)),
        (evolve(FACTS, sample_rate_hz=44_099), (Flag.SAMPLE_RATE_DIFFERS,)),
        (evolve(FACTS, bitrate=140_800), ()),
        (evolve(FACTS, bitrate=115_199), (Flag.BITRATE_DIFFERS,)),
        (evolve(FACTS, bitrate=256_000), (Flag.BITRATE_DIFFERS,)),
        (
            AudioFacts(duration_ms=1, size_bytes=1, bitrate=1, sample_rate_hz=1),
            (Flag.SIZE_DIFFERS, Flag.DURATION_DIFFERS, Flag.SAMPLE_RATE_DIFFERS, Flag.BITRATE_DIFFERS),
        ),
    ],
    ids=[
        "as announced",
        "nothing announced",
        "size",
        "half a second",
        "shorter",
        "longer",
        "rate",
        "a tenth of bitrate",
        "lower bitrate",
        "double bitrate",
        "everything",
    ],
)
def test_disagreements_are_flagged(facts: AudioFacts, flags: tuple[Flag, ...]) -> None:
    """A track that is not as announced is kept, with a flag for each difference beyond rounding."""
    assert flags_of(facts, AUDIO, size_bytes=948_800, audio_format="mp3") == flags


def test_a_track_cut_short_is_flagged() -> None:
    """Frames that end before they should are worth a look."""
    cut = evolve(AUDIO, truncated=True)
    assert flags_of(FACTS, cut, size_bytes=948_800, audio_format="mp3") == (Flag.TRUNCATED,)


def test_a_track_called_unfinished_is_flagged() -> None:
    """Audio the service calls unfinished is kept, and said to be so."""
    flags = flags_of(FACTS, AUDIO, size_bytes=948_800, audio_format="mp3", in_progress=True)
    assert flags == (Flag.IN_PROGRESS,)


@pytest.mark.parametrize(
    ("facts", "size_bytes", "flags"),
    [
        (AudioFacts(), 1000, ()),
        (AudioFacts(size_bytes=1000, duration_ms=7, bitrate=7, sample_rate_hz=7), 1000, ()),
        (AudioFacts(), 1001, (Flag.ENDS_ODD,)),
        (AudioFacts(size_bytes=1000), 1001, (Flag.SIZE_DIFFERS, Flag.ENDS_ODD)),
    ],
    ids=["plain", "nothing to compare", "half a sample", "another size"],
)
def test_samples_without_a_header_are_counted(facts: AudioFacts, size_bytes: int, flags: tuple[Flag, ...]) -> None:
    """`pcm` has no frames to compare with; it can only end in the middle of a sample."""
    assert flags_of(facts, None, size_bytes=size_bytes, audio_format="pcm") == flags


@pytest.mark.parametrize(
    ("setting", "seconds_bytes"),
    [
        (None, 32_000),
        (AudioSetting(), 32_000),
        (AudioSetting(bitrate=32_000), 4_000),
        (AudioSetting(format="wav"), 176_400),
        (AudioSetting(format="wav", sample_rate=16_000, bitrate=32_000), 64_000),
        (AudioSetting(format="pcm", sample_rate=44_100), 176_400),
    ],
    ids=["default", "mp3", "low bitrate", "wav", "low rate", "pcm"],
)
def test_room_is_made_for_the_longest_track(setting: AudioSetting | None, seconds_bytes: int) -> None:
    """A minute of what was asked for fits, with 64 KiB for headers and tags."""
    assert largest_bytes(setting, MUSIC_01) == 60 * seconds_bytes + 64 * 1024


@pytest.mark.parametrize(
    ("model", "seconds", "seconds_bytes"),
    [("stable-audio", 47, 176_400), ("elevenlabs/eleven_music", 300, 32_000), ("somebody/sings", 300, 32_000)],
)
def test_room_is_made_for_what_a_model_makes(model: str, seconds: int, seconds_bytes: int) -> None:
    """As long as it is documented for, and what nobody knows may be an MP3 of five minutes."""
    assert largest_bytes(None, find_model(model)) == seconds * seconds_bytes + 64 * 1024
