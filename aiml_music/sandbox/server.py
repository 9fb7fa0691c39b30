"""Serve the sandbox on loopback: in a thread for tests, or in the foreground for a person."""

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import cast

import uvicorn
from attrs import frozen
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from aiml_music.sandbox.account import Sandbox
from aiml_music.sandbox.app import create_app
from aiml_music.sandbox.settings import DEFAULT_KEY, Settings

_HOST = "127.0.0.1"
_HOST_NAMES = {_HOST, "localhost"}

# Seconds: requests under way may finish so long after the end was asked for; then their connections are closed.
_GRACE = 0.5
_LAST_GRACE = 1


class PortTakenError(OSError):
    """Another program listens on the port already."""


@frozen(kw_only=True)
class RunningSandbox:
    """A sandbox that is being served."""

    base_url: str
    results_url: str
    """Where finished tracks of submitted generations are fetched: another port."""
    api_key: str
    sandbox: Sandbox


class _Doors:
    """The service behind one port, the store of its results behind the other."""

    def __init__(self, app: Starlette, results_port: int) -> None:
        self._app = app
        self._store: ASGIApp = app.state.store
        self._results_port = results_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to whom its port belongs."""
        is_fetch = scope["type"] == "http" and scope["server"][1] == self._results_port
        await (self._store if is_fetch else self._app)(scope, receive, send)


class _Protocol(H11Protocol):
    """HTTP whose requests can close their own connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        def hang_up(reset: bool) -> None:  # noqa: FBT001 - the one word that is said
            if reset:
                # Not to linger makes the system say "reset"; Windows has shorts here.
                linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                transport.abort()
            else:
                transport.close()

        # asyncio does this only for sockets that name their protocol; an accepted one does not, and waits 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, "hang_up": hang_up}
        super().connection_made(transport)


class _Server(uvicorn.Server):
    """Ends without cutting anyone short who can finish at once."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self._closing = closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing.set()
        asyncio.get_running_loop().call_later(_GRACE, self._abort_all)
        await super().shutdown(sockets)

    def _abort_all(self) -> None:
        for connection in tuple(self.server_state.connections):
            cast("_Protocol", connection).transport.abort()


@contextmanager
def running(
    settings: Settings | None = None, *, sandbox: Sandbox | None = None, port: int = 0
) -> Iterator[RunningSandbox]:
    """Serve a sandbox on 127.0.0.1 in a background thread, until the block ends.

    Args:
        settings: how it behaves.
        sandbox: the memory to serve instead of a new one with these settings.
        port: 0 takes a free one.

    Raises:
        PortTakenError: another program listens there.
    """
    sandbox = sandbox or Sandbox(settings)
    with _listen(port) as listener, _listen(0) as results:
        server = _server(sandbox, results)
        sockets = {"sockets": [listener, results]}
        thread = Thread(target=server.run, kwargs=sockets, name="aiml_music sandbox", daemon=True)
        thread.start()
        try:
            yield RunningSandbox(
                base_url=_url(listener), results_url=_url(results), api_key=_key(sandbox), sandbox=sandbox
            )
        finally:
            server.should_exit = True
            thread.join()


def serve(
    settings: Settings | None = None,
    *,
    host: str = _HOST,
    port: int = 8088,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a sandbox until Ctrl-C.

    Args:
        settings: how it behaves.
        host: 127.0.0.1 or localhost; the sandbox is for this machine only.
        port: 0 takes a free one.
        ready: is called with the address once connections are taken.

    Raises:
        PortTakenError: another program listens there.
        ValueError: the host is not this machine.
    """
    if host not in _HOST_NAMES:
        raise ValueError(f"the sandbox listens on 127.0.0.1 only, not on {host!r}")
    with _listen(port) as listener, _listen(0) as results, suppress(KeyboardInterrupt):
        if ready is not None:
            ready(_url(listener))
        _server(Sandbox(settings), results).run(sockets=[listener, results])


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port), backlog=2048)
    except OSError as error:
        raise PortTakenError(error.errno, f"cannot listen on {_HOST}:{port}: {error.strerror}") from error


def _server(sandbox: Sandbox, results: socket.socket) -> _Server:
    app = create_app(sandbox, results_url=_url(results))
    config = uvicorn.Config(
        _Doors(app, results.getsockname()[1]),
        http=_Protocol,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_LAST_GRACE,
    )
    return _Server(config, app.state.closing)


def _url(listener: socket.socket) -> str:
    return f"http://{_HOST}:{listener.getsockname()[1]}"


def _key(sandbox: Sandbox) -> str:
    return sandbox.settings.accept_keys + DEFAULT_KEY.removeprefix("sandbox")
