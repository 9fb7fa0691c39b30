"""The folder of a batch: receipts beside tracks, whatever ended the run that made them, and a page of every job."""

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aiml_music import Flag, JobState, OutputExistsError
from aiml_music._io.publishing import kept_beside
from aiml_music._sansio.batch.job import Plan, job_key
from aiml_music._sansio.batch.states import Mark
from aiml_music.batch.folder import put_page, write_missing_receipts
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.page.entries import PageState
from aiml_music.batch.receipts import SungWith, read_receipt
from aiml_music.batch.resume import resume
from aiml_music.batch.stories import entry_from, receipt_from, seconds_of
from aiml_music.testing import (
    ScriptedTransport,
    error_code,
    finished_track,
    gateway_page,
    new_reference,
    on_generate,
    on_upload,
    silent_mp3,
)
from tests._io.system import posix
from tests.answers import INSTRUMENTAL_ID, VOICE_ID
from tests.batch.batches import START, carried_out, job, jobs, names, patient_client, sung
from tests.batch.ledgers import begun, filled, marked
from tests.calls import REFERENCE

pytestmark = pytest.mark.anyio

TRACK = silent_mp3()
SHA256 = hashlib.sha256(TRACK).hexdigest()
USD = {"x-aimlapi-usd-spent": "0.0315", "x-inference-id": "work-1"}


async def test_a_track_has_its_receipt(tmp_path: Path) -> None:
    """What it cost, how long it plays, what it was sung with and what deserves a look."""
    reference, directory = tmp_path / "me.mp3", tmp_path / "songs"
    reference.write_bytes(REFERENCE)
    odd = on_generate(finished_track(extra_info={"audio_size": 1}, headers=USD))
    with ScriptedTransport(
        on_upload(new_reference(voice_id=VOICE_ID, instrumental_id=INSTRUMENTAL_ID)), odd
    ) as transport:
        async with patient_client(transport) as client:
            made = await carried_out(client, directory, [sung("A song!", reference)])
    receipt = read_receipt(directory / "A-song.json")
    track = made["A song!"].track
    assert track is not None
    assert (receipt.label, receipt.file, receipt.sha256) == ("A song!", "A-song.mp3", SHA256)
    assert (receipt.size_bytes, receipt.seconds) == (len(TRACK), track.duration)
    assert (receipt.credits_used, receipt.usd_spent, receipt.attempts) == (63_000, Decimal("0.0315"), 1)
    assert (receipt.inference_id, receipt.trace_id) == ("work-1", track.trace_id)
    assert receipt.client_request_id == transport.requests[1].client_request_id
    assert receipt.sung_with == SungWith(
        file="me.mp3", purpose="song", refer_voice=VOICE_ID, refer_instrumental=INSTRUMENTAL_ID
    )
    assert receipt.flags == (str(Flag.SIZE_DIFFERS),)
    assert receipt.started is not None
    assert receipt.finished is not None
    assert str(tmp_path) not in (directory / "A-song.json").read_text(encoding="utf-8")
    assert names(directory) == {"A-song.mp3", "A-song.json", "index.html"}


async def test_a_receipt_that_cannot_be_written_costs_no_track(tmp_path: Path) -> None:
    """The job is done all the same; why it has none is told, and it is written when the batch is opened again."""
    (tmp_path / "a.json").write_bytes(b"mine")
    with ScriptedTransport(on_generate(finished_track())) as transport:
        async with patient_client(transport) as client:
            async with client.batch(tmp_path) as batch:
                assert [outcome.state for outcome in await batch.run_all(jobs("a"))] == [JobState.DONE]
                (error,) = batch.unwritten
            assert isinstance(error, OutputExistsError)
            assert (tmp_path / "a.json").read_bytes() == b"mine"
            (tmp_path / "a.json").unlink()
            async with client.batch(tmp_path) as batch:
                assert batch.unwritten == ()
    assert read_receipt(tmp_path / "a.json").sha256 == SHA256


async def test_a_page_of_somebody_else_stays(tmp_path: Path) -> None:
    """Leaving a batch raises nothing for it: the tracks are there, and the reason is told."""
    (tmp_path / "index.html").write_text("<h1>Mine</h1>")
    with ScriptedTransport(on_generate(finished_track())) as transport:
        async with patient_client(transport) as client:
            async with client.batch(tmp_path) as batch:
                await batch.run_all(jobs("a"))
                with pytest.raises(OutputExistsError):
                    await batch.write_page()
            assert [type(error) for error in batch.unwritten] == [OutputExistsError]
    assert (tmp_path / "index.html").read_text() == "<h1>Mine</h1>"


