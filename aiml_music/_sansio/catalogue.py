"""The models as data: route, limits, price. A model is a row; code that knows a model by name belongs here."""

from attrs import frozen


@frozen(kw_only=True)
class Model:
    """What is known about one model.

    Attributes:
        upload_path: where references go.
        generate_path: where a generation is asked for.
        lyrics_max_chars: the longest lyrics the service's own page documents; every character counts one.
        lyrics_max_chars_elsewhere: shorter limits others document for the same model.
        reference_min_seconds: a reference must be longer than this.
        reference_max_seconds: and at most this long.
        price_credits: what one generation costs; 2,000,000 credits are one US dollar.
    """

    id: str
    upload_path: str
    generate_path: str
    lyrics_max_chars: int
    lyrics_max_chars_elsewhere: tuple[tuple[str, int], ...] = ()
    reference_min_seconds: float
    reference_max_seconds: float
    price_credits: int


MUSIC_01 = Model(
    id="music-01",
    upload_path="/v2/generate/audio/minimax/upload",
    generate_path="/v2/generate/audio/minimax/generate",
    lyrics_max_chars=600,
    lyrics_max_chars_elsewhere=(("MiniMax", 200), ("Replicate", 350)),
    reference_min_seconds=10.0,
    reference_max_seconds=600.0,
    price_credits=63_000,
)

MODELS = {model.id: model for model in (MUSIC_01,)}
