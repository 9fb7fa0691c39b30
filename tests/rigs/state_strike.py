"""What happens to a run of a batch at a moment: somebody stops or cancels it, or its disk is full."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.lowlevel
from attrs import define, field

from aiml_music import Batch, Event, MusicError
from tests._io.system import limited
from tests.rigs.state_model import Step
from tests.rigs.state_service import Service

CUT_SHORT = ("abort", "cancel")
"""Nobody takes an answer any more."""
FULL = ("no room for the ledger", "no room at all", "no page more")
ACTS = ("stop", *CUT_SHORT, *FULL)
# Less than any ledger has; the least that a part file needs; both more than a lock file.
_LEDGER_BYTES, _TRACK_BYTES = 20_000, 1_000


@define(eq=False)
class Strike:
    """Something that happens once, when its moment comes.

    Args:
        moment: the n-th event of the client, the n-th request that arrives, or the half of the n-th answer.
        act: what happens, one of `ACTS`.
        is_silent: the request at whose arrival it happens gets no answer.

    Attributes:
        salvaged: the audio that errors handed over.
        has_struck: whether the moment came.
    """

    _service: Service
    _moment: tuple[str, int]
    _act: str
    _is_silent: bool
    salvaged: set[bytes] = field(factory=set, init=False)
    _events: int = field(default=0, init=False)
    has_struck: bool = field(default=False, init=False)
    _acts: dict[str, Callable[[], object]] = field(factory=dict, init=False)
    _after: ExitStack = field(factory=ExitStack, init=False)

    @property
    def step(self) -> Step:
        """What it was to the batch."""
        # Whoever stops a batch gets the answer of each call.
        disturbed = self.has_struck and self._act != "stop"
        return Step(disturbed=disturbed, deadly=int(disturbed and self._act in FULL))

    @contextmanager
    def until_over(self) -> Iterator[None]:
        """Take back what happened to the disk, at the end."""
        with self._after:
            yield

    def arm(self, batch: Batch, scope: anyio.CancelScope) -> None:
        """Make ready, inside the event loop of a run."""
        self._acts = {
            "stop": batch.stop,
            "abort": batch.abort,
            "cancel": scope.cancel,
            "no room for the ledger": partial(self._limit, _LEDGER_BYTES),
            "no room at all": partial(self._limit, _TRACK_BYTES),
            "no page more": partial(_no_page_more, batch),
        }
        token = anyio.lowlevel.current_token()

        def told(kind: str, number: int) -> bool:
            """Hear from a thread of the service; say whether no answer is to be given."""
            if (kind, number) != self._moment:
                return False
            # Where the run is over, nothing can happen to it.
            with suppress(RuntimeError):
                anyio.from_thread.run_sync(self.strike, token=token)
            return self._is_silent and self.has_struck

        self._service.on_arrival = lambda number: told("arrival", number)
        self._service.on_half = lambda number: told("half", number)

    def on_event(self, _event: Event) -> None:
        """Hear from the client."""
        self._events += 1
        if ("event", self._events) == self._moment:
            self.strike()

    def strike(self) -> None:
        """Let it happen."""
        self.has_struck = True
        self._acts[self._act]()

    def take(self, error: MusicError | None) -> None:
        """Keep the track that an error hands over."""
        if error is not None and isinstance(error.salvage, Path):
            self.salvaged.add(error.salvage.read_bytes())
        elif error is not None and isinstance(error.salvage, bytes):
            self.salvaged.add(error.salvage)

    def _limit(self, most: int) -> None:
        self._after.enter_context(limited("RLIMIT_FSIZE", most))


def _no_page_more(batch: Batch) -> None:
    """Let SQLite find the disk full as soon as the ledger has to grow."""
    assert batch._ledger is not None
    ledger = batch._ledger._ledger
    with ledger._lock:
        # It never takes less than there is.
        ledger._file.connection.execute("PRAGMA max_page_count=1")
