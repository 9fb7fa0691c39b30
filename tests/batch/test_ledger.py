"""What a batch remembers, and how surely."""

import os
import sqlite3
import stat
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiml_music._sansio.batch.budget import Balance, Budget
from aiml_music._sansio.batch.job import Job, planned
from aiml_music._sansio.batch.records import ReferenceRecord
from aiml_music._sansio.batch.states import IllegalTransitionError, JobState, Mark, Standing, fold
from aiml_music._sansio.errors import BudgetExceededError, InputError, LedgerCorruptError, LedgerError
from aiml_music._sansio.models import Purpose
from aiml_music.batch.ledger import Ledger
from tests._io.system import posix
from tests._sansio.batch.lives import legal_after
from tests.batch.ledgers import COST, VOICE, begun, filled, many, marked, plans

pytestmark = posix

HASH = "ab" * 32


def read_all(ledger: Ledger, key: str) -> None:
    list(ledger.jobs())
    ledger.marks(key)
    ledger.reference(HASH, Purpose.SONG)


def test_jobs_are_kept_in_their_order(tmp_path: Path) -> None:
    """With the names they were given, once and for all."""
    with Ledger.open(tmp_path) as ledger:
        assert ledger.add(plans("Song", "song", "../../x"), now=1.0) == 3
    with Ledger.open(tmp_path) as ledger:
        assert ledger.add(plans("new", "SONG", "song", "Song"), now=2.0) == 2
        records = list(ledger.jobs())
    assert [record.label for record in records] == ["Song", "song", "../../x", "new", "SONG"]
    assert [record.position for record in records] == [1, 2, 3, 4, 5]
    second, fifth = records[1].key[:8], records[4].key[:8]
    names = ["Song.mp3", f"song-{second}.mp3", "x.mp3", "new.mp3", f"SONG-{fifth}.mp3"]
    assert [record.file_name for record in records] == names
    assert {record.state for record in records} == {JobState.PLANNED}


def test_a_job_is_given_back_whole(tmp_path: Path) -> None:
    """Whoever resumes needs nothing but the ledger."""
    job = Job(lyrics="##La la##", reference="songs/\udcff.wav", purpose="song", audio_setting={"format": "wav"})
    with Ledger.open(tmp_path) as ledger:
        first, second = planned([(job, HASH), (job, HASH)], number_copies=True)
        ledger.add([first, second], now=1.0)
        record, copy = ledger.job(first.key), ledger.job(second.key)
    assert (record.job, record.file_name, record.format) == (job, "La-la.wav", "wav")
    assert (record.reference_sha256, record.cost, record.copy) == (HASH, COST, 1)
    assert (record.deaths, record.attempt) == (0, None)
    assert (copy.job, copy.file_name, copy.copy) == (job, "La-la-2.wav", 2)


def test_jobs_go_in_together_or_not_at_all(tmp_path: Path) -> None:
    """A list with a mistake at its end leaves nothing behind, and the ledger goes on."""
    with Ledger.open(tmp_path) as ledger:
        with pytest.raises(InputError):
            ledger.add(planned([(Job(lyrics="la", refer_voice=VOICE), None)] * 2), now=1.0)
        assert list(ledger.jobs()) == []
        assert ledger.add(plans("a"), now=1.0) == 1


def test_many_jobs_are_read_by_pages(tmp_path: Path) -> None:
    """Marks may be made while somebody reads, and another reader sees them."""
    with Ledger.open(tmp_path) as ledger:
        ledger.add(many(450), now=1.0)
        for number, record in enumerate(ledger.jobs()):
            if number % 100 == 0:
                marked(ledger, record.key, Mark.CANCELLED)
        assert number == 449
        with Ledger.observe(tmp_path) as observer:
            cancelled = [record.label for record in observer.jobs({JobState.CANCELLED})]
            assert cancelled == ["song 0", "song 100", "song 200", "song 300", "song 400"]
            assert len(list(observer.jobs([JobState.CANCELLED, JobState.PLANNED]))) == 450


@pytest.mark.row("146")
def test_jobs_that_left_the_list_are_told(tmp_path: Path) -> None:
    """A job that was changed is another one; the old one is an orphan."""
    ledger, (_, b, _) = filled(tmp_path, "a", "b", "c")
    with ledger:
        assert [record.label for record in ledger.orphans([b])] == ["a", "c"]
        assert len(list(ledger.orphans([]))) == 3


