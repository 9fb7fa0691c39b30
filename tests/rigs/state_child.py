"""The processes of the model of batches, which may be killed: `python -m tests.rigs.state_child`."""

import json
import sys
from collections.abc import Sequence
from typing import Self

from attrs import asdict, frozen

from aiml_music import AsyncMusicClient, MusicError
from aiml_music.batch.batch import Batch
from aiml_music.testing import FakeClock
from tests.batch.batches import job
from tests.canary import KEY
from tests.rigs.child import ENDED, FAILED, main


@frozen(kw_only=True)
class StateErrand:
    """One opening of a batch.

    Args:
        directory: of the batch.
        base_url: of the service.
        unix: the time of day; sleeps take none of the true one.
        jobs: label and lyrics of each job of the list.
        number_copies: of jobs that are there twice.
        budget: in US dollars; None is no limit.
        width: how many jobs may be under way at once.
        backend: `asyncio` or `trio`.
        settle: ask the service's books about every doubt first.
        crash: kill the process at so manieth crash point.
        lifetime: kill the process after so many seconds.
        held: wait for a line before the first step.
    """

    directory: str
    base_url: str
    unix: float
    jobs: Sequence[tuple[str, str]] = ()
    number_copies: bool = False
    budget: str | None = None
    width: int = 1
    backend: str = "asyncio"
    settle: bool = False
    crash: int | None = None
    lifetime: float | None = None
    held: bool = False

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """Return it on one line."""
        return json.dumps(asdict(self))


async def opened(errand: StateErrand) -> int:
    """Open the batch, and do what is to be done in it."""
    clock = FakeClock(unix=errand.unix)
    try:
        async with (
            AsyncMusicClient(api_key=KEY, base_url=errand.base_url, clock=clock) as client,
            client.batch(
                errand.directory,
                budget=errand.budget,
                max_concurrency=errand.width,
                number_copies=errand.number_copies,
            ) as batch,
        ):
            await _work(batch, errand)
    except MusicError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return FAILED
    return ENDED


async def _work(batch: Batch, errand: StateErrand) -> None:
    if errand.settle:
        await batch.settle()
    await batch.run_all([job(label, lyrics=lyrics) for label, lyrics in errand.jobs])


if __name__ == "__main__":
    main(StateErrand, opened)
