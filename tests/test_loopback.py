"""The server of the tests: what it must stand so that a test's own doing does not end it."""

import os
import socket
import threading

from tests._io.system import limited, posix
from tests.loopback import Loopback, Send

_PATIENCE = 5


class Listener(socket.socket):
    """One that tells when it was asked for a connection the second time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.asked_again = threading.Event()

    def accept(self) -> tuple[socket.socket, object]:
        self.asked += 1
        if self.asked == 2:
            self.asked_again.set()
        return super().accept()


@posix
def test_a_server_without_a_descriptor_left_goes_on_once_it_has_one() -> None:
    """Accepting needs a descriptor before anybody connects, so a test that takes the last one may take this one."""
    with Listener() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = Loopback([[Send(b"here")]], port=listener.getsockname()[1])
        thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
        lowest_free = os.open(os.devnull, os.O_RDONLY)
        os.close(lowest_free)
        with limited("RLIMIT_NOFILE", lowest_free):
            thread.start()
            assert listener.asked_again.wait(_PATIENCE)
        with socket.create_connection(("127.0.0.1", server.port), timeout=_PATIENCE) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert client.recv(4) == b"here"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(_PATIENCE)
        server.stop()
    assert server.connections == 1
