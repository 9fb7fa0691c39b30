"""The project's chores: `nox` runs the checks of every change, `nox --list` shows the rest.

Versions come from the lock file, through the constraints exported from it. The build backend is the exception: it is
not pinned, only bounded from below in `pyproject.toml`.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.sessions = ["lint", "typing", "docs", "tests"]
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False

PYPROJECT = nox.project.load_toml("pyproject.toml")
CONSTRAINTS = str(Path(__file__).parent / ".ci" / "constraints.txt")
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
# All tests, each by whichever process is free.
SHARED_OUT = ("-n", "2", "--dist", "worksteal", "--cov", "--cov-branch", "--cov-report", "term:skip-covered")
# Where tests make rows of the fault table happen.
RIGS = ("tests/faults", "tests/batch", "tests/_sansio/batch")

# What decides about money and repeats, and the tests that must notice any change of it.
MUTATED = {
    "retry": ["test_retry.py"],
    "outcome": ["test_outcome.py", "test_verdict.py"],
    "concurrency": ["test_concurrency.py"],
    "pace": ["test_pace.py"],
}
KILLED_AT_LEAST = 0.95
# Left out are unions in annotations, which decide nothing, and changes nobody would make by mistake: an order in the
# place of an identity, or anything but school arithmetic in the place of arithmetic.
MUTATION = """
[cosmic-ray]
module-path = "aiml_music/_sansio/{module}.py"
timeout = 30.0
excluded-modules = []
test-command = "python -m pytest -c {nothing} --rootdir . --noconftest -p no:cacheprovider -qx {tests}"
distributor.name = "local"
filters.operators-filter.exclude-operators = [
    "core/ReplaceBinaryOperator_BitOr_",
    "core/ReplaceBinaryOperator_.*_(Pow|Mod|FloorDiv|RShift|LShift|BitOr|BitAnd|BitXor)$",
    "core/ReplaceComparisonOperator_(Is|IsNot)_(Eq|NotEq|Lt|LtE|Gt|GtE)$",
    "core/ReplaceComparisonOperator_(Eq|NotEq|Lt|LtE|Gt|GtE)_(Is|IsNot)$",
]
"""
# Cached code of a module would outlive a mutation, other plugins only take time, and under `CI` nothing is random.
MUTATION_ENV = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "CI": "1"}


def install(session: nox.Session, *what: str, groups: tuple[str, ...] = ()) -> None:
    """Install packages and dependency groups, in the versions of the lock file."""
    wanted = [item for group in groups for item in nox.project.dependency_groups(PYPROJECT, group)]
    session.install("-q", *what, *wanted, env={"PIP_CONSTRAINT": CONSTRAINTS})


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests in two processes, with branch coverage, which must be 100 %; `-- tests/batch` runs some of them."""
    install(session, "-e", ".[all]", groups=("test",))
    session.run("pytest", *(session.posargs or SHARED_OUT))


