"""What was hoped for, what was measured of it, and why the one is not yet the other."""

from collections.abc import Callable

from attrs import frozen

from tests.benchmarks.batches import ALONE, STEPS, TOGETHER
from tests.benchmarks.cases import BARE, IMPORT_OURS, Scale
from tests.benchmarks.figures import GIGA, KIB, MEGA, MILLI, Figures, grown, ratio
from tests.benchmarks.kinds import AIOHTTP_JSON, FLOOR, OURS

UNKNOWN = "the cause was not found yet"
# Why a goal is missed, where it is, by the key of the goal. Written by hand after each change of what is measured:
# what is empty here stands on the page as unknown.
BECAUSE = {
    "plain": "runs of the same code gave 1.80 to 1.89",
    "tls": "",
    "body": "",
    "body tls": "",
    "held": "a call in memory is half of it, and half of that the HTTP library; "
    "the other half makes a file that is whole or not there: room reserved, synced, named",
    "held many": "as with fewer",
    "held memory": "",
    "held many memory": "",
    "lag max": "one full collection of Python's garbage, 31 ms; with collections off, 18 to 22 ms",
    "lag p99": "",
    "trio lag max": "",
    "trio lag p99": "",
    "many": "",
    "flat cpu": "collections of garbage are about half of it at 500; what else was not found",
    "flat memory": "",
    "first": "",
    "decoder": "",
    "upload memory": "",
    "upload stall": "",
    "slow upload memory": "",
    "slow upload stall": "",
    "uploads memory": "",
    "uploads stall": "",
    "import": "",
    "syncs alone": "a mark is a commit of SQLite with a rollback journal, and that is five: the journal twice, its "
    "directory, the ledger, and the journal's end",
    "syncs together": "",
    "list memory": "",
}

Value = Callable[[Figures], float]


@frozen
class Goal:
    """A figure that should not be greater than a limit.

    Attributes:
        key: of the reason in `BECAUSE`.
        limit: the goal.
        aim: what would be better still; None if the goal is good enough.
        value: how it is found; a `KeyError` says that a part of it was not measured.
    """

    key: str
    what: str
    limit: float
    aim: float | None
    unit: str
    value: Value

    def cells(self, figures: Figures) -> list[str]:
        """Return a row of a table."""
        head = [self.what, self._at_most(self.limit), "-" if self.aim is None else self._at_most(self.aim)]
        try:
            value = self.value(figures)
        except KeyError:
            return [*head, "-", "not measured here"]
        return [*head, f"{value:.3g} {self.unit}".strip(), self._verdict(value)]

    def _at_most(self, limit: float) -> str:
        return f"≤ {limit:g} {self.unit}".strip()

    def _verdict(self, value: float) -> str:
        if value > self.limit:
            return f"missed: {BECAUSE[self.key] or UNKNOWN}"
        if self.aim is None:
            return "met"
        return "aim met" if value <= self.aim else "goal met"


def goals(scale: Scale) -> list[Goal]:
    """Return the goals, in the order of the page."""
    return [*of_tracks(scale), *of_many(scale), *of_held(scale), *of_the_rest(scale)]


def of_tracks(scale: Scale) -> list[Goal]:
    """Return what whole tracks should cost, and how responsive the loop should be meanwhile."""
    plain, few, crowd = scale.plain, f"{scale.tls} in flight, TLS", f"{scale.crowd} bodies"
    return [
        Goal("plain", f"CPU of {plain} tracks, plain, over the floor", 1.8, 1.35, "x", over("plain", FLOOR)),
        Goal("tls", f"CPU of {scale.tls} tracks, TLS, over the floor", 1.7, 1.3, "x", over("tls", FLOOR)),
        Goal("body", f"memory a body, {scale.crowd} in flight", 128, 48, "KiB", growth("crowd", KIB * scale.crowd)),
        Goal("body tls", f"memory a body, {few}", 160, 80, "KiB", growth("tls", KIB * scale.tls)),
        Goal("lag max", f"loop lag, {crowd}, longest", 15, 5, "ms", lag("lag", "max")),
        Goal("lag p99", f"loop lag, {crowd}, 99th percentile", 8, 2, "ms", lag("lag", "p99")),
        Goal("trio lag max", f"loop lag on trio, {crowd}, longest", 15, 5, "ms", lag("lag on trio", "max")),
        Goal("trio lag p99", f"loop lag on trio, {crowd}, 99th percentile", 8, 2, "ms", lag("lag on trio", "p99")),
    ]


