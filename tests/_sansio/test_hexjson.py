"""The streaming decoder: audio as it comes, the rest at the end, and nothing lost when a document is wrong."""

import copy
import doctest
import gc
import json
import pickle
import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType

import pytest

from aiml_music._sansio import hexjson
from aiml_music._sansio.hexjson import HexAudioDecoder, HexDecodeError, JsonLimits
from tests._sansio.oracle_hexjson import decode

REPLY = b'{"data":{"audio":"49443304","status":2},"trace_id":"04fb"}'


def failure(decoder: HexAudioDecoder, document: bytes) -> HexDecodeError:
    """Feed a document that is wrong, and return what was said about it."""
    with pytest.raises(HexDecodeError) as caught:
        decoder.feed(document)
    return caught.value


def test_the_example_is_true() -> None:
    """The example in the documentation of the class does what it says."""
    result = doctest.testmod(hexjson)
    assert (result.failed, result.attempted) == (0, 4)


def test_audio_leaves_as_it_comes() -> None:
    """Each piece returns the bytes it completes, before the rest has come."""
    decoder = HexAudioDecoder()
    assert decoder.feed(b'{"data":{"audio":"4') == b""
    assert decoder.feed(b"9") == b"I"
    assert decoder.feed(b"443") == b"D"
    assert decoder.feed(b'304"') == b"3\x04"
    assert decoder.feed(b"}}") == b""
    assert decoder.finish() == {"data": {"audio": None}}


def test_progress_is_told() -> None:
    """The counts and flags say how far a document has come."""
    decoder = HexAudioDecoder()

    def progress() -> tuple[int, int, bool, bool]:
        return decoder.offset, decoder.audio_bytes, decoder.audio_started, decoder.audio_complete

    assert progress() == (0, 0, False, False)
    decoder.feed(b'{"data":{"audio":"')
    assert progress() == (18, 0, False, False)
    decoder.feed(b"494")
    assert progress() == (21, 1, True, False)
    decoder.feed(b'4"')
    assert progress() == (23, 2, True, True)
    decoder.feed(b"}} ")
    assert progress() == (26, 2, True, True)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_pieces_are_bytes_of_any_kind(kind: Callable[[bytes], bytes | bytearray | memoryview]) -> None:
    """Bytes, byte arrays and views are read alike."""
    decoder = HexAudioDecoder()
    assert decoder.feed(kind(REPLY)) == b"ID3\x04"
    assert decoder.finish() == {"data": {"audio": None, "status": 2}, "trace_id": "04fb"}


def test_a_buffer_may_be_used_again() -> None:
    """A byte array that was fed is not held, so it can grow and be overwritten, even after an error."""
    decoder = HexAudioDecoder()
    buffer = bytearray(b'{"data":{"audio":"494')
    decoder.feed(buffer)
    buffer[:] = b'4"}} wrong'
    error = failure(decoder, buffer)  # type: ignore[arg-type]  # any bytes will do
    buffer.clear()
    assert error.decoded == b"D"


def test_the_end_may_be_asked_twice() -> None:
    """Finishing changes nothing: it can be asked again, and white space may still follow."""
    decoder = HexAudioDecoder()
    decoder.feed(REPLY)
    assert decoder.finish() == decoder.finish()
    assert decoder.feed(b"\n") == b""
    assert decoder.finish()["trace_id"] == "04fb"


@pytest.mark.parametrize(
    ("path", "document", "rest"),
    [
        (("audio",), b'{"data":{"audio":"zz"},"audio":"4944"}', {"data": {"audio": "zz"}, "audio": None}),
        (("a", "b", "c"), b'{"a":{"c":"00","b":{"c":"4944"}}}', {"a": {"c": "00", "b": {"c": None}}}),
        (("a", "a"), b'{"a":{"a":"4944","b":{"a":"00"}}}', {"a": {"a": None, "b": {"a": "00"}}}),
        (("",), b'{"":"4944"}', {"": None}),
    ],
)
def test_the_path_is_the_callers(path: tuple[str, ...], document: bytes, rest: object) -> None:
    """The string may stand anywhere; nothing but the whole path leads to it."""
    decoder = HexAudioDecoder(path=path)
    assert decoder.feed(document) == b"ID"
    assert decoder.finish() == rest


def test_a_path_leads_somewhere() -> None:
    """An empty path is refused at birth."""
    with pytest.raises(ValueError, match="at least one key"):
        HexAudioDecoder(path=())