async def test_the_page_tells_of_every_job(tmp_path: Path) -> None:
    """Also while the batch is open; what is in doubt says what to type, and nothing says where the folder is."""
    directory = tmp_path / "my songs"
    fates = [
        finished_track(headers=USD),
        gateway_page(),
        error_code(1026, "new_sensitive"),
        finished_track(b"no audio"),
    ]
    with ScriptedTransport(*map(on_generate, fates)) as transport:
        async with patient_client(transport) as client, client.batch(directory, max_concurrency=1) as batch:
            await batch.run_all(jobs("fine", "lost", "rude", "broken"))
            text = (await batch.write_page()).read_text(encoding="utf-8")
    for said in (
        "my songs",
        "$0.063",
        "aiml-music",
        "settle",
        "new_sensitive",
        "broken.unverified.mp3",
        "1 of them paid",
    ):
        assert said in text
    assert str(tmp_path) not in text
    assert text.count("<audio") == 2


@pytest.mark.parametrize("state", [Mark.RECEIVED, Mark.WIRE])
def test_a_track_that_is_found_gets_its_receipt(tmp_path: Path, state: Mark) -> None:
    """Promoted when a batch is resumed, it is measured then; what the answer began with is still known."""
    ledger, (key,) = filled(tmp_path, "a")
    with ledger:
        begun(ledger, key)
        marked(ledger, key, Mark.WIRE)
        marked(ledger, key, Mark.HEAD, charged=63_000, facts={"usd_spent": "0.0315", "inference_id": "work-1"})
        if state is Mark.RECEIVED:
            marked(ledger, key, Mark.RECEIVED, facts={"sha256": SHA256, "size_bytes": len(TRACK)})
        (tmp_path / ".a.mp3.a1.ready").write_bytes(TRACK)
        resume(ledger, tmp_path, now=lambda: START)
        assert write_missing_receipts(ledger, tmp_path) == []
    receipt = read_receipt(tmp_path / "a.json")
    assert (receipt.sha256, receipt.credits_used, receipt.usd_spent) == (SHA256, 63_000, Decimal("0.0315"))
    assert (receipt.seconds, receipt.inference_id) == (seconds_of(tmp_path / "a.mp3"), "work-1")
    assert receipt.seconds is not None


def test_what_is_missing_is_tried_once_each_time(tmp_path: Path) -> None:
    """A receipt whose name cannot be written holds up no other, and a track that somebody took away needs none."""
    ledger, keys = filled(tmp_path, "a", "b", "c")
    with ledger:
        for number, key in enumerate(keys):
            begun(ledger, key, f"a{number}")
            marked(ledger, key, Mark.WIRE)
            marked(ledger, key, Mark.RECEIVED, facts={"sha256": SHA256, "size_bytes": len(TRACK)})
            marked(ledger, key, Mark.DONE)
        for name in "ab":
            (tmp_path / f"{name}.mp3").write_bytes(TRACK)
        # A link that leads nowhere is not there to be read, and is there when somebody wants its name.
        (tmp_path / "a.json").symlink_to(tmp_path / "nowhere")
        failed = write_missing_receipts(ledger, tmp_path)
        gone = entry_from(ledger.job(keys[2]), ledger, tmp_path)
        here = entry_from(ledger.job(keys[1]), ledger, tmp_path)
        put_page(ledger, directory=tmp_path, now=START, pictures=False)
    assert [type(error) for error in failed] == [OutputExistsError]
    assert (gone.file, gone.reason) == (None, "Its track is not in this folder any more.")
    assert (here.file, here.receipt, here.seconds) == ("b.mp3", "b.json", seconds_of(tmp_path / "b.mp3"))


def test_raw_samples_are_not_measured(tmp_path: Path) -> None:
    """They have no frames that say how long they play."""
    with Ledger.open(tmp_path) as ledger:
        raw = job("a", audio_setting={"format": "pcm"})
        ledger.add([Plan(key=job_key(raw), job=raw, cost=1)], now=START)
        begun(ledger, job_key(raw))
        marked(ledger, job_key(raw), Mark.WIRE)
        marked(ledger, job_key(raw), Mark.RECEIVED, facts={"sha256": SHA256, "size_bytes": 4})
        marked(ledger, job_key(raw), Mark.DONE)
        (tmp_path / "a.pcm").write_bytes(TRACK)
        assert write_missing_receipts(ledger, tmp_path) == []
        assert read_receipt(tmp_path / "a.json").seconds is None
        entry = entry_from(ledger.job(job_key(raw)), ledger, tmp_path)
        put_page(ledger, directory=tmp_path, now=START, pictures=False)
    assert (entry.seconds, entry.file) == (None, "a.pcm")


def test_what_is_no_audio_has_no_length(tmp_path: Path) -> None:
    """Nor has what is not there."""
    (tmp_path / "a.mp3").write_bytes(b"no audio")
    assert seconds_of(tmp_path / "a.mp3") is None
    assert seconds_of(tmp_path / "b.mp3") is None


