"""The operating system in tests: what this process holds open, how much it may, and calls that fail."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest

posix = pytest.mark.skipif(os.name != "posix", reason="pipes, modes and limits are those of POSIX")


def open_files() -> set[str]:
    """Return where every descriptor leads, as far as it is a file."""
    if not os.path.isdir("/proc/self/fd"):  # noqa: PTH112 - one system's own list
        pytest.skip("this platform does not list descriptors")
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            found.add(f"{descriptor} {os.readlink(f'/proc/self/fd/{descriptor}')}")  # noqa: PTH115
        except FileNotFoundError:
            """The descriptor of the listing itself is gone by now."""
    return found


@contextmanager
def limited(name: str, most: int) -> Iterator[None]:
    """Lower one of this process's limits for a while."""
    resource: Any = pytest.importorskip("resource")
    kind = getattr(resource, name)
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))


def failing(number: int) -> Callable[..., NoReturn]:
    """Return a call to the operating system that fails."""

    def fail(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fail
