"""`batch`, `status`, `settle` and `rescue` against a real sandbox: what they print, leave behind, and never send."""

import io
import json
import os
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from aiml_music import JobState
from aiml_music._sansio.batch.budget import Balance
from aiml_music._sansio.batch.states import Mark
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.lock import DirectoryLock
from aiml_music.cli.app import main
from aiml_music.cli.batch_board import MOST_ROWS, BatchBoard
from aiml_music.cli.batch_report import exit_of, next_command, say_standing
from aiml_music.cli.exit_codes import BATCH_MEANINGS, BatchExit
from aiml_music.cli.screen import Screen, Streams
from aiml_music.cli.standing import Standing, standing_of
from aiml_music.sandbox import RunningSandbox, Settings, running
from tests.batch.ledgers import begun, filled, marked
from tests.test_cli import CANARY, Ended, Terminal, clear_environment, ended, reference_file
from tests.test_cli_calls import answering, facts_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="batches need locks that Windows does not have")

VOICE = "vocal-2025082518145625-6XW9wCOF"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_environment(monkeypatch)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    """One sandbox for all tests here: to start one takes a fifth of a second."""
    with running(Settings(latency=0, longest_track=0.5)) as server:
        with urllib.request.urlopen(f"{server.base_url}/sandbox/state", timeout=20):  # noqa: S310 - http, loopback
            pass
        yield server


