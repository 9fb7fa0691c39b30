"""Slices of an event loop's turns, and places for those who are served."""

from aiml_music._sansio.turns import IDLE_SECONDS, PATIENCE_SECONDS, SLICE_SECONDS, SLICE_STEPS, Places, Slice


def test_a_slice_is_granted_until_it_is_used_up() -> None:
    """Within one turn work goes on for a millisecond, counted from its first step."""
    slice_ = Slice()
    assert not slice_.grants(10.0)
    assert slice_.grants(10.0, slept_in=0)
    assert slice_.grants(10.0 + SLICE_SECONDS / 2)
    assert not slice_.grants(10.0 + SLICE_SECONDS * 1.01)


def test_the_first_to_come_back_begins_a_new_turn() -> None:
    """Who gave way in the same turn shares the new one with the first, and no more than that."""
    slice_ = Slice()
    assert slice_.grants(0.0, slept_in=0)
    spent = SLICE_SECONDS * 2
    assert not slice_.grants(spent)
    assert slice_.grants(spent, slept_in=1)
    assert slice_.grants(spent + SLICE_SECONDS / 2, slept_in=1)
    assert not slice_.grants(spent * 2, slept_in=1)


def test_a_slice_has_so_many_steps_at_most() -> None:
    """However fast the steps are, or coarse the clock, others get a turn after sixteen of them."""
    slice_ = Slice()
    assert slice_.grants(0.0, slept_in=0)
    assert [slice_.grants(0.0) for _ in range(SLICE_STEPS)] == [True] * (SLICE_STEPS - 1) + [False]
    assert slice_.grants(0.0, slept_in=1)


def test_whoever_comes_later_waits_in_order() -> None:
    """Places are given in the order in which they were asked for."""
    places = Places(most=2)
    assert [places.enter(who, 0.0) for who in "abcd"] == [True, True, False, False]
    assert places.first == "c"
    assert list(places.admit(0.0)) == []
    places.leave("a")
    assert not places.enter("e", 0.0), "those who wait come first"
    assert list(places.admit(0.0)) == ["c"]
    assert places.holds("c")
    assert not places.holds("a")
    assert places.enter("b", 0.0)


def test_nobody_waits_by_default() -> None:
    """An empty queue has no first, and to leave it changes nothing."""
    places = Places()
    places.leave("stranger")
    places.pause("stranger", 0.0)
    assert places.first is None
    assert not places.holds("stranger")


def test_a_place_that_is_not_made_use_of_goes_to_others() -> None:
    """A body whose reader is slow holds nobody up; one that is at work keeps its place, however long it takes."""
    places = Places(most=2)
    for who in "abc":
        places.enter(who, 0.0)
    places.pause("b", 0.0)
    assert list(places.admit(IDLE_SECONDS / 2)) == []
    assert list(places.admit(IDLE_SECONDS)) == ["c"]
    assert places.holds("a")
    assert not places.holds("b")
    assert not places.enter("b", IDLE_SECONDS)


def test_nobody_waits_for_ever() -> None:
    """After two seconds those who wait are let in one by one, at the cost of who has been served longest."""
    places = Places(most=2)
    for who in "abcd":
        places.enter(who, 0.0)
    assert list(places.admit(PATIENCE_SECONDS)) == ["c"]
    assert not places.holds("a")
    assert list(places.admit(PATIENCE_SECONDS + 2 * IDLE_SECONDS)) == ["d"]
    assert not places.holds("b")
