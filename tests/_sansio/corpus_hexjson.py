"""Documents of every kind a JSON reader may meet, legal and not, as small as can be.

Blocks of text hold what can be printed, with two blanks or a line end between one and the next.
"""

import re
from collections.abc import Iterator


def _kinds(block: bytes) -> tuple[bytes, ...]:
    return tuple(filter(None, re.split(rb"  +|\n", block)))


LEGAL_VALUES = (
    *_kinds(rb"""
        true  false  null  0  -0  7  -12  1.5  -0.0  0.10  1e5  1E5  1e+5  1e-5  0e0  -1.25E-07
        123456789012345678901234567890  1.7976931348623157e308  1e-999  0.1234567890123456789012345
        ""  " "  "x"  "null"  "{}[]:,"  "/"  "'"  "\""  "\\"  "\/"  "\b\f\n\r\t"  "\\\""  "\\\\"  "\\\\\\"
        "\u0048"  "\u00e9"  "\u0000"  "\u2028\u2029"  "\uFFFF"  "\uFFFE"  "\ud834\udd1e"  "\uD834\uDD1E"  "\udbff\udfff"
        []  {}  [ ]  { }  [[]]  [{}]  [1]  [1,2]  [1 , 2]  [[],[[]],{}]  [true,false,null]  ["00"]
        {"a":1}  {"":""}  {"a":{"a":{}}}  {"a":1,"a":2}  {"a":[],"b":{"a":[]}}  {"\u0061":1}  {"x":"\"00\""}
        [{"audio":"00"}]  {"audio":"00"}  {"data":{"audio":"00"}}  {"audio":null}  {"x":{"audio":"00"}}
        "https://cdn.example/track.mp3"  "SUQzBAAAAAAA"  "//uQxAAA"  "x0"  " 00"  "\u0067"
    """),
    *(b'"\xc3\xa9"', b'"\xe6\xad\x8c"', b'"\xf0\x9d\x84\x9e"', b'"\xef\xbb\xbf"', b'"\xe2\x80\xa8"'),
    *(b'"\x7f"', b'"\xc2\x80"', b'"\xef\xbf\xbf"', b'"\xf4\x8f\xbf\xbf"', b" 1 ", b"\t1\t", b"\n1\n", b"\r1\r"),
    *(b"\r\n [ \t\r\n1\n,\t2 ] ", b"[" * 28 + b"]" * 28, b'{"x":' * 28 + b"1" + b"}" * 28),
)

ILLEGAL_VALUES = (
    *_kinds(rb"""
        nul  nullx  NULL  True  tr  falsex  undefined  None  nan  none  truefalse  true false  1true  1a  -a  1 2
        01  0123  -01  00  1.  .5  -.5  +1  -  --1  -+1  1e  1e+  1E-  e5  1.e5  0x1F  0b1  1_000  1 000  1.2.3  1-  1+1
        1e5.0  1e5e5  -Infinit  1e309  -1e309  1e999999  NaN  Infinity  -Infinity  -NaN
        "x" "y"  "x""y"  'x'  "  "x  x"  "x'  `x`  \"x"
        "\"  "\\\"  "\a"  "\x41"  "\0"  "\'"  "\U0041"  "\ "  "\u"  "\u0"  "\u00"  "\u004"  "\u004g"
        "\u+041"  "\u 041"  "\u-041"  "\u{41}"  "\ud834\u"  "\ud834\uzzzz"
        "\ud834"  "\udd1e"  "\udd1e\ud834"  "\ud834x\udd1e"  "\ud834\ud834\udd1e"
        [  ]  [1  1]  [1,]  [,1]  [,]  [1,,2]  [1 2]  [1;2]  [1:2]  ["x":1]  [1}  [[]  []]  [1,
        {  }  {]  {"x"  {"x"}  {"x":  {"x":}  {"x":1  {"x":1,}  {,"x":1}  {,}  {"x":1,,"y":2}  {"x" 1}  {"x"::1}
        {"x":1:2}  {"x","y"}  {"x":1 "y":2}  {"x":1;"y":2}  {x:1}  {'x':1}  {1:1}  {null:1}  {[]:1}  {{}:1}
        {"x"=1}  {"x"=>1}  {"x":1]  {:1}  {:"x"}  {"\a":1}  {"\ud834":1}  {"x":1,1}  {}}
        //  /**/1  1/**/  1//  #  1#  <1>  (1)  *  ...  \u0031  $  @  !1
    """),
    *(b"", b" ", b"\x0c1", b"\x0b1", b"\x001", b"1\x00", b"1\x1a", b"\xff", b"\x80", b"2\xc2\xb2", b"\xef\xbb\xbf1"),
    *(
        b"\xc2\xa01",
        b"\xe2\x80\xa81",
        b"\xe3\x80\x801",
        b"\xe2\x81\xa01",
        b"\xef\xbc\x91",
        b"\xe2\x80\x9cx\xe2\x80\x9d",
    ),
    *(
        b'"\x00"',
        b'"\x01"',
        b'"x\ny"',
        b'"x\ty"',
        b'"\x1f"',
        b'"\r"',
        b'{"x\n":1}',
        b'"\\\n"',
        b'"\\\x00"',
        b'"\\\xc3\xa9"',
    ),
    *(b'"\x80"', b'"\xbf"', b'"\xc0\xaf"', b'"\xc1\xbf"', b'"\xe0\x80\xaf"', b'"\xf0\x80\x80\xaf"', b'"\xed\xa0\x80"'),
    *(b'"\xed\xa0\xb4\xed\xb4\x9e"', b'"\xf4\x90\x80\x80"', b'"\xf5\x80\x80\x80"', b'"\xff"', b'"\xfe"', b'"\xc3"'),
    *(
        b'"\xe6\xad"',
        b'"\xc3 "',
        b'"\xe9"',
        b'"\xf0\x9d\x84"',
        b'"\xfc\x83\xbf\xbf\xbf\xbf"',
        b'"\xc3',
        b'"\xc3\\u0048"',
    ),
    *(b'"\\u\xef\xbc\x91041"', b'{"\xff":1}', b'{"\xc3":1}'),
)

