"""Where tracks go while something is measured, and how many have room there."""

import os
import re
import shutil
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - only a folder of our own in it
_STATUS = Path("/proc/meminfo")


def memory_folder() -> Path | None:
    """Return the folder of the system whose files are in memory, if there is one."""
    return _MEMORY if os.access(_MEMORY, os.W_OK) else None


def room_bytes(folder: Path) -> int:
    """Return what may still be written into a folder; into memory, not more than is free."""
    free = shutil.disk_usage(folder).free
    if not folder.is_relative_to(_MEMORY):
        return free
    available = re.search(r"MemAvailable:\s+(\d+) kB", _STATUS.read_text(encoding="ascii"))
    return min(free, 1024 * int(available[1])) if available else free
