"""How long the probe takes over the corpus and over hostile files, beside tinytag and ffprobe.

Run with `python -m tests.benchmarks.bench_audio`, and `--alone` to leave the others out. Our times are
the best of three, those of the others include the start of a process. Temporary files are sparse where they are large.
"""

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from aiml_music._sansio.audio import AudioFormatError, probe
from tests._sansio.audio_files import cbr, corpus, frame, id3, wav

HUGE = 3 * 2**30
PATIENCE = 20.0
TINYTAG = "import sys, tinytag; print(tinytag.TinyTag.get(sys.argv[1]).duration)"
FFPROBE = ["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"]


def hostile() -> list[tuple[str, bytes, int]]:
    """Files by their name, what they begin with, and how many zeros follow."""
    fake, aligned = b"\xff\xfb\x90\x40", b"\xff\xfb\x94\x40"
    return [
        ("3 GB of zeros", b"", HUGE),
        ("3 GB, a real start, zeros", cbr(1150), HUGE),
        ("3 GB, a WAV head, zeros", b"RIFF\0\0\0\0WAVE", HUGE),
        ("1 MB of noise", random.Random(1).randbytes(1_000_000), 0),
        ("1 MB of fake sync words", fake * 250_000, 0),
        ("1 MB of fake sync words that line up", aligned * 250_000, 0),
        ("5 MB of tiny tags", id3(b"") * 500_000, 0),
        ("5 MB tag, nothing behind", id3(bytes(5_000_000)), 0),
        ("60 MB of the smallest frames", frame(8, 24_000) * 2_500_000, 0),
        ("40 MB, junk behind each third frame", (frame(320) * 3 + b"\1") * 13_000, 0),
        ("106 MB, ten minutes of WAV", wav(b"", says=4 * 600 * 44_100), 4 * 600 * 44_100),
    ]


def ours(path: Path) -> str:
    """What the probe says, reading by seeking."""
    with path.open("rb") as file:

        def read_at(offset: int, count: int, /) -> bytes:
            file.seek(offset)
            return file.read(count)

        try:
            return f"{probe(read_at, path.stat().st_size).duration:.2f} s"
        except AudioFormatError as refused:
            return refused.reason


def others(command: list[str]) -> Callable[[Path], str]:
    """What another program prints about a file, if it does so in time."""

    def run(path: Path) -> str:
        try:
            done = subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            return "stopped"
        return done.stdout.strip() or "refused"

    return run


def timed(probing: Callable[[Path], str], path: Path, times: int) -> str:
    """The answer, and the least time it took."""
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        answer = probing(path)
        spent.append(time.perf_counter() - begin)
    return f"{min(spent) * 1000:9.2f} ms  {answer}"


def main() -> None:
    """Print a line for each file and program."""
    rivals: dict[str, Callable[[Path], str]] = {}
    if "--alone" not in sys.argv:
        rivals["tinytag"] = others([sys.executable, "-c", TINYTAG])
        if ffprobe := shutil.which("ffprobe"):
            rivals["ffprobe"] = others([ffprobe, *FFPROBE])
    files = [(sample.name, sample.data, 0) for sample in corpus()] + hostile()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "sample.mp3")
        for name, head, zeros in files:
            with path.open("wb") as file:
                file.write(head)
                file.truncate(len(head) + zeros)
            print(f"{name:40} probe   {timed(ours, path, 3)}")  # noqa: T201 - printing is its purpose
            for rival, probing in rivals.items():
                print(f"{'':40} {rival} {timed(probing, path, 1)}")  # noqa: T201 - printing is its purpose


if __name__ == "__main__":
    main()
