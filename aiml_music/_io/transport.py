"""One request over one fresh connection, through httpx.

A connection of its own for every request removes at one stroke what shared pools do wrong under cancellation: slots
that leak until nothing is left (httpcore 1.0.9), stale keep-alive, answers mixed up, sockets of another event loop
or of a forked parent. Beside a call of a minute, one handshake is noise.

With `one_connection` and `tls`, the only module that knows httpx, and it imports it late: `import aiml_music` stays
cheap, and a change of library stays small.
"""

import importlib
import math
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from attrs import define, field

from aiml_music._io.network_faults import as_fault
from aiml_music._io.one_connection import body_of, expect_head, one_connection
from aiml_music._io.pacer import pacer
from aiml_music._io.proxies import proxy_for
from aiml_music._io.tls import trusting_context, untrusting_context
from aiml_music._sansio.errors import MusicError
from aiml_music._sansio.heads import body_length
from aiml_music._sansio.pace import SEND_PIECE_BYTES, seconds_to_send
from aiml_music._sansio.ports import Body, Exchange, FaultKind, Progress, RequestHead, ResponseHead, TransportFault
from aiml_music._sansio.secret import Secret

if TYPE_CHECKING:
    import httpx


_CLOSE_LIMIT = 1.0


class HttpxTransport:
    """The transport every client uses unless it is given another.

    Args:
        stock: leave sockets to httpx.
    """

    def __init__(self, *, stock: bool = False) -> None:
        self._stock = stock

    async def send(
        self,
        request: RequestHead,
        body: Body,
        *,
        key: Secret | None,
        progress: Progress,
        connect_timeout: float | None,
        idle_timeout: float | None,
    ) -> Exchange:
        """Send a request and wait for the head of its answer; see `ports.Transport.send`."""
        library = await _loaded()
        proxy = proxy_for(request.url)
        secure = any(url.startswith("https:") for url in (request.url, proxy or ""))
        context = await trusting_context(library) if secure else untrusting_context()
        transport = one_connection(library, context, proxy, stock=self._stock, reach=request.reach)
        limit = math.inf if connect_timeout is None else connect_timeout
        with anyio.move_on_after(limit) as patience:
            if not self._stock:
                # Hundreds of calls that begin at once would build their requests in one turn of the loop.
                await pacer().step()
            call = _Call(request, body, key, progress, patience, idle_timeout)
            response = await _send(library, transport, call)
            progress.response_begun()
            return _HttpxExchange(transport, response)
        if progress.marks.request_begun:
            raise TransportFault(FaultKind.TIMEOUT, "the other side stopped taking the request")
        raise TransportFault(FaultKind.TIMEOUT, f"no connection within {limit:g} s")


async def _loaded() -> ModuleType:
    """Return httpx, imported off the event loop: with httpcore it takes 150 to 600 ms."""
    # Not looked up in `sys.modules`, where a module stands before its import is done.
    if not _libraries:
        _libraries.append(await anyio.to_thread.run_sync(_import))
    return _libraries[0]


_libraries: list[ModuleType] = []


def _import() -> ModuleType:
    # Put off until later, all this would be loaded on the loop: by httpx for its first transport, by Python and asyncio
    # for the first name they look up.
    for name in ("httpcore", "encodings.idna", "concurrent.futures.thread"):
        importlib.import_module(name)
    return importlib.import_module("httpx")


@define
class _Call:
    """One request on its way: what is sent, what is told, and how long each step of it may take."""

    request: RequestHead
    body: Body
    key: Secret | None = field(repr=False)
    progress: Progress
    patience: anyio.CancelScope
    idle_timeout: float | None
    traced: bool = False
    connected: Any = None
    """What httpcore connected, from then on."""
    refusal: Exception | None = None
    """Why no byte of the request may leave, where that is so."""

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Follow httpcore's own account of the request (its `trace` extension)."""
        if event.endswith(".connect_tcp.complete"):
            self.connected = info["return_value"]
        # A proxy is asked to CONNECT by events of the same names; that is not our request yet.
        elif event == "http11.send_request_headers.started" and info["request"].method != b"CONNECT":
            await self.begin()
            self.traced = True
        elif event == "http11.send_request_body.complete" and self.traced:
            # From here on, silence is the service at work.
            self.allow(math.inf)
        elif event == "http11.receive_response_headers.started" and self.traced:
            expect_head(self.connected)

    def allow(self, seconds: float) -> None:
        """Give the step that begins now so much time, and no longer."""
        self.patience.deadline = anyio.current_time() + seconds

    async def begin(self) -> None:
        """Note that the request is on its way, as soon as it may be."""
        # Whoever keeps a record of the call is no part of the connection, whose time may be short.
        self.allow(math.inf)
        try:
            await self.progress.leave_to_send()
        except Exception as error:  # noqa: BLE001 - raised by `_send`
            # Past the library: its frames hold the headers, and so the key.
            self.refusal = error
            raise _NoLeaveError from None
        if self.body.length:
            self.progress.request_begun()
        else:
            # Without a body, the head is all that a server waits for.
            self.progress.body_handed_over()

    def as_httpx(self, library: ModuleType) -> "httpx.Request":
        url = library.URL(self.request.url)
        headers = [
            ("host", url.netloc.decode("ascii")),
            *self.request.headers,
            *([("content-length", str(self.body.length))] if self.request.method != "GET" else []),
            *([] if self.key is None else [("authorization", f"Bearer {self.key.reveal()}")]),
        ]
        # httpx's own limits are per read and never add up; the limits that count stand above this module.
        extensions = {"trace": self.trace, "timeout": {}}
        request: httpx.Request = library.Request(
            self.request.method, url, headers=headers, stream=_stream(library, self), extensions=extensions
        )
        return request


