"""Secrets in every place that a client controls, on every route, and afterwards none comes out.

Not in the log (at debug), not on the terminal, in /metrics, in the database, in the ledger's files
or in what another client is answered. Each secret has the same word in it, which nothing else has.
"""

import itertools
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from tests.e2e.server import RunningServer, running_server

WORD = "c4n4ry"
SECRETS = (
    f"lmx_0badcafe_{WORD}{'Zz9_-' * 8}",
    f"sk-proj-{WORD}0123456789",
    f"hf_{WORD}abcdefghijklmnop",
    f"ghp_{WORD}abcdefghijklmnop1234",
    f"glpat-{WORD}abcdefghijkl",
    f"xoxb-123456789012-{WORD}",
    f"AKIA{WORD.upper()}7EXAMPL3Z9",
    f"eyJhbGciOiJIUzI1NiJ9.{WORD}In0.c2lnbmF0dXJl",
    f"https://grace:{WORD}@example.org/x?a=1",
    f"https://example.org/x?api_key={WORD}&a=1",
    f"password={WORD}",
    f'{{"client_secret": "{WORD}"}}',
    f"Authorization: Bearer {WORD}",
    f"-----BEGIN PRIVATE KEY-----\nMIIE{WORD}\n-----END PRIVATE KEY-----",
)
Json = dict[str, Any]


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("canaries") / "home", log_level="debug") as running:
        yield running


def bodies(document: Json, told: Json) -> Iterator[bytes]:
    """A secret in every field that the route names and in some that it does not; secrets for names,
    or what is no UTF-8."""
    secrets = itertools.cycle(SECRETS)
    schema = told["requestBody"]["content"].get("application/json", {}).get("schema", {})
    for part in (schema, *schema.get("anyOf", ())):
        if "$ref" in part:
            schema = document["components"]["schemas"][part["$ref"].rpartition("/")[2]]
    named = {name: next(secrets) for name in schema.get("properties", {})}
    message = {"role": "user", "content": next(secrets), "name": next(secrets)}
    more = {
        "model": next(secrets),
        "user": next(secrets),
        "metadata": {next(secrets): next(secrets)},
        "messages": [message],
        "input": next(secrets),
        "prompt": next(secrets),
        "tools": [{"type": "function", "function": {"name": next(secrets)}}],
        "stop": [next(secrets)],
    }
    yield json.dumps(named | more if len(named) != 1 else named).encode()
    if len(named) % 2:
        yield json.dumps({next(secrets): {next(secrets): [next(secrets)]}}).encode()
        return
    yield b'{"model": "\xff' + SECRETS[0].encode() + b'", "' + SECRETS[1].encode()


def requests(document: Json) -> Iterator[tuple[str, str, bytes]]:
    secrets = itertools.cycle(SECRETS)
    for template, methods in document["paths"].items():
        for method, told in methods.items():
            path = re.sub(r"{[^}]*}", lambda _: _quoted(next(secrets)), template)
            asked = {one["name"]: next(secrets) for one in told.get("parameters", ())}
            query = httpx.QueryParams(asked | {"api_key": WORD, next(secrets): next(secrets)})
            target = f"{path}?{query}"
            if "requestBody" not in told:
                yield method.upper(), target, b""
                continue
            for body in bodies(document, told):
                yield method.upper(), target, body


def _quoted(text: str) -> str:
    return str(httpx.QueryParams({"": text}))[1:].replace("+", "%20")


def headers(key: str) -> dict[str, str]:
    return {
        "authorization": f"Bearer {key}",
        "content-type": "application/json",
        "x-request-id": SECRETS[1],
        "user-agent": SECRETS[2],
        "cookie": f"session={WORD}; b={WORD}",
        "x-forwarded-for": SECRETS[3],
        SECRETS[1]: "a name",
    }


FREE = f"because {SECRETS[1]} and password={WORD}"


def in_their_own_words() -> Iterator[tuple[str, str, Json]]:
    """Requests that would be done, and recorded, but for the secret in them."""
    yield "PUT", "/authority/models/lmx/starter/note", {"note": FREE}
    yield "DELETE", "/authority/models/lmx/starter", {"reason": FREE}
    yield "POST", "/authority/store/purge", {"what": "trash", "reason": FREE}
    yield "POST", "/authority/ledger/exports", {"purpose": FREE}
    yield "POST", "/authority/guardrails/compile", {"intent": FREE}
    yield "POST", "/authority/guardrails/versions", {"text": "version: 1", "note": FREE}
    yield (
        "POST",
        "/authority/guardrails/tasks",
        {"id": "a", "intent": "refuse loads", "reason": FREE},
    )
    asked = {"act": "model_delete", "params": {"model": "lmx/starter"}, "reason": FREE}
    yield "POST", "/authority/approvals", asked
    decided = {"plan_hash": "a" * 64, "challenge": "a", "proof": "a" * 64, "reason": FREE}
    yield "POST", "/authority/approvals/0badcafe/reject", decided
    yield "POST", "/authority/proposals/0badcafe/dismiss", {"reason": FREE}


def come_out(server: RunningServer, metrics: bytes) -> list[str]:
    """Where the word is found, with what stands around it."""
    places: dict[str, bytes] = {"terminal": "".join(server.lines).encode()}
    places["/metrics"] = metrics
    for path in (p for p in server.home.rglob("*") if p.is_file() and "store" not in p.parts):
        with suppress(FileNotFoundError):
            places[str(path.relative_to(server.home))] = path.read_bytes()
    return [
        f"{place}: {content[max(0, found.start() - 90) : found.end() + 30]!r}"
        for place, content in places.items()
        for found in itertools.islice(re.finditer(rb"(?i)c4n4ry", content), 3)
    ]


def test_no_secret_of_any_request_comes_out(loud: RunningServer) -> None:
    document = httpx.get(f"{loud.url}/openapi.json", timeout=60).json()
    asked = list(requests(document))
    assert len(asked) > 150
    with httpx.Client(base_url=loud.url, timeout=120) as client:
        for number, (method, target, body) in enumerate(asked):
            secret = SECRETS[number % len(SECRETS)].split("\n")[0]
            key = loud.operator_key if number % 2 else secret
            answer = client.request(method, target, content=body, headers=headers(key))
            assert answer.status_code != 500, (method, target, answer.text)
            assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
        for method, path, words in in_their_own_words():
            answer = client.request(method, path, json=words, headers=headers(loud.operator_key))
            assert answer.status_code in (400, 422), (path, answer.text)
            assert "key or a password" in answer.text, (path, answer.text)
        for name in ("host", "origin"):
            client.get("/v1/models", headers={name: f"https://{WORD}.example"})
        form = {"file": (SECRETS[1], SECRETS[2].encode()), "password": (None, WORD)}
        client.post("/v1/chat/completions", files=form)
        said = {"role": "user", "content": " ".join(SECRETS[::5])}
        ask = {"model": "default", "messages": [said], "max_tokens": 4}
        answer = client.post("/v1/chat/completions", json=ask)
        assert answer.json()["usage"]["completion_tokens"] > 0
        elsewhere = client.post("/v1/chat/completions", json={"model": "no/pe", "messages": []})
        assert WORD not in elsewhere.text
        shown = client.get("/metrics").content
    assert loud.stop() == 0  # what is counted and not yet written is written now
    found = come_out(loud, shown)
    assert not found, "\n".join(found)
    log = (loud.home / "logs" / "server.log").read_text("utf-8")
    assert log.count('"event": "request"') > 100
    assert all("request_id" in json.loads(line) for line in log.splitlines() if '"ms"' in line)
