"""The two routes of the service as an OpenAPI 3.1 document."""

from typing import Any

from aiml_music.sandbox.checks import MODEL, PURPOSES
from aiml_music.sandbox.encoding import BITRATES, FORMATS, SAMPLE_RATES_HZ
from aiml_music.sandbox.scenarios import SCENARIOS

UPLOAD_PATH = "/v2/generate/audio/minimax/upload"
GENERATE_PATH = "/v2/generate/audio/minimax/generate"

_Schema = dict[str, Any]

_STRING: _Schema = {"type": "string"}
_INTEGER: _Schema = {"type": "integer"}


def _object(properties: _Schema, *, required: tuple[str, ...] = ()) -> _Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _reference(name: str) -> _Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_SCHEMAS: _Schema = {
    "BaseResponse": {
        **_object({"status_code": _INTEGER, "status_msg": _STRING}, required=("status_code", "status_msg")),
        "description": "0 is success; any other code is a refusal, whatever the HTTP status.",
    },
    "UploadRequest": _object(
        {
            "purpose": {"type": "string", "enum": list(PURPOSES)},
            "file": {"type": "string", "format": "binary", "description": "WAV or MP3, over 10 s and up to 600 s."},
        },
        required=("purpose", "file"),
    ),
    "UploadResponse": _object(
        {
            "voice_id": {"type": "string", "pattern": "^vocal-[0-9]{16}-[A-Za-z0-9]{8}$"},
            "instrumental_id": {"type": "string", "pattern": "^instrumental-[0-9]{16}-[A-Za-z0-9]{8}$"},
            "trace_id": _STRING,
            "base_resp": _reference("BaseResponse"),
        },
        required=("base_resp",),
    ),
    "AudioSetting": _object(
        {
            "format": {"type": "string", "enum": list(FORMATS)},
            "sample_rate": {"type": "integer", "enum": list(SAMPLE_RATES_HZ)},
            "bitrate": {"type": "integer", "enum": list(BITRATES)},
        },
        required=("format",),
    ),
    "GenerateRequest": {
        **_object(
            {
                "model": {"type": "string", "enum": [MODEL]},
                "lyrics": _STRING,
                "refer_voice": _STRING,
                "refer_instrumental": _STRING,
                "audio_setting": _reference("AudioSetting"),
            },
            required=("model", "lyrics"),
        ),
        "anyOf": [{"required": ["refer_voice"]}, {"required": ["refer_instrumental"]}],
    },
    "GenerateResponse": _object(
        {
            "data": _object(
                {
                    "status": {"type": "integer", "description": "1 in progress, 2 completed."},
                    "audio": {"type": "string", "description": "The file in hex digits."},
                },
            ),
            "extra_info": _object(
                {
                    "audio_length": {"type": "integer", "description": "Milliseconds."},
                    "audio_size": {"type": "integer", "description": "Bytes."},
                    "audio_bitrate": {"type": "integer", "description": "Bits per second."},
                    "audio_sample_rate": {"type": "integer", "description": "Hertz."},
                },
            ),
            "analysis_info": {"type": "null"},
            "trace_id": _STRING,
            "base_resp": _reference("BaseResponse"),
        },
        required=("base_resp",),
    ),
    "FlatError": _object(
        dict.fromkeys(("message", "path", "requestId", "statusCode", "timestamp"), _STRING),
        required=("message", "path", "requestId", "statusCode", "timestamp"),
    ),
    "FieldError": _object(
        {
            "error": _object(
                {"name": _STRING, "message": _STRING, "data": {"type": "array", "items": _reference("Issue")}},
                required=("name", "message", "data"),
            )
        },
        required=("error",),
    ),
    "Issue": _object(
        {"code": _STRING, "path": {"type": "array", "items": _STRING}, "message": _STRING},
        required=("code", "path", "message"),
    ),
}

_ANSWER_HEADERS: _Schema = {
    "x-inference-id": {"schema": _STRING},
    "x-client-request-id": {"schema": _STRING, "description": "Echoed when it was well-formed."},
    "x-aimlapi-credits-used": {"schema": _INTEGER},
    "x-aimlapi-usd-spent": {"schema": {"type": "number"}},
    "x-aiml-sandbox": {"schema": {"const": "1"}},
}


def _json_answer(description: str, *names: str) -> _Schema:
    schemas = [_reference(name) for name in names]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"description": description, "headers": _ANSWER_HEADERS, "content": {"application/json": {"schema": schema}}}


def _operation(name: str, summary: str, *, media_type: str, request: str, response: str) -> _Schema:
    return {
        "operationId": name,
        "summary": summary,
        "security": [{"key": []}],
        "parameters": [
            {"name": "x-client-request-id", "in": "header", "schema": {"pattern": "^[A-Za-z0-9._:-]{1,128}$"}},
            {"name": "x-sandbox-scenario", "in": "header", "schema": {"enum": list(SCENARIOS)}},
        ],
        "requestBody": {"required": True, "content": {media_type: {"schema": _reference(request)}}},
        "responses": {
            "200": _json_answer("Done, or refused by the provider when base_resp has a code.", response),
            "400": _json_answer("The request is not of the right shape.", "FieldError", "FlatError"),
            "401": _json_answer("The key is missing or wrong.", "FlatError"),
            "403": _json_answer("No credits are left, or the host is not this machine.", "FlatError"),
            "413": _json_answer("The body is too large.", "FlatError"),
            "429": _json_answer("Too many requests.", "FlatError"),
            "500": _json_answer("The server failed.", "FlatError"),
            "502": {"description": "A proxy failed.", "content": {"text/html": {"schema": _STRING}}},
            "504": _json_answer("The generation took too long.", "FlatError"),
        },
    }


def document() -> dict[str, Any]:
    """Return the description of the service's routes, their answers and errors."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "aiml_music sandbox",
            "version": "1",
            "description": "An offline stand-in for the music endpoints of AI/ML API.",
        },
        "paths": {
            UPLOAD_PATH: {
                "post": _operation(
                    "upload",
                    "Take a reference and answer with ids for it.",
                    media_type="multipart/form-data",
                    request="UploadRequest",
                    response="UploadResponse",
                )
            },
            GENERATE_PATH: {
                "post": _operation(
                    "generate",
                    "Make a track.",
                    media_type="application/json",
                    request="GenerateRequest",
                    response="GenerateResponse",
                )
            },
        },
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }
