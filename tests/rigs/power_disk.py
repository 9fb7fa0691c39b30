"""A disk that keeps what it was asked to sync, and of the rest whatever it likes, in any order.

So says POSIX: what is not synced may be on the disk after a loss of power or not, piece by piece; bytes and length of a
file, and the names in a directory, each for themselves. A piece of 512 bytes, and a change of names, is whole or not
there. Real disks are kinder.
"""

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from attrs import define, field, frozen

from tests.rigs.power_trace import ROOT, Change, Grow, Names, Nodes, Recording, Resize, Sent, Sync, Write

SECTOR = 512
_ALL_SUBSETS_OF = 6


@frozen
class Image:
    """What a disk holds after a loss of power.

    Attributes:
        content: of each file by its path, None of a directory.
        nodes: the number of each; two names may be of one file.
    """

    content: Mapping[str, bytes | None] = field(repr=False)
    nodes: Mapping[str, int] = field(repr=False)

    @property
    def digest(self) -> bytes:
        """What sets it apart from every other one."""
        whole = sha256()
        for path, data in sorted(self.content.items()):
            kind = b"d" if data is None else b"f"
            whole.update(b"%b %d %b %d\n" % (kind, self.nodes[path], path.encode(), len(data or b"")))
            whole.update(data or b"")
        return whole.digest()

    def put(self, root: Path) -> None:
        """Write it into a directory that is empty."""
        known: dict[int, Path] = {}
        for path, data in sorted(self.content.items()):
            first = known.setdefault(self.nodes[path], root / path)
            if data is None:
                first.mkdir()
            elif first == root / path:
                first.write_bytes(data)
            else:
                (root / path).hardlink_to(first)


@define(eq=False)
class Disk:
    """A disk on its way through a recording.

    Args:
        sent: the ids of requests that may have been charged before it begins.

    Attributes:
        sent: the ids of requests that may have been charged by now.
        pending: what was changed and need not be on the disk yet, in its order.
    """

    _recording: Recording
    sent: frozenset[str] = frozenset()
    pending: list[Change] = field(factory=list, init=False)
    _durable: Nodes = field(init=False)
    _latest: Nodes = field(init=False)
    _seen: list[Change] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._durable, self._latest = _copied(self._recording.before), _copied(self._recording.before)

    def moments(self) -> Iterator[bool]:
        """Go on step by step; power may fail at each. Say whether it is the last one before more is certain."""
        for step in self._recording.steps:
            yield not isinstance(step, Change)
            if isinstance(step, Sent):
                self.sent |= {step.client_request_id}
            elif isinstance(step, Sync):
                self._synced(step)
            else:
                self.pending.append(step)
                self._seen.append(step)
                _apply(self._latest, step)
        yield True

    def _synced(self, sync: Sync) -> None:
        # Told apart as objects: the same change may be made twice.
        covered = {id(change) for change in self._seen[: sync.since] if change.node == sync.node}
        for change in self.pending:
            if id(change) in covered:
                _apply(self._durable, change)
        self.pending = [change for change in self.pending if id(change) not in covered]

    def named(self) -> Iterator[tuple[str, bytes]]:
        """Yield the files whose names are synced, with what was put into each so far.

        Whether their directory can be found again is another question.
        """
        for folder in self._durable.values():
            if isinstance(folder, dict):
                for name, node in folder.items():
                    if node not in self._recording.folders:
                        yield name, _content(self._latest, node)

    def image(self, kept: Sequence[Change]) -> Image:
        """Return what is there if these of the pending changes are."""
        nodes = self._durable | _copied(self._durable, {change.node for change in kept})
        for change in kept:
            _apply(nodes, change)
        found = list(self._walked(nodes, ROOT, ""))
        return Image({path: data for path, _, data in found}, {path: node for path, node, _ in found})

    def _walked(self, nodes: Nodes, number: int, path: str) -> Iterator[tuple[str, int, bytes | None]]:
        folder = nodes.get(number, {})
        assert isinstance(folder, dict)
        for name, child in folder.items():
            below = f"{path}{name}"
            if child in self._recording.folders:
                yield below, child, None
                yield from self._walked(nodes, child, f"{below}/")
            else:
                yield below, child, _content(nodes, child)


