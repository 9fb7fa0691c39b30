"""The page of a batch: what needs a person first, everything to be heard, and no text that acts."""

import base64
import hashlib
import os
import re
from collections.abc import Iterator
from decimal import Decimal
from importlib.resources import files
from itertools import islice, pairwise
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis.strategies import characters, text

from aiml_music.batch.page.entries import PageEntry, PageState
from aiml_music.batch.page.html import address, dollars, length, one_line, page_html, prose
from tests.batch.page.pages import DONE, ENTRIES, IN_DOUBT, REJECTED, TOTALS, Parsed, page_of, skeleton

STYLE = files("aiml_music.batch.page").joinpath("style.css").read_text(encoding="utf-8")
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</h3></article></style><style>*{display:none}",
    "javascript:alert(1)",
    "&lt;script&gt; &amp;",
    "' onfocus='alert(1)",
    "<!--",
    "]]> <![CDATA[",
)


def test_what_needs_a_person_stands_first() -> None:
    """In doubt, paid and lost, failed, then the tracks, then what is still to come; empty sections are left out."""
    assert Parsed(page_of(*ENTRIES)).texts["h2"] == ["In doubt", "Failed", "Tracks", "Not made yet"]
    assert Parsed(page_of(*ENTRIES)).texts["h3"] == ["Lighthouse", "Harbour", "Tide", "Epilogue"]
    assert Parsed(page_of(DONE)).texts["h2"] == ["Tracks"]
    lost = evolve(IN_DOUBT, state=PageState.PAID_LOST)
    assert Parsed(page_of(REJECTED, lost, IN_DOUBT)).texts["h2"] == ["In doubt", "Paid, no track", "Failed"]


def test_every_state_has_its_place_and_its_badge() -> None:
    """No job of a batch is missing on its page."""
    page = Parsed(page_of(*(PageEntry(label=state, state=state) for state in PageState)))
    assert set(page.texts["h3"]) == set(PageState)
    badges = [attributes["class"] for _, attributes in page.elements if "badge" in attributes.get("class", "")]
    assert set(badges) == {f"badge {state}" for state in PageState}
    assert len(page.all("article")) == len(PageState)


def test_the_sums_stand_at_the_head() -> None:
    """Tracks, money, doubts and failures, before anything else."""
    page = Parsed(page_of())
    assert page.texts["h1"] == page.texts["title"] == ["Songs of the sea"]
    assert page.texts["dt"] == ["Tracks", "Spent", "In doubt", "Failed"]
    assert page.texts["dd"] == ["6 of 9, 2:07 of music", "$0.189 378,000 credits", "1 $0.0315 at most", "1"]
    lost = Parsed(page_of(totals=evolve(TOTALS, failed=1_000, lost=2)))
    assert lost.texts["dd"][3] == "1,000 2 of them paid"
    unstated = Parsed(page_of(totals=evolve(TOTALS, usd_spent=None, usd_in_doubt=None, in_doubt=0)))
    assert unstated.texts["dd"][1:3] == ["not stated 378,000 credits", "0"]


def test_a_track_says_what_it_is_and_can_be_heard() -> None:
    """Label, seconds, price, player, lyrics, files and id."""
    page = Parsed(
        page_of(evolve(DONE, flags=("cut short",)), draw=lambda file: (0, 50, 100) if file == "tide.wav" else ())
    )
    (player,) = page.all("audio")
    assert player == {"controls": "", "preload": "none", "src": "tide.wav", "aria-label": "Tide"}
    assert [link["href"] for link in page.all("a")] == ["tide.wav", "tide.json"]
    assert page.texts["svg"] == [""]
    assert page.all("path") == [{"d": "M1 49v2M3 25v50M5 0v100"}]
    assert page.texts["summary"] == ["Lyrics"]
    assert page.texts["details"] == ["Lyrics##Side by side\nfriends##"]
    for said in ("Done", "1:00", "$0.0315", "cut short", "batch-1"):
        assert said in page.texts["article"][0]
    assert "63,000" not in page.texts["article"][0]
    assert "63,000 credits" in page_of(evolve(DONE, usd_spent=None))


def test_trouble_says_what_to_type_next() -> None:
    """The command can be copied as it stands, and breaks between its words alone."""
    page = Parsed(page_of(IN_DOUBT))
    assert page.texts["code"] == ['aiml-music batch --resume "a & b"']
    assert "The connection broke." in page.texts["article"][0]
    assert page.all("audio") == []


def test_what_browsers_cannot_play_is_a_link() -> None:
    """Samples without a header have no player, and no empty place for one."""
    page = Parsed(page_of(evolve(DONE, file="tide.pcm"), draw=lambda _file: (1,)))
    assert (page.all("audio"), page.all("svg")) == ([], [])
    assert page.all("a")[0]["href"] == "tide.pcm"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_text_acts(hostile: str) -> None:
    """Whatever a label, a file or a service says is shown, and changes nothing else."""
    shown = PageEntry(
        label=hostile,
        state=PageState.IN_DOUBT,
        file=f"{hostile}.mp3",
        receipt=hostile,
        lyrics=hostile,
        request_id=hostile,
        reason=hostile,
        next_step="a",
        flags=(hostile,),
    )
    tame = PageEntry(
        label="a",
        state=PageState.IN_DOUBT,
        file="a.mp3",
        receipt="a",
        lyrics="a",
        request_id="a",
        reason="a",
        next_step="a",
        flags=("a",),
    )
    page = page_of(shown, totals=evolve(TOTALS, title=hostile))
    assert skeleton(page) == skeleton(page_of(tame))
    assert Parsed(page).texts["h3"] == [hostile] == Parsed(page).texts["h1"]
    assert Parsed(page_of(evolve(tame, next_step=hostile))).texts["code"] == [hostile]


