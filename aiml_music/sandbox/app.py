"""The routes of the sandbox: the music-01 pair, and those that its neighbours bring, joined to one application."""

import asyncio
import mmap
import tempfile
from typing import IO, cast

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from aiml_music.sandbox import checks
from aiml_music.sandbox.account import Sandbox
from aiml_music.sandbox.account_routes import AccountRoutes
from aiml_music.sandbox.answers import Answer, Digits, Refusal, RefusedError, flat_refusal, issues_refusal
from aiml_music.sandbox.delivery import NoResponse, TrackResponse, pause
from aiml_music.sandbox.encoding import Recording, Take
from aiml_music.sandbox.front import Exchange, Front
from aiml_music.sandbox.living import living
from aiml_music.sandbox.models_routes import MODEL_PATH, MODELS_PATHS, ModelRoutes
from aiml_music.sandbox.multipart import Form, MultipartError, boundary_of, too_large
from aiml_music.sandbox.openapi import (
    BALANCE_PATH,
    GENERATE_PATH,
    LOGS_PATH,
    TRANSACTIONS_PATH,
    UPLOAD_PATH,
    document,
)
from aiml_music.sandbox.openapi_living import QUEUED_PATH
from aiml_music.sandbox.probe import measure
from aiml_music.sandbox.queued import QueuedRoutes
from aiml_music.sandbox.reading import asked_scenario, json_of
from aiml_music.sandbox.results import create_store
from aiml_music.sandbox.scenarios import Delivery, Scenario
from aiml_music.sandbox.studio import Studio


class Service:
    """The endpoints, over one sandbox's memory."""

    def __init__(self, sandbox: Sandbox, studio: Studio, closing: asyncio.Event) -> None:
        self.closing = closing
        self._sandbox = sandbox
        self._settings = sandbox.settings
        self._studio = studio
        self._tracks: dict[str, bytes] = {}
        # What the gateway says there is instead, where music-01 is no longer served.
        self._models = (
            _DIRECT if checks.MODEL not in self._settings.withdrawn else tuple(living(self._settings.withdrawn))
        )

    async def upload(self, request: Request) -> Response:
        """Take a reference and answer with ids for it."""
        exchange = self.admit(request)
        scenario = asked_scenario(request, exchange, direct=True)
        with tempfile.TemporaryFile() as file:
            form = await self._read_form(request, file)
            issues = checks.check_purpose(form.purpose) + ([] if form.has_file else checks.missing_file())
            if issues or form.purpose is None:
                raise RefusedError(issues_refusal(issues))
            seconds = await anyio.to_thread.run_sync(_measure_file, file)
        refusal = checks.check_duration(seconds)
        if refusal is None and scenario is not None:
            refusal = scenario.refusal
        if refusal is not None:
            raise RefusedError(refusal)
        await pause(self._settings.upload_latency, self.closing)
        kinds = checks.PURPOSES[form.purpose]
        names = self._sandbox.add_reference(form.digest, kinds)
        members = {"vocal": "voice_id", "instrumental": "instrumental_id"}
        return JSONResponse(
            {
                **{members[kind]: name for kind, name in zip(kinds, names, strict=True)},
                "trace_id": exchange.trace_id,
                "base_resp": {"status_code": 0, "status_msg": "success"},
            }
        )

    async def generate(self, request: Request) -> Response:
        """Make a track, charge for it once, and send it."""
        exchange = self.admit(request)
        asked = asked_scenario(request, exchange, direct=True)
        scenario = asked or self._sandbox.next_scenario(direct=True) or _NO_SCENARIO
        exchange.scenario = scenario.name or None
        take = await self._read_take(request)
        # From here on the customer's books know of it.
        exchange.model = checks.MODEL
        if scenario.refusal is not None and not scenario.charged:
            raise RefusedError(scenario.refusal)
        if not scenario.charged:
            await pause(self._settings.latency, self.closing)
            exchange.record(None)
            return NoResponse()
        recording = await self._record(take)
        exchange.charge()
        if scenario.refusal is not None:
            raise RefusedError(scenario.refusal)
        if scenario.delivery is Delivery.NOTHING:
            exchange.record(None)
            return NoResponse()
        answer = scenario.edit(
            Answer(
                digits=Digits(audio=recording.audio),
                extra_info=recording.extra_info,
                trace_id=exchange.trace_id,
                url=str(request.url_for("track", name=exchange.trace_id)),
            )
        )
        if answer.as_url:
            self._tracks[exchange.trace_id] = recording.audio
        return TrackResponse(
            answer,
            delivery=scenario.delivery,
            drip_seconds=self._settings.drip_seconds,
            closing=self.closing,
        )

    async def track(self, request: Request) -> Response:
        """Give out a track that was announced by its address; like any store of files, without asking for a key."""
        audio = self._tracks.get(request.path_params["name"])
        if audio is None:
            raise HTTPException(404)
        return Response(audio, media_type="application/octet-stream")

    async def state(self, _request: Request) -> Response:
        """Tell what was asked and charged so far."""
        return JSONResponse(dict(self._sandbox.state()))

    async def openapi(self, _request: Request) -> Response:
        """Describe the routes of the service."""
        return JSONResponse(document())

    async def home(self, _request: Request) -> Response:
        """Say to a person with a browser what this is."""
        return HTMLResponse(_HOME)

    def admit(self, request: Request) -> Exchange:
        """Let a request in whose key is one of the sandbox's, and refuse every other."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip().startswith(self._settings.accept_keys):
            prefix = self._settings.accept_keys
            raise RefusedError(
                flat_refusal(401, f"Unauthorized: this is the sandbox, it takes only keys that start with {prefix!r}")
            )
        exchange: Exchange = request.state.exchange
        return exchange

    async def _read_form(self, request: Request, file: IO[bytes]) -> Form:
        limit = self._settings.max_upload_bytes
        try:
            if int(request.headers.get("content-length", "0")) > limit:
                raise too_large(limit)
            form = Form(boundary_of(request.headers.get("content-type")), file)
            await form.read(request.stream(), max_bytes=limit)
        except MultipartError as error:
            raise RefusedError(error.refusal) from error
        return form

    async def _read_take(self, request: Request) -> Take:
        payload = await json_of(request, max_bytes=self._settings.max_request_bytes)
        wanted = checks.read_generation(payload, models=self._models)
        if isinstance(wanted, list):
            raise RefusedError(issues_refusal(wanted))
        song = checks.find_song(wanted, self._sandbox.reference, max_lyrics=self._settings.max_lyrics)
        if isinstance(song, Refusal):
            raise RefusedError(song)
        return Take(song, wanted.setting)

    async def _record(self, take: Take) -> Recording:
        """Return the recording once the latency is over, which it is made in."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        recording = await self._studio.recorded(take)
        await pause(begun + self._settings.latency - clock(), self.closing)
        return recording


