"""A service for the model of batches: it does to each call what was ordered, and remembers the whole truth.

Every track bears the id of the call that it was made for, so that a file says who paid for it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from socket import create_connection, socket

from attrs import define, field, frozen

from aiml_music._sansio.batch.states import JobState
from aiml_music._sansio.settlement import LOGS_PATH
from aiml_music.sandbox import CREDITS_PER_TRACK
from aiml_music.sandbox.books import Books
from tests._sansio.audio_files import frame
from tests.answers import answer, envelope, generated, refused
from tests.loopback import Hang, Loopback, ReadHead, Request, Send, _read_request, loopback

_FRAMES = 6
_PATIENCE = 20.0
_PAGE = b"<html><head><title>502 Bad Gateway</title></head></html>"


class Fault(StrEnum):
    """What can become of a generation; the names are those of the sandbox's scenarios, where it has them."""

    NONE = "none"
    SLOW_BODY = "slow_body"
    CUT = "cut_mid_body"
    CUT_BILLED = "cut_mid_body, the bill in the head"
    GATEWAY_DROP = "gateway_drop"
    FAILED_DROP = "failed_drop"
    ODD_HEX = "odd_hex"
    THROTTLED = "throttled"
    LONG_THROTTLED = "throttled for long"
    CONTENT_REFUSED = "content_refused"
    BUSY_IN_200 = "throttled_in_200"
    OUT_OF_CREDITS = "out_of_credits"
    SERVER_ERROR = "server_error"
    HTML_502 = "html_502"
    GATEWAY_TIMEOUT = "gateway_timeout"


@frozen(kw_only=True)
class Fate:
    """What a fault does, and where it leaves a job whose call came to its end undisturbed.

    Attributes:
        state: of the job; `planned` may be tried again at once.
        charged: whether money is taken.
        in_books: whether the usage log has a row.
    """

    state: JobState
    charged: bool = False
    in_books: bool = True


_DOUBT, _AGAIN = JobState.IN_DOUBT, JobState.PLANNED
FATES = {
    Fault.NONE: Fate(state=JobState.DONE, charged=True),
    Fault.SLOW_BODY: Fate(state=JobState.DONE, charged=True),
    Fault.CUT: Fate(state=_DOUBT, charged=True),
    Fault.CUT_BILLED: Fate(state=JobState.PAID_LOST, charged=True),
    Fault.GATEWAY_DROP: Fate(state=_DOUBT, charged=True),
    Fault.FAILED_DROP: Fate(state=_DOUBT),
    Fault.ODD_HEX: Fate(state=_DOUBT, charged=True),
    Fault.THROTTLED: Fate(state=_AGAIN),
    Fault.LONG_THROTTLED: Fate(state=_AGAIN),
    Fault.CONTENT_REFUSED: Fate(state=JobState.REJECTED),
    Fault.BUSY_IN_200: Fate(state=_AGAIN),
    Fault.OUT_OF_CREDITS: Fate(state=_AGAIN),
    Fault.SERVER_ERROR: Fate(state=_DOUBT),
    Fault.HTML_502: Fate(state=_DOUBT, in_books=False),
    Fault.GATEWAY_TIMEOUT: Fate(state=_DOUBT, charged=True),
}
CUT_SHORT = frozenset({Fault.CUT, Fault.CUT_BILLED})
"""Half of the audio comes."""
WHOLE = frozenset({Fault.NONE, Fault.SLOW_BODY})
"""All of it comes."""


def audio_of(client_request_id: str) -> bytes:
    """Return the track that is made for a call, and for no other one."""
    return frame(body=client_request_id.encode()) * _FRAMES


@frozen(kw_only=True)
class Seen:
    """A complete request for a track, and what was done to it."""

    client_request_id: str
    lyrics: str
    fault: Fault
    charged: bool
    at: float


