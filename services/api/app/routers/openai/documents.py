"""How /v1 describes itself in /openapi.json, since its bodies are parsed by hand."""

from functools import cache
from typing import Any

from pydantic import BaseModel


class ErrorDetail(BaseModel):
    """All four are always present."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    error: ErrorDetail


_MEANINGS: dict[int | str, str] = {
    400: "The request is malformed, or asks for what this server does not do.",
    401: "The key is missing, unknown or revoked.",
    403: "The key's roles or policy do not allow this, or it waits for an approval.",
    404: "No such model, response or download.",
    408: "Request timeout.",
    409: "The state of the model does not allow this.",
    413: "The body is too large.",
    421: "The Host header is not this server's.",
    429: "Too many requests wait; come back as Retry-After says.",
    502: "The hub cannot be reached, or its answer cannot be used.",
    503: "The model cannot be served now; the message says why.",
    507: "The disk is full.",
    "default": "Any other refusal.",
}
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer; as server-sent events when `stream` is true.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def errors_as(kind: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """What a client route refuses with, in the shape of its surface.

    The default brings the shape into the document, the others refer to it: FastAPI makes a
    serializer of each shape that it is given, for each route, at each start.
    """
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}
    return {
        status: {"description": meaning}
        | ({"model": kind} if status == "default" else {"content": content})
        for status, meaning in _MEANINGS.items()
    }


ERRORS = errors_as(ErrorBody)


def body_of(kind: type[BaseModel]) -> dict[str, Any]:
    """The request body of a route, with its nested schemas in place."""
    return _Body(kind)


class _Body(dict[str, Any]):
    """What FastAPI adds to an operation, made when /openapi.json is first asked for."""

    def __init__(self, kind: type[BaseModel]) -> None:
        super().__init__(requestBody=kind)

    def items(self) -> Any:
        return _described(self["requestBody"]).items()


@cache
def _described(kind: type[BaseModel]) -> dict[str, Any]:
    schema = kind.model_json_schema(ref_template="#/x/{model}")
    nested = schema.pop("$defs", {})
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _inlined(schema, nested)}},
        }
    }


def _inlined(node: Any, nested: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, nested) for item in node]
    if not isinstance(node, dict):
        return node
    if str(node.get("$ref", "")).startswith("#/x/"):
        return _inlined(nested[node["$ref"].removeprefix("#/x/")], nested)
    return {name: _inlined(value, nested) for name, value in node.items()}
