"""A disk that takes its time."""

import io
import time
from pathlib import Path
from typing import Any


class SlowFile(io.FileIO):
    """A file open for reading, of which each read takes some time more."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(path)
        self._seconds = seconds

    def read(self, size: int | None = -1, /) -> Any:
        """Read, but later."""
        time.sleep(self._seconds)
        return super().read(-1 if size is None else size)
