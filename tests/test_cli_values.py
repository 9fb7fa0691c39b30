"""The parts of the command that decide: exit codes, sentences, lines, and where salvage goes."""

import io
import itertools
import os
import sys
from contextlib import redirect_stdout, suppress
from decimal import Decimal
from pathlib import Path

import pytest

from aiml_music import (
    APIError,
    AudioFacts,
    AudioInfo,
    AuthenticationError,
    BudgetExceededError,
    ConfigError,
    InDoubtTimeout,
    InputError,
    Money,
    MusicError,
    NotSentError,
    NotSentTimeout,
    Operation,
    Outcome,
    OutputExistsError,
    PayloadError,
    RateLimitError,
    Receipt,
    ServerError,
    StorageError,
    Track,
)
from aiml_music._sansio.outcome import Marks
from aiml_music._sansio.ports import ResponseHead
from aiml_music._sansio.refusal import refusal_of_status
from aiml_music._sansio.verdict import Evidence, of_lost_disk
from aiml_music.cli.app import main
from aiml_music.cli.exit_codes import MEANINGS, ExitCode, exit_code_of
from aiml_music.cli.faults import Fault, fault_of
from aiml_music.cli.salvage import save_bytes
from aiml_music.cli.sandbox import assignment
from aiml_music.cli.screen import Screen, Streams, aligned, visible
from aiml_music.cli.wording import cost, receipt_facts, sound_of, track_facts
from tests.test_cli import Terminal, clear_environment


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_environment(monkeypatch)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (InputError("x"), 2),
        (OutputExistsError("x"), 2),
        (StorageError("x"), 2),
        (BudgetExceededError("x"), 2),
        (NotSentError("x"), 6),
        (NotSentTimeout("x"), 6),
        (NotSentError("x", money=Money.YES), 4),
        (NotSentError("x", money=Money.UNKNOWN), 4),
        (APIError("x", outcome=Outcome.REJECTED, money=Money.NO), 3),
        (APIError("x", outcome=Outcome.REJECTED, money=Money.YES), 5),
        (APIError("x", outcome=Outcome.REJECTED, money=Money.UNKNOWN), 4),
        (AuthenticationError("x", outcome=Outcome.REJECTED, money=Money.UNKNOWN, operation=Operation.UPLOAD), 4),
        (ServerError("x", outcome=Outcome.UNKNOWN, money=Money.NO), 3),
        (ServerError("x", outcome=Outcome.UNKNOWN, money=Money.YES), 5),
        (InDoubtTimeout("x", outcome=Outcome.UNKNOWN, money=Money.UNKNOWN), 4),
        (PayloadError("x", outcome=Outcome.DAMAGED, money=Money.NO), 3),
        (PayloadError("x", outcome=Outcome.DAMAGED, money=Money.YES), 5),
        (PayloadError("x", outcome=Outcome.DAMAGED, money=Money.UNKNOWN), 5),
        (StorageError("x", outcome=Outcome.COMPLETED, money=Money.NO), 5),
        (StorageError("x", outcome=Outcome.COMPLETED, money=Money.YES), 5),
        (StorageError("x", outcome=Outcome.COMPLETED, money=Money.UNKNOWN), 5),
    ],
)
def test_an_error_becomes_its_exit_code(error: MusicError, code: int) -> None:
    """What happened to the request and the money decides the code, not the name of the error."""
    assert exit_code_of(error) == code


@pytest.mark.parametrize(("outcome", "money"), list(itertools.product(Outcome, Money)))
def test_every_end_has_an_exit_code(outcome: Outcome, money: Money) -> None:
    """Whatever an error says of itself, a code other than success comes out; and 3 or 6 never hides a charge."""
    code = exit_code_of(APIError("x", outcome=outcome, money=money))
    assert code in set(ExitCode) - {ExitCode.OK, ExitCode.UNEXPECTED, ExitCode.INTERRUPTED}
    assert money is Money.NO or code in {ExitCode.IN_DOUBT, ExitCode.PAID_NOT_KEPT, ExitCode.NOT_READY}


def test_every_code_has_a_meaning() -> None:
    """No code is without its words."""
    assert list(MEANINGS) == list(ExitCode)


def test_bytes_that_could_not_be_saved_name_no_place() -> None:
    """Only a file is told as saved."""
    fault = fault_of(StorageError("x", outcome=Outcome.COMPLETED, money=Money.YES, salvage=b"abc"))
    assert fault.saved == ""
    assert fault.happened.endswith("What came of the track could not be saved anywhere.")


