"""Tell one kind of network trouble from another, whatever library it comes through.

Exceptions are known by their built-in types where those lie beneath, else by the names of httpx's classes: two
libraries share those names, and neither needs to be imported to read them.
"""

import errno
import os
import socket
import ssl
from collections.abc import Iterator

from aiml_music._io.network.connecting import ForbiddenAddressError
from aiml_music._sansio.ports import FaultKind, TransportFault
from aiml_music._sansio.text import clean

_BY_NAME = {
    "ConnectTimeout": FaultKind.TIMEOUT,
    "ReadTimeout": FaultKind.TIMEOUT,
    "WriteTimeout": FaultKind.TIMEOUT,
    "PoolTimeout": FaultKind.TIMEOUT,
    "ConnectError": FaultKind.CONNECT,
    "ProxyError": FaultKind.PROXY,
    "UnsupportedProtocol": FaultKind.PROXY,
    "WriteError": FaultKind.WRITE,
    "RemoteProtocolError": FaultKind.PROTOCOL,
    "LocalProtocolError": FaultKind.PROTOCOL,
}

_NO_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
# Beneath every fault while a handshake waited for the network.
_TLS_WAITING = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL}


def as_fault(error: BaseException, *, outside: BaseException | None = None) -> TransportFault:
    """Return what a failed exchange means.

    Args:
        error: whatever an HTTP library or the system raised.
        outside: what the caller was handling when the exchange began; Python chains it beneath every new error.
    """
    beneath = list(_beneath(error, outside))
    return TransportFault(_kind(error, beneath), _detail(error, beneath))


def _kind(error: BaseException, beneath: list[BaseException]) -> FaultKind:
    for resolving in (e for e in beneath if isinstance(e, socket.gaierror)):
        return FaultKind.NO_NAME if resolving.errno in _NO_NAME else FaultKind.DNS
    if any(isinstance(e, ForbiddenAddressError) for e in beneath):
        return FaultKind.FORBIDDEN
    if any(isinstance(e, OSError) and e.errno in _EXHAUSTED for e in beneath):
        return FaultKind.EXHAUSTED
    if any(isinstance(e, ssl.SSLCertVerificationError) for e in beneath):
        return FaultKind.TLS_TRUST
    tls = [e for e in beneath if isinstance(e, ssl.SSLError) and not isinstance(e, _TLS_WAITING)]
    if tls:
        ended = all(isinstance(e, ssl.SSLEOFError | ssl.SSLZeroReturnError) for e in tls)
        return FaultKind.TLS if ended else FaultKind.NO_TLS
    kind = _BY_NAME.get(type(error).__name__, FaultKind.READ)
    # A proxy that wants a password wants it the next time too.
    return FaultKind.PROXY_SETUP if kind is FaultKind.PROXY and str(error).startswith("407") else kind


def _detail(error: BaseException, beneath: list[BaseException]) -> str:
    """Prefer the system's words: libraries wrap them in 'All connection attempts failed' or in nothing at all."""
    for inner in beneath:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return clean(inner.verify_message)
    for inner in beneath:
        # The numbers of a resolver and of OpenSSL are their own: their text says what they mean.
        if isinstance(inner, OSError) and not isinstance(inner, socket.gaierror | ssl.SSLError) and inner.errno:
            return clean(os.strerror(inner.errno))
    texts = (clean(str(inner)) for inner in (error, *beneath))
    return next(filter(None, texts), type(error).__name__)


def _beneath(error: BaseException, outside: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all it was raised from, the members of groups included."""
    waiting, seen = [error], {id(outside)}
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            waiting.extend(current.exceptions)
        waiting.extend(filter(None, (current.__cause__, current.__context__)))
