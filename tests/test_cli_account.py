"""`models` and `doctor`: what they print, and what they find where something is broken; neither costs anything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aiml_music._sansio.account import ModelInfo
from aiml_music.cli.examination import Verdict, clock_finding, model_finding, room_finding
from tests.answers import answer, envelope
from tests.loopback import Hang, Script, free_port, loopback
from tests.test_cli import CANARY, Ended, clear_environment, ended

LIST: dict[str, Any] = {"data": [{"id": "music-01"}, {"id": "minimax/music-9", "aliases": ["m9"]}]}
BALANCE: dict[str, Any] = {"current_balance": 3, "currency": "USD"}
REACHED, LISTED, CREDIT = answer(LIST), answer(LIST), answer(BALANCE)
WELL = ([REACHED], [CREDIT], [LISTED])


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_environment(monkeypatch)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a key that must be seen nowhere."""
    monkeypatch.setenv("AIML_API_KEY", CANARY)


def examined(monkeypatch: pytest.MonkeyPatch, directory: Path, *scripts: Script, words: tuple[str, ...] = ()) -> Ended:
    """Have everything looked at while a server says what the scripts say."""
    with loopback(*scripts) as server:
        monkeypatch.setenv("AIML_API_BASE", server.url)
        found = ended("doctor", "-o", str(directory), *words)
    assert CANARY not in found.out + found.err
    assert all(request.method == "GET" for request in server.requests)
    return found


def verdicts_of(text: str) -> dict[str, str]:
    """Return the verdict of each thing that was looked at."""
    lines = [line.split() for line in text.splitlines() if line[:1] != " "]
    return {words[1]: words[0] for words in lines}


@pytest.mark.usefixtures("key")
def test_where_all_is_well_nothing_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every line says so; a sandbox is not taken for the service."""
    found = examined(monkeypatch, tmp_path, *WELL)
    assert (found.code, found.err) == (0, "")
    assert verdicts_of(found.out) == {
        "key": "ok",
        "address": "note",
        "name": "ok",
        "service": "ok",
        "clock": "note",
        "credit": "ok",
        "model": "ok",
        "folder": "ok",
    }
    assert "3 USD (6,000,000 credits) left" in found.out
    assert "music-01 is listed; a track costs 63,000 credits ($0.0315)" in found.out
    assert not list(tmp_path.iterdir())


def test_without_a_key_the_service_is_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And all else is looked at."""
    found = examined(monkeypatch, tmp_path, [Hang()])
    assert found.code == 2
    assert verdicts_of(found.out) == {
        "key": "broken",
        "address": "note",
        "name": "ok",
        "service": "skipped",
        "folder": "ok",
    }
    assert "Set AIML_API_KEY" in found.out


def test_a_key_with_a_blank_in_it_is_told_and_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the blank is, is enough to know."""
    monkeypatch.setenv("AIML_API_KEY", f"{CANARY} x")
    found = examined(monkeypatch, tmp_path, [Hang()])
    assert found.code == 2
    assert "holds a blank" in found.out


@pytest.mark.usefixtures("key")
def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is looked up."""
    monkeypatch.setenv("AIML_API_BASE", "ftp://nowhere")
    found = ended("doctor", "-o", str(tmp_path))
    assert found.code == 2
    assert verdicts_of(found.out) == {"key": "ok", "address": "broken", "service": "skipped", "folder": "ok"}


@pytest.mark.usefixtures("key")
def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The name is to blame, and so is the network perhaps."""
    monkeypatch.setenv("AIML_API_BASE", "https://nobody.invalid")
    found = ended("doctor", "-o", str(tmp_path))
    assert found.code == 6
    assert verdicts_of(found.out) == {
        "key": "ok",
        "address": "ok",
        "name": "broken",
        "service": "broken",
        "clock": "skipped",
        "credit": "skipped",
        "model": "skipped",
        "folder": "ok",
    }


@pytest.mark.usefixtures("key")
def test_the_proxy_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a request goes through is half of what can be wrong."""
    monkeypatch.setenv("AIML_API_BASE", "https://nobody.invalid")
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:word@127.0.0.1:{free_port()}")
    found = ended("doctor", "-o", str(tmp_path))
    assert verdicts_of(found.out)["service"] == "broken"
    assert "through the proxy 127.0.0.1:" in found.out
    assert "nobody.invalid is looked up by the proxy" in found.out
    assert "word@" not in found.out