def test_hints_speak_of_what_can_be_typed() -> None:
    """A hint for people who write Python is put otherwise at a prompt."""
    throttled = refusal_of_status(ResponseHead(status=429), b'{"statusCode": "429"}', client_request_id="a")
    assert throttled.meaning.error is RateLimitError
    assert fault_of(RateLimitError("x", hint=throttled.meaning.hint)).hint == "Try again later."
    evidence = Evidence(operation=Operation.GENERATE, host="a", client_request_id="b", marks=Marks())
    lost = of_lost_disk(evidence, OSError(5, "Input/output error"))
    assert fault_of(StorageError("x", hint=lost.hint)).hint == "Look at the disk."


def test_a_refusal_tells_scripts_what_the_service_said() -> None:
    """Status, code, words and fields are in the document."""
    error = APIError("x", status=429, api_code=1002, api_message="slow", fields=("lyrics",), retry_after=2.0)
    told = fault_of(error).document()["error"]
    assert (told["status"], told["api_code"], told["api_message"]) == (429, 1002, "slow")
    assert (told["fields"], told["retry_after"]) == (["lyrics"], 2.0)


def test_bytes_go_into_the_first_directory_that_takes_them(tmp_path: Path) -> None:
    """A directory that is missing is passed over, and a name that is taken gets a number."""
    places = [tmp_path / "missing", tmp_path]
    first = save_bytes(b"one", Path("elsewhere/song.mp3"), places)
    second = save_bytes(b"two", Path("elsewhere/song.mp3"), places)
    assert (first, second) == (tmp_path / "song.salvaged.mp3", tmp_path / "song.salvaged-2.mp3")
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [b"two", b"one"]


def test_bytes_that_nobody_takes_are_nowhere(tmp_path: Path) -> None:
    """Without a directory that takes them there is no file to name."""
    assert save_bytes(b"one", Path("song.mp3"), [tmp_path / "missing"]) is None


def test_control_characters_are_spelt_out() -> None:
    """What a terminal would obey is shown instead."""
    assert visible("a\x1b[0m\n\x9b\u2028\u200f\udcff[b]") == "a\\x1b[0m\\n\\x9b\\u2028\\u200f\\udcff[b]"
    assert visible("naïve 夜 🎵") == "naïve 夜 🎵"


def test_columns_are_aligned_by_what_is_seen() -> None:
    """Wide characters count two, and numbers end below each other."""
    rows = [("夜", "1"), ("abc", "20")]
    assert aligned(rows, right=frozenset({1})) == ["夜    1", "abc  20"]
    assert aligned([]) == []


def test_a_pipe_that_cannot_write_a_character_gets_its_escape() -> None:
    """The encoding of a pipe is no reason to end."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Screen(Streams(stdout=stream, stderr=io.StringIO())).say("夜.mp3")
    assert raw.getvalue() == b"\\u591c.mp3\n"


def test_lines_into_a_pipe_are_never_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id or a path stays in one piece, whatever the width."""
    monkeypatch.setenv("COLUMNS", "20")
    for stream in (io.StringIO(), Terminal()):
        Screen(Streams(stdout=stream, stderr=io.StringIO())).say("/long" * 40)
        assert stream.getvalue() == "/long" * 40 + "\n"


def test_sentences_on_a_terminal_break_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person reads breaks at a blank, what a program reads does not break."""
    monkeypatch.setenv("COLUMNS", "20")
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        Screen(Streams(stdout=io.StringIO(), stderr=stream)).fault(
            Fault(kind="X", code=ExitCode.UNUSABLE, message="No.", happened="It may have been charged.")
        )
    assert "It may have been \ncharged.\n" in terminal.getvalue()
    assert "It may have been charged.\n" in pipe.getvalue()


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR is heard, and a pipe gets none in any case."""
    fault = Fault(kind="X", code=ExitCode.UNUSABLE, message="No.", hint="Yes.", trace="here\nthere")
    coloured, plain, pipe = Terminal(), Terminal(), io.StringIO()
    Screen(Streams(stdout=io.StringIO(), stderr=coloured)).fault(fault)
    Screen(Streams(stdout=io.StringIO(), stderr=pipe)).fault(fault)
    monkeypatch.setenv("NO_COLOR", "1")
    Screen(Streams(stdout=io.StringIO(), stderr=plain)).fault(fault)
    assert "\x1b[1;31m" in coloured.getvalue()
    assert "31m" not in plain.getvalue()
    assert pipe.getvalue() == "Error: No.\nNext: Yes.\nhere\nthere\n"


