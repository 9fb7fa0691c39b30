"""A server that says exactly what a test tells it to, byte by byte, and counts the complete requests it saw.

Raw sockets on threads of its own, so that clients of either event loop can be driven against it, and so that no HTTP
library on this side can hide what the other side did. What the service would say is in `answers`.
"""

import contextlib
import errno
import itertools
import json
import os
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from attrs import define, field, frozen

# Below the ports that systems give away, and a part of them for each process of a run.
_PORTS_OF_EACH = 1000
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_FIRST_PORT = 20_000 + _WORKER % 12 * _PORTS_OF_EACH
_PORTS = itertools.cycle(range(_FIRST_PORT, _FIRST_PORT + _PORTS_OF_EACH))

# Nothing here waits longer for a client, whatever a test got wrong.
_PATIENCE = 20.0


class Step(Protocol):
    """One thing a script does with a connection."""

    def play(self, connection: socket.socket) -> None:
        """Do it."""


Script = Sequence[Step]


@frozen
class Send:
    """Write these bytes."""

    data: bytes

    def play(self, connection: socket.socket) -> None:
        connection.sendall(self.data)


@frozen
class Drip:
    """Write these bytes one by one, with a pause before each."""

    data: bytes
    pause: float

    def play(self, connection: socket.socket) -> None:
        never = threading.Event()
        for place in range(len(self.data)):
            never.wait(self.pause)
            connection.sendall(self.data[place : place + 1])


@frozen
class Repeat:
    """Write these bytes again and again, with a pause before each time."""

    data: bytes
    times: int
    pause: float = 0.0

    def play(self, connection: socket.socket) -> None:
        never = threading.Event()
        for _ in range(self.times):
            never.wait(self.pause)
            connection.sendall(self.data)


@frozen
class Reset:
    """Cut the connection with RST, as a crashed peer does."""

    def play(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@frozen
class HalfClose:
    """Say that no more will come, and go on listening."""

    def play(self, connection: socket.socket) -> None:
        connection.shutdown(socket.SHUT_WR)


@frozen
class Hang:
    """Say nothing until the client goes away."""

    def play(self, connection: socket.socket) -> None:
        while connection.recv(65536):
            pass


@frozen
class Await:
    """Go on when the test says so."""

    event: threading.Event

    def play(self, _connection: socket.socket) -> None:
        self.event.wait(_PATIENCE)


@frozen
class Signal:
    """Tell the test that the script got here."""

    event: threading.Event

    def play(self, _connection: socket.socket) -> None:
        self.event.set()


@frozen
class ReadOnly:
    """Read no more than this much of the request before going on."""

    count: int

    def play(self, connection: socket.socket) -> None:
        connection.recv(self.count)


@frozen
class Listen:
    """Take whatever comes until the client goes away."""

    heard: bytearray

    def play(self, connection: socket.socket) -> None:
        while data := connection.recv(65536):
            self.heard.extend(data)


@frozen
class ReadHead:
    """Read the head of the request, and not its body, before going on."""

    def play(self, connection: socket.socket) -> None:
        _read_head(connection)


@frozen
class Tunnel:
    """Pass bytes on to another port of this machine, both ways, as a proxy does after CONNECT."""

    port: int

    def play(self, connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE) as inner:
            back = threading.Thread(target=_pump, args=(inner, connection), daemon=True)
            back.start()
            _pump(connection, inner)
            back.join(_PATIENCE)


@frozen
class Request:
    """A complete request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body's document."""
        return json.loads(self.body)


@define(eq=False)
class Loopback:
    """A running server: each connection plays the next script, the last one for ever.

    Attributes:
        connections: how many were accepted.
        requests: the complete requests, in the order of their ends.
        peak: how many connections were open at once at most, on the client's side.
    """

    scripts: Sequence[Script]
    port: int
    secure: ssl.SSLContext | None = None
    connections: int = 0
    requests: list[Request] = field(factory=list, repr=False)
    peak: int = 0
    _gone: threading.Condition = field(factory=threading.Condition)
    _open: set[socket.socket] = field(factory=set)
    _threads: list[threading.Thread] = field(factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        scheme = "http" if self.secure is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    def serve(self, listener: socket.socket) -> None:
        """Accept until the listener closes."""
        while (connection := _accepted(listener)) is not None:
            with self._gone:
                script = self.scripts[min(self.connections, len(self.scripts) - 1)]
                self.connections += 1
                self._open.add(connection)
                self.peak = max(self.peak, sum(not _hung_up(one) for one in self._open))
            thread = threading.Thread(target=self._play, args=(connection, script), daemon=True)
            self._threads.append(thread)
            thread.start()

    def wait_until_idle(self) -> bool:
        """Wait until no connection is open, and say whether that came to pass."""
        with self._gone:
            return self._gone.wait_for(lambda: not self._open, timeout=5)

    def stop(self) -> None:
        """Close what is open, and wait for the threads."""
        with self._gone:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_PATIENCE)

    def _play(self, accepted: socket.socket, script: Script) -> None:
        accepted.settimeout(_PATIENCE)
        connection = accepted
        try:
            with contextlib.suppress(OSError):
                if self.secure is not None:
                    connection = self.secure.wrap_socket(accepted, server_side=True)
                self._run(connection, script)
        finally:
            connection.close()
            with self._gone:
                # `wrap_socket` took the descriptor over; the object that was accepted is what the set knows.
                self._open.discard(accepted)
                self._gone.notify_all()

    def _run(self, connection: socket.socket, script: Script) -> None:
        if not any(isinstance(step, Listen | ReadOnly | ReadHead) for step in script):
            self.requests.append(_read_request(connection))
        for step in script:
            step.play(connection)


def _accepted(listener: socket.socket) -> socket.socket | None:
    """Return the next connection, or none once the listener is closed."""
    never = threading.Event()
    while True:
        try:
            return listener.accept()[0]
        except OSError as error:
            # A test may have taken the last descriptor from this process, and gives it back.
            if error.errno != errno.EMFILE:
                return None
            never.wait(0.001)


def _hung_up(connection: socket.socket) -> bool:
    """Say whether the client has closed its side, be the thread of its script ever so late to notice."""
    try:
        # That thread has its own limit of time on the original, and may take the byte that is looked at.
        with connection.dup() as seen:
            seen.settimeout(0)
            return not seen.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError as error:
        # TLS has taken the descriptor over; anything else is a connection that was reset.
        return error.errno != errno.EBADF


class _EarlyEndError(OSError):
    pass


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    return head, body


def _read_request(connection: socket.socket) -> Request:
    head, body = _read_head(connection)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += _more(connection)
    method, path, _ = first.split(" ")
    return Request(method, path, headers, body)


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise _EarlyEndError
    return data


def free_port() -> int:
    """Return a port that nothing listens on, and that no system gives to whoever asks for any.

    So no server of a test in another process comes to listen there while this one is to be refused.
    """
    while True:
        port = next(_PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextlib.contextmanager
def loopback(*scripts: Script, secure: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Loopback]:
    """Serve scripts on this machine.

    Args:
        scripts: what each connection does; without `Listen`, `ReadOnly` or `ReadHead` it reads a whole request first.
        secure: speak TLS with this context.
        port: where; default: a free one.
    """
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    server = Loopback(scripts, port=listener.getsockname()[1], secure=secure)
    thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        # Closing alone does not wake a blocked accept.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(_PATIENCE)
        server.stop()
