"""From checked arguments and a client's options to the plan of one call."""

import uuid
import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from aiml_music._calls.attempt import Plan
from aiml_music._calls.delivery import Target
from aiml_music._calls.keys import ask_for_key
from aiml_music._io.bodies import BytesBody
from aiml_music._io.multipart import MultipartBody
from aiml_music._sansio import order, wire
from aiml_music._sansio.catalogue import MUSIC_01
from aiml_music._sansio.hexjson import JsonLimits
from aiml_music._sansio.inspection import largest_bytes
from aiml_music._sansio.lyrics import LyricsCheck, LyricsWarning
from aiml_music._sansio.models import AudioSetting, Reference
from aiml_music._sansio.options import UNSET, Options, TimeoutInput, Timeouts, Unset, check_timeout
from aiml_music._sansio.outcome import Operation
from aiml_music._sansio.ports import Body


def checked_order(
    lyrics: str,
    reference: Reference | None,
    refer_voice: str | None,
    refer_instrumental: str | None,
    model: str,
    audio_setting: AudioSetting | Mapping[str, Any] | None,
    lyrics_check: LyricsCheck,
    extra_body: Mapping[str, Any] | None,
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
        model=model,
        audio_setting=audio_setting,
        lyrics_check=lyrics_check,
        extra_body=extra_body,
    )
    for advice in asked.advice:
        warnings.warn(f"lyrics: {advice}.", LyricsWarning, stacklevel=3)
    return asked


async def generate_plan(
    options: Options, asked: order.GenerateOrder, timeout: TimeoutInput | Unset, client_request_id: str | None
) -> Plan:
    """Return the plan of a generation.

    Raises:
        InputError: the id is ill-formed.
        ConfigError: the limit or the key cannot be used.
    """
    timeouts = options.timeouts_for_generate() if timeout is UNSET else check_timeout(timeout)
    body = BytesBody(asked.payload)
    return await _plan(
        options, Operation.GENERATE, asked.model.generate_path, body, "application/json", timeouts, client_request_id
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
    order.check_output_name(Path(to), asked.audio_format)
    return Target(
        path=Path(to),
        overwrite=overwrite,
        room_bytes=largest_bytes(asked.audio_setting),
        slow_disk=options.slow_disk,
    )


async def upload_plan(
    options: Options, body: MultipartBody, timeout: TimeoutInput | Unset, client_request_id: str | None
) -> Plan:
    """Return the plan of an upload; raises as `generate_plan`."""
    timeouts = options.timeouts_for_upload(body.length) if timeout is UNSET else check_timeout(timeout)
    return await _plan(
        options, Operation.UPLOAD, MUSIC_01.upload_path, body, body.content_type, timeouts, client_request_id
    )


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
