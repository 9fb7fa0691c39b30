"""Lets a batch go on from what a loss of power left, and holds what becomes of it against the promise."""

import io
from collections.abc import Collection, Iterator, Mapping
from contextlib import redirect_stderr
from pathlib import Path
from shutil import rmtree

import anyio
from attrs import evolve, field, frozen

from aiml_music._sansio.batch.records import JobRecord
from aiml_music._sansio.batch.states import JobState, Mark
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.tokens import PREFIX
from aiml_music.sandbox import Sandbox
from tests.rigs.child import BROKEN, ENDED, Errand, carried_out
from tests.rigs.contract import Truth, finding, strangers
from tests.rigs.power_disk import Disk, Image


@frozen(kw_only=True)
class Owed:
    """What was done before power failed, and nothing undoes.

    Attributes:
        sent: the ids of paid requests of which a byte may have left.
        tracks: each track whose hidden or final name the disk said it has, under its final name.
    """

    sent: frozenset[str]
    tracks: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def by(cls, disk: Disk) -> "Owed":
        """Return it for the moment at which a disk is."""
        tracks = {}
        for name, data in disk.named():
            if name.endswith(".ready"):
                tracks[name[1:].partition(f".{PREFIX}")[0]] = data
            elif name.endswith(".mp3") and not name.startswith("."):
                tracks[name] = data
        return cls(sent=disk.sent, tracks=tracks)


@frozen(kw_only=True)
class Judge:
    """Judges images of one recording.

    Args:
        errand: goes on with the batch of the recording.
        inside: where its directory is, seen from the root of the disk.
        sandbox: the service; it remembers every charge.
        charged: what it charged for each request of the recording.
        whole: what files of each name held in the end.
    """

    errand: Errand
    inside: Path
    sandbox: Sandbox
    charged: Mapping[str, int]
    whole: Mapping[str, Collection[bytes]] = field(repr=False)

    def wrong(self, image: Image, owed: Owed, root: Path) -> list[str]:
        """Return in which ways an image breaks the promise; none for one that keeps it.

        Args:
            image: what the disk holds.
            owed: what was done before.
            root: a directory to put it into; it is gone afterwards.
        """
        root.mkdir()
        try:
            image.put(root)
            return [*self._partial(image), *self._gone_on(owed, root / self.inside)]
        finally:
            rmtree(root)

    def _partial(self, image: Image) -> Iterator[str]:
        """Yield files that have a name in sight, and not what belongs under it."""
        for path, data in image.content.items():
            name = Path(path).name
            if data is not None and not name.startswith((".", "ledger.")) and data not in self.whole[name]:
                yield f"{name} is in sight, and not whole"

    def _gone_on(self, owed: Owed, directory: Path) -> Iterator[str]:
        known = len(self.sandbox.requests)
        with redirect_stderr(io.StringIO()) as words:
            try:
                status = anyio.run(carried_out, evolve(self.errand, directory=str(directory)))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the image's
                status = BROKEN
                words.write(f"{type(error).__name__}: {error}")
        if (status, words.getvalue()) != (ENDED, ""):
            yield f"it does not go on: {words.getvalue()}"
            return
        charged = {name: self.charged.get(name, 0) for name in owed.sent}
        charged |= {each.client_request_id or "": each.charged_credits for each in self.sandbox.requests[known:]}
        truth = Truth(charged=charged)
        # A track that was there for good must be that one; what is made anew, the ledger knows.
        found = finding(directory, truth, {}, self.errand.budget)
        yield from found.violations
        yield from strangers(truth, [found])
        with Ledger.observe(directory) as ledger:
            yield from _unlicensed(owed, ledger)
            yield from _lost(owed, directory, {job.file_name: job for job in ledger.jobs()})


def _unlicensed(owed: Owed, ledger: Ledger) -> Iterator[str]:
    """Yield requests that left before the ledger said for good that they might."""
    licensed = {
        attempt.client_request_id
        for job in ledger.jobs()
        for attempt in ledger.attempts(job.key)
        if (attempt.attempt, Mark.WIRE) in ((entry.attempt, entry.mark) for entry in ledger.marks(job.key))
    }
    for name in sorted(owed.sent - licensed):
        yield f"{name} was sent, and the ledger never licensed it"


def _lost(owed: Owed, directory: Path, jobs: Mapping[str, JobRecord]) -> Iterator[str]:
    for name, data in owed.tracks.items():
        path = directory / name
        if not path.is_file() or path.read_bytes() != data:
            yield f"{name} was there for good, and is lost"
        elif name in jobs and jobs[name].state is not JobState.DONE:
            yield f"{name} is there, and its job {jobs[name].state}"
