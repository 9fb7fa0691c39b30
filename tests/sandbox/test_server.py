"""Serving: start, stop, Ctrl-C, hung-up clients, many requests at once."""

import contextlib
import signal
import socket
import threading
from collections.abc import Callable

import httpx
import pytest

from aiml_music.sandbox import PortTakenError, RunningSandbox, Sandbox, Settings, running, serve
from tests.loopback import free_port
from tests.sandbox.conftest import GENERATE, UPLOAD, dial, settle
from tests.sandbox.queues import PLAIN, Body

Build = Callable[..., Body]


def port_of(server: RunningSandbox) -> int:
    return int(server.base_url.rpartition(":")[2])


def send_and_leave(server: RunningSandbox, request: bytes) -> None:
    """Send bytes and close the connection at once."""
    with socket.create_connection(("127.0.0.1", port_of(server))) as connection:
        connection.sendall(request)


def generation(voice: str) -> bytes:
    body = f'{{"model":"music-01","lyrics":"la","refer_voice":"{voice}"}}'.encode()
    head = f"POST {GENERATE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sandbox-key\r\n"
    return head.encode() + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def upload_head(length: int) -> bytes:
    head = f"POST {UPLOAD} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sandbox-key\r\n"
    return head.encode() + b"Content-Type: multipart/form-data; boundary=edge\r\nContent-Length: %d\r\n\r\n" % length


def test_it_stops_listening_when_the_block_ends() -> None:
    """Afterwards the port is free and the thread is gone."""
    before = set(threading.enumerate())
    with running() as server:
        assert server.base_url.startswith("http://127.0.0.1:")
        assert server.api_key == "sandbox-key"
    assert set(threading.enumerate()) <= before
    with running(port=port_of(server)) as again:
        assert httpx.get(again.base_url, verify=PLAIN).status_code == 200


def test_a_given_sandbox_keeps_its_memory() -> None:
    """What one server was asked, the next one knows."""
    sandbox = Sandbox()
    for _ in range(2):
        with running(sandbox=sandbox) as server:
            httpx.get(server.base_url, verify=PLAIN)
    assert len(sandbox.requests) == 2


def test_a_taken_port_is_named(server: RunningSandbox) -> None:
    """Two programs cannot listen on one port, and the error says which."""
    with pytest.raises(PortTakenError, match=str(port_of(server))), running(port=port_of(server)):
        pass


def test_a_client_that_hangs_up_pays_all_the_same() -> None:
    """The work is done, charged and logged, though nobody is there to receive it."""
    with running(Settings(latency=0.2, longest_track=1)) as server:
        (voice,) = server.sandbox.add_reference(b"", ("vocal",))
        send_and_leave(server, generation(voice))
        with dial(server) as client:
            client.post(GENERATE, json={"model": "music-01", "lyrics": "la", "refer_voice": voice})
        assert server.sandbox.charges == 2
        assert [record.status for record in server.sandbox.requests] == [200, 200]


def test_an_upload_that_breaks_off_leaves_a_record_and_no_reference() -> None:
    """Half a body gets no answer; the log says so."""
    with running() as server:
        send_and_leave(server, upload_head(1000) + b"--edge\r\n")
        settle(server)
    statuses = {record.route: record.status for record in server.sandbox.requests}
    assert statuses == {UPLOAD: None, "/": 200}
    assert server.sandbox.state()["references"] == 0


def test_the_end_shortens_every_wait() -> None:
    """A server that is stopped answers at once to those who would wait for an hour."""
    with running(Settings(latency=3600, longest_track=1)) as server:
        (voice,) = server.sandbox.add_reference(b"", ("vocal",))
        connection = socket.create_connection(("127.0.0.1", port_of(server)), timeout=20)
        connection.sendall(generation(voice))
        httpx.get(server.base_url, verify=PLAIN)
    with connection:
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
    assert server.sandbox.charges == 1


def test_the_end_does_not_wait_for_a_stalled_client() -> None:
    """A client that sends half of its request and stays is cut off."""
    with running() as server:
        connection = socket.create_connection(("127.0.0.1", port_of(server)), timeout=20)
        connection.sendall(upload_head(1000) + b"--edge\r\n")
        httpx.get(server.base_url, verify=PLAIN)
    with connection:
        assert connection.recv(1) == b""


def test_hundreds_at_once() -> None:
    """Three hundred requests wait side by side, and each is charged once."""
    with running(Settings(latency=0.5, longest_track=1)) as server:
        (voice,) = server.sandbox.add_reference(b"", ("vocal",))
        connections = [socket.create_connection(("127.0.0.1", port_of(server)), timeout=20) for _ in range(300)]
        for connection in connections:
            connection.sendall(generation(voice))
        heads = [connection.recv(15) for connection in connections]
        for connection in connections:
            connection.close()
    assert heads == [b"HTTP/1.1 200 OK"] * 300
    assert server.sandbox.charges == 300


def test_serve_ends_with_ctrl_c() -> None:
    """In the foreground it announces its address, answers, and ends quietly on an interrupt."""
    answers: list[int] = []

    def visit(url: str) -> None:
        answers.append(httpx.get(url, verify=PLAIN).status_code)
        signal.raise_signal(signal.SIGINT)

    visitors: list[threading.Thread] = []

    def ready(url: str) -> None:
        visitors.append(threading.Thread(target=visit, args=(url,)))
        visitors[0].start()

    serve(port=0, ready=ready)
    visitors[0].join()
    assert answers == [200]


def test_serve_needs_nobody_to_tell() -> None:
    """Whoever knows the port finds it there."""
    port = free_port()

    def visit() -> None:
        for _ in range(200_000):
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=20):
                httpx.get(f"http://127.0.0.1:{port}", verify=PLAIN)
                break
        signal.raise_signal(signal.SIGINT)

    visitor = threading.Thread(target=visit)
    visitor.start()
    serve(port=port)
    visitor.join()


def test_serve_needs_a_free_port(server: RunningSandbox) -> None:
    """Without anybody to tell, a taken port is still an error."""
    with pytest.raises(PortTakenError):
        serve(port=port_of(server))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org"])
def test_serve_refuses_other_machines(host: str) -> None:
    """The sandbox is not for the network."""
    with pytest.raises(ValueError, match="on 127\\.0\\.0\\.1 only"):
        serve(host=host)


@pytest.mark.parametrize(
    "wrong",
    [
        {"latency": -1},
        {"accept_keys": "sk"},
        {"accept_keys": ""},
        {"scenario_uses": 0},
        {"longest_track": 61},
        {"max_lyrics": 0},
        {"max_upload_bytes": 0},
    ],
)
def test_settings_are_checked_at_birth(wrong: dict[str, object]) -> None:
    """A value out of its range is refused, and a prefix that real keys could have above all."""
    with pytest.raises(ValueError):
        Settings(**wrong)  # type: ignore[arg-type]  # wrong on purpose
