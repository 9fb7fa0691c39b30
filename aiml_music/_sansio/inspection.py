"""Hold what the service says about a track against what its frames say."""

from aiml_music._sansio.audio import AudioInfo
from aiml_music._sansio.catalogue import Model
from aiml_music._sansio.models import AudioFacts, AudioFormat, AudioSetting, Flag

# An encoder pads a track by up to a tenth of a second at each end; recorded answers round.
_DURATION_SLACK_SECONDS = 0.5
_BITRATE_SLACK = 0.1
_SAMPLE_BYTES = 2


def flags_of(
    facts: AudioFacts,
    audio: AudioInfo | None,
    *,
    size_bytes: int,
    audio_format: AudioFormat | None,
    in_progress: bool = False,
) -> tuple[Flag, ...]:
    """Return what deserves a look; none of it is a reason to throw a paid track away.

    Args:
        facts: what the service said.
        audio: what the frames say; None for `pcm`.
        size_bytes: how many bytes came.
        audio_format: what was asked for; None where that was left open.
        in_progress: the service called the track unfinished.
    """
    found = [(Flag.IN_PROGRESS, in_progress), (Flag.SIZE_DIFFERS, _differs(facts.size_bytes, size_bytes, 0))]
    if audio is None:
        found.append((Flag.ENDS_ODD, audio_format == "pcm" and size_bytes % _SAMPLE_BYTES != 0))
    else:
        announced = None if facts.duration_ms is None else facts.duration_ms / 1000
        found += [
            (Flag.DURATION_DIFFERS, _differs(announced, audio.duration, _DURATION_SLACK_SECONDS)),
            (Flag.SAMPLE_RATE_DIFFERS, _differs(facts.sample_rate_hz, audio.sample_rate_hz, 0)),
            (Flag.BITRATE_DIFFERS, _differs(facts.bitrate, audio.bitrate, _BITRATE_SLACK * audio.bitrate)),
            (Flag.TRUNCATED, audio.truncated),
        ]
    return tuple(flag for flag, holds in found if holds)


def _differs(announced: float | None, actual: float, slack: float) -> bool:
    return announced is not None and abs(announced - actual) > slack


def largest_bytes(setting: AudioSetting | None, model: Model) -> int:
    """Return how much room a track can need: as long as the model makes it, stereo where samples are stored whole."""
    asked = setting or AudioSetting(format=model.audio_format or "mp3")
    if asked.format == "mp3":
        return model.longest_seconds * (asked.bitrate or 256_000) // 8 + 64 * 1024
    return model.longest_seconds * (asked.sample_rate or 44_100) * 2 * _SAMPLE_BYTES + 64 * 1024
