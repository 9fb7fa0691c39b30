"""The fields that requests to the submit-and-poll models have, and what is wrong with one.

A field with `null` in it is wrong, one that no model knows is not looked at: so does the gateway's validator.
"""

import re
from collections.abc import Mapping
from typing import Any, Protocol

from attrs import field, frozen

from aiml_music.sandbox.answers import Issues
from aiml_music.sandbox.encoding import BITRATES, FORMATS, SAMPLE_RATES_HZ, AudioSetting
from aiml_music.sandbox.issues import MISSING, choice, malformed, out_of_bounds, text, wrong_type

_URL = re.compile(r"https?://[^\s/]+(/\S*)?")

# What a reference is called by inside JSON, as base64 alone or as a data URL.
_CONTENT = re.compile(r"(?:data:[\w.+-]+/[\w.+-]+;base64,)?([A-Za-z0-9+/]+={0,2})", re.ASCII)


class Field(Protocol):
    """One field of a request."""

    @property
    def name(self) -> str:
        """Its name on the wire."""

    @property
    def required(self) -> bool:
        """Whether it must be there."""

    def issues(self, payload: dict[str, Any]) -> Issues:
        """Return what is wrong with it; it is there, or required."""

    def schema(self) -> Mapping[str, Any]:
        """Return its JSON Schema."""


@frozen
class Text:
    """A string; the bounds are characters."""

    name: str
    least: int | None = None
    most: int | None = None
    required: bool = field(default=False, kw_only=True)

    def issues(self, payload: dict[str, Any]) -> Issues:
        """Return what is wrong with it."""
        return text(payload, self.name) or out_of_bounds(self.name, payload[self.name], self.least, self.most)

    def schema(self) -> Mapping[str, Any]:
        """Return its JSON Schema."""
        return _bounded("string", minLength=self.least, maxLength=self.most)


@frozen
class Whole:
    """A whole number."""

    name: str
    least: int | None = None
    most: int | None = None
    required: bool = field(default=False, kw_only=True)

    def issues(self, payload: dict[str, Any]) -> Issues:
        """Return what is wrong with it."""
        value = payload.get(self.name, MISSING)
        if isinstance(value, bool) or not isinstance(value, int):
            return [wrong_type((self.name,), "integer", value)]
        return out_of_bounds(self.name, value, self.least, self.most)

    def schema(self) -> Mapping[str, Any]:
        """Return its JSON Schema."""
        return _bounded("integer", minimum=self.least, maximum=self.most)


@frozen
class Flag:
    """True or false."""

    name: str
    required: bool = field(default=False, kw_only=True)

    def issues(self, payload: dict[str, Any]) -> Issues:
        """Return what is wrong with it."""
        value = payload.get(self.name, MISSING)
        return [] if isinstance(value, bool) else [wrong_type((self.name,), "boolean", value)]

    def schema(self) -> Mapping[str, Any]:
        """Return its JSON Schema."""
        return {"type": "boolean"}


@frozen
class Address:
    """The URL of a reference, or where `or_content`, the reference itself in base64."""

    name: str
    or_content: bool = False
    required: bool = field(default=False, kw_only=True)

    def issues(self, payload: dict[str, Any]) -> Issues:
        """Return what is wrong with it."""
        issues = text(payload, self.name)
        if not issues and not _URL.fullmatch(payload[self.name]):
            content = base64_in(payload[self.name]) if self.or_content else None
            return [] if content else [malformed(self.name, "url")]
        return issues

    def schema(self) -> Mapping[str, Any]:
        """Return its JSON Schema."""
        return {"type": "string"} if self.or_content else {"type": "string", "format": "uri"}


@frozen
class Setting:
    """What the audio shall be; `rate` is how this model calls the sampling rate. Another name for it is not heard."""

    rate: str
    name: str = "audio_setting"
    required: bool = field(default=False, kw_only=True)

    def issues(self, payload: dict[str, Any]) -> Issues:
        """Return what is wrong with it."""
        setting = payload.get(self.name, MISSING)
        if not isinstance(setting, dict):
            return [wrong_type((self.name,), "object", setting)]
        choices: tuple[tuple[str, tuple[object, ...]], ...] = self._choices()
        return [
            issue
            for name, possible in choices
            if name in setting
            for issue in choice(setting, (self.name, name), possible)
        ]

    def read(self, setting: Mapping[str, Any], otherwise: AudioSetting) -> AudioSetting:
        """Return what is asked for."""
        return AudioSetting(
            format=setting.get("format", otherwise.format),
            sample_rate=int(setting.get(self.rate, otherwise.sample_rate)),
            bitrate=int(setting.get("bitrate", otherwise.bitrate)),
        )

    def schema(self) -> Mapping[str, Any]:
        """Return its JSON Schema."""
        kinds = {"format": "string", self.rate: "integer", "bitrate": "integer"}
        properties = {name: {"type": kinds[name], "enum": [*possible]} for name, possible in self._choices()}
        return {"type": "object", "properties": properties}

    def _choices(self) -> tuple[tuple[str, tuple[object, ...]], ...]:
        return (("format", FORMATS), (self.rate, SAMPLE_RATES_HZ), ("bitrate", BITRATES))


def base64_in(value: str) -> str | None:
    """Return the base64 of a reference that came inside the request; `None` when it is none."""
    found = _CONTENT.fullmatch(value)
    return found[1] if found and len(found[1]) % 4 == 0 else None


def _bounded(kind: str, **bounds: int | None) -> Mapping[str, Any]:
    return {"type": kind, **{name: bound for name, bound in bounds.items() if bound is not None}}
