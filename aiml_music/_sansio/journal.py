"""What a paid call tells a durable record of itself while it runs.

```
room on the disk
intent()      licenses: connecting
wire()        licenses: the first byte of the request
head()        nothing; it is evidence
accepted()    asking after a generation that was taken under an id; only these are told of it
audio decoded, checked and synced, and renamed to a hidden name that says so
received()    licenses: the final name
the final name, synced
done()        licenses: removing the hidden name
```

A mark that has returned is durable; it always precedes the act it licenses. After a kill, the marks and the names of
files together say what is true.
"""

from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol

from aiml_music._sansio.errors import LedgerError, MusicError
from aiml_music._sansio.models import Flag, Receipt
from aiml_music._sansio.wire import Tracing


class Journal(Protocol):
    """The durable record of one attempt of one paid call; a call with a journal is never repeated by itself.

    What a mark raises should be a `LedgerError` or another `MusicError`; anything else becomes a `LedgerError`. After a
    mark has raised, no other one is asked for.

    A mark may be cancelled while it is awaited, and it is not known then whether it was made. So each must leave the
    record in order however it ends: as it was, or with the whole mark.
    """

    async def intent(self) -> None:
        """Record that this attempt will be made. The part file is there; from here on, a connection may be made.

        Where it raises, nothing was sent, no money was spent, and no file is left.
        """
        ...

    async def wire(self) -> None:
        """Record that the service may have the request. From here on, bytes of it may leave.

        Awaited with the connection made, through TLS and proxies, and before the first byte of the request. Where it
        raises, or is cancelled, the connection is closed, nothing was sent, no money was spent, and no file is left.
        """
        ...

    async def head(self, status: int, tracing: Tracing) -> None:
        """Record what the head of the answer says; it need not be synced, for it licenses nothing.

        Where it raises, the track is received all the same and kept under its hidden name; then the error is raised.

        Args:
            status: the HTTP status.
            tracing: the ids and the cost among its headers.
        """
        ...

    async def accepted(self, generation_id: str, receipt: Receipt) -> None:
        """Record the id under which the service has taken the generation: whoever has it can collect the track.

        The first thing that is done with the answer. Where it raises, the track is not waited for, and the id is in the
        error.

        Args:
            generation_id: the id.
            receipt: what the call did and cost so far.
        """
        ...

    async def received(
        self, *, sha256: str, size_bytes: int, seconds: float | None, flags: tuple[Flag, ...], receipt: Receipt
    ) -> None:
        """Record that the whole track is on the disk, checked and synced. From here on, it may take its final name.

        Where it raises, the track stays under its hidden name, which is the error's `salvage`.

        Args:
            sha256: of the whole file, in lower-case hexadecimal.
            size_bytes: its length.
            seconds: how long it plays; None where that is not known.
            flags: what deserves a look.
            receipt: what the call did and cost.
        """
        ...

    async def done(self, path: Path) -> None:
        """Record that the track has its final name. From here on, its hidden name may go.

        Where it raises, the track stays under both names; the final one is the error's `salvage`.

        Args:
            path: the file.
        """
        ...


async def marked(mark: Awaitable[None]) -> None:
    """Wait for a mark, whatever the journal stands on.

    Raises:
        MusicError: it was not made.
    """
    try:
        await mark
    except MusicError:
        raise
    except Exception as error:
        raise LedgerError(f"The journal of this call failed: {type(error).__name__}: {error}.") from error
