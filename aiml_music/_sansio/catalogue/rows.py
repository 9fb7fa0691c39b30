"""The rows: what the service's own pages say about each model, and where they say nothing, nothing.

A new model is one row more. Its fields must be known to `ModelFields`, and the guide "Which model?" prints its table
anew; tests hold both, and try every row.
"""

from aiml_music._sansio.catalogue.model import AudioWords, Field, FieldKind, Model, ReferenceUse, Route

UPLOAD_PATH = "/v2/generate/audio/minimax/upload"
_MB = 1_000_000
# MiniMax's links to finished tracks end a day after they were made.
_DAY_SECONDS = 24 * 3600.0
_MINIMAX_RATE = AudioWords(rate_word="audio_sample_rate")

MUSIC_01 = Model(
    id="music-01",
    summary="a minute at most, sung with the voice or the accompaniment of a reference",
    route=Route.DIRECT,
    generate_path="/v2/generate/audio/minimax/generate",
    poll_path=None,
    upload_path=UPLOAD_PATH,
    fields=(
        Field(name="lyrics", required=True, most=600, strict=False),
        Field(name="refer_voice"),
        Field(name="refer_instrumental"),
    ),
    one_of=("refer_voice", "refer_instrumental"),
    audio=AudioWords(),
    audio_format="mp3",
    longest_seconds=60,
    accompaniment_marks=True,
    lyrics_max_chars_elsewhere=(("MiniMax", 200), ("Replicate", 350)),
    reference_use=ReferenceUse.IDS,
    reference_min_seconds=10.0,
    reference_max_seconds=600.0,
    price_credits=63_000,
    patience_seconds=600.0,
    withdrawn="2026-08-17",
)

MINIMAX_MUSIC = Model(
    id="minimax-music",
    summary="lyrics sung in the manner of a reference song",
    fields=(
        # The lyrics go where other models have a description of the music.
        Field(name="lyrics", wire="prompt", required=True, most=600, strict=False),
        Field(name="reference_audio_url", kind=FieldKind.ADDRESS, required=True),
    ),
    accompaniment_marks=True,
    reference_use=ReferenceUse.URL,
    reference_min_seconds=15.0,
    result_lives_seconds=_DAY_SECONDS,
)

MUSIC_1_5 = Model(
    id="minimax/music-1.5",
    summary="a song from a description and lyrics",
    fields=(
        Field(name="prompt", required=True, least=10, most=300),
        Field(name="lyrics", required=True, least=10, most=3000),
    ),
    audio=_MINIMAX_RATE,
    audio_format="mp3",
    result_lives_seconds=_DAY_SECONDS,
)

MUSIC_2_0 = Model(
    id="minimax/music-2.0",
    summary="a song from a description and lyrics",
    fields=(
        Field(name="prompt", required=True, least=10, most=2000),
        Field(name="lyrics", required=True, least=10, most=3000),
    ),
    audio=_MINIMAX_RATE,
    audio_format="mp3",
    result_lives_seconds=_DAY_SECONDS,
)

MUSIC_2_6 = Model(
    id="minimax/music-2.6",
    summary="a song from a description, lyrics or both; also without singing",
    fields=(
        Field(name="prompt", most=2000),
        Field(name="lyrics", most=3000),
        Field(name="lyrics_optimizer", kind=FieldKind.FLAG),
        Field(name="is_instrumental", kind=FieldKind.FLAG),
    ),
    one_of=("prompt", "lyrics"),
    audio=_MINIMAX_RATE,
    audio_format="mp3",
    price_credits=390_000,
    result_lives_seconds=_DAY_SECONDS,
)

MUSIC_COVER = Model(
    id="minimax/music-cover",
    summary="another version of a reference song",
    fields=(
        Field(name="prompt", required=True, least=10, most=2000),
        Field(name="reference_audio_url", kind=FieldKind.ADDRESS, required=True),
        Field(name="lyrics", least=10, most=3000),
    ),
    audio=AudioWords(),
    audio_format="mp3",
    reference_use=ReferenceUse.URL_OR_CONTENT,
    reference_min_seconds=6.0,
    reference_min_is_enough=True,
    reference_max_seconds=360.0,
    reference_max_bytes=50 * _MB,
    result_lives_seconds=_DAY_SECONDS,
)

LYRIA_2 = Model(
    id="google/lyria2",
    summary="instrumental music from a description",
    fields=(
        Field(name="prompt", required=True),
        Field(name="negative_prompt"),
        Field(name="seed", kind=FieldKind.INTEGER, least=0),
    ),
    audio_format="wav",
    longest_seconds=60,
)

STABLE_AUDIO = Model(
    id="stable-audio",
    summary="up to 47 seconds of music or sounds from a description",
    fields=(
        Field(name="prompt", required=True),
        Field(name="seconds_start", kind=FieldKind.INTEGER, least=1, most=47, unit="s"),
        Field(name="seconds_total", kind=FieldKind.INTEGER, least=1, most=47, unit="s"),
        Field(name="steps", kind=FieldKind.INTEGER, least=1, most=1000),
    ),
    audio_format="wav",
    longest_seconds=47,
)

ELEVEN_MUSIC = Model(
    id="elevenlabs/eleven_music",
    summary="music or a song from a description, up to 5 minutes",
    fields=(
        Field(name="prompt", required=True, most=2000),
        Field(name="music_length_ms", kind=FieldKind.INTEGER, least=10_000, most=300_000, unit="ms"),
    ),
)

MODELS = {
    model.id: model
    for model in (
        *(MUSIC_01, MINIMAX_MUSIC, MUSIC_1_5, MUSIC_2_0, MUSIC_2_6, MUSIC_COVER),
        *(LYRIA_2, STABLE_AUDIO, ELEVEN_MUSIC),
    )
}
