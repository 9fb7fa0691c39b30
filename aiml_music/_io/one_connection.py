"""The HTTP library's own transport for one request: over this package's sockets, or over the library's."""

import functools
import importlib
import socket
import ssl
from collections.abc import AsyncIterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from aiml_music._io.network.backend import Backend
from aiml_music._io.network.streams import SocketStream
from aiml_music._sansio.ports import FaultKind, TransportFault
from aiml_music._sansio.result_url import Reach

if TYPE_CHECKING:
    import httpx

_ONE = {"max_connections": 1, "max_keepalive_connections": 0}


def one_connection(
    library: ModuleType, context: ssl.SSLContext, proxy: str | None, *, stock: bool, reach: Reach | None = None
) -> "httpx.AsyncHTTPTransport":
    """Return a transport that makes one connection.

    Args:
        library: httpx.
        context: whom to trust.
        proxy: the address of the proxy to go through.
        stock: leave sockets to the library.
        reach: which addresses may be connected to. Only sockets of ours know them, and no socket behind a proxy, which
            looks names up itself.

    Raises:
        TransportFault: the proxy cannot be used.
    """
    try:
        through = None if proxy is None else library.Proxy(proxy)
        if through is not None and through.url.scheme == "https":
            through.ssl_context = context
        if stock and reach is None:
            return _over_their_sockets(library, context, through)
        return _over_our_sockets(library, context, through, reach)
    except ImportError:
        detail = "SOCKS needs the package 'socksio'"
    except (ValueError, library.InvalidURL):
        # Not in the library's words, which may hold a part of a password.
        detail = "it is no address of an http, https or socks5 proxy"
    raise TransportFault(FaultKind.PROXY_SETUP, f"the proxy of the environment cannot be used: {detail}")


def _over_their_sockets(
    library: ModuleType, context: ssl.SSLContext, proxy: "httpx.Proxy | None"
) -> "httpx.AsyncHTTPTransport":
    transport: httpx.AsyncHTTPTransport = library.AsyncHTTPTransport(
        verify=context,
        trust_env=False,
        http2=False,
        retries=0,
        limits=library.Limits(**_ONE),
        socket_options=_keep_alive_options(),
        proxy=proxy,
    )
    return transport


def _over_our_sockets(
    library: ModuleType, context: ssl.SSLContext, proxy: "httpx.Proxy | None", reach: Reach | None
) -> "httpx.AsyncHTTPTransport":
    transport: httpx.AsyncHTTPTransport = _kind(library)(_pool(context, proxy, reach))
    return transport


@functools.cache
def _kind(library: ModuleType) -> Any:
    class OneConnection(library.AsyncHTTPTransport):  # type: ignore[misc, name-defined]  # imported late
        """The library's transport over a pool of ours: whoever mocks the one in a test mocks this as well."""

        def __init__(self, pool: Any) -> None:
            self._pool = pool

    return OneConnection


def _pool(context: ssl.SSLContext, proxy: "httpx.Proxy | None", reach: Reach | None) -> Any:
    core = importlib.import_module("httpcore")
    backend = Backend(core, reach if proxy is None else None)
    shared = {"ssl_context": context, "network_backend": backend, **_ONE}
    if proxy is None:
        return core.AsyncConnectionPool(**shared, socket_options=_keep_alive_options())
    url, socks = proxy.url, proxy.url.scheme.startswith("socks")
    address = core.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    if socks:
        importlib.import_module("socksio")
    more = {} if socks else {"proxy_ssl_context": proxy.ssl_context, "socket_options": _keep_alive_options()}
    kind = core.AsyncSOCKSProxy if socks else core.AsyncHTTPProxy
    return kind(proxy_url=address, proxy_auth=proxy.raw_auth, **shared, **more)


def expect_head(connected: Any) -> None:
    """Let the body of the answer that comes now be taken past the library, if the connection is one of ours."""
    if isinstance(connected, SocketStream):
        connected.expect_head()


def body_of(response: "httpx.Response", length: int | None) -> AsyncIterator[bytes] | None:
    """Return the bytes of an answer, read past the library; None where its length or its connection forbid that."""
    stream = response.extensions.get("network_stream")
    return stream.body(length) if length is not None and isinstance(stream, SocketStream) else None


@functools.cache
def _keep_alive_options() -> tuple[tuple[int, int, int], ...]:
    """Probe after 20 s of silence, every 20 s, three times: routers forget silent connections after a minute."""
    wanted = (("TCP_KEEPIDLE", 20), ("TCP_KEEPALIVE", 20), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 3))
    known = [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in wanted if hasattr(socket, name)]
    return ((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *known)
