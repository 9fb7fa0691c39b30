"""The tables of the documentation's page, written between its two markers; the words around them are people's."""

from pathlib import Path

from tests.benchmarks.cases import (
    AIOHTTP_JSON,
    BARE,
    EVERY,
    FIRST,
    FLOOR,
    HELD,
    OURS,
    UPLOAD_FILE,
    UPLOADS,
    Figures,
    Scale,
)
from tests.benchmarks.goals import KIB, MILLI, against_peers, goals, ratio
from tests.benchmarks.job import Numbers

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PLOT = "performance.svg"
_UNKNOWN = "-"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def measured(figures: Figures, scale: Scale, machine: str) -> str:
    """Return everything that stands between the markers."""
    return "\n".join(
        [
            machine,
            f"\n![Processor time and memory of each client]({PLOT})\n",
            f"### Tracks of {scale.sizes.track_bytes / KIB / KIB:.3g} MiB, all at once\n",
            tracks(figures, scale),
            f"### {scale.held} calls held at once, small answers\n",
            held(figures, scale),
            f"### First audio, at {scale.sizes.bytes_per_second * 8 / 1e6:g} Mbit/s\n",
            first(figures),
            f"### An upload of {scale.sizes.upload_bytes / 1e6:g} MB\n",
            uploads(figures, scale),
            "### Ours in units of a peer's\n",
            table(["quantity", "peer", "ours"], against_peers(figures)),
            "### The decoder alone\n",
            decoder(figures),
            "### Import\n",
            imports(figures),
            "### Goals\n",
            table(["quantity", "goal", "measured", ""], [goal.cells(figures) for goal in goals(scale)]),
        ]
    )


def written_into(page: str, text: str) -> str:
    """Return the page with another text between its markers.

    Raises:
        ValueError: it does not have them.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}"


def write(folder: Path, text: str, plot: str) -> None:
    """Write both into the documentation."""
    page = folder / "performance.md"
    page.write_text(written_into(page.read_text(encoding="utf-8"), text), encoding="utf-8")
    (folder / PLOT).write_text(plot, encoding="utf-8")


def tracks(figures: Figures, scale: Scale) -> str:
    """Return what tracks cost."""
    plain, tls, crowd = figures["plain"], figures["tls"], figures["crowd"]
    rows = [
        [
            kind,
            times(figures, "plain", kind, FLOOR),
            growth(plain, kind, scale.plain),
            times(figures, "tls", kind, FLOOR),
            growth(tls, kind, scale.tls),
            growth(crowd, kind, scale.crowd),
            lag(crowd, kind),
        ]
        for kind in EVERY
        if kind in plain
    ]
    few, many = f"{scale.tls}, TLS", f"{scale.crowd}, plain"
    head = ["client", f"CPU, {scale.plain} plain", "KiB a body", f"CPU, {few}", "KiB a body", f"KiB a body, {many}"]
    checked = figures["check"][OURS]["cpu"] * scale.plain / max(plain[FLOOR]["cpu"], 1e-9)
    words = f"CPU in units of the floor's. Of ours, {checked:.2f} is the check of the frames."
    return table([*head, f"lag, {many}: max / p99"], rows) + f"\n{words}\n"


def held(figures: Figures, scale: Scale) -> str:
    """Return what calls cost that wait."""
    rows = [
        [kind, times(figures, "held", kind, AIOHTTP_JSON), growth(figures["held"], kind, scale.held)]
        for kind in HELD
        if kind in figures["held"]
    ]
    return table(["client", "CPU, aiohttp = 1", "KiB a call"], rows)


def first(figures: Figures) -> str:
    """Return how soon there is audio."""
    rows = [
        [kind, milliseconds(figures["first"][kind]["first audio"]), share(figures, kind)]
        for kind in FIRST
        if kind in figures["first"]
    ]
    return table(["client", "after the first byte", "httpx, .json() = 1"], rows)


def share(figures: Figures, kind: str) -> str:
    """Return how soon there is audio, in units of the wait for the whole answer."""
    return f"{ratio(figures, 'first', kind, FIRST[2], 'first audio'):.2g}"


def uploads(figures: Figures, scale: Scale) -> str:
    """Return what an upload costs."""
    upload = figures["upload"]
    rows = [
        [kind, times(figures, "upload", kind, UPLOAD_FILE), growth(upload, kind, 1), lag(upload, kind)]
        for kind in UPLOADS
        if kind in upload
    ]
    checks = "Ours also reads and checks the reference, hashes it, and looks for changes before its last byte."
    head = ["client", "CPU, httpx with a file = 1", f"KiB for {scale.sizes.upload_bytes / 1e6:g} MB", "lag: max / p99"]
    return table(head, rows) + f"\n{checks}\n"


def decoder(figures: Figures) -> str:
    """Return what decoding costs."""
    rows = [[name, times(figures, "decoder", name, "unhexlify")] for name in figures["decoder"]]
    return table(["pieces", "time, one `unhexlify` = 1"], rows)


def imports(figures: Figures) -> str:
    """Return what importing costs."""
    found = figures["import"]
    bare = found[BARE]["cpu"]
    rows = [
        [f"`import {name}`", milliseconds(found[name]["cpu"] - bare), times(figures, "import", name, BARE)]
        for name in found
        if name != BARE
    ]
    return table(["", "over bare Python", "CPU, bare Python = 1"], rows)


def times(figures: Figures, case: str, kind: str, unit: str) -> str:
    """Return a ratio of processor times, where both were measured."""
    if kind in figures[case] and unit in figures[case]:
        return f"{ratio(figures, case, kind, unit):.2f}"
    return _UNKNOWN


def growth(case: dict[str, Numbers], kind: str, count: int) -> str:
    """Return the growth of peak memory for each of so many."""
    numbers = case.get(kind, {})
    return f"{numbers['growth'] / count / KIB:,.0f}" if "growth" in numbers else _UNKNOWN


def lag(case: dict[str, Numbers], kind: str) -> str:
    """Return how late the event loop was."""
    numbers = case.get(kind, {})
    if "lag max" not in numbers:
        return _UNKNOWN
    return f"{milliseconds(numbers['lag max'])} / {milliseconds(numbers['lag p99'])}"


def milliseconds(seconds: float) -> str:
    """Return a short time."""
    return f"{seconds / MILLI:,.2f} ms" if seconds < 10 * MILLI else f"{seconds / MILLI:,.0f} ms"


__all__ = ["BEGIN", "END", "OURS", "PLOT", "measured", "write", "written_into"]
