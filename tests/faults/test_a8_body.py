"""Rows 99-126: a success was announced, and something is wrong with what comes after it."""

# ruff: noqa: ASYNC240 - a test may wait for its own disk

import gzip
import json
import threading
import tracemalloc
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from aiml_music import APIError, Flag, InDoubtTimeout, InvalidRequestError, ServerError, Timeouts, Track
from aiml_music._io.clock import SystemClock
from aiml_music._io.pacer import PIECE_BYTES
from aiml_music._sansio.turns import SLICE_STEPS
from tests._sansio.audio_files import cbr, wav
from tests.answers import answer, chunked, envelope, generated, head, refused, uploaded
from tests.calls import TRACK, TRACK_SECONDS, client_of
from tests.canary import assert_keyless
from tests.faults.harness import (
    GENERATE,
    MAYBE,
    UPLOAD,
    YES,
    Ending,
    Fault,
    both,
    call,
    cases,
    damaged,
    doubtful,
    endure,
    leaving_nothing,
    rejected,
    suffer,
)
from tests.loopback import Await, Drip, Hang, Repeat, Reset, Script, Send, Signal, loopback

pytestmark = pytest.mark.anyio

WHOLE = json.dumps(generated(TRACK)).encode()
LEARNED = json.dumps(uploaded()).encode()
DIGITS = TRACK.hex().encode()
CUT = WHOLE.index(DIGITS) + 2000
PREFIX = TRACK[:1000]
JSON = ("Content-Type", "application/json")
PLAIN = head("200 OK", JSON)
PROMISED = head("200 OK", JSON, ("Content-Length", str(len(WHOLE))))
PACKED = ("Content-Encoding", "gzip")


def raw(body: bytes, *headers: tuple[str, str]) -> Script:
    """Answer with a body as it is."""
    return [answer(body, headers=headers)]


def spliced(piece: bytes) -> bytes:
    """Return the good document with something foreign after a thousand bytes of audio."""
    return WHOLE[:CUT] + piece + WHOLE[CUT:]


def with_member(member: bytes) -> bytes:
    """Return the good document with one more member behind the audio."""
    return WHOLE[:-1] + b", " + member + b"}"


def upload_only(script: Script) -> Fault:
    return Fault(operation=UPLOAD, script=script, ending=damaged(again=True))


def lost(script: Script, salvage: bytes | None = None, **more: Any) -> Fault:
    """Return a generation that was announced as a success and cannot be used."""
    return Fault(script=script, ending=damaged(salvage, **more))


RESET: Script = [Send(PROMISED + WHOLE[: CUT - 1]), Drip(WHOLE[CUT - 1 : CUT], 0.1), Reset()]
CUT_SHORT = cases(
    ("no length", "99", lost([Send(PLAIN + WHOLE[:CUT])], PREFIX)),
    ("no length, HTTP/1.0", "99", lost([Send(b"HTTP/1.0 200 OK\r\n\r\n" + WHOLE[:CUT])], PREFIX)),
    ("no length, cut behind the audio", "99", lost([Send(PLAIN + WHOLE[:-1])], TRACK)),
    ("no length", "99", upload_only([Send(PLAIN + LEARNED[:-1])])),
    ("less than its length", "100", lost([Send(PROMISED + WHOLE[:CUT])], PREFIX)),
    ("chunked, without its end", "100", lost([chunked(WHOLE[:CUT], end=False)], PREFIX)),
    # Eight digits and the line end are missing.
    ("amid a chunk", "100", lost([Send(chunked(WHOLE[:CUT], end=False).data[:-10])], TRACK[:996])),
    ("reset", "100", lost(RESET, PREFIX, at_most=True)),
    # An upload has no audio that would prove a success, so a reset of its answer leaves a doubt.
    (
        "chunked, without its end",
        "100",
        Fault(operation=UPLOAD, script=[chunked(LEARNED[:-1], end=False)], ending=doubtful(again=True)),
    ),
)

