"""A disk that is full in the middle of a batch takes neither tracks nor marks, and no track is lost to that."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from aiml_music import Event, EventKind, JobOutcome, JobState, LedgerError, StorageError
from tests._io.system import limited
from tests.batch.batches import jobs, records
from tests.calls import MADE, TRACK, client_of
from tests.loopback import loopback

pytestmark = pytest.mark.anyio


async def test_a_track_that_the_disk_refuses_is_handed_over_though_the_ledger_is_refused_too(tmp_path: Path) -> None:
    """Its outcome has the bytes; nothing else is sent, and the call is in doubt from the next opening on."""
    told: list[JobOutcome] = []
    with ExitStack() as full, loopback([MADE]) as server:

        def fill(event: Event) -> None:
            if event.kind is EventKind.ANSWERED:
                full.enter_context(limited("RLIMIT_FSIZE", 1_000))

        async with client_of(server, on_event=fill) as client:
            with pytest.raises(LedgerError):  # noqa: PT012 - what is told before it is raised
                async with client.batch(tmp_path, max_concurrency=1) as batch:
                    async for outcome in batch.run(jobs("a", "b")):
                        told.append(outcome)  # noqa: PERF401 - kept also where the next one raises
            full.close()
            async with client.batch(tmp_path):
                pass
    assert [(outcome.label, type(outcome.error)) for outcome in told] == [("a", StorageError)]
    assert told[0].error is not None
    assert told[0].error.salvage == TRACK
    assert len(server.requests) == 1
    assert {label: record.state for label, record in records(tmp_path).items()} == {
        "a": JobState.IN_DOUBT,
        "b": JobState.PLANNED,
    }
