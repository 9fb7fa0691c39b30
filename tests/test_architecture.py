"""What may know what: read from the source itself."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "aiml_music"
SOURCES = {str(path.relative_to(PACKAGE)): ast.parse(path.read_bytes()) for path in sorted(PACKAGE.rglob("*.py"))}

# A layer may know those with a number not higher than its own; whatever is not listed counts as the package itself.
# Nothing but tests may know `testing`.
LAYERS = {
    "_version": 0,
    "_sansio": 1,
    "_io": 2,
    "_calls": 3,
    "batch": 4,
    "client": 5,
    "sync": 6,
    "cli": 8,
    "__main__": 8,
    "testing": 9,
}
ITSELF = 7
FIXTURES = "testing/fixtures.py"
HTTP = ["_io/one_connection.py", "_io/tls.py", "_io/transport.py"]
IMPURE_MODULES = {
    *(
        "asyncio",
        "concurrent",
        "http",
        "importlib",
        "logging",
        "multiprocessing",
        "queue",
        "random",
        "sched",
        "secrets",
    ),
    *(
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "uuid",
    ),
}
IMPURE_BUILTINS = {"__import__", "input", "open", "print"}
IMPURE_METHODS = {
    *("cwd", "exists", "getenv", "home", "is_dir", "is_file", "mkdir", "now", "read_bytes", "read_text", "resolve"),
    *("stat", "today", "touch", "unlink", "urandom", "urlopen", "utcnow", "write_bytes", "write_text"),
}


def layer_of(name: str) -> str:
    """Return the part of the package a file or a dotted name belongs to."""
    return name.removeprefix("aiml_music.").replace("/", ".").removesuffix(".py").split(".")[0]


def files_of(layer: str) -> list[str]:
    return [file for file in SOURCES if layer_of(file) == layer]


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names of everything imported anywhere, `from x import y` as `x.y`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def eager(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is run when a module is imported: nothing in functions, nothing for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from eager(child)


def eagerly_imported(tree: ast.Module) -> set[str]:
    statements = [node for node in eager(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {name for statement in statements for name in imported(statement)}


def words(tree: ast.Module) -> Iterator[str]:
    """Yield every name and every string that is used, docstrings and comments excepted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute | ast.arg):
            yield node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else node.arg
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            yield node.value
    yield from imported(tree)


def test_every_layer_is_there() -> None:
    """The layers these tests hold apart are those of the package, so that none is passed over."""
    assert set(LAYERS) | {"__init__", "sandbox"} == {layer_of(file) for file in SOURCES}


@pytest.mark.parametrize("file", SOURCES)
def test_imports_go_one_way(file: str) -> None:
    """A layer knows those below it; the sandbox knows nothing of ours; commands and fixtures know it, when run."""
    own = layer_of(file)
    ours = {layer_of(f"{name}.") for name in imported(SOURCES[file]) if name.split(".")[0] == "aiml_music"}
    if own == "sandbox":
        assert ours <= {"sandbox"}
        return
    assert max((LAYERS.get(layer, ITSELF) for layer in ours), default=0) <= LAYERS.get(own, ITSELF)
    if file == FIXTURES:
        assert not [name for name in eagerly_imported(SOURCES[file]) if name.startswith("aiml_music.sandbox")]
        return
    assert "sandbox" not in ours
    if own != "cli":
        assert not [word for word in words(SOURCES[file]) if word.startswith("aiml_music.sandbox")]


@pytest.mark.parametrize("file", [file for file in SOURCES if layer_of(file) not in {"cli", "sandbox"}])
def test_the_library_is_imported_cheaply(file: str) -> None:
    """Importing the library loads the standard library, anyio and attrs, and no more; fixtures need pytest as well."""
    known = {*sys.stdlib_module_names, "anyio", "attrs", "aiml_music", *(["pytest"] if file == FIXTURES else [])}
    assert {name.split(".")[0] for name in eagerly_imported(SOURCES[file])} <= known


@pytest.mark.parametrize("file", [file for file in SOURCES if layer_of(file) != "sandbox"])
def test_three_modules_know_the_http_library(file: str) -> None:
    """A change of HTTP library stays a change of the modules that name it."""
    named = {word.split(".")[0] for word in words(SOURCES[file])} & {"h11", "httpcore", "httpx"}
    assert file in HTTP or not named


@pytest.mark.parametrize("file", files_of("_sansio"))
def test_the_core_is_pure(file: str) -> None:
    """Values and decisions use the standard library and attrs, and neither sockets, files, clocks nor dice."""
    names = set(imported(SOURCES[file]))
    assert {name.split(".")[0] for name in names} <= {*sys.stdlib_module_names, "attrs", "aiml_music"}
    assert not {name.split(".")[0] for name in names} & IMPURE_MODULES
    assert {name for name in names if name.split(".")[0] == "os"} <= {"os.PathLike"}
    called = {ast.unparse(node.func) for node in ast.walk(SOURCES[file]) if isinstance(node, ast.Call)}
    assert not called & IMPURE_BUILTINS
    assert not {call.rpartition(".")[2] for call in called if "." in call} & IMPURE_METHODS


@pytest.mark.parametrize("file", SOURCES)
def test_modules_are_small_and_named_after_what_is_inside(file: str) -> None:
    """No module is a drawer for everything, in name or in size."""
    assert not {*Path(file).with_suffix("").parts} & {"base", "common", "helpers", "manager", "utils"}
    assert len((PACKAGE / file).read_text(encoding="utf-8").splitlines()) <= 400
