"""Where it is measured, and with what."""

import importlib.util
import platform
from datetime import UTC, datetime
from importlib.metadata import version

_PACKAGES = ("aiml-music", "anyio", "httpx", "httpcore", "trio", "aiohttp", "openai", "httpx2", "requests")


def machine() -> str:
    """Return a sentence about it."""
    libraries = [f"{name} {version(name)}" for name in _PACKAGES if importlib.util.find_spec(name.replace("-", "_"))]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {processor()}, {platform.system()} {platform.release()}; "
        f"{python}, {', '.join(libraries)}."
    )


def processor() -> str:
    """Return how many processors there are, and their name where the system tells."""
    name = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - no file
            found = [line.partition(": ")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        found = []
    return f"{len(found)} x {found[0]}" if found else name
