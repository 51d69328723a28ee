"""Sends what an OpenAPI document allows, and what it does not, and judges every answer."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator
from schemathesis import Case, GenerationMode, openapi

PROBLEM, JSON = "application/problem+json", "application/json"
FOUR = frozenset({"message", "type", "param", "code"})
SEVEN = frozenset({"type", "title", "status", "detail", "code", "param", "request_id"})
ERRORS: tuple[tuple[str, str, Mapping[str, frozenset[str]]], ...] = (
    ("/authority", PROBLEM, {"": SEVEN}),
    ("/advisory", PROBLEM, {"": SEVEN}),
    ("/api/v1", JSON, {"": frozenset({"error"}), "error": FOUR - {"param"}}),
    (
        "/v1/messages",
        JSON,
        {"": frozenset({"type", "error", "request_id"}), "error": frozenset({"type", "message"})},
    ),
    ("", JSON, {"": frozenset({"error"}), "error": FOUR}),
)
"""An error by the first prefix that fits: its media type, and what it and its parts have."""


class Answered(Protocol):
    """What `httpx` and `requests` both have."""

    status_code: int

    @property
    def headers(self) -> Any: ...
    @property
    def text(self) -> str: ...


Send = Callable[[requests.PreparedRequest], Answered]
BASE = "http://127.0.0.1:1234"


@dataclass(frozen=True)
class Fuzz:
    """One document, who answers for it, and how many examples of each kind are sent."""

    document: Mapping[str, Any]
    send: Send
    examples: int

    def operations(self) -> list[Any]:
        found = openapi.from_dict(dict(self.document)).get_all_operations()
        return [operation.ok() for operation in found]

    def good_and_bad(self, operation: Any) -> None:
        """Judge answers to what the document allows, and to what it does not."""
        self._run(operation, GenerationMode.POSITIVE, self._judge_case)
        if any(True for _ in operation.body) or any(True for _ in operation.query):
            with suppress(Unsatisfiable):  # a body that may be anything is never a bad one
                self._run(operation, GenerationMode.NEGATIVE, self._judge_case)

    def grafted(self, operation: Any, path: str, good: Mapping[str, Any]) -> None:
        """Judge answers to a request that is known as good, with fields of generated ones."""

        def judged(case: Case) -> None:
            made = case.body if isinstance(case.body, dict) else {}
            for body in (good | made, *({**good, name: made[name]} for name in made)):
                asked = requests.Request(case.method, BASE + path, json=body)
                self._judge(case, asked.prepare())

        self._run(operation, GenerationMode.POSITIVE, judged)

    def _judge_case(self, case: Case) -> None:
        asked = case.as_transport_kwargs(base_url=BASE)
        known = ("method", "url", "headers", "params", "json", "data", "files", "cookies")
        kept = {name: asked[name] for name in known if name in asked}
        self._judge(case, requests.Request(**kept).prepare())

    def _judge(self, case: Case, asked: requests.PreparedRequest) -> None:
        judge(self.document, case, asked, self.send(asked))

    def _run(self, operation: Any, mode: GenerationMode, judged: Callable[[Case], None]) -> None:
        @settings(
            max_examples=self.examples,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def run(case: Case) -> None:
            judged(case)

        run()


def judge(
    document: Mapping[str, Any], case: Case, asked: requests.PreparedRequest, answer: Answered
) -> None:
    """Raise AssertionError for an answer that the document or its surface does not have."""
    status = answer.status_code
    shown = f"{asked.method} {asked.path_url} {asked.body!r:.500} -> {status}: {answer.text[:500]}"
    media_type = answer.headers["content-type"].partition(";")[0]
    assert answer.headers["x-request-id"], shown
    if status >= 400 and not case.path.startswith("/readyz"):
        _judge_error(case.path, media_type, answer.text, shown)
    if case.path_parameters and status in {404, 405}:
        return  # some names make the path of another route, or of none
    told = document["paths"][case.path][case.method.lower()]["responses"]
    assert status != 500, shown
    assert str(status) in told, f"a status that is not documented: {shown}"
    content = told[str(status)].get("content", {})
    assert media_type in content, f"{media_type} is not documented: {shown}"
    is_json = media_type in {JSON, PROBLEM}  # of a stream, the document says only what it is
    schema = content[media_type].get("schema", {}) if is_json else {}
    judging = Draft202012Validator({"allOf": [schema], "components": document["components"]})
    for body in _bodies(media_type, answer.text):
        errors = [error.message for error in judging.iter_errors(body)]
        assert not errors, f"{errors}: {shown}"


def _judge_error(path: str, media_type: str, text: str, shown: str) -> None:
    _, wanted, parts = next(row for row in ERRORS if path.startswith(row[0]))
    assert media_type == wanted, shown
    body = json.loads(text)
    for part, members in parts.items():
        assert members <= set(body[part] if part else body), shown


def _bodies(media_type: str, text: str) -> Iterator[Any]:
    if media_type in {JSON, PROBLEM}:
        yield json.loads(text)
    if media_type == "application/x-ndjson":
        yield from (json.loads(line) for line in text.splitlines())
    if media_type == "text/event-stream":
        data = [line.removeprefix("data: ") for line in text.split("\n") if line[:6] == "data: "]
        yield from (json.loads(line) for line in data if line != "[DONE]")
