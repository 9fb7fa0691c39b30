"""Pictures of tracks: as loud as they are, and none where there is no decoder or no track."""

import math
import wave
from pathlib import Path

import pytest

from aiml_music.batch.page.waveform import BARS, bars, peaks_of
from aiml_music.sandbox.reference import make_reference
from tests.batch.page.pages import write_wav


def test_a_picture_is_as_loud_as_the_track(tmp_path: Path) -> None:
    """Silence, then a tone, then one half as loud."""
    tone = [round(20_000 * math.sin(index / 3)) for index in range(8000)]
    write_wav(tmp_path / "tone.wav", [*([0] * 8000), *tone, *(sample // 2 for sample in tone)])
    peaks = peaks_of(tmp_path / "tone.wav")
    assert len(peaks) == 60
    assert set(peaks[1:19]) == {0}
    assert min(peaks[21:39]) > 95
    assert all(45 < peak < 55 for peak in peaks[41:59])


def test_an_mp3_has_a_picture(tmp_path: Path) -> None:
    """What the service sends is decoded."""
    (tmp_path / "song.mp3").write_bytes(make_reference(3))
    peaks = peaks_of(tmp_path / "song.mp3")
    assert 60 <= len(peaks) <= BARS
    assert max(peaks) == 100


@pytest.mark.parametrize("content", [b"", b"no track", None])
def test_what_cannot_be_decoded_has_no_picture(tmp_path: Path, content: bytes | None) -> None:
    """A page is worth more than its pictures."""
    if content is not None:
        (tmp_path / "song.mp3").write_bytes(content)
    assert peaks_of(tmp_path / "song.mp3") == ()


def test_a_track_without_samples_has_no_picture(tmp_path: Path) -> None:
    """There is nothing to draw."""
    with wave.open(str(tmp_path / "song.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
    assert peaks_of(tmp_path / "song.wav") == ()


def test_without_the_decoder_there_is_no_picture(tmp_path: Path) -> None:
    """The extra is an extra."""

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    write_wav(tmp_path / "tone.wav")
    assert peaks_of(tmp_path / "tone.wav", load=missing) == ()


def test_bars_are_means_beside_the_loudest() -> None:
    """Never more bars than there is to tell, and silence is no division by nothing."""
    assert bars([1, 3, 8, 8], 2) == (25, 100)
    assert bars([5], 3) == (100,)
    assert bars([0, 0], 2) == (0, 0)
    assert bars([], 3) == ()
