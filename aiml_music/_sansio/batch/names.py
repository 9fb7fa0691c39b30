"""Names of files out of labels: a label is what people call a job, and never a path.

A name is chosen once, when its job is planned, and kept in the ledger. Two names of a batch stay apart on every disk:
on one that takes capitals for small letters, and on one that writes accents in its own way.
"""

import re
import unicodedata
from collections.abc import Iterator

MAX_BYTES = 120
"""Of a name without its suffix; a file system takes 255, and hidden files carry a token beside it."""

_AUDIO_SUFFIX = re.compile(r"\.(mp3|wav|wave|pcm|raw)\Z", re.IGNORECASE)
# Windows opens a device under these names, whatever the suffix; folding has made plain digits of ¹²³ already.
_DEVICES = re.compile(r"con|prn|aux|nul|conin|conout|(com|lpt)[0-9]")
# Letters and accents by their category, and nothing at all to see; some disks pass over them.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
# The batch's own files.
_TAKEN = frozenset({"index", "ledger"})
_LINE_CHARS = 60
_HASH_CHARS = (8, 16, 64)


def candidates(label: str, lyrics: str, key: str, copy: int = 1) -> Iterator[str]:
    """Yield names for a job, the fairest first: the one to take is the first whose `folded` nobody has.

    Args:
        label: what people call it; where nothing of it fits into a name, its first line stands in.
        lyrics: its words.
        key: its key, a part of which sets it apart.
        copy: which of several copies it is.
    """
    stem = _slug(_AUDIO_SUFFIX.sub("", label.strip())) or _slug(_first_line(lyrics))
    number = f"-{copy}" if copy > 1 else ""
    if stem and not _is_reserved(stem):
        yield _fitted(stem, number)
    for length in _HASH_CHARS:
        yield _fitted(stem or "track", f"{number}-{key[:length]}")


def folded(name: str) -> str:
    """Return what two names have in common where a disk takes them for one."""
    return unicodedata.normalize("NFKC", _folded_once(_folded_once(name)))


def _folded_once(text: str) -> str:
    return unicodedata.normalize("NFKD", text).casefold()


def is_safe(name: str) -> bool:
    """Say whether a name is one that `candidates` could have given: nothing but a plain file of its directory."""
    return bool(name) and name == _slug(name) and len(name.encode()) <= MAX_BYTES and not _is_reserved(name)


def _is_reserved(name: str) -> bool:
    plain = folded(name)
    return plain in _TAKEN or _DEVICES.fullmatch(plain) is not None


def _first_line(lyrics: str) -> str:
    lines = (line.strip("# \t") for line in lyrics.splitlines())
    return next((line for line in lines if _slug(line)), "")[:_LINE_CHARS]


def _slug(text: str) -> str:
    """Return letters and digits of any script, and single dashes and underscores between them."""
    kept = "".join(map(_kept, unicodedata.normalize("NFC", _INVISIBLE.sub("", text))))
    # Again: what was left out may have stood between a letter and its accent.
    return re.sub(r"-{2,}", "-", unicodedata.normalize("NFC", kept)).strip("-_")


def _kept(character: str) -> str:
    # Letters, the marks on them, and numbers: no separator, dot, quote, control or invisible character is among them.
    if character == "_" or unicodedata.category(character)[0] in "LMN":
        return character
    return "" if character in "'\N{RIGHT SINGLE QUOTATION MARK}" else "-"


def _fitted(beginning: str, end: str) -> str:
    room = MAX_BYTES - len(end.encode())
    return beginning.encode()[:room].decode(errors="ignore").rstrip("-_") + end
