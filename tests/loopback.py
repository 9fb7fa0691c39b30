"""A server that says exactly what a test tells it to, byte by byte, and counts the complete requests it saw.

Raw sockets on threads of its own, so that clients of either event loop can be driven against it, and so that no HTTP
library on this side can hide what the other side did.
"""

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from attrs import define, field, frozen


@frozen
class Send:
    """Write these bytes."""

    data: bytes


@frozen
class Reset:
    """Cut the connection with RST, as a crashed peer does."""


@frozen
class Hang:
    """Say nothing until the client goes away."""


@frozen
class ReadOnly:
    """Read no more than this much of the request before going on."""

    count: int


Step = Send | Reset | Hang | ReadOnly


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


@define
class Loopback:
    """A running server: each connection plays the next script, the last one for ever."""

    scripts: Sequence[Sequence[Step]]
    port: int = 0
    connections: int = 0
    requests: list[Request] = field(factory=list)
    _lock: threading.Lock = field(factory=threading.Lock)
    _open: set[socket.socket] = field(factory=set)
    _threads: list[threading.Thread] = field(factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def serve(self, listener: socket.socket) -> None:
        """Accept until the listener closes."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                script = self.scripts[min(self.connections, len(self.scripts) - 1)]
                self.connections += 1
                self._open.add(connection)
            thread = threading.Thread(target=self._play, args=(connection, script), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Close what is open, and wait for the threads."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _play(self, connection: socket.socket, script: Sequence[Step]) -> None:
        connection.settimeout(30)
        try:
            partial = [step.count for step in script if isinstance(step, ReadOnly)]
            if partial:
                connection.recv(partial[0])
            else:
                self.requests.append(_read_request(connection))
            for step in script:
                match step:
                    case Send(data):
                        connection.sendall(data)
                    case Reset():
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    case Hang():
                        while connection.recv(65536):
                            pass
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
                connection.close()


class _EarlyEndError(OSError):
    pass


def _read_request(connection: socket.socket) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
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


@contextlib.contextmanager
def loopback(*scripts: Sequence[Step], wrap: Callable[[socket.socket], socket.socket] | None = None) -> Iterator[Loopback]:
    """Serve scripts on a free port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Loopback(scripts, port=listener.getsockname()[1])
    thread = threading.Thread(target=server.serve, args=(listener if wrap is None else wrap(listener),), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        # Closing alone does not wake a blocked accept.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        server.stop()


def answer(
    body: bytes | dict[str, Any], *, status: str = "200 OK", headers: Sequence[tuple[str, str]] = (), length: int | None = None
) -> Send:
    """Return a whole HTTP answer."""
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    kind = "application/json" if isinstance(body, dict) else "text/html"
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(content) if length is None else length}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return Send("\r\n".join(lines).encode() + b"\r\n\r\n" + content)


def generated(audio: bytes, **changes: Any) -> dict[str, Any]:
    """Return the service's document for a generation that succeeded."""
    document: dict[str, Any] = {
        "data": {"status": 2, "audio": audio.hex()},
        "extra_info": {},
        "trace_id": "04fb6a8721abeee5b66edd452b4d0f33",
        "base_resp": {"status_code": 0, "status_msg": "success"},
    }
    return {**document, **changes}
