"""The streaming decoder against `json.loads` and `unhexlify`, on every kind of document and at every cut."""

import json
import random

import pytest

from tests._sansio.corpus_hexjson import (
    AUDIO_FRAMES,
    DOUBLED_DOCUMENTS,
    FRAMES,
    ILLEGAL_AUDIO,
    LEGAL_AUDIO,
    illegal_documents,
    legal_documents,
)
from tests._sansio.oracle_hexjson import cut, cut_anywhere, decode, oracle

LEGAL = list(legal_documents())
ILLEGAL = list(illegal_documents())
# Two frames are enough to cut: a value in the place of the audio, and one behind it.
LEGAL_TO_CUT = list(legal_documents(FRAMES[2::3]))
ILLEGAL_TO_CUT = list(illegal_documents(FRAMES[2::3]))

# What `json.loads` takes and this decoder does not, besides keys that are doubled on the path.
REFUSED_ON_PURPOSE = [
    (b'{"x":NaN}', 5),
    (b'{"x":Infinity}', 5),
    (b'{"x":-Infinity}', 5),
    (b'{"x":1e309}', 5),
    (b'{"x":-1e309}', 5),
    (b'{"x":"\\ud834"}', 5),
    (b'{"x":"\\udd1e"}', 5),
    (b'{"x":"\\udd1e\\ud834"}', 5),
    (b'{"\\ud834":1}', 1),
    (b"[]", 0),
    (b'"00"', 0),
    (b"1", 0),
    (b"null", 0),
    (b'{"x":' + b"1" * 129 + b"}", 133),
    (b'{"x":' + b"[" * 32 + b"]" * 32 + b"}", 36),
    (b'{"%b":1}' % (b"x" * 257), 259),
]


def test_the_corpus_says_what_it_is() -> None:
    """The oracle accepts what is listed as legal and refuses what is listed as illegal."""
    assert [document for document in LEGAL if oracle(document) is None] == []
    assert [document for document in ILLEGAL if oracle(document) is not None] == []


@pytest.mark.parametrize("documents", [LEGAL, ILLEGAL], ids=["legal", "illegal"])
def test_every_kind_of_document_is_judged_like_the_oracle(documents: list[bytes]) -> None:
    """Audio and document are the oracle's, or both refuse."""
    assert [document for document in documents if decode([document]).verdict != oracle(document)] == []


@pytest.mark.parametrize("documents", [LEGAL_TO_CUT, ILLEGAL_TO_CUT], ids=["legal", "illegal"])
def test_one_cut_anywhere_changes_nothing(documents: list[bytes]) -> None:
    """Audio, document, reason, offset and salvage are the same at every place where a document can be cut in two."""
    wrong = [
        (document, place)
        for document in documents
        for whole in [decode([document])]
        for place in range(len(document) + 1)
        if decode(cut(document, [place])) != whole
    ]
    assert wrong == []


@pytest.mark.parametrize("documents", [LEGAL_TO_CUT, ILLEGAL_TO_CUT], ids=["legal", "illegal"])
def test_many_cuts_change_nothing(documents: list[bytes]) -> None:
    """Byte by byte, and in random pieces, a document gives what it gives in one."""
    dice = random.Random(99)
    for document in documents:
        whole = decode([document])
        assert decode(cut(document, range(len(document)))) == whole
        for _ in range(5):
            assert decode(cut_anywhere(document, dice)) == whole


@pytest.mark.parametrize("frame", AUDIO_FRAMES)
def test_an_unfinished_document_keeps_what_came(frame: bytes) -> None:
    """However early a document ends, the audio before its end is out, and the end is an error."""
    digits = b"49443304"
    document = frame % digits
    begin = document.index(digits)
    for end in range(len(document.rstrip())):
        outcome = decode([document[:end]])
        whole_bytes = min(max(end - begin, 0), len(digits)) // 2
        assert outcome.audio == b"ID3\x04"[:whole_bytes]
        assert (outcome.document, outcome.offset) == (None, end)


@pytest.mark.parametrize("digits", ILLEGAL_AUDIO)
def test_bad_digits_never_spoil_good_ones(digits: bytes) -> None:
    """Of audio with a fault in it, the pairs before the fault are salvaged, and the fault is where they end."""
    before, behind = AUDIO_FRAMES[0].split(b"%b")
    before += b"494\\u0034"
    outcome = decode([before + digits + behind])
    assert outcome.audio.startswith(b"ID")
    assert outcome.document is None
    assert outcome.offset in range(len(before), len(before + digits) + 1)


@pytest.mark.parametrize("digits", LEGAL_AUDIO)
def test_what_follows_never_spoils_the_audio(digits: bytes) -> None:
    """A fault behind the audio leaves all of it as salvage."""
    good = decode([AUDIO_FRAMES[0] % digits])
    assert good.audio
    bad = decode([AUDIO_FRAMES[0] % digits + b"?"])
    assert (bad.audio, bad.document) == (good.audio, None)


@pytest.mark.parametrize(("document", "offset"), REFUSED_ON_PURPOSE)
def test_stricter_than_json_loads(document: bytes, offset: int) -> None:
    """These pass `json.loads` and are refused here: no JSON, no number, no text, no object, or beyond a limit."""
    json.loads(document.decode())
    outcome = decode([document])
    assert (outcome.document, outcome.offset) == (None, offset)


@pytest.mark.parametrize("document", DOUBLED_DOCUMENTS)
def test_two_tracks_are_refused(document: bytes) -> None:
    """A key on the path that comes twice passes `json.loads`, which forgets the first, and is refused here."""
    json.loads(document)
    outcome = decode([document])
    assert outcome.reason == "A key on the way to the audio appears twice"


def test_one_byte_order_mark_is_accepted() -> None:
    """The one thing accepted here that `json.loads` refuses is a byte order mark in front, once."""
    document = b'\xef\xbb\xbf{"data":{"audio":"4944"}}'
    with pytest.raises(json.JSONDecodeError):
        json.loads(document.decode())
    assert decode([document]).verdict == (b"ID", {"data": {"audio": None}})
    assert decode([b"\xef\xbb\xbf" + document]).offset == 3


def test_only_utf_8_is_read() -> None:
    """`json.loads` guesses other encodings from bytes; here they are refused at the first byte that shows them."""
    text = '{"x":1}'
    for encoding, offset in (("utf-16", 0), ("utf-16-le", 1), ("utf-16-be", 0), ("utf-32", 0), ("utf-32-le", 1)):
        assert json.loads(text.encode(encoding)) == {"x": 1}
        assert decode([text.encode(encoding)]).offset == offset
