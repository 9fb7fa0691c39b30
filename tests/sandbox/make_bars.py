"""Make the bars that the sandbox joins when no MP3 encoder is installed: `python -m tests.sandbox.make_bars`.

Needs ffmpeg with libmp3lame, for only its `-reservoir 0` makes frames that stand alone. Run it when the music changes.
"""

import subprocess
from pathlib import Path

import aiml_music.sandbox
from aiml_music.sandbox.mp3 import walk_frames
from aiml_music.sandbox.score import Song
from aiml_music.sandbox.synth import play

FOLDER = Path(aiml_music.sandbox.__file__).parent / "bars"
BARS = 4
# By sampling rate: bit/s, the fewest that sound well enough; frames of a bar, about 1.08 s.
SHAPES = {16000: (16000, 30), 24000: (24000, 45), 32000: (32000, 30), 44100: (32000, 41)}
# The frames that LAME's delay fills before the first sample comes out.
DELAY_FRAMES = 2
SONGS = {
    "band": Song("la la la la", instrumental=b"bars"),
    "voice": Song("la lo le la lo la li la lu la le lo la", voice=b"bars"),
}


def main() -> None:
    """Write one file for each kind and rate."""
    FOLDER.mkdir(exist_ok=True)
    for kind, song in SONGS.items():
        for rate, (bitrate, frames) in SHAPES.items():
            data = encode(play(song, sample_rate_hz=rate, exactly=8.0), rate, bitrate)
            sizes = [frame.size for frame in walk_frames(data)]
            first = sum(sizes[:DELAY_FRAMES])
            (FOLDER / f"{kind}-{rate}.frames").write_bytes(
                data[first : first + sum(sizes[DELAY_FRAMES:][: frames * BARS])]
            )


def encode(pcm: bytes, rate: int, bitrate: int) -> bytes:
    """Return samples as frames without a bit reservoir, tag or index."""
    words = f"-nostdin -loglevel error -f s16le -ar {rate} -ac 1 -i pipe:0 -c:a libmp3lame -reservoir 0"
    words += f" -b:a {bitrate} -write_xing 0 -id3v2_version 0 -f mp3 pipe:1"
    return subprocess.run(["ffmpeg", *words.split()], input=pcm, capture_output=True, check=True, timeout=60).stdout  # noqa: S607


if __name__ == "__main__":
    main()