@pytest.mark.parametrize(
    "value", [b'"https://a.example/b.mp3"', b'"SUQz"', b'""', b"null", b"17", b"[]", b'{"a":"00"}']
)
def test_what_is_not_audio_is_left_to_the_caller(value: bytes) -> None:
    """A value that does not begin with a digit stays in the document, and no audio is announced."""
    decoder = HexAudioDecoder()
    assert decoder.feed(b'{"data":{"audio":%b}}' % value) == b""
    assert decoder.finish() == {"data": {"audio": json.loads(value)}}
    assert not decoder.audio_started
    assert not decoder.audio_complete


FAULTS = [
    (b'{"data":{"audio":"4944g0"}}', 22, "U+0067 stands where a hexadecimal digit should be", b"ID"),
    (b'{"data":{"audio":"49443 "}}', 23, "U+0020 stands where a hexadecimal digit should be", b"ID"),
    (b'{"data":{"audio":"4944\xef\xbc\x91"}}', 22, "byte 0xEF stands where a hexadecimal digit should be", b"ID"),
    (b'{"data":{"audio":"4944\\u0067"}}', 22, "U+005C stands where a hexadecimal digit should be", b"ID"),
    (b'{"data":{"audio":"\\u0034944\\n"}}', 27, "U+005C stands where a hexadecimal digit should be", b"ID"),
    (b'{"data":{"audio":"49443"}}', 23, "The audio has an odd number of digits", b"ID"),
    (b'{"data":{"audio":"4944","audio":"11"}}', 24, "A key on the way to the audio appears twice", b"ID"),
    (b'{"data":{"audio":"4944"},"data":{}}', 25, "A key on the way to the audio appears twice", b"ID"),
    (b'{"data":{},"data":{"audio":"4944"}}', 11, "A key on the way to the audio appears twice", b""),
    (b'{"data":{"audio":"4944"}}\n{', 26, "U+007B stands where only white space should be", b"ID"),
    (b'{"data":{"audio":"4944"},}', 25, "U+007D stands where a key should be", b"ID"),
    (b'{"data":{"audio":"4944"]', 23, "U+005D stands where a comma or a closing brace should be", b"ID"),
    (b'{"data":{"audio":"4944"},"x":[1}', 31, "U+007D stands where a comma or a closing bracket should be", b"ID"),
    (b'{"data":{"audio":"4944"},"x":[,', 30, "U+002C stands where a value or a closing bracket should be", b"ID"),
    (b"<html>", 0, "U+003C stands where an object should be", b""),
    (b"\xff\xfe{\x00}\x00", 0, "byte 0xFF stands where an object should be", b""),
    (b"\xef\xbb\xbf[]", 3, "U+005B stands where an object should be", b""),
    (b"{'", 1, "U+0027 stands where a key or a closing brace should be", b""),
    (b'{"x",', 4, "U+002C stands where a colon should be", b""),
    (b'{"x":NaN}', 5, "U+004E stands where a value should be", b""),
    (b'{"x":-Infinity}', 5, "A value is neither a number nor true, false or null", b""),
    (b'{"x":1e400}', 5, "A number is too large", b""),
    (b'{"x":"\xc3\xa9\xff"}', 8, "A string is not UTF-8", b""),
    (b'{"x":"\xc3\xa9\n"}', 8, "A string holds an escape or a control character that JSON does not allow", b""),
    (b'{"x":"\xc3\xa9\\ud834"}', 5, "A string holds half a surrogate pair", b""),
]


@pytest.mark.parametrize(("document", "offset", "reason", "audio"), FAULTS)
def test_a_fault_is_named_with_its_place(document: bytes, offset: int, reason: str, audio: bytes) -> None:
    """An error says what is wrong, at which byte, and hands over the good audio before it."""
    error = failure(HexAudioDecoder(), document)
    assert (error.reason, error.offset, error.decoded) == (reason, offset, audio)
    assert str(error) == f"{reason} (byte {offset})"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "The document ends before its last brace"),
        (b'{"data":{"audio":"', "The document ends before its last brace"),
        (b'{"data":{"audio":"4', "The document ends inside the audio, after 0 bytes of it"),
        (b'{"data":{"audio":"49443', "The document ends inside the audio, after 2 bytes of it"),
        (b'{"data":{"audio":"4944\\u00', "The document ends inside the audio, after 2 bytes of it"),
        (b'{"data":{"audio":"4944"}', "The document ends before its last brace"),
    ],
)
def test_an_unfinished_document_says_where_it_ends(document: bytes, reason: str) -> None:
    """A document that just stops is an error at its end, also where the transport took it for complete."""
    decoder = HexAudioDecoder()
    decoder.feed(document)
    with pytest.raises(HexDecodeError) as caught:
        decoder.finish()
    assert (caught.value.reason, caught.value.offset, caught.value.decoded) == (reason, len(document), b"")


