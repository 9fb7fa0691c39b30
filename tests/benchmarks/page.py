"""What is written between the two markers of the documentation's page; the words around them are people's."""

from pathlib import Path

from tests.benchmarks import tables
from tests.benchmarks.cases import SECTIONS, Scale
from tests.benchmarks.figures import KIB, Figures

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PLOT = "performance.svg"
_TABLES = {
    "tracks": tables.tracks,
    "crowd": tables.crowd,
    "growing": tables.growing,
    "held": tables.held,
    "first": tables.first,
    "uploads": tables.uploads,
    "decoder": tables.decoder,
    "import": tables.imports,
    "batches": tables.batches,
}


def titles(scale: Scale) -> dict[str, str]:
    """Return what stands above the tables."""
    return {
        "tracks": f"Tracks of {scale.track_bytes / KIB / KIB:.3g} MiB, all at once",
        "crowd": f"{scale.crowd} bodies at once, plain",
        "growing": "As the number grows",
        "held": "Calls held at once, small answers",
        "first": f"First audio, at {scale.bytes_per_second * 8 / 1e6:g} Mbit/s",
        "uploads": f"Uploads of {scale.upload_bytes / 1e6:g} MB",
        "decoder": "The decoder alone",
        "import": "Import",
        "batches": "What a batch costs beside its calls",
    }


def measured(figures: Figures, scale: Scale, machine: str) -> str:
    """Return everything that stands between the markers, as far as it was measured."""
    parts = [machine + "\n"]
    if "plain" in figures:
        parts.append(f"![Processor time and memory of each client]({PLOT})\n")
    for name, title in titles(scale).items():
        if all(needed in figures for needed in SECTIONS[name]):
            parts += [f"### {title}\n", _TABLES[name](figures, scale)]
    parts += ["### Ours in units of a peer's\n", tables.against_peers(figures)]
    parts += ["### Goals\n", tables.what_was_hoped_for(figures, scale)]
    return "\n".join(parts)


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
