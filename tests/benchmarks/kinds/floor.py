"""The least that can be done at all: no library, no event loop, no check."""

import os
import socket
from binascii import unhexlify
from pathlib import Path
from urllib.parse import urlsplit

from tests.benchmarks.documents import DOCUMENT_HEAD, DOCUMENT_TAIL, REQUEST_BYTES
from tests.benchmarks.job import Clients, Way
from tests.benchmarks.kinds import FLOOR

_READ_BYTES = 64 * 1024


def floor(way: Way, files: list[Path]) -> None:
    """Receive into one buffer, decode, write, one connection after the other."""
    parts = urlsplit(way.generate)
    head = f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\nconnection: close\r\n"
    request = f"{head}content-length: {len(REQUEST_BYTES)}\r\n\r\n".encode("ascii") + REQUEST_BYTES
    connections = []
    for _ in files:
        connection = socket.create_connection(("127.0.0.1", parts.port or 0))
        if way.job.secure:
            connection = way.context.wrap_socket(connection, server_hostname="127.0.0.1")
        connection.sendall(request)
        connections.append(connection)
    buffer = bytearray(_READ_BYTES)
    for connection, path in zip(connections, files, strict=True):
        with connection, path.open("wb", buffering=0) as file:
            _copy(connection, buffer, file.fileno())
        way.finished(path)


def _copy(connection: socket.socket, buffer: bytearray, descriptor: int) -> None:
    view = memoryview(buffer)
    filled, digits = _begin(connection, view)
    while digits:
        whole = min(filled, digits) & ~1
        if whole:
            os.write(descriptor, unhexlify(view[:whole]))
            digits -= whole
        # An odd digit waits at the front of the buffer for the other one.
        rest = filled - whole
        view[:rest] = bytes(view[whole:filled])
        filled = rest
        if digits:
            filled += _more(connection, view[rest:])


def _begin(connection: socket.socket, view: memoryview) -> tuple[int, int]:
    """Receive up to the first digit; return how much of the buffer holds digits, and how many will come in all."""
    received = b""
    while DOCUMENT_HEAD not in received:
        data = bytearray(len(view) // 2)
        received += data[: _more(connection, memoryview(data))]
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    digits = body.removeprefix(DOCUMENT_HEAD)
    view[: len(digits)] = digits
    return len(digits), length - len(DOCUMENT_HEAD) - len(DOCUMENT_TAIL)


def _more(connection: socket.socket, view: memoryview) -> int:
    count = connection.recv_into(view)
    if not count:
        raise ConnectionError("the answer ended early")
    return count


CLIENTS = Clients(blocking={FLOOR: floor})
