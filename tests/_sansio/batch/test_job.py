"""A job is checked when it is made, and known by what decides its track."""

import json
from pathlib import PurePath
from typing import Any

import pytest

from aiml_music._sansio.batch.job import Job, Plan, job_key, planned
from aiml_music._sansio.catalogue import find_model
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.models import AudioSetting, Purpose
from tests.model_rows import ADDRESS, INSTRUMENTAL, NAMES, VOICE, plain_arguments, split

HASH, OTHER_HASH = "ab" * 32, "cd" * 32


def job(**changes: Any) -> Job:
    return Job(**({"lyrics": "la", "refer_voice": VOICE} | changes))


def by_reference(**changes: Any) -> Job:
    return Job(**({"lyrics": "la", "reference": "a.mp3", "purpose": "song"} | changes))


def test_a_job_is_kept_as_it_will_be_sent() -> None:
    """Words are read once, when the job is made."""
    made = by_reference(reference=PurePath("songs/a.mp3"), lyrics="a\r\nb", audio_setting={"format": "wav"})
    assert made.reference == str(PurePath("songs/a.mp3"))
    assert (made.lyrics, made.purpose, made.audio_setting) == ("a\nb", Purpose.SONG, AudioSetting(format="wav"))
    assert (made.audio_format, made.cost) == ("wav", 63_000)
    assert (job().audio_format, job().label) == ("mp3", "")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"label": 7}, "label must be a str, not int"),
        ({"label": "x" * 501}, "at most 500 characters; this one has 501"),
        ({"label": "a\ud800"}, "lone surrogate"),
        ({"lyrics": "  "}, "empty"),
        ({"lyrics": ["la"]}, "must be a str"),
        ({"model": "musik-01"}, "Unknown model"),
        ({"audio_setting": {"format": "ogg"}}, "must be one of"),
        ({"refer_voice": None}, "needs a reference to upload, or the id"),
        ({"refer_voice": INSTRUMENTAL}, "belongs in refer_instrumental"),
        ({"refer_instrumental": "a b"}, "is not an id"),
        ({"purpose": "song"}, "there is no reference"),
        ({"purpose": "tune"}, "must be one of"),
        ({"reference": "a.mp3", "purpose": "song"}, "either a reference, or the ids"),
        ({"reference": "a.mp3", "refer_voice": None}, "needs a purpose"),
        ({"reference": "", "refer_voice": None, "purpose": "song"}, "must be the path"),
        ({"reference": "a\0", "refer_voice": None, "purpose": "song"}, "must be the path"),
        ({"reference": b"a", "refer_voice": None, "purpose": "song"}, "must be the path"),
        ({"extra_body": ["seed"]}, "must be a mapping, not list"),
        ({"extra_body": {"lyrics": "x"}}, "repeats lyrics"),
        ({"extra_body": {"x": object()}}, "no word for"),
    ],
)
def test_a_job_that_cannot_be_meant_is_refused(changes: dict[str, Any], complaint: str) -> None:
    """Before a batch begins, and before any money."""
    with pytest.raises(InputError, match=complaint):
        job(**changes)


def test_both_ids_go_together() -> None:
    """A voice, an instrumental, or both."""
    assert job(refer_instrumental=INSTRUMENTAL).refer_instrumental == INSTRUMENTAL
    assert job(refer_voice=None, refer_instrumental=INSTRUMENTAL).refer_voice is None


def test_nobody_changes_a_job_later() -> None:
    """The mapping of a caller is copied, to its depth."""
    inner = [1]
    made = job(extra_body={"seeds": inner})
    inner.append(2)
    assert made.extra_body == {"seeds": [1]}
    assert len({made, job(extra_body={"seeds": [1]})}) == 1


@pytest.mark.parametrize(
    "made",
    [
        job(),
        job(label="A song", refer_instrumental=INSTRUMENTAL, extra_body={"seed": 1, "deep": [{"x": None}]}),
        by_reference(reference="songs/\udcff.mp3", audio_setting={"format": "wav", "sample_rate": 16_000}),
    ],
)
def test_a_job_survives_being_written_down(made: Job) -> None:
    """The ledger gives back what it was given, in ASCII."""
    assert Job.from_json(made.to_json()) == made
    assert made.to_json().isascii()


@pytest.mark.parametrize("text", ["", "[]", "7", "{}", '{"lyrics": "la", "x": 1}', '{"lyrics": ""}'])
def test_what_is_no_job_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(InputError):
        Job.from_json(text)


def test_the_key_is_the_same_for_ever() -> None:
    """Another key for the same job would pay for it again; this one is written down in ledgers."""
    known = job(label="A", extra_body={"b": 1, "a": 2})
    assert job_key(known) == "a596c9062c9cbac0461d020064548f82f4a284a27584e82a3a60d0cd3d620fc6"


def test_the_key_is_of_what_decides_the_track() -> None:
    """Where a reference lies does not matter; its content does, and so does every other word."""
    keys = [
        *(job_key(each) for each in (job(), job(label="A"), job(lyrics="lala"), job(extra_body={"seed": 1}))),
        *(job_key(each) for each in (job(audio_setting={}), job(refer_instrumental=INSTRUMENTAL))),
        job_key(job(refer_voice=None, refer_instrumental=INSTRUMENTAL)),
        job_key(job(), copy=2),
        job_key(by_reference(), HASH),
        job_key(by_reference(), OTHER_HASH),
        job_key(by_reference(purpose="voice"), HASH),
    ]
    assert len(set(keys)) == len(keys)
    assert job_key(by_reference(), HASH) == job_key(by_reference(reference="elsewhere/b.mp3"), HASH)


