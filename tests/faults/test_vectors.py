"""The retry vectors: what a server does at each attempt, and what then becomes of the call, the quota and the waits.

They are JSON, so that a client in another language can play them too. `vectors/instructions.json` says what the named
instructions are. A vector's `server` holds one instruction for each attempt; `calls` holds such lists for calls made at
once. What it leaves out is in the `defaults` of its file, and then in `DEFAULTS` here. Every instruction must be used.
"""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import define, field

from aiml_music import APIError, AsyncMusicClient, MusicError, Operation, Receipt, RetryPolicy
from aiml_music.testing import FakeClock
from tests.answers import VOICE_ID, answer, generated, uploaded
from tests.calls import REFERENCE, TRACK
from tests.canary import KEY, assert_keyless
from tests.loopback import ReadOnly, Reset, _read_head, _read_request, free_port, loopback

VECTORS = Path(__file__).parent / "vectors"
INSTRUCTIONS: dict[str, Any] = json.loads((VECTORS / "instructions.json").read_text(encoding="utf-8"))
DEFAULTS: dict[str, Any] = {
    "operation": "generate",
    "policy": {},
    "quota": 500,
    "dice": 0.5,
    "unix": 1792567680,
    "body": "small",
    "tls": False,
}
# More than the buffers of two sockets take.
LARGE = 16_000_000
DAMAGED = {
    Operation.GENERATE: generated(TRACK.hex() + "zz"),
    Operation.UPLOAD: uploaded(voice_id=None, instrumental_id=None),
}
SUCCESS = {Operation.GENERATE: generated(TRACK), Operation.UPLOAD: uploaded()}

Instruction = dict[str, Any]


