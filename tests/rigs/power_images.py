"""What a disk may hold after the power fails: all that was made to last, and any of the rest.

Worse than real disks: names and data of different files know no order among each other, and a write may be torn at
every sector.
"""

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import field, frozen

from tests.rigs.power_log import Names, Recording, Resize, Sent, Step, Sync, Write

_SECTOR = 512
_BY_CHANCE = 3


@frozen(eq=False)
class Image:
    """One state of a directory.

    Attributes:
        moment: the power failed before this line of the log.
        names: its files, by name; two names may be of one file.
        contents: what is in each file.
        sent: the ids of the requests that had begun to leave.
    """

    moment: int
    names: Mapping[str, int]
    contents: Mapping[int, bytes] = field(repr=False)
    sent: frozenset[str]

    @property
    def files(self) -> dict[str, bytes]:
        """What is found under each name."""
        return {name: self.contents.get(inode, b"") for name, inode in self.names.items()}

    @property
    def digest(self) -> bytes:
        """What sets it apart from others."""
        known = hashlib.sha256(repr((sorted(self.sent), sorted(self.names.items()))).encode())
        for name, content in sorted(self.files.items()):
            known.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
        return known.digest()

    def write(self, directory: Path) -> None:
        """Make the files of it in an empty directory."""
        made: dict[int, Path] = {}
        for name, inode in self.names.items():
            if inode in made:
                (directory / name).hardlink_to(made[inode])
            else:
                made[inode] = directory / name
                made[inode].write_bytes(self.contents.get(inode, b""))


def moments(recording: Recording) -> list[int]:
    """Return when the power may fail: before every step, and behind the last."""
    seen = {step.ended for step in recording.steps} | {step.began + 1 for step in recording.steps}
    return [*sorted(seen), max(seen) + 1]


def images(recording: Recording, moment: int, chance: random.Random) -> Iterator[Image]:
    """Yield what the disk may hold when the power fails at a moment: nothing of what need not last, or all, or some."""
    begun = [step for step in recording.steps if step.began < moment and not isinstance(step.act, Sync | Sent)]
    lasting = {step for step in begun if _lasts(step, recording.steps, moment)}
    pending = [step for step in begun if step not in lasting]
    sent = frozenset(
        step.act.client_request_id for step in recording.steps if isinstance(step.act, Sent) and step.began < moment
    )
    for kept in _choices(pending, chance):
        yield Image(moment, *_left(begun, lasting | kept), sent)
    for step in pending:
        for part in _torn(step):
            others = [part if each is step else each for each in begun]
            yield Image(moment, *_left(others, {*lasting, *pending, part}), sent)


def _lasts(step: Step, steps: Iterable[Step], moment: int) -> bool:
    """Say whether somebody waited until a step was on the disk: for its file, or for the directory of its names."""
    inode = None if isinstance(step.act, Names) else getattr(step.act, "inode", None)
    return any(
        isinstance(other.act, Sync) and other.act.inode == inode and step.ended < other.began and other.ended < moment
        for other in steps
    )


def _choices(pending: list[Step], chance: random.Random) -> Iterator[set[Step]]:
    yield set()
    yield set(pending)
    for step in pending:
        yield {step}
        yield {*pending} - {step}
    for _ in range(_BY_CHANCE):
        yield {step for step in pending if chance.random() < 0.5}


def _torn(step: Step) -> Iterator[Step]:
    """Yield a write of which only the first sector, or all but the first, came to be."""
    act = step.act
    if isinstance(act, Write) and len(act.data) > _SECTOR:
        yield Step(step.began, step.ended, Write(act.inode, act.offset, act.data[:_SECTOR]))
        yield Step(step.began, step.ended, Write(act.inode, act.offset + _SECTOR, act.data[_SECTOR:]))


def _left(steps: Iterable[Step], kept: set[Step]) -> tuple[dict[str, int], dict[int, bytes]]:
    names: dict[str, int] = {}
    contents: dict[int, bytearray] = {}
    for step in steps:
        if step not in kept:
            continue
        if isinstance(step.act, Names):
            for name, inode in step.act.changes:
                names.pop(name, None)
                if inode is not None:
                    names[name] = inode
        elif isinstance(step.act, Write | Resize):
            step.act.onto(contents.setdefault(step.act.inode, bytearray()))
    return names, {inode: bytes(content) for inode, content in contents.items()}
