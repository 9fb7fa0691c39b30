"""Bars of processor time and memory for each client, as an SVG of a few lines."""

import math
from collections.abc import Callable
from xml.sax.saxutils import escape

from tests.benchmarks.cases import EVERY, Scale
from tests.benchmarks.figures import KIB, Figures, ratio
from tests.benchmarks.kinds import FLOOR, OURS

_WIDTH, _LEFT, _BAR, _STEP, _RIGHT = 760, 220, 16, 24, 90
_TOP, _GAP = 34, 24
_OURS, _OTHERS = "#2563a8", "#9aa5b1"
_LEAST = 1.0


def plot(figures: Figures, scale: Scale) -> str:
    """Return the drawing."""
    kinds = [kind for kind in EVERY if kind in figures["plain"]]
    cpu = {kind: ratio(figures, "plain", kind, FLOOR) for kind in kinds}
    panels = [panel(f"CPU of {scale.plain} tracks at once, plain, floor = 1", cpu, linear(cpu), "{:.1f} x")]
    if all("growth" in figures["plain"][kind] for kind in kinds):
        memory = {kind: figures["plain"][kind]["growth"] / scale.plain / KIB for kind in kinds}
        title = f"Growth of memory for each of {scale.plain} bodies in flight, KiB, logarithmic"
        panels.append(panel(title, memory, logarithmic(memory), "{:,.0f}"))
    size = _TOP + len(kinds) * _STEP + _GAP
    height = len(panels) * size
    drawn = "".join(f'<g transform="translate(0 {number * size})">\n{text}</g>\n' for number, text in enumerate(panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        f'font-size="13">\n<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>\n{drawn}</svg>\n'
    )


def panel(title: str, values: dict[str, float], length: Callable[[float], float], words: str) -> str:
    """Return bars under a title."""
    lines = [f'<text x="12" y="22" font-weight="bold" fill="#1b1f24">{escape(title)}</text>']
    for number, (kind, value) in enumerate(values.items()):
        top = _TOP + number * _STEP
        wide, base = length(value), top + _BAR - 3
        colour = _OURS if kind == OURS else _OTHERS
        lines += [
            f'<text x="{_LEFT - 8}" y="{base}" text-anchor="end" fill="#1b1f24">{escape(kind)}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{wide:.1f}" height="{_BAR}" fill="{colour}"/>',
            f'<text x="{_LEFT + wide + 6:.1f}" y="{base}" fill="#1b1f24">{escape(words.format(value))}</text>',
        ]
    return "\n".join(lines) + "\n"


def linear(values: dict[str, float]) -> Callable[[float], float]:
    """Return how long a bar is."""
    most = max(values.values())
    return lambda value: (_WIDTH - _LEFT - _RIGHT) * value / most


def logarithmic(values: dict[str, float]) -> Callable[[float], float]:
    """Return how long a bar is whose length counts zeros; what is below one has none."""
    most = math.log(max(*values.values(), 2 * _LEAST))
    return lambda value: (_WIDTH - _LEFT - _RIGHT) * math.log(max(value, _LEAST)) / most
