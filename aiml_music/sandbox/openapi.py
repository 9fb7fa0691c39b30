"""The routes of the service as an OpenAPI 3.1 document."""

from typing import Any

from aiml_music.sandbox.account_routes import DIRECTIONS, STATUSES, TYPES
from aiml_music.sandbox.checks import MODEL, PURPOSES
from aiml_music.sandbox.encoding import BITRATES, FORMATS, SAMPLE_RATES_HZ
from aiml_music.sandbox.openapi_living import LIVING_PATHS, LIVING_SCHEMAS
from aiml_music.sandbox.scenarios import SCENARIOS
from aiml_music.sandbox.schema_words import (
    BOOLEAN,
    INTEGER,
    MOMENT,
    NUMBER,
    STRING,
    STRING_OR_NULL,
    Schema,
    an_object,
    asked,
    asked_some,
    json_answer,
    reference,
)

UPLOAD_PATH = "/v2/generate/audio/minimax/upload"
GENERATE_PATH = "/v2/generate/audio/minimax/generate"
LOGS_PATH = "/v2/logs"
TRANSACTIONS_PATH = "/v2/billing/transactions"
BALANCE_PATH = "/v2/billing"

_SCHEMAS: Schema = {
    "BaseResponse": {
        **an_object({"status_code": INTEGER, "status_msg": STRING}, required=("status_code", "status_msg")),
        "description": "0 is success; any other code is a refusal, whatever the HTTP status.",
    },
    "UploadRequest": an_object(
        {
            "purpose": {"type": "string", "enum": list(PURPOSES)},
            "file": {"type": "string", "format": "binary", "description": "WAV or MP3, over 10 s and up to 600 s."},
        },
        required=("purpose", "file"),
    ),
    "UploadResponse": an_object(
        {
            "voice_id": {"type": "string", "pattern": "^vocal-[0-9]{16}-[A-Za-z0-9]{8}$"},
            "instrumental_id": {"type": "string", "pattern": "^instrumental-[0-9]{16}-[A-Za-z0-9]{8}$"},
            "trace_id": STRING,
            "base_resp": reference("BaseResponse"),
        },
        required=("base_resp",),
    ),
    "AudioSetting": an_object(
        {
            "format": {"type": "string", "enum": list(FORMATS)},
            "sample_rate": {"type": "integer", "enum": list(SAMPLE_RATES_HZ)},
            "bitrate": {"type": "integer", "enum": list(BITRATES)},
        },
        required=("format",),
    ),
    "GenerateRequest": {
        **an_object(
            {
                "model": {"type": "string", "enum": [MODEL]},
                "lyrics": STRING,
                "refer_voice": STRING,
                "refer_instrumental": STRING,
                "audio_setting": reference("AudioSetting"),
            },
            required=("model", "lyrics"),
        ),
        "anyOf": [{"required": ["refer_voice"]}, {"required": ["refer_instrumental"]}],
    },
    "GenerateResponse": an_object(
        {
            "data": an_object(
                {
                    "status": {"type": "integer", "description": "1 in progress, 2 completed."},
                    "audio": {"type": "string", "description": "The file in hex digits."},
                },
            ),
            "extra_info": an_object(
                {
                    "audio_length": {"type": "integer", "description": "Milliseconds."},
                    "audio_size": {"type": "integer", "description": "Bytes."},
                    "audio_bitrate": {"type": "integer", "description": "Bits per second."},
                    "audio_sample_rate": {"type": "integer", "description": "Hertz."},
                },
            ),
            "analysis_info": {"type": "null"},
            "trace_id": STRING,
            "base_resp": reference("BaseResponse"),
        },
        required=("base_resp",),
    ),
    "Amount": an_object({"usd": NUMBER, "credits": INTEGER}, required=("usd", "credits")),
    "LogRow": an_object(
        {
            "created": MOMENT,
            "status": {"type": "string", "enum": list(STATUSES)},
            "origin": {"type": "string", "enum": ["api", "playground"]},
            "model": STRING,
            "cost": reference("Amount"),
            "tokens": an_object(dict.fromkeys(("input", "output", "total"), INTEGER)),
            "request_id": STRING_OR_NULL,
            "inference_id": STRING,
            "client_request_id": STRING_OR_NULL,
        },
        required=("created", "status", "origin", "model", "inference_id", "client_request_id"),
    ),
    "LogsResponse": an_object(
        {
            "data": {"type": "array", "items": reference("LogRow")},
            "pagination": an_object(
                {**dict.fromkeys(("limit", "offset", "total"), INTEGER), "has_more": BOOLEAN},
                required=("limit", "offset", "total", "has_more"),
            ),
        },
        required=("data", "pagination"),
    ),
    "Transaction": an_object(
        {
            "created_at": MOMENT,
            "direction": {"type": "string", "enum": list(DIRECTIONS)},
            "type": {"type": "string", "enum": list(TYPES)},
            "amount": reference("Amount"),
            "model": STRING_OR_NULL,
            "reference_id": STRING_OR_NULL,
        },
        required=("created_at", "direction", "type", "amount", "model", "reference_id"),
    ),
    "TransactionsResponse": an_object(
        {
            "data": {"type": "array", "items": reference("Transaction")},
            "pagination": an_object(
                {"next_cursor": STRING_OR_NULL, "has_more": BOOLEAN}, required=("next_cursor", "has_more")
            ),
        },
        required=("data", "pagination"),
    ),
    "BalanceResponse": an_object(
        {"current_balance": NUMBER, "currency": STRING}, required=("current_balance", "currency")
    ),
    "FlatError": an_object(
        dict.fromkeys(("message", "path", "requestId", "statusCode", "timestamp"), STRING),
        required=("message", "path", "requestId", "statusCode", "timestamp"),
    ),
    "FieldError": an_object(
        {
            "error": an_object(
                {"name": STRING, "message": STRING, "data": {"type": "array", "items": reference("Issue")}},
                required=("name", "message", "data"),
            )
        },
        required=("error",),
    ),
    "Issue": an_object(
        {"code": STRING, "path": {"type": "array", "items": STRING}, "message": STRING},
        required=("code", "path", "message"),
    ),
}

