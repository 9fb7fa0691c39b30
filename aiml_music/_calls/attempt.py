"""One attempt: a request over one connection, its answer read and judged.

Every trouble leaves as `EndedBadlyError` with the verdict of `_sansio.verdict`; this module decides nothing itself.
"""

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
from attrs import frozen

from aiml_music._sansio import verdict
from aiml_music._sansio.errors import MusicError
from aiml_music._sansio.hexjson import HexAudioDecoder, HexDecodeError, JsonLimits
from aiml_music._sansio.inflate import Encoding, Identity, InflateError, encoding_of
from aiml_music._sansio.journal import Journal, marked
from aiml_music._sansio.options import Timeouts
from aiml_music._sansio.outcome import Operation
from aiml_music._sansio.pace import Floor
from aiml_music._sansio.ports import (
    Body,
    Clock,
    Exchange,
    Progress,
    RequestHead,
    ResponseHead,
    Transport,
    TransportFault,
)
from aiml_music._sansio.refusal import refusal_of_document, refusal_of_status
from aiml_music._sansio.retry import RetryPolicy, parse_retry_after
from aiml_music._sansio.secret import Secret
from aiml_music._sansio.text import clean
from aiml_music._sansio.verdict import Evidence, Problem
from aiml_music._sansio.wire import Reply, Tracing, looks_like_json, read_reply, read_tracing

T = TypeVar("T")

# More of a refusal than this, or a slower one, says nothing more.
_REFUSAL_BYTES = 64 * 1024
_REFUSAL_SECONDS = 5.0
# How long the end of an answer may take once its document is whole.
_END_SECONDS = 1.0
_BOM = b"\xef\xbb\xbf"
_NOT_MODIFIED = 304


@frozen(kw_only=True)
class Plan:
    """Everything a call needs, decided and checked before it begins."""

    operation: Operation
    request: RequestHead
    body: Body
    key: Secret
    client_request_id: str
    timeouts: Timeouts
    retry: RetryPolicy
    limits: JsonLimits = JsonLimits()
    """How much of an answer is read."""
    unchanged: Reply | None = None
    """What an answer of 304 stands for, where an earlier one is remembered."""

    @property
    def host(self) -> str:
        """Where the call goes, for people."""
        return urlsplit(self.request.url).netloc


