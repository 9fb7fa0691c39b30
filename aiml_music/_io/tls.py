"""TLS contexts: built once, shared by every connection; building one takes 20 to 40 ms."""

import functools
import os
import ssl
from types import ModuleType

import anyio.to_thread

from aiml_music._sansio.ports import FaultKind, TransportFault
from aiml_music._sansio.text import clean


@functools.cache
def untrusting_context() -> ssl.SSLContext:
    """Return a context for plain http, where none is used: it trusts nobody."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def trusting_context(httpx: ModuleType) -> ssl.SSLContext:
    """Return the context for https: certifi's authorities, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.

    Args:
        httpx: the HTTP library, which knows where its authorities are.

    Raises:
        TransportFault: the authorities cannot be read.
    """
    where = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    if where not in _built:
        await anyio.to_thread.run_sync(_build, httpx, where)
    return _built[where]


_built: dict[tuple[str | None, str | None], ssl.SSLContext] = {}


def _build(httpx: ModuleType, where: tuple[str | None, str | None]) -> None:
    try:
        context: ssl.SSLContext = httpx.create_ssl_context()
        # SSLKEYLOGFILE would have what opens the traffic written down, and the file kept open.
        context.keylog_filename = None  # type: ignore[assignment]  # typeshed knows only a str
        _built[where] = context
    except OSError as error:
        # A malformed file is an SSLError, whose words are OpenSSL's.
        detail = clean(error.strerror or str(error))
        raise TransportFault(FaultKind.TLS_TRUST, f"no certificate authorities could be read: {detail}") from None
