"""TLS within TLS: with a service, through a proxy that is itself spoken to by https."""

import ssl
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from aiml_music._io.network.streams import SocketStream

T = TypeVar("T")

_PIECE_BYTES = 64 * 1024


class TunnelledStream:
    """A stream that passes through another; as rare as such proxies, it joins no records and keeps its own buffers."""

    def __init__(
        self, outer: "SocketStream", context: ssl.SSLContext, server_hostname: str | None, errors: ModuleType
    ) -> None:
        self._outer = outer
        self._errors = errors
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._secure = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)

    async def shake_hands(self) -> None:
        """Agree on keys, or raise what TLS or the network say."""
        await self._done(self._secure.do_handshake)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the library's call
        """Return what there is, as soon as there is something; empty at the end."""
        try:
            return await self._done(partial(self._secure.read, max_bytes))
        except ssl.SSLEOFError:
            return b""
        except ssl.SSLError as error:
            raise self._errors.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the library's call
        """Write everything."""
        left = memoryview(buffer)
        try:
            while left:
                left = left[await self._done(partial(self._secure.write, left)) :]
        except ssl.SSLError as error:
            raise self._errors.WriteError(str(error)) from error

    async def aclose(self) -> None:
        """Close the socket beneath."""
        await self._outer.aclose()

    def get_extra_info(self, info: str) -> Any:
        """Return which protocol TLS has agreed on."""
        return self._secure if info == "ssl_object" else None

    async def _done(self, step: Callable[[], T]) -> T:
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._outer.read(_PIECE_BYTES)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                await self._flush()
                return done

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._outer.write(self._outgoing.read())
