"""`collect`, and `batch` of models that answer by an id, against a real sandbox."""

import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from aiml_music import Job, JobState, MusicClient
from aiml_music.sandbox import RunningSandbox, Settings, running
from tests.test_cli import CANARY, clear_environment, ended
from tests.test_cli_calls import facts_of

MODEL = "minimax/music-2.6"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    """A sandbox that the environment points to, in which a generation waits a moment."""
    clear_environment(monkeypatch)
    with running(Settings(latency=0, queue_seconds=0.3, longest_track=0.5)) as server:
        monkeypatch.setenv("AIML_API_BASE", server.base_url)
        monkeypatch.setenv("AIML_API_KEY", CANARY)
        yield server


def submitted(server: RunningSandbox, model: str = MODEL) -> str:
    """Submit a generation as somebody else might, and return its id."""
    body = json.dumps({"model": model, "prompt": "a slow waltz"}).encode()
    return str(asked(server, f"{server.base_url}/v2/generate/audio", body)["id"])


def make_sure_it_is_done(server: RunningSandbox, generation: str) -> None:
    """Ask after a generation until it is done, so that the first question of a command finds it so."""
    address = f"{server.base_url}/v2/generate/audio?generation_id={quote(generation, safe='')}"
    while asked(server, address)["status"] != "completed":
        pass


def asked(server: RunningSandbox, address: str, body: bytes | None = None) -> Any:
    headers = {"authorization": f"Bearer {server.api_key}", "content-type": "application/json"}
    request = urllib.request.Request(address, data=body, headers=headers)  # noqa: S310 - http, loopback
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - as above
        return json.load(answer)


@pytest.mark.parametrize(
    ("model", "name"), [(MODEL, "song.mp3"), ("stable-audio", "song.wav"), ("google/lyria2", "song.pcm")]
)
def test_a_track_is_collected_by_its_id(model: str, name: str, tmp_path: Path, service: RunningSandbox) -> None:
    """Nothing is paid; of raw samples the name alone says what they are."""
    generation = submitted(service, model)
    make_sure_it_is_done(service, generation)
    done = ended("collect", generation, "-o", str(tmp_path / name), "--model", model)
    assert done.code == 0, done.err
    assert facts_of(done.out)["generation id"] == generation
    assert (tmp_path / name).stat().st_size
    again = ended("collect", generation, "-o", str(tmp_path / name), "--overwrite", "--json")
    assert again.document["track"]["receipt"]["generation_id"] == generation
    assert service.sandbox.charges == 1


def test_a_track_that_is_not_ready_says_what_to_type(tmp_path: Path, service: RunningSandbox) -> None:
    """In words of the command; and the exit code is one of its own."""
    service.sandbox.use_scenario("stall")
    generation = submitted(service)
    told = ended("collect", generation, "-o", str(tmp_path / "song.mp3"), "--timeout", "0.5", "--json")
    assert told.code == 7
    assert told.document["error"]["generation_id"] == generation
    assert f"Next: Do not pay again, collect it: aiml-music collect {generation} -o FILE." in told.err
    assert list(tmp_path.iterdir()) == []


def test_an_id_may_begin_like_an_option(tmp_path: Path, service: RunningSandbox) -> None:
    """It is taken as it is; the service does not know this one."""
    told = ended("collect", "-aB_9", "-o", str(tmp_path / "song.mp3"), "--timeout", "0.5")
    assert told.code == 7
    assert "the track of -aB_9 is not in hand" in told.err
    assert service.sandbox.charges == 0


@pytest.mark.skipif(sys.platform == "win32", reason="batches need locks that Windows does not have")
def test_the_same_command_again_collects(
    tmp_path: Path, service: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a program left accepted: status says so, and the list with its column of models brings it home."""
    monkeypatch.chdir(tmp_path)
    Path("jobs.csv").write_text(f"label,model,prompt\nWaltz,{MODEL},a slow waltz\n", encoding="utf-8")
    with MusicClient(timeout=0.4) as client, client.batch("songs") as batch:
        (outcome,) = batch.run_all([Job(label="Waltz", model=MODEL, prompt="a slow waltz")])
        (accepted,) = batch.report().accepted
    assert outcome.state is JobState.ACCEPTED
    standing = ended("status", "songs", "--json").document["batch"]
    assert standing["jobs"]["accepted"] == 1
    assert standing["accepted"][0]["client_request_id"] == accepted.client_request_id
    assert f"accepted as {standing['accepted'][0]['generation_id']}" in standing["accepted"][0]["evidence"]
    assert standing["next"] == "aiml-music batch JOBS -o songs"
    assert "Being made" in Path("songs/index.html").read_text(encoding="utf-8")
    make_sure_it_is_done(service, standing["accepted"][0]["generation_id"])
    done = ended("batch", "jobs.csv", "-o", "songs")
    assert done.code == 0, done.err
    assert "Waltz: done, Waltz.mp3" in done.err
    assert Path("songs/Waltz.json").is_file()
    assert service.sandbox.charges == 1


@pytest.mark.skipif(sys.platform == "win32", reason="batches need locks that Windows does not have")
def test_a_batch_that_is_left_accepted_has_an_exit_code(
    tmp_path: Path, service: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked after in vain, for the address of the track is no audio; nothing is paid for it again."""
    monkeypatch.chdir(tmp_path)
    service.sandbox.use_scenario("result_wrong_bytes")
    Path("jobs.csv").write_text(f"label,model,prompt\nWaltz,{MODEL},a slow waltz\n", encoding="utf-8")
    with MusicClient(timeout=0.4) as client, client.batch("songs") as batch:
        (outcome,) = batch.run_all([Job(label="Waltz", model=MODEL, prompt="a slow waltz")])
    assert outcome.error is not None
    make_sure_it_is_done(service, str(outcome.error.generation_id))
    told = ended("batch", "jobs.csv", "-o", "songs")
    assert told.code == 7
    assert "Waltz: accepted: paid, being made: " in told.err
    assert "Next: aiml-music batch jobs.csv -o songs" in told.out
    assert service.sandbox.charges == 1
