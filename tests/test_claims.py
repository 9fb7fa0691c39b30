"""Two pages of the documentation promise something in every sentence: each block of them names the tests that show it.

Behind a paragraph, a list or a table stands a comment that is not rendered: `% shown by:` and the tests' names, each as
`path::function`, over as many lines as they need. What is said of the world outside has `% source:` instead. Programs
and what they print are run elsewhere, with those of all other pages.
"""

import ast
import functools
import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest
from attrs import field, frozen

import aiml_music

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "docs/guides/what-a-call-costs.md", ROOT / "docs/sixty-seconds.md"]

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_OURS = re.compile(rf"\bclient\b|`(?:{'|'.join(aiml_music.__all__)})\b", re.IGNORECASE)


@frozen
class Claim:
    """A paragraph, a list or a table, and what stands behind it."""

    line: int
    text: str
    tests: tuple[str, ...] = field(default=())
    source: str = ""


def claims_of(text: str) -> Iterator[Claim]:
    """Return the blocks of a page, without headings, programs and what they print."""
    # Blanked out, so that lines keep their numbers.
    lines = [*_FENCE.sub(lambda fence: re.sub(r"[^\n]", "", fence[0]), text).splitlines(), ""]
    place = 0
    while place < len(lines):
        block = list(takewhile(lambda line: line.strip() and not line.startswith("%"), lines[place:]))
        behind = lines[place + len(block) :]
        blanks = len(list(takewhile(lambda line: not line.strip(), behind)))
        comment = list(takewhile(lambda line: line.startswith("%"), behind[blanks:]))
        if block and not block[0].startswith("#"):
            yield _claim(place + 1, "\n".join(block), " ".join(line[1:].strip() for line in comment))
        place += len(block) + max(1, blanks + len(comment))


def _claim(line: int, text: str, comment: str) -> Claim:
    kind, _, rest = comment.partition(":")
    if kind == "shown by":
        return Claim(line, text, tests=tuple(re.split(r",?\s+", rest.strip())))
    return Claim(line, text, source=rest.strip() if kind == "source" else "")


@functools.cache
def functions_of(path: Path) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return the test functions of a file that may run; none where the whole file is skipped."""
    body = ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else []
    if any(_skips(statement) for statement in body):
        return {}
    return {
        node.name: node
        for node in body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def _skips(statement: ast.stmt) -> bool:
    """Say whether a statement skips all that stands behind it, or marks all of a file so."""
    marks = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark"
    called = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    return (marks and _never_runs(ast.unparse(statement))) or (
        called and ast.unparse(statement).startswith(("pytest.skip(", "pytest.xfail("))
    )


def _never_runs(mark: str) -> bool:
    return re.search(r"\bmark\.(skip|xfail)\b", mark) is not None


def mistake_in(name: str, root: Path = ROOT) -> str:
    """Return what is wrong with a test that a page names; nothing where it exists and runs."""
    path, _, function = name.partition("::")
    test = functions_of(root / path).get(function)
    if test is None:
        return f"there is no test {name}"
    skipped = any(_never_runs(ast.unparse(mark)) for mark in test.decorator_list) or any(map(_skips, test.body))
    return f"{name} never runs" if skipped else ""


def mistakes_in(text: str, root: Path = ROOT) -> list[str]:
    """Return what is wrong with the claims of a page."""
    found = []
    for claim in claims_of(text):
        where = f"line {claim.line}: {claim.text[:60]!r}"
        if not claim.tests and not claim.source:
            found.append(f"{where} is shown by nothing")
        if claim.source and _OURS.search(claim.text):
            found.append(f"{where} speaks of this client, and a source is no test")
        found += [f"{where}: {mistake}" for name in claim.tests if (mistake := mistake_in(name, root))]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_sentence_is_shown(page: Path) -> None:
    """Each block names tests that exist and run, or a source where it speaks of the world outside."""
    text = page.read_text(encoding="utf-8")
    assert mistakes_in(text) == []
    # Each comment has found its block: none is lost between two headings.
    assert len(re.findall(r"^% (?:shown by|source):", text, re.MULTILINE)) == len(list(claims_of(text)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_said_of_this_client_is_the_larger_part(page: Path) -> None:
    """Sources are for the rest: most blocks are shown by tests."""
    claims = list(claims_of(page.read_text(encoding="utf-8")))
    assert sum(bool(claim.tests) for claim in claims) > len(claims) / 2


TESTS = '''
import pytest

def test_good(): ...
async def test_better(): ...
@pytest.mark.skip(reason="no")
def test_skipped(): ...
@pytest.mark.skipif(True, reason="sometimes")
def test_sometimes(): ...
def test_given_up():
    """It never gets far."""
    pytest.skip("never")
def helper(): ...
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with a few tests."""
    (tmp_path / "test_it.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "test_off.py").write_text(f"import pytest\npytestmark = pytest.mark.skip\n{TESTS}", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A fact.\n\n% shown by: test_it.py::test_good, test_it.py::test_better\n", []),
        ("A fact\nof two lines.\n\n% shown by: test_it.py::test_good\n% test_it.py::test_sometimes\n", []),
        ("# A heading\n\n```python\nno_claim()\n```\n", []),
        ("A fact of the world.\n\n% source: RFC 9110\n", []),
        ("A fact.\n", ["line 1: 'A fact.' is shown by nothing"]),
        (
            "```text\n```\n\nOne.\n\nTwo.\n\n% source: RFC 9110\n",
            ["line 4: 'One.' is shown by nothing"],
        ),
        ("A fact.\n\n% source:\n", ["line 1: 'A fact.' is shown by nothing"]),
        ("A fact.\n\n% by the way\n", ["line 1: 'A fact.' is shown by nothing"]),
        ("- one\n- two\n", ["line 1: '- one\\n- two' is shown by nothing"]),
        (
            "The client waits.\n\n% source: me\n",
            ["line 1: 'The client waits.' speaks of this client, and a source is no test"],
        ),
        (
            "`Timeouts` is set.\n\n% source: me\n",
            ["line 1: '`Timeouts` is set.' speaks of this client, and a source is no test"],
        ),
        ("So.\n\n% shown by: test_it.py::helper", ["line 1: 'So.': there is no test test_it.py::helper"]),
        ("So.\n\n% shown by: test_no.py::test_good", ["line 1: 'So.': there is no test test_no.py::test_good"]),
        ("So.\n\n% shown by: test_off.py::test_good", ["line 1: 'So.': there is no test test_off.py::test_good"]),
        ("So.\n\n% shown by: test_it.py::test_skipped", ["line 1: 'So.': test_it.py::test_skipped never runs"]),
        ("So.\n\n% shown by: test_it.py::test_given_up", ["line 1: 'So.': test_it.py::test_given_up never runs"]),
    ],
)
def test_a_claim_that_nothing_shows_is_noticed(text: str, said: list[str], root: Path) -> None:
    """Whatever is missing behind a block, or wrong with what stands there, is found."""
    assert mistakes_in(text, root) == said
