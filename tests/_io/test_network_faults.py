"""Which kind of trouble an exception of an HTTP library stands for, and in whose words it is told.

What real networks raise is seen in `test_transport`, `test_tls` and `test_proxies`; the rest is here.
"""

import errno
import os
import socket
import ssl

import anyio
import httpx
import pytest

from aiml_music._io.network_faults import as_fault
from aiml_music._sansio.ports import FaultKind

BY_CLASS = [
    (httpx.ConnectTimeout("x"), FaultKind.TIMEOUT),
    (httpx.ReadTimeout("x"), FaultKind.TIMEOUT),
    (httpx.WriteTimeout("x"), FaultKind.TIMEOUT),
    (httpx.PoolTimeout("x"), FaultKind.TIMEOUT),
    (httpx.ConnectError("x"), FaultKind.CONNECT),
    (httpx.ProxyError("403 Forbidden"), FaultKind.PROXY),
    (httpx.ProxyError("407 Proxy Authentication Required"), FaultKind.PROXY_SETUP),
    (httpx.UnsupportedProtocol("x"), FaultKind.PROXY),
    (httpx.WriteError("x"), FaultKind.WRITE),
    (httpx.ReadError("x"), FaultKind.READ),
    (httpx.RemoteProtocolError("x"), FaultKind.PROTOCOL),
    (httpx.LocalProtocolError("x"), FaultKind.PROTOCOL),
    (ssl.SSLError(1, "[SSL: BAD_RECORD] bad"), FaultKind.NO_TLS),
    (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), FaultKind.TLS),
    (ssl.SSLZeroReturnError(6, "closed"), FaultKind.TLS),
    (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), FaultKind.NO_NAME),
    (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), FaultKind.DNS),
    (OSError(errno.EMFILE, "Too many open files"), FaultKind.EXHAUSTED),
    (anyio.EndOfStream(), FaultKind.READ),
    (RuntimeError("whatever"), FaultKind.READ),
]


@pytest.mark.parametrize(("error", "kind"), BY_CLASS)
def test_every_class_has_a_kind(error: Exception, kind: FaultKind) -> None:
    """Classes are known by name or by built-in type, and what nobody knows counts as a broken reading."""
    fault = as_fault(error)
    assert fault.kind is kind
    assert str(fault) == f"{kind}: {fault.detail}"


def raised_from(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


REFUSED = OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)")
DETAILS = [
    (raised_from(httpx.ConnectError("All connection attempts failed"), REFUSED), os.strerror(errno.ECONNREFUSED)),
    (
        raised_from(httpx.ConnectError("All failed"), ExceptionGroup("tried", [OSError("no number"), REFUSED])),
        os.strerror(errno.ECONNREFUSED),
    ),
    (
        raised_from(httpx.ConnectError(""), socket.gaierror(-2, "Name or service not known")),
        "Name or service not known",
    ),
    (raised_from(httpx.ReadError(""), RuntimeError("beneath")), "beneath"),
    (httpx.ReadError(""), "ReadError"),
    (httpx.ReadError("a\r\n\x1b[31mb"), "a [31mb"),
    (ssl.SSLError(1, "a text without a reason"), "a text without a reason"),
]


@pytest.mark.parametrize(("error", "detail"), DETAILS)
def test_the_words_of_the_system_are_preferred(error: Exception, detail: str) -> None:
    """The deepest reason that says something is shown, on one clean line."""
    assert detail in as_fault(error).detail


def test_a_chain_that_bites_its_tail_is_read_once() -> None:
    """A circle of causes ends."""
    one, two = httpx.ReadError(""), RuntimeError("the other")
    one.__cause__, two.__cause__ = two, one
    assert as_fault(one).detail == "the other"


def test_what_the_caller_was_busy_with_is_no_reason() -> None:
    """Python chains the exception a caller is handling beneath ours; it is not what went wrong with the network."""
    theirs = FileNotFoundError(errno.ENOENT, "their file")
    ours = httpx.RemoteProtocolError("Server disconnected")
    ours.__context__ = theirs
    assert as_fault(ours).detail == os.strerror(errno.ENOENT)
    assert as_fault(ours, outside=theirs).detail == "Server disconnected"