# Where a value may stand: far from the audio, on the way to it, in its place, beside it before and after, behind it.
FRAMES = (
    b'{"x":%b}',
    b'{"data":%b}',
    b'{"data":{"audio":%b}}',
    b'{"data":{"audio":"4944","x":%b}}',
    b'{"data":{"x":%b,"audio":"4944"}}',
    b'{"data":{"audio":"4944"},"x":{"y":%b}}',
)

LEGAL_AUDIO = _kinds(rb"""
    00  ff  FF  aA  0123456789abcdefABCDEF  4944330449443304494433044944330449443304
    \u0030\u0030  \u00610  0\u0061  \u0061\u0062\u0063\u0064  00\u0041\u004600  0\u0039\u0061f  \u0046\u0066\u0046\u0066
    \u0030\u0031\u0032\u0033\u0034\u0035\u0036\u0037\u0038\u0039\u0041\u0042\u0043\u0044\u0045\u0046
""")

ILLEGAL_AUDIO = (
    *_kinds(rb"""
        0  000  0x00  0X  00 00  00-00  00g0  0g  00G  00:00  00@0  00==  00/0
        \u0030  00\u0030  00\u0067  00\u0040  00\u0047  00\u003a  00\u002f  00\u0060  0\u0130  00\u1061
        00\n  00\t00  00\\  00\"  00\"00  00\/  0\b  00\u  00\u0  00\u00  00\u006  00\u00g0  00\U0061  00\x61  00\a
        00\ud800  00\uff11  00\u0061\u0067  \u0061g  \u00610\u0020  \u00610\u0061\u0062x
        data:audio/mpeg;base64,AAAA  file:///track  deadbeef.mp3  AAAAGGZ0  e30=
    """),
    *(b"00 ", b"0 0", b"00\n", b"00\t00", b"00\x00", b"00\x0000", b"00\x7f", b"0\x80", b"00\xff", b"00\xef\xbc\x91"),
    *(b"0\xc3\xa9", b"00\xc3", b"00\xc3\\u0061"),
)

AUDIO_FRAMES = (
    b'{"data":{"audio":"%b"}}',
    b'{"data":{"audio":"%b","status":2},"base_resp":{"status_code":0}}',
    b' { "x" : { "audio" : "zz" } , "d\\u0061ta" : { "status" : 2 , "\\u0061udio" : "%b" } } \n',
)

LEGAL_DOCUMENTS = (
    *_kinds(rb"""
        {}  {"data":{}}  {"audio":"00"}  {"Data":{"Audio":"00"}}  {"data.audio":"00"}  {"data":{"data":{"audio":"00"}}}
        {"x":{"data":{"audio":"00"}}}  {"data":[{"audio":"00"}]}  {"data":{"audio":{"audio":"00"}}}
        {"x":"\"data\":{\"audio\":\"00\"}","data":{"audio":"11"}}  {"data":{"audio":{"data":{"audio":"00"}}}}
        {"data":{"x":{"audio":"00"},"audio":"11"}}  {"x":[{"data":{"audio":"00"}}],"data":{"audio":"11"}}
        {"data":{"x":[{"y":"00"}],"audio":"11","z":{"audio":"22"}}}  {"audio":"00","data":{"audio":"11"},"x":{"data":1}}
        {"data\u0000":1,"data":{"audio\u0000":"00","audio":"11"}}  {"x":1,"x":2,"data":{"y":1,"audio":"00","y":2}}
        {"data":{"audio":["00"]},"audio":{"data":"00"}}  {"data":{"audio":false},"x":{"data":[]}}
    """),
    *(
        b" {} ",
        b"\n{\t}\r",
        b'{"data":{"audio":"00"}}   \r\n\t',
        b"\xef\xbb\xbf{}",
        b'\xef\xbb\xbf {"data":{"audio":"00"}}',
    ),
    b'{"\xc3\xa9":"\xe6\xad\x8c","data":{"audio":"00","\xf0\x9d\x84\x9e":"\\ud834\\udd1e"}}',
)