def vectors() -> Iterator[Any]:
    """Yield every vector of every file, with all that is left out of it."""
    for file in sorted(VECTORS.glob("*.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        for vector in content.get("vectors", ()):
            whole = {**DEFAULTS, **content["defaults"], **vector}
            yield pytest.param(_spelt_out(whole), id=f"{file.stem}: {vector['name']}")


def _spelt_out(vector: dict[str, Any]) -> dict[str, Any]:
    """Return a vector of `retry_after.json` in the form all others have."""
    if "header" not in vector:
        return vector
    headers = {"Retry-After": vector["header"]} | ({"Date": vector["date"]} if "date" in vector else {})
    throttled = {**INSTRUCTIONS["429"], "headers": headers}
    expected = dict(vector["expect"])
    if "retry_after" in expected:
        return {
            **vector,
            "server": [throttled],
            "expect": {"error": "RateLimitError", "outcome": "rejected", "money": "no", **expected},
        }
    money = "yes" if vector["operation"] == "generate" else "unknown"
    return {**vector, "server": [throttled, "ok"], "expect": {"outcome": "completed", "money": money, **expected}}


@define(eq=False)
class Stage:
    """A server that is there and not there, as the instructions say, and has one list of them for each call.

    Attributes:
        left: what was not used yet, by the ids of the calls.
    """

    operation: Operation
    left: dict[str, list[Instruction]]
    port: int = field(factory=free_port)
    _open: ExitStack = field(factory=ExitStack)
    _listening: bool = False

    def set(self) -> None:
        """Make ready for the next attempt; of calls at once, no attempt finds nobody listening."""
        upcoming = [left[0] for left in self.left.values() if left]
        if len(self.left) == 1 and upcoming and upcoming[0]["do"] == "refuse":
            self.close()
            next(iter(self.left.values())).pop(0)
        elif not self._listening:
            self._open.enter_context(loopback([ReadOnly(0), self], port=self.port))
            self._listening = True

    def close(self) -> None:
        """Let nobody listen."""
        self._open.close()
        self._listening = False

    def play(self, connection: socket.socket) -> None:
        """Do with a connection what the next instruction of its call says."""
        instruction = None
        if len(self.left) == 1:
            # The call may not say its name, as in a handshake that breaks.
            instruction = next(iter(self.left.values())).pop(0)
            if instruction["do"] == "plaintext" or instruction.get("after") == "handshake":
                _end_handshake(connection, instruction)
                return
            if instruction.get("after") == "head":
                _read_head(connection)
                Reset().play(connection)
                return
        request = _read_request(connection)
        instruction = instruction or self.left[request.headers["x-client-request-id"]].pop(0)
        match instruction["do"]:
            case "reset":
                Reset().play(connection)
            case "answer":
                connection.sendall(_answer(instruction, self.operation))


def _end_handshake(connection: socket.socket, instruction: Instruction) -> None:
    connection.recv(65536)
    if instruction["do"] == "plaintext":
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def _answer(instruction: Instruction, operation: Operation) -> bytes:
    body = instruction["body"]
    if isinstance(body, str):
        named = {"success": SUCCESS, "damaged": DAMAGED}.get(body)
        body = body.encode() if named is None else named[operation]
    plain = answer(body, status=f"{instruction['status']} Status").data
    extra = "".join(f"{name}: {value}\r\n" for name, value in instruction.get("headers", {}).items())
    first, _, rest = plain.partition(b"\r\n")
    # As UTF-8: a server may send what a header must not hold.
    return first + b"\r\n" + extra.encode() + rest


@pytest.mark.anyio
@pytest.mark.row("43", "46", "48", "56", "57", "87", "88", "91", "92", "95", "96", "97")
@pytest.mark.row("98a", "98b", "98c", "98d", "98e", "98h")
@pytest.mark.parametrize("vector", list(vectors()))
async def test_every_client_repeats_alike(vector: dict[str, Any]) -> None:
    """Outcome, money, attempts, waits and what is left of the quota are those of the vector."""
    operation = Operation(vector["operation"])
    lists = _lists(vector)
    stage = Stage(operation, {f"call-{n}": [_instruction(each) for each in one] for n, one in enumerate(lists)})
    clock = FakeClock(draw=vector["dice"], unix=vector["unix"], on_sleep=stage.set)
    endings: list[MusicError | Receipt] = []
    try:
        stage.set()
        async with _client(stage, vector, clock) as client:
            quota = client._session.quotas[operation]
            quota.left = vector["quota"]
            async with anyio.create_task_group() as group:
                for name in stage.left:
                    group.start_soon(_call, client, operation, vector, name, endings)
    finally:
        stage.close()
    expected = vector["expect"]
    assert {name: left for name, left in stage.left.items() if left} == {}
    assert [_facts(ending) for ending in endings] == [_expected_facts(expected)] * len(lists)
    if "retry_after" in expected:
        assert [ending.retry_after for ending in endings if isinstance(ending, APIError)] == [expected["retry_after"]]
    assert sorted(len(ending.attempts) for ending in endings) == sorted(len(one) for one in lists)
    assert sorted(clock.slept) == pytest.approx(sorted(expected["sleeps"]))
    assert quota.left == expected.get("quota", _full(vector))


def test_every_instruction_has_a_vector(record_property: Callable[[str, object], None]) -> None:
    """No instruction is named that nothing plays, and there are vectors enough to call it a doctrine."""
    played = {instruction for one in vectors() for list_ in _lists(one.values[0]) for instruction in map(str, list_)}
    assert set(INSTRUCTIONS) - {"about"} - played == set()
    record_property("figure", f"retry vectors {len(list(vectors()))} on each backend")


def _lists(vector: dict[str, Any]) -> list[list[str | Instruction]]:
    lists: list[list[str | Instruction]] = vector["calls"] if "calls" in vector else [vector["server"]]
    return lists


def _instruction(named: str | Instruction) -> Instruction:
    found: Instruction = INSTRUCTIONS[named] if isinstance(named, str) else named
    return found


def _full(vector: dict[str, Any]) -> int:
    """Return what is left where a vector says nothing: all repeats have succeeded, or there were none."""
    quota: int = vector["quota"]
    return quota if vector["expect"].get("error") or vector["expect"]["sleeps"] else min(500, quota + 1)


def _client(stage: Stage, vector: dict[str, Any], clock: FakeClock) -> AsyncMusicClient:
    scheme = "https" if vector["tls"] else "http"
    options = {"timeout": vector["timeout"]} if "timeout" in vector else {}
    return AsyncMusicClient(
        api_key=KEY,
        base_url=f"{scheme}://127.0.0.1:{stage.port}",
        retry=RetryPolicy(**vector["policy"]),
        clock=clock,
        **options,
    )


async def _call(
    client: AsyncMusicClient,
    operation: Operation,
    vector: dict[str, Any],
    name: str,
    endings: list[MusicError | Receipt],
) -> None:
    large = vector["body"] == "large"
    try:
        if operation is Operation.UPLOAD:
            source = bytes(LARGE) if large else REFERENCE
            made: Any = await client.upload(source, purpose="voice", client_request_id=name, check_audio=not large)
        else:
            extra = {"padding": "x" * LARGE} if large else None
            made = await client.generate(
                lyrics="##Side by side##", refer_voice=VOICE_ID, client_request_id=name, extra_body=extra
            )
    except MusicError as error:
        assert_keyless(error)
        endings.append(error)
    else:
        endings.append(made.receipt)


def _facts(ending: MusicError | Receipt) -> dict[str, Any]:
    facts = {"outcome": str(ending.outcome), "money": str(ending.money)}
    if isinstance(ending, Receipt):
        return facts
    return facts | {"error": type(ending).__name__, "quota_exhausted": ending.retry_quota_exhausted}


def _expected_facts(expected: dict[str, Any]) -> dict[str, Any]:
    facts = {"outcome": expected["outcome"], "money": expected["money"]}
    if "error" not in expected:
        return facts
    return facts | {"error": expected["error"], "quota_exhausted": expected.get("quota_exhausted", False)}