def test_every_state_has_its_words(tmp_path: Path) -> None:
    """What a job in trouble came to, in a sentence; of one that waits, only what its last call came to."""
    lives: dict[str, tuple[tuple[Mark, dict[str, Any]], ...]] = {
        "waits": (),
        "unreached": ((Mark.WIRE, {}), (Mark.NOT_SENT, {"problem": "No connection."})),
        "again": ((Mark.WIRE, {}), (Mark.REJECTED, {"problem": "No."}), (Mark.AGAIN, {"reason": "please"})),
        "died": ((Mark.WIRE, {}), (Mark.DIED, {})),
        "sought": ((Mark.WIRE, {}), (Mark.IN_DOUBT, {"problem": "Cut."}), (Mark.SOUGHT, {"note": "Not there."})),
        "lost": ((Mark.WIRE, {}), (Mark.IN_DOUBT, {"problem": "Cut."}), (Mark.PAID, {"note": "There.", "usd": "0.03"})),
        "whole": ((Mark.WIRE, {}), (Mark.RECEIVED, {"sha256": SHA256})),
        "poisoned": ((Mark.DIED, {}),),
    }
    ledger, keys = filled(tmp_path, *lives)
    entries = {}
    with ledger:
        for (label, life), key in zip(lives.items(), keys, strict=True):
            if life:
                begun(ledger, key, label)
            for mark, facts in life:
                ledger.append(key, mark, now=START, facts=facts)
            if label == "poisoned":
                begun(ledger, key, "second")
                marked(ledger, key, Mark.DIED)
            entries[label] = entry_from(ledger.job(key), ledger, tmp_path)
    assert {label: entry.reason for label, entry in entries.items()} == {
        "waits": "",
        "unreached": "No connection.",
        "again": "",
        "died": "The program ended while this call was under way.",
        "sought": "Cut. Not there.",
        "lost": "Cut.",
        "whole": (
            "Its track is whole, in .whole.mp3.whole.ready, "
            "and gets its name when the batch is opened and whole.mp3 is free."
        ),
        "poisoned": "Its calls died again and again without an answer. Only your word sends it again.",
    }
    assert entries["whole"].state is PageState.ATTEMPTING
    assert entries["lost"].usd_spent == Decimal("0.03")
    assert [label for label, entry in entries.items() if entry.next_step] == ["died", "sought"]
    assert entries["waits"].request_id is None


def test_a_folder_with_a_name_like_an_option_can_be_typed(tmp_path: Path) -> None:
    """The command on the page does what it says, however the folder is called."""
    directory = tmp_path / "-x y"
    directory.mkdir()
    ledger, (key,) = filled(directory, "a")
    with ledger:
        begun(ledger, key)
        marked(ledger, key, Mark.WIRE, Mark.IN_DOUBT)
        assert entry_from(ledger.job(key), ledger, directory).next_step == "aiml-music settle './-x y'"


def test_a_job_of_another_release_is_told_of(tmp_path: Path) -> None:
    """Its words cannot be read any more; its money and its file can."""
    plan = Plan(key="ab" * 32, job=job("a"), cost=1)
    object.__setattr__(plan.job, "purpose", "hum")
    with Ledger.open(tmp_path) as ledger:
        ledger.add([plan], now=START)
        begun(ledger, plan.key)
        marked(ledger, plan.key, Mark.WIRE)
        marked(ledger, plan.key, Mark.RECEIVED, facts={"sha256": SHA256}, charged=5)
        marked(ledger, plan.key, Mark.DONE)
        (tmp_path / "a.mp3").write_bytes(TRACK)
        record = ledger.job(plan.key)
        receipt = receipt_from(record, ledger)
        assert entry_from(record, ledger, tmp_path).lyrics == ""
    assert (receipt.model, receipt.lyrics, receipt.credits_used, receipt.sung_with) == ("", "", 5, SungWith())


def test_what_was_kept_is_found(tmp_path: Path) -> None:
    """Beginnings and unverified tracks, as many as there are, and no others."""
    for name in ("a.partial.mp3", "a.partial-2.mp3", "a.unverified.mp3", "ab.partial.mp3", "a.partial-4.mp3"):
        (tmp_path / name).touch()
    found = [path.name for path in kept_beside(tmp_path / "a.mp3")]
    assert found == ["a.partial.mp3", "a.partial-2.mp3", "a.unverified.mp3"]


@posix
async def test_what_tells_of_lyrics_is_its_owner_s_alone(tmp_path: Path) -> None:
    """Receipts and the page as the ledger, the track as the umask lets; what the owner opened stays so."""

    def mode(name: str) -> int:
        return (tmp_path / name).stat().st_mode & 0o777

    for run in range(2):
        with ScriptedTransport(*[on_generate(finished_track())] * (1 - run)) as transport:
            async with patient_client(transport) as client:
                await carried_out(client, tmp_path, jobs("a"))
        assert (mode("a.json"), mode("index.html"), mode("ledger.sqlite3")) == (0o600, 0o644 if run else 0o600, 0o600)
        (tmp_path / "plain").touch()
        assert mode("a.mp3") == mode("plain")
        (tmp_path / "index.html").chmod(0o644)
