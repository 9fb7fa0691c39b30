"""The page in a real browser, where there is one: nothing asked for, nothing complained of, nothing cut off."""

import shutil
from pathlib import Path

import pytest
from attrs import evolve

from aiml_music.batch.page.writing import write_page
from tests.batch.page.pages import DONE, ENTRIES, TOTALS, write_wav

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PHONE = {"width": 390, "height": 844}


def test_a_browser_shows_the_page(tmp_path: Path) -> None:
    """From disk, on a phone: no error, no request but the page and a track that is played, nothing wider than it."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the group `browser`")
    if BROWSER is None:
        pytest.skip("needs a Chromium")
    write_wav(tmp_path / "a #1?.wav", [0, 9000] * 4000)
    track = evolve(DONE, label="W" * 200, file="a #1?.wav", request_id="x" * 200)
    url = write_page(tmp_path, TOTALS, lambda _states: [*ENTRIES, track]).as_uri()
    said: list[str] = []
    asked: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=QUIET)
        page = browser.new_page(viewport=PHONE)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        players = page.locator("audio")
        assert players.count() == 2
        # The policy lets the file through: it can be played.
        assert players.nth(1).evaluate(
            "p => new Promise(r => { p.oncanplay = () => r(1); p.onerror = () => r(0); p.load() })"
        )
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert page.locator("body").evaluate("b => getComputedStyle(b).maxWidth") == "992px"
        browser.close()
    assert said == []
    assert {address.partition(":")[0] for address in asked} == {"file"}
    assert asked[0] == url
