"""The command as a process of its own: entry point, pipes, signals, and nothing installed."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.test_cli import CANARY, SERVICE_VARIABLES, SPEAKING_VARIABLES, reference_file, sandboxed

COMMAND = [sys.executable, "-m", "aiml_music"]
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals for process groups")


def environment(**more: str) -> Mapping[str, str]:
    """Return an environment without keys and wishes of the test run."""
    hidden = SPEAKING_VARIABLES + SERVICE_VARIABLES
    return {name: value for name, value in os.environ.items() if name not in hidden} | more


def test_generate_in_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output is one JSON document, and neither stream holds an escape or the key."""
    with sandboxed(monkeypatch) as server:
        done = subprocess.run(
            [
                *COMMAND,
                *("generate", "--reference", str(reference_file(tmp_path)), "--purpose", "song"),
                *("-", "-o", str(tmp_path / "夜.mp3"), "--json"),
            ],
            input="##よる##\n".encode(),
            capture_output=True,
            env=environment(AIML_API_BASE=server.base_url, AIML_API_KEY=CANARY, PYTHONIOENCODING="ascii"),
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["track"]["path"] == str(tmp_path / "夜.mp3")
    assert b"Generating \\u591c.mp3 ..." in done.stderr
    assert b"\x1b" not in done.stdout + done.stderr
    assert CANARY.encode() not in done.stdout + done.stderr


@on_posix
def test_ctrl_c_ends_a_call_at_once(tmp_path: Path) -> None:
    """A process that waits for the service ends at SIGINT with 130, the money note, and no traceback."""
    arrived, leave = threading.Event(), threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            arrived.set()
            leave.wait(60)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        command = subprocess.Popen(
            [
                *COMMAND,
                *("generate", "--voice", "vocal-1", "--lyrics", "a", "-o", str(tmp_path / "song.mp3")),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(AIML_API_BASE=f"http://127.0.0.1:{server.server_address[1]}", AIML_API_KEY=CANARY),
            start_new_session=True,
        )
        try:
            assert arrived.wait(30)
            os.killpg(command.pid, signal.SIGINT)
            out, err = command.communicate(timeout=30)
        finally:
            command.kill()
            leave.set()
            server.shutdown()
            thread.join(10)
    assert command.returncode == 130
    assert out == b""
    assert b"Error: Interrupted." in err
    assert b"was cancelled in phase wait. The request may have been carried out and charged." in err
    assert b"Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@on_posix
def test_ctrl_c_ends_the_demo_without_a_fuss(tmp_path: Path) -> None:
    """While tracks are being made, SIGINT ends client and server with two lines and 130."""
    command = subprocess.Popen(
        [
            *COMMAND,
            "demo",
            "--reference",
            str(reference_file(tmp_path)),
            "-o",
            str(tmp_path / "demo"),
            "--latency",
            "60",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    )
    try:
        assert command.stderr is not None
        assert any(line.startswith(b"Track 6") for line in command.stderr)
        os.killpg(command.pid, signal.SIGINT)
        out, err = command.communicate(timeout=30)
    finally:
        command.kill()
    lines = [line for line in err.splitlines() if not line.startswith(b"Track ")]
    assert (command.returncode, out) == (130, b"")
    assert lines == [b"Error: Interrupted.", b"It was the sandbox: no money was spent."]

    assert list((tmp_path / "demo").iterdir()) == []


def test_what_the_server_of_the_demo_logs_is_not_shown(tmp_path: Path) -> None:
    """A server that is ended in the middle of its work complains to a log that nobody set up."""
    program = (
        "import logging, sys; from aiml_music.__main__ import main\n"
        f"code = main(['demo', '--reference', {str(tmp_path / 'none.mp3')!r}, '-o', {str(tmp_path / 'demo')!r}])\n"
        "logging.getLogger('uvicorn.error').error('a long complaint')\n"
        "logging.getLogger('another').error('heard')\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env=environment(), timeout=60, check=False
    )
    assert done.returncode == 2
    assert b"heard" in done.stderr
    assert b"a long complaint" not in done.stderr


@on_posix
@pytest.mark.parametrize("words", [("sandbox", "--list-scenarios"), ("--help",)])
def test_a_reader_who_leaves_early_hears_no_complaint(words: tuple[str, ...]) -> None:
    """`aiml-music --help | head -1` ends quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*COMMAND, *words],
            stdout=writing,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@on_posix
@pytest.mark.parametrize(
    ("redirection", "reason"),
    [
        (">&-", b"Bad file descriptor"),
        pytest.param(
            ">/dev/full",
            b"No space left on device",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a device that is always full"),
        ),
    ],
)
def test_what_was_paid_for_is_named_where_it_can_be(
    redirection: str, reason: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A track whose result cannot be printed is named on standard error, with exit code 1."""
    track = tmp_path / "song.mp3"
    song = ("--reference", str(reference_file(tmp_path)), "--purpose", "song", "--lyrics", "a")
    words = ("generate", *song, "-o", str(track), "--json")
    with sandboxed(monkeypatch) as server:
        done = subprocess.run(
            ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *words],
            stderr=subprocess.PIPE,
            env=environment(AIML_API_BASE=server.base_url, AIML_API_KEY=CANARY),
            timeout=60,
            check=False,
        )
    _, _, told = done.stderr.partition(b"Error: The result could not be written: " + reason + b".\n")
    assert done.returncode == 1
    assert json.loads(told)["track"]["path"] == str(track)


@pytest.mark.parametrize(
    ("missing", "words", "said"),
    [
        ("cyclopts", "['--version']", b"aiml-music needs cyclopts; in its checkout: pip install '.[cli]'"),
        ("rich", "['--version']", b"aiml-music needs rich; in its checkout: pip install '.[cli]'"),
        ("uvicorn", "['demo']", b"Error: The sandbox needs uvicorn."),
    ],
)
def test_what_is_not_installed_is_named(missing: str, words: str, said: bytes) -> None:
    """A plain installation says what to install, in a line and without a traceback."""
    program = (
        f"import sys; sys.modules[{missing!r}] = None; from aiml_music.__main__ import main; sys.exit(main({words}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env=environment(), timeout=60, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert b"Traceback" not in done.stderr