@settings(max_examples=50)
@given(text(characters(codec=None), max_size=40))
def test_any_text_is_shown(said: str) -> None:
    """Every character there is, half characters included, gives the same elements and fits into UTF-8."""
    entry = evolve(DONE, label=f"a{said}", lyrics=f"a{said}", request_id=f"a{said}", flags=(said,))
    page = page_of(entry)
    assert skeleton(page) == skeleton(page_of(evolve(DONE, flags=("",))))
    assert page.encode()


def test_hidden_characters_are_left_out() -> None:
    """Nothing steers, and no text reverses its neighbours; what letters need to join stays."""
    assert one_line("a\x00\x1b[31mb\u202ec\u2066d\udc80\ne") == "a[31mbcd e"
    assert one_line("क्\u200dष") == "क्\u200dष"
    assert prose("a\r\nb\rc\u2028d\te", 100) == "a\nb\nc\nd\te"
    assert prose("abcdef", 4) == "abc…"


def test_directions_are_isolated() -> None:
    """A label from right to left turns neither number nor price around."""
    page = Parsed(page_of(evolve(IN_DOUBT, label="עד הסוף")))
    assert page.texts["bdi"].count("עד הסוף") == 1
    assert "auto" in {attributes.get("dir") for _, attributes in page.elements if attributes.get("class") == "lyrics"}
    assert page.all("code") == [{"dir": "ltr"}]


@pytest.mark.parametrize("name", ["a b.mp3", 'a"<>&#?%.mp3', "javascript:1.mp3", "夜.mp3", "\udce9.mp3", "..mp3"])
def test_any_file_name_is_an_address_beside_the_page(tmp_path: Path, name: str) -> None:
    """The address leads to the file, and to nothing else."""
    (tmp_path / name).write_bytes(b"any")
    (player,) = Parsed(page_of(evolve(DONE, file=name))).all("audio")
    assert re.fullmatch(r"[\w.~%-]+", player["src"], re.ASCII)
    assert os.fsencode(tmp_path) + b"/" + unquote_to_bytes(player["src"]) == os.fsencode(tmp_path / name)
    assert (tmp_path / os.fsdecode(unquote_to_bytes(player["src"]))).exists()
    assert address("../../etc/passwd") == "..%2F..%2Fetc%2Fpasswd"


def test_the_page_needs_nothing_and_nobody() -> None:
    """No script, no address of the network, nothing loaded; a policy says so, and knows the style by its hash."""
    page = page_of(*ENTRIES, draw=lambda _file: (1, 2))
    parsed = Parsed(page)
    assert not {tag for tag, _ in parsed.elements} & {"script", "link", "img", "iframe", "object", "embed", "form"}
    assert not re.search(r"https?:|//[a-z]|url\(|@import", page)
    names = {name for _, attributes in parsed.elements for name in attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]
    (policy,) = [meta["content"] for meta in parsed.all("meta") if "http-equiv" in meta]
    digest = base64.b64encode(hashlib.sha256(parsed.texts["style"][0].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")


def test_the_page_can_be_walked_without_seeing_it() -> None:
    """Landmarks, one title, headings without gaps, and every name that is pointed at is there once."""
    page = Parsed(page_of(*ENTRIES, DONE))
    assert [len(page.all(tag)) for tag in ("header", "main", "footer", "h1")] == [1, 1, 1, 1]
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(later - level <= 1 for level, later in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes} <= {
        *ids
    }
    assert page.all("html") == [{"lang": "en"}]
    assert "Untitled" in page_of(evolve(DONE, label="\x00 "))


def luminance(colour: str) -> float:
    """Return how light a colour is, as accessibility guidelines reckon."""
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read(scheme: int) -> None:
    """By day and by night, every colour of text has a contrast of 4.5 at least against every ground."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", blocks[scheme]))
    for ground in ("paper", "tint"):
        for ink in ("ink", "soft", "accent"):
            light, dark = sorted((luminance(colours[ground]), luminance(colours[ink])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ground, ink)


def test_hundreds_of_tracks_take_the_memory_of_one() -> None:
    """Each entry is on the page before the next is asked for."""
    asked = 0

    def entries(_states: object) -> Iterator[PageEntry]:
        nonlocal asked
        for number in range(500):
            asked += 1
            yield evolve(DONE, label=f"Tide {number}", file=f"tide-{number}.mp3")

    pieces = page_html(TOTALS, entries, lambda _file: (50,) * 120)
    assert len(list(islice(pieces, 2))) == 2
    # Four sections had none of them, and were left out; the fifth has begun.
    assert asked == 2001
    rest = list(pieces)
    assert max(map(len, rest)) < 4000
    assert len(rest) == 500 + 2


@pytest.mark.parametrize(
    ("usd", "said"),
    [("0", "$0.00"), ("3", "$3.00"), ("0.0315", "$0.0315"), ("1234.5", "$1,234.50"), ("0.00001", "$0.00")],
)
def test_dollars_have_two_digits_at_least(usd: str, said: str) -> None:
    """A track costs three cents: hundredths of them are worth showing."""
    assert dollars(Decimal(usd)) == said


def test_a_length_is_minutes_and_seconds() -> None:
    """As players show it."""
    assert [length(seconds) for seconds in (0.4, 59.6, 3599.6)] == ["0:00", "1:00", "1:00:00"]
