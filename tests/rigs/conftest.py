"""What the rigs share: the program that starts processes, how long they run, and a line of figures for each."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from attrs import frozen

from tests.rigs.bench import calm_tracks
from tests.rigs.children import Children, children
from tests.rigs.strace import why_not

_HERE = Path(__file__).parent.name
Tell = Callable[[str], None]
Tracks = Mapping[str, str]


@frozen(kw_only=True)
class Extent:
    """How much the rigs do.

    Attributes:
        long: every point, instead of a few.
        jobs: of the soak, in all.
        minutes: after so many, the soak begins no other batch.
    """

    long: bool
    jobs: int
    minutes: float


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the soak."""
    parser.addoption("--soak-jobs", type=int, metavar="N", help="jobs of the soak: 24, or 10,000 in the long form")
    parser.addoption("--soak-minutes", type=float, default=20.0, metavar="M", help="begin no other batch after so long")


@pytest.fixture
def extent(request: pytest.FixtureRequest) -> Extent:
    """Return how much the rigs do."""
    option = request.config.getoption
    long = bool(option("--long", default=False))
    jobs = option("--soak-jobs", default=None) or (10_000 if long else 24)
    return Extent(long=long, jobs=jobs, minutes=option("--soak-minutes", default=20.0))


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Children]:
    """Return what starts processes, for all rigs; it has imported everything once."""
    if not hasattr(os, "fork"):
        pytest.skip("this platform does not fork")
    with children(tmp_path_factory.mktemp("rigs")) as program:
        yield program


@pytest.fixture(scope="session")
def tracks(program: Children, tmp_path_factory: pytest.TempPathFactory) -> Tracks:
    """Return what every track must be, whatever happens while it is made."""
    return calm_tracks(program, tmp_path_factory.mktemp("calm"))


@pytest.fixture
def strace() -> None:
    """Skip where no system call can be made to fail."""
    reason = why_not()
    if reason is not None:
        pytest.skip(f"no system call can be made to fail: {reason}")


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Return what takes the line that a rig ends with."""
    return lambda line: record_property("figure", line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the rigs measured."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    figures = [
        value
        for report in reports
        if f"/{_HERE}/" in report.nodeid and report.when == "call"
        for name, value in report.user_properties
        if name == "figure"
    ]
    if figures:
        terminalreporter.section("rigs")
        for figure in figures:
            terminalreporter.write_line(str(figure))
