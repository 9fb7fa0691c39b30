"""What every request passes: the check of its host, the tracing headers, and the log.

An `Exchange` follows one request through the app; what it says is written down once, when the answer begins.
"""

import re
import uuid

from attrs import define, field
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aiml_music.sandbox.account import CREDITS_PER_TRACK, RequestRecord, Sandbox, usd
from aiml_music.sandbox.answers import Refusal, Tracing, flat_refusal

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})

_CLIENT_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TOO_LARGE = 413
_PORT = re.compile(r":\d+$")


@define(kw_only=True)
class Exchange:
    """One request on its way. `trace_id` is what bodies say, `inference_id` what headers say."""

    sandbox: Sandbox
    method: str
    route: str
    client_request_id: str | None
    inference_id: str = field(factory=lambda: str(uuid.uuid4()))
    trace_id: str = field(factory=lambda: uuid.uuid4().hex)
    charged_credits: int = 0
    held_credits: int = 0
    """What is announced as the price of a generation that will fail, and is never charged."""
    generation_id: str | None = None
    scenario: str | None = None
    model: str | None = None
    """What a generation was asked of, once it has arrived whole."""
    tracing: Tracing = Tracing.ALL
    body_left: bool = True

    def charge(self, price: int = CREDITS_PER_TRACK) -> None:
        """Let this request pay for a track."""
        self.charged_credits += self.sandbox.charge(price)

    def record(self, status: int | None) -> None:
        """Write this request into the log."""
        # What only a proxy saw, the service knows nothing of.
        if self.model is not None and self.tracing is not Tracing.NONE:
            self.sandbox.books.write(
                model=self.model,
                inference_id=self.inference_id,
                client_request_id=self.client_request_id,
                charged_credits=self.charged_credits,
            )
        self.sandbox.record(
            RequestRecord(
                method=self.method,
                route=self.route,
                client_request_id=self.client_request_id,
                inference_id=self.inference_id,
                status=status,
                charged_credits=self.charged_credits,
                scenario=self.scenario,
                generation_id=self.generation_id,
            )
        )

    def response(self, refusal: Refusal) -> Response:
        """Return a refusal as an HTTP response."""
        self.tracing = refusal.tracing
        return Response(
            refusal.body(path=self.route, inference_id=self.inference_id, trace_id=self.trace_id),
            status_code=refusal.status,
            headers=dict(refusal.headers),
            media_type=refusal.media_type,
        )

    def headers(self) -> dict[str, str]:
        """Return the headers that tell what this request was and cost."""
        headers = {"x-aiml-sandbox": "1"}
        if self.tracing is not Tracing.NONE:
            headers["x-inference-id"] = self.inference_id
            if self.client_request_id is not None:
                headers["x-client-request-id"] = self.client_request_id
        if self.tracing is Tracing.ALL:
            told = self.charged_credits or self.held_credits
            headers["x-aimlapi-credits-used"] = str(told)
            headers["x-aimlapi-usd-spent"] = usd(told)
        return headers


class Front:
    """The ASGI middleware around the sandbox."""

    def __init__(self, app: ASGIApp, *, sandbox: Sandbox) -> None:
        self._app = app
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add to its answer what every answer has."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        exchange = Exchange(
            sandbox=self._sandbox,
            method=scope["method"],
            route=scope["path"],
            client_request_id=_well_formed(headers.get("x-client-request-id")),
        )
        scope.setdefault("state", {})["exchange"] = exchange

        async def counted_receive() -> Message:
            message = await receive()
            exchange.body_left = message.get("more_body", False)
            return message

        async def traced_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._read_rest(exchange, message["status"], counted_receive)
                exchange.record(message["status"])
                MutableHeaders(scope=message).update(exchange.headers())
            await send(message)

        try:
            # A page on the web can point its own name at this machine, but cannot change the Host that a browser sends.
            if _PORT.sub("", headers.get("host", "")).lower() not in LOOPBACK_NAMES:
                refusal = flat_refusal(403, "The sandbox answers only to 127.0.0.1, localhost and [::1]")
                await exchange.response(refusal)(scope, counted_receive, traced_send)
            else:
                await self._app(scope, counted_receive, traced_send)
        except ClientDisconnect:
            exchange.record(None)

    async def _read_rest(self, exchange: Exchange, status: int, receive: Receive) -> None:
        """Read what is left of a body: a client that still sends when the connection closes may lose the answer."""
        left = self._sandbox.settings.max_upload_bytes
        while exchange.body_left and left > 0 and status != _TOO_LARGE:
            left -= len((await receive()).get("body", b""))


def _well_formed(client_request_id: str | None) -> str | None:
    # The service drops an ill-formed id silently, and runs and bills the call.
    if client_request_id is not None and _CLIENT_REQUEST_ID.fullmatch(client_request_id):
        return client_request_id
    return None