def of_many(scale: Scale) -> list[Goal]:
    """Return how flat the cost of a track should be as their number grows."""
    few, crowd, many = scale.plain, scale.crowd, scale.many
    counts = f"{crowd} or {many} at once over {few}, whichever is more"
    return [
        Goal("many", f"memory, {many} tracks to files", 0.4, 0.1, "GB", growth("many", GIGA)),
        Goal("flat cpu", f"CPU a track, {counts}", 1.25, None, "x", flat(scale, "cpu")),
        Goal("flat memory", f"memory a track, {counts}", 1.25, None, "x", flat(scale, "growth")),
    ]


def of_held(scale: Scale) -> list[Goal]:
    """Return what calls should cost that wait."""
    few, many = scale.held, scale.held_many
    return [
        Goal("held", f"CPU of {few} held calls over aiohttp's", 2.5, 1.25, "x", over("held", AIOHTTP_JSON)),
        Goal("held many", f"CPU of {many} held calls over aiohttp's", 2.5, 1.25, "x", over("held many", AIOHTTP_JSON)),
        Goal("held memory", f"memory a held call, {few}", 32, 14, "KiB", growth("held", KIB * few)),
        Goal("held many memory", f"memory a held call, {many}", 32, 14, "KiB", growth("held many", KIB * many)),
    ]


def of_the_rest(scale: Scale) -> list[Goal]:
    """Return the goals of everything else."""
    pieces = "65536 B, audio at an even offset"
    each, together = f"{scale.uploads} uploads at once: growth of memory for each", f"{scale.uploads} uploads at once"
    slow = f"upload from a disk of {scale.read_seconds / MILLI:g} ms a read"
    stall = "longest stall of the loop"
    return [
        Goal("first", "first audio after the first byte", 1, None, "ms", lambda f: _first(f) / MILLI),
        Goal(
            "decoder",
            "decoder over `unhexlify`, pieces of 64 KiB",
            1.25,
            1.1,
            "x",
            lambda f: ratio(f, "decoder", pieces, "unhexlify"),
        ),
        Goal("upload memory", "upload: growth of memory", 1, None, "MB", growth("upload", MEGA)),
        Goal("upload stall", f"upload: {stall}", 5, None, "ms", lag("upload", "max")),
        Goal("slow upload memory", f"{slow}: growth of memory", 1, None, "MB", growth("slow upload", MEGA)),
        Goal("slow upload stall", f"{slow}: {stall}", 5, None, "ms", lag("slow upload", "max")),
        Goal("uploads memory", each, 1, None, "MB", growth("uploads", MEGA * scale.uploads)),
        Goal("uploads stall", f"{together}: {stall}", 5, None, "ms", lag("uploads", "max")),
        Goal("import", f"`{IMPORT_OURS}`, over bare Python", 40, 20, "ms", lambda f: _imported(f) / MILLI),
        *of_batches(scale),
    ]


def of_batches(scale: Scale) -> list[Goal]:
    """Return what a batch should cost beside its calls."""
    few, many = scale.lists
    memory = f"memory of a batch for each job more, from {few:,} to {many:,}"
    return [
        Goal("syncs alone", f"syncs of the ledger a job, {ALONE}", 9, None, "", lambda f: f["marks"][ALONE]["syncs"]),
        Goal("syncs together", f"the same, {TOGETHER}", 9, None, "", lambda f: f["marks"][TOGETHER]["syncs"]),
        Goal("list memory", memory, 128, 64, "B", lambda f: max(_each(f, step, few, many) for step in STEPS)),
    ]


def over(case: str, other: str) -> Value:
    """Return how to find our processor time in units of another's."""
    return lambda figures: ratio(figures, case, OURS, other)


def growth(case: str, unit: float) -> Value:
    """Return how to find the growth of our memory, in units of so many bytes."""
    return lambda figures: figures[case][OURS]["growth"] / unit


def lag(case: str, which: str) -> Value:
    """Return how to find the lag of the event loop, in milliseconds."""
    return lambda figures: figures[case][OURS][f"lag {which}"] / MILLI


def flat(scale: Scale, number: str) -> Value:
    """Return how to find the most that a track among more costs, in units of what one among few does."""
    few, more = ("plain", scale.plain), (("crowd", scale.crowd), ("many", scale.many))
    return lambda figures: max(grown(figures, OURS, number, few, many) for many in more)


def _each(figures: Figures, step: str, few: int, many: int) -> float:
    least, most = (figures["lists"][f"{step}, {count}"]["growth"] for count in (few, many))
    return max(0.0, most - least) / (many - few)


def _first(figures: Figures) -> float:
    return figures["first"][OURS]["first audio"]


def _imported(figures: Figures) -> float:
    return figures["import"][IMPORT_OURS]["cpu"] - figures["import"][BARE]["cpu"]