PAGES = cases(
    ("a page", ("101", "83"), both(raw(b"<html>\x1b[2JPlease log in</html>"), doubtful(says=("text/html", "log in")))),
    ("plain text", "101", both(raw(b"upstream connect error"), doubtful(says=("upstream connect error",)))),
    ("binary garbage", "101", both(raw(bytes(range(256)) * 9), doubtful())),
    ("a list", "101", both(raw(b'[{"data": 1}]'), doubtful())),
    ("a word", "101", both(raw(b"null"), doubtful())),
    ("UTF-16 with its mark", ("101", "108"), both(raw(WHOLE.decode().encode("utf-16")), doubtful())),
    ("UTF-32, big end first", ("101", "108"), both(raw(LEARNED.decode().encode("utf-32-be")), doubtful())),
)

PACKED_WHOLE = gzip.compress(WHOLE)
BAD_CHECKSUM = PACKED_WHOLE[:-8] + bytes([PACKED_WHOLE[-8] ^ 1]) + PACKED_WHOLE[-7:]
SPACES: Script = [Send(PLAIN + WHOLE[:-1]), Repeat(b" " * 2**20, 65), Send(b"}")]
TOO_MUCH = cases(
    ("65 MiB of blanks", "103", lost(SPACES, TRACK, says=("longer than 67108864 bytes",))),
    ("a megabyte of other words", "103", lost(raw(with_member(b'"x": "%b"' % (b"y" * 2**20))), TRACK)),
    ("an endless key", "103", lost(raw(with_member(b'"%b": 1' % (b"y" * 3000))), TRACK)),
    ("a bomb", "105", lost(raw(gzip.compress(WHOLE[:-1] + b" " * 70 * 2**20 + b"}", 1), PACKED), TRACK)),
    ("packed many times", "105", both(raw(WHOLE, ("Content-Encoding", ", ".join(["gzip"] * 50))), damaged())),
    ("packed, cut", "104", lost(raw(PACKED_WHOLE[:-8], PACKED), TRACK, says=("gzip body ends early",))),
    ("packed, without its last byte", "104", lost(raw(PACKED_WHOLE[:-1], PACKED), TRACK)),
    ("packed, with junk behind it", "104", lost(raw(PACKED_WHOLE + b"junk", PACKED), TRACK)),
    ("packed, in two members", "104", lost(raw(PACKED_WHOLE + gzip.compress(b"{}"), PACKED), TRACK)),
    ("packed, with a wrong checksum", "104", lost(raw(BAD_CHECKSUM, PACKED), TRACK)),
    ("packed, cut", "104", upload_only(raw(gzip.compress(LEARNED)[:-8], PACKED))),
    ("brotli", "106", both(raw(b"\x8b\x03\x80{}\x03", ("Content-Encoding", "br")), damaged(says=("not asked for",)))),
    ("zlib", "106", lost(raw(zlib.compress(WHOLE), ("Content-Encoding", "deflate")))),
)

# Each stands behind the audio, so that the track itself is whole.
MEMBERS: dict[str, tuple[str, bytes]] = {
    "a string that is no UTF-8": ("108", b'"x": "\xff"'),
    "an overlong encoding": ("108", b'"x": "\xc0\xaf"'),
    "33 levels": ("109", b'"x": ' + b"[" * 33 + b"]" * 33),
    "100,000 levels": ("109", b'"x": ' + b"[" * 100_000 + b"]" * 100_000),
    "100,000 objects": ("109", b'"x": ' + b'{"x":' * 100_000 + b"1" + b"}" * 100_000),
    "5,000 digits": ("110", b'"x": ' + b"9" * 5000),
    "a number beyond all": ("110", b'"x": 1e400'),
    "no number": ("110", b'"x": NaN'),
    "infinity": ("110", b'"x": -Infinity'),
    "the data twice": ("111", b'"data": {"audio": "%b"}' % DIGITS),
    "the data twice, in disguise": ("111", rb'"d\u0061ta": null'),
    "half a surrogate pair": ("113", rb'"x": "\ud800"'),
    "a control character": ("113", b'"x": "\x01"'),
    "a line end": ("113", b'"x": "a\nb"'),
    "an unknown escape": ("113", rb'"x": "\q"'),
}
HOSTILE = cases(
    *((name, row, lost(raw(with_member(member)), TRACK, says=("byte",))) for name, (row, member) in MEMBERS.items()),
    *((name, row, upload_only(raw(LEARNED[:-1] + b"," + MEMBERS[name][1] + b"}"))) for name, row in (
        ("a string that is no UTF-8", "108"), ("100,000 levels", "109"), ("no number", "110"), ("a line end", "113"),
    )),
    ("UTF-16 without a mark", "108", lost(raw(WHOLE.decode().encode("utf-16-le")))),
    ("the audio twice", "111", lost(raw(WHOLE.replace(b'", "audio"', b'"', 1).replace(
        b'"}', b'", "audio": "%b"}' % DIGITS, 1)), TRACK)),
    ("a second document", "114", lost(raw(WHOLE + b"{}"), TRACK)),
    ("a word behind it", "114", lost(raw(WHOLE + b"\n x"), TRACK)),
    ("a zero byte behind it", "114", lost(raw(WHOLE + b"\0"), TRACK)),
    ("a second document", "114", upload_only(raw(LEARNED + b"{}"))),
)  # fmt: skip