def test_a_terminal_sees_steps_with_their_time_and_end() -> None:
    """Each step is a row that says how long it took and how it ended."""
    err = Terminal()
    screen = Screen(Streams(stdout=io.StringIO(), stderr=err))
    with screen.board() as board:
        with board.step("[b]first[/b]") as step:
            step.outcome = "[i]song.mp3"
        with suppress(ZeroDivisionError), board.step("second"):
            raise ZeroDivisionError
    last = [line for line in err.getvalue().splitlines() if line.strip()]
    assert any("[b]first[/b]" in line and "[i]song.mp3" in line and " s " in line for line in last)
    assert any("second" in line and "failed" in line for line in last)


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot move its cursor is written to like a pipe."""
    monkeypatch.setenv("TERM", "dumb")
    err = Terminal()
    with Screen(Streams(stdout=io.StringIO(), stderr=err)).board() as board, board.step("first"):
        pass
    assert err.getvalue().startswith("first ...\nfirst: done (")


def test_a_reader_who_left_changes_nothing() -> None:
    """Whoever closes the pipe early does not turn a paid track into an error, nor does the interpreter's end."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stream:  # noqa: PTH123 - a descriptor
        screen = Screen(Streams(stdout=stream, stderr=io.StringIO()))
        screen.say("one")
        screen.say("two")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a device that is always full")
def test_a_result_that_the_disk_does_not_take_is_told_elsewhere() -> None:
    """All lines from the one that failed go to standard error, behind one that says why."""
    said = io.StringIO()
    with Path("/dev/full").open("w") as stream:
        screen = Screen(Streams(stdout=stream, stderr=said))
        screen.say("one")
        screen.say("two")
    assert screen.out.failed
    assert said.getvalue() == "Error: The result could not be written: No space left on device.\none\ntwo\n"


class Broken(io.StringIO):
    """A stream that takes nothing, without a descriptor."""

    def write(self, _text: str, /) -> int:
        raise OSError("it is broken")


def test_a_broken_stream_of_a_program_that_calls_us_is_noticed() -> None:
    """A stream may fail that has no descriptor and no number for the fault."""
    said = io.StringIO()
    Screen(Streams(stdout=Broken(), stderr=said)).say("one")
    assert said.getvalue() == "Error: The result could not be written: it is broken.\none\n"


def test_nobody_hears_that_standard_error_is_broken() -> None:
    """There is no third place to say it, and the result is not spoilt."""
    result = io.StringIO()
    screen = Screen(Streams(stdout=result, stderr=Broken()))
    screen.note("one")
    screen.say("two")
    assert (result.getvalue(), screen.out.failed) == ("two\n", False)


def test_a_closed_standard_output_is_a_fault() -> None:
    """A result nobody can read is told to standard error, and the exit code is 1."""
    said = io.StringIO()
    with redirect_stdout(None):
        code = main(["--version"], streams=Streams(stderr=said))
    assert code == ExitCode.UNEXPECTED
    assert said.getvalue().startswith("Error: The result could not be written: Bad file descriptor.\naiml-music ")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "mp3, 44.1 kHz, stereo, 192 kbit/s"),
        ({"variable_bitrate": True}, "mp3, 44.1 kHz, stereo, 192 kbit/s on average"),
        ({"channels": 6, "container": "wav", "encoding": "float32"}, "wav (float32), 44.1 kHz, 6 channels, 192 kbit/s"),
    ],
)
def test_sound_in_words(changes: dict[str, object], said: str) -> None:
    """Frames are told in the field's own terms."""
    values = {
        "container": "mp3",
        "encoding": "mp3",
        "duration": 1.0,
        "sample_rate_hz": 44100,
        "channels": 2,
        "bitrate": 192000,
        "variable_bitrate": False,
        "audio_bytes": 24000,
        "truncated": False,
    }
    assert sound_of(AudioInfo(**{**values, **changes})) == said  # type: ignore[arg-type]  # a row of the table


def test_money_in_words() -> None:
    """A price that the service did not state is not invented."""
    assert cost(None, None) == "not stated by the service"
    assert cost(63_000, None) == "63,000 credits"
    assert cost(63_000, Decimal("0.0315")) == "63,000 credits ($0.0315)"


def test_a_track_about_which_nobody_says_anything() -> None:
    """What is not known is left out."""
    assert track_facts(Track(format="pcm", size_bytes=10)) == {"audio": "pcm", "size": "10 bytes"}
    assert track_facts(Track(format="pcm", facts=AudioFacts(duration_ms=1500)))["duration"] == "1.5 s"


def test_a_receipt_counts_attempts() -> None:
    """More than one attempt is told."""
    receipt = Receipt(
        operation=Operation.GENERATE, outcome=Outcome.COMPLETED, money=Money.YES, client_request_id="a", elapsed=2.0
    )
    assert receipt_facts(receipt) == {
        "cost": "not stated by the service",
        "took": "2.0 s, 0 attempts",
        "request id": "a",
    }


def test_variables_are_set_in_the_words_of_the_shell() -> None:
    """Windows has another shell."""
    assert assignment("A", "b", windows=False) == "export A=b"
    assert assignment("A", "b", windows=True) == '$env:A = "b"'