def test_good_audio_before_a_fault_is_not_lost() -> None:
    """What earlier pieces returned and what the error carries are together all the audio before the fault."""
    decoder = HexAudioDecoder()
    returned = decoder.feed(b'{"data":{"audio":"49') + decoder.feed(b"443")
    assert returned + failure(decoder, b"3040x").decoded == b"ID3\x04"
    assert decoder.audio_bytes == 4


def test_a_wrong_document_stays_wrong() -> None:
    """After an error every call raises an equal one, a new object each time."""
    decoder = HexAudioDecoder()
    first = failure(decoder, b'{"data":{"audio":"49x')
    second = failure(decoder, REPLY)
    with pytest.raises(HexDecodeError) as third:
        decoder.finish()
    assert first.args == second.args == third.value.args
    assert first is not second
    assert decoder.offset == 21


def test_an_unfinished_document_stays_wrong() -> None:
    """What comes after the end was declared is refused."""
    decoder = HexAudioDecoder()
    decoder.feed(REPLY[:-1])
    with pytest.raises(HexDecodeError) as caught:
        decoder.finish()
    assert failure(decoder, REPLY[-1:]).args == caught.value.args


def test_errors_travel() -> None:
    """An error survives pickle and copy whole, and shows no audio."""
    error = failure(HexAudioDecoder(), b'{"data":{"audio":"%bx' % (b"49" * 999))
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301 - our own bytes
        assert type(twin) is HexDecodeError
        assert vars(twin) == vars(error)
        assert str(twin) == str(error)
    expected = "HexDecodeError('U+0078 stands where a hexadecimal digit should be', offset=2016, decoded=<999 bytes>)"
    assert repr(error) == expected


LIMITED = [
    (JsonLimits(max_bytes=len(REPLY)), REPLY, b" ", len(REPLY), f"The document is longer than {len(REPLY)} bytes"),
    (JsonLimits(max_bytes=23), REPLY[:23], b"3", 23, "The document is longer than 23 bytes"),
    (JsonLimits(max_depth=3), b'{"a":[{"a":1}', b',{"a":{', 19, "The document is nested deeper than 3"),
    (JsonLimits(max_depth=1), b'{"a"', b":[]}", 5, "The document is nested deeper than 1"),
    (JsonLimits(max_number_bytes=3), b'{"a":-12,"b":123', b"4 ", 16, "A number is longer than 3 bytes"),
    (JsonLimits(max_key_bytes=2), b'{"ab":"abc","a\\', b'n":', 16, "A key is longer than 2 bytes"),
    (
        JsonLimits(max_envelope_bytes=11),
        b'{"a":  "bcdef',
        b'g" }',
        13,
        "Without its audio the document is longer than 11 bytes",
    ),
    (
        JsonLimits(max_envelope_bytes=8),
        b'{"abcdef',
        b'g"',
        8,
        "Without its audio the document is longer than 8 bytes",
    ),
]


@pytest.mark.parametrize(("limits", "allowed", "more", "offset", "reason"), LIMITED)
def test_limits_hold(limits: JsonLimits, allowed: bytes, more: bytes, offset: int, reason: str) -> None:
    """A document may come up to each limit, and is refused at the first byte beyond, wherever it is cut."""
    bytewise = HexAudioDecoder(limits=limits)
    for byte in allowed:
        bytewise.feed(bytes([byte]))
    whole = failure(HexAudioDecoder(limits=limits), allowed + more)
    assert (whole.reason, whole.offset) == (reason, offset)
    for byte in more[: offset - len(allowed)]:
        bytewise.feed(bytes([byte]))
    last = failure(bytewise, more[offset - len(allowed) :])
    assert (last.reason, last.offset) == (reason, offset)


def test_audio_up_to_the_limit_is_salvaged() -> None:
    """A document that is too long gives up the audio within its limit, whether it is cut in a pair or between."""
    for limit, audio in ((22, b"ID"), (23, b"ID"), (24, b"ID3")):
        for first in range(len(REPLY)):
            decoder = HexAudioDecoder(limits=JsonLimits(max_bytes=limit))
            pieces = [REPLY[:first], REPLY[first:]]
            salvage = b""
            try:
                for piece in pieces:
                    salvage += decoder.feed(piece)
            except HexDecodeError as error:
                salvage += error.decoded
            assert (salvage, decoder.offset) == (audio, limit)


@pytest.mark.parametrize("name", ["max_bytes", "max_envelope_bytes", "max_depth", "max_number_bytes", "max_key_bytes"])
def test_a_limit_is_positive(name: str) -> None:
    """A limit of nothing is refused at birth."""
    with pytest.raises(ValueError, match=name):
        JsonLimits(**{name: 0})


