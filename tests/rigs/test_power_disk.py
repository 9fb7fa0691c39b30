"""The model disk: what was synced stays, and of the rest anything may be there, piece by piece."""

import random
from collections.abc import Callable, Iterable, Sequence

import pytest

from tests.rigs.power_disk import SECTOR, Disk, few, many
from tests.rigs.power_trace import ROOT, Change, Grow, Names, Recording, Resize, Sent, Step, Sync, Write

FILE = 1
MADE = Names(ROOT, (("a", FILE),))
RENAMED = Names(ROOT, (("a", None), ("b", FILE)))


def after(*steps: Step) -> Disk:
    """Return a disk on which all of this was done."""
    disk = Disk(Recording(steps, {ROOT: {}}, frozenset({ROOT})))
    for _ in disk.moments():
        """To the end."""
    return disk


def held(*steps: Step, kept: tuple[Change, ...] = ()) -> dict[str, bytes | None]:
    return dict(after(*steps).image(kept).content)


def test_nothing_is_there_that_was_not_synced() -> None:
    """Neither a name nor bytes; each is synced for itself."""
    done = MADE, Write(FILE, 0, b"new")
    assert held(*done) == {}
    assert held(*done, Sync(ROOT, 2)) == {"a": b""}
    assert held(*done, Sync(FILE, 2)) == {}
    assert held(*done, Sync(ROOT, 2), Sync(FILE, 2)) == {"a": b"new"}


def test_what_is_kept_is_there_in_its_order() -> None:
    """What was done last counts, and what came between may be lost."""
    first, cut, last = Write(FILE, 0, b"abcdef"), Resize(FILE, 2), Write(FILE, 4, b"z")
    done = MADE, Sync(ROOT, 1), first, cut, last
    assert held(*done, kept=(first, cut, last)) == {"a": b"ab\0\0z"}
    assert held(*done, kept=(first, last)) == {"a": b"abcdzf"}
    assert held(*done, kept=(last,)) == {"a": b"\0\0\0\0z"}
    assert held(*done, kept=(Grow(FILE, 3),)) == {"a": b"\0\0\0"}


def test_a_file_that_is_renamed_has_the_one_name_or_the_other() -> None:
    """Its bytes are another matter."""
    done = MADE, Write(FILE, 0, b"x"), Sync(FILE, 2), Sync(ROOT, 2), RENAMED
    assert held(*done) == {"a": b"x"}
    assert held(*done, kept=(RENAMED,)) == {"b": b"x"}


def test_what_came_while_the_disk_was_asked_may_be_lost() -> None:
    """A sync is about what was done before it began."""
    done = MADE, Sync(ROOT, 1), Write(FILE, 0, b"early"), Write(FILE, 5, b"late")
    assert held(*done, Sync(FILE, 2)) == {"a": b"early"}


@pytest.mark.parametrize("choices", [few, many])
def test_a_write_is_torn_between_sectors(choices: Callable[..., Iterable[Sequence[Change]]]) -> None:
    """Not within one; and its length may be there without it."""
    size = 2 * SECTOR
    done = MADE, Sync(ROOT, 1), Write(FILE, 0, b"x" * size)
    disk = after(*done)
    found = {disk.image(kept).content["a"] for kept in choices(disk.pending, random.Random(1))}
    half = b"x" * SECTOR
    assert {b"", half + half, bytes(size), half, bytes(SECTOR) + half} == found


def test_a_request_counts_from_its_first_byte() -> None:
    """Whether it is charged is not for the disk to say."""
    assert after(Sent("id")).sent == {"id"}
