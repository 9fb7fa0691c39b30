"""Documents of every kind for the streaming decoder, and the oracle that judges them.

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


LEGAL_VALUES = (
    *(b"true", b"false", b"null"),
    *(b"0", b"-0", b"7", b"-12", b"1.5", b"-0.0", b"0.10", b"1e5", b"1E5", b"1e+5", b"1e-5", b"0e0", b"-1.25E-07"),
    *(b"123456789012345678901234567890", b"1.7976931348623157e308", b"1e-999", b"0.1234567890123456789012345"),
    *(b'""', b'" "', b'"a"', b'"0"', b'"00"', b'"null"', b'"{}[]:,"', b'"/"', b'"\x7f"', b'"\'"'),
    *(rb'"\""', rb'"\\"', rb'"\/"', rb'"\b\f\n\r\t"', rb'"\\\""', rb'"\\\\"', rb'"\u0041"', rb'"\u00e9"', rb'"\u0000"'),
    *(rb'"\u2028\u2029"', rb'"\uFFFF"', rb'"\uFFFE"', rb'"\ud834\udd1e"', rb'"\uD834\uDD1E"', rb'"\udbff\udfff"'),
    *('"é"'.encode(), '"歌"'.encode(), '"\U0001d11e"'.encode(), '"\u2028"'.encode(), '"\ufeff"'.encode()),
    b'"\xf4\x8f\xbf\xbf"',
    *(b"[]", b"{}", b"[ ]", b"{ }", b"[[]]", b"[{}]", b"[1]", b"[1,2]", b"[1 , 2]", b"[[],[[]],{}]", b"[true,false,null]"),
    *(b'{"a":1}', b'{"":""}', b'{"a":{"a":{}}}', b'{"a":1,"a":2}', b'{"a":[],"b":{"a":[]}}', b'{"\\u0061":1}'),
    *(b'["00"]', b'[{"audio":"00"}]', b'{"audio":"00"}', b'{"data":{"audio":"00"}}', b'{"audio":"zz"}'),
    *(b" 1 ", b"\t1\t", b"\n1\n", b"\r1\r", b"\r\n [ \t\r\n1\n,\t2 ] ", b"[" * 28 + b"]" * 28),
    *(b'"https://cdn.example/track.mp3"', b'"SUQzBAAAAAAA"', b'"//uQxAAA"', b'"x0"', b'" 00"', rb'"\u0067"', rb'"\""'),
)

ILLEGAL_VALUES = (
    *(b"", b" ", b"nul", b"nulll", b"NULL", b"True", b"tru", b"falsee", b"undefined", b"None", b"nan", b"none"),
    *(b"01", b"0123", b"-01", b"00", b"1.", b".5", b"-.5", b"+1", b"-", b"--1", b"-+1", b"1e", b"1e+", b"1E-", b"e5"),
    *(b"1.e5", b"0x1F", b"1_000", b"1,5", b"1 000", b"1.2.3", b"1e5.0", b"1e5e5", b"1-", b"1+1", b"2\xc2\xb2", b"0b1"),
    *("1".encode(), b"-Infinit", b"-a", b"1a", b"1true", b"truefalse", b"true false", b"1 2", b'"a" "b"', b'"a""b"'),
    *(b"'a'", b'"', b'"a', b'a"', b'"a\'', b"`a`", b'\\"a"', b'"\x00"', b'"\x01"', b'"a\nb"', b'"a\tb"', b'"\x1f"', b'"\r"'),
    *(rb'"\"', rb'"\\\"', rb'"\a"', rb'"\x41"', rb'"\0"', rb'"\'"', rb'"\U0041"', rb'"\u"', rb'"\u0"', rb'"\u00"'),
    *(rb'"\u004"', rb'"\u004g"', rb'"\u+041"', rb'"\u 041"', rb'"\u-041"', rb'"\u{41}"', b'"\\u\xef\xbc\x91041"', b'"\\\xc3\xa9"'),
    *(b'"\\\n"', b'"\\ "', b'"\\\x00"', rb'"\ud834\u"', rb'"\ud834\uzzzz"'),
    *(b'"\x80"', b'"\xbf"', b'"\xc0\xaf"', b'"\xc1\xbf"', b'"\xe0\x80\xaf"', b'"\xf0\x80\x80\xaf"', b'"\xed\xa0\x80"'),
    *(b'"\xed\xa0\xb4\xed\xb4\x9e"', b'"\xf4\x90\x80\x80"', b'"\xf5\x80\x80\x80"', b'"\xff"', b'"\xfe"', b'"\xc3"', b'"\xe6\xad"'),
    *(b'"\xc3 "', b'"\xe9"', b'"\xf0\x9d\x84"', b'"\xfc\x83\xbf\xbf\xbf\xbf"', b'"\xc3', b'"\xc3\\u0041"'),
    *(b"[", b"]", b"[1", b"1]", b"[1,]", b"[,1]", b"[,]", b"[1,,2]", b"[1 2]", b"[1;2]", b"[1:2]", b'["a":1]', b"[1}", b"[[]", b"[]]"),
    *(b"{", b"}", b"{]", b'{"a"', b'{"a"}', b'{"a":', b'{"a":}', b'{"a":1', b'{"a":1,}', b'{,"a":1}', b"{,}", b'{"a":1,,"b":2}'),
    *(b'{"a" 1}', b'{"a"::1}', b'{"a":1:2}', b'{"a","b"}', b'{"a":1 "b":2}', b'{"a":1;"b":2}', b"{a:1}", b"{'a':1}", b"{1:1}"),
    *(b"{null:1}", b"{[]:1}", b"{{}:1}", b'{"a"=1}', b'{"a"=>1}', b'{"a":1]', b"{:1}", b'{:"a"}', b'{"a\n":1}', b'{"\\a":1}', b"{}}"),
    *(b"//\n1", b"/**/1", b"1/**/", b"1//", b"#\n1", b"1#", b"<1>", b"(1)", b"*", b"...", b"\\u0031", b"$", b"@", b"!1"),
    *(b"\x0c1", b"\x0b1", b"\x001", b"1\x00", b"\xc2\xa01", b"\xe2\x80\xa81", b"\xe3\x80\x801", b"\xef\xbb\xbf1", b"\xe2\x81\xa01"),
    *("\N{FULLWIDTH DIGIT ONE}".encode(), "“a”".encode(), b"\xff", b"\x80", b"1\x1a"),
)

# Where a value may stand: far from the audio, on the way to it, in its place, beside it before and after.
FRAMES = (
    b'{"x":%b}',
    b'{"data":%b}',
    b'{"data":{"audio":%b}}',
    b'{"data":{"audio":"4944","x":%b}}',
    b'{"data":{"x":%b,"audio":"4944"}}',
    b'{"data":{"audio":"4944"},"x":[%b]}',
)

LEGAL_AUDIO = (
    *(b"00", b"ff", b"FF", b"aA", b"0123456789abcdefABCDEF", b"49443304" * 5),
    *(rb"\u0030\u0030", rb"\u00610", rb"0\u0061", rb"\u0061\u0062\u0063\u0064", rb"00\u0041\u004600", rb"0\u0039\u0061f"),
    rb"\u0046\u0066" * 3,
)

ILLEGAL_AUDIO = (
    *(b"0", b"000", b"0x00", b"0X", b"00 00", b"00 ", b"0 0", b"00\n", b"00\t00", b"00-00", b"00g0", b"0g", b"00G", b"00:00"),
    *(b"00\x00", b"00\x0000", b"00\x7f", b"0\x80", b"00\xff", b"00\xef\xbc\x91", b"0\xc3\xa9", b"00\xc3", b"00=="),
    *(rb"\u0030", rb"00\u0030", rb"00\u0067", rb"00\u0040", rb"00\u0047", rb"00\u003a", rb"00\u002f", rb"00\u0060", rb"0\u0130"),
    *(rb"00\n", rb"00\t00", rb"00\\", rb"00\"", rb"00\/", rb"0\b", rb"00\u", rb"00\u0", rb"00\u00", rb"00\u006", rb"00\u00g0"),
    *(rb"00\U0061", rb"00\x61", rb"00\a", rb"00\ud800", rb"00\uff11", rb"00\u0061\u0067", rb"\u0061g", rb"\u00610\u0020"),
    *(b"https", b"data:audio/mpeg;base64,AAAA", b"file:///track", b"AAAAGGZ0", b"e30="),
)

AUDIO_FRAMES = (
    b'{"data":{"audio":"%b"}}',
    b'{"data":{"audio":"%b","status":2},"base_resp":{"status_code":0}}',
    b' { "x" : { "audio" : "zz" } , "d\\u0061ta" : { "status" : 2 , "\\u0061udio" : "%b" } } \n',
)

LEGAL_DOCUMENTS = (
    *(b"{}", b" {} ", b"\n{\t}\r", b'{"data":{}}', b'{"data":null}', b'{"audio":"00"}', b'{"Data":{"Audio":"00"}}'),
    *(b"\xef\xbb\xbf{}", b'\xef\xbb\xbf {"data":{"audio":"00"}}', b'{"data":{"audio":"00"}}   \r\n\t'),
    *(b'{"data":{"data":{"audio":"00"}}}', b'{"x":{"data":{"audio":"00"}}}', b'{"data":[{"audio":"00"}]}'),
    *(b'{"x":"\\"data\\":{\\"audio\\":\\"00\\"}","data":{"audio":"11"}}', b'{"data.audio":"00"}', b'{"data":"audio"}'),
    *(b'{"data":{"audio":{"audio":"00"}}}', b'{"data":{"audio":{"data":{"audio":"00"}}}}', b'{"data":{"audio":["00"]}}'),
    *(b'{"data":{"x":{"audio":"00"},"audio":"11"}}', b'{"x":[{"data":{"audio":"00"}}],"data":{"audio":"11"}}'),
    *(b'{"data":{"x":[{"y":"00"}],"audio":"11","z":{"audio":"22"}}}', b'{"audio":"00","data":{"audio":"11"},"x":{"data":1}}'),
    *(b'{"data\\u0000":1,"data":{"audio\\u0000":"00","audio":"11"}}', b'{"x":1,"x":2,"data":{"y":1,"audio":"00","y":2}}'),
    *(b'{"data":{"audio":"https://a.example/b"}}', b'{"data":{"audio":""}}', b'{"data":{"audio":false},"x":{"data":[]}}'),
    b'{"\xc3\xa9":"\xe6\xad\x8c","data":{"audio":"00","\xf0\x9d\x84\x9e":"\\ud834\\udd1e"}}',
)

ILLEGAL_DOCUMENTS = (
    *(b"", b" ", b"\n", b"\xef", b"\xef\xbb", b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf{}", b" \xef\xbb\xbf{}", b"\xef\xbb{}", b"\xef{}"),
    *(b"{}\xef\xbb\xbf", b"\xef\xbb\xbe{}", b"\xfe\xff\x00{\x00}", b"\xff\xfe{\x00}\x00", b"{\x00}\x00", b"\x00{\x00}", b"{\x00\x00\x00}\x00\x00\x00"),
    *(b"<html>", b"<!DOCTYPE html><title>502</title>", b"upstream timed out", b"ID3\x04\x00", b"\xff\xfb\x90\x64", b"\x1f\x8b\x08"),
    *(b"{}{}", b"{},", b"{}]", b"{}}", b"{} x", b"{}0", b'{}""', b"{}\x00", b"{}//", b"{}\n{}", b'{"data":{"audio":"00"}}{"data":{"audio":"11"}}'),
    *(b'{"data":{"audio":"00"}', b'{"data":{"audio":"00"', b'{"data":{"audio":"00', b'{"data":{"audio":"0', b'{"data":{"audio":"'),
    *(b'{"data":{"audio":', b'{"data":{"audio"', b'{"data":{"audio', b'{"data":{"', b'{"data":{', b'{"data":', b'{"data"', b"{"),
    *(b'{"data":{"audio":"\\', b'{"data":{"audio":"\\u006', b'{"data":{"audio":"0\\u0', b'{"data":{"audio":"zz', b'{"data":{"audio":"z\\'),
    *(b'{"data":{"audio":"00""11"}}', b'{"data":{"audio":"00" "x":1}}', b'{"data":{"audio":"00"]}', b'{"data":{"audio":"00"}]'),
    *(b'{"data":{"audio":"00":1}}', b'{"data":{"audio":"00",}}', b'{"data":{"audio"::"00"}}', b'{"data":{"audio":-"00"}}', b'{"data":{"audio","00"}}'),
    *(b'{"data":["audio":"00"]}', b'{"data":{"audio":t"00"}}', b'{"data":{"audio":"00"x}}', b'{"data":{"audio":"00"null}}', b'{"data" {"audio":"00"}}'),
)

DOUBLED_DOCUMENTS = (
    b'{"data":{"audio":"00","audio":"11"}}',
    b'{"data":{"audio":"00","audio":null}}',
    b'{"data":{"audio":null,"audio":"11"}}',
    b'{"data":{"audio":"","audio":"11"}}',
    b'{"data":{"audio":"https://a.example/b","x":1,"\\u0061udio":"11"}}',
    b'{"data":{"audio":{"x":[]},"audio":"11"}}',
    b'{"data":{"audio":"00"},"data":{"audio":"11"}}',
    b'{"data":{"audio":"00"},"data":null}',
    b'{"data":{"audio":"00"},"x":{},"d\\u0061ta":{}}',
    b'{"data":null,"data":{"audio":"11"}}',
    b'{"data":{},"data":{"audio":"11"}}',
    b'{"data":{"x":1},"data":{"x":1}}',
    b'{"data":[{"audio":"00"}],"data":1}',
)


def legal_documents() -> Iterator[bytes]:
    """Return every document that is to be accepted."""
    yield from LEGAL_DOCUMENTS
    yield from (frame % value for frame in FRAMES for value in LEGAL_VALUES if not (b"audio" in value and b"data" in frame))
    yield from (frame % digits for frame in AUDIO_FRAMES for digits in LEGAL_AUDIO)


def illegal_documents() -> Iterator[bytes]:
    """Return every document that is to be refused."""
    yield from ILLEGAL_DOCUMENTS
    yield from DOUBLED_DOCUMENTS
    yield from (value for value in LEGAL_VALUES if not value.strip().startswith(b"{"))
    yield from ILLEGAL_VALUES
    yield from (frame % value for frame in FRAMES for value in ILLEGAL_VALUES)
    yield from (frame % digits for frame in AUDIO_FRAMES for digits in ILLEGAL_AUDIO)