@define(eq=False)
class Service:
    """The service's side of the model.

    Attributes:
        clock: tells Unix time.
        books: what it writes down for its customer.
        log_fault: what is wrong with the books: `down`, `missing`, `empty`, or nothing.
        seen: every complete request for a track, in the order of their arrival.
        on_arrival: is called when the n-th of them since `order` is in.
        on_half: is called when half of the n-th track since then is out.
        is_silent: answers nothing after `on_arrival`.
    """

    clock: Callable[[], float]
    delay: float
    books: Books = field(init=False)
    log_fault: str | None = None
    seen: list[Seen] = field(factory=list)
    on_arrival: Callable[[int], bool] = field(default=lambda _: False)
    on_half: Callable[[int], object] = field(default=lambda _: None)
    _orders: dict[str, deque[Fault]] = field(factory=dict)
    _arrivals: int = 0
    _halves: int = 0
    _lock: threading.Lock = field(factory=threading.Lock)

    def __attrs_post_init__(self) -> None:
        self.books = Books(self.clock, delay=self.delay)

    def order(self, faults: dict[str, Sequence[Fault]]) -> None:
        """Have the calls for these lyrics end so, one after the other; all others go well, and nobody is told."""
        with self._lock:
            self._orders = {lyrics: deque(wanted) for lyrics, wanted in faults.items()}
            self._arrivals = self._halves = 0
            self.on_arrival, self.on_half = (lambda _: False), (lambda _: None)

    def answer(self, request: Request, connection: socket) -> None:
        """Do to a request what was ordered."""
        if request.method == "GET":
            self._look_up(request).play(connection)
        else:
            self._generate(request, connection)

    def _look_up(self, request: Request) -> Send:
        if self.log_fault == "down":
            return answer(envelope(500, "Internal server error"), status="500 Internal Server Error")
        if self.log_fault == "missing":
            return answer(envelope(404, "Not Found"), status="404 Not Found")
        if request.path.startswith(LOGS_PATH):
            entries = () if self.log_fault == "empty" else self.books.entries()
            rows = [entry.row(has_cost=True) for entry in reversed(entries)]
        else:
            rows = list(reversed(self.books.movements()))
        return answer({"data": rows, "pagination": {"has_more": False, "total": len(rows), "next_cursor": None}})

    def _generate(self, request: Request, connection: socket) -> None:
        name, lyrics = request.headers["x-client-request-id"], request.json()["lyrics"]
        with self._lock:
            ordered = self._orders.get(lyrics)
            fault = ordered.popleft() if ordered else Fault.NONE
            fate = FATES[fault]
            self.seen.append(
                Seen(client_request_id=name, lyrics=lyrics, fault=fault, charged=fate.charged, at=self.clock())
            )
            self._arrivals += 1
            number = self._arrivals
        if fate.in_books:
            charged = CREDITS_PER_TRACK * fate.charged
            self.books.write(
                model="minimax/music-01", inference_id=f"i-{name}", client_request_id=name, charged_credits=charged
            )
        if self.on_arrival(number):
            Hang().play(connection)
            return
        self._play(fault, name, connection)

    def _play(self, fault: Fault, name: str, connection: socket) -> None:
        if fault in {Fault.GATEWAY_DROP, Fault.FAILED_DROP}:
            return
        if fault in _REFUSALS:
            _REFUSALS[fault].play(connection)
            return
        body = audio_of(name).hex()[: -1 if fault is Fault.ODD_HEX else None]
        bill = [("x-aimlapi-credits-used", str(CREDITS_PER_TRACK))] if fault is Fault.CUT_BILLED else []
        whole = answer(generated(body), headers=[("x-inference-id", f"i-{name}"), *bill]).data
        half = len(whole) // 2
        connection.sendall(whole[:half])
        with self._lock:
            self._halves += 1
            number = self._halves
        self.on_half(number)
        if fault in CUT_SHORT:
            return
        for start in range(half, len(whole), 1000 if fault is Fault.SLOW_BODY else len(whole)):
            connection.sendall(whole[start : start + (1000 if fault is Fault.SLOW_BODY else len(whole))])


def _refusal(status: str, message: str, *headers: tuple[str, str], bill: bool = True) -> Send:
    paid = [("x-inference-id", "i-none"), ("x-aimlapi-credits-used", "0")] if bill else []
    return answer(envelope(int(status[:3]), message), status=status, headers=[*headers, *paid])


_REFUSALS = {
    Fault.THROTTLED: _refusal("429 Too Many Requests", "slow down", ("Retry-After", "1")),
    Fault.LONG_THROTTLED: _refusal("429 Too Many Requests", "slow down", ("Retry-After", "1000")),
    Fault.CONTENT_REFUSED: answer(refused(1026, "input new_sensitive")),
    Fault.BUSY_IN_200: answer(refused(1002, "rate limit")),
    Fault.OUT_OF_CREDITS: _refusal("403 Forbidden", "You've run out of credits. Please top up your balance."),
    Fault.SERVER_ERROR: _refusal("500 Internal Server Error", "Internal server error", bill=False),
    Fault.HTML_502: answer(_PAGE, status="502 Bad Gateway"),
    Fault.GATEWAY_TIMEOUT: _refusal("504 Gateway Timeout", "Generation timeout", bill=False),
}


@define(eq=False)
class Place:
    """Where services are, one after the other; a connection goes to the one that is there.

    Attributes:
        service: the one that is there.
    """

    service: Service
    _server: Loopback | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._listening.url

    @property
    def _listening(self) -> Loopback:
        assert self._server is not None
        return self._server

    def settle(self) -> None:
        """Wait until every request that was sent so far has come to its end."""
        # Connections are taken in their order: when this one is answered, all before it were taken.
        with create_connection(("127.0.0.1", self._listening.port), timeout=_PATIENCE) as probe:
            probe.sendall(b"GET /v2/billing/transactions HTTP/1.1\r\n\r\n")
            while probe.recv(65536):
                pass
        assert self._listening.wait_until_idle(), "a request is still under way"


@frozen
class _Serve(ReadHead):
    """Read a request, and do to it what the service was told."""

    place: Place

    def play(self, connection: socket) -> None:
        self.place.service.answer(_read_request(connection), connection)


@contextmanager
def serving(service: Service) -> Iterator[Place]:
    """Serve on this machine."""
    place = Place(service)
    with loopback([_Serve(place)]) as server:
        place._server = server
        yield place
