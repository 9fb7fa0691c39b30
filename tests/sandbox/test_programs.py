"""Programs like those in the service's own documentation run against the sandbox: address, key and ids differ."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from aiml_music.sandbox import RunningSandbox, Settings, running
from aiml_music.sandbox.probe import measure
from tests.sandbox.conftest import GENERATE, UPLOAD

LYRICS = """
##
I see a harbour painted in gold,
The tide comes in with stories untold.
You\u2019re the lantern in the window light.
##
"""


@pytest.fixture
def fresh() -> Iterator[RunningSandbox]:
    with running(Settings(latency=0, longest_track=1)) as server:
        yield server


def test_upload_then_generate(fresh: RunningSandbox, reference: bytes, tmp_path: Path) -> None:
    """Upload a song, pass on both ids, write the decoded hex: the file is an MP3."""
    headers = {"Authorization": f"Bearer {fresh.api_key}"}
    uploaded = requests.post(
        fresh.base_url + UPLOAD,
        headers=headers,
        files={"file": ("song.mp3", reference, "audio/mpeg")},
        data={"purpose": "song"},
        timeout=20,
    )
    uploaded.raise_for_status()
    ids = uploaded.json()
    response = requests.post(
        fresh.base_url + GENERATE,
        headers={"Content-Type": "application/json", **headers},
        json={
            "refer_voice": ids.get("voice_id"),
            "refer_instrumental": ids.get("instrumental_id"),
            "lyrics": LYRICS,
            "model": "music-01",
        },
        timeout=20,
    )
    response.raise_for_status()
    file = tmp_path / "generated_audio.mp3"
    file.write_bytes(bytes.fromhex(response.json()["data"]["audio"]))
    claimed = response.json()["extra_info"]["audio_length"] / 1000
    assert measure(file.read_bytes()) == pytest.approx(claimed, abs=0.001)


def test_ids_from_an_example_are_not_ids(fresh: RunningSandbox) -> None:
    """Whoever forgets to put in ids of their own is told so inside an HTTP 200, and finds no audio."""
    response = requests.post(
        fresh.base_url + GENERATE,
        headers={"Content-Type": "application/json", "authorization": "Bearer " + fresh.api_key},
        json={"refer_voice": "vocal-2025010100000000-a0AAAaaa", "lyrics": LYRICS, "model": "music-01"},
        timeout=20,
    )
    assert response.ok
    assert response.json()["base_resp"]["status_code"] == 2013
    assert "data" not in response.json()
