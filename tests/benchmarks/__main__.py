"""Measure everything: `python -m tests.benchmarks`, and `--quick` to see in seconds that it works.

Prints the tables of the page "Performance". With `--write`, the page and its drawing are renewed.
"""

import argparse
import json
import sys
from pathlib import Path

from tests.benchmarks.cases import FULL, QUICK, machine, measure
from tests.benchmarks.page import measured, write
from tests.benchmarks.plot import plot

_DOCS = Path(__file__).parents[2] / "docs"


def say(line: str) -> None:
    """Tell whoever waits what is under way."""
    sys.stderr.write(line + "\n")


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a few small tracks: shows that it works, measures nothing"
    )
    parser.add_argument("--write", action="store_true", help="renew the page of the documentation")
    parser.add_argument("--docs", type=Path, default=_DOCS, help="the folder of that page")
    parser.add_argument("--keep", type=Path, help="a file for what was measured; where it exists, it is used instead")
    asked = parser.parse_args()
    scale = QUICK if asked.quick else FULL
    if asked.keep and asked.keep.exists():
        kept = json.loads(asked.keep.read_text(encoding="utf-8"))
    else:
        kept = {"machine": machine(), "figures": measure(scale, say)}
    if asked.keep:
        asked.keep.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    text = measured(kept["figures"], scale, kept["machine"])
    sys.stdout.write(text)
    if asked.write:
        write(asked.docs, text, plot(kept["figures"], scale))


if __name__ == "__main__":
    main()
