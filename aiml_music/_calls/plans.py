"""From checked arguments and a client's options to the plan of one call."""

import uuid
import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from attrs import evolve

from aiml_music._calls.attempt import Plan
from aiml_music._calls.delivery import Target
from aiml_music._calls.keys import ask_for_key
from aiml_music._calls.reference_audio import embedded
from aiml_music._io.bodies import BytesBody
from aiml_music._io.multipart import MultipartBody
from aiml_music._io.reading import Guard
from aiml_music._io.sources import SourceInput
from aiml_music._sansio import order, wire
from aiml_music._sansio.catalogue import UPLOAD_PATH, Model, UnknownModelWarning, unknown_words
from aiml_music._sansio.errors import InputError
from aiml_music._sansio.fields import ModelFields
from aiml_music._sansio.hexjson import JsonLimits
from aiml_music._sansio.lyrics import LyricsCheck, LyricsWarning
from aiml_music._sansio.models import AudioSetting, Reference
from aiml_music._sansio.options import UNSET, Options, TimeoutInput, Timeouts, Unset, check_timeout
from aiml_music._sansio.outcome import Operation
from aiml_music._sansio.polling import Course, Pace
from aiml_music._sansio.ports import Body
from aiml_music._sansio.queued import check_generation_id
from aiml_music._sansio.result_url import reach_of


def checked_order(
    lyrics: str | None,
    reference: Reference | None,
    refer_voice: str | None,
    refer_instrumental: str | None,
    model: str,
    audio_setting: AudioSetting | Mapping[str, Any] | None,
    lyrics_check: LyricsCheck,
    extra_body: Mapping[str, Any] | None,
    reference_audio: SourceInput | None = None,
    fields: ModelFields | None = None,
) -> order.GenerateOrder:
    """Check what a generation was given, and warn its caller's caller of what looks wrong.

    Raises:
        InputError: it cannot be what its author means.
    """
    asked = order.generate_order(
        lyrics=lyrics,
        reference=reference,
        refer_voice=refer_voice,
        refer_instrumental=refer_instrumental,
        reference_audio=reference_audio,
        model=model,
        audio_setting=audio_setting,
        lyrics_check=lyrics_check,
        extra_body=extra_body,
        fields=fields,
    )
    for advice in asked.advice:
        warnings.warn(f"lyrics: {advice}.", LyricsWarning, stacklevel=3)
    if not asked.model.known:
        warnings.warn(unknown_words(model), UnknownModelWarning, stacklevel=3)
    return asked


async def generate_plan(
    options: Options, asked: order.GenerateOrder, timeout: TimeoutInput | Unset, client_request_id: str | None
) -> Plan:
    """Return the plan of a generation, which has its reference open where one goes into the request.

    Raises:
        InputError: the id is ill-formed, or the reference cannot be what the model takes.
        StorageError: what can be read only once could not be kept.
        ConfigError: the limit or the key cannot be used.
    """
    row = asked.model
    timeouts = options.timeouts_for_generate(row.patience_seconds) if timeout is UNSET else check_timeout(timeout)
    body = BytesBody(asked.payload)
    plan = await _plan(
        options, Operation.GENERATE, row.generate_path, body, "application/json", timeouts, client_request_id
    )
    if row.poll_path is not None:
        plan = evolve(plan, course=_course(options, row, row.poll_path))
    if asked.reference_audio is None:
        return plan
    guard = Guard()
    plan = evolve(plan, let_go=guard.close)
    with plan.handed_on():
        return evolve(plan, body=await embedded(asked, guard))


async def collect_plan(
    options: Options, generation_id: str, row: Model, timeout: TimeoutInput | Unset, client_request_id: str | None
) -> Plan:
    """Return the plan of a generation that was submitted before: nothing is paid.

    Raises:
        InputError: an id is ill-formed, or the model gives none.
        ConfigError: the limit or the key cannot be used.
    """
    generation_id = check_generation_id(generation_id)
    if row.poll_path is None:
        raise InputError(f"{row.id} gives its track at once: there is nothing to collect later.")
    timeouts = options.timeouts_for_generate(row.patience_seconds) if timeout is UNSET else check_timeout(timeout)
    request_id = str(uuid.uuid4()) if client_request_id is None else wire.check_client_request_id(client_request_id)
    url = options.base_url + row.poll_path
    return Plan(
        operation=Operation.POLL,
        request=wire.read_head(
            url,
            [("generation_id", generation_id)],
            client_request_id=request_id,
            default_headers=options.default_headers,
        ),
        body=BytesBody(b""),
        key=await ask_for_key(options.api_key),
        client_request_id=request_id,
        timeouts=timeouts,
        retry=options.retry,
        course=evolve(_course(options, row, row.poll_path), generation_id=generation_id),
    )


def _course(options: Options, row: Model, poll_path: str) -> Course:
    return Course(
        poll_url=options.base_url + poll_path,
        default_headers=options.default_headers,
        pace=Pace(first=row.first_poll_seconds, each=row.poll_seconds),
        reach=reach_of(options.base_url),
        lives_seconds=row.result_lives_seconds,
    )


def file_target(
    options: Options, asked: order.GenerateOrder, to: str | PathLike[str] | None, *, overwrite: bool
) -> Target | None:
    """Return the file a track goes into; None keeps it in memory.

    Raises:
        InputError: its name says another format than the one asked for.
    """
    if to is None:
        return None
    order.check_output_name(Path(to), asked)
    return Target(
        path=Path(to),
        overwrite=overwrite,
        room_bytes=asked.room_bytes,
        slow_disk=options.slow_disk,
    )


async def upload_plan(
    options: Options, body: MultipartBody, timeout: TimeoutInput | Unset, client_request_id: str | None
) -> Plan:
    """Return the plan of an upload; raises as `generate_plan`."""
    timeouts = options.timeouts_for_upload(body.length) if timeout is UNSET else check_timeout(timeout)
    return await _plan(options, Operation.UPLOAD, UPLOAD_PATH, body, body.content_type, timeouts, client_request_id)


_A_PAGE = JsonLimits(max_bytes=1 << 20)


async def read_plan(
    options: Options,
    path: str,
    query: Sequence[tuple[str, str]],
    timeouts: Timeouts,
    *,
    limits: JsonLimits = _A_PAGE,
) -> Plan:
    """Return the plan of a look into the account; raises as `generate_plan`."""
    request_id = str(uuid.uuid4())
    return Plan(
        operation=Operation.READ,
        request=wire.read_head(
            options.base_url + path, query, client_request_id=request_id, default_headers=options.default_headers
        ),
        body=BytesBody(b""),
        key=await ask_for_key(options.api_key),
        client_request_id=request_id,
        timeouts=timeouts,
        retry=options.retry,
        limits=limits,
    )


async def _plan(
    options: Options,
    operation: Operation,
    path: str,
    body: Body,
    content_type: str,
    timeouts: Timeouts,
    client_request_id: str | None,
) -> Plan:
    request_id = str(uuid.uuid4()) if client_request_id is None else wire.check_client_request_id(client_request_id)
    return Plan(
        operation=operation,
        request=wire.request_head(
            options.base_url + path,
            content_type=content_type,
            client_request_id=request_id,
            default_headers=options.default_headers,
        ),
        body=body,
        key=await ask_for_key(options.api_key),
        client_request_id=request_id,
        timeouts=timeouts,
        retry=options.retry,
    )
