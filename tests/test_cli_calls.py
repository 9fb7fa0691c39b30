"""`upload`, `generate` and `probe` against a real sandbox: what they print, leave behind, and never send."""

import io
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aiml_music.cli.app import main
from aiml_music.cli.lyrics_input import STDIN, read_lyrics
from aiml_music.cli.screen import Screen, Streams
from aiml_music.sandbox import RunningSandbox, Settings, running
from tests.test_cli import CANARY, Ended, Terminal, clear_environment, ended, reference_file

IDS = ("--voice", "vocal-2026010100000000-abcdefgh")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_environment(monkeypatch)


def facts_of(text: str) -> dict[str, str]:
    """Return the named facts below a title."""
    lines = [line.strip().partition("  ") for line in text.splitlines() if line.startswith("  ")]
    return {name: value.strip() for name, _, value in lines}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    """One sandbox for all tests here: to start one takes a fifth of a second."""
    with running(Settings(latency=0, longest_track=0.5)) as server:
        # Once it answers it has opened all it opens, so that no test is blamed for it.
        with urllib.request.urlopen(f"{server.base_url}/sandbox/state", timeout=20):  # noqa: S310 - http, loopback
            pass
        yield server


@pytest.fixture
def service(server: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    """Return the sandbox, without faults, that the environment points to."""
    server.sandbox.use_scenario(None)
    monkeypatch.setenv("AIML_API_BASE", server.base_url)
    monkeypatch.setenv("AIML_API_KEY", CANARY)
    return server


@contextmanager
def answering(answer: Callable[[], bytes]) -> Iterator[str]:
    """Serve one kind of answer to whole requests, and do what belongs to it first."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            body = answer()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(10)


def test_upload_prints_the_ids_by_the_options_that_take_them(tmp_path: Path, service: RunningSandbox) -> None:
    """What upload prints can be typed into generate."""
    before = service.sandbox.charges
    uploaded = ended("upload", str(reference_file(tmp_path)), "--purpose", "song")
    facts = facts_of(uploaded.out)
    assert uploaded.code == 0
    assert facts["cost"] == "0 credits ($0)"
    assert facts["service"] == service.base_url
    made = ended(
        "generate",
        *("--voice", facts["--voice"], "--instrumental", facts["--instrumental"]),
        *("--lyrics", "##Hello##", "-o", str(tmp_path / "song.mp3"), "--timeout", "60"),
    )
    assert made.code == 0, made.err
    assert service.sandbox.charges == before + 1


def test_upload_as_json(tmp_path: Path, service: RunningSandbox) -> None:
    """A script gets the ids, what the file is, and the receipt, as one document."""
    uploaded = ended("upload", str(reference_file(tmp_path)), "--purpose", "voice", "--json")
    reference = uploaded.document["reference"]
    assert uploaded.document["service"] == service.base_url
    assert reference["voice_id"].startswith("vocal-")
    assert reference["instrumental_id"] is None
    assert reference["purpose"] == "voice"
    assert reference["audio"]["duration"] == 11.0
    assert reference["receipt"]["usd_spent"] == "0"
    assert CANARY not in uploaded.out + uploaded.err


def test_generate_uploads_makes_and_tells(tmp_path: Path, service: RunningSandbox) -> None:
    """One command turns a reference and words into a file, and says what was paid."""
    output = tmp_path / "song.mp3"
    made = ended(
        "generate",
        *("--reference", str(reference_file(tmp_path)), "--purpose", "song"),
        *("--lyrics", "##Hello##", "-o", str(output), "--sample-rate", "32000", "--bitrate", "64000"),
    )
    assert made.code == 0, made.err
    facts = facts_of(made.out)
    assert made.out.splitlines()[0] == str(output)
    assert facts["audio"] == "mp3, 32 kHz, mono, 64 kbit/s"
    assert facts["size"] == f"{output.stat().st_size:,} bytes"
    assert facts["cost"] == "63,000 credits ($0.0315)"
    assert facts["request id"] == service.sandbox.requests[-1].client_request_id
    assert facts["inference id"] == service.sandbox.requests[-1].inference_id
    assert "look at it" not in facts
    lines = made.err.splitlines()
    assert lines[0] == "Uploading reference.wav ..."
    assert lines[1].startswith("Uploading reference.wav: done (")
    assert lines[2].startswith("Use it again with --voice vocal-")
    assert lines[3].startswith("Use it again with --instrumental instrumental-")
    assert lines[4] == "Generating song.mp3 ..."
    assert lines[5].startswith("Generating song.mp3: done (")
    assert CANARY not in made.out + made.err


@pytest.mark.parametrize(
    ("name", "words", "audio"),
    [
        ("song.wav", (), "wav (pcm_s16), 44.1 kHz, mono, 706 kbit/s"),
        ("song.pcm", ("--sample-rate", "16000"), "pcm, 16 kHz, 256 kbit/s"),
        ("song", ("--format", "wav"), "wav (pcm_s16), 44.1 kHz, mono, 706 kbit/s"),
        ("song", (), "mp3, 44.1 kHz, mono, 128 kbit/s"),
    ],
)
@pytest.mark.usefixtures("service")
def test_the_name_of_the_file_says_the_format(name: str, words: tuple[str, ...], audio: str, tmp_path: Path) -> None:
    """What --format leaves open, the file's name decides."""
    made = ended(
        "generate",
        *("--reference", str(reference_file(tmp_path)), "--purpose", "instrumental"),
        *("--lyrics", "Hello", "-o", str(tmp_path / name), *words),
    )
    assert made.code == 0, made.err
    assert facts_of(made.out)["audio"] == audio


def test_generate_as_json(tmp_path: Path, service: RunningSandbox) -> None:
    """A script gets the track, its receipt and the new reference, as one document without the audio."""
    output = tmp_path / "a b.mp3"
    service.sandbox.use_scenario("wrong_size")
    made = ended(
        "generate",
        *("--reference", str(reference_file(tmp_path)), "--purpose", "song"),
        *("--lyrics", "Hello", "-o", str(output), "--json"),
    )
    track = made.document["track"]
    assert made.code == 0
    assert track["path"] == str(output)
    assert track["size_bytes"] == output.stat().st_size
    assert track["flags"] == ["size_differs", "duration_differs"]
    assert track["receipt"]["usd_spent"] == "0.0315"
    assert track["receipt"]["attempts"][0]["outcome"] == "completed"
    assert made.document["reference"]["voice_id"].startswith("vocal-")


def test_flags_are_told(tmp_path: Path, service: RunningSandbox) -> None:
    """Where the service and the frames disagree, the lines say so."""
    service.sandbox.use_scenario("in_progress_with_audio")
    made = ended(
        "generate",
        *("--reference", str(reference_file(tmp_path)), "--purpose", "song"),
        *("--lyrics", "Hello", "-o", str(tmp_path / "song.mp3")),
    )
    assert facts_of(made.out)["look at it"] == "the service called the track unfinished, and sent it all the same"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--lyrics", "  "), "The lyrics are empty."),
        (("--lyrics", "a \x07"), "The lyrics hold a control character (U+0007) at index 2."),
        (("--lyrics", "##a", "--lyrics-check", "refuse"), "--lyrics-check warn sends them all the same."),
        (("--lyrics", "a", "--overwrite", "-o", "DIRECTORY"), "cannot be written: Is a directory."),
        (("--lyrics", "a", "-o", "DIRECTORY/taken.mp3"), "Choose another name, or add --overwrite."),
        (("--lyrics", "a", "-o", "DIRECTORY/none/song.mp3"), "Make its directory first."),
        (("--lyrics", "a", "-o", "DIRECTORY/song.wav", "--format", "mp3"), "Add --format wav, or name the file .mp3."),
        (("--lyrics", "a", "--timeout", "0"), "--timeout must be a number of seconds above 0; got 0.0."),
    ],
)
def test_what_is_wrong_here_is_found_before_the_upload(
    words: tuple[str, ...], said: str, tmp_path: Path, service: RunningSandbox
) -> None:
    """Lyrics, file and limits are checked first: exit code 2, and the service never hears of it."""
    (tmp_path / "taken.mp3").write_bytes(b"mine")
    reference = reference_file(tmp_path)
    before, asked = sorted(tmp_path.iterdir()), service.sandbox.requests
    placed = [word.replace("DIRECTORY", str(tmp_path)) for word in words]
    target = () if "-o" in words else ("-o", str(tmp_path / "song.mp3"))
    told = ended("generate", "--reference", str(reference), "--purpose", "song", *placed, *target)
    assert told.code == 2
    assert said in told.err
    assert "no money was spent" in told.err
    assert "Uploading" not in told.err
    assert service.sandbox.requests == asked
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "taken.mp3").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "A track needs a voice, an instrumental or both."),
        (("--reference", "a.mp3", "--purpose", "song", *IDS), "Give a reference or ids, not both."),
        (("--reference", "a.mp3"), "--reference and --purpose go together."),
        ((*IDS, "--purpose", "song"), "--reference and --purpose go together."),
    ],
)
def test_one_thing_sings(words: tuple[str, ...], said: str) -> None:
    """Either a reference with its purpose, or ids."""
    told = ended("generate", *words, "--lyrics", "a", "-o", "song.mp3")
    assert told.code == 2
    assert said in told.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--voice", "instrumental-1"), "--voice was given an id that belongs in --instrumental."),
        (("--instrumental", "a b"), "--instrumental is not an id: use what `aiml-music upload` printed"),
    ],
)
def test_ids_are_called_as_they_are_typed(
    words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors name the options, not the arguments of the library."""
    monkeypatch.setenv("AIML_API_KEY", CANARY)
    told = ended("generate", *words, "--lyrics", "a", "-o", str(tmp_path / "song.mp3"))
    assert told.code == 2
    assert said in told.err


@pytest.mark.parametrize("base", ["http://music.example", "nowhere"])
def test_an_unusable_address_is_called_by_its_variable(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever set the variable reads its name."""
    monkeypatch.setenv("AIML_API_KEY", CANARY)
    monkeypatch.setenv("AIML_API_BASE", base)
    told = ended("upload", "song.mp3", "--purpose", "song")
    assert told.code == 2
    assert "Error: AIML_API_BASE " in told.err
    assert "allow_insecure_http" not in told.err


@pytest.mark.usefixtures("service")
def test_a_file_is_replaced_when_asked(tmp_path: Path) -> None:
    """With --overwrite an old file gives way to the new track."""
    old = tmp_path / "song.mp3"
    old.write_bytes(b"old")
    made = ended(
        "generate",
        *("--reference", str(reference_file(tmp_path)), "--purpose", "song"),
        *("--lyrics", "Hello", "-o", str(old), "--overwrite"),
    )
    assert made.code == 0, made.err
    assert facts_of(made.out)["size"] == f"{old.stat().st_size:,} bytes"
    assert old.stat().st_size > 3


def test_the_limit_of_an_upload_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Upload takes a limit of time as well."""
    monkeypatch.setenv("AIML_API_KEY", CANARY)
    told = ended("upload", "song.mp3", "--purpose", "song", "--timeout", "-1")
    assert told.code == 2
    assert "--timeout must be a number of seconds above 0; got -1.0." in told.err


@pytest.mark.usefixtures("service")
def test_lyrics_that_look_wrong_are_one_line_of_advice(tmp_path: Path) -> None:
    """A warning of the library is a line here, and the track is made."""
    made = ended(
        "generate",
        *("--reference", str(reference_file(tmp_path)), "--purpose", "song"),
        *("--lyrics", "##Hello", "-o", str(tmp_path / "song.mp3")),
    )
    assert made.code == 0
    assert made.err.startswith("Lyrics: '##' stands only at the head; accompaniment needs it at both ends.\nUploading")


@pytest.mark.parametrize("dash", [("-",), ("--lyrics-file", "-"), ("--lyrics-file=-",)])
@pytest.mark.usefixtures("service")
def test_lyrics_come_from_standard_input(dash: tuple[str, ...], tmp_path: Path) -> None:
    """A dash stands for standard input, by itself or as the file."""
    made = ended(
        "generate",
        *("--reference", str(reference_file(tmp_path)), "--purpose", "song"),
        *(*dash, "-o", str(tmp_path / "song.mp3"), "--lyrics-check", "refuse"),
        stdin="\ufeff##Ein Gruß\n##\r\n".encode(),
    )
    assert made.code == 0, made.err
    assert "Lyrics:" not in made.err


def test_what_editors_add_is_not_sung() -> None:
    """A byte order mark and the last line end go; what stands between the lines stays."""
    stdin = io.TextIOWrapper(io.BytesIO("\ufeff##Ein Gruß\r\n\n##\r\n".encode()))
    screen = Screen(Streams(stdin=stdin, stdout=io.StringIO(), stderr=io.StringIO()))
    assert read_lyrics(None, STDIN, screen) == "##Ein Gruß\r\n\n##"


def test_whoever_types_lyrics_is_told_how_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that waits says what it waits for."""

    class Keyboard(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("AIML_API_KEY", CANARY)
    err = Terminal()
    streams = Streams(stdin=Keyboard(io.BytesIO(b"")), stdout=io.StringIO(), stderr=err)
    assert main(["generate", *IDS, "-", "-o", "song.mp3"], streams=streams) == 2
    assert "Type the lyrics; end with Ctrl-D, on Windows with Ctrl-Z and Enter." in err.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory."),
        (b"Gr\xfc\xdfe", "is no text in UTF-8 (byte 2)."),
        (b"la " * 400_000, "has more than 1,048,576 bytes: these are no lyrics."),
    ],
)
def test_a_file_that_holds_no_lyrics_is_refused(content: bytes | None, said: str, tmp_path: Path) -> None:
    """A file that is missing, in another encoding or endless is an error of input."""
    file = tmp_path / "lyrics.txt"
    if content is not None:
        file.write_bytes(content)
    told = ended("generate", *IDS, "--lyrics-file", str(file), "-o", "song.mp3")
    assert told.code == 2
    assert said in told.err
    assert "No complete request was sent" in told.err


