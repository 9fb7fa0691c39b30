"""`aiml-music` and `python -m aiml_music`: look for what the command needs, then hand over to it."""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

_UNUSABLE = 2
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None, *, load: Callable[[str], Any] = import_module) -> int:
    """Run the command and return its exit code.

    Args:
        argv: what was typed behind the name of the program; default: `sys.argv`.
        load: imports the module of a name.
    """
    try:
        app = load("aiml_music.cli.app")
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        sys.stderr.write(f"aiml-music needs {package}; in its checkout: pip install '.[cli]'\n")
        return _UNUSABLE
    except KeyboardInterrupt:
        return _INTERRUPTED
    code: int = app.main(argv)
    return code


if __name__ == "__main__":
    sys.exit(main())