_DIRECT = (checks.MODEL,)
_NOWHERE = "https://results.invalid"
_NO_SCENARIO = Scenario(name="", description="Nothing goes wrong.")


def create_app(sandbox: Sandbox, *, results_url: str | None = None) -> Starlette:
    """Return the sandbox as an ASGI application, with the store of its results as `app.state.store`.

    Scenarios that close connections need the sandbox's own server: `running` or `serve`.

    Args:
        sandbox: the memory.
        results_url: the address under which somebody serves that store. Without one, finished tracks are announced at
            an address that does not exist.
    """
    closing = asyncio.Event()
    studio = Studio(encoder=sandbox.encoder, longest=sandbox.settings.longest_track)
    service = Service(sandbox, studio, closing)
    account = AccountRoutes(sandbox, service.admit, closing)
    queued = QueuedRoutes(sandbox, studio, service.admit, closing, results_url or _NOWHERE)
    models = ModelRoutes(sandbox.settings)
    app = Starlette(
        routes=[
            Route(UPLOAD_PATH, service.upload, methods=["POST"]),
            Route(GENERATE_PATH, service.generate, methods=["POST"]),
            Route(QUEUED_PATH, queued.submit, methods=["POST"]),
            Route(QUEUED_PATH, queued.poll),
            *(Route(path, models.catalogue) for path in MODELS_PATHS),
            Route(MODEL_PATH, models.one),
            Route(LOGS_PATH, account.logs),
            Route(TRANSACTIONS_PATH, account.transactions),
            Route(BALANCE_PATH, account.balance),
            Route("/sandbox/state", service.state),
            Route("/sandbox/tracks/{name}", service.track, name="track"),
            Route("/openapi.json", service.openapi),
            Route("/", service.home),
        ],
        middleware=[Middleware(Front, sandbox=sandbox)],
        exception_handlers={HTTPException: _refuse_http, RefusedError: _refuse},
    )
    app.router.redirect_slashes = False
    app.state.closing = closing
    app.state.store = create_store(sandbox, studio)
    return app


# Starlette types a handler's error as any exception; it passes only those that the handler is registered for.
async def _refuse(request: Request, error: Exception) -> Response:
    return _answer(request, cast("RefusedError", error).refusal)


async def _refuse_http(request: Request, error: Exception) -> Response:
    failure = cast("HTTPException", error)
    words = f"{failure.detail}: {request.method} {request.url.path}"
    return _answer(request, flat_refusal(failure.status_code, words, headers=failure.headers))


def _answer(request: Request, refusal: Refusal) -> Response:
    exchange: Exchange = request.state.exchange
    return exchange.response(refusal)


def _measure_file(file: IO[bytes]) -> float | None:
    file.flush()
    if not file.tell():
        return None
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return measure(content)


_HOME = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>aiml_music sandbox</title>
<h1>aiml_music sandbox</h1>
<p>An offline stand-in for the music endpoints of AI/ML API. It takes keys that start with <code>sandbox</code>,
makes tracks that hum vowels instead of words, and counts what a call would have cost.</p>
<p><a href="/openapi.json">What it answers</a> · <a href="/sandbox/state">What happened so far</a></p>
</html>
"""
