"""The project's chores: `nox` runs the checks of every change, `nox --list` shows the rest.

Versions come from the lock file, through the constraints exported from it. The build backend is the exception: it is
not pinned, only bounded from below in `pyproject.toml`.
"""

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.sessions = ["lint", "typing", "docs", "tests"]
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False

PYPROJECT = nox.project.load_toml("pyproject.toml")
CONSTRAINTS = str(Path(__file__).parent / ".ci" / "constraints.txt")
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


def install(session: nox.Session, *what: str, groups: tuple[str, ...] = ()) -> None:
    """Install packages and dependency groups, in the versions of the lock file."""
    wanted = [item for group in groups for item in nox.project.dependency_groups(PYPROJECT, group)]
    session.install("-q", *what, *wanted, env={"PIP_CONSTRAINT": CONSTRAINTS})


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests with branch coverage, which must be 100 %."""
    install(session, "-e", ".[all]", groups=("test",))
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    if not session.posargs:
        session.run("coverage", "report")


@nox.session(python=PYTHONS)
def versions(session: nox.Session) -> None:
    """Run the tests on every Python that is supported and found."""
    install(session, "-e", ".[all]", groups=("test",))
    session.run("pytest", "-q", *session.posargs)


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
    """Measure; prints ratios, asserts nothing."""
    install(session, "-e", ".[all]", groups=("test",))
    for script in sorted(Path("tests/benchmarks").glob("bench_*.py")):
        session.run("python", "-m", f"tests.benchmarks.{script.stem}", *session.posargs)


@nox.session(venv_backend="none")
def lock(session: nox.Session) -> None:
    """Renew the lock file and the constraints exported from it; needs uv."""
    session.run("uv", "lock", "--upgrade", external=True)
    session.run(
        *("uv", "export", "--quiet", "--all-extras", "--all-groups", "--no-hashes", "--no-emit-project"),
        *("--no-annotate", "--no-header", "--output-file", CONSTRAINTS),
        external=True,
    )
