"""The store of results: tracks by their URL, on a port of its own, without a key.

It is another host than the service, and knows it: it never asks for a key, and it writes down the names of the
headers that came, so that a test can show that no key was among them.
"""

import asyncio
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from aiml_music.sandbox.account import FetchRecord, Sandbox
from aiml_music.sandbox.delivery import hang_up
from aiml_music.sandbox.jobs import Job
from aiml_music.sandbox.scenarios import Result
from aiml_music.sandbox.studio import Studio

# Whatever is sent here is written down, also what no client should send.
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

_ELSEWHERE = "localhost"
_ZEROS = bytes(65536)
_PAGE = b"<!doctype html>\n<html><title>Sign in to this network</title></html>\n"


class _CutResponse(Response):
    """The first half of a body that was announced whole; then the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head and the half."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})
        await hang_up(scope, receive, reset=False)
        await send({"type": "http.response.body"})


class Results:
    """The store, over one sandbox's generations.

    Args:
        sandbox: whose generations these are.
        studio: has the tracks.
    """

    def __init__(self, sandbox: Sandbox, studio: Studio) -> None:
        self._sandbox = sandbox
        self._studio = studio

    async def fetch(self, request: Request) -> Response:
        """Give a track out."""
        await request.body()
        path = request.scope["raw_path"].decode("ascii", "replace")
        job = self._sandbox.jobs.find_result(path)
        query = request.url.query
        target = f"{path}?{query}" if query else path
        if request.method != "GET":
            response = _refusal(405, "MethodNotAllowed")
        else:
            response = _refusal(404, "NoSuchKey") if job is None else await self._answer(job, request, target)
        self._sandbox.record_fetch(
            FetchRecord(
                method=request.method,
                target=target,
                host=request.headers.get("host", ""),
                header_names=tuple(request.headers.keys()),
                generation_id=None if job is None else job.id,
                status=response.status_code,
            )
        )
        return response

    async def _answer(self, job: Job, request: Request, target: str) -> Response:
        job.fetches += 1
        result = job.course.result
        if result is Result.FORBIDDEN or request.url.query != job.query:
            return _refusal(403, "AccessDenied")
        if self._sandbox.jobs.now() >= job.dies:
            return _refusal(403, "AccessDenied: Request has expired") if job.query else _refusal(404, "NoSuchKey")
        if result is Result.ELSEWHERE and request.url.hostname != _ELSEWHERE:
            return RedirectResponse(f"http://{_ELSEWHERE}:{request.url.port}{target}", 302)
        if result is Result.A_PAGE:
            return Response(_PAGE, media_type=job.model.media_type)
        recording = await self._studio.recorded(job.take)
        headers = {"etag": f'"{job.token}"'}
        if result is Result.ENDLESS:
            return StreamingResponse(self._endless(recording.audio), media_type=job.model.media_type, headers=headers)
        kind = _CutResponse if result is Result.CUT and job.fetches == 1 else Response
        return kind(recording.audio, media_type=job.model.media_type, headers=headers)

    async def _endless(self, audio: bytes) -> AsyncIterator[bytes]:
        yield audio
        while True:
            yield _ZEROS
            # To a client that is gone, sending takes no time at all: let its end be noticed.
            await asyncio.sleep(0)


def _refusal(status: int, words: str) -> Response:
    return Response(f"<?xml version='1.0'?><Error><Code>{words}</Code></Error>", status, media_type="application/xml")


def create_store(sandbox: Sandbox, studio: Studio) -> Starlette:
    """Return the store as an ASGI application."""
    results = Results(sandbox, studio)
    return Starlette(routes=[Route("/{path:path}", results.fetch, methods=_METHODS)])
