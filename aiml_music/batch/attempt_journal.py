"""The journal of one attempt of a job: each mark is in the ledger before what it licenses is done."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiml_music._sansio.batch.budget import Budget
from aiml_music._sansio.batch.states import Mark
from aiml_music._sansio.errors import NotSentError
from aiml_music._sansio.models import Flag, Receipt
from aiml_music._sansio.ports import Clock
from aiml_music._sansio.wire import Tracing
from aiml_music.batch.ledger_thread import LedgerThread


class StoppedError(NotSentError):
    """The batch was stopped before this call had its turn."""


class AttemptJournal:
    """See `_sansio.journal.Journal`.

    Args:
        is_stopped: says whether nothing more is to be sent; asked when the first byte could leave.

    Attributes:
        latest: the last mark that is known to be in the ledger; None before the first.
    """

    latest: Mark | None = None

    def __init__(
        self,
        ledger: LedgerThread,
        clock: Clock,
        *,
        key: str,
        model: str,
        attempt: str,
        client_request_id: str,
        cost: int,
        budget: Budget,
        on_turn: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._budget = budget
        self._cost = cost
        self._model = model
        self._on_turn = on_turn
        self.key = key
        self.attempt = attempt
        self.client_request_id = client_request_id

    async def intent(self) -> None:
        """Reserve the cost of the attempt, and note that it will be made.

        Raises:
            BudgetExceededError: it could overrun the budget.
            LedgerError: it could not be written.
            StoppedError: it waited in the queue, and nothing more is to be sent.
        """
        self._on_turn()
        await self._ledger.mark(
            lambda ledger: ledger.begin(
                self.key,
                attempt=self.attempt,
                client_request_id=self.client_request_id,
                reserved=self._cost,
                budget=self._budget,
                now=self._clock.time(),
            )
        )
        self.latest = Mark.INTENT

    async def wire(self) -> None:
        """Note that the request may be on the wire."""
        await self.mark(Mark.WIRE)

    async def head(self, status: int, tracing: Tracing) -> None:
        """Note what an answer began with."""
        facts = {"status": status, "inference_id": tracing.inference_id, "usd_spent": _text(tracing.usd_spent)}
        await self.mark(Mark.HEAD, charged=tracing.credits_used, **facts)

    async def accepted(self, generation_id: str, receipt: Receipt) -> None:
        """Note the id that whoever has it can collect the track by, and what it cost."""
        await self.mark(
            Mark.ACCEPTED,
            charged=receipt.credits_used or None,
            generation_id=generation_id,
            model=self._model,
            inference_id=receipt.inference_id,
            trace_id=receipt.trace_id,
            usd_spent=_text(receipt.usd_spent) if receipt.usd_spent else None,
        )

    async def received(
        self, *, sha256: str, size_bytes: int, seconds: float | None, flags: tuple[Flag, ...], receipt: Receipt
    ) -> None:
        """Note that the track is whole, and what it cost."""
        await self.mark(
            Mark.RECEIVED,
            # Where a generation was accepted, a zero is a charge that is not stated yet.
            charged=receipt.credits_used if receipt.generation_id is None else receipt.credits_used or None,
            sha256=sha256,
            size_bytes=size_bytes,
            seconds=seconds,
            flags=list(map(str, flags)) or None,
            inference_id=receipt.inference_id,
            trace_id=receipt.trace_id,
            usd_spent=_text(receipt.usd_spent),
        )

    async def done(self, path: Path) -> None:
        """Note that the track has its name."""
        await self.mark(Mark.DONE, file=path.name)

    async def mark(self, mark: Mark, *, charged: int | None = None, **facts: Any) -> None:
        """Append a mark to the attempt.

        Raises:
            LedgerError: it could not be written, or cannot follow.
        """
        known = {name: fact for name, fact in facts.items() if fact is not None}
        await self._ledger.mark(
            lambda ledger: ledger.append(
                self.key, mark, now=self._clock.time(), attempt=self.attempt, charged=charged, facts=known
            )
        )
        self.latest = mark


class CollectingJournal(AttemptJournal):
    """The journal of an attempt that was accepted in an earlier run, and is collected now: nothing is paid.

    Attributes:
        generation_id: what it was accepted under.
    """

    def __init__(self, ledger: LedgerThread, clock: Clock, *, generation_id: str, **rest: Any) -> None:
        super().__init__(ledger, clock, **rest)
        self.generation_id: str = generation_id

    async def intent(self) -> None:
        """Take the turn; its attempt is on record, with its cost.

        Raises:
            StoppedError: it waited in the queue, and nothing more is to be begun.
        """
        self._on_turn()
        self.latest: Mark | None = Mark.ACCEPTED


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)
