"""What is measured, quick or in full, and which clients take part."""

from collections.abc import Iterable
from typing import Any

from attrs import field, frozen

from tests.benchmarks.kinds import (
    AIOHTTP_FILE,
    AIOHTTP_JSON,
    AIOHTTP_STREAM,
    FLOOR,
    HTTPX_BYTES,
    HTTPX_FILE,
    HTTPX_JSON,
    HTTPX_STREAM,
    IN_MEMORY,
    OPENAI,
    OURS,
    STOCK,
    THREADS,
)

STREAMING = [OURS, STOCK, HTTPX_STREAM, AIOHTTP_STREAM]
EVERY = [FLOOR, *STREAMING, AIOHTTP_JSON, OPENAI, HTTPX_JSON, THREADS]
GROWING = [FLOOR, OURS, AIOHTTP_STREAM]
HELD = [OURS, IN_MEMORY, STOCK, AIOHTTP_JSON, OPENAI, HTTPX_JSON, FLOOR]
# The pools of the others take minutes for thousands of calls.
HELD_MANY = [OURS, IN_MEMORY, STOCK, AIOHTTP_JSON, FLOOR]
HELD_TLS = [OURS, STOCK, AIOHTTP_JSON]
FIRST = [OURS, HTTPX_STREAM, HTTPX_JSON, AIOHTTP_JSON]
UPLOADS = [OURS, HTTPX_FILE, AIOHTTP_FILE, HTTPX_BYTES]
OPEN_FILES = UPLOADS[:3]

SECTIONS = {
    "tracks": ("plain", "tls", "check"),
    "crowd": ("crowd", "lag", "lag on trio"),
    "growing": ("plain", "crowd", "many"),
    "held": ("held", "held many", "held tls"),
    "first": ("first",),
    "uploads": ("upload", "slow upload", "uploads"),
    "decoder": ("decoder",),
    "import": ("import",),
    "batches": ("marks", "lists"),
}
"""What can be asked for alone, and what is measured for it."""


@frozen(kw_only=True)
class Scale:
    """How much is measured.

    Attributes:
        alone: each measurement has a process of its own.
        track_bytes: the size of a track.
        upload_bytes: the size of a reference.
        bytes_per_second: how slowly an answer drips.
        read_seconds: how long a slow disk takes for a read.
        repeats: how often everything is measured that is not said to be measured once; the median counts.
        plain: tracks at once, plain.
        tls: tracks at once, over TLS.
        crowd: tracks at once for clients that do not hold them.
        many: tracks at once, to see what grows.
        held: calls with small answers at once.
        held_many: such calls, to see what grows.
        uploads: references at once.
        imports: what is imported, by how it is written; the first is the unit.
        import_repeats: how often it is imported.
        decoder_rounds: how often a document is decoded.
        marked: jobs whose marks are counted.
        lists: how many jobs are in a list, few and many.
    """

    alone: bool = True
    track_bytes: int
    upload_bytes: int
    bytes_per_second: float = 2_500_000
    read_seconds: float
    repeats: int
    plain: int
    tls: int
    crowd: int
    many: int
    held: int
    held_many: int
    uploads: int
    imports: tuple[str, ...]
    import_repeats: int
    decoder_rounds: int
    marked: int
    lists: tuple[int, int]


BARE, IMPORT_OURS = "pass", "import aiml_music"
FULL = Scale(
    track_bytes=4 * 1024 * 1024,
    upload_bytes=50_000_000,
    read_seconds=0.02,
    repeats=3,
    plain=100,
    tls=50,
    crowd=500,
    many=2000,
    held=1000,
    held_many=5000,
    uploads=8,
    imports=(
        BARE,
        IMPORT_OURS,
        "from aiml_music import AsyncMusicClient",
        "import httpx",
        "from httpx import AsyncClient",
        "import requests",
        "import aiohttp",
        "import openai",
    ),
    import_repeats=9,
    decoder_rounds=25,
    marked=100,
    lists=(10_000, 100_000),
)
QUICK = Scale(
    alone=False,
    track_bytes=64 * 1024,
    upload_bytes=3_000_000,
    read_seconds=0.001,
    repeats=1,
    plain=3,
    tls=2,
    crowd=4,
    many=5,
    held=5,
    held_many=6,
    uploads=2,
    imports=(BARE, IMPORT_OURS),
    import_repeats=1,
    decoder_rounds=1,
    marked=3,
    lists=(5, 10),
)


@frozen(kw_only=True)
class Case:
    """Clients that are measured with the same job.

    Attributes:
        what: in words.
        job: what each is told, beside its kind.
    """

    what: str
    kinds: list[str]
    repeats: int
    job: dict[str, Any] = field(factory=dict)


def cases(scale: Scale) -> dict[str, Case]:
    """Return what the clients are measured with, by the names of the figures."""
    often = scale.repeats

    def tracks(what: str, kinds: Iterable[str], count: int, repeats: int = often, **job: Any) -> Case:
        return Case(what=f"{count} {what}", kinds=list(kinds), repeats=repeats, job={"count": count, **job})

    def upload(what: str, kinds: Iterable[str], repeats: int = often, **job: Any) -> Case:
        job = {"task": "uploads", "answer": "uploaded", "lag": True, **job}
        return Case(what=what, kinds=list(kinds), repeats=repeats, job=job)

    return {
        "plain": tracks("tracks, plain", EVERY, scale.plain),
        "tls": tracks("tracks, TLS", EVERY, scale.tls, secure=True),
        "crowd": tracks("tracks, plain", [FLOOR, *STREAMING], scale.crowd),
        "lag": tracks("tracks, watching the loop", STREAMING, scale.crowd, lag=True),
        "lag on trio": tracks("tracks, watching trio's loop", [OURS], scale.crowd, lag=True, loop="trio"),
        "many": tracks("tracks, plain", GROWING, scale.many, repeats=1),
        "held": tracks("held calls", HELD, scale.held, answer="small"),
        "held many": tracks("held calls", HELD_MANY, scale.held_many, repeats=1, answer="small"),
        "held tls": tracks("held calls, TLS", HELD_TLS, scale.held, answer="small", secure=True, lag=True),
        "first": Case(what="first audio", kinds=FIRST, repeats=often, job={"task": "first", "answer": "drip"}),
        "upload": upload("an upload", UPLOADS),
        "slow upload": upload("an upload from a slow disk", OPEN_FILES, repeats=1, read_seconds=scale.read_seconds),
        "uploads": upload(f"{scale.uploads} uploads", OPEN_FILES, count=scale.uploads),
    }
