"""What the service writes down of each generation for its customer: the usage log, the charges, the balance.

Rows appear when `log_delay` has passed, as charges do that land after the answer. Read from any thread.
"""

from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from attrs import frozen

CREDITS_PER_USD = 2_000_000
OPENING_CREDITS = 100 * CREDITS_PER_USD

_READS, _READ_SECONDS = 200, 60.0


@frozen(kw_only=True)
class Entry:
    """One generation that reached the service, and what it was charged."""

    moment: float
    model: str
    inference_id: str
    client_request_id: str | None
    charged_credits: int

    @property
    def status(self) -> str:
        """How it ended; a failed one is never charged."""
        return "succeeded" if self.charged_credits else "failed"

    def row(self, *, has_cost: bool) -> Mapping[str, Any]:
        """Return its row in the usage log."""
        return {
            "created": iso(self.moment),
            "status": self.status,
            "origin": "api",
            "model": self.model,
            **({"cost": amount(self.charged_credits)} if has_cost else {}),
            "tokens": {"input": 0, "output": 0, "total": 0},
            "request_id": None,
            "inference_id": self.inference_id,
            "client_request_id": self.client_request_id,
        }

    def charge(self) -> Mapping[str, Any]:
        """Return its line in the billing ledger."""
        return _movement(self.moment, "CHARGE", "MODEL_USAGE", self.charged_credits, self.model, self.inference_id)


def iso(moment: float) -> str:
    """Return Unix time as the service spells it."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def amount(spent: int) -> Mapping[str, Any]:
    """Return credits as the service spells money."""
    return {"usd": spent / CREDITS_PER_USD, "credits": spent}


def _movement(
    moment: float, direction: str, kind: str, moved: int, model: str | None, reference_id: str | None
) -> Mapping[str, Any]:
    return {
        "created_at": iso(moment),
        "direction": direction,
        "type": kind,
        "amount": amount(moved),
        "model": model,
        "reference_id": reference_id,
    }


class Books:
    """The usage log and the billing ledger of one account.

    Args:
        clock: tells Unix time.
        delay: seconds until a row can be seen.
    """

    def __init__(self, clock: Callable[[], float], *, delay: float) -> None:
        self._clock = clock
        self._delay = delay
        self._lock = Lock()
        self._opened = clock()
        self._entries: tuple[Entry, ...] = ()
        self._reads: deque[float] = deque()

    def now(self) -> float:
        """Return Unix time."""
        return self._clock()

    def write(self, *, model: str, inference_id: str, client_request_id: str | None, charged_credits: int) -> None:
        """Write a generation down."""
        entry = Entry(
            moment=self._clock(),
            model=model,
            inference_id=inference_id,
            client_request_id=client_request_id,
            charged_credits=charged_credits,
        )
        with self._lock:
            self._entries += (entry,)

    def entries(self) -> tuple[Entry, ...]:
        """Return what can be seen by now, oldest first."""
        now = self._clock()
        return tuple(entry for entry in self._entries if entry.moment + self._delay <= now)

    def movements(self) -> tuple[Mapping[str, Any], ...]:
        """Return what moved the balance, oldest first."""
        opening = _movement(self._opened, "TOPUP", "INIT", OPENING_CREDITS, None, None)
        return (opening, *(entry.charge() for entry in self.entries() if entry.charged_credits))

    def balance_usd(self) -> float:
        """Return what is left."""
        return (OPENING_CREDITS - sum(entry.charged_credits for entry in self.entries())) / CREDITS_PER_USD

    def seconds_until_read(self) -> float:
        """Count a read of the log, or return how long there are too many of them."""
        now = self._clock()
        with self._lock:
            while self._reads and self._reads[0] <= now - _READ_SECONDS:
                self._reads.popleft()
            if len(self._reads) >= _READS:
                return self._reads[0] + _READ_SECONDS - now
            self._reads.append(now)
        return 0.0
