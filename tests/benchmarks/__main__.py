"""Measure everything: `python -m tests.benchmarks`, and `--quick` to see in seconds that it works.

Prints the tables of the page "Performance". With `--write`, the page and its drawing are renewed.
"""

import argparse
import json
import sys
from pathlib import Path

from tests.benchmarks.cases import FULL, QUICK, SECTIONS
from tests.benchmarks.figures import Figures
from tests.benchmarks.machine import machine
from tests.benchmarks.measure import measure
from tests.benchmarks.page import measured, write
from tests.benchmarks.plot import plot

_DOCS = Path(__file__).parents[2] / "docs"


def say(line: str) -> None:
    """Tell whoever waits what is under way."""
    sys.stderr.write(line + "\n")


def asked_for() -> argparse.Namespace:
    """Return what stands on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a few small tracks: shows that it works, measures nothing"
    )
    parser.add_argument("--only", choices=SECTIONS, action="append", help="one table; may be given more than once")
    parser.add_argument("--write", action="store_true", help="renew the page of the documentation; not with --only")
    parser.add_argument("--docs", type=Path, default=_DOCS, help="the folder of that page")
    parser.add_argument("--keep", type=Path, help="a file for what was measured: what is in it is not measured again")
    asked = parser.parse_args()
    if asked.only and asked.write:
        parser.error("a part of the tables is no page: --only does not go with --write")
    return asked


def figures_in(kept: Path | None) -> tuple[str, Figures]:
    """Return where it was measured, and what there is of it already."""
    if kept is None or not kept.exists():
        return machine(), {}
    before = json.loads(kept.read_text(encoding="utf-8"))
    return before["machine"], before["figures"]


def main() -> None:
    """Measure, print, and write what was asked for."""
    asked = asked_for()
    scale = QUICK if asked.quick else FULL
    where, figures = figures_in(asked.keep)
    wanted = {name for section in asked.only or SECTIONS for name in SECTIONS[section]}
    for name, numbers in measure(scale, wanted - set(figures), say):
        figures[name] = numbers
        if asked.keep:
            asked.keep.write_text(json.dumps({"machine": where, "figures": figures}, indent=1), encoding="utf-8")
    text = measured(figures, scale, where)
    sys.stdout.write(text)
    if asked.write:
        write(asked.docs, text, plot(figures, scale))


if __name__ == "__main__":
    main()