NOTHING: Sequence[Any] = (None, 7, "", True, [], {"audio": "00"})
NO_DATA: Sequence[Any] = (None, [], ["00"], 7, "00", {})


def holding(**changes: Any) -> Script:
    return [answer({**generated(""), **changes})]


NO_AUDIO = cases(
    *(
        (f"the audio is {audio!r}", "115", lost([answer(generated("", data={"status": 2, "audio": audio}))]))
        for audio in NOTHING
    ),
    ("no audio", "115", lost(holding(data={"status": 2}), says=("no audio",))),
    *((f"the data is {data!r}", "115", lost(holding(data=data))) for data in NO_DATA),
    ("no data", "115", lost([answer({"base_resp": {"status_code": 0}})])),
    ("no data, and a code", "115", Fault(
        script=[answer(refused(1033, "failed", data=None))], ending=doubtful(error=ServerError))),
    ("no ids", "115", upload_only([answer({"base_resp": {"status_code": 0}})])),
    ("empty ids", "115", upload_only([answer(uploaded(voice_id="", instrumental_id=None))])),
    ("unfinished", "122", lost([answer(generated("", data={"status": 1}))], says=("unfinished",))),
    ("unfinished, empty", "122", lost([answer(generated("", data={"status": 1, "audio": ""}))], says=("unfinished",))),
)  # fmt: skip

ODD = WHOLE.replace(DIGITS + b'"', DIGITS + b'0"')
DIGITS_WRONG = cases(
    ("an odd digit too many", "116", lost(raw(ODD), TRACK, says=("odd number of digits", "byte"))),
    ("a letter", "117", lost(raw(spliced(b"xx")), PREFIX, says=("U+0078", "byte"))),
    ("a blank", "117", lost(raw(spliced(b"  ")), PREFIX, says=("U+0020",))),
    ("a line end", "117", lost(raw(spliced(b"\n")), PREFIX, says=("U+000A",))),
    ("a line end, escaped", "117", lost(raw(spliced(b"\\n")), PREFIX)),
    ("a zero byte", "117", lost(raw(spliced(b"\0")), PREFIX, says=("U+0000",))),
    ("full-width digits", "117", lost(raw(spliced("\uff14\uff19".encode())), PREFIX, says=("byte 0xEF",))),
    ("full-width digits first", "117", lost(raw(WHOLE.replace(DIGITS, "\uff14\uff19".encode() + DIGITS)))),
    ("0x in front", "117", lost(raw(WHOLE.replace(DIGITS, b"0x" + DIGITS)), says=("U+0078",))),
    ("audio and a code", "123", lost(
        [answer(generated(TRACK, **refused(1000, "failed")))], TRACK, says=("error code 1000", "failed"))),
    ("audio and an unpaid code", "123", lost([answer(generated(TRACK, **refused(1008, "no balance")))], TRACK)),
)  # fmt: skip

NO_MP3 = bytes(3000)
UNVERIFIED = cases(
    ("a WAV", "120", lost([answer(generated(wav(bytes(4000))))], wav(bytes(4000)), kept="unverified")),
    ("nothing known", "120", lost([answer(generated(NO_MP3))], NO_MP3, kept="unverified", says=("not mp3",))),
    ("a page", "120", lost([answer(generated(b"<html></html>"))], b"<html></html>", kept="unverified")),
)


