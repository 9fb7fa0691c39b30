"""How much is done in one turn of an event loop, and how many are called into the next."""

from aiml_music._sansio.turns import SLICE_SECONDS, SLICE_STEPS, Slice


def begun(now: float = 0.0) -> Slice:
    made = Slice()
    made.begin(now)
    return made


def test_before_the_first_turn_there_is_no_room() -> None:
    """Nobody knows how long the loop has been at work already."""
    assert not Slice().grants(0.0)


def test_a_turn_has_room_for_a_millisecond() -> None:
    """Counted from its beginning, whoever takes the steps."""
    turn = begun(10.0)
    assert turn.grants(10.0)
    assert turn.grants(10.0 + SLICE_SECONDS * 0.99, called=True)
    assert not turn.grants(10.0 + SLICE_SECONDS)
    turn.begin(20.0)
    assert turn.grants(20.0)


def test_a_turn_has_room_for_so_many_steps() -> None:
    """However fast the steps are, or coarse the clock, others get a turn after eight of them."""
    turn = begun()
    assert [turn.grants(0.0) for _ in range(SLICE_STEPS + 1)] == [True] * SLICE_STEPS + [False]


def test_one_more_is_called_than_found_room() -> None:
    """Steps that others took, and those who were called in vain, do not count."""
    turn = begun()
    assert turn.to_call(100) == 1
    turn.grants(0.0)
    assert turn.to_call(100) == 1
    for _ in range(3):
        turn.grants(0.0, called=True)
    turn.grants(SLICE_SECONDS, called=True)
    assert turn.to_call(100) == 4
    assert turn.to_call(2) == 2
    turn.begin(1.0)
    assert turn.to_call(100) == 1


def test_no_more_are_called_than_there_can_be_steps() -> None:
    """The others would be called in vain."""
    turn = begun()
    for _ in range(SLICE_STEPS):
        turn.grants(0.0, called=True)
    assert turn.to_call(100) == SLICE_STEPS
