"""Connect a socket: by TCP, to whichever address of a name answers first.

Resolvers list IPv6 before IPv4, and broken IPv6 is silent: so the next address is tried a quarter of a second after
the last, and the first to connect wins (RFC 8305).
"""

import os
import socket
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import chain, zip_longest

import anyio
from attrs import define, field

from aiml_music._sansio.result_url import Reach

_HEAD_START_SECONDS = 0.25

Address = tuple[int, int, int, str, tuple[object, ...]]
SocketOption = tuple[int, int, int]


class ForbiddenAddressError(OSError):
    """A name stands for no address that may be connected to."""


async def connected(
    host: str, port: int, options: Iterable[SocketOption], *, reach: Reach | None = None
) -> socket.socket:
    """Return a socket that is connected, and never waits.

    Args:
        host: a name or an address.
        port: where.
        options: of the socket.
        reach: which addresses may be connected to; None is any. What is judged is what is dialled: a name that is
            looked up twice may stand for two things.

    Raises:
        OSError: the name is unknown, or none of its addresses can be reached, or may be.
    """
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *options]
    return await first_of(in_turn(_allowed(await _addresses(host, port), reach)), options)


def _allowed(addresses: Sequence[Address], reach: Reach | None) -> Sequence[Address]:
    if reach is None:
        return addresses
    allowed = [address for address in addresses if reach.allows(str(address[4][0]))]
    if not allowed:
        raise ForbiddenAddressError("the name stands for no address on the public internet")
    return allowed


async def _addresses(host: str, port: int) -> Sequence[Address]:
    try:
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=numeric)
    except (socket.gaierror, UnicodeError):
        """It is a name, and asking for names can take long."""
    # A name that is none has words of its own here.
    return await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def in_turn(addresses: Sequence[Address]) -> list[Address]:
    """Return addresses so that the two families take turns, each in the resolver's order, IPv6 first."""
    sixes = [address for address in addresses if address[0] == socket.AF_INET6]
    others = [address for address in addresses if address[0] != socket.AF_INET6]
    return [address for address in chain(*zip_longest(sixes, others)) if address is not None]


async def _connected_to(address: Address, options: Iterable[SocketOption]) -> socket.socket:
    family, kind, protocol, _, where = address
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)  # noqa: FBT003 - the socket's own signature
        for option in options:
            made.setsockopt(*option)
        try:
            made.connect(where)
        except BlockingIOError:
            await anyio.wait_writable(made)
            number = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, os.strerror(number)) from None
    except BaseException:
        made.close()
        raise
    return made


@define
class Race:
    """Attempts to connect, of which the first to succeed is kept."""

    options: Sequence[SocketOption]
    winner: socket.socket | None = None
    kept: ExitStack = field(factory=ExitStack)
    failures: list[OSError] = field(factory=list)

    async def run(self, address: Address, ended: anyio.Event, scope: anyio.CancelScope) -> None:
        """Try one address; the winner ends the race."""
        try:
            made = await _connected_to(address, self.options)
        except OSError as error:
            self.failures.append(error)
        else:
            if self.winner is None:
                self.winner = self.kept.enter_context(made)
                scope.cancel()
            else:
                # Two can arrive in the same turn of the loop.
                made.close()
        finally:
            ended.set()


async def first_of(addresses: Sequence[Address], options: Sequence[SocketOption]) -> socket.socket:
    """Connect to one of several addresses.

    Raises:
        OSError: none of them can be reached.
    """
    if len(addresses) == 1:
        return await _connected_to(addresses[0], options)
    race = Race(options)
    # A cancellation may come in the very turn in which one has won.
    with race.kept:
        async with anyio.create_task_group() as group:
            for address in addresses:
                ended = anyio.Event()
                group.start_soon(race.run, address, ended, group.cancel_scope)
                with anyio.move_on_after(_HEAD_START_SECONDS):
                    await ended.wait()
        race.kept.pop_all()
    if race.winner is None:
        raise OSError("no address could be reached") from ExceptionGroup("of every address", race.failures)
    return race.winner
