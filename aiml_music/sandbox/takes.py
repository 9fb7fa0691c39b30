"""What a request to a submit-and-poll model sounds like: its fields become a song, by rules of the sandbox's own."""

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from aiml_music.sandbox.encoding import AudioSetting, Take
from aiml_music.sandbox.fields import Setting
from aiml_music.sandbox.living import LivingModel
from aiml_music.sandbox.score import Song
from aiml_music.sandbox.syllables import wants_accompaniment

# "[Verse]" says how to sing what follows, and is not sung itself.
_TAG = re.compile(r"\[[^\]\n]*\]")
_WORDS = {"lyrics", "audio_setting"}

# To learn the notes of a band takes a quarter of a second; so few are soon known, and hundreds of tracks quickly made.
_BANDS = 6
_VOICES = 3


def take_of(model: LivingModel, payload: Mapping[str, Any]) -> Take:
    """Return what a request of the right shape asks for.

    Another value in any field of the model is another file. Whether it sounds other as well, beyond its words, is left
    to which of a few bands and voices it falls to.
    """
    fields = {field.name: payload[field.name] for field in model.fields if field.name in payload}
    style = _digest(model.id, {name: value for name, value in fields.items() if name not in _WORDS})
    sung = model.sings and not fields.get("is_instrumental", False)
    words = _TAG.sub("", fields.get("lyrics") or fields.get("prompt", ""))
    song = Song(
        words if wants_accompaniment(words) else f"##{words}##",
        voice=b"voice %d" % (style[1] % _VOICES) if sung else None,
        instrumental=b"band %d" % (style[0] % _BANDS),
    )
    return Take(
        song,
        _setting_of(model, fields),
        exactly=_seconds_of(model, fields),
        label=f" {_digest(model.id, fields).hex()[:16]}",
    )


def _setting_of(model: LivingModel, fields: Mapping[str, Any]) -> AudioSetting:
    for field in model.fields:
        if isinstance(field, Setting) and field.name in fields:
            return field.read(fields[field.name], model.setting)
    return model.setting


def _seconds_of(model: LivingModel, fields: Mapping[str, Any]) -> float | None:
    if "music_length_ms" in fields:
        return float(fields["music_length_ms"] / 1000)
    return float(fields["seconds_total"]) if "seconds_total" in fields else model.seconds


def _digest(name: str, value: object) -> bytes:
    return sha256(json.dumps([name, value], sort_keys=True).encode()).digest()