def test_a_reference_counts_by_its_content() -> None:
    """Without the content's hash there is no key."""
    with pytest.raises(ValueError, match="the hash goes with it"):
        job_key(by_reference())
    with pytest.raises(ValueError, match="the hash goes with it"):
        job_key(job(), HASH)


@pytest.mark.row("147")
def test_the_same_job_twice_is_refused() -> None:
    """Two tracks for the same words may be meant, and may be a slip that costs money."""
    jobs = [(job(label="A"), None), (job(), None), (job(label="A"), None)]
    with pytest.raises(InputError, match=r"Job 3 \(A\) is the same as job 1\.") as caught:
        list(planned(jobs))
    assert "have copies numbered" in str(caught.value)
    with pytest.raises(InputError, match=r"Job 2 \(without a label\) is the same as job 1\."):
        list(planned([(job(), None)] * 2))


@pytest.mark.row("147")
def test_copies_are_numbered_on_request() -> None:
    """The first has the key it would have alone, so that asking for more later does not pay for it again."""
    jobs = [(by_reference(), HASH), (job(), None), (by_reference(), HASH), (by_reference(), HASH)]
    plans = list(planned(jobs, number_copies=True))
    assert [plan.copy for plan in plans] == [1, 1, 2, 3]
    assert [plan.key for plan in plans] == [
        *(job_key(by_reference(), HASH), job_key(job())),
        *(job_key(by_reference(), HASH, copy) for copy in (2, 3)),
    ]
    assert plans[0] == Plan(key=job_key(by_reference(), HASH), job=by_reference(), cost=63_000, reference_sha256=HASH)


def test_jobs_are_planned_one_by_one() -> None:
    """A list of a hundred thousand is never whole in memory."""
    plans = planned((job(label=str(number)), None) for number in range(10**9))
    assert next(plans).job.label == "0"


COVER = "minimax/music-cover"


def plain(model: str, **changes: Any) -> Job:
    arguments = plain_arguments(model)
    if model == COVER:
        arguments["reference"] = "a.mp3"
        del arguments["reference_audio_url"]
    own = {name: arguments.pop(name) for name in ("prompt", "reference") if name in arguments}
    return Job(**({"model": model} | split(arguments) | own | changes))


@pytest.mark.parametrize("model", NAMES)
def test_every_model_can_be_a_job(model: str) -> None:
    """It is written down and read again, costs what the row says, and orders what a call would."""
    made, row = plain(model), find_model(model)
    assert Job.from_json(made.to_json()) == made
    assert made.cost == row.price_credits
    assert made.audio_format == (row.audio_format or "mp3")
    assert made.embeds_reference is (model == COVER)
    asked = made.order(made.refer_voice, made.refer_instrumental)
    assert asked.reference_audio == ("a.mp3" if model == COVER else None)
    assert json.loads(asked.payload)["model"] == model
    (plan,) = planned([(made, HASH if made.reference else None)])
    assert plan.cost == (row.price_credits or 0)


@pytest.mark.parametrize(
    ("model", "changes", "complaint"),
    [
        ("google/lyria2", {"lyrics": "la"}, "google/lyria2 takes no lyrics"),
        ("google/lyria2", {"prompt": None}, "google/lyria2 needs prompt"),
        ("google/lyria2", {"refer_voice": VOICE}, "google/lyria2 takes no refer_voice"),
        ("google/lyria2", {"reference": "a.mp3"}, "google/lyria2 takes no file as its reference"),
        ("google/lyria2", {"purpose": "song"}, "there is no reference"),
        ("google/lyria2", {"fields": {"seed": -1}}, "seed is -1"),
        ("google/lyria2", {"fields": {"steps": 1}}, "google/lyria2 takes no steps"),
        ("google/lyria2", {"fields": {"prompt": "x"}}, "fields holds prompt: use the argument"),
        ("google/lyria2", {"fields": ["seed"]}, "fields must be a mapping, not list"),
        ("google/lyria2", {"fields": {"seed": object()}}, "fields holds a value that JSON has no word for"),
        ("google/lyria2", {"audio_setting": {}}, "google/lyria2 takes no audio_setting"),
        (COVER, {"reference": None}, "minimax/music-cover needs reference_audio_url"),
        (COVER, {"purpose": "song"}, "A reference of minimax/music-cover has no purpose"),
        (COVER, {"fields": {"reference_audio_url": ADDRESS}}, "Give either reference_audio= or"),
        ("somebody/sings", {"reference": "a.mp3"}, "somebody/sings takes no file as its reference"),
    ],
)
def test_a_job_that_its_model_does_not_take_is_refused(model: str, changes: dict[str, Any], complaint: str) -> None:
    """Before a batch begins, as a call would be."""
    with pytest.raises(InputError, match=complaint):
        plain(model, **changes)


def test_fields_that_are_none_are_not_there() -> None:
    """As arguments that are None are not."""
    assert plain("google/lyria2", fields={"seed": None}).fields == {}
    assert job_key(plain("google/lyria2", fields={"seed": None})) == job_key(plain("google/lyria2", fields={}))


def test_the_key_is_of_the_model_s_fields_too() -> None:
    """Another description, or another seed, is another track."""
    lyria = "google/lyria2"
    keys = [
        *(job_key(plain(lyria, **changes)) for changes in ({}, {"prompt": "snow"}, {"fields": {"seed": 1}})),
        *map(job_key, (plain(lyria, fields={"seed": 0}), plain("stable-audio"))),
        *(job_key(plain(COVER), content) for content in (HASH, OTHER_HASH)),
    ]
    assert len(set(keys)) == len(keys)
    one, other = {"seed": 0, "negative_prompt": "x"}, {"negative_prompt": "x", "seed": 0}
    assert job_key(plain(lyria, fields=one)) == job_key(plain(lyria, fields=other))
