"""How a sandbox behaves: the numbers and names that its user may choose.

Owns the values and their bounds; what is done with them is the business of the other modules.
"""

from collections.abc import Iterable

from attrs import Attribute, field, frozen
from attrs.validators import ge, gt, instance_of, le, optional

from aiml_music.sandbox.checks import MODEL
from aiml_music.sandbox.living import LIVING_MODELS
from aiml_music.sandbox.scenarios import LOG_FAULTS, SCENARIOS

DEFAULT_KEY = "sandbox-key"

MEBIBYTE = 1 << 20


def _is_a_scenario(_settings: object, _attribute: object, value: str | None) -> None:
    if value is not None and value not in SCENARIOS:
        raise ValueError(f"unknown scenario {value!r}; there are: {', '.join(SCENARIOS)}")


def _is_a_log_fault(_settings: object, _attribute: object, value: str | None) -> None:
    if value is not None and value not in LOG_FAULTS:
        raise ValueError(f"unknown fault {value!r}; there are: {', '.join(LOG_FAULTS)}")


def _as_names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names)


@frozen(kw_only=True)
class Settings:
    """How the sandbox behaves. Durations are seconds; a limit of `None` is no limit.

    Args:
        latency: how long a generation takes, from 0 to 3600 (the service: about 60).
        queue_seconds: how long a submitted generation waits; without it, a quarter of `latency`.
        generating_seconds: how long it is made; without it, a quarter of `latency`.
        result_lives: how long the address of a finished track works (the service: 24 hours).
        withdrawn: ids of models that are no longer served, such as `music-01`.
        upload_latency: how long an upload takes once its last byte is there.
        accept_keys: the prefix of the keys that are let in. It must begin with `sandbox`, so a real key never fits.
        scenario: a named fault for generations that name none themselves, see `SCENARIOS`.
        scenario_uses: only for so many generations; afterwards all is well again.
        longest_track: no track is longer than this, 0.5 to 60. Short tracks make a test with many of them cheap.
        drip_seconds: how long an answer takes in the scenario `slow_body`, and a look into slow books.
        log_delay: how long after its end a generation appears in the usage log and the billing ledger.
        log_fault: a named fault of these two, see `LOG_FAULTS`.
        max_lyrics: characters; more are refused.
        max_upload_bytes: of the whole body of an upload, and of a submit, which may have a reference inside.
        max_request_bytes: of the JSON of a generation.
    """

    latency: float = field(default=2.0, validator=[ge(0), le(3600)])
    queue_seconds: float | None = field(default=None, validator=optional([ge(0), le(3600)]))
    generating_seconds: float | None = field(default=None, validator=optional([ge(0), le(3600)]))
    result_lives: float = field(default=86400.0, validator=[ge(0), le(864000)])
    withdrawn: frozenset[str] = field(default=frozenset(), converter=_as_names)
    upload_latency: float = field(default=0.0, validator=[ge(0), le(3600)])
    accept_keys: str = field(default="sandbox", validator=instance_of(str))
    scenario: str | None = field(default=None, validator=_is_a_scenario)
    scenario_uses: int | None = field(default=None)
    longest_track: float = field(default=60.0, validator=[ge(0.5), le(60)])
    drip_seconds: float = field(default=10.0, validator=[ge(0), le(3600)])
    log_delay: float = field(default=0.0, validator=[ge(0), le(86400)])
    log_fault: str | None = field(default=None, validator=_is_a_log_fault)
    max_lyrics: int | None = field(default=600)
    max_upload_bytes: int = field(default=128 * MEBIBYTE, validator=gt(0))
    max_request_bytes: int = field(default=MEBIBYTE, validator=gt(0))

    @property
    def stages(self) -> tuple[float, float]:
        """How long a submitted generation waits, and how long it is made, in seconds."""
        quarter = self.latency / 4
        return (
            quarter if self.queue_seconds is None else self.queue_seconds,
            quarter if self.generating_seconds is None else self.generating_seconds,
        )

    @withdrawn.validator
    def _are_models(self, _attribute: object, value: frozenset[str]) -> None:
        unknown = value - {MODEL, *LIVING_MODELS}
        if unknown:
            raise ValueError(f"unknown models {sorted(unknown)}; there are: {', '.join((MODEL, *LIVING_MODELS))}")

    @accept_keys.validator
    def _never_a_real_key(self, _attribute: object, value: str) -> None:
        if not value.startswith("sandbox"):
            raise ValueError("accept_keys must begin with 'sandbox': the sandbox takes no real keys")

    @scenario_uses.validator
    @max_lyrics.validator
    def _at_least_one(self, attribute: "Attribute[int | None]", value: int | None) -> None:
        if value is not None and value < 1:
            raise ValueError(f"{attribute.name} must be at least 1, not {value!r}")
