"""What the directory of a batch may hold after each step: a dictionary, beside what the service itself remembers.

Nothing here asks the library what follows from what. How a call ends is the service's word, and what was ordered of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from attrs import define, field, frozen

from aiml_music import JobState
from aiml_music._sansio.batch.budget import Balance
from aiml_music._sansio.batch.records import JobRecord
from aiml_music._sansio.batch.states import Mark
from aiml_music.batch.ledger import Ledger
from aiml_music.sandbox import CREDITS_PER_TRACK
from tests.rigs.state_service import CUT_SHORT, FATES, WHOLE, Fault, Seen, audio_of

_PLANNED, _DOUBT, _LOST, _DONE = JobState.PLANNED, JobState.IN_DOUBT, JobState.PAID_LOST, JobState.DONE
# Of attempts that die, so many are made before a word of the user is needed.
_DEATHS = 2

Name = tuple[str, str, int]
"""Label, lyrics and number of the copy: what a job is to a person."""


class ViolationError(AssertionError):
    """The promise of a batch was broken."""


def hold(truth: object, broken: str) -> None:
    """Say what is broken, where something is not true."""
    if not truth:
        raise ViolationError(broken)


@define(eq=False)
class Expected:
    """A job, as the model has it.

    Attributes:
        name: what it is to a person.
        states: where it may stand; one, where nothing is under way and nobody died.
        calls: the ids of its calls, in their order.
        leave: how often it may be paid for.
        deaths: how many of its calls may have died since the user's last word.
        closed: how many of its calls a word of the user has left behind, as they were.
        file: the name of its track.
    """

    name: Name
    states: frozenset[JobState] = frozenset({_PLANNED})
    calls: list[str] = field(factory=list)
    leave: int = 1
    deaths: int = 0
    closed: int = 0
    file: str = ""

    @property
    def state(self) -> JobState:
        """Where it stands, when that is known."""
        (state,) = self.states
        return state

    def send_again(self) -> None:
        """Take up the user's word."""
        if self.state in {_DOUBT, _LOST}:
            self.leave += 1
            self.closed = len(self.calls)
        self.states, self.deaths = frozenset({_PLANNED}), 0


@frozen(kw_only=True)
class Step:
    """What was done to a batch since the model last looked at it.

    Attributes:
        disturbed: a call may have ended otherwise than the service ordered.
        deadly: so many calls of each job may have died.
    """

    disturbed: bool = False
    deadly: int = 0


