"""Calls of a batch that are in doubt, asked after in the service's own books, and the user's word to send a job again.

Nothing but GET is sent from here.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from attrs import frozen

from aiml_music._sansio.batch.records import JobRecord
from aiml_music._sansio.batch.settling import Finding, finding, word_for
from aiml_music._sansio.batch.states import JobState, Mark
from aiml_music._sansio.errors import InputError, MusicError
from aiml_music._sansio.models import Settlement, SettlementVerdict
from aiml_music._sansio.ports import Clock
from aiml_music._sansio.settlement import Search, check_sent_at, check_wait, next_look
from aiml_music.batch.ledger import Ledger
from aiml_music.batch.ledger_thread import LedgerThread
from aiml_music.batch.stories import is_missing

Answers = Mapping[str, Settlement | MusicError]
"""What became of calls, by their ids, or why that could not be looked up."""

Look = Callable[[Sequence[Search]], Awaitable[Answers]]
"""Looks calls up once."""

_OF_EARLIER = {Mark.PAID: Mark.EARLIER_PAID, Mark.UNPAID: Mark.EARLIER_UNPAID}


@frozen(kw_only=True)
class JobSettlement:
    """What became of a call of a batch that was in doubt.

    Attributes:
        label: the job's name in its list.
        key: the job's key in the ledger.
        client_request_id: the id of the call.
        state: where the job stands now: `planned` is proven unpaid, `paid_lost` proven paid.
        in_doubt: the call is in doubt still.
        is_earlier: the job was sent again meanwhile by your word, and stands where its later call leaves it.
        settlement: what the books say; None where they could not be read.
        error: why they could not be read; the job stays as it was.
        probably_never_arrived: no book had the call half an hour after it was sent.
    """

    label: str
    key: str
    client_request_id: str
    state: JobState
    in_doubt: bool = False
    is_earlier: bool = False
    settlement: Settlement | None = None
    error: MusicError | None = None
    probably_never_arrived: bool = False


@frozen(kw_only=True)
class Doubt:
    """A call in doubt.

    Attributes:
        sent_at: in Unix time.
    """

    record: JobRecord
    attempt: str
    client_request_id: str
    sent_at: float

    def search(self, model: str | None) -> Search:
        """Return what to look for in the books, among the rows of a model or, with None, of any."""
        return Search(client_request_id=self.client_request_id, sent_at=check_sent_at(self.sent_at), model=model)

    def is_earlier(self, record: JobRecord) -> bool:
        """Say whether its job, as it stands now, was sent again meanwhile, or is to be."""
        return record.state is not JobState.IN_DOUBT or record.attempt != self.attempt


@frozen
class Settler:
    """Asks after every call of a ledger that is in doubt."""

    _ledger: LedgerThread
    _look: Look
    _clock: Clock

    async def settle(self, *, wait: float | None, absent_is_unpaid: bool) -> list[JobSettlement]:
        """Look each call up, and again while some are in doubt; see `Batch.settle`."""
        wait = check_wait(wait)
        began = self._clock.monotonic()
        found: dict[str, JobSettlement] = {}
        while True:
            doubts = await self._ledger.do(in_doubt)
            answers = await self._looked_up(doubts)
            for doubt in doubts:
                answer = answers[doubt.client_request_id]
                found[doubt.client_request_id] = await self._settled(doubt, answer, absent_is_unpaid=absent_is_unpaid)
            is_open = any(job.in_doubt for job in found.values())
            pause = next_look(self._clock.monotonic() - began, wait) if is_open and wait is not None else None
            if pause is None:
                return list(found.values())
            await self._clock.sleep(pause)

    async def _settled(self, doubt: Doubt, answer: Settlement | MusicError, *, absent_is_unpaid: bool) -> JobSettlement:
        record = doubt.record
        settled = partial(JobSettlement, label=record.label, key=record.key, client_request_id=doubt.client_request_id)
        if isinstance(answer, MusicError):
            return settled(state=record.state, in_doubt=True, is_earlier=doubt.is_earlier(record), error=answer)
        meaning = finding(answer, sent_at=doubt.sent_at, absent_is_unpaid=absent_is_unpaid)
        after = await self._ledger.do(partial(_noted, doubt, meaning, self._clock.time()))
        return settled(
            state=after.state,
            in_doubt=meaning.mark is Mark.SOUGHT,
            # By the books, a job leaves its doubt as well; only what was sent again before that is earlier.
            is_earlier=after.was_sent_again,
            settlement=answer,
            probably_never_arrived=meaning.is_absent,
        )

    async def _looked_up(self, doubts: Sequence[Doubt]) -> Answers:
        found = await self._look([doubt.search(doubt.record.job.model) for doubt in doubts])
        # A log may spell a model in its own way, and what is absent must be so by whatever name.
        absent = [doubt.search(None) for doubt in doubts if _is_absent(found[doubt.client_request_id])]
        return {**found, **await self._look(absent)}


def _is_absent(answer: Settlement | MusicError) -> bool:
    return isinstance(answer, Settlement) and answer.verdict is SettlementVerdict.NOT_SEEN


def in_doubt(ledger: Ledger) -> list[Doubt]:
    """Return the calls that are in doubt, also those whose job was sent again by the user's word."""
    found = []
    for left in ledger.attempts_left(JobState.IN_DOUBT):
        wires = (mark for mark in ledger.marks(left.key) if mark.attempt == left.attempt and mark.mark is Mark.WIRE)
        found.append(
            Doubt(
                record=ledger.job(left.key),
                attempt=left.attempt,
                client_request_id=left.client_request_id,
                sent_at=next(wires).at,
            )
        )
    return found


