"""docs/contract.md: every endpoint and every field, from the routes and the tables in force.

The tables are proved row by row by tests/web/test_*fields.py, the routes by tests/web/test_fuzz.py
and the key that each needs by tests/web/test_keys_on_*.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

from starlette.routing import BaseRoute

from app.routers.anthropic import fields as anthropic
from app.routers.app import build_api
from app.routers.dependencies import ClientRoute, KeyedRoute, Services
from app.routers.fields import Field
from app.routers.lmstudio import fields as lmstudio
from app.routers.metrics import Metrics
from app.routers.openai import fields as openai
from app.routers.openai import work_fields as work
from app.routers.openai.responses import fields as responses

INTRODUCTION = """
# Contract

What this server does with each field of each endpoint. A field is **supported**: it does what its
note says. Or it is **ignored**: it is a hint that changes no answer, or asks for nothing here. Or
it is **refused**: a value that asks for something gives 400 and names the field; null and the
field's default pass. On `/v1` and `/api/v0`, a field that stands in no table is ignored; on
`/api/v1`, `/authority` and `/advisory` it is refused by its name.

Every row is proved by a test, and every field that the official clients of OpenAI and Anthropic can
send has one. The same document for machines is `/openapi.json`, with which the tests fuzz every
route. What errors look like is in [errors.md](errors.md).
"""

SURFACES = (
    ("OpenAI", ("/v1", "/tokenize", "/detokenize")),
    ("Anthropic", ("/v1/messages",)),
    ("LM Studio", ("/api/v0", "/api/v1")),
    ("Authority", ("/authority",)),
    ("Advice", ("/advisory",)),
    ("Probes", ("/",)),
)
"""A route is of the surface that has the longest of the prefixes that fit."""

KEYS = """
A key stands in `Authorization: Bearer KEY` or `x-api-key: KEY`. Where the table says *open*, a
request without a key or with an unknown one is anonymous, until `inference_requires_key` closes
these routes; a revoked key is refused everywhere. *needed*: only an active key whose roles allow
the act. *never*: a key is not asked for. A key whose one role is `advisor` gets 403 everywhere but
on `GET /advisory/snapshot` and `POST /advisory/proposals`, at probes and unknown addresses too.
"""

TABLES: Mapping[str, Sequence[Field]] = {
    **openai.ENDPOINTS,
    "each of messages of /v1/chat/completions": openai.MESSAGE,
    "stream_options of /v1/chat/completions and /v1/completions": openai.STREAM_OPTIONS,
    "/v1/responses": responses.RESPONSES,
    **{path: rows for path, rows in work.ENDPOINTS.items() if path.startswith("/v1")},
    **anthropic.ENDPOINTS,
    **lmstudio.ENDPOINTS,
}
SAME_AS: Mapping[str, str] = {
    **{path: f"/v1{path}" for path in work.ENDPOINTS if not path.startswith("/v1")},
    **lmstudio.SAME_AS,
}

EVENTS: Mapping[str, Sequence[str]] = {
    "/v1/responses": responses.EVENTS,
    "/v1/messages": anthropic.EVENTS,
    "/api/v1/chat": lmstudio.EVENTS,
}

ANSWERS = """
* `GET /v1/models` tells of each model also `state` (loaded, not-loaded), `context`, `max_context`,
  `size_bytes`, `digest`, `format`, `task` and `quantization`. Aliases are listed as models.
* Chat messages and their deltas have `reasoning_content` where a model reasons; it is never part of
  `content`.
* `usage` of chat completions and completions has `prompt_tokens_details.cached_tokens` and
  `completion_tokens_details.reasoning_tokens`. `system_fingerprint` is of the weights' digest.
* `/api/v0` adds `stats`, `model_info` and `runtime` to what `/v1` answers.
* Downloads under `/api/v1` also have `message`: what they wait for. Errors there also have `code`.
* Every answer has `x-request-id`; the ledger knows the request by it.
"""

DIFFERENCES = """
From OpenAI:

* A model is never replaced by another one: a name that is not listed gives 404.
* Schemas, patterns and forced calls are enforced token by token. One that cannot be enforced gives
  400 before anything is generated. Beside tools that the model may call, an answer can be held to
  JSON alone.
* Without `temperature` and `top_p` the model's own defaults hold, not 1.
* `n` is at most 8, and prompts times `n` at most 32.
* Text only: images and audio give 400.
* Nothing is stored, also with `store`, unless the operator switched keeping on for the key.
* During a long prompt, streams have comment lines (`: ...`), which clients pass over.
* `truncation: "auto"` gives 400: nothing of an input is left out in silence.
* The server runs no tools of its own, and makes no connection for a client.

From Anthropic:

