"""The routes of the service as an OpenAPI 3.1 document."""

from typing import Any

from aiml_music.sandbox.account_routes import DIRECTIONS, STATUSES, TYPES
from aiml_music.sandbox.checks import MODEL, PURPOSES
from aiml_music.sandbox.encoding import BITRATES, FORMATS, SAMPLE_RATES_HZ
from aiml_music.sandbox.scenarios import SCENARIOS

UPLOAD_PATH = "/v2/generate/audio/minimax/upload"
GENERATE_PATH = "/v2/generate/audio/minimax/generate"
QUEUED_PATH = "/v2/generate/audio"
LOGS_PATH = "/v2/logs"
TRANSACTIONS_PATH = "/v2/billing/transactions"
BALANCE_PATH = "/v2/billing"

_Schema = dict[str, Any]

_STRING: _Schema = {"type": "string"}
_INTEGER: _Schema = {"type": "integer"}
_NUMBER: _Schema = {"type": "number"}
_BOOLEAN: _Schema = {"type": "boolean"}
_STRING_OR_NULL: _Schema = {"type": ["string", "null"]}
_MOMENT: _Schema = {"type": "string", "format": "date-time"}


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
    "Amount": _object({"usd": _NUMBER, "credits": _INTEGER}, required=("usd", "credits")),
    "LogRow": _object(
        {
            "created": _MOMENT,
            "status": {"type": "string", "enum": list(STATUSES)},
            "origin": {"type": "string", "enum": ["api", "playground"]},
            "model": _STRING,
            "cost": _reference("Amount"),
            "tokens": _object(dict.fromkeys(("input", "output", "total"), _INTEGER)),
            "request_id": _STRING_OR_NULL,
            "inference_id": _STRING,
            "client_request_id": _STRING_OR_NULL,
        },
        required=("created", "status", "origin", "model", "inference_id", "client_request_id"),
    ),
    "LogsResponse": _object(
        {
            "data": {"type": "array", "items": _reference("LogRow")},
            "pagination": _object(
                {**dict.fromkeys(("limit", "offset", "total"), _INTEGER), "has_more": _BOOLEAN},
                required=("limit", "offset", "total", "has_more"),
            ),
        },
        required=("data", "pagination"),
    ),
    "Transaction": _object(
        {
            "created_at": _MOMENT,
            "direction": {"type": "string", "enum": list(DIRECTIONS)},
            "type": {"type": "string", "enum": list(TYPES)},
            "amount": _reference("Amount"),
            "model": _STRING_OR_NULL,
            "reference_id": _STRING_OR_NULL,
        },
        required=("created_at", "direction", "type", "amount", "model", "reference_id"),
    ),
    "TransactionsResponse": _object(
        {
            "data": {"type": "array", "items": _reference("Transaction")},
            "pagination": _object(
                {"next_cursor": _STRING_OR_NULL, "has_more": _BOOLEAN}, required=("next_cursor", "has_more")
            ),
        },
        required=("data", "pagination"),
    ),
    "BalanceResponse": _object(
        {"current_balance": _NUMBER, "currency": _STRING}, required=("current_balance", "currency")
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


def _account_operation(name: str, summary: str, response: str, *parameters: _Schema) -> _Schema:
    return {
        "operationId": name,
        "summary": summary,
        "security": [{"key": []}],
        "parameters": list(parameters),
        "responses": {
            "200": _json_answer("One page, newest first.", response),
            "400": _json_answer("A parameter is wrong.", "FlatError"),
            "401": _json_answer("The key is missing or wrong.", "FlatError"),
            "429": _json_answer("More than 200 requests in 60 seconds.", "FlatError"),
        },
    }


def _asked(name: str, schema: _Schema) -> _Schema:
    return {"name": name, "in": "query", "schema": schema}


def _asked_some(name: str, schema: _Schema) -> _Schema:
    return {**_asked(name, {"type": "array", "items": schema}), "style": "form", "explode": True}


_LIMIT = _asked("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 50})
_ACCOUNT_PATHS: _Schema = {
    LOGS_PATH: {
        "get": _account_operation(
            "logs",
            "List generations, with period or with start and end.",
            "LogsResponse",
            _asked("period", {"type": "string", "pattern": "^[1-9][0-9]{0,4}[hd]$"}),
            _asked("start", _MOMENT),
            _asked("end", _MOMENT),
            _asked_some("model", _STRING),
            _asked_some("status", {"type": "string", "enum": list(STATUSES)}),
            _LIMIT,
            _asked("offset", {"type": "integer", "minimum": 0, "default": 0}),
        )
    },
    TRANSACTIONS_PATH: {
        "get": _account_operation(
            "transactions",
            "List what moved the balance.",
            "TransactionsResponse",
            _asked("from", _MOMENT),
            _asked("to", _MOMENT),
            _asked("direction", {"type": "string", "enum": list(DIRECTIONS)}),
            _asked("type", {"type": "string", "enum": list(TYPES)}),
            _LIMIT,
            _asked("cursor", _STRING),
        )
    },
    BALANCE_PATH: {"get": _account_operation("billing", "Say what is left of the money.", "BalanceResponse")},
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
            **_ACCOUNT_PATHS,
        },
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }
