"""Where the head of an answer ends, in bytes that come in pieces, and how long it says its body is (RFC 9112)."""

import re
from collections.abc import Iterable

from attrs import define, field

# A line may end without CR (RFC 9112 §2.2), and h11 takes it so.
_BLANK_LINE = re.compile(rb"\n\r?\n")
_PART_OF_IT = 2
_WITHOUT_BODY = {204, 304}


def body_length(status: int, headers: Iterable[tuple[str, str]]) -> int | None:
    """Return how many bytes the body of an answer has, if they can be counted; None where that takes more than a look.

    Args:
        status: of a final answer to anything but HEAD and CONNECT.
        headers: names in lower case; each was found fit by whoever read the head.
    """
    lengths = [value for name, value in headers if name == "content-length"]
    is_coded = any(name == "transfer-encoding" for name, _ in headers)
    if status in _WITHOUT_BODY or is_coded or len(lengths) != 1 or not lengths[0].isdecimal():
        return None
    return int(lengths[0])


@define(eq=False)
class HeadCut:
    """Cuts what is read behind the head, so that nobody who reads the head has a part of the body."""

    done: bool = False
    _tail: bytes = field(default=b"", init=False)

    def cut(self, data: bytes) -> tuple[bytes, bytes]:
        """Return what belongs to the head, and what came behind its end.

        Args:
            data: the next bytes; once the end was found, none.
        """
        seen = self._tail + data
        found = _BLANK_LINE.search(seen)
        if found is None:
            self._tail = seen[-_PART_OF_IT:]
            return data, b""
        self.done = True
        end = found.end() - len(self._tail)
        return data[:end], data[end:]