class EndedBadlyError(Exception):
    """An attempt is over without what was asked for; never seen by users."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Attempting:
    """An attempt under way: `begin` it, `read` its audio to the end, then take its `reply`."""

    def __init__(
        self,
        plan: Plan,
        *,
        transport: Transport,
        clock: Clock,
        deadline: float,
        sent: int = 1,
        journal: Journal | None = None,
    ) -> None:
        self._plan = plan
        self._transport = transport
        self._clock = clock
        self._deadline = deadline
        self._sent = sent
        self._journal = journal
        self._progress = Progress(wire=None if journal is None else lambda: marked(journal.wire()))
        self._exchange: Exchange | None = None
        self._floor = Floor(plan.timeouts.idle)
        self._encoding: Encoding = Identity()
        self._decoder = HexAudioDecoder(limits=plan.limits)
        self._recognised = False
        self._beginning = b""
        self._whole_since: float | None = None
        self._waiting = b""
        self._last: Problem | None = None
        self._scope: anyio.CancelScope
        self._silence = self._left = math.inf
        self._slow = ""
        self.head: ResponseHead | None = None
        self.tracing = Tracing()
        self.reply: Reply | None = None
        self.journal_trouble: MusicError | None = None

    @property
    def evidence(self) -> Evidence:
        """What is known of this attempt so far."""
        return Evidence(
            operation=self._plan.operation,
            host=self._plan.host,
            client_request_id=self._plan.client_request_id,
            marks=self._progress.marks,
            tracing=self.tracing,
            status=None if self.head is None else self.head.status,
            audio_bytes=self._decoder.audio_bytes,
            sent=self._sent,
        )

    async def begin(self) -> None:
        """Send the request; return once audio begins or a whole answer of another kind is in.

        Raises:
            EndedBadlyError: it ended otherwise.
        """
        exchange = await self._limited(self._send)
        if exchange.head.status == _NOT_MODIFIED and self._plan.unchanged is not None:
            self.reply = self._plan.unchanged
            return
        if not exchange.head.is_success:
            raise EndedBadlyError(await self._refused(exchange))
        while not self._waiting and self.reply is None:
            self._waiting = await self._limited(self._advance)

    async def read(self) -> bytes:
        """Return the next audio; empty at the end.

        Raises:
            EndedBadlyError: the answer ended otherwise than it began to.
        """
        piece, self._waiting = self._waiting, b""
        while not piece and self.reply is None:
            piece = await self._limited(self._advance)
        return piece

    async def read_on(self, take: Callable[[bytes], None]) -> None:
        """Hand all audio that is still to come to `take`, in order.

        One limit of time that moves on with every piece costs less than one for each.

        Raises:
            EndedBadlyError: as `read`.
        """
        take(await self.read())
        while self.reply is None:
            await self._limited(partial(self._hand_on, take))

    async def aclose(self) -> None:
        """Let go of the connection."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await exchange.aclose()

    async def _limited(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do work whose steps say how long they may take, and tell of its troubles what they mean."""
        try:
            with anyio.CancelScope() as self._scope:
                return await work()
            problem = verdict.of_timeout(self.evidence, self._what_ran_out())
        except TransportFault as fault:
            # Libraries quote the wire in their texts, and a server may have written the key on it.
            told = TransportFault(fault.kind, clean(fault.detail, secret=self._plan.key.reveal()))
            problem = verdict.of_fault(self.evidence, told)
        except (HexDecodeError, InflateError) as error:
            problem = verdict.of_broken_answer(self.evidence, error.reason)
        raise EndedBadlyError(problem)

    def _allow(self, silence: float = math.inf, slow: str = "") -> float:
        """Give the step that begins now so many seconds, and no more than the call has left; return when that is."""
        self._silence, self._left, self._slow = silence, self._deadline - self._clock.monotonic(), slow
        # By the event loop's own clock, which stands still while the machine sleeps: sleep is no slowness.
        now = anyio.current_time()
        self._scope.deadline = now + min(silence, self._left)
        return now

    def _what_ran_out(self) -> str:
        total = self._plan.timeouts.total
        if total is not None and self._left <= self._silence:
            return f"the time limit of {total:g} s ran out"
        return self._slow or f"nothing came for {self._silence:g} s"

    async def _send(self) -> Exchange:
        """Send the request and take the head of its answer."""
        plan = self._plan
        self._allow()
        exchange = self._exchange = await self._transport.send(
            plan.request,
            plan.body,
            key=plan.key,
            progress=self._progress,
            connect_timeout=plan.timeouts.connect,
            idle_timeout=plan.timeouts.idle,
        )
        self.head = exchange.head
        self.tracing = read_tracing(exchange.head, secret=plan.key.reveal())
        if self._journal is not None:
            await self._mark(self._journal.head(exchange.head.status, self.tracing))
        if exchange.head.is_success:
            self._encoding = encoding_of(exchange.head.header("content-encoding"))
        return exchange

    async def _mark(self, mark: Awaitable[None]) -> None:
        # However long that takes: no limit of time is for it, and what was answered is paid for.
        self._scope.deadline = math.inf
        try:
            await marked(mark)
        except MusicError as error:
            self.journal_trouble = error

    async def _hand_on(self, take: Callable[[bytes], None]) -> None:
        while self.reply is None:
            take(await self._advance())
            if self._scope.cancel_called:
                # This side was held up until the limit had passed, and more had come all the same: begin a new one.
                return

    async def _advance(self) -> bytes:
        """Take one step through the body and return the audio in it, which may be none."""
        if self._last is not None:
            raise EndedBadlyError(self._last)
        if self._exchange is None:
            # An end that is not one must not look like one: the rest was paid for.
            raise RuntimeError("the answer was left before its end")
        head = self._exchange.head
        data = await self._more(self._exchange)
        if not data:
            self._conclude(head)
            return b""
        # Most bodies are one piece at a time, which a join hands on as it is: a copy would cost as much as its digits.
        audio: list[bytes] = []
        try:
            for count, piece in enumerate(self._encoding.pieces(data)):
                self._recognise(head, piece)
                audio.append(self._decoder.feed(piece))
                if count:
                    # A few bytes of gzip can be megabytes: the loop is others' too, and the server is not to blame.
                    self._scope.deadline = math.inf
                    await anyio.lowlevel.cancel_shielded_checkpoint()
        except (HexDecodeError, InflateError) as error:
            # What was good before the fault was paid for: hand it on first, and fail at the next step.
            audio.append(error.decoded if isinstance(error, HexDecodeError) else b"")
            self._last = verdict.of_broken_answer(self.evidence, error.reason)
        return b"".join(audio)

    async def _more(self, exchange: Exchange) -> bytes:
        """Return the next bytes of the body; empty at its end, or where a whole document needs no more."""
        if not self._decoder.document_complete:
            return await self._next(exchange)
        now = self._clock.monotonic()
        self._whole_since = now if self._whole_since is None else self._whole_since
        self._scope.deadline = math.inf
        # What breaks, or does not come, after the last brace of a whole document is nobody's loss.
        with suppress(TransportFault), self._at_most(self._whole_since + _END_SECONDS - now):
            return await exchange.read()
        return b""

    async def _next(self, exchange: Exchange) -> bytes:
        """Return the next bytes of the body, as long as enough of them come."""
        floor, idle = self._floor, self._plan.timeouts.idle
        patience = floor.patience
        slow = "" if idle is None or idle <= patience else f"less than 1 KiB/s came for {idle:g} s"
        began = self._allow(patience if idle is None else min(idle, patience), slow)
        data = await exchange.read()
        floor.received(len(data), waited=anyio.current_time() - began)
        return data

    def _recognise(self, head: ResponseHead, data: bytes) -> None:
        if self._recognised:
            return
        self._beginning += data
        if not self._beginning.strip() or _BOM.startswith(self._beginning):
            return
        # What waits for its next bytes is to hold none of its last ones.
        self._recognised, first, self._beginning = True, self._beginning, b""
        if not looks_like_json(first):
            secret = self._plan.key.reveal()
            beginning = clean(first[:8192].decode("utf-8", "replace"), secret=secret, max_chars=200)
            kind = clean(head.header("content-type") or "no content type", secret=secret, max_chars=80)
            raise EndedBadlyError(verdict.of_foreign_body(self.evidence, kind, beginning))

    def _conclude(self, head: ResponseHead) -> None:
        self._encoding.finish()
        document = self._decoder.finish()
        secret = self._plan.key.reveal()
        reply = read_reply(document, secret=secret)
        refusal = refusal_of_document(head, document, secret=secret)
        problem = verdict.of_reply(self.evidence, reply, refusal, self._asked_to_wait(head))
        if problem is not None:
            raise EndedBadlyError(problem)
        self.reply = reply

    async def _refused(self, exchange: Exchange) -> Problem:
        head, plan = exchange.head, self._plan
        body = await self._beginning_of(exchange)
        refusal = refusal_of_status(head, body, client_request_id=plan.client_request_id, secret=plan.key.reveal())
        return verdict.of_refusal(self.evidence, refusal, self._asked_to_wait(head))

    def _asked_to_wait(self, head: ResponseHead) -> float | None:
        return parse_retry_after(head.header("retry-after"), date=head.header("date"), now=self._clock.time())

    async def _beginning_of(self, exchange: Exchange) -> bytes:
        """Read what a refusal says, as far as it comes in time; a broken one still has its status."""
        body = bytearray()
        with suppress(TransportFault, InflateError), self._at_most(_REFUSAL_SECONDS):
            encoding = encoding_of(exchange.head.header("content-encoding"))
            while len(body) < _REFUSAL_BYTES and (data := await exchange.read()):
                for piece in encoding.pieces(data):
                    body.extend(piece)
                    if len(body) >= _REFUSAL_BYTES:
                        break
        return bytes(body[:_REFUSAL_BYTES])

    def _at_most(self, seconds: float) -> anyio.CancelScope:
        """Return a limit of time for what may stay away without harm."""
        return anyio.move_on_after(min(seconds, self._deadline - self._clock.monotonic()))
