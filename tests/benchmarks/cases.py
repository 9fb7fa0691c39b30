"""What is measured, quick or in full, and which clients take part."""

import importlib.util
import platform
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from statistics import median

from attrs import frozen

from aiml_music._sansio.audio import probe
from tests.benchmarks import bench_hexjson
from tests.benchmarks.documents import track
from tests.benchmarks.harness import Bench, Sizes, bench, import_seconds
from tests.benchmarks.job import Numbers

OURS, IN_MEMORY = "aiml_music", "aiml_music, in memory"
FLOOR = "floor: one blocking socket"
HTTPX_JSON, HTTPX_STREAM = "httpx, .json()", "httpx stream + our decoder"
AIOHTTP_JSON, AIOHTTP_STREAM = "aiohttp, .json()", "aiohttp stream + our decoder"
THREADS = "requests on threads"
UPLOAD_BYTES, UPLOAD_FILE, UPLOAD_AIOHTTP = "httpx, files= bytes", "httpx, files= an open file", "aiohttp, an open file"
BARE = "bare Python"

STREAMING = [OURS, HTTPX_STREAM, AIOHTTP_STREAM]
EVERY = [FLOOR, *STREAMING, AIOHTTP_JSON, HTTPX_JSON, THREADS]
# Hundreds of whole answers at once would need many gigabytes: the clients that hold them are left out.
HELD = [OURS, IN_MEMORY, AIOHTTP_JSON, HTTPX_JSON, FLOOR]
FIRST = [OURS, HTTPX_STREAM, HTTPX_JSON, AIOHTTP_JSON]
UPLOADS = [OURS, UPLOAD_FILE, UPLOAD_AIOHTTP, UPLOAD_BYTES]
IMPORTS = {BARE: "sys", OURS: "aiml_music", "httpx": "httpx", "requests": "requests", "aiohttp": "aiohttp"}
PACKAGES = ("aiml-music", "anyio", "httpx", "httpcore", "aiohttp", "requests")

Figures = dict[str, dict[str, Numbers]]
"""What was measured of each client, by the name of the measurement."""


@frozen(kw_only=True)
class Scale:
    """How much is measured.

    Attributes:
        plain: tracks at once, plain.
        tls: tracks at once, over TLS.
        crowd: tracks at once for clients that do not hold them.
        held: calls with small answers at once.
        import_repeats: how often a module is imported.
        decoder_rounds: how often a document is decoded.
    """

    sizes: Sizes
    plain: int
    tls: int
    crowd: int
    held: int
    import_repeats: int
    decoder_rounds: int


FULL = Scale(
    sizes=Sizes(track_bytes=4 * 1024 * 1024, upload_bytes=50_000_000, bytes_per_second=2_500_000, repeats=3),
    plain=100,
    tls=50,
    crowd=500,
    held=1000,
    import_repeats=9,
    decoder_rounds=25,
)
QUICK = Scale(
    sizes=Sizes(track_bytes=64 * 1024, upload_bytes=3_000_000, bytes_per_second=2_500_000, repeats=1),
    plain=3,
    tls=2,
    crowd=4,
    held=5,
    import_repeats=1,
    decoder_rounds=1,
)


def measure(scale: Scale, say: Callable[[str], None]) -> Figures:
    """Measure everything, and say what is under way."""
    with bench(scale.sizes) as there:
        figures = tracks(there, scale, say)
        say(f"{scale.held} held calls")
        figures["held"] = there.compare(present(HELD), answer="small", count=scale.held)
        say("first audio")
        figures["first"] = there.compare(present(FIRST), task="first", answer="drip")
        say("upload")
        figures["upload"] = there.compare(present(UPLOADS), task="upload", answer="uploaded")
    say("import")
    modules = {name: module for name, module in IMPORTS.items() if importlib.util.find_spec(module)}
    figures["import"] = import_seconds(modules, scale.import_repeats)
    say("decoder")
    decoded = bench_hexjson.measured(scale.decoder_rounds)
    figures["decoder"] = {name: {"cpu": seconds} for name, seconds in decoded.items()}
    say("the check of a track")
    figures["check"] = {OURS: {"cpu": seconds_to_check(track(scale.sizes.track_bytes), scale.decoder_rounds)}}
    return figures


def seconds_to_check(audio: bytes, rounds: int) -> float:
    """Return the median time in which the client walks the frames of a track, as it does once it has come."""

    def read_at(offset: int, count: int, /) -> bytes:
        return audio[offset : offset + count]

    return median(bench_hexjson.seconds(partial(probe, read_at, len(audio))) for _ in range(rounds))


def tracks(there: Bench, scale: Scale, say: Callable[[str], None]) -> Figures:
    """Measure clients that fetch whole tracks."""
    figures: Figures = {}
    say(f"{scale.plain} tracks, plain")
    figures["plain"] = there.compare(present(EVERY), count=scale.plain)
    say(f"{scale.tls} tracks, TLS")
    figures["tls"] = there.compare(present(EVERY), count=scale.tls, secure=True)
    say(f"{scale.crowd} tracks, plain")
    figures["crowd"] = there.compare(present(STREAMING), count=scale.crowd, lag=True)
    figures["crowd"] |= there.compare([FLOOR], count=scale.crowd)
    return figures


def present(kinds: Iterable[str]) -> list[str]:
    """Leave out the clients whose library is not installed."""
    missing = [name for name in ("aiohttp", "requests") if importlib.util.find_spec(name) is None]
    return [kind for kind in kinds if not kind.startswith(tuple(missing))]


def machine() -> str:
    """Return where and with what it is measured, in a sentence."""
    libraries = [f"{name} {version(name)}" for name in PACKAGES if importlib.util.find_spec(name.replace("-", "_"))]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {processor()}, {platform.system()} {platform.release()}; "
        f"{python}, {', '.join(libraries)}."
    )


def processor() -> str:
    """Return how many processors there are, and their name where the system tells."""
    name = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - no file
            found = [line.partition(": ")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        found = []
    return f"{len(found)} x {found[0]}" if found else name
