"""The tables of the page: one function for each section."""

from collections.abc import Iterable

from tests.benchmarks.batches import ALONE, STEPS, TOGETHER
from tests.benchmarks.cases import BARE, EVERY, FIRST, GROWING, HELD, STREAMING, UPLOADS, Scale
from tests.benchmarks.figures import GIGA, KIB, MEGA, MILLI, Figures, grown, ratio
from tests.benchmarks.goals import goals
from tests.benchmarks.job import Numbers
from tests.benchmarks.kinds import AIOHTTP_JSON, AIOHTTP_STREAM, FLOOR, HTTPX_FILE, HTTPX_JSON, OPENAI, OURS

_UNKNOWN = "-"


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def tracks(figures: Figures, scale: Scale) -> str:
    """Return what tracks cost."""
    plain, tls = figures["plain"], figures["tls"]
    rows = [
        [
            kind,
            times(figures, "plain", kind, FLOOR),
            growth(plain, kind, scale.plain),
            times(figures, "tls", kind, FLOOR),
            growth(tls, kind, scale.tls),
        ]
        for kind in EVERY
        if kind in plain
    ]
    head = ["client", f"CPU, {scale.plain}, plain", "KiB a body", f"CPU, {scale.tls}, TLS", "KiB a body"]
    checked = figures["check"][OURS]["cpu"] * scale.plain / max(plain[FLOOR]["cpu"], 1e-9)
    return table(head, rows) + f"\nCPU in units of the floor's. Of ours, {checked:.2f} is the check of the frames.\n"


def crowd(figures: Figures, scale: Scale) -> str:
    """Return what happens to the event loop when hundreds come in."""
    found, watched = figures["crowd"], figures["lag"]
    rows = [
        [kind, times(figures, "crowd", kind, FLOOR), growth(found, kind, scale.crowd), *lag(watched, kind)]
        for kind in (FLOOR, *STREAMING)
        if kind in found
    ]
    rows.append([f"{OURS}, on trio", _UNKNOWN, _UNKNOWN, *lag(figures["lag on trio"], OURS)])
    return table(["client", "CPU, floor = 1", "KiB a body", "lag, longest", "lag, 99th percentile"], rows)


def growing(figures: Figures, scale: Scale) -> str:
    """Return what each track costs as their number grows."""
    few, more = ("plain", scale.plain), [("crowd", scale.crowd), ("many", scale.many)]
    steps = [few, *more]
    rows = []
    for kind in (kind for kind in GROWING if kind in figures["many"]):
        cpu = [grown(figures, kind, "cpu", few, step) for step in steps]
        memory = [growth(figures[case], kind, count) for case, count in steps]
        whole = figures["many"][kind].get("growth")
        rows.append(
            [kind, *(f"{each:.2f}" for each in cpu), *memory, _UNKNOWN if whole is None else f"{whole / GIGA:.3f} GB"]
        )
    head = [f"CPU a track, {few[1]} at once = 1", *(f"{count} at once" for _, count in more)]
    head += [f"KiB a track, {few[1]} at once", *(f"{count} at once" for _, count in more), f"all {scale.many}"]
    words = f"{scale.many} at once: n = 1."
    if figures["many"][FLOOR].get("removed"):
        words += " For want of room, each of their files was looked at and removed as soon as it was there."
    return table(["client", *head], rows) + f"\n{words}\n"


def held(figures: Figures, scale: Scale) -> str:
    """Return what calls cost that wait."""
    few, many, secure = figures["held"], figures["held many"], figures["held tls"]
    rows = [
        [
            kind,
            times(figures, "held", kind, AIOHTTP_JSON),
            growth(few, kind, scale.held),
            times(figures, "held many", kind, AIOHTTP_JSON),
            growth(many, kind, scale.held_many),
            times(figures, "held tls", kind, AIOHTTP_JSON),
            growth(secure, kind, scale.held),
            lag(secure, kind)[0],
        ]
        for kind in HELD
        if kind in few
    ]
    head = [f"CPU, {scale.held}", "KiB a call", f"CPU, {scale.held_many}", "KiB a call", f"CPU, {scale.held}, TLS"]
    words = f"CPU in units of aiohttp's. {scale.held_many}: n = 1. The loop is watched only over TLS."
    return table(["client", *head, "KiB a call", "lag, longest"], rows) + f"\n{words}\n"


def first(figures: Figures, scale: Scale) -> str:  # noqa: ARG001 - as the others
    """Return how soon there is audio."""
    found = figures["first"]
    rows = [
        [
            kind,
            milliseconds(found[kind]["first audio"]),
            f"{ratio(figures, 'first', kind, HTTPX_JSON, 'first audio'):.2g}",
        ]
        for kind in FIRST
        if kind in found
    ]
    return table(["client", "after the first byte", "httpx, .json() = 1"], rows)


def uploads(figures: Figures, scale: Scale) -> str:
    """Return what uploads cost."""
    one, slow, several = figures["upload"], figures["slow upload"], figures["uploads"]
    rows = [
        [
            kind,
            times(figures, "upload", kind, HTTPX_FILE),
            *(growth(one, kind, 1), lag(one, kind)[0]),
            *(growth(slow, kind, 1), lag(slow, kind)[0]),
            *(growth(several, kind, 1), lag(several, kind)[0]),
        ]
        for kind in UPLOADS
        if kind in one
    ]
    disk = f"reads of {scale.read_seconds / MILLI:g} ms: KiB"
    head = ["client", "CPU, httpx with a file = 1", "KiB", "lag, longest"]
    head += [disk, "lag, longest", f"{scale.uploads} at once: KiB for all", "lag, longest"]
    checks = "Ours also reads and checks the reference, hashes it, and looks for changes before its last byte."
    return table(head, rows) + f"\n{checks} The slow disk: n = 1.\n"


