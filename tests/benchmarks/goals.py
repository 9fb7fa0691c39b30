"""What was hoped for, what was measured of it, and why the one is not yet the other."""

from collections.abc import Callable

from attrs import frozen

from tests.benchmarks.cases import AIOHTTP_JSON, AIOHTTP_STREAM, BARE, FLOOR, HTTPX_JSON, OURS, Figures, Scale

KIB = 1024
MILLI = 1e-3
_STOCK = "httpx's stock transport copies each piece several times and buffers ahead of the reader"
_CHECKED = "each track's frames are walked after it came"
_TICKS = "each loop turn serves every socket that is readable; nothing yet bounds a turn"


@frozen
class Goal:
    """A figure that should not be greater than a limit.

    Attributes:
        because: why it is, where it is.
        value: how it is found; a `KeyError` says that a part of it was not measured.
    """

    what: str
    limit: float
    unit: str
    because: str
    value: Callable[[Figures], float]

    def cells(self, figures: Figures) -> list[str]:
        """Return a row of a table."""
        limit = f"≤ {self.limit:g} {self.unit}"
        try:
            value = self.value(figures)
        except KeyError:
            return [self.what, limit, "-", "not measured here"]
        verdict = "met" if value <= self.limit else f"missed: {self.because}"
        return [self.what, limit, f"{value:.3g} {self.unit}", verdict]


def ratio(figures: Figures, case: str, ours: str, other: str, number: str = "cpu") -> float:
    """Return one client's number in units of another's."""
    return figures[case][ours][number] / max(figures[case][other][number], 1e-9)


def goals(scale: Scale) -> list[Goal]:
    """Return the goals, in the order of the page."""
    many, few, crowd, held = scale.plain, scale.tls, scale.crowd, scale.held
    return [
        Goal(
            f"CPU of {many} tracks, plain, over the floor",
            1.8,
            "x",
            f"{_STOCK}, and {_CHECKED}",
            lambda f: ratio(f, "plain", OURS, FLOOR),
        ),
        Goal(
            f"CPU of {few} tracks, TLS, over the floor",
            1.7,
            "x",
            f"{_STOCK}, a TLS record of 16 KiB at a time, and {_CHECKED}",
            lambda f: ratio(f, "tls", OURS, FLOOR),
        ),
        Goal(
            f"memory a body, {crowd} in flight",
            128,
            "KiB",
            _STOCK,
            lambda f: f["crowd"][OURS]["growth"] / crowd / KIB,
        ),
        Goal(
            f"memory a body, {few} in flight, TLS",
            160,
            "KiB",
            _STOCK,
            lambda f: f["tls"][OURS]["growth"] / few / KIB,
        ),
        Goal(
            f"CPU of {held} held calls over aiohttp's",
            2.5,
            "x",
            "not taken apart yet; a call makes a pool, reserves a file and checks its audio",
            lambda f: ratio(f, "held", OURS, AIOHTTP_JSON),
        ),
        Goal(
            "memory a held call",
            32,
            "KiB",
            "not taken apart yet; a call holds a pool of its own, a file and its deadlines",
            lambda f: f["held"][OURS]["growth"] / held / KIB,
        ),
        Goal(
            f"loop lag, {crowd} bodies, longest",
            15,
            "ms",
            _TICKS,
            lambda f: f["crowd"][OURS]["lag max"] / MILLI,
        ),
        Goal(
            f"loop lag, {crowd} bodies, 99th percentile",
            8,
            "ms",
            _TICKS,
            lambda f: f["crowd"][OURS]["lag p99"] / MILLI,
        ),
        Goal(
            "first audio after the first byte",
            1,
            "ms",
            "process switches of a machine in use are within this figure",
            lambda f: f["first"][OURS]["first audio"] / MILLI,
        ),
        Goal(
            "decoder over `unhexlify`, pieces of 64 KiB",
            1.25,
            "x",
            "no cause was found yet; other work of the machine is within this figure",
            lambda f: (
                f["decoder"]["65536 B, audio at an even offset"]["cpu"] / max(f["decoder"]["unhexlify"]["cpu"], 1e-9)
            ),
        ),
        Goal(
            "upload: growth of memory",
            1,
            "MB",
            "pieces of 512 KiB are read ahead in a thread",
            lambda f: f["upload"][OURS]["growth"] / 1e6,
        ),
        Goal(
            "upload: longest stall of the loop",
            5,
            "ms",
            "other work of the machine is within this figure; what uploads do in a turn of the loop is bounded",
            lambda f: f["upload"][OURS]["lag max"] / MILLI,
        ),
        Goal(
            "`import aiml_music`, over bare Python",
            40,
            "ms",
            "httpx is left for the first call, but asyncio, ssl, urllib and the making of the value classes are not",
            lambda f: (f["import"][OURS]["cpu"] - f["import"][BARE]["cpu"]) / MILLI,
        ),
    ]


def against_peers(figures: Figures) -> list[list[str]]:
    """Return our figures in units of a peer's; less than one is less."""
    rows = [
        ("CPU a track, plain", "plain", "cpu", HTTPX_JSON),
        ("CPU a track, plain", "plain", "cpu", AIOHTTP_STREAM),
        ("memory a body, plain", "plain", "growth", HTTPX_JSON),
        ("memory a body, many at once", "crowd", "growth", AIOHTTP_STREAM),
        ("loop lag, many at once, 99th percentile", "crowd", "lag p99", AIOHTTP_STREAM),
        ("CPU of held calls", "held", "cpu", HTTPX_JSON),
    ]
    found = []
    for what, case, number, peer in rows:
        if peer in figures[case] and number in figures[case][OURS]:
            found.append([what, peer, f"{ratio(figures, case, OURS, peer, number):.2g} x"])
    return found