@frozen
class _After:
    state: JobState
    was_sent_again: bool


def _noted(doubt: Doubt, meaning: Finding, now: float, ledger: Ledger) -> _After:
    """Write down what a look meant, for the money alone where the job was sent again; return where the job stands."""
    record = ledger.job(doubt.record.key)
    if not doubt.is_earlier(record):
        return _After(_appended(doubt, meaning, now, ledger), was_sent_again=False)
    mark = _OF_EARLIER.get(meaning.mark)
    if mark is not None:
        ledger.settle_earlier(record.key, doubt.attempt, mark, now=now, charged=meaning.charged, facts=meaning.facts)
    return _After(record.state, was_sent_again=True)


def _appended(doubt: Doubt, meaning: Finding, now: float, ledger: Ledger) -> JobState:
    return ledger.append(
        doubt.record.key,
        meaning.mark,
        now=now,
        attempt=doubt.attempt,
        charged=meaning.charged,
        facts=meaning.facts,
    ).state


def send_again(ledger: Ledger, label_or_key: str, *, reason: str, now: float) -> JobRecord:
    """Write down the user's word that a job is to be sent again; see `Batch.pay_again`."""
    if not reason.strip():
        raise InputError("A reason is needed: it stays in the ledger beside the word to pay again.")
    record = named(ledger, label_or_key)
    word = word_for(record.state, is_missing=is_missing(record, ledger.path.parent))
    ledger.append(record.key, word, now=now, facts={"reason": reason})
    return ledger.job(record.key)


def named(ledger: Ledger, label_or_key: str) -> JobRecord:
    """Return the job that somebody means: by its key, its label, or the name of its file.

    Raises:
        InputError: there is none, or several.
    """
    names = {label_or_key} - {""}
    found = [job for job in ledger.jobs() if names & {job.key, job.label, job.name, job.file_name}]
    if not found:
        raise InputError(f"This batch has no job {label_or_key!r}.")
    if len(found) > 1:
        keys = ", ".join(job.key for job in found[:5])
        raise InputError(f"{len(found)} jobs are called {label_or_key!r}.", hint=f"Give a key. The first are: {keys}.")
    return found[0]