def against_peers(figures: Figures) -> str:
    """Return our figures in units of a peer's; less than one is less."""
    asked = [
        ("CPU a track, plain", "plain", "cpu", HTTPX_JSON),
        ("CPU a track, plain", "plain", "cpu", OPENAI),
        ("CPU a track, plain", "plain", "cpu", AIOHTTP_STREAM),
        ("CPU a track, TLS", "tls", "cpu", AIOHTTP_STREAM),
        ("memory a body, plain", "plain", "growth", HTTPX_JSON),
        ("memory a body, plain", "plain", "growth", OPENAI),
        ("memory a body, many at once", "crowd", "growth", AIOHTTP_STREAM),
        ("memory a body, TLS", "tls", "growth", AIOHTTP_STREAM),
        ("loop lag, many at once, 99th percentile", "lag", "lag p99", AIOHTTP_STREAM),
        ("CPU of held calls", "held", "cpu", HTTPX_JSON),
        ("CPU of held calls", "held", "cpu", OPENAI),
    ]
    rows = [
        [what, peer, f"{ratio(figures, case, OURS, peer, number):.2g} x"]
        for what, case, number, peer in asked
        if number in figures.get(case, {}).get(peer, {}) and number in figures[case][OURS]
    ]
    return table(["quantity", "peer", "ours"], rows)


def decoder(figures: Figures, scale: Scale) -> str:  # noqa: ARG001 - as the others
    """Return what decoding costs."""
    rows = [[name, times(figures, "decoder", name, "unhexlify")] for name in figures["decoder"]]
    return table(["pieces", "time, one `unhexlify` = 1"], rows)


def imports(figures: Figures, scale: Scale) -> str:  # noqa: ARG001 - as the others
    """Return what importing costs."""
    found = figures["import"]
    rows = [
        [f"`{code}`", milliseconds(found[code]["cpu"] - found[BARE]["cpu"]), times(figures, "import", code, BARE)]
        for code in found
        if code != BARE
    ]
    return table(["", "over bare Python", "CPU, bare Python = 1"], rows)


def batches(figures: Figures, scale: Scale) -> str:
    """Return what the ledger costs, and what memory lists take."""
    marks, sizes = figures["marks"], figures["lists"]
    rows = [
        [
            name,
            milliseconds(marks[name]["seconds"]),
            *(f"{marks[name][kind]:.1f}" if kind in marks[name] else _UNKNOWN for kind in ("syncs", "syncs of all")),
        ]
        for name in (ALONE, TOGETHER)
    ]
    head = ["", "a mark", "syncs of the ledger a job", "all syncs a job, with those of track and receipt"]
    few, many = scale.lists
    lists = [
        [
            step,
            *(_megabytes(sizes[f"{step}, {count}"].get("growth")) for count in scale.lists),
            _each(sizes, step, few, many),
        ]
        for step in STEPS
    ]
    page, ledger = (sizes[f"files, {many}"][name] / MEGA for name in ("index.html", "ledger.sqlite3"))
    words = (
        f"Growth of peak memory, n = 1. `run` makes a hundredth of the tracks, {TOGETHER}, and is stopped; the others "
        f"find every track made. Of {many:,} jobs, the ledger has {ledger:,.0f} MB, the page {page:,.0f} MB."
    )
    counts = [f"{count:,} jobs" for count in scale.lists]
    return f"{table(head, rows)}\n{table(['', *counts, 'for each job more'], lists)}\n{words}\n"


def _megabytes(growth: float | None) -> str:
    return _UNKNOWN if growth is None else f"{growth / MEGA:.1f} MB"


def _each(sizes: dict[str, Numbers], step: str, few: int, many: int) -> str:
    try:
        least, most = (sizes[f"{step}, {count}"]["growth"] for count in (few, many))
    except KeyError:
        return _UNKNOWN
    return f"{max(0, most - least) / (many - few):,.0f} B"


def what_was_hoped_for(figures: Figures, scale: Scale) -> str:
    """Return what became of the goals."""
    return table(["quantity", "goal", "aim", "measured", ""], [goal.cells(figures) for goal in goals(scale)])


def times(figures: Figures, case: str, kind: str, unit: str) -> str:
    """Return a ratio of processor times, where both were measured."""
    if kind in figures[case] and unit in figures[case]:
        return f"{ratio(figures, case, kind, unit):.2f}"
    return _UNKNOWN


def growth(case: dict[str, Numbers], kind: str, count: int) -> str:
    """Return the growth of peak memory for each of so many."""
    numbers = case.get(kind, {})
    return f"{numbers['growth'] / count / KIB:,.0f}" if "growth" in numbers else _UNKNOWN


def lag(case: dict[str, Numbers], kind: str) -> list[str]:
    """Return how late the event loop was: at most, and for all but one in a hundred."""
    numbers = case.get(kind, {})
    return [milliseconds(numbers[name]) if name in numbers else _UNKNOWN for name in ("lag max", "lag p99")]


def milliseconds(seconds: float) -> str:
    """Return a short time."""
    return f"{seconds / MILLI:,.2f} ms" if seconds < 10 * MILLI else f"{seconds / MILLI:,.0f} ms"
