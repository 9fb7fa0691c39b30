"""What the project's own files promise to each other."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def lines_of(name: str) -> list[str]:
    return (ROOT / name).read_text(encoding="utf-8").splitlines()


def test_ci_runs_the_command_of_the_readme() -> None:
    """CI proves the very line a stranger is told to type, and nothing else."""
    setup = ("#", "set -eu", 'cd "$(dirname "$0")/.."')
    commands = [line for line in lines_of(".ci/run") if line and not line.startswith(setup)]
    assert len(commands) == 1
    assert commands[0] in lines_of("README.md")


def test_the_readme_is_short() -> None:
    """A stranger reads it to the end."""
    assert len(lines_of("README.md")) < 120


def test_the_library_itself_needs_three_packages() -> None:
    """Everything else lives in extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[<>=~! \[]", wanted)[0] for wanted in project["dependencies"]}
    assert names == {"anyio", "attrs", "httpx"}
    assert set(project["optional-dependencies"]) >= {"all", "cli", "sandbox"}


def test_the_constraints_are_those_of_the_lock_file() -> None:
    """A version is pinned in one way only, whatever installs it."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    locked = {(package["name"], package["version"]) for package in packages if "registry" in package["source"]}
    pins = (line.split(";")[0].strip().split("==") for line in lines_of(".ci/constraints.txt"))
    assert {(name, version) for name, version in pins} == locked
