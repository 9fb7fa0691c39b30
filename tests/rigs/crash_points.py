"""Numbered points at which a process ends as if it were killed, without any tool of the system.

The interpreter itself tells of every function of C that is about to be called. Those that change a file, the ledger or
what the service knows are counted, in all threads.
"""

import os
import signal
import threading
from types import FrameType
from typing import Any

from attrs import define, field

_COUNTED = frozenset(
    {
        *("open", "FileIO", "write", "pwrite", "truncate", "ftruncate", "posix_fallocate", "fchmod", "fsync"),
        *("link", "replace", "rename", "unlink", "mkdir", "flock"),
        *("execute", "executescript"),
        *("connect", "send", "sendmsg", "sendto", "recv", "recv_into"),
    }
)


@define(eq=False)
class CrashPoint:
    """Kills this process just before the n-th thing that is counted."""

    _at: int
    _count: int = 0
    _lock: threading.Lock = field(factory=threading.Lock)

    def seen(self, frame: FrameType, event: str, function: Any) -> None:
        """Look at what the interpreter does; see `sys.setprofile`."""
        del frame
        if event != "c_call" or getattr(function, "__name__", "") not in _COUNTED:
            return
        with self._lock:
            self._count += 1
            if self._count == self._at:
                os.kill(os.getpid(), signal.SIGKILL)
