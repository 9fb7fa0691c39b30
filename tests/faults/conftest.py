"""The report on the fault table: `pytest tests/faults --fault-report`.

A test names its rows with `@pytest.mark.row("57")`; one that measured something says so with
`record_property("figure", "one line")`.
"""

from collections.abc import Generator

import pytest

from tests.faults.rows import ROWS
from tests.faults.tally import Tally


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the report."""
    parser.addoption("--fault-report", action="store_true", help="say which rows of the fault table were survived")


def pytest_configure(config: pytest.Config) -> None:
    """Turn the report on."""
    if config.getoption("--fault-report", default=False):
        config.pluginmanager.register(_Report(), "fault-report")


class _Report:
    def __init__(self) -> None:
        self._tally = Tally(ROWS)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            unknown = self._tally.unknown(_rows(item))
            if unknown:
                raise pytest.UsageError(f"{item.nodeid}: the fault table has no row {', '.join(sorted(unknown))}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed or hasattr(report, "wasxfail"):
            self._tally.note(_rows(item), passed=False)
        elif report.when == "call" and report.passed:
            self._tally.note(_rows(item), passed=True)
            self._tally.figures += [str(value) for name, value in report.user_properties if name == "figure"]
        return report

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._tally.mistakes and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("faults")
        for line in self._tally.lines():
            terminalreporter.write_line(line)


def _rows(item: pytest.Item) -> set[str]:
    return {number for mark in item.iter_markers("row") for number in mark.args}