def _copied(nodes: Nodes, some: Collection[int] | None = None) -> Nodes:
    return {number: node.copy() for number, node in nodes.items() if some is None or number in some}


def _content(nodes: Nodes, number: int) -> bytes:
    file = nodes.get(number, bytearray())
    assert isinstance(file, bytearray)
    return bytes(file)


def _apply(nodes: Nodes, change: Change) -> None:
    if isinstance(change, Names):
        folder = nodes.setdefault(change.node, {})
        assert isinstance(folder, dict)
        for name, node in change.changes:
            folder.pop(name, None)
            if node is not None:
                folder[name] = node
        return
    file = nodes.setdefault(change.node, bytearray())
    assert isinstance(file, bytearray)
    if isinstance(change, Resize):
        del file[change.size :]
    end = change.offset + len(change.data) if isinstance(change, Write) else change.size
    file.extend(bytes(max(0, end - len(file))))
    if isinstance(change, Write):
        file[change.offset : end] = change.data


def whole_files(recording: Recording) -> Mapping[str, frozenset[bytes]]:
    """Return what was in the files of each name in the end; a name may have had several files."""
    nodes = _copied(recording.before)
    names = [item for folder in nodes.values() if isinstance(folder, dict) for item in folder.items()]
    for step in recording.steps:
        if isinstance(step, Change):
            _apply(nodes, step)
        if isinstance(step, Names):
            names += [(name, node) for name, node in step.changes if node is not None]
    whole: dict[str, set[bytes]] = {}
    for name, node in names:
        if node not in recording.folders:
            whole.setdefault(name, set()).add(_content(nodes, node))
    return {name: frozenset(found) for name, found in whole.items()}


def few(pending: Sequence[Change], dice: random.Random) -> Iterator[Sequence[Change]]:
    """Yield some of what a disk may have kept: nothing, all, the last alone, lost or torn, and what chance says."""
    yield ()
    yield pending
    if pending:
        yield pending[-1:]
        yield pending[:-1]
        for torn in _torn(pending[-1], dice):
            yield (*pending[:-1], torn)
        yield _of_chance(pending, dice)


def many(pending: Sequence[Change], dice: random.Random) -> Iterator[Sequence[Change]]:
    """Yield much of what a disk may have kept: each change lost, alone, or torn; of a few, all choices."""
    count = len(pending)
    if count <= _ALL_SUBSETS_OF:
        for bits in range(1 << count):
            yield [change for place, change in enumerate(pending) if bits >> place & 1]
    else:
        yield ()
        yield pending
        for place in range(count):
            yield [*pending[:place], *pending[place + 1 :]]
            yield pending[place : place + 1]
            yield _of_chance(pending, dice)
            yield _of_chance(pending, dice)
    for place, change in enumerate(pending):
        for torn in _torn(change, dice):
            yield [*pending[:place], torn, *pending[place + 1 :]]
            yield [*pending[:place], torn]
    yield [dice.choice([change, *_torn(change, dice)]) for change in _of_chance(pending, dice)]


def _of_chance(pending: Sequence[Change], dice: random.Random) -> Sequence[Change]:
    return [change for change in pending if dice.random() < 0.5]


def _torn(change: Change, dice: random.Random) -> Iterator[Change]:
    """Yield what may be left of one write: its length alone; its beginning; its end."""
    if not isinstance(change, Write):
        return
    end = change.offset + len(change.data)
    yield Grow(change.node, end)
    cuts = range((change.offset // SECTOR + 1) * SECTOR, end, SECTOR)
    if cuts:
        cut = dice.choice(cuts) - change.offset
        yield Write(change.node, change.offset, change.data[:cut])
        yield Write(change.node, change.offset + cut, change.data[cut:])