@pytest.mark.parametrize(
    ("words", "said"),
    [((), "There are no lyrics."), (("--lyrics", "a", "--lyrics-file", "b.txt"), "The lyrics are given twice.")],
)
def test_lyrics_are_given_once(words: tuple[str, ...], said: str) -> None:
    """Neither no lyrics nor two of them."""
    told = ended("generate", *IDS, *words, "-o", "song.mp3")
    assert told.code == 2
    assert f"Error: {said}\nNext: Give --lyrics TEXT, --lyrics-file FILE, or - for standard input.\n" == told.err


def generated_with(service: RunningSandbox, output: Path, scenario: str, *words: str) -> Ended:
    """Run one generation that meets a fault."""
    service.sandbox.use_scenario(scenario)
    return ended(
        "generate",
        *("--reference", str(reference_file(output.parent)), "--purpose", "song"),
        *("--lyrics", "Hello", "-o", str(output), *words),
    )


@pytest.mark.parametrize(
    ("scenario", "code", "happened"),
    [
        ("out_of_credits", 3, "The service refused the request; no money was spent."),
        ("content_refused", 3, "The service refused the request; no money was spent."),
        ("error_in_200", 3, "The request may have been carried out; the service says that it charged nothing."),
        ("gateway_drop", 4, "The request may have been carried out and charged. It was not repeated."),
        ("gateway_timeout", 4, "The request may have been carried out and charged. It was not repeated."),
        ("html_502", 4, "The request may have been carried out and charged. It was not repeated."),
        ("cut_mid_body", 5, "The request was carried out and charged."),
        ("no_audio", 5, "The request was carried out and charged."),
    ],
)
def test_every_fault_has_its_exit_code_and_says_what_became_of_the_money(
    scenario: str, code: int, happened: str, tmp_path: Path, service: RunningSandbox
) -> None:
    """A script reads the code, a person the sentence, and both can quote the id."""
    told = generated_with(service, tmp_path / "song.mp3", scenario, "--json")
    error = told.document["error"]
    assert told.code == code == error["exit_code"]
    assert error["what_happened"] == happened
    assert error["operation"] == "generate"
    assert happened in told.err.splitlines()
    assert error["client_request_id"] in told.err
    assert "Use it again with --voice vocal-" in told.err
    assert not (tmp_path / "song.mp3").exists()
    assert CANARY not in told.out + told.err


