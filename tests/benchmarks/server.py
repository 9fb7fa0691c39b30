"""The other side of every measurement: a process of its own, one thread, plain and TLS, never the slow one.

`POST /<answer>/<hold>/…`: the answer of that name is held back until `hold` requests of that number are there, so that
all bodies are in flight at once and begin at the same moment. Ends when its standard input does.

    answers: track · small · drip (a track at a limited speed) · uploaded
"""

import argparse
import heapq
import json
import re
import resource
import selectors
import socket
import ssl
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from functools import partial
from typing import TypeVar

from attrs import define, field, frozen

from tests.benchmarks.documents import UPLOADED, document, track

T = TypeVar("T")

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_TURN_BYTES = 256 * 1024
_DRIP_BYTES = 16 * 1024
_LIFETIME = 3600.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


@frozen
class Ready:
    """Go on when the socket is."""

    events: int


@frozen
class Pause:
    """Go on later."""

    seconds: float


@frozen
class Hold:
    """Go on when so many are held."""

    count: int


Wait = Ready | Pause | Hold
Script = Generator[Wait, None, T]


@define(eq=False)
class Connection:
    """A client, and how far its conversation is."""

    socket: socket.socket
    script: Script[None]
    events: int = READ
    idle: bool = False
    """It is to wait: what it says now is that it has gone."""
    gone: bool = False


def attempt(operation: Callable[[], T], events: int) -> Script[T]:
    """Do something with a socket once it is ready for it."""
    while True:
        try:
            return operation()
        except ssl.SSLWantReadError:
            yield Ready(READ)
        except ssl.SSLWantWriteError:
            yield Ready(WRITE)
        except BlockingIOError:
            yield Ready(events)


def receive_head(client: socket.socket) -> Script[tuple[bytes, int]]:
    """Return the head of the next request and how much of its body came along; an empty one at the end."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = yield from attempt(partial(client.recv, 65536), READ)
        if not data:
            return b"", 0
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    return head, len(body)


def skip(client: socket.socket, count: int) -> Script[None]:
    """Receive the rest of a request and forget it."""
    while count > 0:
        data = yield from attempt(partial(client.recv, 1024 * 1024), READ)
        if not data:
            raise ConnectionError("the request ended early")
        count -= len(data)


def send(client: socket.socket, data: memoryview, bytes_per_second: float) -> Script[None]:
    """Send in turns, so that no connection is served before the others."""
    turn = _DRIP_BYTES if bytes_per_second else _TURN_BYTES
    for begin in range(0, len(data), turn):
        piece = data[begin : begin + turn]
        while piece:
            # Over TLS, one record at a time.
            sent = yield from attempt(partial(client.send, piece), WRITE)
            piece = piece[sent:]
        yield Pause(turn / bytes_per_second) if bytes_per_second else Ready(WRITE)


def with_head(body: bytes) -> memoryview:
    """Return a whole answer."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return memoryview(head.encode("ascii") + body)


@define(eq=False)
class Server:
    """All connections, in one thread."""

    answers: dict[str, memoryview]
    bytes_per_second: float
    """Of the answer that drips."""
    _selector: selectors.BaseSelector = field(factory=selectors.DefaultSelector)
    _held: defaultdict[int, list[Connection]] = field(factory=lambda: defaultdict(list))
    _later: list[tuple[float, int, Connection]] = field(factory=list)
    _began: float = 0.0
    _over: bool = False

    def listen(self, context: ssl.SSLContext | None) -> int:
        """Open a port of this machine and return it."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        listener.settimeout(0)
        self._selector.register(listener, READ, partial(self._accept, listener, context))
        port: int = listener.getsockname()[1]
        return port

    def run(self) -> None:
        """Serve until standard input ends, or for an hour."""
        end = time.monotonic() + _LIFETIME
        self._selector.register(sys.stdin, READ, self._stop)
        while not self._over and time.monotonic() < end:
            for key, _ in self._selector.select(self._patience()):
                key.data()
            while self._later and self._later[0][0] <= time.monotonic():
                connection = heapq.heappop(self._later)[2]
                if not connection.gone:
                    connection.idle = False
                    self._advance(connection)

    def _patience(self) -> float:
        return max(0.0, self._later[0][0] - time.monotonic()) if self._later else 1.0

    def _stop(self) -> None:
        self._over = True

    def _accept(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        client = listener.accept()[0]
        client.settimeout(0)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            client = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        connection = Connection(client, self._conversation(client))
        self._selector.register(client, READ, partial(self._advance, connection))

    def _advance(self, connection: Connection) -> None:
        if connection.idle:
            self._drop(connection)
            return
        try:
            wait = next(connection.script)
        except (StopIteration, OSError):
            self._drop(connection)
            return
        match wait:
            case Ready(events):
                self._watch(connection, events)
            case Pause(seconds):
                self._set_aside(connection)
                heapq.heappush(self._later, (time.monotonic() + seconds, id(connection), connection))
            case Hold(count):
                self._set_aside(connection)
                self._held[count].append(connection)
                if len(self._held[count]) == count:
                    self._let_go(count)

    def _watch(self, connection: Connection, events: int) -> None:
        if events != connection.events:
            self._selector.modify(connection.socket, events, partial(self._advance, connection))
            connection.events = events

    def _set_aside(self, connection: Connection) -> None:
        connection.idle = True
        self._watch(connection, READ)

    def _let_go(self, count: int) -> None:
        for connection in self._held.pop(count):
            connection.idle = False
            self._watch(connection, WRITE)

    def _drop(self, connection: Connection) -> None:
        for waiting in self._held.values():
            if connection in waiting:
                waiting.remove(connection)
        connection.gone = True
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def _conversation(self, client: socket.socket) -> Script[None]:
        if isinstance(client, ssl.SSLSocket):
            yield from attempt(client.do_handshake, READ)
        last = False
        while not last:
            head, came = yield from receive_head(client)
            if not head:
                return
            length = _LENGTH.search(head)
            yield from skip(client, int(length[1]) - came if length else 0)
            _, name, hold, *_ = head.split(b" ", 2)[1].decode("ascii").split("/")
            yield Hold(int(hold))
            yield from self._answer(client, name)
            last = _LAST.search(head) is not None

    def _answer(self, client: socket.socket, name: str) -> Script[None]:
        if name == "clock":
            yield from send(client, with_head(json.dumps({"began": self._began}).encode()), 0)
        elif name == "drip":
            self._began = time.monotonic()
            yield from send(client, self.answers["track"], self.bytes_per_second)
        else:
            yield from send(client, self.answers[name], 0)


def main() -> None:
    """Say which ports are open, then serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--track-bytes", type=int, required=True)
    parser.add_argument("--bytes-per-second", type=float, required=True)
    parser.add_argument("--certificate", required=True)
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    answers = {"track": document(track(asked.track_bytes)), "small": document(track(0)), "uploaded": UPLOADED}
    server = Server(
        answers={name: with_head(body) for name, body in answers.items()}, bytes_per_second=asked.bytes_per_second
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(asked.certificate)
    print(json.dumps({"http": server.listen(None), "https": server.listen(context)}), flush=True)  # noqa: T201 - for its parent
    server.run()


if __name__ == "__main__":
    main()