@pytest.mark.usefixtures("key")
def test_a_service_that_nobody_answers_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It cannot be asked anything else."""
    monkeypatch.setenv("AIML_API_BASE", f"http://127.0.0.1:{free_port()}")
    found = ended("doctor", "-o", str(tmp_path))
    assert found.code == 6
    assert verdicts_of(found.out)["service"] == "broken"


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [("401 Unauthorized", 3, "Check the key"), ("500 Internal Server Error", 3, "Try again later")],
)
def test_a_key_that_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: str, code: int, remedy: str
) -> None:
    """And other refusals, with what to do."""
    refused = answer(envelope(int(status[:3]), status[4:]), status=status)
    found = examined(monkeypatch, tmp_path, [REACHED], [refused], [LISTED])
    assert found.code == code
    assert verdicts_of(found.out)["credit"] == "broken"
    assert remedy in found.out


@pytest.mark.usefixtures("key")
def test_an_account_without_money(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The key is good all the same."""
    found = examined(monkeypatch, tmp_path, [REACHED], [answer({"current_balance": 0})], [LISTED])
    assert found.code == 3
    assert "the key is accepted, and nothing is left: 0 USD (0 credits)" in found.out


@pytest.mark.usefixtures("key")
def test_a_model_that_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those that live are named."""
    found = examined(monkeypatch, tmp_path, *WELL, words=("--model", "old/music"))
    assert found.code == 3
    assert verdicts_of(found.out)["model"] == "broken"
    assert "music-01, minimax/music-9. Take one with --model." in found.out


@pytest.mark.usefixtures("key")
def test_a_list_of_models_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whether the model lives is not known then."""
    found = examined(monkeypatch, tmp_path, [REACHED], [CREDIT], [answer({})])
    assert verdicts_of(found.out)["model"] == "broken"
    assert "not in the shape" in found.out


@pytest.mark.usefixtures("key")
def test_a_folder_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It would be found out before money is spent, and here it is found out earlier."""
    found = examined(monkeypatch, tmp_path / "none", *WELL)
    assert found.code == 2
    assert "cannot be written to: No such file or directory" in found.out


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """A directory that takes a byte may not take a track."""
    found = room_finding(tmp_path, 19_999_999)
    assert (found.verdict, found.remedy) == (Verdict.BROKEN, "Make room, or name another one with -o.")


@pytest.mark.usefixtures("key")
def test_findings_as_a_document(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same for scripts, and nothing but the document on standard output."""
    found = examined(monkeypatch, tmp_path, *WELL, words=("--json",))
    assert found.code == 0
    assert [(each["what"], each["verdict"]) for each in found.document["findings"]][:2] == [
        ("key", "ok"),
        ("address", "note"),
    ]


@pytest.mark.parametrize(
    ("date", "verdict", "words"),
    [
        (None, Verdict.NOTE, "does not say"),
        (1000.0, Verdict.FINE, "agrees"),
        (400.0, Verdict.NOTE, "600 s ahead of"),
        (1600.0, Verdict.NOTE, "600 s behind"),
    ],
)
def test_clocks_are_compared(date: float | None, verdict: Verdict, words: str) -> None:
    """Two minutes are near enough for everything that goes by the clock."""
    found = clock_finding(date, 1000.0)
    assert found.verdict is verdict
    assert words in found.said


def test_a_model_of_unknown_price() -> None:
    """It lives all the same."""
    assert model_finding("x", (ModelInfo(id="x", is_listed=True, is_known=False),)).said == "x is listed"
    assert "none that makes music" in model_finding("x", ()).remedy


@pytest.fixture
def listing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve a list of models."""
    monkeypatch.setenv("AIML_API_KEY", CANARY)
    with loopback([LISTED]) as server:
        monkeypatch.setenv("AIML_API_BASE", server.url)
        yield


@pytest.mark.usefixtures("listing")
def test_models_are_a_table() -> None:
    """Of what lives, what it costs, and whether its fields are known."""
    found = ended("models")
    assert found.code == 0
    head, *rows = found.out.splitlines()
    assert head.split() == ["model", "listed", "credits", "USD", "fields", "other", "names"]
    assert ["music-01", "yes", "63,000", "0.0315", "known"] in [row.split() for row in rows]
    assert ["minimax/music-9", "yes", "?", "?", "passed", "on", "m9"] in [row.split() for row in rows]


@pytest.mark.usefixtures("listing")
def test_models_as_a_document() -> None:
    """The same for scripts."""
    found = ended("models", "--json")
    first = next(model for model in found.document["models"] if model["id"] == "music-01")
    assert first == {
        "id": "music-01",
        "aliases": [],
        "is_listed": True,
        "is_known": True,
        "price_credits": 63_000,
        "price_usd": "0.0315",
    }
    assert CANARY not in found.out + found.err
