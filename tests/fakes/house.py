"""The whole HTTP surface over fakes, driven in-process: no port, no worker, no database."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import httpx
from fastapi import APIRouter

from app.routers.app import build_api
from app.routers.dependencies import Services
from app.routers.metrics import Metrics
from tests.fakes.advising import FakeAdvising
from tests.fakes.approvers import FakeApprovers
from tests.fakes.authority import (
    FakeBackups,
    FakeConfiguring,
    FakeCustody,
    FakeExecution,
    FakeKeys,
    FakeQuestions,
    FakeReading,
    FakeRefusals,
    FakeReports,
)
from tests.fakes.exports import FakeExports
from tests.fakes.governance import FakeGovernance
from tests.fakes.guarding import FakeGuarding
from tests.fakes.housekeeping import FakeHousekeeping
from tests.fakes.inference import FakeComputing, FakeInference
from tests.fakes.proofs import FakeProofs
from tests.fakes.pulling import FakePulling, FakeRepairs
from tests.fakes.responses import FakeResponses
from tests.fakes.runs import FakeRuns

BASE = "http://127.0.0.1:1234"


@dataclass
class House:
    """The fakes behind one application, and the application."""

    inference: FakeInference = field(default_factory=FakeInference)
    computing: FakeComputing | None = None
    responses: FakeResponses = field(default_factory=FakeResponses)
    execution: FakeExecution = field(default_factory=FakeExecution)
    reading: FakeReading = field(default_factory=FakeReading)
    questions: Any = field(default_factory=FakeQuestions)
    runs: Any = field(default_factory=FakeRuns)
    reports: Any = field(default_factory=FakeReports)
    exports: Any = field(default_factory=FakeExports)
    proofs: Any = field(default_factory=FakeProofs)
    custody: Any = field(default_factory=FakeCustody)
    backups: Any = field(default_factory=FakeBackups)
    configuring: Any = field(default_factory=FakeConfiguring)
    housekeeping: FakeHousekeeping = field(default_factory=FakeHousekeeping)
    pulling: FakePulling = field(default_factory=FakePulling)
    repairs: FakeRepairs = field(default_factory=FakeRepairs)
    governance: FakeGovernance = field(default_factory=FakeGovernance)
    approvers: FakeApprovers = field(default_factory=FakeApprovers)
    guarding: FakeGuarding = field(default_factory=FakeGuarding)
    advising: FakeAdvising = field(default_factory=FakeAdvising)
    refusals: FakeRefusals = field(default_factory=FakeRefusals)
    parts: dict[str, bool] = field(default_factory=lambda: {"ledger": True, "catalog": True})
    changes: dict[str, Any] = field(default_factory=dict)

    def services(self) -> Services:
        async def ready() -> dict[str, bool]:
            return self.parts

        services = Services(
            keys=FakeKeys(),
            inference=self.inference,
            computing=self.computing or FakeComputing(self.inference),
            responses=self.responses,
            execution=self.execution,
            reading=self.reading,
            questions=self.questions,
            runs=self.runs,
            reports=self.reports,
            exports=self.exports,
            proofs=self.proofs,
            custody=self.custody,
            backups=self.backups,
            configuring=self.configuring,
            housekeeping=self.housekeeping,
            pulling=self.pulling,
            repairs=self.repairs,
            governance=self.governance,
            approvers=self.approvers,
            guarding=self.guarding,
            advising=self.advising,
            refusals=self.refusals,
            ready=ready,
            metrics=Metrics(),
            version="0.0.0",
            allowed_hosts=frozenset({"lmx.example"}),
            max_body_bytes=1_000_000,
            inference_needs_key=False,
        )
        return replace(services, **self.changes)

    def app(self) -> Any:
        """The routes know nothing of a house: they are worked out once for all of them."""
        api = build_api(self.services())
        api.router = _routes()
        return api


@cache
def _routes() -> APIRouter:
    """FastAPI works them out at the first request to them, for a fifth of a second."""
    return build_api(House().services()).router


class Caller:
    """A client at ASGI level: sends a body, reads messages, can leave at any moment."""

    def __init__(
        self,
        app: Any,
        path: str,
        body: bytes | Iterable[bytes],
        *,
        method: str = "POST",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        chunks = [body] if isinstance(body, bytes) else list(body)
        self._inbox = [
            {"type": "http.request", "body": chunk, "more_body": i + 1 < len(chunks)}
            for i, chunk in enumerate(chunks)
        ]
        self.gone = asyncio.Event()
        self.stalled = asyncio.Event()  # set: reads nothing any more
        self.reads = 0
        self.sent: list[dict[str, Any]] = []
        self._arrived = asyncio.Condition()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [
                (b"host", b"127.0.0.1:1234"),
                (b"content-type", b"application/json"),
                *((name.encode(), value.encode()) for name, value in headers),
            ],
            "client": ("127.0.0.1", 5),
            "server": ("127.0.0.1", 1234),
        }
        self.done = asyncio.create_task(app(scope, self._receive, self._send))

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    async def until(self, seen: Callable[["Caller"], bool]) -> None:
        async with self._arrived:
            await self._arrived.wait_for(lambda: seen(self))

    def forget_the_rest(self) -> None:
        """Send the first part of the body only."""
        del self._inbox[1:]

    async def leave(self) -> None:
        self.gone.set()
        await self.done

    async def _receive(self) -> dict[str, Any]:
        if self._inbox:
            self.reads += 1
            return self._inbox.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if self.stalled.is_set():
            await asyncio.Event().wait()
        async with self._arrived:
            self.sent.append(message)
            self._arrived.notify_all()


def chat(text: str = "one two three", **fields: Any) -> dict[str, Any]:
    return {"model": "lab/echo", "messages": [{"role": "user", "content": text}], **fields}


def chunks_of(body: str) -> list[Any]:
    """Every event of a stream, decoded; a comment or a stray line fails the test."""
    events = body.split("\n\n")
    assert events.pop() == ""
    assert all(event.startswith("data: ") and "\n" not in event for event in events)
    texts = [event.removeprefix("data: ") for event in events]
    return [text if text == "[DONE]" else json.loads(text) for text in texts]


def assert_openai_error(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert isinstance(body["error"]["message"], str)
    assert body["error"]["message"]
    assert "x-request-id" in response.headers
    error: dict[str, Any] = body["error"]
    return error
