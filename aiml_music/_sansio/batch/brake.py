"""When a batch stops sending by itself: what failed would fail again, or money goes and no tracks come.

A circuit breaker needs a hundred calls to judge by, and calls of a minute do not give them; this counts a handful.
"""

from enum import StrEnum

from attrs import evolve, frozen

from aiml_music._sansio.errors import (
    AuthenticationError,
    CreditsError,
    LedgerError,
    MusicError,
    NotFoundError,
    OutputExistsError,
    PermissionDeniedError,
    StorageError,
)
from aiml_music._sansio.outcome import Money, Outcome

_MOST_LOCKED_OUT = 3
_MOST_LOST, _LOOKED_AT = 3, 10
_MOST_UNREACHED = 10
_LOCKED_OUT = (AuthenticationError, CreditsError, NotFoundError, PermissionDeniedError)
_LOST = frozenset({Outcome.UNKNOWN, Outcome.DAMAGED})


class Pause(StrEnum):
    """Why a batch sends nothing new."""

    LOCKED_OUT = "the service refuses every call: the key, the credits or the address is wrong"
    LOSSES = "too many of the last calls may have been charged and gave no track"
    UNREACHED = "no call reaches the service"
    LEDGER = "the ledger cannot be written"
    DISK = "the disk cannot be written"


@frozen(kw_only=True)
class Brake:
    """What the last calls of a batch say about the next one.

    Attributes:
        locked_out: how many calls in a row were refused for what no job can help.
        unreached: how many calls in a row did not arrive.
        lost: of the last calls that may have been charged, which gave no track.
        pause: why nothing new is sent; it stays. None is go on.
    """

    locked_out: int = 0
    unreached: int = 0
    lost: tuple[bool, ...] = ()
    pause: Pause | None = None

    def after(self, error: MusicError | None) -> "Brake":
        """Return the brake after a job's call has ended, its repeats included.

        Args:
            error: how it ended; None is with a track.
        """
        unreached = error is not None and error.outcome is Outcome.NOT_SENT
        # A call that never arrived says nothing about the key.
        locked_out = self.locked_out if unreached else (self.locked_out + 1) * isinstance(error, _LOCKED_OUT)
        counted = evolve(
            self,
            locked_out=locked_out,
            unreached=(self.unreached + 1) * unreached,
            lost=(*self.lost, *_losses(error))[-_LOOKED_AT:],
        )
        return counted if self.pause else evolve(counted, pause=_why(counted, error))


def _why(brake: Brake, error: MusicError | None) -> Pause | None:
    if isinstance(error, LedgerError):
        return Pause.LEDGER
    # A name that is taken is the trouble of one job.
    if isinstance(error, StorageError) and not isinstance(error, OutputExistsError):
        return Pause.DISK
    if brake.locked_out >= _MOST_LOCKED_OUT:
        return Pause.LOCKED_OUT
    if sum(brake.lost) >= _MOST_LOST:
        return Pause.LOSSES
    return Pause.UNREACHED if brake.unreached >= _MOST_UNREACHED else None


def _losses(error: MusicError | None) -> list[bool]:
    """Return whether a call was lost; nothing about one that was certainly not charged."""
    if error is not None and error.money is Money.NO and error.outcome not in _LOST:
        return []
    return [error is not None and error.outcome in _LOST]
