"""What a process does to the files of one directory, and when its requests leave: read from a log of its system calls.

The log is strace's: nothing else sees what SQLite writes. Each call has two moments: it begins, and it returns.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field, frozen

_CALLS = (
    *("openat", "close", "lseek", "write", "pwrite64", "ftruncate", "fallocate", "fsync", "fdatasync"),
    *("mkdir", "mkdirat", "link", "linkat", "rename", "renameat", "renameat2", "unlink", "unlinkat"),
    *("sendto", "sendmsg"),
)
# What this reader knows nothing of: used on a file that counts, it makes a log that cannot be believed.
_UNKNOWN = (
    *("open", "creat", "writev", "pwritev", "pwritev2", "truncate", "sync_file_range", "copy_file_range", "sendfile"),
    *("rmdir", "symlink", "symlinkat", "dup", "dup2", "dup3"),
)
_LINE = re.compile(r"(?P<pid>\d+) +(?P<rest>.*)")
_UNFINISHED = re.compile(r"(?P<call>\w+)\((?P<words>.*?),? *<unfinished \.\.\.>$")
_RESUMED = re.compile(r"<\.\.\. (?P<call>\w+) resumed>(?P<words>.*)\) += (?P<result>-?\d+)")
_FINISHED = re.compile(r"(?P<call>\w+)\((?P<words>.*)\) += (?P<result>-?\d+)")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_GENERATION = re.compile(rb"POST \S*/generate HTTP.*?\r\nx-client-request-id: *([^\r]+)\r\n", re.DOTALL | re.IGNORECASE)
_WHOLE = "100000000"


@frozen
class Write:
    """Bytes that go into a file."""

    node: int
    offset: int
    data: bytes


@frozen
class Resize:
    """A new length of a file."""

    node: int
    size: int


@frozen
class Grow:
    """Room in a file, which has at least this length from now on."""

    node: int
    size: int


@frozen
class Names:
    """A change of the names in a directory, which happens whole or not at all; None takes a name away."""

    node: int
    changes: tuple[tuple[str, int | None], ...]


Change = Write | Resize | Grow | Names


@frozen
class Sync:
    """The disk has said that everything of one file or directory is on it.

    Attributes:
        node: the file or directory.
        since: how many changes had been made when the disk was asked; what came later it need not have.
    """

    node: int
    since: int


@frozen
class Sent:
    """The first byte of a paid request leaves: from now on it may have been charged."""

    client_request_id: str


Step = Change | Sync | Sent


Folder = dict[str, int]
Nodes = dict[int, bytearray | Folder]
ROOT = 0


@frozen
class Recording:
    """What a process did, in its order.

    Attributes:
        steps: each at the moment from which it can matter: a change and a sync when it returned, a request when it
            began to leave.
        before: the files and directories that were there, by their numbers; `ROOT` is the directory above all.
        folders: the numbers of all directories.
    """

    steps: tuple[Step, ...]
    before: Nodes = field(repr=False)
    folders: frozenset[int]


_HANDLERS = {"fdatasync": "_fsync", "mkdirat": "_mkdir", "linkat": "_link", "unlinkat": "_unlink"} | dict.fromkeys(
    ("renameat", "renameat2"), "_rename"
)


@frozen(kw_only=True)
class _Call:
    name: str
    words: str
    result: int
    begun: int
    ended: int

    @property
    def is_sending(self) -> bool:
        return self.name.startswith("send") and self.name != "sendfile"

    @property
    def strings(self) -> list[bytes]:
        return [bytes.fromhex(text.replace("\\x", "")) for text in _STRING.findall(self.words)]

    @property
    def numbers(self) -> list[int]:
        """The arguments that are plain numbers, in their order."""
        plain = (word.strip() for word in _STRING.sub("", self.words).split(","))
        return [int(word, 0) for word in plain if re.fullmatch(r"-?\d+|0x[0-9a-f]+", word)]


@define(eq=False)
class Recorder:
    """Records one process; call it with the process's id, as `Children.run` does.

    Args:
        root: the directory whose files count; nobody else touches them.
        log: where the log of system calls goes.
    """

    root: Path
    log: Path
    _program: "subprocess.Popen[str] | None" = field(default=None, init=False)
    _reader: "_Reader | None" = field(default=None, init=False)

    def __call__(self, pid: int) -> None:
        """Look at the directory, attach to a process, and return when every call of it is seen."""
        self._reader = _Reader(self.root)
        calls = ",".join(f"?{call}" for call in (*_CALLS, *_UNKNOWN))
        self._program = subprocess.Popen(
            ["strace", "-f", "-p", str(pid), "-xx", "-s", _WHOLE, "-o", str(self.log), "-e", f"trace={calls}"],  # noqa: S607
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._program.stderr is not None
        assert "attached" in self._program.stderr.readline()

    def recording(self) -> Recording:
        """Wait for the end of strace, which follows that of the process, and return what the process did."""
        assert self._program is not None
        assert self._reader is not None
        self._program.communicate()
        # A request may be charged while it is still being handed over.
        for call in sorted(_calls(self.log), key=lambda each: each.begun if each.is_sending else each.ended):
            self._reader.take(call)
        return self._reader.recording()


def _calls(log: Path) -> Iterator[_Call]:
    open_calls: dict[str, tuple[int, str]] = {}
    with log.open() as lines:
        for number, line in enumerate(lines):
            found = _LINE.match(line)
            assert found is not None, line
            pid, rest = found["pid"], found["rest"].rstrip()
            if half := _UNFINISHED.match(rest):
                open_calls[pid] = number, half["words"]
            elif half := _RESUMED.match(rest):
                begun, words = open_calls.pop(pid)
                yield _Call(
                    name=half["call"],
                    words=f"{words}, {half['words']}",
                    result=int(half["result"]),
                    begun=begun,
                    ended=number,
                )
            elif whole := _FINISHED.match(rest):
                yield _Call(
                    name=whole["call"], words=whole["words"], result=int(whole["result"]), begun=number, ended=number
                )


class _Reader:
    """Follows descriptors and names, call by call."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._before: Nodes = {}
        self._tree: dict[tuple[int, str], int] = {}
        self._folders: set[int] = set()
        self._nodes = 0
        self._scan(root)
        # Each descriptor's file and place in it.
        self._open: dict[int, list[int]] = {}
        self._steps: list[Step] = []
        self._moments: list[int] = []

    def _scan(self, path: Path) -> int:
        number = self._number()
        if not path.is_dir():
            self._before[number] = bytearray(path.read_bytes())
            return number
        self._folders.add(number)
        folder = self._before[number] = {child.name: self._scan(child) for child in sorted(path.iterdir())}
        self._tree.update({(number, name): node for name, node in folder.items()})
        return number

    def _number(self) -> int:
        self._nodes += 1
        return self._nodes - 1

    def recording(self) -> Recording:
        """Return what was done so far."""
        return Recording(tuple(self._steps), self._before, frozenset(self._folders))

    def take(self, call: _Call) -> None:
        """Take the next call into account."""
        if call.result < 0:
            return
        if call.name in _UNKNOWN:
            assert not self._counts(call), f"nothing is known of {call.name}"
        elif call.is_sending:
            self._sent(call)
        else:
            getattr(self, _HANDLERS.get(call.name, f"_{call.name}"))(call)

    def _counts(self, call: _Call) -> bool:
        inside = any(self._is_inside(name) for name in call.strings)
        return inside or any(number in self._open for number in call.numbers[:1])

    def _sent(self, call: _Call) -> None:
        found = _GENERATION.search(b"".join(call.strings))
        if found is not None:
            self._step(Sent(found[1].decode().strip()), call)

    def _openat(self, call: _Call) -> None:
        (name,) = call.strings
        self._open.pop(call.result, None)
        if not self._is_inside(name):
            return
        where = self._place(name)
        if where is None:
            node = ROOT
        elif where in self._tree:
            node = self._tree[where]
        else:
            node = self._new(where, call)
        self._open[call.result] = [node, 0]
        if "O_TRUNC" in call.words:
            self._step(Resize(node, 0), call)

    def _close(self, call: _Call) -> None:
        self._open.pop(call.numbers[0], None)

    def _lseek(self, call: _Call) -> None:
        if held := self._open.get(call.numbers[0]):
            held[1] = call.result

    def _write(self, call: _Call) -> None:
        if held := self._open.get(call.numbers[0]):
            self._step(Write(held[0], held[1], call.strings[0][: call.result]), call)
            held[1] += call.result

    def _pwrite64(self, call: _Call) -> None:
        if held := self._open.get(call.numbers[0]):
            self._step(Write(held[0], call.numbers[-1], call.strings[0][: call.result]), call)

    def _ftruncate(self, call: _Call) -> None:
        if held := self._open.get(call.numbers[0]):
            self._step(Resize(held[0], call.numbers[1]), call)

    def _fallocate(self, call: _Call) -> None:
        if held := self._open.get(call.numbers[0]):
            self._step(Grow(held[0], call.numbers[-2] + call.numbers[-1]), call)

    def _fsync(self, call: _Call) -> None:
        if held := self._open.get(call.numbers[0]):
            self._step(Sync(held[0], sum(moment < call.begun for moment in self._moments)), call)

    def _mkdir(self, call: _Call) -> None:
        (name,) = call.strings
        where = self._place(name) if self._is_inside(name) else None
        if where is not None:
            self._folders.add(self._new(where, call))

    def _link(self, call: _Call) -> None:
        places = self._places(call)
        if places is not None:
            source, (folder, name) = places
            self._names(call, folder, ((name, self._tree[source]),))

    def _rename(self, call: _Call) -> None:
        places = self._places(call)
        if places is not None:
            (before, old), (folder, name) = places
            assert before == folder
            self._names(call, folder, ((old, None), (name, self._tree[places[0]])))

    def _unlink(self, call: _Call) -> None:
        (path,) = call.strings
        where = self._place(path) if self._is_inside(path) else None
        if where is not None:
            self._names(call, where[0], ((where[1], None),))

    def _places(self, call: _Call) -> tuple[tuple[int, str], tuple[int, str]] | None:
        if not any(map(self._is_inside, call.strings)):
            return None
        source, target = map(self._place, call.strings)
        assert source is not None
        assert target is not None
        return source, target

    def _new(self, where: tuple[int, str], call: _Call) -> int:
        node = self._number()
        self._names(call, where[0], ((where[1], node),))
        return node

    def _names(self, call: _Call, folder: int, changes: tuple[tuple[str, int | None], ...]) -> None:
        for name, node in changes:
            self._tree.pop((folder, name), None)
            if node is not None:
                self._tree[folder, name] = node
        self._step(Names(folder, changes), call)

    def _step(self, step: Step, call: _Call) -> None:
        self._steps.append(step)
        if isinstance(step, Change):
            self._moments.append(call.ended)

    def _is_inside(self, name: bytes) -> bool:
        return Path(os.fsdecode(name)).is_relative_to(self._root)

    def _place(self, name: bytes) -> tuple[int, str] | None:
        """Return the directory that a path is in, and its name there; None for the root."""
        parts = Path(os.fsdecode(name)).relative_to(self._root).parts
        folder = ROOT
        for part in parts[:-1]:
            folder = self._tree[folder, part]
        return (folder, parts[-1]) if parts else None
