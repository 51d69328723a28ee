"""A small real HTTP server that answers as the authority does, for what talks to it as a client."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import rfc8785

from app.domain.refusals import Refusal
from app.evidence.merkle import inclusion_proof
from app.routers.errors import WIRE
from tests.fakes.quiet_server import QuietServer
from tests.fakes.signed_log import SignedLog
from tests.fakes.store_answers import KIND, STORE

OPERATOR = "lmx_0123abcd_" + "o" * 43
GIB = 1 << 30
MODEL = {
    "id": "lmx/starter",
    "digest": "d" * 64,
    "trust": "verified",
    "size_bytes": 5_242_880,
    "architecture": "llama",
    "max_context": 2048,
    "created": 1_790_000_000,
    "source": "starter",
    "state": "ready",
    "aliases": ["default"],
}


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    body: Any
    key: str | None


@dataclass
class FakeAuthority:
    """What it holds is what it answers with; `asked` is what it was asked."""

    url: str = ""
    models: list[dict[str, Any]] = field(default_factory=lambda: [MODEL | KIND])
    keys: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    logged: list[str] | None = None  # leaves in the log, where they are not those of `events`
    page_at_most: int = 1_000
    resident: list[dict[str, Any]] = field(default_factory=list)
    chat: list[dict[str, Any]] = field(default_factory=lambda: answer_of("Hello", " there."))
    budget_bytes: int = 8 * GIB
    in_force: dict[str, Any] = field(default_factory=dict)  # of the status, its `guardrails`
    problem: tuple[int, dict[str, Any]] | None = None
    raw: bytes | None = None
    reports: Callable[[Asked], Any] | None = None  # what answers below /authority/ledger/reports
    approvals: Callable[[Asked], Any] | None = None  # what answers below /authority/approvals
    runs: Callable[[Asked], Any] | None = None  # what answers below /authority/runs
    guardrails: Callable[[Asked], Any] | None = None  # what answers below /authority/guardrails
    asked: list[Asked] = field(default_factory=list)
    import_error: dict[str, Any] | None = None
    candidates: list[dict[str, Any]] = field(default_factory=list)
    store: dict[str, Any] = field(default_factory=lambda: dict(STORE))
    scripted: dict[str, Any] = field(default_factory=dict)  # by path; a list is sent as lines
    hold_import: threading.Event | None = None
    import_hung_up: threading.Event = field(default_factory=threading.Event)

    def last(self, path: str) -> Asked:
        return [a for a in self.asked if a.path == path][-1]

    def record(self, count: int) -> None:
        for seq in range(len(self.events) + 1, len(self.events) + count + 1):
            self.events.append(event_of(seq))


def event_of(seq: int, subject: str = "lmx/starter") -> dict[str, Any]:
    shown = {"seq": seq, "event_id": f"id-{seq}", "ts_utc_us": 1_790_000_000_123_456 + seq}
    shown |= {"kind": "load_intent", "subject": subject, "outcome": None}
    body = shown | {"v": 1, "actor": {"id": "key:0123abcd", "roles": ["operator"]}, "data": {}}
    leaf = hashlib.sha256(b"\x00" + rfc8785.dumps(body)).hexdigest()
    return shown | {"actor": "key:0123abcd", "leaf": leaf, "intact": True, "body": body}


def answer_of(*pieces: str, finish: str = "stop") -> list[dict[str, Any]]:
    return [
        *({"choices": [{"delta": {"content": p}, "finish_reason": None}]} for p in pieces),
        {"choices": [{"delta": {}, "finish_reason": finish}]},
    ]


def problem_of(code: str, detail: str, status: int) -> tuple[int, dict[str, Any]]:
    return status, {"type": "about:blank", "status": status, "detail": detail, "code": code}


@contextmanager
def serving(authority: FakeAuthority) -> Iterator[FakeAuthority]:
    handler = type("Handler", (_Handler,), {"authority": authority})
    server = QuietServer(("127.0.0.1", 0), handler)
    authority.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield authority
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    authority: FakeAuthority

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def log_message(self, *_: Any) -> None:
        """Tests look at `asked`."""

    def _answer(self, method: str) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        given = self.headers.get("Authorization")
        asked = Asked(
            method,
            unquote(parts.path),
            {k: v[0] for k, v in parse_qs(parts.query).items()},
            body,
            given.removeprefix("Bearer ") if given else None,
        )
        self.authority.asked.append(asked)
        if self.authority.raw is not None:
            self._send(200, self.authority.raw)
        elif self.authority.problem is not None:
            status, problem = self.authority.problem
            self._send(status, json.dumps(problem).encode(), kind="application/problem+json")
        elif asked.path.startswith("/authority") and asked.key != OPERATOR:
            self._problem("key_missing", "This needs a key.", 401)
        else:
            self._route(asked)

    def _route(self, asked: Asked) -> None:
        store, reindexed = self.authority.store, {"rows": 3, "changed": 1, "event": 4}
        routes: dict[str, Callable[[Asked], None]] = {
            "/authority/status": self._status,
            "/authority/models": lambda _: self._json({"models": self.authority.models}),
            "/authority/models/fit": self._fit,
            "/authority/models/import": self._import,
            "/authority/models/adopt": self._adopt,
            "/authority/keys": self._keys,
            "/authority/store": lambda _: self._json(store),
            "/authority/store/trash": lambda _: self._json({"trash": store["trash"]}),
            "/authority/store/restore": lambda _: self._json(MODEL),
            "/authority/rules": self._rules,
            "/authority/ledger/events": self._events,
            "/authority/ledger/keys": lambda _: self._json({"keys": [str(SignedLog().key)]}),
            "/authority/ledger/proofs/inclusion": self._inclusion,
            "/authority/ledger/counts": self._counts,
            "/authority/ledger/reindex": lambda _: self._json(reindexed),
            "/v1/models": lambda _: self._json({"data": self.authority.models}),
            "/v1/chat/completions": self._chat,
        }
        for part in ("ledger/reports", "runs", "guardrails"):
            said = getattr(self.authority, part.rpartition("/")[2])
            if said and asked.path.startswith(f"/authority/{part}"):
                self._json(said(asked))
                return
        if self.authority.approvals and asked.path.startswith("/authority/approvals"):
            try:
                self._json(self.authority.approvals(asked))
            except Refusal as refusal:
                self._problem(refusal.code, refusal.message, WIRE[type(refusal)].status)
        elif asked.path in self.authority.scripted:
            self._scripted(self.authority.scripted[asked.path])
        elif asked.path in routes:
            routes[asked.path](asked)
        elif asked.path.startswith("/authority/models/"):
            self._model(asked)
        elif asked.path.startswith("/authority/ledger/events/"):
            self._event(int(asked.path.rsplit("/", 1)[1]))
        elif asked.path.endswith("/revoke"):
            self._json({"id": asked.path.split("/")[3], "revoked": 1_790_000_000})
        else:
            self._problem("not_found", "There is no such route.", 404)

    def _status(self, _: Asked) -> None:
        memory = {"total_bytes": 16 * GIB, "available_bytes": 9 * GIB, "reading_age_ms": 3}
        memory |= {"budget_bytes": self.authority.budget_bytes, "promised_untaken_bytes": 0}
        answer = {"version": "0.1.0", "listening": self.authority.url, "home": "/home/a/.lmx"}
        answer |= {"uptime_s": 3700, "profile": "solo", "memory": memory}
        answer |= {"ledger": {"size": len(self.authority.events), "available": True}}
        answer |= {"operator_key_path": "/home/a/.lmx/operator.key"}
        self._json(answer | {"models": self.authority.resident} | self.authority.in_force)

    def _fit(self, asked: Asked) -> None:
        weights = 4 * GIB * (asked.body.get("slots") or 1)
        need = {"weights_bytes": weights, "kv_bytes": 7, "workspace_bytes": 0}
        need |= {"worker_base_bytes": 1024, "total_bytes": weights + 1031}
        budget = {"available_bytes": 9 * GIB, "budget_bytes": self.authority.budget_bytes}
        fits = need["total_bytes"] <= self.authority.budget_bytes
        answer = {"verdict": "fits" if fits else "does_not_fit", "need": need, "budget": budget}
        self._json(answer | KIND | {"message": "Fits." if fits else "Does not fit: too much."})

    def _import(self, asked: Asked) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.end_headers()
        for done in (0, 50, 100):
            self._line({"hashing": {"path": "model.safetensors", "done": done, "total": 100}})
        try:
            if self.authority.hold_import is not None:
                self.authority.hold_import.set()
                while True:  # until nobody listens any more
                    self._line({"hashing": {"path": "b", "done": 1, "total": 9}})
        except OSError:
            self.authority.import_hung_up.set()
            return
        if self.authority.import_error is not None:
            self._line({"error": self.authority.import_error})
        else:
            self._line({"done": MODEL | {"id": asked.body.get("name") or "local/model"}})

    def _scripted(self, answer: Any) -> None:
        if not isinstance(answer, list):
            self._json(answer)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.end_headers()
        for line in answer:
            self._line(line)

    def _adopt(self, asked: Asked) -> None:
        if asked.method == "POST":
            self._import(asked)
            return
        self._json({"candidates": self.authority.candidates})

    def _keys(self, asked: Asked) -> None:
        if asked.method == "GET":
            self._json({"keys": self.authority.keys})
            return
        made = {"id": "89abcdef", "name": asked.body["name"], "roles": asked.body["roles"]}
        self._json(made | {"created": 1_790_000_000, "secret": "lmx_89abcdef_" + "s" * 43})

    def _rules(self, _: Asked) -> None:
        rule = {"id": "C02", "tier": "critical", "sentence": "Nothing destructive without a yes."}
        rule |= {"enforced_in": "app.authority.keys", "tests": ["tests/unit/a.py::b"]}
        self._json({"digest": "e" * 64, "rules": [rule]})

    def _events(self, asked: Asked) -> None:
        after, limit = int(asked.query.get("after", 0)), int(asked.query.get("limit", 100))
        newest = asked.query.get("newest_first") == "true"
        events = list(self.authority.events)  # a test may add one while this answers
        found = [
            e for e in events if (e["seq"] > after if not newest else e["seq"] < after or not after)
        ]
        ordered = found[::-1] if newest else found
        page = ordered[: min(limit, self.authority.page_at_most)]
        seqs = sorted(event["seq"] for event in page)
        covered = {"first_seq": seqs[0], "last_seq": seqs[-1]} if seqs else None
        self._json(
            {
                "events": page,
                "size": len(events),
                "next": page[-1]["seq"] if len(page) < min(limit, len(ordered)) else None,
                "range": covered,
                "checkpoint": "lmx/log\n9\ncm9vdA==\n\n\u2014 lmx/log c2ln\n",
                "total": len(found),
            }
        )

    def _counts(self, asked: Asked) -> None:
        by = asked.query["by"].split("+")
        values = {"day": "2026-09-21", "outcome": None, "kind": "refusal", "actor": "system"}
        row = {name: values[name] for name in by} | {"events": 7}
        self._json({"by": asked.query["by"], "counts": [row], "total": 7, "size": 7})

    def _event(self, seq: int) -> None:
        for event in self.authority.events:
            if event["seq"] == seq:
                self._json(event)
                return
        self._problem("event_not_found", f"There is no event {seq}.", 404)

    def _inclusion(self, asked: Asked) -> None:
        leaves = self.authority.logged or [event["leaf"] for event in self.authority.events]
        log = SignedLog(leaves=[bytes.fromhex(leaf) for leaf in leaves])
        proof = inclusion_proof(int(asked.query["seq"]) - 1, log.size, log.subtree)
        encoded = [base64.b64encode(item).decode() for item in proof]
        self._json({"proof": encoded, "checkpoint": str(log.note())})

    def _model(self, asked: Asked) -> None:
        name = asked.path.removeprefix("/authority/models/")
        if asked.method in ("PUT", "DELETE"):
            self._json(MODEL | {"aliases": ["tiny"], "pinned": True, "note": "a note"})
            return
        if asked.method == "POST":
            name, act = name.rsplit("/", 1)
        for model in self.authority.models:
            if model["id"] == name and asked.method == "GET":
                file = {"path": "config.json", "size": 700, "sha256": "f" * 64}
                self._json(model | {"files": [file], "shape": KIND})
                return
            if model["id"] == name:
                self._json({"id": name, "state": {"unload": "absent"}.get(act, "ready")})
                return
        self._problem("model_not_found", f"There is no model {name}.", 404)

    def _chat(self, _: Asked) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for chunk in self.authority.chat:
            self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")

    def _problem(self, code: str, detail: str, status: int) -> None:
        status, problem = problem_of(code, detail, status)
        self._send(status, json.dumps(problem).encode(), kind="application/problem+json")

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode())

    def _line(self, value: Any) -> None:
        self.wfile.write(json.dumps(value).encode() + b"\n")

    def _send(self, status: int, body: bytes, *, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
