"""The promise of a batch, held against what its directory says and what the service knows.

No finished track is lost, no job is paid twice, every doubt is listed, the budget is kept, and nothing hidden is left.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import field, frozen

from aiml_music._sansio.batch.budget import Balance, Budget, balance_after
from aiml_music._sansio.batch.records import AttemptRecord, JobRecord
from aiml_music._sansio.batch.states import JobState, Mark, Standing, fold
from aiml_music.batch.ledger import Ledger
from aiml_music.sandbox import RequestRecord

_LEAVE = frozenset({Mark.PAY_AGAIN, Mark.UNPAID})
_LISTED = frozenset({JobState.IN_DOUBT, JobState.PAID_LOST})
_SAYS = frozenset({Mark.PAID, Mark.UNPAID})
# Where a job may be when nothing is under way any more.
_SETTLED = frozenset({JobState.DONE, JobState.REJECTED, JobState.POISONED, *_LISTED})


@frozen(kw_only=True)
class Truth:
    """What the service knows: the credits it took for each request that arrived, by the id that the client gave."""

    charged: Mapping[str, int]

    @classmethod
    def of(cls, requests: Iterable[RequestRecord]) -> "Truth":
        """Read the log of a sandbox that has nothing under way any more."""
        charged: Counter[str] = Counter()
        for request in requests:
            if request.client_request_id is not None:
                charged[request.client_request_id] += request.charged_credits
        return cls(charged=charged)


@frozen(kw_only=True)
class Finding:
    """What became of a batch.

    Attributes:
        violations: of the promise, in words.
        lost: charges that gave no track and are not listed.
        double: jobs paid more often than somebody said.
        in_doubt: calls that are listed.
        doubts_charged: those of them that the service charged.
        doubts_never_arrived: those of them that the service never saw whole.
        known: the ids of all calls.
    """

    violations: tuple[str, ...]
    lost: int
    double: int
    in_doubt: int
    doubts_charged: int
    doubts_never_arrived: int
    jobs: Mapping[JobState, int]
    known: frozenset[str] = field(repr=False)


def finding(directory: Path, truth: Truth, tracks: Mapping[str, str], budget: str) -> Finding:
    """Hold a directory in which no run is under way against the promise.

    Args:
        directory: of the batch.
        truth: what the service knows.
        tracks: the SHA-256 of each track by its file name; where a name is not in it, the ledger's word counts.
        budget: in US dollars.
    """
    with Ledger.observe(directory) as ledger:
        return _Look(ledger, directory, truth, tracks, Budget.of_usd(budget)).finding()


class _Look:
    def __init__(
        self, ledger: Ledger, directory: Path, truth: Truth, tracks: Mapping[str, str], budget: Budget
    ) -> None:
        self._ledger = ledger
        self._directory = directory
        self._truth = truth
        self._tracks = tracks
        self._budget = budget
        self._jobs = list(ledger.jobs())
        self._attempts = {job.key: ledger.attempts(job.key) for job in self._jobs}
        self._listed = [each for state in sorted(_LISTED) for each in ledger.attempts_left(state)]

    def finding(self) -> Finding:
        lost, double = list(self._lost()), list(self._double())
        ids = {each.client_request_id for attempts in self._attempts.values() for each in attempts}
        listed = [self._truth.charged.get(each.client_request_id) for each in self._listed]
        return Finding(
            violations=(*lost, *double, *self._wrong_doubts(), *self._records(), *self._money(), *self._left()),
            lost=len(lost),
            double=len(double),
            in_doubt=len(listed),
            doubts_charged=sum(bool(charged) for charged in listed),
            doubts_never_arrived=listed.count(None),
            jobs=Counter(job.state for job in self._jobs),
            known=frozenset(ids),
        )

    def _lost(self) -> Iterator[str]:
        """Yield every charge that neither gave a track nor is listed, and every track that is not what it should be."""
        listed = {each.attempt for each in self._listed}
        for job in self._jobs:
            if job.state is JobState.DONE and not self._is_whole(job):
                yield f"{job.label}: its track is not there, or another one"
            for attempt in self._attempts[job.key]:
                is_track = job.state is JobState.DONE and attempt.attempt == job.attempt
                if self._charged(attempt) and not is_track and attempt.attempt not in listed:
                    yield f"{job.label}: {attempt.client_request_id} was charged, and stands as {attempt.last.mark}"

    def _is_whole(self, job: JobRecord) -> bool:
        path = self._directory / job.file_name
        received = [entry for entry in self._ledger.marks(job.key) if entry.mark is Mark.RECEIVED]
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        return bool(received) and digest == received[-1].facts["sha256"] == self._tracks.get(job.file_name, digest)

    def _double(self) -> Iterator[str]:
        for job in self._jobs:
            paid = sum(1 for attempt in self._attempts[job.key] if self._charged(attempt))
            leave = sum(1 for entry in self._ledger.marks(job.key) if entry.mark in _LEAVE)
            if paid > 1 + leave:
                yield f"{job.label}: paid {paid} times"

    def _wrong_doubts(self) -> Iterator[str]:
        for attempt in self._listed:
            marks = [entry.mark for entry in self._ledger.marks(attempt.key) if entry.attempt == attempt.attempt]
            if Mark.WIRE not in marks:
                yield f"{attempt.client_request_id} is in doubt, and was never licensed to be sent"
        for attempt in (each for attempts in self._attempts.values() for each in attempts):
            if attempt.last.mark in _SAYS and (attempt.last.mark is Mark.PAID) != bool(self._charged(attempt)):
                yield f"{attempt.client_request_id} is settled as {attempt.last.mark}, and that is not so"

    def _records(self) -> Iterator[str]:
        for job in self._jobs:
            standing = fold(entry.mark for entry in self._ledger.marks(job.key))
            if standing != Standing(state=job.state, deaths=job.deaths):
                yield f"{job.label}: its marks amount to {standing}, the ledger says {job.state}"
            if job.state not in _SETTLED:
                yield f"{job.label} is left {job.state}"

    def _money(self) -> Iterator[str]:
        recorded, real = self._ledger.balance(), 0
        total = Balance()
        for attempts in self._attempts.values():
            for attempt in attempts:
                total += self._balance(attempt)
                real += self._charged(attempt)
        if total != recorded:
            yield f"the marks amount to {total}, the ledger says {recorded}"
        if self._budget.credits is not None and max(real, recorded.committed) > self._budget.credits:
            yield f"{real} credits were taken, {recorded.committed} are committed: more than the budget"
        if real > recorded.committed:
            yield f"{real} credits were taken, and only {recorded.committed} are committed"

    def _balance(self, attempt: AttemptRecord) -> Balance:
        balance = Balance()
        for entry in self._ledger.marks(attempt.key):
            if entry.attempt == attempt.attempt:
                balance = balance_after(balance, entry.mark, entry.state, cost=attempt.reserved, charged=entry.charged)
        return balance

    def _left(self) -> Iterator[str]:
        for path in sorted(self._directory.glob(".*")):
            if path.suffix in {".part", ".ready"}:
                yield f"{path.name} is left, of {path.stat().st_size} bytes"

    def _charged(self, attempt: AttemptRecord) -> int:
        return self._truth.charged.get(attempt.client_request_id, 0)
