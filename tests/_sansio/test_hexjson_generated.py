"""The streaming decoder against the oracle on documents nobody wrote: generated, damaged, and cut by dice."""

import random
from binascii import hexlify

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests._sansio.corpus_hexjson import AUDIO_FRAMES, LEGAL_VALUES
from tests._sansio.oracle_hexjson import cut, cut_anywhere, decode, oracle

SETTINGS = settings(max_examples=300, deadline=None, derandomize=True, database=None)

NAMES = ("data", "audio", "status", "Audio", "audio ", "", "x", "é", "𝄞", "\\", '"', "data.audio", "\n")
CHARACTERS = "abz09AF/\\\"'{}[]:, \n\t\x7fé歌𝄞\ufeff\u2028\x00"
PIECES = (
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"0",
    b"-",
    b"e",
    b".",
    b"\\u0061",
    b"\\ud834",
    b"\xff",
    b"\xc3",
    b"\n",
    b"NaN",
    b'"audio"',
)
# Deep ones would be deeper than the limit where the author puts them.
VALUES = [value for value in LEGAL_VALUES if len(value) < 50]


class Author:
    """Writes documents by dice: any order, white space, spelling and depth, and decoys everywhere."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)

    def document(self) -> bytes:
        """Return a document with audio in its place, most of the time."""
        data = self._decoys()
        if self._dice.random() < 0.9:
            data.append((self._string("audio"), self._audio()))
        root = self._decoys()
        root = [(key, value) for key, value in root if key != b'"data"']
        root.append((self._string("data"), self._object(data)))
        mark = b"\xef\xbb\xbf" if self._dice.random() < 0.1 else b""
        return mark + self._blank() + self._object(root) + self._blank()

    def damaged(self) -> bytes:
        """Return a document in which a few bytes are flipped, dropped, doubled or added."""
        document = bytearray(self.document())
        for _ in range(self._dice.randint(1, 3)):
            place = self._dice.randrange(len(document))
            match self._dice.randrange(5):
                case 0:
                    document[place] ^= 1 << self._dice.randrange(8)
                case 1:
                    del document[place]
                case 2:
                    document[place:place] = self._dice.choice(PIECES)
                case 3:
                    document[place:place] = document[place : place + self._dice.randint(1, 20)]
                case _:
                    document[place] = self._dice.choice(document)
        return bytes(document)

    def _decoys(self) -> list[tuple[bytes, bytes]]:
        names = [name for name in NAMES if name not in ("data", "audio")] + ["data"] * self._dice.randint(0, 1)
        return [(self._string(self._dice.choice(names)), self._value(3)) for _ in range(self._dice.randint(0, 3))]

    def _audio(self) -> bytes:
        digits = hexlify(self._dice.randbytes(self._dice.randint(0, 20))).decode()
        return self._string("".join(self._dice.choice((digit, digit.upper())) for digit in digits))

    def _value(self, depth: int) -> bytes:
        match self._dice.randrange(6 if depth else 3):
            case 0:
                return self._string("".join(self._dice.choices(CHARACTERS, k=self._dice.randint(0, 6))))
            case 1:
                return self._audio()
            case 2:
                return self._dice.choice(VALUES)
            case 3:
                items = (self._value(depth - 1) for _ in range(self._dice.randint(0, 3)))
                return b"[" + b",".join(self._blank() + item + self._blank() for item in items) + b"]"
            case _:
                names = self._dice.choices(NAMES, k=self._dice.randint(0, 3))
                return self._object([(self._string(name), self._value(depth - 1)) for name in names])

    def _object(self, members: list[tuple[bytes, bytes]]) -> bytes:
        self._dice.shuffle(members)
        written = (
            self._blank() + key + self._blank() + b":" + self._blank() + value + self._blank() for key, value in members
        )
        return b"{" + b",".join(written) + b"}"

    def _string(self, text: str) -> bytes:
        escaping = self._dice.choice((0.0, 0.0, 0.1, 1.0))
        return b'"' + b"".join(self._character(one, escaping) for one in text) + b'"'

    def _character(self, one: str, escaping: float) -> bytes:
        if one not in '"\\' and one >= " " and self._dice.random() >= escaping:
            return one.encode()
        units = one.encode("utf-16-be")
        form = self._dice.choice((b"\\u%02x%02x", b"\\u%02X%02X"))
        return b"".join(form % (units[i], units[i + 1]) for i in range(0, len(units), 2))

    def _blank(self) -> bytes:
        return bytes(self._dice.choices(b" \t\r\n", k=self._dice.choice((0, 0, 0, 1, 3))))


def test_generated_documents_are_read_like_the_oracle() -> None:
    """Thousands of documents give the oracle's audio and the oracle's rest, however they are written and cut."""
    author, dice = Author(1), random.Random(2)
    accepted = 0
    for number in range(2000):
        document = author.document()
        expected = oracle(document)
        accepted += expected is not None
        whole = decode([document])
        assert whole.verdict == expected, document
        assert decode(cut_anywhere(document, dice)) == whole, document
        if number % 10 == 0:
            assert decode(cut(document, range(len(document)))) == whole, document
    assert accepted > 1500


def test_damaged_documents_are_judged_like_the_oracle() -> None:
    """Thousands of damaged documents are accepted or refused as by the oracle, and salvaged alike at every cut."""
    author, dice = Author(3), random.Random(4)
    accepted = 0
    for _ in range(3000):
        document = author.damaged()
        expected = oracle(document)
        accepted += expected is not None
        whole = decode([document])
        assert whole.verdict == expected, document
        assert decode(cut_anywhere(document, dice)) == whole, document
    assert 300 < accepted < 2700


@SETTINGS
@given(
    sound=st.binary(min_size=1, max_size=200),
    frame=st.sampled_from(AUDIO_FRAMES),
    places=st.lists(st.integers(min_value=0, max_value=500), max_size=20),
)
def test_any_sound_survives_any_cuts(sound: bytes, frame: bytes, places: list[int]) -> None:
    """Whatever the sound and wherever it is cut, it comes out whole."""
    document = frame % hexlify(sound)
    outcome = decode(cut(document, places))
    assert outcome.audio == sound
    assert outcome.document is not None


@SETTINGS
@given(pieces=st.lists(st.sampled_from((*PIECES, b'{"data":{"audio":"', b'"}}', b"00")) | st.binary(max_size=3)))
@example(pieces=[b'{"data":{"audio":"', b"00", b'"}}'])
def test_any_bytes_are_judged_like_the_oracle(pieces: list[bytes]) -> None:
    """Bytes thrown together at random get the oracle's verdict, in whatever pieces they come."""
    whole = decode([b"".join(pieces)])
    assert whole.verdict == oracle(b"".join(pieces))
    assert decode(pieces) == whole


@pytest.mark.parametrize("size", [1, 2, 7, 1460, 4095, 4096, 65535, 65536])
@pytest.mark.parametrize("lead", [b"", b"0", b"\\u0030"])
def test_long_audio_in_pieces_of_any_size(size: int, lead: bytes) -> None:
    """Audio longer than many pieces comes out whole, on even and on odd cuts and behind an escape."""
    sound = random.Random(5).randbytes(9999 if size < 100 else 300_001)
    digits = hexlify(sound)[1:] if lead else hexlify(sound)
    document = b'{"data":{"audio":"' + lead + digits + b'"}}'
    outcome = decode(document[i : i + size] for i in range(0, len(document), size))
    assert outcome.audio == ((bytes([sound[0] & 15]) + sound[1:]) if lead else sound)
    assert outcome.document == {"data": {"audio": None}}
