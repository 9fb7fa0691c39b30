"""The measurements work, whatever they find: nothing here looks at a clock."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytest.importorskip("trustme", reason="the server speaks TLS, too")
pytest.importorskip("requests", reason="one of the clients that are measured")

from tests.benchmarks.batches import syncs_of
from tests.benchmarks.cases import EVERY, QUICK, SECTIONS, cases
from tests.benchmarks.documents import LEAST_FRAMES, document, recording, track
from tests.benchmarks.goals import BECAUSE, UNKNOWN, Goal, goals
from tests.benchmarks.job import Job, Way
from tests.benchmarks.kinds import FLOOR, OURS, present
from tests.benchmarks.page import BEGIN, END, PLOT, written_into
from tests.benchmarks.plot import plot
from tests.benchmarks.slow_disk import SlowFile

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
    figures = json.loads(kept.read_text(encoding="utf-8"))["figures"]
    assert set(figures) == {name for names in SECTIONS.values() for name in names}
    assert all(set(figures[name]) == set(present(case.kinds)) for name, case in cases(QUICK).items())
    assert all(numbers["cpu"] > 0 for numbers in figures["plain"].values())
    drawing = ET.parse(tmp_path / PLOT)  # noqa: S314 - drawn by ourselves
    words = {element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert words >= set(present(EVERY))


def test_syncs_are_counted() -> None:
    """Five a mark, and five marks a job."""
    one, two = (syncs_of("alone", jobs) for jobs in (1, 2))
    if one is None or two is None:
        pytest.skip("needs strace, and a system that lets it look")
    assert two - one == 25


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


def test_one_table_can_be_asked_for_and_what_was_kept_is_not_measured_again(tmp_path: Path) -> None:
    """The others are left out, and a part is never written into the page."""
    kept = tmp_path / "figures.json"
    numbers = {"unhexlify": {"cpu": 1.0}, "65536 B, audio at an even offset": {"cpu": 1.2}}
    kept.write_text(json.dumps({"machine": "Measured by hand.", "figures": {"decoder": numbers}}), encoding="utf-8")
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--only=decoder"]
    done = subprocess.run([*command, f"--keep={kept}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("Measured by hand.\n\n### The decoder alone\n")
    assert "| 65536 B, audio at an even offset | 1.20 |" in done.stdout
    assert "### Import" not in done.stdout
    done = subprocess.run([*command, "--write"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2


def test_a_goal_says_what_became_of_it() -> None:
    """Its aim is met, or itself, or it is missed for a reason; and neither where a peer is not installed."""
    goal = Goal("plain", "a thing", 2, 1.5, "x", lambda figures: figures["a"][OURS]["cpu"])
    head = ["a thing", "≤ 2 x", "≤ 1.5 x"]
    assert goal.cells({"a": {OURS: {"cpu": 1.5}}}) == [*head, "1.5 x", "aim met"]
    assert goal.cells({"a": {OURS: {"cpu": 2.0}}}) == [*head, "2 x", "goal met"]
    assert goal.cells({"a": {OURS: {"cpu": 2.5}}}) == [*head, "2.5 x", f"missed: {BECAUSE['plain'] or UNKNOWN}"]
    assert goal.cells({"a": {}})[-1] == "not measured here"
    only = Goal("first", "a thing", 2, None, "x", lambda figures: figures["a"][OURS]["cpu"])
    assert only.cells({"a": {OURS: {"cpu": 2.0}}})[-3:] == ["-", "2 x", "met"]


def test_each_goal_has_a_place_for_its_reason() -> None:
    """And no reason is left of a goal that is gone."""
    assert [goal.key for goal in goals(QUICK)] == list(dict.fromkeys(goal.key for goal in goals(QUICK)))
    assert {goal.key for goal in goals(QUICK)} == set(BECAUSE)


def test_a_track_is_removed_once_it_is_there_where_room_is_short(tmp_path: Path) -> None:
    """The first is kept for a closer look, and a wrong one ends the measurement."""
    job = Job(kind=OURS, ports={"http": 1}, authority="", folder=str(tmp_path), track_bytes=3, remove=True, count=3)
    way = Way(job, job.base(1))
    for path, size in zip(job.paths, (3, 3, 2), strict=True):
        path.write_bytes(bytes(size))
    way.finished(job.file(0))
    way.finished(job.file(1))
    with pytest.raises(ValueError, match=r"wrong track: 2\.mp3"):
        way.finished(job.file(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.mp3", "2.mp3"]


def test_a_slow_disk_has_the_same_bytes(tmp_path: Path) -> None:
    """It only takes its time."""
    path = tmp_path / "file"
    path.write_bytes(b"some bytes")
    with SlowFile(path, 0.0) as file:
        assert file.read(4) == b"some"
        assert file.read() == b" bytes"


def test_nothing_is_drawn_of_memory_where_the_system_does_not_tell() -> None:
    """The plot has a panel less then."""
    figures = {"plain": {FLOOR: {"cpu": 1.0}, OURS: {"cpu": 2.0}}}
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