def test_limits_stay_within_what_python_can_do() -> None:
    """The deepest and the longest that may be configured are read without an error of Python's own."""
    limits = JsonLimits(max_depth=200, max_number_bytes=640)
    decoder = HexAudioDecoder(limits=limits)
    decoder.feed(b'{"a":' * 199 + b"[0." + b"1" * 638 + b"]" + b"}" * 199)
    document = decoder.finish()
    for _ in range(199):
        document = document["a"]
    value: object = document
    assert value == [1 / 9]
    for beyond in ({"max_depth": 201}, {"max_number_bytes": 641}):
        with pytest.raises(ValueError, match=r"must be <="):
            JsonLimits(**beyond)


def test_white_space_is_not_kept() -> None:
    """White space between tokens counts for the whole document, never for what is kept of it."""
    decoder = HexAudioDecoder(limits=JsonLimits(max_envelope_bytes=7))
    decoder.feed(b" \n" * 999 + b'{ "a"' + b"\t" * 999 + b":" + b" " * 999 + b"1 }\r\n")
    assert decoder.finish() == {"a": 1}


@pytest.mark.parametrize(
    ("piece", "times"),
    [
        (b"0123456789abcdef" * 4096, 256),
        (b"0" * 65535, 256),
        (b"\\u0041" * 1000, 64),
        (b"4" * 7 + b"\\u00411" * 1000, 64),
    ],
    ids=["pairs", "odd", "escapes", "odd and escapes"],
)
def test_memory_is_a_piece_not_a_track(piece: bytes, times: int) -> None:
    """However long the audio is, no more is held than a few pieces while one is read, and nearly nothing between."""
    decoder = HexAudioDecoder()
    decoder.feed(b'{"data":{"audio":"')
    tracemalloc.start()
    try:
        decoder.feed(piece)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(times - 1):
            decoder.feed(piece)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1024
    assert peak - before < 5 * len(piece)
    assert decoder.feed(b'"}}') == b""
    assert decoder.finish() == {"data": {"audio": None}}


def test_the_state_is_a_few_hundred_bytes() -> None:
    """Inside the audio a decoder with all that belongs to it is smaller than a packet."""
    decoder = HexAudioDecoder()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        decoder = HexAudioDecoder()
        decoder.feed(b'{"data":{"audio":"' + b"0" * 4095)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert decoder.audio_bytes == 2047
    assert after - before < 1400


def calls_to_decode(pieces: list[bytes]) -> int:
    """Count the function calls, of Python and of C, that a document takes."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        del frame, argument
        nonlocal calls
        calls += event in {"call", "c_call"}

    profiler = sys.getprofile()
    # What others have asked to be told of a collection would be counted as well.
    gc.disable()
    sys.setprofile(count)
    try:
        decode(pieces)
    finally:
        sys.setprofile(profiler)
        gc.enable()
    return calls


HOSTILE: dict[str, Callable[[int], list[bytes]]] = {
    "an escape for every digit": lambda n: [b'{"data":{"audio":"' + b"\\u0041" * n + b'"}}'],
    "escapes and digits in turn": lambda n: [b'{"data":{"audio":"' + b"0\\u0041" * n + b'"}}'],
    "an escape in every piece": lambda n: [b'{"data":{"audio":"', *[b"00\\u0041"] * n, b'"}}'],
    "one digit in every piece": lambda n: [b'{"data":{"audio":"', *[b"0"] * n, b'"}}'],
    "one byte of escape in every piece": lambda n: [b'{"data":{"audio":"', *[b"\\", b"u", b"0", b"0", b"4", b"1"] * n],
    "backslashes in a string": lambda n: [b'{"x":"' + b"\\\\" * n + b'"}'],
    "backslashes, byte by byte": lambda n: [b'{"x":"', *[b"\\"] * (2 * n), b'"}'],
    "empty arrays": lambda n: [b'{"x":[' + b"[]," * n + b"[]]}"],
    "keys": lambda n: [b"{" + b'"x":0,' * n + b'"x":0}'],
    "numbers, byte by byte": lambda n: [b'{"x":[', *[b"1", b"2", b"3", b"4", b","] * n, b"0]}"],
    "white space, byte by byte": lambda n: [b'{"x":', *[b" "] * n, b"0}"],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_documents_take_linear_work(kind: str) -> None:
    """Twice the document is at most twice the calls, whatever it is made of."""
    once, twice = (calls_to_decode(HOSTILE[kind](n)) for n in (1000, 2000))
    assert twice <= 2 * once
