"""The words that the description of the routes is made of."""

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
STRING_OR_NULL: Schema = {"type": ["string", "null"]}
MOMENT: Schema = {"type": "string", "format": "date-time"}


def an_object(properties: Schema, *, required: tuple[str, ...] = ()) -> Schema:
    """Return the schema of an object with these members."""
    return {"type": "object", "properties": properties, "required": list(required)}


def reference(name: str) -> Schema:
    """Return a reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


ANSWER_HEADERS: Schema = {
    "x-inference-id": {"schema": STRING},
    "x-client-request-id": {"schema": STRING, "description": "Echoed when it was well-formed."},
    "x-aimlapi-credits-used": {"schema": INTEGER},
    "x-aimlapi-usd-spent": {"schema": {"type": "number"}},
    "x-aiml-sandbox": {"schema": {"const": "1"}},
}


def json_answer(description: str, *names: str) -> Schema:
    """Return an answer in JSON, of one of these named schemas."""
    schemas = [reference(name) for name in names]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"description": description, "headers": ANSWER_HEADERS, "content": {"application/json": {"schema": schema}}}


def asked(name: str, schema: Schema) -> Schema:
    """Return a parameter of the query."""
    return {"name": name, "in": "query", "schema": schema}


def asked_some(name: str, schema: Schema) -> Schema:
    """Return a parameter of the query that may come more than once."""
    return {**asked(name, {"type": "array", "items": schema}), "style": "form", "explode": True}