@pytest.mark.parametrize("fault", [*CUT_SHORT, *PAGES, *TOO_MUCH, *HOSTILE, *NO_AUDIO, *DIGITS_WRONG, *UNVERIFIED])
async def test_a_success_that_is_none_keeps_what_came(fault: Fault, tmp_path: Path) -> None:
    """The track's own name stays free, whatever audio was good is kept under another, and nothing is paid twice."""
    await suffer(fault, tmp_path)


MIXED = b"".join(DIGITS[place : place + 1].upper() if place % 3 else DIGITS[place : place + 1] for place in range(6672))
ACCEPTED = [
    pytest.param(raw(PACKED_WHOLE, PACKED), id="gzip", marks=pytest.mark.row("104")),
    pytest.param(raw(WHOLE, PACKED), id="plain, and called gzip", marks=pytest.mark.row("107")),
    pytest.param(raw(b"\xef\xbb\xbf" + WHOLE), id="a byte order mark", marks=pytest.mark.row("108")),
    pytest.param(raw(with_member(b'"x": ' + b"[" * 31 + b"]" * 31)), id="32 levels", marks=pytest.mark.row("109")),
    pytest.param(
        raw(WHOLE.replace(b'"data"', rb'"\u0064ata"').replace(b'"audio"', rb'"\u0061udi\u006F"')),
        id="keys as escapes",
        marks=pytest.mark.row("112"),
    ),
    pytest.param(
        raw(WHOLE.replace(DIGITS, b"".join(rb"\u00%02x" % digit for digit in DIGITS))),
        id="digits as escapes",
        marks=pytest.mark.row("112"),
    ),
    pytest.param(raw(WHOLE + b" \r\n\t" * 999), id="white space behind it", marks=pytest.mark.row("114")),
    pytest.param(raw(WHOLE.replace(DIGITS, DIGITS.upper())), id="upper case", marks=pytest.mark.row("118")),
    pytest.param(raw(WHOLE.replace(DIGITS, MIXED)), id="mixed case", marks=pytest.mark.row("118")),
]


@pytest.mark.parametrize("script", ACCEPTED)
async def test_what_is_legal_is_no_fault(script: Script, tmp_path: Path) -> None:
    """A document that is only unusual gives the track it holds."""
    track = await endure(script, tmp_path)
    assert isinstance(track, Track)
    assert track.flags == ()


TRUNCATED = TRACK[:-100]
FLAGGED: list[Any] = [
    pytest.param(TRACK, {"extra_info": {"audio_size": 1}}, {Flag.SIZE_DIFFERS}, marks=pytest.mark.row("119")),
    pytest.param(TRACK, {"extra_info": {"music_size": 10**12}}, {Flag.SIZE_DIFFERS}, marks=pytest.mark.row("119")),
    *(
        pytest.param(TRACK, {"extra_info": {"audio_size": size}}, set(), marks=pytest.mark.row("110"))
        for size in (True, -5, "1", 1.5, 0, None, [1], len(TRACK))
    ),
    pytest.param(TRUNCATED, {}, {Flag.TRUNCATED}, marks=pytest.mark.row("121")),
    pytest.param(
        TRACK,
        {"extra_info": {"audio_length": round(TRACK_SECONDS * 1000) + 30_000}},
        {Flag.DURATION_DIFFERS},
        marks=pytest.mark.row("121"),
    ),
    pytest.param(
        TRACK, {"data": {"status": 1, "audio": TRACK.hex()}}, {Flag.IN_PROGRESS}, marks=pytest.mark.row("122")
    ),
]


@pytest.mark.parametrize(("audio", "changes", "flags"), FLAGGED)
async def test_a_disagreement_is_flagged_and_the_track_published(
    audio: bytes, changes: dict[str, Any], flags: set[Flag], tmp_path: Path
) -> None:
    """What the service says about a track is no reason to withhold one that was paid for; it is said beside it."""
    track = await endure([answer(generated(audio, **changes))], tmp_path, audio=audio)
    assert isinstance(track, Track)
    assert set(track.flags) == flags


