"""The sandbox's memory: who may come in, which references exist, what was asked and what it cost.

Read from any thread; written by the server's.
"""

import secrets
import string
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from threading import Lock

from attrs import asdict, frozen

from aiml_music.sandbox.books import CREDITS_PER_USD, Books
from aiml_music.sandbox.encoding import LAME, Encoder
from aiml_music.sandbox.jobs import Jobs
from aiml_music.sandbox.scenarios import LOG_FAULTS, SCENARIOS, Scenario
from aiml_music.sandbox.settings import Settings

CREDITS_PER_TRACK = 63_000

_LETTERS = string.ascii_letters + string.digits


@frozen(kw_only=True)
class RequestRecord:
    """One request and its end. `status` is `None` when no answer was sent."""

    method: str
    route: str
    client_request_id: str | None
    inference_id: str
    status: int | None
    charged_credits: int
    scenario: str | None
    generation_id: str | None = None
    """The generation that was submitted or polled."""


@frozen(kw_only=True)
class FetchRecord:
    """One request to the store of results. Of its headers only the names are kept, in lower case."""

    method: str
    target: str
    host: str
    header_names: tuple[str, ...]
    generation_id: str | None
    status: int


class Sandbox:
    """What the service knows.

    Args:
        settings: how it behaves.
        encoder: makes MP3s; by default LAME where it is installed. With `None`, ready-made bars are joined instead.
        clock: tells the Unix time by which rows of the usage log are dated and appear.

    Attributes:
        books: the usage log and the billing ledger.
        jobs: the generations that were submitted.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        encoder: Encoder | None = LAME,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings: Settings = settings or Settings()
        self.encoder = encoder
        self._lock = Lock()
        self._references: dict[str, bytes] = {}
        self._requests: list[RequestRecord] = []
        self._fetches: list[FetchRecord] = []
        self._charges = 0
        self._credits = 0
        self._fault = (self.settings.scenario, self.settings.scenario_uses)
        self._log_fault: tuple[str | None, int | None] = (self.settings.log_fault, None)
        self.books: Books = Books(clock, delay=self.settings.log_delay)
        self.jobs: Jobs = Jobs(self.settings, clock)

    @property
    def charges(self) -> int:
        """How many times money was taken."""
        return self._charges

    @property
    def credits(self) -> int:
        """How many credits were taken in all."""
        return self._credits

    @property
    def requests(self) -> tuple[RequestRecord, ...]:
        """Every request so far that was answered or dropped, oldest first."""
        with self._lock:
            return tuple(self._requests)

    @property
    def fetches(self) -> tuple[FetchRecord, ...]:
        """Every request so far to the store of results, oldest first."""
        with self._lock:
            return tuple(self._fetches)

    def use_scenario(self, name: str | None, *, uses: int | None = None) -> None:
        """Let generations fail by a named scenario from now on, or with `None` no more.

        Args:
            name: one of `SCENARIOS`.
            uses: only for so many generations.

        Raises:
            KeyError: there is no such scenario.
        """
        with self._lock:
            self._fault = (SCENARIOS[name].name if name else None, uses)

    def next_scenario(self, *, direct: bool) -> Scenario | None:
        """Return the fault that the next generation shall have, and count it as used.

        A fault that does not concern the route, of music-01 or of the models that are submitted and polled, waits on.
        """
        with self._lock:
            name, uses = self._fault
            if name is None or uses == 0 or not SCENARIOS[name].concerns(direct=direct):
                return None
            self._fault = (name, uses and uses - 1)
            return SCENARIOS[name]

    def use_log_fault(self, name: str | None, *, uses: int | None = None) -> None:
        """Let the account's books fail by a named fault from now on, or with `None` no more.

        Args:
            name: one of `LOG_FAULTS`.
            uses: only for so many requests.

        Raises:
            ValueError: there is no such fault.
        """
        if name is not None and name not in LOG_FAULTS:
            raise ValueError(f"unknown fault {name!r}; there are: {', '.join(LOG_FAULTS)}")
        with self._lock:
            self._log_fault = (name, uses)

    def next_log_fault(self) -> str | None:
        """Return the fault that the next look into the books shall have, and count it as used."""
        with self._lock:
            name, uses = self._log_fault
            if uses == 0:
                return None
            self._log_fault = (name, uses and uses - 1)
            return name

    def charge(self, price: int = CREDITS_PER_TRACK) -> int:
        """Take the price of one track, and return it in credits."""
        with self._lock:
            self._charges += 1
            self._credits += price
        return price

    def record(self, record: RequestRecord) -> None:
        """Add a line to the log of requests."""
        with self._lock:
            self._requests.append(record)

    def record_fetch(self, record: FetchRecord) -> None:
        """Add a line to the log of the store of results."""
        with self._lock:
            self._fetches.append(record)

    def add_reference(self, digest: bytes, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """Remember a reference under a new id for each kind, which is `vocal` or `instrumental`."""
        moment = datetime.now(UTC).strftime("%Y%m%d%H%M%S%f")[:16]
        names = tuple(f"{kind}-{moment}-{''.join(secrets.choice(_LETTERS) for _ in range(8))}" for kind in kinds)
        with self._lock:
            self._references.update(dict.fromkeys(names, digest))
        return names

    def reference(self, name: str, kind: str) -> bytes | None:
        """Return the digest of a reference of one kind, or `None` when it is not known."""
        return self._references.get(name) if name.startswith(f"{kind}-") else None

    def state(self) -> Mapping[str, object]:
        """Return charges, credits, generations and requests as plain values."""
        with self._lock:
            return {
                "charges": self.charges,
                "credits": self.credits,
                "usd": usd(self.credits),
                "references": len(self._references),
                "generations": self.jobs.state(),
                "requests": [asdict(record) for record in self._requests],
                "fetches": [asdict(record) for record in self._fetches],
            }


def usd(spent: int) -> str:
    """Return credits as a decimal number of US dollars."""
    return f"{spent / CREDITS_PER_USD:.10f}".rstrip("0").rstrip(".")
