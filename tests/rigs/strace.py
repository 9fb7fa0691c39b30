"""Make system calls of a running process fail, or the death of it, with strace."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from attrs import define, field

_ATTACHED = "attached"
_INJECTED = "(INJECTED)"


@cache
def why_not() -> str | None:
    """Return why no process can be watched here; None where it can."""
    program = shutil.which("strace")
    if program is None:
        return "there is no strace"
    command = [program, "-f", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=1", sys.executable, "-S", "-c", ""]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr.strip() or "strace fails" if done.returncode else None


@define(eq=False)
class Strace:
    """Injects faults into one process; call it with the process's id.

    Args:
        injections: such as `fsync:signal=KILL:when=3`; strace counts the calls of each thread for itself.
        log: the file that it writes to.
    """

    injections: Sequence[str]
    log: Path
    _program: "subprocess.Popen[str] | None" = field(default=None, init=False)

    def __call__(self, pid: int) -> None:
        """Attach to a process, and return when every call of it is watched."""
        calls = sorted({injection.partition(":")[0] for injection in self.injections})
        orders = [word for injection in self.injections for word in ("-e", f"inject={injection}")]
        self._program = subprocess.Popen(
            ["strace", "-f", "-p", str(pid), "-o", str(self.log), "-e", f"trace={','.join(calls)}", *orders],  # noqa: S607
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._program.stderr is not None
        assert _ATTACHED in self._program.stderr.readline()

    def wait(self) -> bool:
        """Wait for its end, which follows that of the process; say whether it gave an error to anybody."""
        assert self._program is not None
        self._program.communicate()
        return _INJECTED in self.log.read_text(errors="replace")
