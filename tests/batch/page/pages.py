"""Pages to look at: what tests put on them, and a reader of HTML that believes nothing."""

import wave
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

from aiml_music.batch.page.entries import PageEntry, PageState, PageTotals
from aiml_music.batch.page.html import Draw, page_html

TOTALS = PageTotals(
    title="Songs of the sea",
    jobs=9,
    tracks=6,
    seconds=127.2,
    credits_used=378_000,
    usd_spent=Decimal("0.189"),
    in_doubt=1,
    usd_in_doubt=Decimal("0.0315"),
    failed=1,
    written=datetime(2026, 11, 25, 12, 0, tzinfo=UTC),
)
DONE = PageEntry(
    label="Tide",
    state=PageState.DONE,
    file="tide.wav",
    receipt="tide.json",
    seconds=60.4,
    credits_used=63_000,
    usd_spent=Decimal("0.0315"),
    lyrics="##Side by side\nfriends##",
    request_id="batch-1",
)
IN_DOUBT = PageEntry(
    label="Lighthouse",
    state=PageState.IN_DOUBT,
    lyrics="##Turn##",
    request_id="batch-2",
    reason="The connection broke.",
    next_step='aiml-music batch --resume "a & b"',
)
REJECTED = PageEntry(label="Harbour", state=PageState.REJECTED, reason="A content filter refused the lyrics.")
PLANNED = PageEntry(label="Epilogue", state=PageState.PLANNED)
ENTRIES = (PLANNED, DONE, REJECTED, IN_DOUBT)

_VOID = {"meta", "path"}


class Parsed(HTMLParser):
    """What a browser would find: elements in their order, each with its attributes, and the text of each."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self.texts[tag][-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(*entries: PageEntry, totals: PageTotals = TOTALS, draw: Draw = lambda _file: ()) -> str:
    """Return a whole page."""
    return "".join(page_html(totals, lambda _states: entries, draw))


def skeleton(page: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return the elements of a page and the names of their attributes."""
    return [(tag, tuple(attributes)) for tag, attributes in Parsed(page).elements]


def write_wav(path: Path, samples: Iterable[int] = (0,) * 8000) -> None:
    """Write a mono WAV of 8 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples))