ILLEGAL_DOCUMENTS = (
    *_kinds(rb"""
        <html>  <!DOCTYPE html><title>502</title>  upstream timed out  {}{}  {},  {}]  {}}  {} x  {}0  {}""  {}//
        {"data":{"audio":"00"}}{"data":{"audio":"11"}}  {"data":{"audio":"00"}  {"data":{"audio":"00"
        {"data":{"audio":"00  {"data":{"audio":"0  {"data":{"audio":"  {"data":{"audio":  {"data":{"audio"
        {"data":{"audio  {"data":{"  {"data":{  {"data":  {"data"  {  {"data":{"audio":"\  {"data":{"audio":"\u006
        {"data":{"audio":"0\u0  {"data":{"audio":"\u0061\u0  {"data":{"audio":"00x  {"data":{"audio":"zz
        {"data":{"audio":"z\  {"data":{"audio":"00""11"}}  {"data":{"audio":"00" "x":1}}  {"data":{"audio":"00"]}
        {"data":{"audio":"00"}]  {"data":{"audio":"00":1}}  {"data":{"audio":"00",}}  {"data":{"audio"::"00"}}
        {"data":{"audio":-"00"}}  {"data":{"audio","00"}}  {"data":["audio":"00"]}  {"data":{"audio":t"00"}}
        {"data":{"audio":"00"x}}  {"data":{"audio":"00"null}}  {"data" {"audio":"00"}}  {"data":{"audio":"00"},}
    """),
    *(
        b"",
        b" ",
        b"\n",
        b"\xef",
        b"\xef\xbb",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        b" \xef\xbb\xbf{}",
        b"\xef\xbb{}",
    ),
    *(
        b"\xef{}",
        b"{}\xef\xbb\xbf",
        b"\xef\xbb\xbe{}",
        b"\xfe\xff\x00{\x00}",
        b"\xff\xfe{\x00}\x00",
        b"{\x00}\x00",
        b"\x00{\x00}",
    ),
    *(b"{\x00\x00\x00}\x00\x00\x00", b"{}\x00", b"{}\n{}", b"ID3\x04\x00", b"\xff\xfb\x90\x64", b"\x1f\x8b\x08"),
)

DOUBLED_DOCUMENTS = _kinds(rb"""
    {"data":{"audio":"00","audio":"11"}}  {"data":{"audio":"00","audio":null}}  {"data":{"audio":null,"audio":"11"}}
    {"data":{"audio":"","audio":"11"}}  {"data":{"audio":"https://a.example/b","x":1,"\u0061udio":"11"}}
    {"data":{"audio":{"x":[]},"audio":"11"}}  {"data":{"audio":"00"},"data":{"audio":"11"}}
    {"data":{"audio":"00"},"data":null}  {"data":{"audio":"00"},"x":{},"d\u0061ta":{}}
    {"data":null,"data":{"audio":"11"}}  {"data":{},"data":{"audio":"11"}}  {"data":{"x":1},"data":{"x":1}}
    {"data":[{"audio":"00"}],"data":1}
""")


def legal_documents(frames: tuple[bytes, ...] = FRAMES) -> Iterator[bytes]:
    """Return every document that is to be accepted, with values in some frames."""
    yield from LEGAL_DOCUMENTS
    yield from (frame % value for frame in frames for value in LEGAL_VALUES)
    yield from (frame % digits for frame in AUDIO_FRAMES for digits in LEGAL_AUDIO)


def illegal_documents(frames: tuple[bytes, ...] = FRAMES) -> Iterator[bytes]:
    """Return every document that is to be refused, with values in some frames."""
    yield from ILLEGAL_DOCUMENTS
    yield from DOUBLED_DOCUMENTS
    yield from ILLEGAL_VALUES
    yield from (value for value in LEGAL_VALUES if not value.startswith(b"{"))
    yield from (frame % value for frame in frames for value in ILLEGAL_VALUES)
    yield from (frame % digits for frame in AUDIO_FRAMES for digits in ILLEGAL_AUDIO)
