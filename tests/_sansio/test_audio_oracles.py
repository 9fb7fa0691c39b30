"""The probe against programs that others wrote, on the same files, and on files that a real encoder made."""

import io
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from tinytag import TinyTag

from aiml_music._sansio.audio import probe_bytes
from tests._sansio.audio_files import Sample, corpus, frame_seconds

CORPUS = [sample for sample in corpus() if len(sample.data) < 3_000_000]

# Where tinytag believes a header, takes the first frames for all, counts a tag as sound, or does not open the file.
TINYTAG_ERRS = {
    "silence 15 s, noise 15 s",
    "silence 60 s, noise 120 s",
    "APEv2 and ID3v1",
    "APEv2 in front",
    "Lyrics3",
    "a start, then zeros",
    "mu-law",
    "A-law",
    "MS ADPCM",
    "MS ADPCM, fact says 1",
    "IMA ADPCM",
    "streamed, 2^32 - 1",
    "streamed, 2^31 less a header",
    "streamed, 0",
    "RF64",
    "BW64",
    "RF64 says 1 h",
    "says 1 h, has 1 s",
}
FOR_TINYTAG = [sample for sample in CORPUS if sample.name not in TINYTAG_ERRS]

FFPROBE = shutil.which("ffprobe")


@pytest.mark.parametrize("sample", FOR_TINYTAG, ids=[sample.name for sample in FOR_TINYTAG])
def test_tinytag_agrees(sample: Sample) -> None:
    """tinytag, which counts the encoder's header and rounds to frames, tells the same duration to within a few."""
    tag = TinyTag.get(file_obj=io.BytesIO(sample.data))
    info = probe_bytes(sample.data)
    assert tag.duration == pytest.approx(info.duration, abs=3.1 * frame_seconds())
    assert (tag.samplerate, tag.channels) == (info.sample_rate_hz, info.channels)


@pytest.mark.skipif(FFPROBE is None, reason="ffprobe is not on this machine")
@pytest.mark.parametrize("sample", CORPUS, ids=[sample.name for sample in CORPUS])
def test_ffprobe_agrees(sample: Sample, tmp_path: Path) -> None:
    """ffprobe, reading packet by packet, hears the same duration to within a frame."""
    path = tmp_path / "sample"
    path.write_bytes(sample.data)
    assert heard_by_ffprobe(path) == pytest.approx(probe_bytes(sample.data).duration, abs=frame_seconds())


@pytest.mark.parametrize("vbr", [False, True])
@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (32_000, 1), (22_050, 1), (11_025, 2)])
def test_what_an_encoder_made_is_as_long_as_what_it_was_given(rate: int, channels: int, vbr: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """An MP3 by LAME is as long as its sound, but for the few frames by which the encoder delays and pads it."""
    lameenc = pytest.importorskip("lameenc", reason="the encoder comes with the sandbox extra")
    seconds = 2
    dice = random.Random(rate)
    half = rate * channels * seconds
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_in_sample_rate(rate)
    encoder.set_out_sample_rate(rate)
    encoder.set_channels(channels)
    if vbr:
        encoder.set_vbr(4)
        encoder.set_vbr_quality(4)
    else:
        encoder.set_bit_rate(64)
    # Silence, then noise: two halves that want different bitrates.
    data = bytes(encoder.encode(bytes(half) + dice.randbytes(half)) + encoder.flush())
    info = probe_bytes(data)
    assert seconds <= info.duration <= seconds + 4 * frame_seconds(rate)
    assert (info.sample_rate_hz, info.channels) == (rate, channels)
    assert info.variable_bitrate is vbr
    assert vbr or info.bitrate == 64_000
    assert not info.truncated


def heard_by_ffprobe(path: Path) -> float:
    """The sum of the durations of all packets, in seconds."""
    assert FFPROBE is not None
    command = [FFPROBE, "-v", "error", "-show_entries", "packet=duration_time", "-of", "csv=p=0", str(path)]
    lines = subprocess.run(command, capture_output=True, check=True, text=True, timeout=30).stdout.split()
    return sum(float(line.strip(",")) for line in lines)
