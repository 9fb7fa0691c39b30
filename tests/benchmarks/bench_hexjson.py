"""How fast the streaming decoder is, beside `unhexlify` and `json.loads`, and how it takes hostile documents.

Run with `python -m tests.benchmarks.bench_hexjson`.
"""

import json
import random
import sys
from binascii import hexlify, unhexlify
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter

from aiml_music._sansio.hexjson import HexAudioDecoder, JsonLimits

PIECE_BYTES = (1460, 4096, 16384, 65535, 65536, 262144)
ROUNDS = 25
DIGITS = hexlify(random.Random(1).randbytes(4 * 1024 * 1024))
REST = b'","status":2},"extra_info":{"audio_length":60000},"base_resp":{"status_code":0,"status_msg":"success"}}'
HEADS = {"even": b'{"data":{"audio":"', "odd": b' {"data":{"audio":"'}

HOSTILE: dict[str, Callable[[int], bytes]] = {
    "an escape for every digit": lambda n: b'{"data":{"audio":"' + b"\\u0041" * (n // 6 & ~1) + b'"}}',
    "escapes and digits in turn": lambda n: b'{"data":{"audio":"' + b"0\\u0041" * (n // 7) + b'"}}',
    "backslashes in a string": lambda n: b'{"x":"' + b"\\\\" * (n // 2) + b'"}',
    "one long string": lambda n: b'{"x":"' + b"x" * n + b'"}',
    "empty arrays": lambda n: b'{"x":[' + b"[]," * (n // 3) + b"0]}",
    "short keys": lambda n: b"{" + b'"":0,' * (n // 5) + b'"":0}',
    "white space": lambda n: b"{" + b" " * n + b"}",
}


def say(line: str) -> None:
    """Write one line."""
    sys.stdout.write(line + "\n")


def decode(pieces: list[bytes]) -> None:
    """Decode a document, and forget it."""
    decoder = HexAudioDecoder(limits=JsonLimits(max_envelope_bytes=64 * 1024 * 1024))
    for piece in pieces:
        decoder.feed(piece)
    decoder.finish()


def seconds(work: Callable[[], object]) -> float:
    """Return how long some work takes, once."""
    begin = perf_counter()
    work()
    return perf_counter() - begin


def cut(document: bytes, size: int) -> list[bytes]:
    """Cut a document into pieces of one size."""
    return [document[i : i + size] for i in range(0, len(document), size)]


def measured(rounds: int) -> dict[str, float]:
    """Return the median seconds of the decoder in pieces of every size, and of its rivals."""
    document = HEADS["even"] + DIGITS + REST
    works: dict[str, Callable[[], object]] = {
        "unhexlify": lambda: unhexlify(DIGITS),
        "json.loads + unhexlify": lambda: unhexlify(json.loads(document)["data"]["audio"]),
    }
    for size in PIECE_BYTES:
        for name, head in HEADS.items():
            pieces = cut(head + DIGITS + REST, size)
            works[f"{size} B, audio at an {name} offset"] = partial(decode, pieces)
    # In turn, so that a slow moment of the machine falls on all alike.
    times = [{name: seconds(work) for name, work in works.items()} for _ in range(rounds)]
    return {name: median(time[name] for time in times) for name in works}


def compare() -> None:
    """Print what the decoder costs in units of one `unhexlify` of the same digits."""
    times = measured(ROUNDS)
    unit = times["unhexlify"]
    say(f"{len(DIGITS) >> 20} MiB of digits, Python {sys.version.split()[0]}, median of {ROUNDS}")
    for name, taken in times.items():
        say(f"  {name:34} {taken * 1e3:8.2f} ms {taken / unit:6.2f} x")


def stress() -> None:
    """Print nanoseconds a byte for hostile documents of two lengths; they differ where time is not linear."""
    say("hostile documents, ns a byte: 64 KiB pieces at 1 and 4 MiB, 64 B pieces at both; the slowest piece of 64 KiB")
    for name, make in HOSTILE.items():
        row = []
        for size in (65536, 64):
            for length in (1 << 20, 1 << 22):
                document = make(length)
                pieces = cut(document, size)
                best = min(seconds(partial(decode, pieces)) for _ in range(3))
                row.append(best * 1e9 / len(document))
        say(f"  {name:28}" + "".join(f"{value:9.1f}" for value in row) + f"  {slowest_piece(make(1 << 20)):6.1f} ms")


def slowest_piece(document: bytes) -> float:
    """Return milliseconds for the slowest piece of 64 KiB."""
    decoder = HexAudioDecoder(limits=JsonLimits(max_envelope_bytes=64 * 1024 * 1024))
    return max(seconds(partial(decoder.feed, piece)) for piece in cut(document, 65536)) * 1e3


if __name__ == "__main__":
    compare()
    stress()
