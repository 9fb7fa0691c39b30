"""Let marks that wait for the disk at the same time wait for it once.

A mark costs a few syncs, whatever is in it. Where twenty calls make marks at the same moment, one of their threads
writes all of them down in one transaction, and the others find theirs done.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Any, TypeVar

from attrs import define, field

from aiml_music.batch.ledger import Ledger

T = TypeVar("T")


@define(eq=False)
class _Asked:
    """A mark that is to be made, and what it comes to."""

    work: Callable[[Ledger], Any]
    made: Future[Any] = field(factory=Future, init=False)

    def tried(self, ledger: Ledger) -> tuple[Any, Exception | None]:
        """Make it, and return its value, or its error."""
        try:
            return self.work(ledger), None
        except Exception as exc:  # noqa: BLE001 - raised where it is waited for
            return None, exc

    def settle(self, value: Any, error: Exception | None) -> None:
        """Let whoever waits for it have its value, or its error."""
        if error is None:
            self.made.set_result(value)
        else:
            self.made.set_exception(error)


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
            if not asked.made.done():
                self._make_all()
        made: T = asked.made.result()
        return made

    def _make_all(self) -> None:
        group = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if len(group) > 1 and self._made_together(group):
            return
        for asked in group:
            asked.settle(*asked.tried(self._ledger))

    def _made_together(self, group: list[_Asked]) -> bool:
        """Make marks in one transaction; where that fails none of them is there, and each is to be made alone."""
        try:
            with self._ledger.together():
                tries = [asked.tried(self._ledger) for asked in group]
        except Exception:  # noqa: BLE001 - each meets it again, alone
            return False
        for asked, (value, error) in zip(group, tries, strict=True):
            asked.settle(value, error)
        return True
