"""Send an answer, well or badly.

ASGI has no word for closing a connection early. The sandbox's own server (`server.py`) therefore lends each request
a function that does it, as `request.state.hang_up`.
"""

import asyncio
from collections.abc import Iterable, Iterator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aiml_music.sandbox.answers import Answer
from aiml_music.sandbox.scenarios import Delivery

_DRIPS = 50


class TrackResponse(Response):
    """A track as an HTTP response with its exact Content-Length, sent in pieces.

    Args:
        answer: the body.
        delivery: how it travels.
        drip_seconds: how long a dripping body takes.
        closing: when set, nothing waits any more.
    """

    def __init__(self, answer: Answer, *, delivery: Delivery, drip_seconds: float, closing: asyncio.Event) -> None:
        self._answer = answer
        self._delivery = delivery
        self._drip_seconds = drip_seconds
        self._closing = closing
        self._size = answer.content_length()
        super().__init__(headers={"content-length": str(self._size)}, media_type="application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head and as much of the body as the delivery lets through."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if self._delivery is Delivery.DRIP:
            await self._drip(send)
        elif self._delivery in {Delivery.CUT, Delivery.RESET}:
            await _send_all(_first(self._answer.pieces(), self._size // 2), send)
            await hang_up(scope, receive, reset=self._delivery is Delivery.RESET)
        else:
            await _send_all(self._answer.pieces(), send)
        await send({"type": "http.response.body"})

    async def _drip(self, send: Send) -> None:
        for drop in _resized(self._answer.pieces(), -(-self._size // _DRIPS)):
            await _send_all([drop], send)
            await pause(self._drip_seconds / _DRIPS, self._closing)


class NoResponse(Response):
    """Not one byte: the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection."""
        del send
        await hang_up(scope, receive, reset=False)


async def hang_up(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """Close the connection of a request, and return when it is closed."""
    scope["state"]["hang_up"](reset)
    # The request's body is read; all that can still come is the end of the connection.
    await receive()


async def pause(seconds: float, closing: asyncio.Event) -> None:
    """Wait, but no longer than the server lives."""
    try:
        await asyncio.wait_for(closing.wait(), seconds)
    except TimeoutError:
        return


async def _send_all(pieces: Iterable[bytes], send: Send) -> None:
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})


def _first(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    while size > 0:
        piece = next(pieces)[:size]
        size -= len(piece)
        yield piece


def _resized(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    waiting = b""
    for piece in pieces:
        waiting += piece
        while len(waiting) >= size:
            yield waiting[:size]
            waiting = waiting[size:]
    yield waiting