@define(eq=False)
class Model:
    """The jobs of one directory.

    Attributes:
        seen: every complete request for a track, by its id.
        dirty: what happened since the directory was last opened and closed in peace; None where nothing did.
        excused: the calls whose answer nobody could take, or whose track an error gave to the caller.
        disowned: the calls that were charged, and count as unpaid by the user's word.
        sent_at: when each call was sent, in Unix time.
    """

    directory: Path
    jobs: dict[Name, Expected] = field(factory=dict)
    seen: dict[str, Seen] = field(factory=dict)
    dirty: Step | None = None
    excused: set[str] = field(factory=set)
    disowned: set[str] = field(factory=set)
    sent_at: dict[str, float] = field(factory=dict)
    _listed: dict[str, JobState] = field(factory=dict)
    _sought: dict[str, frozenset[JobState]] = field(factory=dict)
    _disturbed: set[str] = field(factory=set)
    _hidden: set[bytes] = field(factory=set)

    def plan(self, names: Iterable[Name]) -> None:
        """Take up jobs; those that are known stay as they are."""
        for name in names:
            self.jobs.setdefault(name, Expected(name))

    def note(self, seen: Iterable[Seen]) -> None:
        """Take up what the service saw."""
        for request in seen:
            hold(request.client_request_id not in self.seen, f"{request} came twice")
            self.seen[request.client_request_id] = request

    def disturb(self, step: Step) -> None:
        """Take up that something happened after which the directory must be opened anew before it is clear."""
        # Whole or not, what has come is to have a name that a person sees when the batch was opened again.
        self._hidden |= {path.read_bytes().rstrip(b"\0") for path in _hidden(self.directory)} - {b""}
        before = self.dirty or Step()
        self.dirty = Step(disturbed=True, deadly=before.deadly + step.deadly)

    def excuse(self, seen: Iterable[Seen], salvaged: AbstractSet[bytes]) -> None:
        """Take up whose answers nobody could take, and which tracks errors gave to the caller."""
        self.excused.update(request.client_request_id for request in seen)
        self.excused.update(name for name in self.seen if audio_of(name) in salvaged)

    def disown(self, call: str) -> None:
        """Take up that a call which was charged counts as unpaid, by the user's word."""
        self.disowned.add(call)

    def earlier_doubts(self) -> list[str]:
        """Return the calls that are in doubt still, and whose job was sent again by a word of the user."""
        closed = (name for job in self.jobs.values() for name in job.calls[: job.closed])
        return [name for name in closed if self._listed[name] is _DOUBT]

    def seek(self, call: str, states: frozenset[JobState]) -> None:
        """Take up where the books may leave a call that a word has left behind in doubt."""
        self._sought[call] = states

    def was_charged(self, call: str) -> bool:
        """Say whether money was taken for a call."""
        return call in self.seen and self.seen[call].charged

    def charged(self) -> int:
        """Return the credits that were taken, but for those that count as unpaid by the user's word."""
        return CREDITS_PER_TRACK * (sum(map(self.was_charged, self.seen)) - len(self.disowned))

    def check_always(self) -> None:
        """Hold what must be true at any moment, also where somebody was killed."""
        for lyrics in {job.name[1] for job in self.jobs.values()}:
            paid = sum(request.charged for request in self.seen.values() if request.lyrics == lyrics)
            leave = sum(job.leave for job in self.jobs.values() if job.name[1] == lyrics)
            hold(paid <= leave, f"{lyrics} was paid for {paid} times, and {leave} were allowed")
        audio = {audio_of(name): request for name, request in self.seen.items()}
        owners = {job.file: job for job in self.jobs.values()}
        for path in _tracks(self.directory):
            content = path.read_bytes()
            if "." in path.stem:
                hold(content and any(each.startswith(content) for each in audio), f"{path.name} holds no audio")
            else:
                hold(content in audio and audio[content].charged, f"{path.name} is not whole")
                owner = owners.get(path.name)
                hold(owner is None or owner.name[1] == audio[content].lyrics, f"{path.name} is another one's track")

    def reconcile(self, step: Step) -> Balance:
        """Hold the ledger and the directory, in which nothing is under way, against what may be; return the money."""
        step, self.dirty = self.dirty or step, None
        self._disturbed.update(self.seen if step.disturbed else ())
        with Ledger.observe(self.directory) as ledger:
            found = {(record.label, record.job.lyrics or "", record.copy): record for record in ledger.jobs()}
            hold(found.keys() <= self.jobs.keys(), f"nobody asked for {found.keys() - self.jobs.keys()}")
            missing = self.jobs.keys() - found.keys()
            hold(step.disturbed or not missing, f"{missing} are not in the ledger")
            for name in missing:
                # The list was not written down: then none of it was sent.
                hold(not self.jobs.pop(name).calls, f"{name} is gone")
            for name, record in found.items():
                ids = [attempt.client_request_id for attempt in ledger.attempts(record.key)]
                self._follow(self.jobs[name], record, ids, step)
            self._check_sought(ledger)
            self._check_calls()
            self._check_sent(ledger, found.values())
            for state in (_DOUBT, _LOST):
                listed = {left.client_request_id for left in ledger.attempts_left(state)}
                known = {name for name, where in self._listed.items() if where is state}
                hold(listed == known, f"listed as {state}: {listed}, and it should be {known}")
            self._check_money(ledger.balance())
        self._check_disk()
        self.check_always()
        return ledger_balance(self.directory)

    def _follow(self, job: Expected, record: JobRecord, ids: Sequence[str], step: Step) -> None:
        """Go through the calls of a job that are new, each of which must have been allowed."""
        hold(ids[: len(job.calls)] == job.calls, f"calls of {job.name} are gone from the ledger")
        job.deaths += step.deadly
        for name in ids[len(job.calls) :]:
            hold(_PLANNED in job.states, f"{job.name} was sent again, though it was {job.states}")
            self._listed.update(dict.fromkeys(job.calls[job.closed :], _PLANNED))
            job.states = self._after(name, job, step)
            job.calls.append(name)
        allowed = job.states | ({JobState.POISONED} if _PLANNED in job.states and job.deaths >= _DEATHS else set())
        hold(record.state in allowed, f"{job.name} is {record.state}, and may be {set(map(str, allowed))}")
        job.states, job.file = frozenset({record.state}), record.file_name
        if len(job.calls) > job.closed:
            self._listed[job.calls[-1]] = record.state

    def _after(self, name: str, job: Expected, step: Step) -> frozenset[JobState]:
        """Return where a call may leave its job."""
        request = self.seen.get(name)
        if request is None:
            return frozenset({_PLANNED, _DOUBT} if step.disturbed else {_PLANNED})
        hold(request.lyrics == job.name[1], f"{name} was sent for another job than {job.name}")
        fate = FATES[request.fault].state
        return frozenset({fate, _DOUBT, *([_LOST] if request.charged else [])} if step.disturbed else {fate})

    def _check_sought(self, ledger: Ledger) -> None:
        """Note what the books said of calls that a word had left behind."""
        left = {each.client_request_id: state for state in (_DOUBT, _LOST) for each in ledger.attempts_left(state)}
        for name, states in self._sought.items():
            self._listed[name] = left.get(name, _PLANNED)
            hold(self._listed[name] in states, f"{name} is {self._listed[name]}, and may be {set(map(str, states))}")
        self._sought.clear()

    def _check_sent(self, ledger: Ledger, found: Iterable[JobRecord]) -> None:
        """Note when each call was sent; what is listed was licensed to be."""
        for record in found:
            wires = {entry.attempt: entry.at for entry in ledger.marks(record.key) if entry.mark is Mark.WIRE}
            for attempt in ledger.attempts(record.key):
                name = attempt.client_request_id
                if attempt.attempt in wires:
                    self.sent_at[name] = wires[attempt.attempt]
                else:
                    hold(name not in self.seen, f"{name} was sent, and no mark says so")
                    hold(self._listed[name] not in {_DOUBT, _LOST}, f"{name} is in doubt, and was never sent")

    def _check_calls(self) -> None:
        calls = {name: job for job in self.jobs.values() for name in job.calls}
        for name, request in self.seen.items():
            hold(name in calls, f"{request} is in no ledger")
            listed = self._listed[name]
            is_named = listed in {_DONE, _DOUBT, _LOST} or name in self.disowned
            hold(is_named or not request.charged, f"{request} was charged, and is {listed}")
        for name, listed in self._listed.items():
            hold(listed not in {_DONE, _LOST} or self.was_charged(name), f"{name} is {listed}, and was not charged")
        for job in self.jobs.values():
            paid = sum(map(self.was_charged, job.calls))
            hold(paid <= job.leave, f"{job.name} was paid for {paid} times, and {job.leave} were allowed")

    def _check_money(self, balance: Balance) -> None:
        count = {state: sum(listed is state for listed in self._listed.values()) for state in (_DONE, _DOUBT, _LOST)}
        spent, doubt = CREDITS_PER_TRACK * (count[_DONE] + count[_LOST]), CREDITS_PER_TRACK * count[_DOUBT]
        # The head of an answer may state a charge, though nobody lived to say how the call ended.
        stated = CREDITS_PER_TRACK * sum(
            listed is _DOUBT and name in self.seen and self.seen[name].fault is Fault.CUT_BILLED
            for name, listed in self._listed.items()
        )
        hold(balance.reserved == 0 and balance.committed == spent + doubt, f"{balance} is not {spent} and {doubt}")
        hold(spent <= balance.spent <= spent + stated, f"{balance} is not {spent} spent, and {stated} at most stated")
        hold(self.charged() <= balance.committed, f"{self.charged()} were taken, of {balance.committed}")

    def _check_disk(self) -> None:
        hidden = [path.name for path in _hidden(self.directory)]
        hold(not hidden, f"{hidden} are left")
        there = {path.read_bytes() for path in _tracks(self.directory)}
        for content in self._hidden:
            hold(any(each.startswith(content) for each in there), f"{len(content)} bytes that had come are nowhere")
        self._hidden.clear()
        for job in self.jobs.values():
            if job.state is _DONE:
                path = self.directory / job.file
                hold(path.is_file() and path.read_bytes() == audio_of(job.calls[-1]), f"{job.name}: no track")
        for name, request in self.seen.items():
            audio = audio_of(name)
            if request.fault in CUT_SHORT and name not in self._disturbed and self._listed[name] in {_DOUBT, _LOST}:
                hold(any(audio.startswith(each) for each in there), f"what came of {name} was not kept")
            if request.fault in WHOLE and name not in self.excused:
                told = f"the whole track of {name}, {self._listed[name]} after {request.fault}, is nowhere"
                hold(self._listed[name] is _DONE or audio in there, told)


def ledger_balance(directory: Path) -> Balance:
    """Return the money of a batch, as its ledger has it."""
    with Ledger.observe(directory) as ledger:
        return ledger.balance()


def _hidden(directory: Path) -> Iterator[Path]:
    return (path for path in directory.glob(".*.mp3.*") if path.suffix in {".part", ".ready"})


def _tracks(directory: Path) -> Iterator[Path]:
    return (path for path in sorted(directory.glob("*.mp3")) if not path.name.startswith("."))
