"""Put the page of a batch into its folder: whole, or as it was before."""

from collections.abc import Iterator
from pathlib import Path

from aiml_music._io.publishing import storage_error
from aiml_music._io.sinks import FileSink
from aiml_music._sansio.errors import Circumstances
from aiml_music._sansio.outcome import Money, Outcome, Phase
from aiml_music.batch.page.entries import PageTotals
from aiml_music.batch.page.html import GENERATOR, Draw, Entries, page_html
from aiml_music.batch.page.waveform import peaks_of
from aiml_music.batch.tokens import fresh

NAME = "index.html"

_HEAD_BYTES = 1024
_AFTER_MONEY: Circumstances = {"outcome": Outcome.COMPLETED, "money": Money.UNKNOWN, "phase": Phase.STORE}


def write_page(folder: Path, totals: PageTotals, entries: Entries, *, draw: Draw | None = None) -> Path:
    """Write `index.html` beside the tracks, in the place of an earlier one of ours.

    It reads the tracks to draw them, and is meant for a worker thread.

    Args:
        folder: where the tracks are.
        totals: the sums at the head.
        entries: called once for each section of the page with the states that it shows.
        draw: returns the loudness of a track by its name; None decodes it, where a decoder is installed.

    Raises:
        OutputExistsError: there is an `index.html` of somebody else.
        StorageError: it could not be written; the tracks are unharmed.
    """
    target = folder / NAME
    sink = FileSink.reserve(
        target,
        expected_bytes=0,
        token=fresh(),
        overwrite=_is_ours(target),
        private=True,
        circumstances=_AFTER_MONEY,
    )
    try:
        _fill(sink, page_html(totals, entries, draw or (lambda name: peaks_of(folder / name))))
        return sink.publish()
    finally:
        sink.discard()


def _fill(sink: FileSink, pieces: Iterator[str]) -> None:
    try:
        for piece in pieces:
            sink.write(piece.encode())
    except OSError as exc:
        # Of the page's own disk, or of what it is put together from.
        raise storage_error(sink.target, exc, **_AFTER_MONEY) from exc


def _is_ours(target: Path) -> bool:
    try:
        with target.open("rb") as file:
            return GENERATOR.encode() in file.read(_HEAD_BYTES)
    except OSError:
        return False
