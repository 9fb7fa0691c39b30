"""How values read: a track, a reference or a file as named facts for people, and as JSON values for scripts.

Pure; printing is left to `screen`, errors to `faults`.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from attrs import asdict

from aiml_music._sansio.audio import AudioInfo
from aiml_music._sansio.models import AudioFacts, Receipt, Reference, Track

_CHANNELS = {1: "mono", 2: "stereo"}


def track_facts(track: Track) -> dict[str, str]:
    """Return what there is to say about a track that was kept."""
    facts = {} if track.duration is None else {"duration": seconds(track.duration)}
    facts["audio"] = sound(track.format, track.facts) if track.audio is None else sound_of(track.audio)
    facts["size"] = f"{track.size_bytes:,} bytes"
    facts |= receipt_facts(track.receipt)
    if track.flags:
        facts["look at it"] = "; ".join(track.flags)
    return facts


def reference_facts(reference: Reference) -> dict[str, str]:
    """Return the ids of a reference, by the option that takes them, and what its upload did."""
    ids = {"--voice": reference.voice_id, "--instrumental": reference.instrumental_id}
    return {name: value for name, value in ids.items() if value} | receipt_facts(reference.receipt)


def receipt_facts(receipt: Receipt | None) -> dict[str, str]:
    """Return what a call cost and which ids it has; empty without a receipt."""
    if receipt is None:
        return {}
    tries = "1 attempt" if len(receipt.attempts) == 1 else f"{len(receipt.attempts)} attempts"
    ids = {
        "request id": receipt.client_request_id,
        "generation id": receipt.generation_id,
        "inference id": receipt.inference_id,
        "trace id": receipt.trace_id,
    }
    return {
        "cost": cost(receipt.credits_used, receipt.usd_spent),
        "took": f"{seconds(receipt.elapsed)}, {tries}",
        **{name: value for name, value in ids.items() if value},
    }


def seconds(duration: float) -> str:
    """Return a duration to a tenth of a second."""
    return f"{duration:.1f} s"


def cost(credits_used: int | None, usd_spent: Decimal | None) -> str:
    """Return a price in both currencies, as far as the service stated it."""
    if credits_used is None:
        return "not stated by the service"
    return f"{credits_used:,} credits" + ("" if usd_spent is None else f" (${usd_spent})")


def sound_of(audio: AudioInfo) -> str:
    """Return what the frames of a file say."""
    coding = audio.encoding if audio.encoding == audio.container else f"{audio.container} ({audio.encoding})"
    channels = _CHANNELS.get(audio.channels, f"{audio.channels} channels")
    mean = " on average" if audio.variable_bitrate else ""
    return f"{coding}, {rate(audio.sample_rate_hz)}, {channels}, {bits(audio.bitrate)}{mean}"


def sound(audio_format: str, facts: AudioFacts) -> str:
    """Return what the service says of audio that has no frames to ask."""
    said = [
        None if facts.sample_rate_hz is None else rate(facts.sample_rate_hz),
        None if facts.bitrate is None else bits(facts.bitrate),
    ]
    return ", ".join(filter(None, [audio_format, *said]))


def rate(sample_rate_hz: int) -> str:
    """Return a sample rate in kHz."""
    return f"{sample_rate_hz / 1000:g} kHz"


def bits(bitrate: int) -> str:
    """Return bit/s in kbit/s."""
    return f"{bitrate / 1000:.0f} kbit/s"


def track_document(track: Track) -> dict[str, Any]:
    """Return a track as JSON values."""
    return {
        "path": plain(track.path),
        "format": track.format,
        "size_bytes": track.size_bytes,
        "duration": track.duration,
        "audio": plain(track.audio),
        "facts": plain(track.facts),
        "flags": [flag.name.lower() for flag in track.flags],
        "trace_id": track.trace_id,
        "receipt": plain(track.receipt),
    }


def reference_document(reference: Reference) -> dict[str, Any]:
    """Return a reference as JSON values."""
    return {
        "voice_id": reference.voice_id,
        "instrumental_id": reference.instrumental_id,
        "purpose": plain(reference.purpose),
        "audio": plain(reference.audio),
        "trace_id": reference.trace_id,
        "receipt": plain(reference.receipt),
    }


def plain(value: Any) -> Any:
    """Return a value of the library as JSON values; money stays a decimal, written as a string."""
    match value:
        case Enum() | Decimal() | Path():
            return str(value)
        case datetime():
            return value.isoformat()
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
    return plain(asdict(value, recurse=False))
