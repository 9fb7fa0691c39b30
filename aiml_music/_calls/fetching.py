"""A finished track on its way from wherever the service has put it: a host that nobody here knows.

It is never given the key, and none of the client's own headers. Every trouble leaves as `FetchEndedError`; what follows
on it is decided in `_sansio.result_url`.
"""

import zlib
from collections import deque

import anyio

from aiml_music._io.bodies import BytesBody
from aiml_music._sansio import wire
from aiml_music._sansio.inflate import Encoding, Identity, InflateError, encoding_of
from aiml_music._sansio.options import Timeouts
from aiml_music._sansio.pace import Floor
from aiml_music._sansio.ports import Clock, Exchange, FaultKind, Progress, Transport, TransportFault
from aiml_music._sansio.result_url import (
    MOST_BYTES,
    MOST_REDIRECTS,
    Fetch,
    Reach,
    RefusedAddressError,
    check_result_url,
    meaning_of,
    redirected,
)

_NOTHING = BytesBody(b"")


class FetchEndedError(Exception):
    """A track did not come, or not to its end; never seen by users.

    Args:
        ending: what that means.
        what: what happened, a clause without a full stop.
    """

    def __init__(self, ending: Fetch, what: str) -> None:
        super().__init__(what)
        self.ending = ending
        self.what = what


class Fetching:
    """One track: `open` it by its address, `read` it to its end; opened again, it goes on where it broke off.

    Attributes:
        handed_on: how many bytes of it were read.
        is_whole: it was read to its end.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        clock: Clock,
        timeouts: Timeouts,
        deadline: float,
        reach: Reach,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._timeouts = timeouts
        self._deadline = deadline
        self._reach = reach
        self._most_bytes = most_bytes
        self._exchange: Exchange | None = None
        self._encoding: Encoding = Identity()
        self._floor = Floor(timeouts.idle)
        self._waiting: deque[bytes] = deque()
        self._sum = 0
        self.handed_on = 0
        self.is_whole = False

    async def open(self, url: str) -> None:
        """Ask for the track, and skip what was read of it already.

        Raises:
            FetchEndedError: it does not come, or is another one.
        """
        await self.aclose()
        self._waiting.clear()
        self._floor = Floor(self._timeouts.idle)
        exchange = await self._answered(url)
        try:
            length = int(exchange.head.header("content-length") or 0)
            self._encoding = encoding_of(exchange.head.header("content-encoding"))
        except (ValueError, InflateError):
            raise FetchEndedError(Fetch.AGAIN, "its host says nothing usable of its length or its coding") from None
        if length > self._most_bytes:
            raise FetchEndedError(Fetch.UNFIT, f"it has {length:,} bytes, and {self._most_bytes:,} are the most")
        await self._skip()

    async def read(self) -> bytes:
        """Return the next bytes; empty at the end.

        Raises:
            FetchEndedError: it broke off, or has no end.
        """
        piece = await self._more()
        self.handed_on += len(piece)
        self._sum = zlib.crc32(piece, self._sum)
        if self.handed_on > self._most_bytes:
            raise FetchEndedError(Fetch.UNFIT, f"it has more than {self._most_bytes:,} bytes")
        self.is_whole = not piece
        return piece

    async def aclose(self) -> None:
        """Let go of the connection."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await exchange.aclose()

    async def _answered(self, url: str) -> Exchange:
        """Ask for an address, and wherever it leads."""
        try:
            url = check_result_url(url, self._reach)
            for _ in range(1 + MOST_REDIRECTS):
                exchange = self._exchange = await self._sent(url)
                status = exchange.head.status
                meaning = meaning_of(status)
                if meaning is Fetch.HERE:
                    return exchange
                if meaning is not Fetch.MOVED:
                    raise FetchEndedError(meaning, f"its host answered HTTP {status}")
                await self.aclose()
                url = redirected(url, exchange.head.header("location"), self._reach)
        except RefusedAddressError as refused:
            raise FetchEndedError(Fetch.FORBIDDEN, refused.reason) from None
        raise FetchEndedError(Fetch.FORBIDDEN, f"it was redirected more than {MOST_REDIRECTS} times")

    async def _sent(self, url: str) -> Exchange:
        idle = self._timeouts.idle
        limit = min(self._left, float("inf") if idle is None else idle)
        try:
            with anyio.move_on_after(limit):
                return await self._transport.send(
                    wire.fetch_head(url, self._reach),
                    _NOTHING,
                    key=None,
                    progress=Progress(),
                    connect_timeout=self._timeouts.connect,
                    idle_timeout=idle,
                )
        except TransportFault as fault:
            if fault.kind is FaultKind.FORBIDDEN:
                raise FetchEndedError(Fetch.FORBIDDEN, "it does not lie on the public internet") from None
            raise FetchEndedError(Fetch.AGAIN, f"its host could not be asked: {fault.detail.rstrip('.')}") from None
        raise FetchEndedError(Fetch.AGAIN, f"its host said nothing for {limit:g} s")

    async def _skip(self) -> None:
        """Read past what was handed on already, which must be the same bytes."""
        left, seen = self.handed_on, 0
        while left:
            piece = await self._more()
            head, rest = piece[:left], piece[left:]
            seen, left = zlib.crc32(head, seen), left - len(head)
            if not piece:
                break
            if rest:
                self._waiting.appendleft(rest)
        if left or seen != self._sum:
            raise FetchEndedError(Fetch.UNFIT, "it broke off, and another track came when it was asked for again")

    async def _more(self) -> bytes:
        while not self._waiting:
            data = await self._next()
            try:
                if not data:
                    self._encoding.finish()
                    return b""
                self._waiting.extend(filter(None, self._encoding.pieces(data)))
            except InflateError as error:
                raise FetchEndedError(Fetch.AGAIN, error.reason) from None
        return self._waiting.popleft()

    async def _next(self) -> bytes:
        """Return the next bytes as they come over the wire, as long as enough of them come."""
        if self._exchange is None:
            # An end that is not one must not look like one.
            raise RuntimeError("the track was left before its end")
        idle = self._timeouts.idle
        limit = min(self._left, self._floor.patience, float("inf") if idle is None else idle)
        began = anyio.current_time()
        try:
            with anyio.move_on_after(limit):
                data = await self._exchange.read()
                self._floor.received(len(data), waited=anyio.current_time() - began)
                return data
        except TransportFault as fault:
            raise FetchEndedError(Fetch.AGAIN, f"the connection broke: {fault.detail.rstrip('.')}") from None
        raise FetchEndedError(Fetch.AGAIN, "its host went silent, or became too slow")

    @property
    def _left(self) -> float:
        return self._deadline - self._clock.monotonic()
