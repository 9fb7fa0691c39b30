"""`demo` and `sandbox`: the commands that need neither key nor network."""

import io
import os
import re
import signal
import socket
import sys
import threading
import urllib.request
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from aiml_music import MusicClient, sandbox
from aiml_music.cli.app import main
from aiml_music.cli.demo import fresh_directory
from aiml_music.cli.faults import CommandError
from aiml_music.cli.screen import Streams
from aiml_music.cli.songs import SONGS
from aiml_music.sandbox import SCENARIOS
from tests.test_cli import CANARY, Ended, Terminal, clear_environment, ended, reference_file

FILES = [f"{number}-{song.name}.mp3" for number, song in enumerate(SONGS, 1)]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_environment(monkeypatch)
    # A key of the environment is for the service alone.
    monkeypatch.setenv("AIML_API_KEY", CANARY)
    monkeypatch.setenv("AIML_API_BASE", "http://127.0.0.1:1")


def demonstrated(directory: Path, *words: str) -> Ended:
    """Run a short demonstration with a reference of our own."""
    return ended(
        "demo",
        *("--reference", str(reference_file(directory)), "-o", str(directory / "demo")),
        *("--latency", "0", "--longest", "0.5", *words),
    )


def test_demo_makes_six_tracks_and_shows_the_bill(tmp_path: Path) -> None:
    """Six files that differ, a row for each, and two counts of the money that agree."""
    shown = demonstrated(tmp_path)
    folder = tmp_path / "demo"
    assert shown.code == 0, shown.err
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert f"6 tracks in {folder}" in shown.out
    rows = [line.split() for line in shown.out.splitlines() if re.match(r"\d-", line)]
    assert [row[0] for row in rows] == FILES
    assert all(row[2:6] == ["44.1", "kHz,", "128", "kbit/s"] and row[6] == "$0.0315" for row in rows)
    assert len({row[7] for row in rows}) == 6
    assert "Paid, by the receipts:    378,000 credits ($0.1890)" in shown.out
    assert "Charged, by the sandbox:  378,000 credits, in 6 charges" in shown.out
    assert "The two agree" in shown.out
    assert "hums vowels, not words" in shown.out
    assert shown.err.count("...") == 7
    assert len({path.read_bytes() for path in folder.iterdir()}) == 6
    assert CANARY not in shown.out + shown.err


def test_voice_and_instruments_are_heard_alone(tmp_path: Path) -> None:
    """The third track has nothing but the voice of the reference, the fourth nothing but its instruments."""
    demonstrated(tmp_path)
    with (
        sandbox.running(sandbox.Settings(latency=0, longest_track=0.5)) as server,
        MusicClient(base_url=server.base_url, api_key=server.api_key) as client,
    ):
        learned = client.upload(tmp_path / "reference.wav", purpose="song")
        voice = client.generate(lyrics=SONGS[2].lyrics, refer_voice=learned.voice_id)
        instruments = client.generate(lyrics=SONGS[3].lyrics, refer_instrumental=learned.instrumental_id)
    assert voice.content == (tmp_path / "demo" / FILES[2]).read_bytes()
    assert instruments.content == (tmp_path / "demo" / FILES[3]).read_bytes()


def test_demo_never_overwrites(tmp_path: Path) -> None:
    """A directory that exists is left alone, and the next number is taken."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo-2").mkdir()
    shown = demonstrated(tmp_path)
    assert shown.code == 0
    assert list((tmp_path / "demo").iterdir()) == []
    assert sorted(path.name for path in (tmp_path / "demo-3").iterdir()) == FILES


def test_demo_makes_its_own_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a song of the user's, one is made, in the directory's default place."""
    monkeypatch.chdir(tmp_path)
    shown = ended("demo", "--latency", "0", "--longest", "0.5", on=Terminal)
    assert shown.code == 0
    assert "Making a song to begin with" in shown.err
    assert sorted(path.name for path in (tmp_path / "aiml-music-demo").iterdir()) == FILES


def test_demo_shows_a_fault_and_keeps_the_others(tmp_path: Path) -> None:
    """One call in doubt takes no other with it, is told with its id, and the counts say which money it was."""
    shown = demonstrated(tmp_path, "--scenario", "gateway_drop")
    assert shown.code == 4
    assert len(list((tmp_path / "demo").iterdir())) == 5
    assert "Paid, by the receipts:    315,000 credits" in shown.out
    assert "Charged, by the sandbox:  378,000 credits" in shown.out
    assert "They differ by 63,000 credits" in shown.out
    assert re.search(r": InDoubtError \(", shown.err)
    assert re.search(r"request id +demo-\d-", shown.err)