@pytest.fixture
def service(server: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    """Return the sandbox, without faults, that the environment points to."""
    server.sandbox.use_scenario(None)
    server.sandbox.use_log_fault(None)
    monkeypatch.setenv("AIML_API_BASE", server.base_url)
    monkeypatch.setenv("AIML_API_KEY", CANARY)
    return server


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory to work in, with a reference in it."""
    monkeypatch.chdir(tmp_path)
    reference_file(tmp_path)
    return tmp_path


def write_list(*labels: str, name: str = "jobs.csv") -> None:
    """Write a list of jobs that are sung with the reference beside it."""
    rows = [f'{label},"la la",reference.wav,song\n' for label in labels]
    Path(name).write_text("label,lyrics,reference,purpose\n" + "".join(rows), encoding="utf-8")


def run_batch(*words: str, on: Callable[[], io.StringIO] = io.StringIO) -> Ended:
    return ended("batch", "jobs.csv", "-o", "songs", *words, on=on)


def test_the_same_command_again_goes_on(desk: Path, service: RunningSandbox) -> None:
    """Every track is made once; the second run sends nothing, and a longer list only what is new in it."""
    before = service.sandbox.charges
    write_list("Tide", "Harbour")
    made = run_batch("--budget", "2.50")
    assert made.code == 0, made.err
    facts = facts_of(made.out)
    assert (facts["jobs"], facts["done"], facts["spent"]) == ("2", "2", "126,000 credits ($0.063)")
    assert "Tide: done, Tide.mp3, 63,000 credits ($0.0315)\n" in made.err
    assert "Next:" not in made.out
    assert {"Tide.mp3", "Harbour.mp3", "ledger.sqlite3"} <= {path.name for path in (desk / "songs").iterdir()}
    again = run_batch("--budget", "2.50")
    assert (again.code, again.err) == (0, "2 of 2 jobs ended in an earlier run.\n")
    write_list("Tide", "Harbour", "Lighthouse")
    more = run_batch("--concurrency", "1")
    assert more.code == 0
    assert more.err.startswith("2 of 3 jobs ended in an earlier run.\nLighthouse: done, ")
    assert service.sandbox.charges == before + 3
    assert CANARY not in made.out + made.err + again.out + more.out + more.err


@pytest.mark.usefixtures("desk", "service")
def test_a_script_gets_one_document() -> None:
    """With --json, standard output holds how the batch stands; the lines go to standard error."""
    write_list("Tide")
    document = run_batch("--json").document
    assert document["exit_code"] == 0
    assert document["stopped"] is None
    assert document["batch"]["jobs"]["done"] == 1
    assert document["batch"]["money"]["spent"] == {"credits": 63_000, "usd": "0.0315"}
    assert document["batch"]["next"] is None
    stood = ended("status", "songs", "--json").document
    assert stood["batch"]["jobs"] == document["batch"]["jobs"]


@pytest.mark.usefixtures("desk")
def test_all_that_is_wrong_with_a_list_is_said_before_anything_is_sent(service: RunningSandbox) -> None:
    """At most twenty rows are named, no directory is made, and the service never hears of it."""
    write_list("Tide", "Tide", *(f"{'x' * 201}{number}" for number in range(22)))
    asked = service.sandbox.requests
    told = run_batch("--json")
    lines = told.err.splitlines()
    assert told.code == 2
    assert lines[0] == (
        "jobs.csv, line 3: the same track as in line 2. Remove it, give it another label, or add --number-copies."
    )
    assert lines[19].startswith("jobs.csv, line 22, label: has more than 200 characters.")
    assert lines[20] == "... and 3 more."
    assert lines[21] == "Error: 23 things are wrong with jobs.csv, as said above; nothing was sent."
    assert len(told.document["error"]["complaints"]) == 20
    assert service.sandbox.requests == asked
    assert not Path("songs").exists()


@pytest.mark.usefixtures("desk", "service")
def test_a_handful_of_complaints_is_said_whole() -> None:
    """Where there are few, nothing is left out."""
    write_list("Tide", "Tide", "Tide")
    told = run_batch()
    assert [line.partition(":")[0] for line in told.err.splitlines()][:3] == [
        "jobs.csv, line 3",
        "jobs.csv, line 4",
        "Error",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("none.csv", None, "Error: 'none.csv' cannot be read: No such file or directory."),
        ("jobs.txt", "", "Error: 'jobs.txt' is no list of jobs by its name. Name it .csv or .jsonl."),
        ("jobs.csv", "label,lyrics\n", "Error: jobs.csv holds no job. Write one job a row."),
        (
            "jobs.jsonl",
            '{"label": "\\ud800", "lyrics": "la", "refer_voice": "' + VOICE + '"}\n',
            "Error: jobs.jsonl, line 1: The label holds a lone surrogate, which no file can be written with.",
        ),
    ],
)
@pytest.mark.usefixtures("desk", "service")
def test_a_list_that_cannot_be_used_is_told_in_two_lines(name: str, text: str | None, said: str) -> None:
    """One complaint is the error itself."""
    if text is not None:
        Path(name).write_text(text, encoding="utf-8")
    told = ended("batch", name, "-o", "songs")
    hint = "Next: Correct the list, and type the same command again: nothing was sent."
    assert (told.code, told.err) == (2, f"{said}\n{hint}\n")


def test_a_reference_that_may_not_be_read_is_named(own_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference is hashed before anything is sent."""
    monkeypatch.chdir(own_directory)
    reference_file(own_directory).chmod(0)
    write_list("Tide")
    told = run_batch()
    assert told.code == 2
    assert "Error: jobs.csv, line 2, reference: it cannot be read: Permission denied." in told.err


@pytest.mark.usefixtures("desk")
def test_copies_are_made_when_asked(service: RunningSandbox) -> None:
    """With --number-copies each row is a track."""
    before = service.sandbox.charges
    write_list("Tide", "Tide")
    made = run_batch("--number-copies")
    assert made.code == 0
    assert service.sandbox.charges == before + 2
    assert {path.name for path in Path("songs").glob("*.mp3")} == {"Tide.mp3", "Tide-2.mp3"}


@pytest.mark.usefixtures("desk")
def test_a_call_in_doubt_is_settled_by_what_is_typed_next(service: RunningSandbox) -> None:
    """The report names the call and what to type; the log proves the charge, and only the user's word pays again."""
    write_list("Tide")
    service.sandbox.use_scenario("gateway_drop", uses=1)
    doubtful = run_batch()
    request = service.sandbox.requests[-1].client_request_id or ""
    assert doubtful.code == 4
    assert "Tide: in doubt: " in doubtful.err
    row = next(line for line in doubtful.out.splitlines() if request in line)
    assert row.startswith("  Tide  20")
    assert "took the request, and the connection ended without an answer" in row
    assert doubtful.out.endswith("\nNext: aiml-music settle songs\n")
    assert facts_of(doubtful.out)["money in doubt"] == "63,000 credits ($0.0315)"

    settled = ended("settle", "songs")
    assert settled.code == 0, settled.err
    assert settled.out.startswith(f"Tide is paid for and lost: {request}: paid, 63,000 credits")
    assert settled.out.endswith("\nNext: aiml-music settle songs --pay-again LABEL\n")
    assert run_batch().code == 4

    noted = ended("settle", "songs", "--pay-again", "Tide")
    assert noted.code == 0
    assert noted.out.startswith("songs\n  jobs ")
    assert noted.out.endswith("\nNext: aiml-music batch JOBS -o songs\n")
    before = service.sandbox.charges
    assert "the job is done since" in run_batch().out
    assert service.sandbox.charges == before + 1


@pytest.mark.usefixtures("desk")
def test_a_call_that_was_paid_over_again_is_still_asked_after(service: RunningSandbox) -> None:
    """Its job is made by then: what is left to know is its price, and that is the next thing to type."""
    write_list("Tide")
    service.sandbox.use_scenario("gateway_drop", uses=1)
    assert run_batch().code == 4
    assert ended("settle", "songs", "--pay-again", "Tide").code == 0
    made = run_batch()
    assert made.code == 0
    assert made.out.endswith("\nNext: aiml-music settle songs\n")
    settled = ended("settle", "songs")
    assert settled.code == 0
    assert settled.out.startswith("An earlier call of Tide, which is done: ")
    facts = facts_of(settled.out.partition("\n\n")[2])
    assert (facts["done"], facts["spent"]) == ("1", "126,000 credits ($0.063)")
    assert "money in doubt" not in facts
    assert "Next: " not in settled.out


@pytest.mark.row("135")
@pytest.mark.usefixtures("desk")
def test_a_track_that_was_removed_is_named(service: RunningSandbox) -> None:
    """By the run and by status, with what to type to have it made again; until then nothing is sent."""
    write_list("Tide")
    assert run_batch().code == 0
    Path("songs", "Tide.mp3").unlink()
    before = service.sandbox.charges
    for told in (run_batch(), ended("status", "songs")):
        assert told.code == 0
        assert "any more; none is made again by itself." in told.out
        assert "aiml-music settle songs --pay-again FILE\n  Tide.mp3\n" in told.out
    assert ended("status", "songs", "--json").document["batch"]["missing"] == ["Tide.mp3"]
    assert service.sandbox.charges == before
    assert ended("settle", "songs", "--pay-again", "Tide.mp3").code == 0
    assert "any more" not in run_batch().out
    assert service.sandbox.charges == before + 1


@pytest.mark.usefixtures("desk")
def test_a_label_that_no_job_has_is_two_lines(service: RunningSandbox) -> None:
    """A typing mistake pays nothing again."""
    write_list("Tide")
    assert run_batch().code == 0
    told = ended("settle", "songs", "--pay-again", "Tyde")
    assert told.code == 2
    assert "Error: This batch has no job 'Tyde'.\n" in told.err
    assert service.sandbox.requests[-1].status == 200


@pytest.mark.usefixtures("desk")
def test_refused_jobs_are_named_with_the_reason(service: RunningSandbox) -> None:
    """A refusal is exit code 3, and what is asked for is to correct the row."""
    write_list("Tide")
    service.sandbox.use_scenario("content_refused")
    told = run_batch()
    assert told.code == 3
    assert "Refused, at no cost.\n  Tide  " in told.out
    assert told.out.endswith(
        "Next: aiml-music batch jobs.csv -o songs, once the rows that were refused are corrected\n"
    )
    service.sandbox.use_scenario(None)
    write_list("Low tide")
    corrected = run_batch()
    assert corrected.code == 0
    assert "Not in this list, and left as they are.\n  Tide\n" in corrected.out


@pytest.mark.usefixtures("desk")
def test_the_brake_is_exit_code_5(service: RunningSandbox) -> None:
    """Where every call is refused for what no job can help, the batch stops by itself."""
    write_list(*(f"Song {number}" for number in range(6)))
    service.sandbox.use_scenario("out_of_credits")
    told = run_batch("--concurrency", "1", "--json")
    assert told.code == 5 == told.document["exit_code"]
    assert told.document["stopped"]["type"] == "SpendBrakeError"
    assert "Stopped: The batch stopped by itself: the service refuses every call" in told.err
    assert "Song 0: not made this time: " in told.err
    assert told.document["batch"]["next"] == "aiml-music batch jobs.csv -o songs --concurrency 1"


@pytest.mark.usefixtures("desk", "service")
def test_the_budget_is_exit_code_6() -> None:
    """A call that the budget has no room for is not made, and what to type names the option."""
    write_list("Tide", "Harbour")
    told = run_batch("--budget", "0.04")
    assert told.code == 6
    assert "Stopped: The budget is $0.04; " in told.err
    assert told.out.endswith("\nNext: aiml-music batch jobs.csv -o songs --budget MORE\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--budget", "2,50"), "An amount in US dollars is an exact decimal number, 0 or more; got '2,50'."),
        (("--concurrency", "0"), "--concurrency"),
        (("-o", "jobs.csv"), "The directory jobs.csv cannot be made: File exists."),
    ],
)
@pytest.mark.usefixtures("desk")
def test_what_cannot_be_is_exit_code_2(words: tuple[str, ...], said: str, service: RunningSandbox) -> None:
    """Nothing is sent, and no traceback is shown."""
    write_list("Tide")
    asked = service.sandbox.requests
    told = ended("batch", "jobs.csv", *(words if "-o" in words else ("-o", "songs", *words)))
    assert told.code == 2
    assert said in told.err
    assert "Traceback" not in told.err
    assert service.sandbox.requests == asked


