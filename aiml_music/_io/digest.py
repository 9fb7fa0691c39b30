"""What a file is known by, whatever it is called: the SHA-256 of all its bytes, taken in pieces."""

import functools
import importlib
import io
from pathlib import Path
from types import ModuleType
from typing import Any


def sha256_of(file: Path | io.FileIO) -> str:
    """Return the SHA-256 of a whole file in hexadecimal. Blocking: call it from a worker thread.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(file, Path):
        with io.FileIO(file) as opened:
            return sha256_of(opened)
    file.seek(0)
    taken: Any = load().file_digest(file, "sha256")
    digest: str = taken.hexdigest()
    return digest


@functools.cache
def load() -> ModuleType:
    """Load what it takes, which most calls never need: OpenSSL's hashes take milliseconds to load."""
    return importlib.import_module("hashlib")