def test_demo_refuses_a_reference_that_will_not_do(tmp_path: Path) -> None:
    """A song of the user's is checked like any other."""
    short = reference_file(tmp_path, seconds=2)
    told = ended("demo", "--reference", str(short), "-o", str(tmp_path / "demo"), "--latency", "0")
    assert told.code == 2
    assert "The reference lasts 2.0 s" in told.err


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--latency", "-1"), "'latency' must be >= 0"), (("--scenario", "rain"), "unknown scenario 'rain'")],
)
@pytest.mark.parametrize("command", ["demo", "sandbox"])
def test_settings_out_of_range_are_refused(command: str, words: tuple[str, ...], said: str) -> None:
    """What the sandbox does not take is an error of input."""
    told = ended(command, *words)
    assert told.code == 2
    assert said in told.err


def test_an_interrupted_demo_says_that_no_money_was_spent(tmp_path: Path) -> None:
    """Ctrl-C in a demonstration frightens nobody."""

    def interrupt(_seconds: float) -> bytes:
        raise KeyboardInterrupt

    def load(name: str) -> SimpleNamespace:
        return SimpleNamespace(**{**vars(import_module(name)), "make_reference": interrupt})

    told = ended("demo", "-o", str(tmp_path / "demo"), load=load)
    assert told.code == 130
    assert "Error: Interrupted.\nIt was the sandbox: no money was spent.\n" in told.err


@pytest.mark.parametrize("wanted", ["file/below", "/", "a\0b"])
def test_a_directory_that_cannot_be_made_is_refused(
    wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can make it: the error says why, and what to type instead."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="cannot be made") as refused:
        fresh_directory(Path(wanted))
    assert refused.value.hint == "Give another --output."


def test_scenarios_are_listed() -> None:
    """Every fault has its line."""
    listed = ended("sandbox", "--list-scenarios")
    assert listed.code == 0
    for name, scenario in SCENARIOS.items():
        assert re.search(rf"^{name} +{re.escape(scenario.description)}$", listed.out, re.MULTILINE)


def test_a_port_that_is_taken_is_refused() -> None:
    """Two sandboxes do not share a port."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        told = ended("sandbox", "--port", str(other.getsockname()[1]))
    assert told.code == 2
    assert "Address already in use" in told.err
    assert "Next: Choose another --port, or 0 for a free one." in told.err


def test_a_model_that_nobody_knows_cannot_be_withdrawn() -> None:
    """The refusal names those that there are."""
    told = ended("sandbox", "--withdrawn", "music-02")
    assert told.code == 2
    assert "unknown models ['music-02']; there are: music-01, " in told.err


def test_a_port_that_is_none_is_refused() -> None:
    """Ports end at 65535."""
    assert "Must be <= 65535" in ended("sandbox", "--port", "65536").err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_the_sandbox_runs_until_interrupted() -> None:
    """It prints what to copy, serves, and ends with 0 at Ctrl-C."""
    ready = threading.Event()

    class Announced(io.StringIO):
        def write(self, text: str, /) -> int:
            written = super().write(text)
            if "Ctrl-C" in text:
                ready.set()
            return written

    out, err = Announced(), io.StringIO()
    served: list[int] = []

    def visit_and_interrupt() -> None:
        if ready.wait(20):
            base = out.getvalue().splitlines()[0].split()[-1]
            with urllib.request.urlopen(f"{base}/sandbox/state", timeout=20) as answer:  # noqa: S310 - http, loopback
                served.append(answer.status)
            os.kill(os.getpid(), signal.SIGINT)

    visitor = threading.Thread(target=visit_and_interrupt)
    visitor.start()
    code = main(["sandbox", "--port", "0"], streams=Streams(stdout=out, stderr=err))
    visitor.join(20)
    assert (code, served) == (0, [200])
    base = out.getvalue().splitlines()[0].split()[-1]
    assert f"export AIML_API_BASE={base}\n" in out.getvalue()
    assert f"export AIML_API_KEY={sandbox.DEFAULT_KEY}\n" in out.getvalue()
    assert err.getvalue() == "The sandbox has ended.\n"
