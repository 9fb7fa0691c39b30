"""The models that are submitted and polled, as data: fields, prices, and the shapes that their recorded answers have.

A price that nobody recorded is a round figure of the sandbox's own; so is every alias.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from attrs import frozen

from aiml_music.sandbox.encoding import AudioSetting
from aiml_music.sandbox.fields import Address, Field, Flag, Setting, Text, Whole

_SONG = AudioSetting(bitrate=256000)


@frozen(kw_only=True)
class LivingModel:
    """One model.

    Args:
        id: its name on the wire.
        aliases: other names that it is served under.
        name: what people call it.
        developer: who made it.
        price: credits for a track.
        fields: what a request may have.
        id_ends: what follows the UUID and a colon in the ids of its generations; `None` for ids of 21 characters.
        setting: the audio that comes unless a request asks for another.
        seconds: how long a track is unless the request or the lyrics say so.
        sings: whether there is a voice in it.
        media_type: what the store of results calls the file.
        tells_usage: the answer to a submit has `meta.usage`.
        tells_file: `audio_file` has the type, name and size of the file.
        tells_music: a finished generation has `extra_info` and `trace_id`.
        url_ends: the URL of a result says when it expires.
    """

    id: str
    aliases: tuple[str, ...] = ()
    name: str
    developer: str
    price: int
    fields: tuple[Field, ...]
    id_ends: str | None = None
    setting: AudioSetting = _SONG
    seconds: float | None = None
    sings: bool = True
    media_type: str = "audio/mpeg"
    tells_usage: bool = False
    tells_file: bool = False
    tells_music: bool = False
    url_ends: bool = False


_MODELS = (
    LivingModel(
        id="minimax-music",
        name="MiniMax Music",
        developer="MiniMax",
        price=60_000,
        fields=(Text("prompt", None, 600, required=True), Address("reference_audio_url", required=True)),
        id_ends="minimax-music",
        tells_file=True,
    ),
    LivingModel(
        id="minimax/music-1.5",
        aliases=("music-1.5",),
        name="MiniMax Music 1.5",
        developer="MiniMax",
        price=80_000,
        fields=(
            Text("prompt", 10, 300, required=True),
            Text("lyrics", 10, 3000, required=True),
            Setting("audio_sample_rate"),
        ),
        id_ends="minimax/music-1.5",
        tells_music=True,
        url_ends=True,
    ),
    LivingModel(
        id="minimax/music-2.0",
        aliases=("music-2.0",),
        name="MiniMax Music 2.0",
        developer="MiniMax",
        price=80_000,
        fields=(
            Text("prompt", 10, 2000, required=True),
            Text("lyrics", 10, 3000, required=True),
            Setting("audio_sample_rate"),
        ),
        id_ends="minimax/music-2.0",
        tells_music=True,
        url_ends=True,
    ),
    LivingModel(
        id="minimax/music-2.6",
        aliases=("music-2.6",),
        name="MiniMax Music 2.6",
        developer="MiniMax",
        price=390_000,
        fields=(
            Text("prompt", None, 2000),
            Text("lyrics", None, 3000),
            Setting("audio_sample_rate"),
            Flag("lyrics_optimizer"),
            Flag("is_instrumental"),
        ),
        tells_usage=True,
        url_ends=True,
    ),
    LivingModel(
        id="minimax/music-cover",
        aliases=("music-cover",),
        name="MiniMax Music Cover",
        developer="MiniMax",
        price=390_000,
        fields=(
            Text("prompt", 10, 2000, required=True),
            Address("reference_audio_url", or_content=True, required=True),
            Text("lyrics", 10, 3000),
            Setting("sample_rate"),
        ),
        url_ends=True,
    ),
    LivingModel(
        id="google/lyria2",
        aliases=("lyria2",),
        name="Lyria 2",
        developer="Google",
        price=120_000,
        fields=(Text("prompt", required=True), Text("negative_prompt"), Whole("seed", 0)),
        id_ends="lyria2",
        setting=AudioSetting(format="wav", sample_rate=48000),
        seconds=30.0,
        sings=False,
        media_type="audio/wav",
        tells_file=True,
    ),
    LivingModel(
        id="stable-audio",
        name="Stable Audio",
        developer="Stability AI",
        price=100_000,
        fields=(
            Text("prompt", required=True),
            Whole("seconds_start", 1, 47),
            Whole("seconds_total", 1, 47),
            Whole("steps", 1, 1000),
        ),
        id_ends="stable-audio",
        setting=AudioSetting(format="wav"),
        seconds=30.0,
        sings=False,
        media_type="application/octet-stream",
        tells_file=True,
    ),
    LivingModel(
        id="elevenlabs/eleven_music",
        aliases=("eleven_music",),
        name="Eleven Music",
        developer="ElevenLabs",
        price=200_000,
        fields=(Text("prompt", None, 2000, required=True), Whole("music_length_ms", 10_000, 300_000)),
        id_ends="elevenlabs/eleven_music",
        setting=AudioSetting(),
        seconds=10.0,
        sings=False,
    ),
)

LIVING_MODELS: Mapping[str, LivingModel] = MappingProxyType({model.id: model for model in _MODELS})


def is_reference(field: Field) -> bool:
    """Say whether a field leads to audio that a track shall sound like."""
    return isinstance(field, Address)


def living(withdrawn: Iterable[str]) -> Mapping[str, LivingModel]:
    """Return every name that a model is still served under, an id or an alias, and the model."""
    gone = frozenset(withdrawn)
    return {name: model for model in _MODELS if model.id not in gone for name in (model.id, *model.aliases)}