@pytest.mark.usefixtures("desk", "service")
def test_one_process_works_on_a_batch_and_others_look_on() -> None:
    """While somebody has the lock, a batch, settle and rescue are refused, and status is not."""
    write_list("Tide")
    assert run_batch().code == 0
    with DirectoryLock.take(Path("songs"), now=1.0):
        for words in (("batch", "jobs.csv", "-o", "songs"), ("settle", "songs"), ("rescue", "songs")):
            told = ended(*words)
            assert told.code == 2
            assert f"Another process works on 'songs': process {os.getpid()} on " in told.err
        assert facts_of(ended("status", "songs").out)["done"] == "1"


@pytest.mark.parametrize("command", ["status", "settle", "rescue"])
@pytest.mark.usefixtures("desk", "service")
def test_what_is_no_batch_stays_as_it_is(command: str) -> None:
    """A directory that is missing or somebody else's is refused, and nothing is put into it."""
    Path("empty").mkdir()
    assert "Error: 'none' is no directory." in ended(command, "none").err
    told = ended(command, "empty")
    assert told.code == 2
    assert "Error: 'empty' has no ledger.sqlite3, so it is no batch." in told.err
    assert list(Path("empty").iterdir()) == []
    Path("empty/ledger.sqlite3").write_bytes(b"no ledger at all, but long enough to be looked at" * 100)
    damaged = ended(command, "empty")
    assert damaged.code == 2
    assert "is damaged" in damaged.err
    assert "Traceback" not in damaged.err