_SCENARIOS = [name for name, scenario in SCENARIOS.items() if scenario.concerns(direct=True)]


def _operation(name: str, summary: str, *, media_type: str, request: str, response: str) -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "security": [{"key": []}],
        "parameters": [
            {"name": "x-client-request-id", "in": "header", "schema": {"pattern": "^[A-Za-z0-9._:-]{1,128}$"}},
            {"name": "x-sandbox-scenario", "in": "header", "schema": {"enum": _SCENARIOS}},
        ],
        "requestBody": {"required": True, "content": {media_type: {"schema": reference(request)}}},
        "responses": {
            "200": json_answer("Done, or refused by the provider when base_resp has a code.", response),
            "400": json_answer("The request is not of the right shape.", "FieldError", "FlatError"),
            "401": json_answer("The key is missing or wrong.", "FlatError"),
            "403": json_answer("No credits are left, or the host is not this machine.", "FlatError"),
            "413": json_answer("The body is too large.", "FlatError"),
            "429": json_answer("Too many requests.", "FlatError"),
            "500": json_answer("The server failed.", "FlatError"),
            "502": {"description": "A proxy failed.", "content": {"text/html": {"schema": STRING}}},
            "504": json_answer("The generation took too long.", "FlatError"),
        },
    }


def _account_operation(name: str, summary: str, response: str, *parameters: Schema) -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "security": [{"key": []}],
        "parameters": list(parameters),
        "responses": {
            "200": json_answer("One page, newest first.", response),
            "400": json_answer("A parameter is wrong.", "FlatError"),
            "401": json_answer("The key is missing or wrong.", "FlatError"),
            "429": json_answer("More than 200 requests in 60 seconds.", "FlatError"),
        },
    }


_LIMIT = asked("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 50})
_ACCOUNT_PATHS: Schema = {
    LOGS_PATH: {
        "get": _account_operation(
            "logs",
            "List generations, with period or with start and end.",
            "LogsResponse",
            asked("period", {"type": "string", "pattern": "^[1-9][0-9]{0,4}[hd]$"}),
            asked("start", MOMENT),
            asked("end", MOMENT),
            asked_some("model", STRING),
            asked_some("status", {"type": "string", "enum": list(STATUSES)}),
            _LIMIT,
            asked("offset", {"type": "integer", "minimum": 0, "default": 0}),
        )
    },
    TRANSACTIONS_PATH: {
        "get": _account_operation(
            "transactions",
            "List what moved the balance.",
            "TransactionsResponse",
            asked("from", MOMENT),
            asked("to", MOMENT),
            asked("direction", {"type": "string", "enum": list(DIRECTIONS)}),
            asked("type", {"type": "string", "enum": list(TYPES)}),
            _LIMIT,
            asked("cursor", STRING),
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
            **LIVING_PATHS,
            **_ACCOUNT_PATHS,
        },
        "components": {
            "schemas": _SCHEMAS | LIVING_SCHEMAS,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }
