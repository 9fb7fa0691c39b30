"""What a process did to its disk, from the log of strace: changes of files and names, and what made them last."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field, frozen

CALLS = (
    *("openat", "write", "pwrite64", "ftruncate", "fallocate", "lseek", "fsync", "fdatasync"),
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "sendto"),
)
_LINE = re.compile(r"(?P<thread>\d+) +(?P<text>.*)")
_CALL = re.compile(r"(?P<name>\w+)\((?P<given>.*)\) += (?P<result>-?\d+)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_NUMBER = re.compile(r"(?<![\w\\])-?\d+(?!\w)")
_ASKED = re.compile(rb"POST \S+/generate HTTP.*?\r\nx-client-request-id: ([^\r]+)\r\n", re.DOTALL | re.IGNORECASE)
_UNFINISHED = " <unfinished ...>"


@frozen(eq=False)
class Write:
    """Bytes went to a place of a file."""

    inode: int
    offset: int
    data: bytes

    def onto(self, content: bytearray) -> None:
        """Do the same to a copy."""
        end = self.offset + len(self.data)
        content.extend(bytes(max(0, end - len(content))))
        content[self.offset : end] = self.data


@frozen(eq=False)
class Resize:
    """A file became longer, with zeros, or shorter."""

    inode: int
    size: int
    only_longer: bool = False

    def onto(self, content: bytearray) -> None:
        """Do the same to a copy."""
        if self.size < len(content) and not self.only_longer:
            del content[self.size :]
        content.extend(bytes(max(0, self.size - len(content))))


@frozen(eq=False)
class Names:
    """Names came or went, all at once; None is one that went."""

    changes: tuple[tuple[str, int | None], ...]


@frozen(eq=False)
class Sync:
    """What was done before to a file, or to the names of the directory (None), lasts."""

    inode: int | None


@frozen(eq=False)
class Sent:
    """A request that will be charged began to leave."""

    client_request_id: str


@frozen(eq=False)
class Step:
    """Something that happened, between two lines of the log."""

    began: int
    ended: int
    act: Write | Resize | Names | Sync | Sent


@define(eq=False)
class Recording:
    """What happened in one directory.

    Attributes:
        steps: in the order of their ends.
        names: the files at the end, by name.
    """

    directory: Path
    steps: list[Step] = field(factory=list)
    names: dict[str, int] = field(factory=dict)
    _inodes: int = 0
    _open: dict[int, tuple[int | None, int]] = field(factory=dict)
    """Of each descriptor, the file (None is the directory) and the place in it."""
    _sizes: dict[int, int] = field(factory=dict)

    @classmethod
    def read(cls, directory: Path, log: Path) -> "Recording":
        """Read the log of a process that worked in a directory."""
        recording = cls(directory)
        for began, ended, name, given, result in _calls(log):
            for act in recording.acts_of(name, given, result):
                recording.steps.append(Step(began, ended, act))
        return recording

    def acts_of(self, call: str, given: str, result: int) -> Iterator[Write | Resize | Names | Sync | Sent]:
        """Yield what a call did, and follow it."""
        texts = [bytes.fromhex(text.replace("\\x", "")) for text in _TEXT.findall(given)]
        numbers = [int(number) for number in _NUMBER.findall(_TEXT.sub("", given))]
        if call == "openat":
            yield from self._opened(texts[0], given, result)
        elif call.startswith(("rename", "link", "unlink")):
            yield from self._named(call, [self._name_of(text) for text in texts])
        elif call == "sendto":
            yield from (Sent(found[1].decode()) for found in _ASKED.finditer(texts[0] if texts else b""))
        elif numbers and numbers[0] in self._open:
            yield from self._changed(call, numbers, texts, result)

    def _opened(self, path: bytes, given: str, descriptor: int) -> Iterator[Names | Resize]:
        self._open.pop(descriptor, None)
        if Path(os.fsdecode(path)) == self.directory:
            self._open[descriptor] = None, 0
            return
        name = self._name_of(path)
        if name is None:
            return
        if name not in self.names:
            self._inodes += 1
            self.names[name] = self._inodes
            yield Names(((name, self._inodes),))
        inode = self.names[name]
        if "O_TRUNC" in given and self._sizes.get(inode):
            self._sizes[inode] = 0
            yield Resize(inode, 0)
        self._open[descriptor] = inode, 0

    def _named(self, call: str, names: list[str | None]) -> Iterator[Names]:
        if None in names:
            return
        changes: list[tuple[str, int | None]] = []
        old = str(names[0])
        if not call.startswith("unlink"):
            changes.append((str(names[1]), self.names[old]))
            self.names[str(names[1])] = self.names[old]
        if not call.startswith("link"):
            changes.append((old, None))
            del self.names[old]
        yield Names(tuple(changes))

    def _changed(
        self, call: str, numbers: list[int], texts: list[bytes], result: int
    ) -> Iterator[Write | Resize | Sync]:
        inode, place = self._open[numbers[0]]
        if call in {"fsync", "fdatasync"}:
            yield Sync(inode)
        elif inode is None:
            return
        elif call == "lseek":
            self._open[numbers[0]] = inode, result
        elif call in {"write", "pwrite64"}:
            offset = numbers[-1] if call == "pwrite64" else place
            if call == "write":
                self._open[numbers[0]] = inode, place + result
            self._sizes[inode] = max(self._sizes.get(inode, 0), offset + result)
            yield Write(inode, offset, texts[0][:result])
        elif call == "ftruncate":
            self._sizes[inode] = numbers[1]
            yield Resize(inode, numbers[1])
        elif numbers[1] == 0:
            # Room that is not to change the size is nothing that a reader could see.
            yield Resize(inode, numbers[2] + numbers[3], only_longer=True)

    def _name_of(self, path: bytes) -> str | None:
        place = Path(os.fsdecode(path))
        return place.name if place.parent == self.directory else None


def _calls(log: Path) -> Iterator[tuple[int, int, str, str, int]]:
    """Yield when each successful call began and ended, its name, what it was given and what it gave."""
    waiting: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(log.read_text(encoding="ascii", errors="replace").splitlines()):
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        thread, text, began = found["thread"], found["text"], number
        if text.endswith(_UNFINISHED):
            waiting[thread] = number, text.removesuffix(_UNFINISHED)
            continue
        if _RESUMED.match(text):
            began, head = waiting.pop(thread)
            text = head + _RESUMED.sub("", text)
        call = _CALL.match(text)
        if call is not None and int(call["result"]) >= 0:
            yield began, number, call["name"], call["given"], int(call["result"])
