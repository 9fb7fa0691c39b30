"""Let marks that wait for the disk at the same time wait for it once.

A mark costs a few syncs, whatever is in it. Where twenty calls make marks at the same moment, one of their threads
writes all of them down in one transaction, and the others find theirs done.
"""

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

from attrs import define, field

from aiml_music.batch.ledger import Ledger

T = TypeVar("T")
_Work = Callable[[Ledger], Any]


@define(eq=False)
class _Asked:
    """A mark that is to be made.

    Attributes:
        result: what it came to; None while it is not in the ledger.
    """

    work: _Work
    result: Callable[[], Any] | None = None

    def tried(self, ledger: Ledger) -> Callable[[], Any]:
        """Make it, and return what gives its value, or raises its error."""
        try:
            value = self.work(ledger)
        except Exception as exc:  # noqa: BLE001 - raised by whoever asked
            return _Failed(exc)
        return lambda: value


@define(eq=False)
class _Failed:
    error: Exception

    def __call__(self) -> Any:
        raise self.error


@define(eq=False)
class MarksTogether:
    """Makes marks for threads that each wait for their own."""

    _ledger: Ledger
    _waiting: deque[_Asked] = field(factory=deque, init=False)
    _turn: Lock = field(factory=Lock, init=False)

    def make(self, work: Callable[[Ledger], T]) -> T:
        """Do work that makes a mark, and return when it is durable; it may be taken back, and done anew.

        Raises:
            LedgerError: it could not be written.
        """
        asked = _Asked(work)
        self._waiting.append(asked)
        with self._turn:
            if asked.result is None:
                self._make_all()
        assert asked.result is not None
        value: T = asked.result()
        return value

    def _make_all(self) -> None:
        group = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if len(group) > 1 and self._made_together(group):
            return
        for asked in group:
            asked.result = asked.tried(self._ledger)

    def _made_together(self, group: list[_Asked]) -> bool:
        """Make marks in one transaction; where that fails none of them is there, and each is to be made alone."""
        try:
            with self._ledger.together():
                results = [asked.tried(self._ledger) for asked in group]
        except Exception:  # noqa: BLE001 - each meets it again, alone
            return False
        for asked, result in zip(group, results, strict=True):
            asked.result = result
        return True
