"""The routes of the living models, and of the list of models, as parts of the OpenAPI document."""

from aiml_music.sandbox.living import LIVING_MODELS, LivingModel
from aiml_music.sandbox.models_routes import FILTERS, SECTIONS
from aiml_music.sandbox.scenarios import SCENARIOS
from aiml_music.sandbox.schema_words import (
    INTEGER,
    NUMBER,
    STRING,
    Schema,
    an_object,
    asked,
    asked_some,
    json_answer,
    reference,
)

QUEUED_PATH = "/v2/generate/audio"


def _request(model: LivingModel) -> Schema:
    return an_object(
        {
            "model": {"type": "string", "enum": [model.id, *model.aliases]},
            **{field.name: dict(field.schema()) for field in model.fields},
        },
        required=("model", *(field.name for field in model.fields if field.required)),
    )


_TEXTS: Schema = {"type": "array", "items": STRING}

LIVING_SCHEMAS: Schema = {
    "SubmitRequest": {"oneOf": [_request(model) for model in LIVING_MODELS.values()]},
    "SubmitResponse": an_object(
        {
            "id": {"type": "string", "description": "What the track is collected by; it may have ':' and '/' in it."},
            "status": STRING,
            "meta": an_object(
                {"usage": an_object({"credits_used": INTEGER, "usd_spent": NUMBER})},
            ),
        },
        required=("status",),
    ),
    "PollResponse": an_object(
        {
            "id": STRING,
            "status": {"type": "string", "description": "queued, generating, completed or error; others happen."},
            "audio_file": an_object(
                {"url": STRING, "content_type": STRING, "file_name": STRING, "file_size": INTEGER}, required=("url",)
            ),
            "error": an_object({"name": STRING, "message": STRING}, required=("name", "message")),
            "extra_info": an_object(
                dict.fromkeys(
                    ("music_duration", "music_sample_rate", "music_channel", "bitrate", "music_size"), INTEGER
                ),
            ),
            "trace_id": STRING,
        },
        required=("id", "status"),
    ),
    "Model": an_object(
        {
            "id": STRING,
            "aliases": _TEXTS,
            "type": STRING,
            "info": an_object(dict.fromkeys(("name", "developer", "description", "url"), STRING)),
            "tags": _TEXTS,
            "modalities": an_object({"input": _TEXTS, "output": _TEXTS}),
            "capabilities": _TEXTS,
            "pricing": an_object(
                {"kind": STRING, "currency": STRING, "units": {"type": "array", "items": reference("Price")}},
                required=("kind",),
            ),
        },
        required=("id", "aliases", "type", "info", "tags"),
    ),
    "Price": an_object({"name": STRING, "measure": STRING, "price": NUMBER, "per": INTEGER}, required=("price", "per")),
    "ModelsResponse": an_object(
        {"object": {"const": "list"}, "data": {"type": "array", "items": reference("Model")}},
        required=("object", "data"),
    ),
    "ModelResponse": an_object({"object": {"const": "model"}, "data": reference("Model")}, required=("object", "data")),
}

_SCENARIOS = [name for name, scenario in SCENARIOS.items() if scenario.concerns(direct=False)]
_INCLUDE = asked_some("include", {"type": "string", "enum": [*SECTIONS, "all"]})
_DETAILS = asked("details", {"type": "string", "enum": ["true", "1"]})
_UNCHANGED: Schema = {"description": "As it was when it had the tag in If-None-Match."}
_KNOWN: Schema = {"name": "if-none-match", "in": "header", "schema": STRING}

LIVING_PATHS: Schema = {
    QUEUED_PATH: {
        "post": {
            "operationId": "submit",
            "summary": "Submit a generation; charged once it is taken.",
            "security": [{"key": []}],
            "parameters": [
                {"name": "x-client-request-id", "in": "header", "schema": {"pattern": "^[A-Za-z0-9._:-]{1,128}$"}},
                {"name": "x-sandbox-scenario", "in": "header", "schema": {"enum": _SCENARIOS}},
            ],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": reference("SubmitRequest")}},
            },
            "responses": {
                "200": json_answer("Taken.", "SubmitResponse"),
                "400": json_answer("The request is not of the right shape.", "FieldError", "FlatError"),
                "401": json_answer("The key is missing or wrong.", "FlatError"),
                "403": json_answer("No credits are left, or the host is not this machine.", "FlatError"),
                "413": json_answer("The body is too large.", "FlatError"),
                "429": json_answer("Too many requests.", "FlatError"),
                "500": json_answer("The server failed.", "FlatError"),
                "502": {"description": "A proxy failed.", "content": {"text/html": {"schema": STRING}}},
                "504": json_answer("The submit took too long.", "FlatError"),
            },
        },
        "get": {
            "operationId": "poll",
            "summary": "Tell how far a generation has come, and where its track is fetched; free.",
            "security": [{"key": []}],
            "parameters": [{**asked("generation_id", STRING), "required": True}],
            "responses": {
                "200": json_answer("So far it has come.", "PollResponse"),
                "400": json_answer("The id is missing.", "FieldError"),
                "401": json_answer("The key is missing or wrong.", "FlatError"),
                "404": json_answer("There is no such generation.", "FlatError"),
                "429": json_answer("Too many requests.", "FlatError"),
                "500": json_answer("The server failed.", "FlatError"),
                "502": {"description": "A proxy failed.", "content": {"text/html": {"schema": STRING}}},
            },
        },
    },
    "/v1/models": {
        "get": {
            "operationId": "models",
            "summary": "List the models that are served, and what they cost.",
            "parameters": [*(asked_some(name, STRING) for name in FILTERS), _INCLUDE, _DETAILS, _KNOWN],
            "responses": {"200": json_answer("All that fit.", "ModelsResponse"), "304": _UNCHANGED},
        }
    },
    "/model/{id}": {
        "get": {
            "operationId": "model",
            "summary": "Tell of one model, by its id or an alias.",
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": STRING},
                _INCLUDE,
                _DETAILS,
                _KNOWN,
            ],
            "responses": {
                "200": json_answer("The model.", "ModelResponse"),
                "304": _UNCHANGED,
                "404": json_answer("There is no such model.", "FlatError"),
            },
        }
    },
}
