"""One request over one fresh connection, through httpx.

A connection of its own for every request removes at one stroke what shared pools do wrong under cancellation: slots
that leak until nothing is left (httpcore 1.0.9), stale keep-alive, answers mixed up, sockets of another event loop
or of a forked parent. Beside a call of a minute, one handshake is noise.

The only module that knows httpx, and it imports it late: `import aiml_music` stays cheap, and a change of library
stays a change of one file.
"""

import contextlib
import importlib
import math
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from attrs import define, field

from aiml_music._io.network_faults import as_fault
from aiml_music._io.proxies import proxy_for
from aiml_music._io.tls import trusting_context, untrusting_context
from aiml_music._sansio.errors import MusicError
from aiml_music._sansio.ports import Body, Exchange, FaultKind, Progress, RequestHead, ResponseHead, TransportFault
from aiml_music._sansio.secret import Secret
from aiml_music._sansio.text import clean

if TYPE_CHECKING:
    import httpx


def _keep_alive_options() -> list[tuple[int, int, int]]:
    """Probe after 20 s of silence, every 20 s, three times: routers forget silent connections after a minute."""
    wanted = (("TCP_KEEPIDLE", 20), ("TCP_KEEPALIVE", 20), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 3))
    known = [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in wanted if hasattr(socket, name)]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *known]


_CLOSE_LIMIT = 1.0


class HttpxTransport:
    """The transport every client uses unless it is given another."""

    async def send(
        self, request: RequestHead, body: Body, *, key: Secret, progress: Progress, connect_timeout: float | None
    ) -> Exchange:
        """Send a request and wait for the head of its answer; see `ports.Transport.send`."""
        library = await _loaded("httpx")
        secure = request.url.startswith("https:")
        context = await trusting_context(library) if secure else untrusting_context()
        transport = _one_connection(library, context, request.url)
        limit = math.inf if connect_timeout is None else connect_timeout
        with anyio.move_on_after(limit) as connecting:
            call = _Call(request, body, key, progress, connecting)
            response = await _send(library, transport, call)
            progress.response_begun()
            return _HttpxExchange(transport, response)
        raise TransportFault(FaultKind.TIMEOUT, f"no connection within {limit:g} s")


async def _loaded(name: str) -> ModuleType:
    """Return a module, imported off the event loop where it is not yet: httpx takes 60 to 100 ms."""
    if name not in sys.modules:
        await anyio.to_thread.run_sync(importlib.import_module, name)
    return importlib.import_module(name)


def _one_connection(library: ModuleType, context: ssl.SSLContext, url: str) -> "httpx.AsyncHTTPTransport":
    try:
        transport: httpx.AsyncHTTPTransport = library.AsyncHTTPTransport(
            verify=context,
            trust_env=False,
            http2=False,
            retries=0,
            limits=library.Limits(max_connections=1, max_keepalive_connections=0),
            socket_options=_keep_alive_options(),
            proxy=proxy_for(url),
        )
    except (ValueError, ImportError) as error:
        detail = clean(str(error))
    else:
        return transport
    raise TransportFault(FaultKind.PROXY, f"the proxy of the environment cannot be used: {detail}")


@define
class _Call:
    """One request on its way: what is sent, what is told, and the limit that ends when the request begins."""

    request: RequestHead
    body: Body
    key: Secret = field(repr=False)
    progress: Progress
    connecting: anyio.CancelScope

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Follow httpcore's own account of the request (its `trace` extension)."""
        # A proxy is asked to CONNECT by events of the same names; that is not our request yet.
        if event == "http11.send_request_headers.started" and info["request"].method != b"CONNECT":
            self._begin()

    def _begin(self) -> None:
        self.connecting.deadline = math.inf
        self.progress.request_begun()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body, and say so before its last byte can leave."""
        sent = 0
        # A transport without a trace (a mock, another library) is still noticed here.
        self._begin()
        async for chunk in self.body.chunks():
            sent += len(chunk)
            if sent >= self.body.length:
                self.progress.body_handed_over()
            yield chunk

    def as_httpx(self, library: ModuleType) -> "httpx.Request":
        headers = [
            *self.request.headers,
            ("content-length", str(self.body.length)),
            ("authorization", f"Bearer {self.key.reveal()}"),
        ]
        # httpx's own limits are per read and never add up; the limits that count stand above this module.
        extensions = {"trace": self.trace, "timeout": {}}
        request: httpx.Request = library.Request(
            self.request.method, self.request.url, headers=headers, content=self.chunks(), extensions=extensions
        )
        return request


async def _send(
    library: ModuleType,
    transport: "httpx.AsyncHTTPTransport",
    call: _Call,
) -> "httpx.Response":
    fault: TransportFault | None = None
    try:
        return await transport.handle_async_request(call.as_httpx(library))
    except MusicError:
        await _close(transport)
        raise
    except Exception as error:  # noqa: BLE001 - h11, ssl and anyio let exceptions of their own through httpx
        fault = as_fault(error)
    except BaseException:
        await _close(transport)
        raise
    await _close(transport)
    # Raised out here, without a context: the library's frames hold the headers, and so the key.
    raise fault


class _HttpxExchange:
    """An answer on a connection of its own."""

    def __init__(self, transport: "httpx.AsyncHTTPTransport", response: "httpx.Response") -> None:
        self._transport = transport
        self._parts = aiter(response.stream)  # type: ignore[arg-type]  # an async transport's stream is async
        self.head = ResponseHead(
            status=response.status_code,
            headers=tuple(
                (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw
            ),
        )

    async def read(self) -> bytes:
        """Return the next bytes of the body, empty at its end; see `ports.Exchange.read`."""
        try:
            return await anext(self._parts, b"")
        except Exception as error:  # noqa: BLE001 - as in `_send`
            fault = as_fault(error)
        raise fault

    async def aclose(self) -> None:
        """Close the connection, whatever state it is in."""
        await _close(self._transport)


async def _close(transport: "httpx.AsyncHTTPTransport") -> None:
    # Shielded: a cancelled call must still let go of its socket. Bounded: a peer cannot hold us here.
    with anyio.move_on_after(_CLOSE_LIMIT, shield=True), contextlib.suppress(Exception):
        await transport.aclose()