@pytest.mark.row("120")
@pytest.mark.parametrize("asked", ["wav", "mp3"])
async def test_another_format_than_asked_for_is_kept_unverified(asked: str, tmp_path: Path) -> None:
    """A WAV is no MP3 and an MP3 no WAV: the call fails, and the bytes that were paid for are in its error."""
    audio = TRACK if asked == "wav" else wav(bytes(4000))
    with loopback([answer(generated(audio))]) as server:
        async with client_of(server) as client:
            with pytest.raises(damaged(audio).error, match=f"not {asked}") as caught:
                await call(client, GENERATE, tmp_path, to=None, audio_setting={"format": asked})
    assert caught.value.salvage == audio
    assert (caught.value.money, len(server.requests)) == (YES, 1)
    assert_keyless(caught.value)


SLOW = Timeouts(total=None, idle=0.3)
SLOW_BODIES = cases(
    ("amid the audio", "102", lost([Send(PROMISED + WHOLE[:CUT]), Drip(WHOLE[CUT:], 0.02)], TRACK, at_most=True)),
    ("before the audio", "102", Fault(
        script=[Send(PROMISED), Drip(b" " * 400, 0.02)], ending=doubtful(error=InDoubtTimeout))),
    ("silence", "102", lost([Send(PROMISED + WHOLE[:CUT]), Hang()], PREFIX)),
    ("silence before the ids", "102", Fault(operation=UPLOAD,
        script=[Send(PROMISED), Hang()], ending=doubtful(error=InDoubtTimeout, again=True))),
)  # fmt: skip


@pytest.mark.parametrize("fault", SLOW_BODIES)
async def test_a_trickle_is_not_waited_for(fault: Fault, tmp_path: Path) -> None:
    """Less than 1 KiB/s is a stall: the call ends, and keeps what came."""
    await suffer(timed(fault, SLOW), tmp_path)


@pytest.mark.row("100")
async def test_the_record_of_an_attempt_agrees_with_its_error(tmp_path: Path) -> None:
    """An attempt whose track broke off is not recorded as one that was completed."""
    error = await suffer(lost([Send(PROMISED + WHOLE[:CUT])], PREFIX), tmp_path)
    assert [attempt.outcome for attempt in error.attempts] == [error.outcome]
    assert error.attempts[0].problem


@pytest.mark.row("102")
async def test_a_trickle_ends_with_the_call(tmp_path: Path) -> None:
    """However fast it drips, the whole call has its limit."""
    script: Script = [Send(PROMISED + WHOLE[:CUT]), Drip(WHOLE[CUT:], 0.01)]
    fault = lost(script, TRACK, at_most=True, says=("the time limit of 0.3 s ran out",))
    await suffer(timed(fault, Timeouts(total=0.3, idle=None)), tmp_path)


def timed(fault: Fault, timeouts: Timeouts) -> Fault:
    """Return the same fault in real time."""
    return Fault(
        script=fault.script,
        ending=fault.ending,
        operation=fault.operation,
        options={"timeout": timeouts, "clock": SystemClock()},
    )


