"""One thread at a time, and nothing after the end."""

import threading

import pytest

from aiml_music._io.reading import Guard


def test_what_is_kept_is_let_go_of_at_the_end() -> None:
    """The last thing opened is the first to be closed."""
    closed: list[str] = []
    guard = Guard()
    for name in ("first", "second"):
        with guard.held() as kept:
            kept.callback(closed.append, name)
    assert closed == []
    guard.close()
    guard.close()
    assert closed == ["second", "first"]


def test_a_closed_guard_lets_nobody_in() -> None:
    """A thread that comes too late opens nothing that nobody would close."""
    guard = Guard()
    guard.close()
    with pytest.raises(ValueError, match="closed already"), guard.held():
        pytest.fail("the door was open")


def test_closing_waits_for_a_step_under_way() -> None:
    """What a thread opens while somebody else closes is closed too."""
    closed: list[str] = []
    guard = Guard()
    closing = threading.Thread(target=guard.close)
    with guard.held() as kept:
        closing.start()
        # Without a lock it would be over by now.
        closing.join(0.05)
        kept.callback(closed.append, "opened late")
    closing.join(10)
    assert closed == ["opened late"]
