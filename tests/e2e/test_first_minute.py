"""What a newcomer sees and pastes works as it stands."""

import json
import subprocess
import sys
import time
from pathlib import Path

from openai import OpenAI

from tests.e2e.server import ROOT, RunningServer, running_server


def pasted(server: RunningServer, begins: str, ends: str) -> str:
    """The command that the banner prints from the line that begins so to the one that ends so."""
    banner = "".join(server.lines)
    start = banner.index(begins)
    return banner[start : banner.index(ends, start) + len(ends)]


def shell(command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False
    )


def test_the_curl_line_answers_as_pasted(server: RunningServer) -> None:
    done = shell(pasted(server, "curl -s", "}'"))
    answer = json.loads(done.stdout)
    assert "LMX Authority" in answer["choices"][0]["message"]["content"]


def test_the_openai_line_answers_as_pasted(server: RunningServer) -> None:
    done = shell(pasted(server, f"{sys.executable} -c 'from openai", ".content)'"))
    assert "LMX Authority" in done.stdout, done.stderr


def test_the_banner_names_the_model_and_the_operator_key(server: RunningServer) -> None:
    banner = "".join(server.lines)
    assert "Model answering: lmx/starter" in banner
    assert f"Operator key: {server.home}/operator.key" in banner
    assert server.operator_key.startswith("lmx_")


def test_the_answer_came_from_a_verified_feasible_recorded_load(server: RunningServer) -> None:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        client.chat.completions.create(
            model="default",
            messages=[{"role": "user", "content": "What is a grant?"}],
            max_tokens=8,
        )
    with server.authority() as authority:
        model = authority.get("/models/lmx/starter").json()
        events = authority.get("/ledger/events", params={"subject": "lmx/starter"}).json()["events"]
    assert model["trust"] == "verified"
    assert model["state"] == "ready"
    kinds = [event["kind"] for event in events]
    assert kinds.index("load_intent") < kinds.index("load_outcome")
    intent = next(event for event in events if event["kind"] == "load_intent")
    verdict = intent["body"]["data"]["feasibility"]
    assert verdict["need"]["total_bytes"] <= verdict["budget"]["budget_bytes"]
    outcome = next(event for event in events if event["kind"] == "load_outcome")
    assert outcome["body"]["intent_seq"] == intent["seq"]
    assert outcome["outcome"] == "loaded"


def test_the_worker_is_a_child_process_and_the_server_has_no_mlx(server: RunningServer) -> None:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        client.models.list()
    maps = Path(f"/proc/{server.pid}/maps")
    if maps.exists():
        assert "mlx" not in maps.read_text("utf-8")


def test_the_ledger_begins_with_genesis_and_the_boot_that_holds_the_rules_digest(
    server: RunningServer,
) -> None:
    with server.authority() as authority:
        found = authority.get("/ledger/events", params={"limit": 4}).json()["events"]
        digest = authority.get("/rules").json()["digest"]
    kinds = ["genesis", "signing_key_created", "sink_changed", "boot"]
    assert [event["kind"] for event in found] == kinds
    first, boot = found[0], found[3]
    assert first["body"]["data"]["rules_digest"] == digest
    assert boot["body"]["data"]["rules_digest"] == digest
    assert boot["body"]["data"]["overrides"] == {"G-DEPLOY-02": "port 0"}


def test_a_second_start_is_quick_and_keeps_everything(
    tmp_path: Path,
) -> None:
    with running_server(tmp_path / "home") as first:
        key = first.operator_key
        assert first.stop() == 0
    began = time.monotonic()
    with running_server(tmp_path / "home") as second:
        # Generous here: the figure itself is measured by `make bench`.
        assert time.monotonic() - began < 60
        assert second.operator_key == key
        with second.authority() as authority:
            kinds = [e["kind"] for e in authority.get("/ledger/events").json()["events"]]
    assert kinds.count("genesis") == 1
    assert kinds.count("boot") == 2
    assert kinds.count("shutdown") == 1


def test_the_checkout_has_no_state_of_a_server() -> None:
    assert not (ROOT / "lmx.db").exists()
