"""Lyrics as something to sing: lines of syllables, each with the vowel it is sung on.

Not linguistics: good enough that a listener hears the rhythm and the vowels of the words.
"""

import re
import unicodedata

from attrs import frozen

VOWELS = "aeiou"

# In many scripts a character is about one syllable; everything that is not Latin is treated so.
_APOSTROPHES = "'\u2019"
_WORD = re.compile(rf"[^\W\d_]+(?:[{_APOSTROPHES}][^\W\d_]+)*|\d")
_VOWEL_GROUP = re.compile(r"[aeiouy]+")


@frozen
class Line:
    """One line of the lyrics; `pause` is set when an empty line follows it."""

    vowels: tuple[str, ...]
    pause: bool = False


def wants_accompaniment(lyrics: str) -> bool:
    """Say whether the lyrics are wrapped in `##`."""
    bare = lyrics.strip()
    return len(bare) > len("####") and bare.startswith("##") and bare.endswith("##")


def lines_of(lyrics: str) -> tuple[Line, ...]:
    """Return the lines that have anything to sing."""
    lines: list[Line] = []
    for text in lyrics.replace("#", " ").splitlines():
        vowels = tuple(vowel for word in _WORD.findall(text) for vowel in _vowels_of(word))
        if vowels:
            lines.append(Line(vowels=vowels))
        elif lines:
            lines[-1] = Line(vowels=lines[-1].vowels, pause=True)
    return tuple(lines)


def _vowels_of(word: str) -> tuple[str, ...]:
    word = "".join(character for character in word if character not in _APOSTROPHES)
    plain = "".join(mark for mark in unicodedata.normalize("NFKD", word.lower()) if not unicodedata.combining(mark))
    if not plain.isascii():
        return tuple(VOWELS[ord(character) % len(VOWELS)] for character in unicodedata.normalize("NFC", word))
    groups = _VOWEL_GROUP.findall(plain)
    if len(groups) > 1 and plain.endswith("e") and groups[-1] == "e":
        groups.pop()
    return tuple(_sung(group) for group in groups) or ("a",)


def _sung(group: str) -> str:
    return group[0].replace("y", "i")
