"""The doors to the world, as the rest of the library sees them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from enum import StrEnum
from typing import Protocol

from attrs import define, frozen

from aiml_music._sansio.outcome import Marks, Phase
from aiml_music._sansio.result_url import Reach
from aiml_music._sansio.secret import Secret


class Clock(Protocol):
    """Time, and dice: passed in, so that tests decide both."""

    def monotonic(self) -> float:
        """Return seconds on a clock that only goes forward."""
        ...

    def time(self) -> float:
        """Return Unix time."""
        ...

    def dice(self) -> float:
        """Draw from [0, 1)."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class FaultKind(StrEnum):
    """What kind of trouble a transport met."""

    DNS = "dns"
    NO_NAME = "no-name"
    """The host name does not exist, says the resolver."""
    CONNECT = "connect"
    FORBIDDEN = "forbidden"
    """The name stands for no address that this request may go to."""
    EXHAUSTED = "exhausted"
    """This process, or this machine, may open no more sockets."""
    TLS = "tls"
    NO_TLS = "no-tls"
    """What the other side says is no TLS."""
    TLS_TRUST = "tls-trust"
    PROXY = "proxy"
    PROXY_SETUP = "proxy-setup"
    """The proxy, as the environment names it, can never be used."""
    WRITE = "write"
    READ = "read"
    PROTOCOL = "protocol"
    TIMEOUT = "timeout"


class TransportFault(Exception):  # noqa: N818 - it is no error of the public tree, and never reaches a user
    """What a transport raises for every trouble of the network, whatever library it stands on.

    Args:
        kind: what it was.
        detail: the words of the system, safe to show.
    """

    def __init__(self, kind: FaultKind, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


@frozen(kw_only=True)
class RequestHead:
    """A request without its body. Header names are lower case."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    """Without the key, which the transport is given by itself."""
    reach: Reach | None = None
    """Which addresses may be connected to, where a foreign party has named the host; None is any."""


@frozen(kw_only=True)
class ResponseHead:
    """The head of an answer. Header names are lower case."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str | None:
        """Return the first value of a header, or None."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def is_success(self) -> bool:
        """Whether the status is one of the 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110 §15.3


@define
class Progress:
    """The marks of one attempt while it runs; they outlive whatever ends it.

    Attributes:
        wire: makes the mark that licenses the first byte of the request, where somebody keeps a record of the call.
    """

    marks: Marks = Marks()
    wire: Callable[[], Awaitable[None]] | None = None

    async def leave_to_send(self) -> None:
        """Wait until bytes of the request may leave, which the connection is there for; ask once however often called.

        Raises:
            Exception: what `wire` raised. Nothing of the request may leave then, and it must reach the caller of the
                transport as it is: it is no trouble of the network.
        """
        if self.wire is not None:
            await self.wire()
            self.wire = None

    def never_connected(self) -> None:
        """Note that there was no connection, whatever was noted before."""
        self.marks = Marks()

    def request_begun(self) -> None:
        """Note that bytes of the request may be on the wire from now on."""
        self.marks = Marks(request_begun=True, body_handed_over=self.marks.body_handed_over)

    def body_handed_over(self) -> None:
        """Note that the last byte of the body goes to the transport now."""
        self.marks = Marks(request_begun=True, body_handed_over=True)

    def response_begun(self) -> None:
        """Note that the head of an answer came."""
        self.marks = Marks(request_begun=True, body_handed_over=self.marks.body_handed_over, response_begun=True)

    @property
    def phase(self) -> Phase:
        """The phase the attempt is in."""
        return self.marks.phase


class Body(Protocol):
    """The bytes of a request; it can be read from the start again for every attempt."""

    @property
    def length(self) -> int:
        """How many bytes it has, exactly."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Return its bytes from the start, in order, none of them empty."""
        ...


class Exchange(Protocol):
    """One answer while it arrives."""

    @property
    def head(self) -> ResponseHead:
        """Status and headers."""
        ...

    async def read(self) -> bytes:
        """Return the next bytes of the body as they came over the wire; empty at its end.

        Raises:
            TransportFault: the connection failed, or ended before the announced end.
        """
        ...

    async def aclose(self) -> None:
        """Let go of the connection; never raises for a connection that is gone."""
        ...


class Transport(Protocol):
    """Sends one request over a connection that nothing else uses."""

    async def send(
        self,
        request: RequestHead,
        body: Body,
        *,
        key: Secret | None,
        progress: Progress,
        connect_timeout: float | None,
        idle_timeout: float | None,
    ) -> Exchange:
        """Send a request and wait for the head of its answer.

        Args:
            request: method, address and headers.
            body: what follows them.
            key: the API key, for the one header that carries it; None for a host that must never have it.
            progress: told how far the request got, before each step is taken.
            connect_timeout: seconds for name, TCP and TLS; None is no limit.
            idle_timeout: how patient to be with a peer that does not take the body; see `pace.seconds_to_send`.

        Raises:
            TransportFault: whatever went wrong on the network.
            Exception: what `progress.leave_to_send` raised, once the connection was there; it is closed again.
        """
        ...


class Source(Protocol):
    """A reference's bytes, open for reading at any place, more than once."""

    @property
    def size(self) -> int:
        """How many bytes there are."""
        ...

    def read_at(self, offset: int, count: int, /) -> bytes:
        """Return bytes from a place; fewer only at the end. Blocking: call it from a worker thread."""
        ...

    def check_unchanged(self) -> None:
        """Make sure that the bytes are still the ones that were opened.

        Raises:
            InputError: the file was changed, cut or replaced meanwhile.
        """
        ...


class Sink(Protocol):
    """Where decoded audio goes while it comes. Every method may block on a disk, never on a network."""

    def write(self, data: bytes) -> None:
        """Take the next bytes, all of them.

        Raises:
            OSError: the disk refused.
        """
        ...

    def read_at(self, offset: int, count: int, /) -> bytes:
        """Return bytes already taken."""
        ...