class _NoLeaveError(Exception):
    """Nothing of the request may leave; never seen outside."""


def _stream(library: ModuleType, call: _Call) -> "httpx.AsyncByteStream":
    class Stream(library.AsyncByteStream):  # type: ignore[misc, name-defined]  # imported late, so a class only here
        def __aiter__(self) -> AsyncIterator[bytes]:
            return _Outgoing(call)

    return Stream()


class _Outgoing(AsyncIterator[bytes]):
    """The body on its way out, which says so before its last byte can leave.

    No generator: one that a broken connection leaves unfinished would be closed by the garbage collector.
    """

    def __init__(self, call: _Call) -> None:
        self._call = call
        self._chunks = call.body.chunks()
        self._chunk = memoryview(b"")
        self._sent = 0

    async def __anext__(self) -> bytes:
        call = self._call
        if not self._sent:
            # A transport without a trace, such as a mock, is still noticed here.
            await call.begin()
        # A slow disk on this side is no stall of the other.
        call.allow(math.inf)
        if not self._chunk:
            self._chunk = memoryview(await anext(self._chunks))
        piece, self._chunk = bytes(self._chunk[:SEND_PIECE_BYTES]), self._chunk[SEND_PIECE_BYTES:]
        self._sent += len(piece)
        if self._sent >= call.body.length:
            call.progress.body_handed_over()
        call.allow(seconds_to_send(call.idle_timeout) if call.traced else math.inf)
        return piece


async def _send(
    library: ModuleType,
    transport: "httpx.AsyncHTTPTransport",
    call: _Call,
) -> "httpx.Response":
    outside = sys.exception()
    try:
        return await transport.handle_async_request(call.as_httpx(library))
    except BaseException as error:
        with _letting_go():
            await transport.aclose()
        if call.connected is not None:
            with _letting_go():
                # A pool knows nothing of a connection whose TLS handshake was cancelled (httpcore 1.0.9).
                await call.connected.aclose()
        # h11, ssl and anyio let exceptions of their own through httpx.
        itself = _itself(error)
        if itself is not error:
            raise itself from None
        if isinstance(error, MusicError) or not isinstance(error, Exception):
            raise
        fault = call.refusal or as_fault(error, outside=outside)
        if isinstance(error, library.ConnectError | library.ConnectTimeout) and not call.traced:
            # Only a mock refuses a connection after it has read the body.
            call.progress.never_connected()
    # Raised out here, without a context: the library's frames hold the headers, and so the key.
    raise fault


def _itself(error: BaseException) -> BaseException:
    """Return a cancellation without the groups that trio's nurseries put around it while a connection is made."""
    cancelled = anyio.get_cancelled_exc_class()
    while isinstance(error, BaseExceptionGroup) and error.split(cancelled)[1] is None:
        error = error.exceptions[0]
    return error


class _HttpxExchange:
    """An answer on a connection of its own."""

    def __init__(self, transport: "httpx.AsyncHTTPTransport", response: "httpx.Response") -> None:
        self._transport = transport
        self.head = ResponseHead(
            status=response.status_code,
            headers=tuple(
                (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw
            ),
        )
        # Past the library where that is possible, which copies every piece and keeps the last.
        straight = body_of(response, body_length(self.head.status, self.head.headers))
        self._parts = straight or aiter(response.stream)  # type: ignore[arg-type]  # an async transport's is async

    async def read(self) -> bytes:
        """Return the next bytes of the body, empty at its end; see `ports.Exchange.read`."""
        outside = sys.exception()
        try:
            return await anext(self._parts, b"")
        except Exception as error:  # noqa: BLE001 - as in `_send`
            fault = as_fault(error, outside=outside)
        raise fault

    async def aclose(self) -> None:
        """Close the connection, whatever state it is in."""
        with _letting_go():
            await self._transport.aclose()
            # What the library has buffered still comes, then reading fails: so end its nested generators, which would
            # otherwise be left to the garbage collector, and to a warning on trio.
            while await anext(self._parts, b""):
                """Nobody wants it any more."""


@contextmanager
def _letting_go() -> Iterator[None]:
    # Shielded: a cancelled call must still let go of its socket. Bounded: a peer cannot hold us here.
    with anyio.move_on_after(_CLOSE_LIMIT, shield=True), suppress(Exception):
        yield
