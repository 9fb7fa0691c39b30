"""Where the head of an answer ends, in bytes that come in pieces (RFC 9112 §2.1)."""

import re

from attrs import define, field

# A line may end without CR (RFC 9112 §2.2), and h11 takes it so.
_BLANK_LINE = re.compile(rb"\n\r?\n")
_PART_OF_IT = 2


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