def doubtful(directory: Path, *, sent_at: float) -> None:
    """Leave a job in doubt that no book knows."""
    directory.mkdir()
    ledger, (key,) = filled(directory, "Tide")
    with ledger:
        begun(ledger, key)
        ledger.append(key, Mark.WIRE, now=sent_at)
        ledger.append(key, Mark.HEAD, now=sent_at, facts={"status": 200, "inference_id": "inf-1"})
        ledger.append(key, Mark.DIED, now=sent_at, facts={"salvage": "Tide.partial.mp3"})


@pytest.mark.usefixtures("desk", "service")
def test_what_no_book_has_stays_in_doubt_until_the_user_gives_their_word() -> None:
    """A call that should be listed by now probably never arrived; it is planned again by the user's word alone."""
    doubtful(Path("songs"), sent_at=time.time() - 7200)
    told = ended("settle", "songs")
    assert told.code == 4
    assert "It probably never arrived." in told.out
    assert (
        "an answer began with HTTP 200; inference id inf-1; the program ended while the call was under way; "
        in told.out
    )
    assert "what came is in Tide.partial.mp3" in told.out
    assert told.out.endswith("\nNext: aiml-music settle songs --absent-is-unpaid\n")
    accepted = ended("settle", "songs", "--absent-is-unpaid", "--json")
    assert accepted.code == 0
    assert accepted.document["settled"][0]["state"] == "planned"
    assert accepted.document["settled"][0]["settlement"]["verdict"] == "not_seen"


