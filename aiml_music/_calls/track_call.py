"""A paid call as those see it who take its track, however that comes."""

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, TypeVar

from aiml_music._calls.attempt import Plan
from aiml_music._sansio.errors import MusicError
from aiml_music._sansio.journal import Journal
from aiml_music._sansio.models import Receipt
from aiml_music._sansio.outcome import Outcome, Phase
from aiml_music._sansio.verdict import Evidence, Problem
from aiml_music._sansio.wire import Reply

E = TypeVar("E", bound=MusicError)


class TrackCall(Protocol):
    """A running call: take a place (`async with`), `open` it, `read` it to its end, take its `reply` and `receipt`."""

    plan: Plan
    journal: Journal | None
    """Told of every step before it is taken; such a call is made once."""
    last_words: str | None
    """What to say of a track that was kept, should the call be cancelled."""
    generation_id: str | None
    """Under which the service makes the track, from the moment it says so; None where it gives it at once."""
    on_accepted: Callable[[], object] | None
    """Called at that moment."""

    async def __aenter__(self) -> Self:
        """Take a place in the queue."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of everything, and write on a cancellation what became of the call."""
        ...

    async def open(self) -> None:
        """Do whatever it takes until audio begins.

        Raises:
            MusicError: it ended otherwise.
        """
        ...

    async def read(self) -> bytes:
        """Return the next audio; empty at the end.

        Raises:
            MusicError: the audio ended otherwise than it began to.
        """
        ...

    async def read_on(self, take: Callable[[bytes], None]) -> None:
        """Hand all audio that is still to come to `take`, in order.

        Raises:
            MusicError: as `read`.
        """
        ...

    async def aclose(self) -> None:
        """Let go of the connection and of the place in the queue."""
        ...

    @property
    def is_answered(self) -> bool:
        """Whether the audio was read to its end, and is what was asked for."""
        ...

    @property
    def reply(self) -> Reply:
        """What the service says about the track, once its audio was read to its end."""
        ...

    @property
    def receipt(self) -> Receipt:
        """What the call did and cost, once its audio was read to its end."""
        ...

    @property
    def evidence(self) -> Evidence:
        """What is known of it so far."""
        ...

    @property
    def journal_trouble(self) -> MusicError | None:
        """What the journal raised when the answer began."""
        ...

    def error(self, problem: Problem) -> MusicError:
        """Return the error a problem becomes, with everything known about this call."""
        ...

    def give_up(self, what: str) -> MusicError:
        """Return the error of a call that this side gave up, whatever it had come to."""
        ...

    def sign(self, error: E, trace_id: str | None = None) -> E:
        """Return an error with everything written on it that tells which call it ended."""
        ...

    def stamp(self, error: E, outcome: Outcome, phase: Phase) -> E:
        """Return an error of the disk, or of the journal, with what this call knows written on it."""
        ...

    def note(self, cancelled: BaseException) -> None:
        """Write on a cancellation what became of this call, unless that stands there already."""
        ...
