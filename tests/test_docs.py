"""The documentation tells the truth: its examples run, and its tables and drawings equal the code.

Every ```python block of a page is a complete program. The blocks of a page run in order, in one directory that holds
`reference.mp3`, with the sandbox in the environment. What an ```output block behind one shows is what it prints. A
block that begins with a comment such as `# app.py` is kept under that name; files whose names begin with `test_` are
run by pytest. In a ```console block every `$ aiml-music` is run, and prints what stands below it.

In what a page shows, `…` stands for part of a line that differs from run to run, and alone for any lines.
"""

import functools
import io
import logging
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

import aiml_music
from aiml_music import MusicError, Outcome, Purpose, RetryPolicy, Timeouts
from aiml_music._sansio.errors import Circumstances

pytest.importorskip("uvicorn", reason="the examples run against the sandbox")
pytest.importorskip("cyclopts", reason="the pages show the command")

from aiml_music import sandbox
from aiml_music.cli.app import main
from aiml_music.cli.exit_codes import MEANINGS
from aiml_music.cli.screen import Streams
from aiml_music.sandbox import RunningSandbox, Settings, make_reference, running
from tests.model_tables import FIELDS_HEAD, MODELS_HEAD, fields_rows, markdown, models_rows

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)]

_FENCE = re.compile(r"^```(\S+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"# (\w+\.py)\n")


@attrs.frozen
class Block:
    """A fenced block, and the one behind it."""

    page: Path
    line: int
    language: str
    text: str
    shown: str | None
    """What the page says that it prints; None where it says nothing."""

    @property
    def file_name(self) -> str | None:
        """The name to keep it under."""
        named = _FILE_NAME.match(self.text)
        return named[1] if named else None


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = list(_FENCE.finditer(text))
    behind: list[re.Match[str] | None] = [*found[1:], None]
    return [
        Block(
            page,
            text.count("\n", 0, fence.start()) + 1,
            fence[1],
            fence[2],
            after[2] if after is not None and after[1] == "output" else None,
        )
        for fence, after in zip(found, behind[: len(found)], strict=True)
    ]


def section(page: str, title: str) -> str:
    """Return what stands between a heading and the next one of any rank."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.split(r"^#+ .*$", text.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def table(page: str, title: str) -> list[list[str]]:
    """Return the rows of the first table of a section, without its head; cells without backticks."""
    lines = section(page, title).splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("|---"))
    rows = []
    for line in lines[begin + 1 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return rows


def looks_like(shown: str, printed: str) -> bool:
    """Say whether a program printed what its page shows."""
    pattern = ""
    for line in shown.splitlines(keepends=True):
        pattern += r"(?:.*\n)*?" if line == "…\n" else ".*".join(map(re.escape, line.split("…")))
    return re.fullmatch(pattern, printed) is not None


def compare(block: Block, shown: str, printed: str) -> None:
    """Fail where a page shows something else than what was printed."""
    if not looks_like(shown, printed):
        pytest.fail(f"{block.page}:{block.line} printed:\n{printed}\nand not:\n{shown}", pytrace=False)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running(Settings(latency=0, longest_track=4)) as server:
        yield server


@pytest.fixture(scope="module")
def reference() -> bytes:
    return make_reference(12)


@pytest.fixture
def desk(server: RunningSandbox, reference: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory and an environment as the pages describe them."""
    (tmp_path / "reference.mp3").write_bytes(reference)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("AIML_API_BASE", server.base_url)
    monkeypatch.setenv("AIML_API_KEY", server.api_key)
    monkeypatch.setenv("COLUMNS", "100")
    yield tmp_path
    for file in tmp_path.glob("*.py"):
        sys.modules.pop(file.stem, None)


@contextmanager
def own_logging() -> Iterator[None]:
    """Undo what a program does to the library's logger: the next one is another program."""
    logger = logging.getLogger("aiml_music")
    level, handlers = logger.level, list(logger.handlers)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.handlers[:] = handlers


def run_python(block: Block, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run a program, and keep it where it has a name; a file of tests is only kept."""
    name = block.file_name
    if name is not None:
        (desk / name).write_text(block.text, encoding="utf-8")
    if name is None or not name.startswith("test_"):
        # Blank lines in front, so that a traceback names the line of the page.
        program = compile("\n" * block.line + block.text, str(block.page), "exec")
        with own_logging():
            exec(program, {"__name__": "__main__"})  # noqa: S102 - the page's own program
        printed = capsys.readouterr().out
        compare(block, printed if block.shown is None else block.shown, printed)


def run_console(block: Block) -> None:
    """Run the commands of a console block one after the other; the others install the package."""
    for typed, shown in re.findall(r"^\$ (.*\n)((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE):
        program, *words = shlex.split(typed)
        assert program in {"aiml-music", "pip"}
        if words == ["sandbox"]:
            compare(block, shown.replace("8088", "…"), printed_by_the_sandbox())
        elif program == "aiml-music":
            printed = io.StringIO()
            main(words, streams=Streams(stdin=io.StringIO(), stdout=printed, stderr=printed))
            compare(block, shown, re.sub(" +\n", "\n", printed.getvalue()))


@functools.cache
def printed_by_the_sandbox() -> str:
    """Return what `aiml-music sandbox` prints until it waits; then press Ctrl-C."""
    command = [sys.executable, "-m", "aiml_music", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        overdue = threading.Timer(30, process.kill)
        overdue.start()
        printed = ""
        for line in process.stdout:
            printed += line
            if "Ctrl-C" in line:
                process.send_signal(signal.SIGINT)
        ended = process.wait()
        overdue.cancel()
        assert ended == 0
    return printed


def run_tests(desk: Path) -> None:
    """Run the files of tests that a page has shown."""
    names = [file.name for file in desk.glob("test_*.py")]
    if names:
        command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio"]
        done = subprocess.run([*command, *names], cwd=desk, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_example_runs(page: Path, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every program and command of a page runs, and prints what the page shows."""
    for block in blocks_of(page):
        if block.language == "python":
            run_python(block, desk, capsys)
        if block.language == "console":
            run_console(block)
    run_tests(desk)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_is_of_a_known_kind(page: Path) -> None:
    """No block escapes the tests by its language, and every output belongs to a program."""
    blocks = blocks_of(page)
    kinds = {block.language for block in blocks}
    assert kinds <= {"python", "output", "console", "sh", "text", "{eval-rst}", "{toctree}"}
    shown = [block.text for block in blocks if block.language == "output"]
    assert shown == [block.shown for block in blocks if block.shown is not None and block.language == "python"]


def test_the_readme_makes_what_it_says(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its programs leave a track under each name that they give, and its commands work on such files."""
    blocks = blocks_of(ROOT / "README.md")
    for block in blocks:
        if block.language == "python":
            run_python(block, desk, capsys)
    made = {"song.mp3", "Storms may come.mp3", "We stay true.mp3", "Friends forever.mp3", "stream.mp3"}
    assert {file.name for file in desk.glob("*.mp3")} == made | {"reference.mp3"}

    (desk / "lyrics.txt").write_text("##Side by side##", encoding="utf-8")
    typed = [line for block in blocks if block.language == "sh" for line in block.text.splitlines()]
    commands = [
        shlex.split(line, comments=True)[1:] for line in typed if re.match("aiml-music (generate|probe) ", line)
    ]
    assert [words[0] for words in commands] == ["generate", "probe"]
    for words in commands:
        printed = io.StringIO()
        code = main(words, streams=Streams(stdin=io.StringIO(), stdout=printed, stderr=printed))
        assert code == 0, printed.getvalue()


def test_a_wrong_output_is_noticed() -> None:
    """The comparison can fail: an ellipsis stands for no more than it should."""
    assert looks_like("a … c\nd\n", "a b b c\nd\n")
    assert not looks_like("a … c\nd\n", "a b\nb c\nd\n")
    assert not looks_like("a\n", "a\nb\n")
    assert looks_like("a\n…\nd\n", "a\nb\nc\nd\n")
    assert not looks_like("a\n…\nd\n", "a\nb\nc\n")


def test_the_reference_names_everything_public() -> None:
    """Each public name has its entry in the reference, and no other name has one."""
    text = "".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "reference").glob("*.md")))
    described = re.findall(r"^\.\. (?:auto(?:class|exception|function)|py:data):: ([\w.]+)$", text, re.MULTILINE)
    ours = [f"aiml_music.{name}" for name in aiml_music.__all__]
    assert sorted(described) == sorted(ours + list(sandbox.__all__))


def drawn_errors() -> list[tuple[str, str | None, str | None]]:
    """Return each error of the drawing, with its parent and the built-in exception in brackets."""
    drawing = next(block.text for block in blocks_of(DOCS / "reference/errors.md") if block.language == "text")
    errors: list[tuple[str, str | None, str | None]] = []
    path: list[str] = []
    for line in drawing.splitlines():
        branch, rest = re.fullmatch(r"([│├└─ ]*)(.*)", line).groups()  # type: ignore[union-attr]  # matches any line
        depth = len(branch) // 4
        for name in re.split(r" {2,}", rest)[0].split(" · "):
            word, builtin = re.fullmatch(r"(\w+)(?: \((\w+)\))?", name).groups()  # type: ignore[union-attr]  # or fails here
            errors.append((word, path[depth - 1] if depth else None, builtin))
            path[depth:] = [word]
    return errors


def test_the_drawn_tree_of_errors_is_the_real_one() -> None:
    """Parents, built-in parents and the number of errors are as drawn."""
    drawn = {}
    for name, parent, builtin in drawn_errors():
        bases = [base.__name__ for base in getattr(aiml_music, name).__bases__]
        assert bases == [parent or "Exception", *([builtin] if builtin else [])]
        drawn[name] = parent
    assert set(drawn) == public_errors()


def public_errors() -> set[str]:
    """Return the names of all errors of the tree."""
    values = {name: getattr(aiml_music, name) for name in aiml_music.__all__}
    return {name for name, value in values.items() if isinstance(value, type) and issubclass(value, MusicError)}


def test_the_table_of_errors_is_complete() -> None:
    """The guide says of every error what happened, what it cost and what to do; and which built-in one it is."""
    rows = table("guides/errors-and-money.md", "Every error")
    for name, builtin, *_ in rows:
        parents = [parent.__name__ for parent in getattr(aiml_music, name).__mro__]
        assert not builtin or builtin in parents
    named_below = set(
        re.findall(r"`(\w+Error)`", section("guides/errors-and-money.md", "Every error").split("`LedgerError`")[1])
    )
    assert {row[0] for row in rows} | named_below | {"LedgerError", "MusicError"} == public_errors()


def test_the_table_of_attributes_is_complete() -> None:
    """The reference says what each attribute of an error tells."""
    real = {*Circumstances.__optional_keys__, "message", "is_timeout"}
    assert {row[0] for row in table("reference/errors.md", "The tree")} == real


def test_the_table_of_outcomes_is_complete() -> None:
    """The guide explains each outcome once."""
    assert [row[0] for row in table("guides/errors-and-money.md", "Outcomes")] == [str(outcome) for outcome in Outcome]


@pytest.mark.parametrize(
    ("page", "title", "value"),
    [
        ("guides/timeouts-and-retries.md", "`timeout` is total", Timeouts),
        ("sixty-seconds.md", "The four limits", Timeouts),
        ("guides/timeouts-and-retries.md", "How often, and how long between", RetryPolicy),
        ("guides/sandbox.md", "Settings", Settings),
    ],
)
def test_a_table_of_settings_is_the_real_one(page: str, title: str, value: Any) -> None:
    """Names and defaults are those of the code."""
    written = {name: default.removesuffix(" s").lower() for name, default, *_ in table(page, title)}
    real = {field.name: field.default for field in attrs.fields(value)}
    assert written.keys() == real.keys()
    for name, default in real.items():
        assert written[name] in {str(default).lower(), f"{default:g}" if isinstance(default, float) else None}


def test_the_table_of_scenarios_is_the_real_one() -> None:
    """The page lists every scenario in the words of the code."""
    real = [[scenario.name, scenario.description] for scenario in sandbox.SCENARIOS.values()]
    assert table("guides/sandbox.md", "Scenarios") == real


def test_the_table_of_exit_codes_is_the_real_one() -> None:
    """The page lists every exit code in the words of the program."""
    real = [[str(int(code)), meaning] for code, meaning in MEANINGS.items()]
    assert table("guides/command-line.md", "When something goes wrong") == real


def test_every_command_has_its_help_in_the_reference() -> None:
    """The reference shows the help of the program, and of each command that it names."""
    text = (DOCS / "reference/command-line.md").read_text(encoding="utf-8")
    named = re.findall(r"^  (\w+): ", text.split("Commands:\n")[1].split("```")[0], re.MULTILINE)
    assert sorted(re.findall(r"^\$ aiml-music (\w+) --help$", text, re.MULTILINE)) == named


def test_the_table_of_purposes_is_the_real_one() -> None:
    """The page lists every purpose."""
    assert [row[0] for row in table("guides/references-and-lyrics.md", "References")] == [str(kind) for kind in Purpose]


@pytest.mark.parametrize(
    ("title", "head", "rows"),
    [("The models", MODELS_HEAD, models_rows()), ("Their fields", FIELDS_HEAD, fields_rows())],
    ids=["models", "fields"],
)
def test_the_tables_of_models_are_those_of_the_catalogue(
    title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]
) -> None:
    """The page says of every model what the code knows."""
    if (wanted := markdown(head, rows)) not in section("guides/which-model.md", title):
        pytest.fail(f"The table below {title!r} should be:\n{wanted}", pytrace=False)


def test_the_drawn_folder_is_the_real_one() -> None:
    """Each file and folder of the package has its line, and each line its file or folder."""
    lines = section("architecture.md", "The shape").split("```")[1].splitlines()[2:]
    drawn = {line.split()[1] for line in lines}
    real = {f"{path.name}/" if path.is_dir() else path.name for path in (ROOT / "aiml_music").iterdir()}
    assert drawn == real - {"__pycache__/"}


def test_every_module_that_is_mentioned_exists() -> None:
    """A path in the architecture page leads to a file or folder of the package."""
    mentioned = re.findall(r"`(_\w+/[\w/.]+)`", (DOCS / "architecture.md").read_text(encoding="utf-8"))
    assert mentioned
    assert [path for path in mentioned if not (ROOT / "aiml_music" / path).exists()] == []


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """A link leads to a page that exists, and to a heading on it."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors_of(target), link
