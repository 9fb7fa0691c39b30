"""A connected socket as the HTTP library wants it: read when it is readable, in plain or through TLS.

The library's own streams read ahead, 256 KiB for every connection; this one reads when it is asked, through
one buffer for all, so that a body in flight costs next to nothing while it waits.

One task reads and writes at a time, as HTTP/1.1 does. Limits of time stand above: a `timeout` is not looked at.
"""

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any

import anyio

from aiml_music._io.network.tunnelled import TunnelledStream
from aiml_music._io.pacer import PIECE_BYTES, Pacer
from aiml_music._sansio.heads import HeadCut

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
        self._is_dry = False
        self._head: HeadCut | None = None
        self._ahead = b""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the library's call
        """Return what there is, as soon as there is something; empty at the end."""
        data = await self._read(max_bytes)
        if self._head is not None and not self._head.done:
            data, self._ahead = self._head.cut(data)
        else:
            # The library goes on by itself: behind an interim answer, or through a body that has no length.
            self._head = None
        return data

    def expect_head(self) -> None:
        """Hand out the head of an answer that comes now by itself, so that its body can be taken past the library."""
        self._head = HeadCut()

    def body(self, length: int) -> AsyncIterator[bytes] | None:
        """Return the body of an answer, if the library has read the head of it and nothing else."""
        return _Body(self, length) if self._head is not None and self._head.done else None

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
        if self._socket.fileno() >= 0:
            anyio.notify_closing(self._socket)
            self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        """Return what the library asks for: which protocol TLS has agreed on. Nothing else is known."""
        return self._socket if info == "ssl_object" and isinstance(self._socket, ssl.SSLSocket) else None

    async def _read(self, most: int) -> bytes:
        if self._ahead:
            data, self._ahead = self._ahead[:most], self._ahead[most:]
            return data
        try:
            return await self._received(self._pacer.buffer[:most])
        except (OSError, anyio.ClosedResourceError) as error:
            raise self._errors.ReadError(str(error)) from error

    async def _received(self, view: memoryview) -> bytes:
        while True:
            self._check_open()
            if self._is_dry:
                await anyio.wait_readable(self._socket)
                self._is_dry = False
            await self._pacer.step()
            try:
                count = self._taken(view)
            except _WAITING as error:
                await self._until_ready(error, anyio.wait_readable)
            else:
                return bytes(view[:count])

    def _taken(self, view: memoryview) -> int:
        """Take what there is. A TLS record is 16 KiB at most: several are joined."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        count = self._socket.recv_into(view)
        if not isinstance(self._socket, ssl.SSLSocket):
            # Whoever got less than asked for would ask in vain, most of the time.
            self._is_dry = 0 < count < len(view)
            return count
        more = count
        while more and count < len(view):
            try:
                more = self._socket.recv_into(view[count:])
            except ssl.SSLWantReadError:
                self._is_dry = True
                break
            except OSError as error:
                # What came before it was paid for: it is handed on first.
                self._failure = error
                break
            count += more
        return count

    async def _sent(self, view: memoryview) -> int:
        while True:
            self._check_open()
            try:
                return self._socket.send(view)
            except _WAITING as error:
                await self._until_ready(error, anyio.wait_writable)

    async def _shaken(self, secure: ssl.SSLSocket) -> None:
        while True:
            await self._pacer.step()
            try:
                return secure.do_handshake()
            except _WAITING as error:
                await self._until_ready(error, anyio.wait_readable)

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


class _Body(AsyncIterator[bytes]):
    """The body of an answer that says its length: its bytes as they come, and no copy of any kept."""

    def __init__(self, stream: SocketStream, length: int) -> None:
        self._stream = stream
        self._length = self._left = length

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        data = await self._stream._read(min(self._left, PIECE_BYTES))  # noqa: SLF001 - the other half of a stream
        if not data:
            came = self._length - self._left
            raise self._stream._errors.RemoteProtocolError(f"the body ended after {came} of {self._length} bytes")  # noqa: SLF001
        self._left -= len(data)
        return data
