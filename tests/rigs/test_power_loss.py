"""A batch keeps its promise on every disk that a loss of power may leave: recorded once, resumed from each image."""

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from tests.rigs.bench import Bench, bench, exactly
from tests.rigs.children import Children
from tests.rigs.conftest import Extent, Tell, Tracks
from tests.rigs.contract import finding
from tests.rigs.power_images import Image, images, moments
from tests.rigs.power_log import CALLS, Recording

pytestmark = pytest.mark.usefixtures("strace")

_JOBS = 2
_SEED = 20_261_125
_SHORT_MOMENTS = 8
_IMAGES_A_MOMENT = 6


def recorded(place: Bench, name: str, **changes: object) -> Recording:
    """Run a batch to its end, and return what it did to its disk."""
    directory = place.place_of(name)
    directory.mkdir()
    log = directory.with_suffix(".strace")
    watching: list[subprocess.Popen[str]] = []

    def watch(pid: int) -> None:
        command = [
            "strace",
            "-f",
            "-p",
            str(pid),
            "-o",
            str(log),
            "-xx",
            "-s",
            "4194304",
            "-e",
            f"trace={','.join(CALLS)}",
        ]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        watching.append(process)
        assert process.stderr is not None
        assert "attached" in process.stderr.readline()

    place.strike(name, begun=watch, **changes)
    watching[0].communicate()
    return Recording.read(directory, log)


def test_a_recording_is_what_happened(tmp_path: Path, program: Children, tracks: Tracks) -> None:
    """Done again in memory, it leaves the very files that the disk has."""
    with bench(program, tmp_path, tracks, jobs=_JOBS, budget=exactly(3 * _JOBS)) as place:
        recording = recorded(place, "calm")
    nothing, everything, *_ = images(recording, moments(recording)[-1], random.Random(_SEED))
    found = {path.name: path.read_bytes() for path in place.place_of("calm").iterdir()}
    assert everything.files == found
    assert nothing.sent == everything.sent == place.truth.paid()
    assert place.wrong == []


@pytest.mark.parametrize("scenario", [None, "cut_mid_body"])
def test_a_loss_of_power_keeps_the_promise(
    scenario: str | None, tmp_path: Path, program: Children, tracks: Tracks, extent: Extent, tell: Tell
) -> None:
    """Whatever of the writes and names that nobody waited for is there, and whatever is not."""
    chance = random.Random(_SEED)
    seen: dict[bytes, tuple[str, Image]] = {}
    with bench(program, tmp_path, tracks, jobs=_JOBS, budget=exactly(4 * _JOBS)) as place:
        recording = recorded(place, "recorded", scenario=scenario)
        for image in _some_images(recording, chance, extent):
            if image.digest in seen:
                continue
            name = f"image-{len(seen)}"
            seen[image.digest] = name, image
            place.place_of(name).mkdir()
            image.write(place.place_of(name))
            place.finish(name)
    before = {step.act.client_request_id for step in recording.steps if hasattr(step.act, "client_request_id")}
    bad = [trouble for trouble in place.wrong if trouble[0] and not trouble[0].startswith("image-")]
    for name, image in seen.values():
        # What was sent after the power had failed was never sent.
        charged = {one: paid for one, paid in place.truth.charged.items() if one not in before or one in image.sent}
        truth = evolve(place.truth, charged=charged)
        found = finding(place.place_of(name), truth, tracks, exactly(4 * _JOBS), is_settled=False)
        bad += [(f"{name} at {image.moment}", violation) for violation in found.violations]
        bad += [(name, words) for where, words in place.wrong if where == name and words.startswith("Ending")]
    tell(f"power-loss images ({scenario or 'calm'}) {len(seen)}, bad {len(bad)}")
    assert bad == []
    assert len(before) == _JOBS


def _some_images(recording: Recording, chance: random.Random, extent: Extent) -> Iterator[Image]:
    when = moments(recording)
    for moment in when if extent.long else sorted(chance.sample(when, _SHORT_MOMENTS)):
        there = list(images(recording, moment, chance))
        yield from chance.sample(there, min(len(there), _IMAGES_A_MOMENT if extent.long else 1))