def test_a_paid_job_from_its_plan_to_its_track(tmp_path: Path) -> None:
    """Every mark leads on, and is there to be read, with its facts."""
    ledger, (key, _) = filled(tmp_path, "a", "b")
    with ledger:
        intent = begun(ledger, key)
        assert (intent.mark, intent.state, intent.attempt, intent.at) == (Mark.INTENT, JobState.INTENT, "a1", 2.0)
        assert ledger.balance() == Balance(reserved=COST)
        marked(ledger, key, Mark.WIRE, attempt="a1")
        (head,) = marked(ledger, key, Mark.HEAD, attempt="a1", charged=60_000, facts={"status": 200, "odd": "\udcff"})
        assert ledger.balance() == Balance(spent=60_000)
        marked(ledger, key, Mark.RECEIVED, Mark.DONE, attempt="a1")
        assert ledger.job(key).state is JobState.DONE
        marks = ledger.marks(key)
        (attempt,) = ledger.attempts(key)
        totals = ledger.totals()
    assert [entry.mark for entry in marks] == [
        *(Mark.PLANNED, Mark.INTENT, Mark.WIRE, Mark.HEAD, Mark.RECEIVED, Mark.DONE)
    ]
    assert [entry.attempt for entry in marks] == [None, *["a1"] * 5]
    assert (marks[1], marks[3]) == (intent, head)
    assert (attempt.attempt, attempt.number, attempt.client_request_id) == ("a1", 1, "id-a1")
    assert (attempt.reserved, attempt.balance, attempt.last) == (COST, Balance(spent=60_000), marks[-1])
    assert totals.balance == Balance(spent=60_000)
    assert {state: count for state, count in totals.jobs.items() if count} == {JobState.PLANNED: 1, JobState.DONE: 1}
    assert set(totals.jobs) == set(JobState)


def test_an_illegal_mark_is_not_made(tmp_path: Path) -> None:
    """Not by any way."""
    ledger, (key,) = filled(tmp_path, "a")
    with ledger:
        with pytest.raises(IllegalTransitionError):
            marked(ledger, key, Mark.WIRE)
        with pytest.raises(IllegalTransitionError, match="begin"):
            marked(ledger, key, Mark.INTENT)
        begun(ledger, key)
        with pytest.raises(IllegalTransitionError):
            begun(ledger, key, "a2")
        assert [entry.mark for entry in ledger.marks(key)] == [Mark.PLANNED, Mark.INTENT]
        assert [attempt.attempt for attempt in ledger.attempts(key)] == ["a1"]
        assert ledger.balance() == Balance(reserved=COST)


def test_a_mark_of_an_earlier_attempt_is_refused(tmp_path: Path) -> None:
    """Whoever still works on it has been overtaken."""
    ledger, (key,) = filled(tmp_path, "a")
    with ledger:
        begun(ledger, key)
        marked(ledger, key, Mark.NOT_SENT)
        begun(ledger, key, "a2")
        with pytest.raises(LedgerError, match="'a1' is not the latest attempt"):
            marked(ledger, key, Mark.WIRE, attempt="a1")
        assert ledger.job(key).attempt == "a2"
        assert [attempt.number for attempt in ledger.attempts(key)] == [1, 2]


def test_ids_are_never_used_twice(tmp_path: Path) -> None:
    """By the id of a request its money is found again."""
    ledger, (a, b) = filled(tmp_path, "a", "b")
    with ledger:
        begun(ledger, a)
        with pytest.raises(LedgerError, match="UNIQUE"):
            begun(ledger, b)
        assert ledger.balance() == Balance(reserved=COST)


def test_an_unknown_job_is_told(tmp_path: Path) -> None:
    """By the beginning of its key."""
    ledger, _ = filled(tmp_path, "a")
    with ledger, pytest.raises(LedgerError, match=f"has no job '{HASH[:16]}'"):
        ledger.job(HASH)


@pytest.mark.row("149")
def test_the_budget_is_checked_where_the_cost_is_reserved(tmp_path: Path) -> None:
    """Two calls cannot both take the last of it."""
    ledger, (a, b) = filled(tmp_path, "a", "b")
    budget = Budget(credits=2 * COST - 1)
    with ledger:
        begun(ledger, a, budget=budget)
        with pytest.raises(BudgetExceededError):
            begun(ledger, b, "a2", budget=budget)
        assert ledger.attempts(b) == []
        marked(ledger, a, Mark.NOT_SENT)
        begun(ledger, b, "a2", budget=budget)


