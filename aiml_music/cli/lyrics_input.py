"""Take the lyrics from where the command says: its own words, a file, or standard input."""

from pathlib import Path
from typing import IO

from aiml_music._sansio.errors import InputError
from aiml_music.cli.faults import CommandError
from aiml_music.cli.screen import Screen

STDIN = Path("-")

# No model sings so much; a film given by mistake must not fill the memory.
_MAX_BYTES = 1 << 20


def read_lyrics(text: str | None, file: Path | None, screen: Screen) -> str:
    """Return the lyrics, without the line end that editors put after the last line.

    Args:
        text: the words themselves.
        file: a text file in UTF-8; `-` is standard input.
        screen: has standard input, and is told where somebody has to type.

    Raises:
        CommandError: there is not exactly one of both.
        InputError: the file cannot be read, or is no text.
    """
    if (text is None) == (file is None):
        wrong = "There are no lyrics." if file is None else "The lyrics are given twice."
        raise CommandError(wrong, "Give --lyrics TEXT, --lyrics-file FILE, or - for standard input.")
    if file is None:
        return text or ""
    label = "Standard input" if file == STDIN else repr(str(file))
    data = _read(file, label, screen)
    if len(data) > _MAX_BYTES:
        raise InputError(f"{label} has more than {_MAX_BYTES:,} bytes: these are no lyrics.")
    try:
        return data.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{label} is no text in UTF-8 (byte {error.start}).", hint="Save it as UTF-8.") from None


def _read(file: Path, label: str, screen: Screen) -> bytes:
    try:
        if file == STDIN:
            return _standard_input(screen).read(_MAX_BYTES + 1)
        with file.open("rb") as opened:
            return opened.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        # ValueError is Python's word for a name that no operating system takes.
        raise InputError(f"{label} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def _standard_input(screen: Screen) -> IO[bytes]:
    if screen.stdin.isatty():
        screen.note("Type the lyrics; end with Ctrl-D, on Windows with Ctrl-Z and Enter.")
    return screen.stdin.buffer
