"""When a batch stops by itself."""

import pytest

from aiml_music._sansio.batch.brake import Brake, Pause
from aiml_music._sansio.errors import (
    AuthenticationError,
    ContentRefusedError,
    CreditsError,
    InDoubtError,
    InputError,
    LedgerError,
    MusicError,
    NotFoundError,
    NotSentError,
    OutputExistsError,
    PayloadError,
    PermissionDeniedError,
    RateLimitError,
    StorageError,
)
from aiml_music._sansio.outcome import Money, Outcome

KEY, CREDITS, GONE, FORBIDDEN = (
    kind("no", outcome=Outcome.REJECTED)
    for kind in (AuthenticationError, CreditsError, NotFoundError, PermissionDeniedError)
)
FILTERED = ContentRefusedError("no", outcome=Outcome.REJECTED)
BUSY = RateLimitError("later", outcome=Outcome.REJECTED)
UNSENT = NotSentError("no network")
DOUBT = InDoubtError("cut", outcome=Outcome.UNKNOWN, money=Money.UNKNOWN)
DAMAGED = PayloadError("cut", outcome=Outcome.DAMAGED, money=Money.YES)
UNPAID_DOUBT = InDoubtError("cut", outcome=Outcome.UNKNOWN, money=Money.NO)
TRACK = None


def pause(*ends: MusicError | None) -> Pause | None:
    brake = Brake()
    for end in ends:
        brake = brake.after(end)
    return brake.pause


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([], None),
        ([TRACK] * 50, None),
        ([KEY, CREDITS], None),
        ([KEY, CREDITS, GONE], Pause.LOCKED_OUT),
        ([FORBIDDEN] * 3, Pause.LOCKED_OUT),
        ([KEY, KEY, TRACK, KEY, KEY], None),
        ([KEY, KEY, FILTERED, KEY, KEY], None),
        ([KEY, KEY, UNSENT, KEY], Pause.LOCKED_OUT),
        ([DOUBT, DAMAGED], None),
        ([DOUBT, DAMAGED, UNPAID_DOUBT], Pause.LOSSES),
        ([DOUBT, DOUBT, *[TRACK] * 7, DOUBT], Pause.LOSSES),
        ([DOUBT, DOUBT, *[TRACK] * 8, DOUBT], None),
        ([DOUBT, DOUBT, *[BUSY, FILTERED, UNSENT] * 8, DOUBT], Pause.LOSSES),
        ([UNSENT] * 9, None),
        ([UNSENT] * 10, Pause.UNREACHED),
        ([*[UNSENT] * 9, BUSY, *[UNSENT] * 9], None),
        ([LedgerError("full")], Pause.LEDGER),
        ([StorageError("full")], Pause.DISK),
        ([StorageError("full", outcome=Outcome.COMPLETED, money=Money.YES)], Pause.DISK),
        ([OutputExistsError("taken")], None),
        ([InputError("too short")] * 5, None),
    ],
)
def test_a_batch_stops_where_going_on_would_only_cost(ends: list[MusicError | None], expected: Pause | None) -> None:
    """The doctrine's numbers: three refusals of every call in a row, three losses among ten calls, any disk trouble."""
    assert pause(*ends) is expected


def test_a_pause_stays() -> None:
    """Calls that land afterwards do not release the brake, and do not change what is said of it."""
    assert pause(KEY, KEY, KEY, TRACK, TRACK) is Pause.LOCKED_OUT
    assert pause(StorageError("full"), LedgerError("full")) is Pause.DISK