@nox.session(python=PYTHONS)
def versions(session: nox.Session) -> None:
    """Run the tests on every Python that is supported and found."""
    install(session, "-e", ".[all]", groups=("test",))
    session.run("pytest", "-q", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Look at the page of a batch in a real browser; needs a Chromium on the path."""
    install(session, "-e", ".[all]", groups=("test", "browser"))
    session.run("pytest", "-q", "tests/batch/page/test_browser.py", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Say which rows of the fault table are survived; `-- --long` runs its rigs in their long form."""
    install(session, "-e", ".[all]", groups=("test",))
    session.run("pytest", "-q", *RIGS, "--fault-report", *session.posargs)


@nox.session
def rigs(session: nox.Session) -> None:
    """Kill batches, and say what that cost; `-- --long` tries every point, and soaks ten thousand jobs."""
    install(session, "-e", ".[all]", groups=("test",))
    session.run("pytest", "-q", "tests/rigs", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Change what decides about money, a little at a time, and count the changes that a test notices.

    Works on copies; `-- retry pace` names modules. These survive, and should, for they change nothing that happens:

    - outcome: `credits_used != 0`, as no answer can state a negative cost;
    - concurrency: `int(more) != self.calls`, as a success never makes a limit smaller;
    - retry: other dice and another useful time in `_often`, which asks whether to repeat while time has no end.
    """
    install(session, *PYPROJECT["project"]["dependencies"], groups=("test", "mutation"))
    modules = session.posargs or list(MUTATED)
    places = Path(session.create_tmp())
    running = []
    try:
        for module in modules:
            place = prepared_for_mutation(session, module, places / module)
            running.append(cosmic_ray(session, place))
        for process in running:
            process.wait()
    finally:
        for process in running:
            process.terminate()
    weak = [module for module in modules if share_killed(session, module, places / module) < KILLED_AT_LEAST]
    if weak:
        session.error(f"fewer than {KILLED_AT_LEAST:.0%} of the mutants were killed of: {', '.join(weak)}")


def prepared_for_mutation(session: nox.Session, module: str, place: Path) -> Path:
    """Return a copy of the code whose tests pass, with a list of the mutants of one module."""
    shutil.rmtree(place, ignore_errors=True)
    for tree in ("aiml_music", "tests"):
        shutil.copytree(tree, place / tree, ignore=shutil.ignore_patterns("__pycache__"))
    tests = " ".join(f"tests/_sansio/{name}" for name in MUTATED[module])
    place.joinpath("mutants.toml").write_text(MUTATION.format(module=module, nothing=os.devnull, tests=tests))
    with session.chdir(place):
        session.run("cosmic-ray", "init", "mutants.toml", "mutants.sqlite", silent=True)
        session.run("cr-filter-operators", "mutants.sqlite", "mutants.toml", silent=True)
        session.run("cosmic-ray", "baseline", "mutants.toml", env=MUTATION_ENV)
    return place


def cosmic_ray(session: nox.Session, place: Path) -> subprocess.Popen[bytes]:
    """Begin to try the mutants of a copy; each copy has its own process, so that they share the cores."""
    path = os.pathsep.join([*session.bin_paths, os.environ["PATH"]])
    command = shutil.which("cosmic-ray", path=path)
    env = os.environ | MUTATION_ENV | {"PATH": path}
    return subprocess.Popen([command, "exec", "mutants.toml", "mutants.sqlite"], cwd=place, env=env)  # noqa: S603 - ours


def share_killed(session: nox.Session, module: str, place: Path) -> float:
    """Print how many mutants of a module were killed, and each that was not; return the share."""
    with session.chdir(place):
        dump = session.run("cosmic-ray", "dump", "mutants.sqlite", silent=True)
    results = [result for _, result in map(json.loads, dump.splitlines())]
    if None in results:
        session.error(f"not all mutants of {module} were tried")
    # What is no Python any more was never a mutant.
    tried = [each for each in results if each["test_outcome"] and "SyntaxError" not in (each["output"] or "")]
    survivors = [each for each in tried if each["test_outcome"] != "killed"]
    for survivor in survivors:
        sys.stdout.write(survivor["diff"] or survivor["output"] or "")
    killed = len(tried) - len(survivors)
    sys.stdout.write(f"\n{module}: mutants killed {killed}/{len(tried)}\n")
    return killed / len(tried)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and spelling."""
    install(session, groups=("lint",))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")


@nox.session
def typing(session: nox.Session) -> None:
    """Check types: mypy strictly everywhere, pyright on what users see."""
    install(session, "-e", ".[all]", groups=("test", "typing"))
    session.run("mypy")
    session.run("pyright", "-p", "pyproject.toml")
    session.run("pyright", "--verifytypes", "aiml_music", "--ignoreexternal")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    install(session, "-e", ".[all]", groups=("docs",))
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, and use it as it is: without the extras first, then with them."""
    install(session, "build")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", "dist")
    built = next(Path("dist").glob("*.whl"))
    install(session, str(built))
    session.run("python", "-W", "error", "-c", "import aiml_music; print(aiml_music.__version__)")
    session.run("aiml-music", "--version", success_codes=[2])
    install(session, f"{built}[all]")
    session.run("aiml-music", "--version")
    session.run("aiml-music", "demo", "-o", str(Path(session.create_tmp()) / "demo"))


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, which takes twenty minutes; prints ratios, asserts nothing.

    `-- --write` renews the page of the documentation, `-- --only held` measures for one of its tables, `-- --quick`
    only shows that everything works.
    """
    install(session, "-e", ".[all]", groups=("test", "bench"))
    session.run("python", "-m", "tests.benchmarks", *session.posargs)
    if not session.posargs or session.posargs == ["--write"]:
        for script in sorted(Path("tests/benchmarks").glob("bench_*.py")):
            session.run("python", "-m", f"tests.benchmarks.{script.stem}")


@nox.session(venv_backend="none")
def lock(session: nox.Session) -> None:
    """Renew the lock file and the constraints exported from it; needs uv."""
    session.run("uv", "lock", "--upgrade", external=True)
    session.run(
        *("uv", "export", "--quiet", "--all-extras", "--all-groups", "--no-hashes", "--no-emit-project"),
        *("--no-annotate", "--no-header", "--output-file", CONSTRAINTS),
        external=True,
    )