@pytest.mark.usefixtures("desk", "service")
def test_a_charge_may_be_listed_late() -> None:
    """What is not listed yet is asked for again, and books that cannot be read settle nothing."""
    doubtful(Path("songs"), sent_at=time.time())
    told = ended("settle", "songs")
    assert told.code == 4
    assert told.out.endswith("\nNext: aiml-music settle songs --wait 1800\n")


@pytest.mark.usefixtures("desk", "service")
def test_books_that_cannot_be_read_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that may not read them leaves the call in doubt."""
    doubtful(Path("songs"), sent_at=time.time())
    monkeypatch.setenv("AIML_API_KEY", "another-key")
    told = ended("settle", "songs", "--json")
    assert told.code == 4
    assert told.document["settled"][0]["error"]
    assert ended("settle", "songs").out.startswith("Tide is in doubt: ")


def test_rescue_gives_a_whole_track_its_name(desk: Path) -> None:
    """It needs neither key nor network: what is ready gets its name, and what else came is listed."""
    songs = desk / "songs"
    songs.mkdir()
    ledger, (whole, half) = filled(songs, "Tide", "Harbour")
    with ledger:
        begun(ledger, whole, "batch-1")
        begun(ledger, half, "batch-2")
        marked(ledger, whole, Mark.WIRE)
        marked(ledger, half, Mark.WIRE)
    (songs / ".Tide.mp3.batch-1.ready").write_bytes(b"\xff\xfb" * 99)
    (songs / ".Harbour.mp3.batch-2.part").write_bytes(b"\xff\xfb" * 9)
    told = ended("rescue", "songs")
    assert told.code == 0, told.err
    assert facts_of(told.out)["done"] == "1"
    assert told.out.endswith(f"Salvaged:\n  {Path('songs/Harbour.partial.mp3')}: the beginning of a track, 18 bytes\n")
    assert (songs / "Tide.mp3").read_bytes() == b"\xff\xfb" * 99
    document = ended("rescue", "songs", "--json").document
    assert document["salvaged"] == [{"path": str(Path("songs/Harbour.partial.mp3")), "kind": "partial"}]
    assert document["damaged_ledger"] is None
    (songs / "Harbour.partial.mp3").unlink()
    assert ended("rescue", "songs").out.endswith("\nThere is nothing to salvage.\n")


@pytest.mark.row("136")
@pytest.mark.usefixtures("desk", "service")
def test_the_word_for_a_disk_without_locks_goes_on() -> None:
    """Where there are locks it changes nothing; the command to go on with has it as well."""
    write_list("Tide")
    stopped = run_batch("--unsafe-fs", "--budget", "0.01")
    assert stopped.code == 6
    assert stopped.out.endswith("\nNext: aiml-music batch jobs.csv -o songs --unsafe-fs --budget MORE\n")
    assert run_batch("--unsafe-fs").code == 0
    assert ended("settle", "songs", "--unsafe-fs").code == 0
    assert ended("rescue", "songs", "--unsafe-fs").code == 0


@pytest.mark.row("142")
@pytest.mark.usefixtures("desk")
def test_rescue_makes_a_new_ledger_where_one_is_damaged(service: RunningSandbox) -> None:
    """It says what it needs, keeps the damaged one, and leaves nothing that could be paid for again unasked."""
    write_list("Tide", "Harbour")
    service.sandbox.use_scenario("gateway_drop", uses=1)
    assert run_batch("--concurrency", "1").code == 4
    ledger = Path("songs", "ledger.sqlite3")
    ledger.write_bytes(b"\xff" * 20_000)
    before = service.sandbox.charges
    stopped = run_batch()
    assert stopped.code == 2
    assert "aiml-music rescue songs" in stopped.err
    helpless = ended("rescue", "songs")
    assert helpless.code != 0
    assert "aiml-music rescue songs --jobs LIST" in helpless.err
    told = ended("rescue", "songs", "--jobs", "jobs.csv")
    assert told.code == 0, told.err
    assert told.out.startswith(f"The ledger was damaged, and is kept as {Path('songs', 'ledger.damaged.sqlite3')}.")
    facts = facts_of(told.out.partition("\n\n")[2])
    assert (facts["done"], facts["in doubt"]) == ("1", "1")
    again = run_batch()
    assert again.code == 4
    assert again.out.endswith("\nNext: aiml-music settle songs\n")
    assert service.sandbox.charges == before
    ledger.write_bytes(b"\xff" * 20_000)
    document = ended("rescue", "songs", "--jobs", "jobs.csv", "--json").document
    assert document == {"salvaged": [], "damaged_ledger": str(Path("songs", "ledger.damaged-2.sqlite3"))}


@pytest.mark.usefixtures("desk", "service")
def test_receipts_and_page_that_cannot_be_written_are_told() -> None:
    """They are no reason to fail."""
    write_list("Tide")
    Path("songs/index.html").mkdir(parents=True)
    Path("songs/Tide.json").mkdir()
    told = run_batch()
    assert told.code == 0, told.err
    assert told.err.count("Not written: ") == 2


class Watched(io.StringIO):
    """A stream that tells when something was written to it."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word
        self.seen = threading.Event()

    def write(self, text: str, /) -> int:
        """Write it, and look for the word."""
        if self.word in text:
            self.seen.set()
        return super().write(text)


