"""The measurements work, whatever they find: nothing here looks at a clock."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytest.importorskip("trustme", reason="the server speaks TLS, too")
pytest.importorskip("requests", reason="one of the clients that are measured")

from tests.benchmarks.cases import EVERY, FLOOR, OURS, QUICK, Figures, present
from tests.benchmarks.documents import LEAST_FRAMES, document, recording, track
from tests.benchmarks.goals import Goal
from tests.benchmarks.page import BEGIN, END, PLOT, written_into
from tests.benchmarks.plot import plot

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the server asks POSIX for descriptors")


def test_everything_is_measured(tmp_path: Path) -> None:
    """Every client makes whole tracks, every number is found, and the page takes them between its markers."""
    page = tmp_path / "performance.md"
    page.write_text(f"before\n\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    kept = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--write", f"--docs={tmp_path}", f"--keep={kept}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr

    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n\n{BEGIN}\n\nMeasured on ")
    assert text.endswith(f"{END}\nafter\n")
    assert done.stdout.strip() in text
    figures: Figures = json.loads(kept.read_text(encoding="utf-8"))["figures"]
    assert set(figures["plain"]) == set(figures["tls"]) == set(present(EVERY))
    assert all(numbers["cpu"] > 0 for numbers in figures["plain"].values())
    drawing = ET.parse(tmp_path / PLOT)  # noqa: S314 - drawn by ourselves
    words = {element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert words >= set(present(EVERY))


def test_only_what_is_between_the_markers_is_replaced() -> None:
    """The words around the tables are people's, and a page without markers is refused."""
    page = f"a\n{BEGIN}\nold\n{END}\nb\n"
    once = written_into(page, "new\n")
    assert once == f"a\n{BEGIN}\n\nnew\n\n{END}\nb\n"
    assert written_into(once, "new\n") == once
    with pytest.raises(ValueError, match="needs"):
        written_into("a\n", "new")


def test_the_page_of_the_documentation_takes_the_tables() -> None:
    """It has both markers, and shows the drawing."""
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    assert written_into(page, "")
    assert f"({PLOT})" in page
    ET.parse(ROOT / "docs" / PLOT)  # noqa: S314 - drawn by ourselves


def test_a_goal_says_what_became_of_it() -> None:
    """Met at its limit, missed with the reason beyond it, and neither where a peer is not installed."""
    goal = Goal("a thing", 2, "x", "of a reason", lambda figures: figures["a"][OURS]["cpu"])
    assert goal.cells({"a": {OURS: {"cpu": 2.0}}}) == ["a thing", "≤ 2 x", "2 x", "met"]
    assert goal.cells({"a": {OURS: {"cpu": 2.5}}})[-2:] == ["2.5 x", "missed: of a reason"]
    assert goal.cells({"a": {}})[-1] == "not measured here"


def test_nothing_is_drawn_of_memory_where_the_system_does_not_tell() -> None:
    """The plot has a panel less then."""
    figures: Figures = {"plain": {FLOOR: {"cpu": 1.0}, OURS: {"cpu": 2.0}}}
    assert plot(figures, QUICK).count("<g ") == 1
    for numbers in figures["plain"].values():
        numbers["growth"] = 1024.0
    assert plot(figures, QUICK).count("<g ") == 2


def test_a_track_is_at_least_some_frames_and_always_the_same() -> None:
    """Server and client make the same one, each for itself."""
    assert track(0) == track(1)
    assert len(track(0)) == LEAST_FRAMES * 1044
    assert json.loads(document(track(0)))["data"]["audio"] == track(0).hex()


def test_a_recording_has_the_size_asked_for() -> None:
    """And none is made that the client would refuse."""
    assert len(recording(2_000_000)) == 2_000_000
    with pytest.raises(ValueError, match="ten seconds"):
        recording(1_000_000)
