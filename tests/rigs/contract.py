"""The promise of a batch, held against what its directory says and what the service knows.

No finished track is lost, no job is paid twice, every doubt is listed, the budget is kept, and nothing hidden is left.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import field, frozen

from aiml_music._io.publishing import hidden
from aiml_music._sansio.batch.budget import Balance, Budget, balance_after
from aiml_music._sansio.batch.records import AttemptRecord, JobRecord
from aiml_music._sansio.batch.states import JobState, Mark, Standing, fold
from aiml_music.batch.ledger import Ledger
from aiml_music.sandbox import Sandbox

_LEAVE = frozenset({Mark.PAY_AGAIN, Mark.UNPAID})
_LISTED = frozenset({JobState.IN_DOUBT, JobState.PAID_LOST})
_SAYS = frozenset({Mark.PAID, Mark.UNPAID})
# Where a job may be when nothing is under way any more.
_ENDED = frozenset({JobState.DONE, JobState.REJECTED, JobState.POISONED, *_LISTED})


@frozen(kw_only=True)
class Truth:
    """What the service knows, by the ids that the client gave.

    Args:
        charged: the credits it took for each request that arrived.
        in_books: the generations that its usage log has; what only a proxy saw is not there.
    """

    charged: Mapping[str, int]
    in_books: frozenset[str] = frozenset()

    @classmethod
    def of(cls, sandbox: Sandbox) -> "Truth":
        """Read the memory of a sandbox that has nothing under way any more."""
        charged: Counter[str] = Counter()
        for request in sandbox.requests:
            if request.client_request_id is not None:
                charged[request.client_request_id] += request.charged_credits
        entries = sandbox.books.entries()
        return cls(charged=charged, in_books=frozenset(entry.client_request_id or "" for entry in entries))

    def paid(self) -> set[str]:
        """Return the requests that it took money for."""
        return {name for name, charged in self.charged.items() if charged}


@frozen(kw_only=True)
class Finding:
    """What became of a batch.

    Attributes:
        violations: of the promise, in words.
        lost: charges that gave no track and are not listed, and tracks that are not what they should be.
        double: jobs paid more often than somebody said.
        wrong_doubts: calls that are listed, or settled, and should not be so.
        doubts: the ids of the calls that are listed as in doubt.
        paid_lost: the ids of the calls that are listed as charged, and gave no track.
        tracks: the ids of the calls whose tracks are there.
        waiting: tracks that wait, whole, for a name that an empty file has.
        known: the ids of all calls.
    """

    violations: tuple[str, ...]
    lost: int
    double: int
    wrong_doubts: int
    waiting: int
    jobs: Mapping[JobState, int]
    doubts: frozenset[str] = field(repr=False)
    paid_lost: frozenset[str] = field(repr=False)
    tracks: frozenset[str] = field(repr=False)
    known: frozenset[str] = field(repr=False)


def finding(
    directory: Path, truth: Truth, tracks: Mapping[str, str], budget: str, *, is_settled: bool = False
) -> Finding:
    """Hold a directory in which no run is under way against the promise.

    Args:
        directory: of the batch.
        truth: what the service knows.
        tracks: the SHA-256 of each track by its file name; where a name is not in it, the ledger's word counts.
        budget: in US dollars.
        is_settled: the service's books were asked about every doubt; none that they know may be left.
    """
    with Ledger.observe(directory) as ledger:
        return _Look(ledger, directory, truth, tracks, Budget.of_usd(budget), is_settled=is_settled).finding()


def strangers(truth: Truth, findings: Iterable[Finding]) -> Iterator[str]:
    """Yield every call that was charged and is in no ledger."""
    for name in sorted(truth.paid().difference(*(found.known for found in findings))):
        yield f"{name} was charged, and no ledger knows it"


class _Look:
    def __init__(
        self,
        ledger: Ledger,
        directory: Path,
        truth: Truth,
        tracks: Mapping[str, str],
        budget: Budget,
        *,
        is_settled: bool,
    ) -> None:
        self._ledger = ledger
        self._directory = directory
        self._truth = truth
        self._tracks = tracks
        self._budget = budget
        self._is_settled = is_settled
        self._jobs = list(ledger.jobs())
        self._attempts = {job.key: ledger.attempts(job.key) for job in self._jobs}
        self._listed = {state: list(ledger.attempts_left(state)) for state in _LISTED}
        self._waiting = {job.key: ready for job in self._jobs if (ready := self._waits(job)) is not None}

    def finding(self) -> Finding:
        lost, double, wrong_doubts = list(self._lost()), list(self._double()), list(self._wrong_doubts())
        latest = {job.attempt for job in self._jobs if self._has_track(job)}
        return Finding(
            violations=(*lost, *double, *wrong_doubts, *self._records(), *self._money(), *self._left()),
            lost=len(lost),
            double=len(double),
            wrong_doubts=len(wrong_doubts),
            waiting=len(self._waiting),
            jobs=Counter(job.state for job in self._jobs),
            doubts=_ids(self._listed[JobState.IN_DOUBT]),
            paid_lost=_ids(self._listed[JobState.PAID_LOST]),
            tracks=_ids(each for each in self._all_attempts() if each.attempt in latest),
            known=_ids(self._all_attempts()),
        )

    def _waits(self, job: JobRecord) -> Path | None:
        """Return the hidden file of a track whose name an empty file has, which may be somebody's placeholder."""
        target = self._directory / job.file_name
        if job.state is not JobState.RECEIVED or not target.is_file() or target.stat().st_size:
            return None
        ready = hidden(target, job.attempt or "", "ready")
        return ready if self._is_whole(job, ready) else None

    def _has_track(self, job: JobRecord) -> bool:
        return job.state is JobState.DONE or job.key in self._waiting

    def _lost(self) -> Iterator[str]:
        """Yield every charge that neither gave a track nor is listed, and every track that is not what it should be."""
        listed = {each.attempt for attempts in self._listed.values() for each in attempts}
        for job in self._jobs:
            if job.state is JobState.DONE and not self._is_whole(job, self._directory / job.file_name):
                yield f"{job.label}: its track is not there, or another one"
            for attempt in self._attempts[job.key]:
                is_track = self._has_track(job) and attempt.attempt == job.attempt
                if self._charged(attempt) and not is_track and attempt.attempt not in listed:
                    yield f"{job.label}: {attempt.client_request_id} was charged, and stands as {attempt.last.mark}"

    def _is_whole(self, job: JobRecord, path: Path) -> bool:
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
        for state, attempts in self._listed.items():
            for attempt in attempts:
                name = attempt.client_request_id
                marks = [entry.mark for entry in self._ledger.marks(attempt.key) if entry.attempt == attempt.attempt]
                if Mark.WIRE not in marks:
                    yield f"{name} is {state}, and was never licensed to be sent"
                if self._is_settled and state is JobState.IN_DOUBT and name in self._truth.in_books:
                    yield f"{name} is still in doubt, and the books have it"
        for attempt in self._all_attempts():
            if attempt.last.mark in _SAYS and (attempt.last.mark is Mark.PAID) != bool(self._charged(attempt)):
                yield f"{attempt.client_request_id} is settled as {attempt.last.mark}, and that is not so"

    def _records(self) -> Iterator[str]:
        for job in self._jobs:
            standing = fold(entry.mark for entry in self._ledger.marks(job.key))
            if standing != Standing(state=job.state, deaths=job.deaths):
                yield f"{job.label}: its marks amount to {standing}, the ledger says {job.state}"
            if job.state not in _ENDED and job.key not in self._waiting:
                yield f"{job.label} is left {job.state}"

    def _money(self) -> Iterator[str]:
        recorded, real = self._ledger.balance(), 0
        total = Balance()
        for attempt in self._all_attempts():
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
            if path.suffix in {".part", ".ready"} and path not in self._waiting.values():
                yield f"{path.name} is left, of {path.stat().st_size} bytes"

    def _all_attempts(self) -> Iterator[AttemptRecord]:
        return (attempt for attempts in self._attempts.values() for attempt in attempts)

    def _charged(self, attempt: AttemptRecord) -> int:
        return self._truth.charged.get(attempt.client_request_id, 0)


def _ids(attempts: Iterable[AttemptRecord]) -> frozenset[str]:
    return frozenset(attempt.client_request_id for attempt in attempts)
