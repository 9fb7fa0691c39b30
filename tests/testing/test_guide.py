"""The guide names everything there is."""

import inspect
import re

import pytest

from aiml_music import testing

pytest.importorskip("uvicorn", reason="the examples of the pages run against the sandbox")
pytest.importorskip("cyclopts", reason="the pages show the command")

from tests.test_docs import DOCS, table

GUIDE = "guides/testing-your-app.md"


def test_the_table_of_reactions_is_complete() -> None:
    """Every function that makes a reaction has its row, and no row is of another."""
    functions = {name: getattr(testing, name) for name in testing.__all__}
    makers = {
        name
        for name, function in functions.items()
        if inspect.isfunction(function)
        and inspect.signature(function).return_annotation in {testing.ScriptedAnswer, testing.ScriptedFault}
    }
    assert {row[0] for row in table(GUIDE, "What becomes of it")} == makers


def test_the_table_of_fixtures_is_complete() -> None:
    """Every fixture has its row, and no row is of another."""
    # Read and not imported: pytest wants to rewrite the assertions of a plugin that it loads later.
    text = (DOCS.parent / "aiml_music/testing/fixtures.py").read_text(encoding="utf-8")
    fixtures = set(re.findall(r"^@pytest\.fixture\ndef (\w+)", text, re.MULTILINE))
    assert {row[0] for row in table(GUIDE, "Which there are")} == fixtures
