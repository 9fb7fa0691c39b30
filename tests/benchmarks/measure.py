"""Measure what was asked for."""

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

from aiml_music._sansio.audio import probe
from tests.benchmarks import batches, bench_hexjson
from tests.benchmarks.cases import Scale, cases
from tests.benchmarks.documents import track
from tests.benchmarks.harness import bench
from tests.benchmarks.imports import import_seconds
from tests.benchmarks.job import Numbers
from tests.benchmarks.kinds import OURS


def measure(scale: Scale, names: set[str], say: Callable[[str], None]) -> Iterator[tuple[str, dict[str, Numbers]]]:
    """Yield the figures of these names, one after the other, and say what is under way."""
    wanted = {name: case for name, case in cases(scale).items() if name in names}
    if wanted:
        with bench(scale) as there:
            yield from there.measured(wanted, say) if scale.alone else there.tried(wanted)
    others = {"decoder": decoder, "check": check, "import": imports, "marks": marks, "lists": lists}
    for name, measured in others.items():
        if name in names:
            say(name)
            yield name, measured(scale)


def imports(scale: Scale) -> dict[str, Numbers]:
    """Measure what importing costs."""
    return import_seconds(scale.imports, scale.import_repeats)


def decoder(scale: Scale) -> dict[str, Numbers]:
    """Measure what decoding costs."""
    return {name: {"cpu": seconds} for name, seconds in bench_hexjson.measured(scale.decoder_rounds).items()}


def marks(scale: Scale) -> dict[str, Numbers]:
    """Measure what the marks of a batch cost."""
    return batches.marks(scale.marked, scale.repeats, alone=scale.alone)


def lists(scale: Scale) -> dict[str, Numbers]:
    """Measure how much memory lists of jobs take."""
    return batches.lists(scale.lists, alone=scale.alone)


def check(scale: Scale) -> dict[str, Numbers]:
    """Measure how the client walks the frames of a track, as it does once it has come."""
    audio = track(scale.track_bytes)

    def read_at(offset: int, count: int, /) -> bytes:
        return audio[offset : offset + count]

    walk = partial(probe, read_at, len(audio))
    return {OURS: {"cpu": median(bench_hexjson.seconds(walk) for _ in range(scale.decoder_rounds))}}
