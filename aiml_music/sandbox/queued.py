"""The route of the living models: submit, and poll until the track can be fetched."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from aiml_music.sandbox.account import Sandbox, usd
from aiml_music.sandbox.answers import Issues, RefusedError, flat_refusal, issues_refusal
from aiml_music.sandbox.delivery import NoResponse, pause
from aiml_music.sandbox.fields import Address, base64_in
from aiml_music.sandbox.front import Exchange
from aiml_music.sandbox.issues import MISSING, choice, wrong_type
from aiml_music.sandbox.jobs import Job, Stage
from aiml_music.sandbox.living import LivingModel, living
from aiml_music.sandbox.probe import wrong_cover
from aiml_music.sandbox.reading import asked_scenario, json_of
from aiml_music.sandbox.scenarios import Course, Delivery, Result, Scenario
from aiml_music.sandbox.studio import Studio
from aiml_music.sandbox.takes import take_of

_PRIVATE = "https://10.0.0.1"
_NO_SCENARIO = Scenario(name="", description="Nothing goes wrong.", course=Course())


class QueuedRoutes:
    """The two endpoints, over one sandbox's generations.

    Args:
        sandbox: whose generations these are.
        studio: makes the tracks.
        admit: refuses a request whose key is wrong.
        closing: when set, nothing waits any more.
        results_url: where finished tracks are fetched.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        studio: Studio,
        admit: Callable[[Request], Exchange],
        closing: asyncio.Event,
        results_url: str,
    ) -> None:
        self._sandbox = sandbox
        self._studio = studio
        self._admit = admit
        self._closing = closing
        self._results_url = results_url
        self._models = living(sandbox.settings.withdrawn)
        self._sessions: dict[str, asyncio.Task[None]] = {}

    async def submit(self, request: Request) -> Response:
        """Take a generation in, charge for it once, and answer with its id."""
        exchange = self._admit(request)
        asked = asked_scenario(request, exchange, direct=False)
        scenario = asked or self._sandbox.next_scenario(direct=False) or _NO_SCENARIO
        exchange.scenario = scenario.name or None
        model, payload = await self._read(request)
        # From here on the customer's books know of it.
        exchange.model = model.id
        if scenario.refusal is not None and not scenario.charged:
            raise RefusedError(scenario.refusal)
        if scenario.charged:
            exchange.charge(model.price)
        else:
            exchange.held_credits = model.price
        job = self._take_in(exchange, model, payload, scenario.course or Course())
        if scenario.refusal is not None:
            raise RefusedError(scenario.refusal)
        if scenario.delivery is Delivery.NOTHING:
            exchange.record(None)
            return NoResponse()
        return JSONResponse(_submitted(job))

    async def poll(self, request: Request) -> Response:
        """Tell how far a generation has come."""
        exchange = self._admit(request)
        name = request.query_params.get("generation_id")
        if name is None:
            raise RefusedError(issues_refusal([wrong_type(("generation_id",), "string", MISSING)]))
        job = self._sandbox.jobs.find(name)
        if job is None:
            raise RefusedError(flat_refusal(404, "Generation not found"))
        exchange.generation_id = job.id
        job.polls += 1
        if job.course.slow_polls:
            await pause(self._sandbox.settings.drip_seconds, self._closing)
        refusal = job.next_refusal()
        if refusal is not None:
            raise RefusedError(refusal)
        # After the end of a server, another one goes on with its memory.
        self._record(job)
        return JSONResponse(_polled(job, job.stage(self._sandbox.jobs.now()), self._results_url))

    async def _read(self, request: Request) -> tuple[LivingModel, dict[str, Any]]:
        payload = await json_of(request, max_bytes=self._sandbox.settings.max_upload_bytes)
        if not isinstance(payload, dict):
            raise RefusedError(issues_refusal([wrong_type((), "object", payload)]))
        unknown = choice(payload, ("model",), tuple(self._models) or ("",))
        if unknown:
            raise RefusedError(issues_refusal(unknown))
        model = self._models[payload["model"]]
        issues: Issues = [
            issue
            for field in model.fields
            if field.required or field.name in payload
            for issue in field.issues(payload)
        ]
        if issues:
            raise RefusedError(issues_refusal(issues))
        if not (payload.get("prompt") or payload.get("lyrics")):
            raise RefusedError(flat_refusal(400, "Either prompt or lyrics is needed"))
        await self._check_reference(model, payload)
        return model, payload

    async def _check_reference(self, model: LivingModel, payload: Mapping[str, Any]) -> None:
        """Look at a reference that is inside the request; what is behind a URL is nobody's business here."""
        for field in model.fields:
            encoded = base64_in(payload[field.name]) if isinstance(field, Address) and field.or_content else None
            if encoded:
                words = await anyio.to_thread.run_sync(wrong_cover, encoded)
                if words:
                    raise RefusedError(flat_refusal(400, words))

    def _take_in(self, exchange: Exchange, model: LivingModel, payload: dict[str, Any], course: Course) -> Job:
        job = self._sandbox.jobs.add(
            model,
            take_of(model, payload),
            course,
            charged_credits=exchange.charged_credits,
            client_request_id=exchange.client_request_id,
            trace_id=exchange.trace_id,
        )
        exchange.generation_id = job.id
        self._record(job)
        return job

    def _record(self, job: Job) -> None:
        """Have the track made beside everything else, unless it is made already."""
        if job.made is None and job.id not in self._sessions:
            session = asyncio.create_task(self._recorded(job))
            self._sessions[job.id] = session
            session.add_done_callback(lambda _: self._sessions.pop(job.id))

    async def _recorded(self, job: Job) -> None:
        job.keep(await self._studio.recorded(job.take))


def _submitted(job: Job) -> dict[str, Any]:
    answer: dict[str, Any] = {"id": job.id} if job.course.named else {}
    answer["status"] = job.course.words[0]
    if job.model.tells_usage:
        answer["meta"] = {"usage": {"credits_used": job.model.price, "usd_spent": float(usd(job.model.price))}}
    return answer


def _polled(job: Job, stage: Stage, results_url: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"id": job.id, "status": job.course.words[stage.value]}
    if stage is not Stage.OVER:
        return answer
    if job.course.error is not None:
        return answer | {"status": "error", "error": dict(job.course.error)}
    query = f"?{job.query}" if job.query else ""
    url = f"{_PRIVATE if job.course.result is Result.PRIVATE else results_url}{job.path}{query}"
    answer["audio_file"] = {"url": url}
    if job.model.tells_file:
        answer["audio_file"] |= {
            "content_type": job.model.media_type,
            "file_name": job.file_name,
            "file_size": job.size,
        }
    if job.model.tells_music and job.made is not None:
        answer["extra_info"] = {
            "music_duration": job.made.length_ms,
            "music_sample_rate": job.made.sample_rate_hz,
            "music_channel": 1,
            "bitrate": job.made.bitrate,
            "music_size": 0,
        }
        answer["trace_id"] = job.trace_id
    return answer
