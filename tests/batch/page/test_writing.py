"""The page in its folder: whole or as before, and nobody else's page is touched."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiml_music._sansio.errors import OutputExistsError, StorageError
from aiml_music.batch.page.entries import PageEntry
from aiml_music.batch.page.writing import write_page
from tests._io.system import limited, posix
from tests.batch.page.pages import DONE, ENTRIES, PLANNED, TOTALS, Parsed, page_of, write_wav


def test_a_page_is_written_and_written_again(tmp_path: Path) -> None:
    """With pictures where there are tracks; an earlier page of ours makes room."""
    write_wav(tmp_path / "tide.wav", [0, 9000] * 4000)
    target = write_page(tmp_path, TOTALS, lambda _states: ENTRIES)
    assert target == tmp_path / "index.html"
    assert len(Parsed(target.read_text(encoding="utf-8")).all("svg")) == 1
    write_page(tmp_path, TOTALS, lambda _states: [PLANNED], draw=lambda _file: ())
    assert target.read_text(encoding="utf-8") == page_of(PLANNED)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "tide.wav"]


def test_a_page_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    """Whoever makes tracks in the folder of a web site keeps the site."""
    (tmp_path / "index.html").write_text("<h1>Mine</h1>")
    with pytest.raises(OutputExistsError):
        write_page(tmp_path, TOTALS, lambda _states: [])
    assert (tmp_path / "index.html").read_text() == "<h1>Mine</h1>"


def test_a_page_that_breaks_off_leaves_the_one_before(tmp_path: Path) -> None:
    """No half a page is ever under the name."""

    def broken(_states: object) -> Iterator[PageEntry]:
        yield DONE
        raise RuntimeError

    write_page(tmp_path, TOTALS, lambda _states: [PLANNED])
    with pytest.raises(RuntimeError):
        write_page(tmp_path, TOTALS, broken)
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == page_of(PLANNED)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


@posix
def test_a_disk_without_room_is_told_of(tmp_path: Path) -> None:
    """It is an error of this library, and the page is as before."""
    write_page(tmp_path, TOTALS, lambda _states: [PLANNED])
    with limited("RLIMIT_FSIZE", 2000), pytest.raises(StorageError) as caught:
        write_page(tmp_path, TOTALS, lambda _states: [DONE])
    assert caught.value.errno == errno.EFBIG
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == page_of(PLANNED)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


@posix
def test_a_page_that_cannot_be_put_together_is_told_of(tmp_path: Path) -> None:
    """Its style is a file as well, and a process may have too many of them open."""
    with (tmp_path / "free").open("w") as free:
        number = free.fileno()
    (tmp_path / "free").unlink()
    with limited("RLIMIT_NOFILE", number + 1), pytest.raises(StorageError) as caught:
        write_page(tmp_path, TOTALS, lambda _states: [DONE])
    assert caught.value.errno == errno.EMFILE
    assert list(tmp_path.iterdir()) == []
