"""docs/http.md: every route with who may use it, what it takes and how it answers.

Made from the server's own OpenAPI; who may is the table of `tools.http_access`, and
tests/e2e/test_who_may_not.py tries every route with keys of the roles that may not.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.contract_page import SURFACES, TABLES, endpoints, surface_of
from tools.http_access import ALWAYS, INFERENCE, REFUSED, permission_of, roles_of
from tools.http_values import type_of

INTRODUCTION = """
# HTTP

Every route of the server, made from the OpenAPI document that it serves at `/openapi.json`. What
becomes of each field of the client routes is in [contract.md](contract.md), what each refusal means
and what to do about it in [errors.md](errors.md).

A key goes into `Authorization: Bearer KEY` or `x-api-key: KEY`. **Who may** names the roles of
which the key needs one. *Anybody* is who may ask where inference is open, as it is until
`inference_requires_key` closes it; a revoked key is refused everywhere. Every answer carries
`x-request-id`. **Refused with** names the codes that a route is most likely to answer, each with
its status and cure in [errors.md](errors.md); the table before a group of routes says what the
statuses mean there.

On `/authority` and `/advisory` an error is an RFC 9457 problem document
(`application/problem+json`), elsewhere it has the shape of the API that the route belongs to. A
field that a body of `/authority` or `/advisory` does not know is refused by its name.
"""


def page() -> str:
    parts = [INTRODUCTION.strip()]
    routes: dict[str, list[str]] = {name: [] for name, _ in SURFACES}
    for method, path, key, told in endpoints():
        group = routes[surface_of(path)]
        if not group:
            group.append(_statuses(told))
        group.append("\n\n".join(_route(method, path, key, told)))
    parts += [f"## {name}\n\n" + "\n\n".join(texts) for name, texts in routes.items()]
    return "\n\n".join(parts)


def _route(method: str, path: str, key: str, told: Mapping[str, Any]) -> Iterator[str]:
    yield f"### `{method} {path}`"
    yield told.get("description", told["summary"]).strip()
    yield f"**Who may:** {_who(method, path, key)}."
    rows = [*_parameters(told), *_body(path, told)]
    if rows:
        head = "| field | where | value | needed |\n|---|---|---|---|"
        yield "\n".join([head, *rows])
    if path in TABLES:
        yield f"What becomes of each field: [contract.md](contract.md#{_anchor(path)})."
    answers = (_answer(status, one) for status, one in told["responses"].items())
    codes = ", ".join(f"`{code}`" for code in _refused(method, path, key))
    yield f"**Answers:** {'; '.join(filter(None, answers))}." + (
        f" **Refused with:** {codes}." if codes else ""
    )


def _refused(method: str, path: str, key: str) -> Sequence[str]:
    if key == "needed":
        return (*ALWAYS, *REFUSED.get(permission_of(method, path), ()))
    return INFERENCE if key == "open" and method == "POST" else ()


def _answer(status: str, answer: Mapping[str, Any]) -> str:
    kinds = ", ".join(f"`{kind}`" for kind in answer.get("content", {}))
    return f"{status} {kinds}".strip() if status.startswith("2") else ""


def _statuses(told: Mapping[str, Any]) -> str:
    """What the statuses of refusals mean on the routes that answer like this one."""
    rows = [
        f"| {status} | {answer['description']} |"
        for status, answer in told["responses"].items()
        if status.isdigit() and not status.startswith("2")
    ]
    return "\n".join(["| status | means here |", "|---|---|", *rows]) if rows else ""


def _who(method: str, path: str, key: str) -> str:
    if key == "needed":
        return ", ".join(sorted(roles_of(method, path)))
    return "anybody" if key == "open" else "anybody; a key is not asked for"


def _anchor(path: str) -> str:
    return path.replace("/", "")


def _parameters(told: Mapping[str, Any]) -> Iterator[str]:
    for one in told.get("parameters", ()):
        if one["in"] in ("path", "query"):
            place = "path" if one["in"] == "path" else "query"
            yield _row(one["name"], place, one["schema"], needed=one["required"])


def _body(path: str, told: Mapping[str, Any]) -> Iterator[str]:
    if path in TABLES:
        return
    required = told["x-required"]
    for name, schema in told["x-properties"].items():
        yield _row(name, "body", schema, needed=name in required)


def _row(name: str, place: str, schema: Mapping[str, Any], *, needed: bool) -> str:
    told = type_of(schema).replace("|", "\\|").replace("<", "&lt;")
    return f"| `{name}` | {place} | {told} | {'yes' if needed else ''} |"