@pytest.mark.row("105")
async def test_a_bomb_is_unpacked_in_small_pieces(tmp_path: Path) -> None:
    """Seventy megabytes in seventy kilobytes are never in memory at once."""
    fault = lost(raw(gzip.compress(WHOLE[:-1] + b" " * 70 * 2**20 + b"}", 1), PACKED), TRACK)
    tracemalloc.start()
    try:
        await suffer(fault, tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20


TERMINAL = "\x1b[31mred\x1b[0m\x9b2J\r\n\x00\x07\x7f\u202etxt" + "x" * 5000
SAID = {
    "a refusal": ([answer(envelope(400, TERMINAL), status="400 Bad Request")], rejected(InvalidRequestError)),
    "a refusal of ten megabytes": (
        [answer(envelope(400, TERMINAL * 2000), status="400 Bad Request", headers=[("x-inference-id", "\x1b[31mi")])],
        rejected(InvalidRequestError),
    ),
    "a code": ([answer(refused(2013, TERMINAL))], rejected(InvalidRequestError)),
    "a code with half a megabyte": ([answer(refused(2013, TERMINAL * 100))], rejected(InvalidRequestError)),
    "a page": ([answer(TERMINAL.encode())], doubtful()),
    "a page with a status": ([answer(TERMINAL.encode(), status="502 \x1b[31mBad")], doubtful()),
    "a link": ([answer(generated(f"https://{TERMINAL}"))], damaged()),
    "an id": ([answer({**generated(""), "trace_id": TERMINAL})], damaged()),
}


@pytest.mark.row("124")
@pytest.mark.parametrize("case", SAID)
async def test_foreign_words_are_cleaned_and_cut(case: str, tmp_path: Path) -> None:
    """Nothing a server says reaches a terminal as a command, or fills it."""
    script, ending = SAID[case]
    error = await suffer(Fault(script=script, ending=ending), tmp_path)
    texts = [str(error), *(value for value in vars(error).values() if isinstance(value, str))]
    assert all(text.isprintable() for text in texts)
    assert all(len(text) < 6000 for text in texts)
    if isinstance(error, APIError):
        assert "red" in error.api_message or case == "a refusal of ten megabytes"
        assert len(error.api_message) <= 500


@pytest.mark.row("125")
@pytest.mark.parametrize("form", ["plain", "packed"])
async def test_the_loop_is_others_too(form: str) -> None:
    """While megabytes of digits are decoded, whoever else runs in the loop gets his turns."""
    audio = cbr(10_000)
    document = json.dumps(generated(audio)).encode()
    body = raw(document) if form == "plain" else raw(gzip.compress(document, 1), PACKED)
    turns, sizes = 0, [0]

    async def others() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    with loopback(body) as server:
        async with client_of(server) as client, anyio.create_task_group() as group:
            group.start_soon(others)
            async with client.stream(lyrics="la", refer_voice="vocal-1") as stream:
                sizes = [len(chunk) async for chunk in stream]
            group.cancel_scope.cancel()
    assert sum(sizes) == len(audio)
    assert turns >= len(document) // (SLICE_STEPS * PIECE_BYTES)
    if form == "plain":
        assert max(sizes) <= PIECE_BYTES // 2


@pytest.mark.row("126")
@pytest.mark.parametrize("where", ["in a file", "in memory"])
async def test_a_call_cancelled_amid_its_audio_says_where_it_is(where: str, tmp_path: Path) -> None:
    """With a file to save it in, the track lands first; without one the connection closes. Either way it was paid."""
    begun, gate = threading.Event(), threading.Event()
    song = tmp_path / "song.mp3"
    notes: list[str] = []
    script: Script = [Send(PROMISED + WHOLE[:CUT]), Signal(begun), Await(gate), Send(WHOLE[CUT:])]

    async def cancelled(server: Any) -> None:
        async with client_of(server) as client:
            try:
                await call(
                    client, GENERATE, tmp_path, client_request_id="mine", to=song if where == "in a file" else None
                )
            except anyio.get_cancelled_exc_class() as error:
                notes.extend(error.__notes__)
                assert_no_key(notes)
                raise

    with leaving_nothing(), loopback(script) as server:
        async with anyio.create_task_group() as group:
            group.start_soon(cancelled, server)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
            gate.set()
        assert server.wait_until_idle()
    assert len(server.requests) == 1
    if where == "in a file":
        assert notes == [f"aiml_music: the track was kept all the same, in {song}."]
        assert song.read_bytes() == TRACK
        song.unlink()
    else:
        assert notes == [
            "aiml_music: generate mine was cancelled in phase read. The request was carried out and charged."
        ]
    assert list(tmp_path.iterdir()) == []


def assert_no_key(notes: list[str]) -> None:
    assert not any("sk-" in note for note in notes)


def test_every_ending_of_a_body_is_on_the_expensive_side() -> None:
    """Once a success was announced, no ending says that no money was spent."""
    endings: set[Ending] = {
        param.values[0].ending for param in [*CUT_SHORT, *PAGES, *TOO_MUCH, *HOSTILE, *DIGITS_WRONG, *UNVERIFIED]
    }
    assert {ending.money for ending in endings} == {YES, MAYBE}
