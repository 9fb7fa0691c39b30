"""How slow is too slow: the least that must come of a body, and how long a piece of a request may take."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiml_music._sansio.pace import FLOOR_BYTES_PER_SECOND, SEND_PIECE_BYTES, Floor, seconds_to_send

WINDOW = 30.0
# 1 KiB/s for the whole window.
ENOUGH = 30 * 1024


def floor_after(*chunks: tuple[int, float], window: float | None = WINDOW) -> Floor:
    """Return a floor after chunks of so many bytes, each after so many seconds of waiting."""
    floor = Floor(window)
    for count, waited in chunks:
        floor.received(count, waited=waited)
    return floor


def test_the_floor_is_one_kibibyte_a_second() -> None:
    """A peer must bring 1024 bytes a second, and a piece of a request is what the floor allows in twenty seconds."""
    assert FLOOR_BYTES_PER_SECOND == 1024
    assert SEND_PIECE_BYTES == 20 * 1024


@pytest.mark.parametrize(
    ("idle", "seconds"), [(None, math.inf), (0.5, 0.5), (19.9, 19.9), (20.0, 20.0), (20.1, 20.0), (600.0, 20.0)]
)
def test_a_piece_of_a_request_has_twenty_seconds(idle: float | None, seconds: float) -> None:
    """A piece may take as long as silence may last, twenty seconds at most; without that limit, for ever."""
    assert seconds_to_send(idle) == seconds


@pytest.mark.parametrize(
    ("chunks", "patience"),
    [
        ([], 30.0),
        ([(0, 1.0)], 29.0),
        ([(1, 10.0), (1, 10.0)], 10.0),
        ([(ENOUGH - 1, 29.5)], 0.5),
        ([(ENOUGH - 1, 30.0)], 0.0),
        ([(ENOUGH - 1, 45.0)], 0.0),
        ([(ENOUGH, 0.0)], math.inf),
        ([(ENOUGH, 29.0)], math.inf),
        ([(ENOUGH // 2, 10.0), (ENOUGH // 2, 10.0)], math.inf),
    ],
    ids=[
        "at first",
        "a second gone",
        "two waits",
        "a byte too few, so far",
        "a byte too few",
        "a byte too few, long ago",
        "enough at once",
        "enough in time",
        "enough in two chunks",
    ],
)
def test_patience_is_what_is_left_of_the_window(chunks: list[tuple[int, float]], patience: float) -> None:
    """Until its window's bytes have come, a peer has the rest of the window; then nothing hurries it."""
    assert floor_after(*chunks).patience == patience


@pytest.mark.parametrize("waited", [30.0, 31.0, 90.0])
def test_each_window_starts_anew(waited: float) -> None:
    """Once a window is over that brought enough, the next one begins, whole and empty, whatever came too much."""
    floor = floor_after((100 * ENOUGH, waited))
    assert floor.patience == 30.0
    floor.received(ENOUGH - 1, waited=12.0)
    assert floor.patience == 18.0
    floor.received(1, waited=0.0)
    assert floor.patience == math.inf


def test_a_window_that_is_not_over_goes_on() -> None:
    """Bytes and seconds add up while a window lasts: what came early carries the peer to its end, and no further."""
    floor = floor_after((ENOUGH, 1.0), (1, 28.0))
    assert floor.patience == math.inf
    floor.received(1, waited=1.0)
    assert floor.patience == 30.0


def test_a_window_that_brought_too_little_is_not_forgiven() -> None:
    """A slow peer gets no new window when its own is over."""
    floor = floor_after((1, 40.0), (1, 0.0))
    assert floor.patience == 0.0


def test_the_window_sets_how_much_is_enough() -> None:
    """A window of two seconds needs two KiB, one of half a second half a KiB."""
    assert floor_after((2047, 1.0), window=2.0).patience == 1.0
    assert floor_after((2048, 1.0), window=2.0).patience == math.inf
    assert floor_after((511, 0.25), window=0.5).patience == 0.25
    assert floor_after((512, 0.25), window=0.5).patience == math.inf


def test_seconds_are_named_and_none_is_given_in_advance() -> None:
    """Nobody can mistake seconds for bytes, and a body starts with nothing waited and nothing received."""
    with pytest.raises(TypeError, match="takes 2 positional arguments"):
        Floor(WINDOW).received(1024, 1.0)  # type: ignore[call-arg]  # that is the point
    with pytest.raises(TypeError, match="takes 2 positional arguments"):
        Floor(WINDOW, 1.0)  # type: ignore[call-arg]  # as above


@given(chunks=st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1e6)), max_size=50))
def test_without_a_window_nothing_is_too_slow(chunks: list[tuple[int, float]]) -> None:
    """Who sets no limit for silence waits for any peer, for ever."""
    assert floor_after(*chunks, window=None).patience == math.inf


windows = st.floats(0.1, 120.0)


@given(window=windows, waits=st.lists(st.floats(0, 200), max_size=50))
def test_a_peer_above_the_floor_is_never_too_slow(window: float, waits: list[float]) -> None:
    """Whoever brings a KiB for every second waited is never hurried out, however the body is cut."""
    floor = Floor(window)
    for waited in waits:
        floor.received(math.ceil(1024 * waited), waited=waited)
        assert floor.patience > 0


@given(window=windows, counts=st.lists(st.integers(0, 10**6), max_size=50))
def test_a_slow_reader_on_this_side_does_no_harm(window: float, counts: list[int]) -> None:
    """Only waiting counts: a peer whose bytes are there at once loses none of its time."""
    floor = floor_after(*((count, 0.0) for count in counts), window=window)
    assert floor.patience >= window


@given(window=windows, before=st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1)), max_size=50))
def test_a_trickle_ends_within_three_windows(window: float, before: list[tuple[int, float]]) -> None:
    """Whatever a peer brought before, one that only trickles is found too slow after less than three windows more."""
    floor = floor_after(*((count, part * window) for count, part in before), window=window)
    gap, waited = 0.3 * window, 0.0
    while gap < floor.patience:
        floor.received(1, waited=gap)
        waited += gap
    assert waited < 3 * window