def test_what_came_of_a_cut_track_is_named(tmp_path: Path, service: RunningSandbox) -> None:
    """Half a track is kept beside its target, and the lines say where."""
    told = generated_with(service, tmp_path / "song.mp3", "cut_mid_body")
    kept = tmp_path / "song.partial.mp3"
    assert kept.stat().st_size > 0
    assert f"Saved: what came of the track is in {kept}" in told.err


def test_a_service_that_cannot_be_reached_is_exit_code_6(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: nothing was sent."""
    monkeypatch.setenv("AIML_API_KEY", CANARY)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AIML_API_BASE", f"http://127.0.0.1:{closed.getsockname()[1]}")
        told = ended("generate", *IDS, "--lyrics", "a", "-o", str(tmp_path / "song.mp3"), "--timeout", "0.5")
    assert told.code == 6
    assert "no money was spent" in told.err
    assert "Next: Check AIML_API_BASE" in told.err


@pytest.mark.usefixtures("service")
def test_words_of_the_service_stay_as_they_are(tmp_path: Path) -> None:
    """Only our own sentences are put into the command's words."""
    told = ended("generate", *IDS, "--lyrics", "a", "-o", str(tmp_path / "song.mp3"))
    assert told.code == 3
    assert "refer_voice not found" in told.err


def test_a_track_whose_directory_is_gone_is_saved_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A track that was paid for and cannot be stored lands in the directory of temporary files."""
    wanted, spare = tmp_path / "wanted", tmp_path / "spare"
    wanted.mkdir()
    spare.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spare))
    audio = b"\0\1" * 4000

    def remove_and_answer() -> bytes:
        shutil.rmtree(wanted)
        return json.dumps({"data": {"status": 2, "audio": audio.hex()}, "base_resp": {"status_code": 0}}).encode()

    with answering(remove_and_answer) as base:
        monkeypatch.setenv("AIML_API_KEY", CANARY)
        monkeypatch.setenv("AIML_API_BASE", base)
        told = ended("generate", *IDS, "--lyrics", "a", "-o", str(wanted / "song.pcm"), "--json")
    kept = spare / "song.salvaged.pcm"
    assert told.code == 5
    assert kept.read_bytes() == audio
    assert told.document["error"]["salvage"] == str(kept)
    assert f"Saved: what came of the track is in {kept}" in told.err
    assert "salvage" not in told.err.replace(str(kept), "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_an_interrupted_call_says_what_became_of_the_money(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the service works ends the command with the note of the cancellation."""

    def interrupt_and_answer() -> bytes:
        os.kill(os.getpid(), signal.SIGINT)
        gone.wait(10)
        return b""

    gone = threading.Event()
    with answering(interrupt_and_answer) as base:
        monkeypatch.setenv("AIML_API_KEY", CANARY)
        monkeypatch.setenv("AIML_API_BASE", base)
        told = ended("generate", *IDS, "--lyrics", "a", "-o", str(tmp_path / "song.mp3"), "--json")
        gone.set()
    error = told.document["error"]
    assert told.code == 130 == error["exit_code"]
    assert error["type"] == "KeyboardInterrupt"
    assert "was cancelled in phase wait. The request may have been carried out and charged." in error["what_happened"]
    assert error["what_happened"] in told.err
    assert list(tmp_path.iterdir()) == []


def test_probe_says_what_the_bytes_say(tmp_path: Path) -> None:
    """A file is measured without key or network."""
    probed = ended("probe", str(reference_file(tmp_path)))
    assert probed.code == 0
    assert facts_of(probed.out) == {
        "duration": "11.0 s",
        "audio": "wav (pcm_u8), 8 kHz, mono, 64 kbit/s",
        "size": "88,000 bytes",
        "as a reference": "yes",
    }


def test_probe_says_why_a_file_is_no_reference(tmp_path: Path) -> None:
    """A file that is too short is measured all the same, and the reason is there for people and scripts."""
    short = str(reference_file(tmp_path, seconds=3))
    reason = "The reference lasts 3.0 s; the service takes more than 10 s and at most 600 s."
    assert facts_of(ended("probe", short).out)["as a reference"] == f"no: {reason}"
    document = ended("probe", short, "--json").document
    assert document["reference"] == {"accepted": False, "reason": reason}
    assert document["audio"]["sample_rate_hz"] == 8000
    assert document["path"] == short


def test_probe_says_that_a_file_is_cut(tmp_path: Path) -> None:
    """A file that ends too early is told apart."""
    path = reference_file(tmp_path, seconds=12)
    path.write_bytes(path.read_bytes()[:-8000])
    assert facts_of(ended("probe", str(path)).out)["look at it"] == (
        "the sound ends before its header or its last frame says"
    )


@pytest.mark.parametrize(("content", "said"), [(b"%PDF-1.7 nothing", "is neither WAV nor MP3"), (None, "No such file")])
def test_probe_refuses_what_it_cannot_measure(content: bytes | None, said: str, tmp_path: Path) -> None:
    """What is no audio is an error, and no word of money is said about it."""
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    told = ended("probe", str(path))
    assert told.code == 2
    assert said in told.err
    assert "money" not in told.err


@pytest.mark.usefixtures("service")
def test_names_cannot_steer_the_terminal_nor_be_markup(tmp_path: Path) -> None:
    """Control characters of a file's name are spelt out, and brackets are brackets."""
    path = reference_file(tmp_path, "[red]a\x1b[2Jb\u202ec[red].wav")
    for on in (io.StringIO, Terminal):
        uploaded = ended("upload", str(path), "--purpose", "song", on=on)
        assert uploaded.code == 0
        for printed in (uploaded.out, uploaded.err):
            assert "[red]a\\x1b[2Jb\\u202ec[red].wav" in printed
            assert "\x1b[2J" not in printed
            assert "\u202e" not in printed