def test_doubt_stays_when_a_job_is_paid_again(tmp_path: Path) -> None:
    """The user's word frees the job, and settles nothing about the money of the call before."""
    ledger, (key,) = filled(tmp_path, "a")
    with ledger:
        begun(ledger, key)
        marked(ledger, key, Mark.WIRE, Mark.IN_DOUBT, Mark.SOUGHT)
        (word,) = marked(ledger, key, Mark.PAY_AGAIN, facts={"reason": "I need it today"})
        assert word.attempt is None
        begun(ledger, key, "a2")
        marked(ledger, key, Mark.WIRE, Mark.RECEIVED, Mark.DONE)
        assert ledger.balance() == Balance(spent=COST, in_doubt=COST)
        assert [attempt.client_request_id for attempt in ledger.attempts_left(JobState.IN_DOUBT)] == ["id-a1"]
        assert list(ledger.attempts_left(JobState.PAID_LOST)) == []
        assert ledger.marks(key)[5].facts == {"reason": "I need it today"}


@pytest.mark.row("148")
def test_a_job_that_kills_its_process_is_poisoned(tmp_path: Path) -> None:
    """Attempts are counted before they are made, so a second death is known as one."""
    ledger, (key,) = filled(tmp_path, "a")
    with ledger:
        for attempt in ("a1", "a2"):
            begun(ledger, key, attempt)
            marked(ledger, key, Mark.DIED)
        record = ledger.job(key)
        assert (record.state, record.deaths) == (JobState.POISONED, 2)
        assert ledger.balance() == Balance()
        marked(ledger, key, Mark.AGAIN)
        assert (ledger.job(key).state, ledger.job(key).deaths) == (JobState.PLANNED, 0)
        assert fold(entry.mark for entry in ledger.marks(key)) is not None


@pytest.mark.row("145")
def test_order_is_by_number_and_never_by_clock(tmp_path: Path) -> None:
    """A clock that is set back changes labels, and nothing else."""
    ledger, (key,) = filled(tmp_path, "a")
    with ledger:
        begun(ledger, key)
        ledger.append(key, Mark.WIRE, now=-5.0)
        ledger.append(key, Mark.IN_DOUBT, now=1e12)
        ledger.append(key, Mark.PAID, now=0.0, charged=7)
        marks = ledger.marks(key)
        assert ledger.job(key).state is JobState.PAID_LOST
    assert [entry.sequence for entry in marks] == [1, 2, 3, 4, 5]
    assert [entry.at for entry in marks] == [1.0, 2.0, -5.0, 1e12, 0.0]


def test_references_are_remembered_by_content_and_purpose(tmp_path: Path) -> None:
    """The service's latest word counts."""
    old = ReferenceRecord(sha256=HASH, purpose=Purpose.SONG, voice_id="v1", instrumental_id="i1", receipt={"x": 1})
    new = ReferenceRecord(sha256=HASH, purpose=Purpose.SONG, voice_id="v2")
    with Ledger.open(tmp_path) as ledger:
        ledger.add_reference(old, now=1.0)
        assert ledger.reference(HASH, Purpose.SONG) == old
        assert ledger.reference(HASH, Purpose.VOICE) is None
        ledger.add_reference(new, now=0.5)
        assert ledger.reference(HASH, Purpose.SONG) == new


def test_what_a_ledger_says_is_never_changed(tmp_path: Path) -> None:
    """The database itself refuses, whoever asks."""
    ledger, (key,) = filled(tmp_path, "a")
    with ledger:
        begun(ledger, key)
        ledger.add_reference(ReferenceRecord(sha256=HASH, purpose=Purpose.SONG), now=1.0)
    other = sqlite3.connect(ledger.path)
    for table, column in {"jobs": "cost", "attempts": "reserved", "marks": "state", "uploads": "at"}.items():
        for words in (f"UPDATE {table} SET {column} = 0", f"DELETE FROM {table}"):  # noqa: S608 - words of this test
            with pytest.raises(sqlite3.IntegrityError, match="never changed"):
                other.execute(words)
    other.close()


def test_an_observer_cannot_write(tmp_path: Path) -> None:
    """Not even by mistake."""
    ledger, (key,) = filled(tmp_path, "a")
    with ledger, Ledger.observe(tmp_path) as observer:
        assert observer.job(key).state is JobState.PLANNED
        with pytest.raises(LedgerError, match="readonly"):
            marked(observer, key, Mark.CANCELLED)
        begun(ledger, key)
        assert observer.balance() == Balance(reserved=COST)