* `temperature` and `top_p` without a value are the model's own.
* Thinking blocks have an empty `signature`, and none is checked.
* Any string is taken as a key while inference is open.

From LM Studio:

* Loading, unloading and downloading need an operator's key, and are in the ledger. A load that does
  not fit is refused.
* A download is an ask: it is `paused` until a person has approved it.
* A chat stores nothing, so `previous_response_id` gives 400. It loads nothing on other terms than
  the model already has.
* Rerankers are in `/v1/models` only.
"""


def page() -> str:
    parts = [INTRODUCTION.strip(), "## Endpoints", KEYS.strip(), _endpoints(), "## Fields"]
    parts += [_table(name, rows) for name, rows in TABLES.items()]
    same = "\n".join(f"* `{path}` takes what `{other}` takes." for path, other in SAME_AS.items())
    parts += [same, "## Answers beyond OpenAI's", ANSWERS.strip(), "## Named events"]
    parts += [f"`{path}`: {', '.join(f'`{name}`' for name in EVENTS[path])}." for path in EVENTS]
    parts += ["## Differences", DIFFERENCES.strip()]
    return "\n\n".join(parts)


def _endpoints() -> str:
    surfaces: dict[str, list[str]] = {name: [] for name, _ in SURFACES}
    for method, path, key, told in endpoints():
        said = told.get("description", "").split("\n")[0]
        row = f"| `{method} {path}` | {key} | {_streams(told)} | {_takes(path, told)} | {said} |"
        surfaces[surface_of(path)].append(row)
    head = "| endpoint | key | streamed | takes | what it does |\n|---|---|---|---|---|"
    tables = (f"### {name}\n\n{head}\n" + "\n".join(rows) for name, rows in surfaces.items())
    return "\n\n".join(tables)


def _streams(told: Mapping[str, Any]) -> str:
    answers = [answer for status, answer in told["responses"].items() if status.startswith("2")]
    content = {kind for answer in answers for kind in answer.get("content", {})}
    if "text/event-stream" in content:
        return "events, when `stream` is true"
    return "JSON lines" if "application/x-ndjson" in content else "no"


def _takes(path: str, told: Mapping[str, Any]) -> str:
    """The names of what may be sent, where no table tells more of it."""
    if path in TABLES or path in SAME_AS:
        return "below"
    names = [one["name"] for one in told.get("parameters", ()) if one["in"] == "query"]
    return ", ".join(f"`{name}`" for name in (*names, *told["x-fields"]))


def surface_of(path: str) -> str:
    fitting = [
        (len(prefix), name)
        for name, prefixes in SURFACES
        for prefix in prefixes
        if path.startswith(prefix)
    ]
    return max(fitting)[1]


def endpoints() -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """Method, path, whether a key is needed and what /openapi.json says, of every route."""
    nothing = SimpleNamespace(
        version="0", allowed_hosts=frozenset(), max_body_bytes=0, metrics=Metrics()
    )
    api = build_api(cast("Services", nothing))
    keys: dict[tuple[str, str], str] = {}
    for route in _flat(api.routes):
        path = getattr(route, "path", "").replace(":path}", "}")
        keys |= {(method, path): _key(route) for method in getattr(route, "methods", None) or ()}
    document = api.openapi()
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            schema = _body_schema(document, told)
            properties = schema.get("properties", {})
            more = {
                "x-fields": list(properties),
                "x-properties": properties,
                "x-required": schema.get("required", ()),
            }
            yield method.upper(), path, keys[method.upper(), path], told | more


def _body_schema(document: Mapping[str, Any], told: Mapping[str, Any]) -> Mapping[str, Any]:
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema: Mapping[str, Any] = body.get("schema", {})
    named = [one["$ref"] for one in (schema, *schema.get("anyOf", ())) if "$ref" in one]
    if named:
        schema = document["components"]["schemas"][named[0].rpartition("/")[2]]
    return schema


def _key(route: BaseRoute) -> str:
    if isinstance(route, KeyedRoute):
        return "needed"
    return "open" if isinstance(route, ClientRoute) else "never"


def _flat(routes: Sequence[Any]) -> Iterator[BaseRoute]:
    for route in routes:
        inner = getattr(route, "original_router", route)
        if hasattr(inner, "routes"):
            yield from _flat(inner.routes)
        else:
            yield route


def _table(name: str, rows: Sequence[Field]) -> str:
    title = f"`{name}`" if name.startswith("/") else name
    lines = [f"### {title}", "", "| field | what becomes of it | note |", "|---|---|---|"]
    lines += [f"| `{row.name}` | {row.support} | {_cell(row)} |" for row in rows]
    return "\n".join(lines)


def _cell(row: Field) -> str:
    return row.note.replace("|", "\\|").replace("<", "&lt;")
