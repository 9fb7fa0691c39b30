"""A connected socket as the HTTP library wants it: read when it is readable, in plain or through TLS.

The library's own streams read ahead, 256 KiB for every connection; this one reads when it is asked, 64 KiB at most,
through one buffer for all, so that a body in flight costs next to nothing while it waits.

One task reads and writes at a time, as HTTP/1.1 does. Limits of time stand above: a `timeout` is not looked at.
"""

import socket
import ssl
from collections.abc import Callable
from types import ModuleType
from typing import Any

import anyio

from aiml_music._io.network.tunnelled import TunnelledStream
from aiml_music._io.pacer import Pacer

# What a socket says that would have to wait. Each is an OSError as well.
_WAITING = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class SocketStream:
    """A connected socket that never waits.

    Args:
        made: the socket, which is closed with this.
        pacer: of the event loop that runs here.
        errors: the HTTP library, which wants its own exceptions.
    """

    def __init__(self, made: socket.socket, pacer: Pacer, errors: ModuleType) -> None:
        self._socket = made
        self._pacer = pacer
        self._errors = errors
        self._failure: OSError | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the library's call
        """Return what there is, as soon as there is something; empty at the end."""
        try:
            return await self._received(max_bytes)
        except (OSError, anyio.ClosedResourceError) as error:
            raise self._errors.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the library's call
        """Write everything."""
        left = memoryview(buffer)
        try:
            while left:
                left = left[await self._sent(left) :]
        except (OSError, anyio.ClosedResourceError) as error:
            raise self._errors.WriteError(str(error)) from error

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the library's call
    ) -> "SocketStream | TunnelledStream":
        """Begin TLS, from now on or within the TLS that there is, and return what speaks it."""
        try:
            if isinstance(self._socket, ssl.SSLSocket):
                tunnelled = TunnelledStream(self, ssl_context, server_hostname, self._errors)
                await tunnelled.shake_hands()
                return tunnelled
            # The same stream goes on, so that whoever knows it can close it, whatever comes of this.
            self._socket = ssl_context.wrap_socket(
                self._socket, server_hostname=server_hostname, do_handshake_on_connect=False
            )
            await self._shaken(self._socket)
        except BaseException as error:
            await self.aclose()
            if isinstance(error, OSError | anyio.ClosedResourceError):
                raise self._errors.ConnectError(str(error)) from error
            raise
        return self

    async def aclose(self) -> None:
        """Close the socket at once, and wake whoever waits for it."""
        self._pacer.leave(self)
        if self._socket.fileno() >= 0:
            anyio.notify_closing(self._socket)
            self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        """Return what the library asks for: which protocol TLS has agreed on. Nothing else is known."""
        return self._socket if info == "ssl_object" and isinstance(self._socket, ssl.SSLSocket) else None

    async def _received(self, most: int) -> bytes:
        view = self._pacer.buffer[:most]
        while True:
            self._check_open()
            if not self._pacer.holds(self) and not self._is_pending():
                # Who is not being served begins by waiting, and so takes no place from others.
                await anyio.wait_readable(self._socket)
            await self._pacer.enter(self)
            try:
                count = self._taken(view)
            except _WAITING as error:
                self._pacer.leave(self)
                await self._until_ready(error, anyio.wait_readable)
            except OSError:
                self._pacer.leave(self)
                raise
            else:
                self._pacer.pause(self)
                return bytes(view[:count])

    def _is_pending(self) -> bool:
        return self._failure is not None or (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0)

    def _taken(self, view: memoryview) -> int:
        """Take what there is. A TLS record is 16 KiB at most: several are joined."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        count = self._socket.recv_into(view)
        if not isinstance(self._socket, ssl.SSLSocket):
            return count
        more = count
        while more and count < len(view):
            try:
                more = self._socket.recv_into(view[count:])
            except _WAITING:
                break
            except OSError as error:
                # What came before it was paid for: it is handed on first.
                self._failure = error
                break
            count += more
        return count

    async def _shaken(self, secure: ssl.SSLSocket) -> None:
        while True:
            await self._pacer.enter(self)
            try:
                secure.do_handshake()
            except _WAITING as error:
                self._pacer.leave(self)
                await self._until_ready(error, anyio.wait_readable)
            else:
                self._pacer.leave(self)
                return

    async def _sent(self, data: memoryview) -> int:
        while True:
            self._check_open()
            try:
                return self._socket.send(data)
            except _WAITING as error:
                await self._until_ready(error, anyio.wait_writable)

    async def _until_ready(self, error: OSError, otherwise: Callable[[socket.socket], Any]) -> None:
        """Wait for what TLS waits for, which may read in order to write; without TLS, for the obvious."""
        if isinstance(error, ssl.SSLWantReadError):
            await anyio.wait_readable(self._socket)
        elif isinstance(error, ssl.SSLWantWriteError):
            await anyio.wait_writable(self._socket)
        else:
            await otherwise(self._socket)

    def _check_open(self) -> None:
        if self._socket.fileno() < 0:
            raise anyio.ClosedResourceError
