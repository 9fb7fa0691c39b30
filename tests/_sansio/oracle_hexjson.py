"""The oracle that judges documents for the streaming decoder, and ways to feed them to it.

The oracle reads the whole text with `json.loads`, and shares nothing with the decoder.
"""

import json
import math
import random
from binascii import unhexlify
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from attrs import frozen

from aiml_music._sansio.hexjson import HexAudioDecoder, HexDecodeError

HEX = frozenset("0123456789abcdefABCDEF")


@frozen
class Outcome:
    """All that a decoder says about a document: the audio, and then the rest of it or what is wrong with it."""

    audio: bytes
    document: dict[str, Any] | None = None
    reason: str | None = None
    offset: int | None = None

    @property
    def verdict(self) -> tuple[bytes, dict[str, Any]] | None:
        """Return what the oracle can say as well: audio and document, or `None` for a refusal."""
        return None if self.document is None else (self.audio, self.document)


def decode(pieces: Iterable[bytes]) -> Outcome:
    """Run a fresh decoder over the pieces."""
    decoder = HexAudioDecoder()
    audio = bytearray()
    try:
        for piece in pieces:
            audio += decoder.feed(piece)
        document = decoder.finish()
    except HexDecodeError as error:
        audio += error.decoded
        assert decoder.audio_bytes == len(audio)
        return Outcome(audio=bytes(audio), reason=error.reason, offset=error.offset)
    assert decoder.audio_bytes == len(audio)
    return Outcome(audio=bytes(audio), document=document)


def cut(document: bytes, places: Iterable[int]) -> Iterator[bytes]:
    """Cut a document at some places."""
    begin = 0
    for place in sorted(places):
        yield document[begin:place]
        begin = place
    yield document[begin:]


def cut_anywhere(document: bytes, dice: random.Random) -> Iterator[bytes]:
    """Cut a document into up to eight pieces, some of them empty."""
    return cut(document, dice.choices(range(len(document) + 1), k=dice.randint(1, 7)))


class _Members(list[tuple[str, Any]]):
    """An object with all its members, the doubled ones too."""


def oracle(document: bytes) -> tuple[bytes, dict[str, Any]] | None:
    """Return the audio and the rest of a document, or `None` if it is refused.

    The ways in which it is not plainly `json.loads` and `unhexlify` are the deliberate ones: one byte order mark,
    no numbers that are none, no halves of surrogate pairs, one key of a name on the path, an object as the root.
    """
    try:
        root = json.loads(
            document.decode().removeprefix("\ufeff"),
            object_pairs_hook=_Members,
            parse_constant=_refuse,
            parse_float=_finite,
        )
        if not isinstance(root, _Members):
            return None
        audio = _take_audio(root)
        return audio, _plain(root)
    except ValueError:
        return None


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


def _take_audio(root: _Members) -> bytes:
    data = _only(root, "data")
    if not isinstance(data, _Members):
        return b""
    audio = _only(data, "audio")
    if not isinstance(audio, str) or audio[:1] not in HEX:
        return b""
    data[[key for key, _ in data].index("audio")] = ("audio", None)
    return unhexlify(audio.encode("ascii"))


def _only(members: _Members, name: str) -> Any:
    values = [value for key, value in members if key == name]
    if len(values) > 1:
        raise ValueError(name)
    return values[0] if values else None


def _plain(value: Any) -> Any:
    if isinstance(value, _Members):
        return {_plain(key): _plain(member) for key, member in value}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        value.encode()
    return value
