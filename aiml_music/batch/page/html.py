"""Say a batch in HTML: one page that needs neither network nor script, and believes no text it shows.

It is yielded in pieces, so that hundreds of tracks take the memory of one.
"""

import base64
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC
from decimal import Decimal
from html import escape
from importlib.resources import files
from pathlib import PurePath
from urllib.parse import quote

from attrs import frozen

from aiml_music.batch.page.entries import PageEntry, PageState, PageTotals

GENERATOR = '<meta name="generator" content="aiml_music">'

Entries = Callable[[frozenset[PageState]], Iterable[PageEntry]]
Draw = Callable[[str], Sequence[int]]

_LABEL_CHARS = 300
_REASON_CHARS = 1000
_LYRICS_CHARS = 20_000
_PLAYABLE = frozenset({".mp3", ".wav"})
# What has no shape, is no text, or would reverse what stands behind it.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_WORD = re.compile(r"\S+")
_LINE_END = re.compile("\r\n?|\u2028|\u2029")


@frozen(kw_only=True)
class _Section:
    name: str
    heading: str
    explanation: str
    states: frozenset[PageState]


# In this order down the page: first what needs a person.
_SECTIONS = (
    _Section(
        name="doubt",
        heading="In doubt",
        explanation="These may have been paid for, and gave no track. None of them was sent again.",
        states=frozenset({PageState.IN_DOUBT}),
    ),
    _Section(
        name="lost",
        heading="Paid, no track",
        explanation="These were charged, and their tracks cannot be fetched again. To make one anew is to pay again.",
        states=frozenset({PageState.PAID_LOST}),
    ),
    _Section(
        name="failed",
        heading="Failed",
        explanation="These gave no track, and are not tried again by themselves.",
        states=frozenset({PageState.REJECTED, PageState.POISONED}),
    ),
    _Section(
        name="accepted",
        heading="Being made",
        explanation="These are paid for. Run the batch again to collect their tracks, which costs nothing.",
        states=frozenset({PageState.ACCEPTED}),
    ),
    _Section(name="tracks", heading="Tracks", explanation="", states=frozenset({PageState.DONE})),
    _Section(
        name="waiting",
        heading="Not made yet",
        explanation="",
        states=frozenset({PageState.ATTEMPTING, PageState.PLANNED, PageState.CANCELLED}),
    ),
)
_BADGES = {
    PageState.DONE: "Done",
    PageState.IN_DOUBT: "In doubt",
    PageState.PAID_LOST: "Paid, no track",
    PageState.ACCEPTED: "Accepted",
    PageState.REJECTED: "Refused",
    PageState.POISONED: "Set aside",
    PageState.ATTEMPTING: "Under way",
    PageState.PLANNED: "Waiting",
    PageState.CANCELLED: "Cancelled",
}


def page_html(totals: PageTotals, entries: Entries, draw: Draw = lambda _file: ()) -> Iterator[str]:
    """Yield the page, piece by piece.

    Args:
        totals: the sums at the head.
        entries: called once for each section of the page with the states that it shows, so that none has to be kept; it
            may give others as well.
        draw: returns the loudness of a track by its name, 0 to 100 along its way; nothing is no picture.
    """
    yield _head(totals)
    for section in _SECTIONS:
        yield from _section(section, entries(section.states), draw)
    written = totals.written.astimezone(UTC)
    yield (
        "</main>\n<footer><p>Written by aiml_music on "
        f'<time datetime="{written:%Y-%m-%dT%H:%M:%SZ}">{written:%Y-%m-%d, %H:%M} UTC</time>. '
        "The ledger beside this page has the last word.</p></footer>\n</body>\n</html>\n"
    )