TRACK = json.dumps({"data": {"status": 2, "audio": "00" * 4000}, "base_resp": {"status_code": 0}}).encode()


def interrupted(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[Watched], bytes], labels: tuple[str, ...], *words: str
) -> Ended:
    """Run a batch, one call at a time, against a service that does something before it answers."""
    rows = [f"{label},la,{VOICE},pcm\n" for label in labels]
    Path("jobs.csv").write_text("label,lyrics,refer_voice,format\n" + "".join(rows), encoding="utf-8")
    out, err = io.StringIO(), Watched("Stopping: ")
    with answering(lambda: act(err)) as base:
        monkeypatch.setenv("AIML_API_KEY", CANARY)
        monkeypatch.setenv("AIML_API_BASE", base)
        command = ["batch", "jobs.csv", "-o", "songs", "--concurrency", "1", *words]
        code = main(command, streams=Streams(stdin=io.StringIO(), stdout=out, stderr=err))
    return Ended(code, out.getvalue(), err.getvalue())


def stop(err: Watched) -> None:
    """Press Ctrl-C once, and wait until that was noticed."""
    os.kill(os.getpid(), signal.SIGINT)
    assert err.seen.wait(10)


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(("labels", "code", "left"), [(("Tide", "Harbour"), 130, "1"), (("Tide",), 0, None)])
def test_ctrl_c_once_lets_the_call_under_way_come_in(
    labels: tuple[str, ...], code: int, left: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is paid for lands, nothing more is sent, and the same command is what to type next."""

    def act(err: Watched) -> bytes:
        stop(err)
        return TRACK

    told = interrupted(monkeypatch, act, labels)
    assert told.code == code
    assert "Stopping: nothing more is sent; what is under way comes in." in told.err
    assert facts_of(told.out)["done"] == "1"
    assert facts_of(told.out).get("to be sent") == left
    assert ("Next: aiml-music batch jobs.csv -o songs --concurrency 1\n" in told.out) is (left is not None)


@pytest.mark.usefixtures("desk")
def test_ctrl_c_twice_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call that was waited for is in doubt, and the ledger says so."""
    gone = threading.Event()

    def act(err: Watched) -> bytes:
        stop(err)
        os.kill(os.getpid(), signal.SIGTERM)
        gone.wait(0.5)
        return b""

    told = interrupted(monkeypatch, act, ("Tide", "Harbour"), "--number-copies")
    assert told.code == 130
    assert "Ending: tracks that are coming in have half a minute; other calls are left in doubt." in told.err
    assert "the call was cancelled" in told.out


@pytest.mark.usefixtures("desk")
def test_a_ledger_that_fails_meanwhile_ends_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing more is sent without a ledger; it is said once, and no report is made up."""

    def act(_err: Watched) -> bytes:
        Path("songs/ledger.sqlite3").rename("songs/elsewhere")
        return TRACK

    told = interrupted(monkeypatch, act, ("Tide", "Harbour"), "--json")
    assert told.code == 5
    assert told.document["batch"] is None
    assert told.document["stopped"]["type"] == "LedgerError"
    assert "Stopped: The ledger " in told.err
    assert "Next: aiml-music status songs" in told.err


@pytest.mark.usefixtures("desk")
def test_a_terminal_shows_totals_and_what_failed(service: RunningSandbox) -> None:
    """Tracks that are made are counted; what fails has its line, which stays."""
    write_list("Tide", "Harbour")
    assert run_batch().code == 0
    write_list("Tide", "Harbour", "Lighthouse", "Epilogue")
    service.sandbox.use_scenario("content_refused", uses=1)
    told = run_batch("--concurrency", "1", on=Terminal)
    assert told.code == 3
    assert "Lighthouse: refused: " in told.err
    assert "Epilogue: " not in told.err
    assert "3 of 4 done, 0 under way, 0 in doubt, 1 failed, $0.0945 spent\n" in told.err


class Spoiling(Terminal):
    """A terminal at which somebody spoils the list as soon as something is shown."""

    def write(self, text: str) -> int:
        """Spoil it."""
        Path("jobs.csv").write_text("label,lyrics\nTide,la\n", encoding="utf-8")
        return super().write(text)


@pytest.mark.usefixtures("desk")
def test_a_list_that_is_spoilt_between_its_two_readings_sends_nothing(service: RunningSandbox) -> None:
    """It was checked, and is not what it was."""
    before = service.sandbox.charges
    write_list("Tide", "Harbour")
    told = run_batch(on=Spoiling)
    assert told.code == 2
    assert "jobs.csv, line 2, reference" in told.err
    assert service.sandbox.charges == before
    with Ledger.observe(Path("songs")) as ledger:
        assert list(ledger.jobs()) == []


def test_hundreds_of_jobs_are_a_screen_of_rows() -> None:
    """However many are under way, a few rows are shown, the oldest first, and what is odd in a name is spelt out."""
    seconds = iter((0.0, 2.5))
    names = ["\x1b[2J.mp3", *(f"song-{number}.mp3" for number in range(499))]
    board = BatchBoard(
        screen=Screen(Streams(stdin=io.StringIO(), stdout=io.StringIO(), stderr=io.StringIO())),
        jobs=500,
        spent=0,
        under_way=lambda: names,
        now=lambda: next(seconds),
    )
    board.picture()
    lines = board.picture().plain.splitlines()
    assert len(lines) == MOST_ROWS + 2
    assert lines[:2] == ["0 of 500 done, 500 under way, 0 in doubt, 0 failed, $0.00 spent", r"    2.5 s  \x1b[2J.mp3"]
    assert lines[-1] == "... and 480 more"


def stood(**jobs: int) -> Standing:
    """Return how a batch stands of which only numbers are known."""
    counts = {JobState(name): count for name, count in jobs.items()}
    return Standing(
        directory=Path("my songs"),
        jobs=counts,
        listed=counts,
        balance=Balance(reserved=63_000),
        in_doubt=(),
        lost=(),
        accepted=(),
        refused=tuple((f"Song {number}", "no") for number in range(jobs.get("rejected", 0))),
        orphans=(),
    )


@pytest.mark.parametrize(
    ("standing", "code", "following"),
    [
        (stood(done=2), 0, ""),
        (stood(done=1, planned=1), 3, "AGAIN --budget 1"),
        (stood(done=1, wire=1), 3, "AGAIN --budget 1"),
        (stood(received=1, planned=1), 3, "aiml-music rescue 'my songs'"),
        (stood(in_doubt=1, received=1), 4, "aiml-music settle 'my songs'"),
        (stood(paid_lost=1), 4, "aiml-music settle 'my songs' --pay-again LABEL"),
        (stood(poisoned=1), 3, "aiml-music settle 'my songs' --pay-again LABEL"),
        (stood(cancelled=1), 3, ""),
        (stood(accepted=1, rejected=1), 7, "AGAIN --budget 1"),
        (stood(accepted=1, in_doubt=1), 4, "aiml-music settle 'my songs'"),
    ],
)
def test_how_a_batch_stands_decides_its_exit_code_and_what_to_type(
    standing: Standing, code: int, following: str
) -> None:
    """Doubts come first, then what is on the disk, then what is still to be sent."""
    assert exit_of(standing) == code
    assert next_command(standing, "AGAIN", budget="1") == following


def test_long_lists_are_cut() -> None:
    """Twenty refusals are shown, and how many more there are."""
    out = io.StringIO()
    say_standing(stood(rejected=25), "", Screen(Streams(stdin=io.StringIO(), stdout=out, stderr=io.StringIO())))
    assert "money under way  63,000 credits ($0.0315)" in out.getvalue()
    assert out.getvalue().splitlines()[-2:] == ["  Song 19         no", "  ... and 5 more"]


def test_what_the_log_leaves_open_is_evidence(tmp_path: Path) -> None:
    """Each mark of a call in doubt has its words."""
    ledger, (key,) = filled(tmp_path, "Tide")
    with ledger:
        begun(ledger, key)
        marked(ledger, key, Mark.WIRE, Mark.IN_DOUBT)
        ledger.append(key, Mark.SOUGHT, now=4.0, facts={"note": "No row has it."})
    (doubt,) = standing_of(tmp_path).in_doubt
    assert doubt.evidence == ("No row has it",)
    with Ledger.open(tmp_path) as opened:
        opened.append(key, Mark.PAID, now=5.0)
    (lost,) = standing_of(tmp_path).lost
    assert lost.evidence == ("No row has it", "it was charged")


def test_the_help_of_batch_has_exit_codes_of_its_own() -> None:
    """They are those of a batch, not of a single call."""
    out = ended("batch", "--help").out
    assert set(BATCH_MEANINGS) == set(BatchExit)
    for code, meaning in BATCH_MEANINGS.items():
        assert f"{int(code)}  {meaning}" in out


def test_money_is_exact(tmp_path: Path) -> None:
    """Amounts in JSON are decimal strings that add up."""
    ledger, _ = filled(tmp_path, "Tide")
    ledger.close()
    amounts = ended("status", str(tmp_path), "--json").document["batch"]["money"]
    assert sum(Decimal(amount["usd"]) for amount in amounts.values()) == 0
