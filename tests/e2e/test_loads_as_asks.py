"""Where the settings want a person for loads: one ask, an approval, and then the model answers."""

import hashlib
from pathlib import Path
from typing import Any

import httpx

from app.evidence.decision_proof import decision_proof
from tests.e2e.server import RunningServer, running_server

CHAT = {"model": "default", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}


def ask_a_model(server: RunningServer) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/chat/completions", json=CHAT, timeout=120)


def asks(server: RunningServer) -> list[dict[str, Any]]:
    with server.authority() as authority:
        found: list[dict[str, Any]] = authority.get("/approvals").json()["asks"]
    return found


def test_a_load_waits_for_a_person_and_is_then_done(tmp_path: Path) -> None:
    settings = {"preload": ["default"], "approvals": {"asks_for": ["model_load"]}}
    with running_server(tmp_path / "home", **settings) as server:
        refusals = [ask_a_model(server) for _ in range(3)]
        (ask,) = asks(server)
        for refusal in refusals:
            assert refusal.status_code == 403
            assert refusal.headers["x-should-retry"] == "false"
            assert refusal.json()["error"]["code"] == "approval_required"
            assert ask["id"] in refusal.json()["error"]["message"]
        assert server.workers() == []
        with server.authority() as authority:
            loaded = authority.post(f"/models/{ask['subject']}/load")
            assert (loaded.status_code, loaded.json()["code"]) == (403, "approval_required")
            shown = authority.get(f"/approvals/{ask['id']}").json()
            proof = decision_proof(
                hashlib.sha256(server.operator_key.encode()).digest(),
                decision="approve",
                plan_hash=shown["plan_hash"],
                challenge=shown["challenge"],
            )
            said = {
                "plan_hash": shown["plan_hash"],
                "confirmation": shown["typed_hint"],
                "challenge": shown["challenge"],
                "proof": proof.hex(),
            }
            approved = authority.post(f"/approvals/{ask['id']}/approve", json=said)
            assert (approved.status_code, approved.json()["state"]) == (200, "approved")
            assert ask_a_model(server).status_code == 403
            executed = authority.post(f"/approvals/{ask['id']}/execute", json={})
            assert executed.json()["ask"]["state"] == "done", executed.text
        assert ask_a_model(server).status_code == 200
        (intent,) = server.events(kind="load_intent")
        assert intent["body"]["data"]["policy"]["ask"] == ask["id"]
        assert len(asks(server)) == 1