def _head(totals: PageTotals) -> str:
    style = files("aiml_music.batch.page").joinpath("style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )
    title = one_line(totals.title)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{GENERATOR}
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<p class="kind">Batch</p>
<h1>{_isolated(title)}</h1>
<dl>
{"".join(_sum(*row) for row in _sums(totals))}</dl>
</header>
<main>
"""


def _sums(totals: PageTotals) -> Iterator[tuple[str, str, str]]:
    yield "Tracks", f"{totals.tracks:,}", f"of {totals.jobs:,}, {length(totals.seconds)} of music"
    usd = "not stated" if totals.usd_spent is None else dollars(totals.usd_spent)
    yield "Spent", usd, f"{totals.credits_used:,} credits"
    at_most = "" if not totals.usd_in_doubt else f"{dollars(totals.usd_in_doubt)} at most"
    yield "In doubt", f"{totals.in_doubt:,}", at_most
    yield "Failed", f"{totals.failed:,}", f"{totals.lost:,} of them paid" if totals.lost else ""


def _sum(name: str, value: str, more: str) -> str:
    beside = f" <small>{more}</small>" if more else ""
    return f"<div><dt>{name}</dt><dd>{value}{beside}</dd></div>\n"


def _section(section: _Section, entries: Iterable[PageEntry], draw: Draw) -> Iterator[str]:
    number = 0
    for entry in entries:
        if entry.state in section.states:
            number += 1
            if number == 1:
                yield _opening(section)
            yield _card(entry, f"{section.name}-{number}", number, draw)
    if number:
        yield "</ol>\n</section>\n"


def _opening(section: _Section) -> str:
    name = section.name
    explanation = f"<p>{section.explanation}</p>\n" if section.explanation else ""
    heading = f'<h2 id="{name}">{section.heading}</h2>'
    return f'<section class="{name}" aria-labelledby="{name}">\n{heading}\n{explanation}<ol>\n'


def _card(entry: PageEntry, anchor: str, number: int, draw: Draw) -> str:
    label = one_line(entry.label) or "Untitled"
    parts = [
        f'<div class="about">\n<h3 id="{anchor}">{_isolated(label)}</h3>',
        f'<p class="facts">{_facts(entry)}</p>\n</div>\n<div class="body">',
        *_trouble(entry),
        *_sound(entry, label, draw),
        *(f'<p class="flag">{_isolated(one_line(flag))}</p>' for flag in entry.flags),
        *_small_print(entry),
    ]
    inside = "\n".join(parts)
    return (
        f'<li><article aria-labelledby="{anchor}">\n<span class="number" aria-hidden="true">{number}</span>\n'
        f"{inside}\n</div>\n</article></li>\n"
    )


def _facts(entry: PageEntry) -> str:
    facts = [f'<span class="badge {entry.state}">{_BADGES[entry.state]}</span>']
    if entry.seconds is not None:
        facts.append(f"<span>{length(entry.seconds)}</span>")
    if entry.usd_spent is not None:
        facts.append(f"<span>{dollars(entry.usd_spent)}</span>")
    elif entry.credits_used is not None:
        facts.append(f"<span>{entry.credits_used:,} credits</span>")
    return " ".join(facts)


def _trouble(entry: PageEntry) -> Iterator[str]:
    if entry.reason:
        yield f'<p dir="auto">{prose(entry.reason, _REASON_CHARS)}</p>'
    if entry.next_step:
        # Broken between its words alone: an option cut behind its dashes is read as another one.
        command = _WORD.sub(r"<span>\g<0></span>", prose(entry.next_step, _REASON_CHARS))
        yield f'<p class="next">Type next: <code dir="ltr">{command}</code></p>'


def _sound(entry: PageEntry, label: str, draw: Draw) -> Iterator[str]:
    if entry.file is None or PurePath(entry.file).suffix.lower() not in _PLAYABLE:
        return
    yield from _picture(draw(entry.file))
    yield f'<audio controls preload="none" src="{address(entry.file)}" aria-label="{label}"></audio>'


def _picture(peaks: Sequence[int]) -> Iterator[str]:
    if peaks:
        # A hundred high, each bar around the middle; silence is a thin line.
        halves = [max(peak // 2, 1) for peak in peaks]
        lines = "".join(f"M{2 * index + 1} {50 - half}v{2 * half}" for index, half in enumerate(halves))
        yield (
            f'<svg viewBox="0 0 {2 * len(peaks)} 100" preserveAspectRatio="none" aria-hidden="true">'
            f'<path d="{lines}"/></svg>'
        )


def _small_print(entry: PageEntry) -> Iterator[str]:
    if entry.lyrics:
        words = prose(entry.lyrics, _LYRICS_CHARS)
        yield f'<details><summary>Lyrics</summary><div class="lyrics" dir="auto">{words}</div></details>'
    links = [
        f'<a href="{address(name)}">{_isolated(one_line(name))}</a>' for name in (entry.file, entry.receipt) if name
    ]
    if entry.request_id:
        links.append(f"<span>request {_isolated(one_line(entry.request_id))}</span>")
    if links:
        yield f'<p class="small">{" ".join(links)}</p>'


def one_line(text: str) -> str:
    """Return somebody's text for one line of HTML, without what could act."""
    return " ".join(prose(text, _LABEL_CHARS).split())


def prose(text: str, max_chars: int) -> str:
    """Return somebody's text for HTML: its lines kept, cut where it has no end, without what could act."""
    lines = _HIDDEN.sub("", _LINE_END.sub("\n", text[: 4 * max_chars]))
    return escape(lines if len(lines) <= max_chars else lines[: max_chars - 1] + "…")


def _isolated(shown: str) -> str:
    """Return shown text that turns nothing around it, from right to left or back."""
    return f"<bdi>{shown}</bdi>"


def address(name: str) -> str:
    """Return a file's name as an address beside the page, whatever characters it has."""
    return quote(os.fsencode(name), safe="")


def dollars(usd: Decimal) -> str:
    """Return US dollars to a hundredth of a cent, with two digits at least."""
    whole, _, cents = f"{usd:,.4f}".partition(".")
    return f"${whole}.{cents.rstrip('0'):0<2}"


def length(seconds: float) -> str:
    """Return how long something plays, in minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
