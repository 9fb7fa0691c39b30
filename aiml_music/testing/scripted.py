"""A transport that plays a script: which requests must come, in which order, and what becomes of each."""

from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import anyio
import anyio.lowlevel
from attrs import evolve

from aiml_music._sansio.outcome import Phase
from aiml_music._sansio.ports import Body, Exchange, FaultKind, Progress, RequestHead, TransportFault
from aiml_music._sansio.secret import Secret
from aiml_music.testing.reactions import ScriptedAnswer, ScriptedFault, trouble
from aiml_music.testing.steps import RecordedRequest, Step


class ScriptedTransport:
    """A transport for `AsyncMusicClient(transport=…)` and `MusicClient(transport=…)` that needs no network.

    Requests must come in the order of the steps, and fit them. One that does not, or that comes after the last step,
    fails with an `AssertionError` where it is made, and again in `assert_done`, in case somebody caught it.

    `with ScriptedTransport(...) as transport:` ends with `assert_done`, unless something else has failed already.

    Args:
        steps: what is expected, and what becomes of it: `on_upload(...)`, `on_generate(...)`, `on_question(...)`,
            `on_fetch(...)`, `on_request(...)`.
    """

    def __init__(self, *steps: Step) -> None:
        self._steps = deque(steps)
        self._requests: list[RecordedRequest] = []
        self._failures: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.assert_done()

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The requests so far, in the order of their beginnings; those that never left are among them."""
        return tuple(self._requests)

    def assert_done(self) -> None:
        """Make sure that every request was expected, and that every step was used.

        Raises:
            AssertionError: it is not so.
        """
        if self._failures:
            raise AssertionError(self._failures[0])
        if self._steps:
            left = ", ".join(map(str, self._steps))
            raise AssertionError(f"the script was not played to its end: {left} never came; {self._came()}")

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
        """Play the next step; see `ports.Transport.send`."""
        del connect_timeout, idle_timeout
        # As on a network, this is a place where a call can be cancelled.
        await anyio.lowlevel.checkpoint()
        step = self._next(request, with_key=key is not None)
        place = len(self._requests) - 1
        if step.breaks_in is not Phase.CONNECT:
            await self._take(place, body, progress, whole=step.breaks_in is not Phase.SEND)
        if self._requests[place].complete:
            self._check(step.misfits_of_body(self._requests[place]))
            if step.on_arrival is not None:
                step.on_arrival()
        if isinstance(step.reaction, ScriptedFault):
            raise await _fault(step.reaction.kind)
        progress.response_begun()
        return _ScriptedExchange(step.reaction)

    def _next(self, request: RequestHead, *, with_key: bool) -> Step:
        recorded = RecordedRequest(
            method=request.method, url=request.url, headers=dict(request.headers), with_key=with_key
        )
        self._requests.append(recorded)
        if not self._steps:
            self._check([f"the script is over, and yet there came {recorded}"])
        step = self._steps.popleft()
        self._check(step.misfits_of_head(recorded))
        return step

    async def _take(self, place: int, body: Body, progress: Progress, *, whole: bool) -> None:
        """Take the request's body; all but its last piece, where it is not to come whole."""
        await progress.leave_to_send()
        if body.length:
            progress.request_begun()
        else:
            progress.body_handed_over()
        taken = bytearray()
        complete = not body.length
        async for chunk in body.chunks():
            complete = len(taken) + len(chunk) >= body.length
            if complete and not whole:
                break
            if complete:
                progress.body_handed_over()
            taken += chunk
            await anyio.lowlevel.checkpoint()
        self._requests[place] = evolve(self._requests[place], body=bytes(taken), complete=complete and whole)

    def _check(self, misfits: Iterable[str]) -> None:
        found = "; ".join(misfits)
        if found:
            failure = f"request {len(self._requests)} does not fit the script: {found}; {self._came()}"
            self._failures.append(failure)
            raise AssertionError(failure)

    def _came(self) -> str:
        return f"requests so far: {', '.join(map(str, self._requests)) or 'none'}"


async def _fault(kind: FaultKind | None) -> TransportFault:
    """Return what breaks the connection; never, where nothing does."""
    while kind is None:
        await anyio.sleep_forever()
    return trouble(kind)


class _ScriptedExchange:
    """A scripted answer while it arrives."""

    def __init__(self, answer: ScriptedAnswer) -> None:
        self.head = answer.head
        self._pieces = answer.pieces()

    async def read(self) -> bytes:
        """Return the next piece; see `ports.Exchange.read`."""
        await anyio.lowlevel.checkpoint()
        return next(self._pieces, b"")

    async def aclose(self) -> None:
        """There is no connection to let go of."""
