"""The figures of the rigs, a line each, at the end of the report."""

from pathlib import Path

import pytest

_HERE = Path(__file__).parent.name


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    """Say whether the rigs run in their long form."""
    return bool(request.config.getoption("--long", default=False))


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
