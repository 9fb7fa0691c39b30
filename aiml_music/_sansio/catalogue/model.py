"""What a row of the catalogue says about a model, and about each field of its requests."""

from enum import StrEnum

from attrs import field, frozen

from aiml_music._sansio.models import AudioFormat

QUEUED_PATH = "/v2/generate/audio"
"""Where all queued models are asked for, and asked after."""


class Route(StrEnum):
    """How a track comes."""

    DIRECT = "direct"
    """In the answer of the paid call itself."""
    QUEUED = "queued"
    """Later: the paid call answers with an id, and the track is collected by that."""


class ReferenceUse(StrEnum):
    """What a model does with a reference."""

    NONE = "none"
    """It takes none."""
    IDS = "ids"
    """It sings with the ids that an upload answers with."""
    URL = "url"
    """The service fetches it from an address."""
    URL_OR_CONTENT = "url or content"
    """The service fetches it from an address, or takes it within the request."""


class FieldKind(StrEnum):
    """What may stand in a field."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "flag"
    ADDRESS = "address"
    """An address that the service fetches, and never this library."""


@frozen(kw_only=True)
class Field:
    """A field of a request.

    Attributes:
        name: what it is called here, and by the service, unless `wire` is given.
        required: the service takes no request without it.
        least: the smallest value, or the fewest characters.
        most: the largest value, or the most characters; every character counts one.
        strict: whether the service's schema has the limits. Those that stand only in its prose are advice.
        unit: of the values, for people.
    """

    name: str
    _wire: str | None = field(default=None, alias="wire")
    kind: FieldKind = FieldKind.TEXT
    required: bool = False
    least: int | None = None
    most: int | None = None
    strict: bool = True
    unit: str | None = None

    @property
    def wire(self) -> str:
        """What the service calls it."""
        return self._wire or self.name

    @property
    def limits(self) -> str:
        """Its limits for people; empty where it has none."""
        least = None if self.least is None else f"at least {self.least:,}"
        most = None if self.most is None else f"at most {self.most:,}"
        numbers = f"{self.least:,} to {self.most:,}" if least and most else least or most
        unit = "characters" if self.kind is FieldKind.TEXT else self.unit
        return " ".join(filter(None, (numbers, unit))) if numbers else ""


@frozen(kw_only=True)
class AudioWords:
    """What a model lets its callers choose about the audio, and how it spells that.

    Attributes:
        sample_rates: in Hz.
        bitrates: in bit/s.
        rate_word: what the sample rate is called in the request.
    """

    formats: tuple[AudioFormat, ...] = ("mp3", "wav", "pcm")
    sample_rates: tuple[int, ...] = (16_000, 24_000, 32_000, 44_100)
    bitrates: tuple[int, ...] = (32_000, 64_000, 128_000, 256_000)
    rate_word: str = "sample_rate"


@frozen(kw_only=True)
class Model:
    """What is known about one model.

    Attributes:
        summary: what it is for, in a few words.
        generate_path: where a generation is asked for.
        poll_path: where a queued one is asked after.
        upload_path: where references go, for `ReferenceUse.IDS`.
        fields: of its requests, the audio setting aside.
        one_of: fields of which a request needs one at least.
        audio: what may be chosen about the audio; None is nothing.
        audio_format: what comes when nothing is chosen; None is not known.
        longest_seconds: how long a track can be, as far as room has to be made for it.
        accompaniment_marks: whether `##` at head and tail of the lyrics asks for accompaniment.
        lyrics_max_chars_elsewhere: shorter limits others document for the same model.
        reference_min_seconds: a reference must be longer than this.
        reference_min_is_enough: or as long.
        reference_max_seconds: and at most this long.
        reference_max_bytes: and at most this large, where it goes into the request.
        price_credits: what one generation cost when it was last seen; 2,000,000 credits are one US dollar. None is not
            known.
        patience_seconds: how long to wait for a track in all.
        first_poll_seconds: when to ask after it for the first time.
        poll_seconds: and how long to wait between two questions.
        result_lives_seconds: how long a finished track can be collected; None is not known.
        withdrawn: since when the service says that it offers the model no longer, as an ISO date.
        aliases: other names of the same model.
        known: whether this is a row of the catalogue.
    """

    id: str
    summary: str = ""
    route: Route = Route.QUEUED
    generate_path: str = QUEUED_PATH
    poll_path: str | None = QUEUED_PATH
    upload_path: str | None = None
    fields: tuple[Field, ...] = ()
    one_of: tuple[str, ...] = ()
    audio: AudioWords | None = None
    audio_format: AudioFormat | None = None
    # The longest that any of them is documented for.
    longest_seconds: int = 300
    accompaniment_marks: bool = False
    lyrics_max_chars_elsewhere: tuple[tuple[str, int], ...] = ()
    reference_use: ReferenceUse = ReferenceUse.NONE
    reference_min_seconds: float = 0.0
    reference_min_is_enough: bool = False
    reference_max_seconds: float = float("inf")
    reference_max_bytes: int | None = None
    price_credits: int | None = None
    patience_seconds: float = 1800.0
    first_poll_seconds: float = 10.0
    poll_seconds: float = 5.0
    result_lives_seconds: float | None = None
    withdrawn: str | None = None
    aliases: tuple[str, ...] = ()
    known: bool = True

    def field(self, name: str) -> Field | None:
        """Return a field by the name it has here; None where the model has none of it."""
        return next((one for one in self.fields if one.name == name), None)

    def takes(self, name: str) -> bool:
        """Say whether the model takes a field; of a model that is not known, nobody knows better."""
        return not self.known or self.field(name) is not None
