"""A song to upload: reference audio for demonstrations and tests."""

from aiml_music.sandbox.encoding import LAME, AudioSetting, Encoder, as_mp3, as_wav
from aiml_music.sandbox.score import Song
from aiml_music.sandbox.synth import play

_LONGEST = 600.0
_WORDS = """##
Over the water the morning is new
Lanterns are sleeping, the harbour is blue

Carry a melody over the bay
Nothing to lose and a song for the day
##"""


def make_reference(seconds: float = 20.0, seed: int = 0, *, encoder: Encoder | None = LAME) -> bytes:
    """Return a song with a voice, as an MP3, or as a WAV where there is no encoder.

    Args:
        seconds: how long it is, more than 0 and at most 600. The service takes references of more than 10.
        seed: another number is another song.
        encoder: makes the MP3; by default LAME where it is installed.

    Raises:
        ValueError: the seconds are out of range.
    """
    if not 0 < seconds <= _LONGEST:
        raise ValueError(f"seconds must be more than 0 and at most {_LONGEST:g}, not {seconds!r}")
    song = Song(_WORDS, voice=b"voice %d" % seed, instrumental=b"instrumental %d" % seed)
    setting = AudioSetting()
    pcm = play(song, sample_rate_hz=setting.sample_rate, exactly=seconds)
    return as_wav(pcm, setting) if encoder is None else as_mp3(pcm, setting, encoder).audio