def test_a_closed_ledger_says_so(tmp_path: Path) -> None:
    """And closing twice is nothing."""
    ledger, (key,) = filled(tmp_path, "a")
    ledger.close()
    ledger.close()
    with pytest.raises(LedgerError, match="closed"):
        ledger.job(key)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        *(("jobs", "name", "../../x"), ("jobs", "format", "sh")),
        *(("marks", "state", "rich"), ("marks", "mark", "x"), ("marks", "facts", "{")),
        ("uploads", "receipt", "{"),
    ],
)
def test_a_ledger_of_a_stranger_is_not_believed(tmp_path: Path, table: str, column: str, value: str) -> None:
    """Names that lead elsewhere, and words nobody knows, are damage."""
    ledger, (key,) = filled(tmp_path, "a")
    with ledger:
        ledger.add_reference(ReferenceRecord(sha256=HASH, purpose=Purpose.SONG), now=1.0)
    other = sqlite3.connect(ledger.path, isolation_level=None)
    other.execute(f"DROP TRIGGER {table}_stay_UPDATE")
    other.execute(f"UPDATE {table} SET {column} = ?", (value,))  # noqa: S608 - words of this test
    other.close()
    with Ledger.observe(tmp_path) as observer, pytest.raises(LedgerCorruptError):
        read_all(observer, key)
    if column == "state":
        with Ledger.open(tmp_path) as ledger, pytest.raises(LedgerCorruptError):
            begun(ledger, key)


def test_the_file_is_the_users_own(tmp_path: Path) -> None:
    """Lyrics and ids are nobody else's business, and a key is not in it."""
    mask = os.umask(0)
    try:
        ledger, (key,) = filled(tmp_path, "a")
    finally:
        os.umask(mask)
    with ledger:
        begun(ledger, key)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes["ledger.sqlite3"] == 0o600
    assert set(modes.values()) == {0o600}


def test_what_is_written_is_synced(tmp_path: Path) -> None:
    """Before a mark returns: journal, ledger, and the end of the journal."""
    ledger, _ = filled(tmp_path, "a")
    with ledger:
        asked = ["synchronous", "journal_mode", "foreign_keys", "application_id", "user_version"]
        said = [ledger._file.connection.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in asked]
    assert said == [3, "truncate", 1, 0x61696D6C, 2]


def test_threads_take_turns(tmp_path: Path) -> None:
    """However many ask at once, the budget has room for two."""
    ledger, keys = filled(tmp_path, *"abcdef")
    budget, refused = Budget(credits=2 * COST), []

    def begin(key: str) -> None:
        try:
            begun(ledger, key, key[:16], budget=budget)
        except BudgetExceededError as error:
            refused.append(error)

    with ledger:
        threads = [threading.Thread(target=begin, args=(key,)) for key in keys]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 4
        assert ledger.balance() == Balance(reserved=2 * COST)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9), st.sampled_from([None, 0, 70_000])), max_size=40))
def test_what_is_told_at_once_is_what_the_marks_amount_to(steps: list[tuple[int, int, int | None]]) -> None:
    """The state of each job, the money of each attempt and that of the batch never drift from what was written."""
    with tempfile.TemporaryDirectory() as name:
        ledger, keys = filled(Path(name), "a", "b")
        with ledger:
            ledger._file.connection.execute("PRAGMA synchronous = OFF")
            for number, (which, choice, charged) in enumerate(steps):
                legal = legal_after(ledger.job(keys[which]).state)
                mark = legal[choice % len(legal)]
                if mark is Mark.INTENT:
                    begun(ledger, keys[which], f"a{number}")
                else:
                    marked(ledger, keys[which], mark, charged=charged)
            for key in keys:
                folded = fold(entry.mark for entry in ledger.marks(key))
                record = ledger.job(key)
                assert folded == Standing(state=record.state, deaths=record.deaths)
            attempts = [attempt for key in keys for attempt in ledger.attempts(key)]
            assert ledger.balance() == sum((attempt.balance for attempt in attempts), Balance())
            doubtful = {attempt.attempt for attempt in attempts if attempt.balance.in_doubt}
            assert doubtful <= {attempt.attempt for attempt in ledger.attempts_left(JobState.IN_DOUBT)}
            reserved = {attempt.attempt for attempt in attempts if attempt.balance.reserved}
            assert reserved <= {ledger.job(key).attempt for key in keys}
