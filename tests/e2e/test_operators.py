"""What the command line does to a real server, with real keys, and what the ledger says of it."""

import json
import sqlite3
from pathlib import Path

import httpx
import pytest

from tests.e2e.asking import TINY, command_refused, complete, problem, recorded, refused
from tests.e2e.conversation import create_key, governed
from tests.e2e.server import RunningServer
from tests.models import tiny_model


def key_id(secret: str) -> str:
    return secret.split("_")[1]


def test_a_key_is_created_used_revoked_and_refused_from_then_on(tiny: RunningServer) -> None:
    secret = create_key(tiny, "auditor-bot", "auditor")
    created = tiny.events(kind="key_created")[0]
    assert created["actor"].startswith("key:")
    told = secret.split("_", 2)[2]  # lmx_ID_SECRET, and the secret may hold underscores too
    assert len(told) > 20
    assert told not in json.dumps(tiny.events())
    with tiny.authority(secret) as authority:
        assert authority.get("/ledger/events").status_code == 200
        problem(authority.post(f"/models/{TINY}/load", json={}), 403, "forbidden")
    code, screen = governed(
        "keys", "revoke", key_id(secret),
        phrase=f"yes, revoke key {key_id(secret)}", environment=tiny.environment,
    )  # fmt: skip
    assert code == 0, screen
    with tiny.authority(secret) as authority:
        answer = authority.get("/ledger/events")
        problem(answer, 401, "invalid_api_key")
        assert answer.headers["www-authenticate"] == "Bearer"
    asked = {"model": TINY, "prompt": "a"}
    keyed = {"authorization": f"Bearer {secret}"}
    refused(
        httpx.post(f"{tiny.url}/v1/completions", json=asked, headers=keyed), 401, "invalid_api_key"
    )
    assert tiny.events(kind="key_revoked")[0]["subject"] == key_id(secret)
    assert secret not in "".join(p.read_text("utf-8") for p in (tiny.home / "logs").iterdir())


def test_a_client_key_may_ask_models_and_nothing_of_the_authority(tiny: RunningServer) -> None:
    secret = create_key(tiny, "my-bot", "client")
    keyed = {"authorization": f"Bearer {secret}"}
    asked = {"model": TINY, "prompt": "a", "max_tokens": 1}
    answer = httpx.post(f"{tiny.url}/v1/completions", json=asked, headers=keyed, timeout=60)
    assert answer.status_code == 200
    with tiny.authority(secret) as authority:
        for method, path, body in (
            ("GET", "/status", None),
            ("GET", "/keys", None),
            ("GET", "/ledger/events", None),
            ("POST", f"/models/{TINY}/load", {}),
            ("POST", f"/models/{TINY}/unload", {}),
            ("POST", "/models/import", {"path": "/nowhere"}),
            ("POST", "/keys", {"name": "n", "roles": ["operator"]}),
        ):
            problem(authority.request(method, path, json=body), 403, "forbidden")
    mine = tiny.events(kind="refusal", actor=f"key:{key_id(secret)}")
    assert len(mine) == 7
    assert {event["body"]["data"]["code"] for event in mine} == {"forbidden"}
    assert tiny.residency(TINY)["state"] == "ready"
    done = tiny.lmx("status", LMX_KEY=secret)
    command_refused(done, 3, "[forbidden]")


def test_without_a_key_the_authority_answers_nothing(tiny: RunningServer) -> None:
    answer = httpx.get(f"{tiny.url}/authority/status")
    problem(answer, 401, "key_missing")
    recorded(tiny, "key_missing", "/authority/status")


def test_a_key_is_asked_for_and_not_made_before_somebody_approves(tiny: RunningServer) -> None:
    body = {"name": "sneaky", "roles": ["operator"]}
    with tiny.authority() as authority:
        answer = authority.post("/keys", json=body)
        document = problem(answer, 403, "approval_required")
        waits = authority.get(f"/approvals/{document['ask']}").json()
        refused_key = authority.post("/keys", json={**body, "confirmation": "yes"})
    assert answer.headers["x-should-retry"] == "false"
    assert (waits["act"], waits["subject"], waits["state"]) == ("key_create", "sneaky", "pending")
    assert refused_key.status_code == 400
    recorded(tiny, "approval_required", "key sneaky")
    piped = tiny.lmx("keys", "create", "sneaky", "--role", "operator")
    command_refused(piped, 4, "waiting for approval")
    with tiny.authority() as authority:
        names = [key["name"] for key in authority.get("/keys").json()["keys"]]
    assert "sneaky" not in names


def test_the_last_operator_key_cannot_be_revoked(tiny: RunningServer) -> None:
    own = key_id(tiny.operator_key)
    command_refused(tiny.lmx("keys", "revoke", own), 3, "last operator key", "[forbidden]")
    assert tiny.lmx("status").returncode == 0


def test_a_model_is_listed_shown_verified_unloaded_and_loaded_from_the_command_line(
    tiny: RunningServer,
) -> None:
    complete(tiny, "it is loaded", max_tokens=1)
    listed = json.loads(tiny.lmx("models", "ls", "--json").stdout)["models"]
    assert {m["id"]: m["trust"] for m in listed}[TINY] == "pinned"
    shown = tiny.lmx("models", "show", TINY)
    assert "model.safetensors" in shown.stdout
    assert tiny.lmx("models", "verify", TINY).returncode == 0
    assert tiny.events(kind="model_verified", subject=TINY)[0]["outcome"] == "done"
    unloaded = tiny.lmx("models", "unload", TINY)
    assert unloaded.returncode == 0, unloaded.stderr
    assert tiny.residency(TINY)["state"] == "absent"
    command_refused(tiny.lmx("models", "unload", TINY), 1, "[model_not_loaded]")
    loaded = tiny.lmx("models", "load", TINY, "--context", "4096", "--slots", "2")
    assert loaded.returncode == 0, loaded.stderr
    status = tiny.residency(TINY)
    assert (status["state"], status["context"], status["slots"]) == ("ready", 4096, 2)
    busy = tiny.lmx("models", "load", TINY, "--context", "2048")
    command_refused(busy, 3, "lmx models unload", "[model_busy]")
    assert tiny.lmx("models", "unload", TINY).returncode == 0
    fits = tiny.lmx("models", "fit", TINY, "--json")
    assert (fits.returncode, json.loads(fits.stdout)["verdict"]) == (0, "fits")


def test_a_load_beyond_memory_is_refused_with_its_arithmetic_and_on_record(
    tiny: RunningServer, tmp_path: Path
) -> None:
    name = "tests/wide"
    tiny.import_model(tiny_model(tmp_path / "model", context=2**26, seed=11), name)
    asked = {"context": 2**26, "slots": 64}
    with tiny.authority() as authority:
        answer = authority.post(f"/models/{name}/load", json=asked)
    document = problem(answer, 503, "does_not_fit")
    assert answer.headers["x-should-retry"] == "false"
    assert document["need"]["kv_bytes"] > document["budget"]["budget_bytes"]
    assert tiny.residency(name)["promised_bytes"] == 0
    recorded(tiny, "does_not_fit", name)
    assert tiny.events(kind="load_intent", subject=name) == []
    done = tiny.lmx("models", "load", name, "--context", str(2**26), "--slots", "64")
    command_refused(done, 3, "[does_not_fit]")


def test_the_ledger_shows_an_event_whose_leaf_it_recomputes(tiny: RunningServer) -> None:
    seq = tiny.events(kind="model_imported", subject=TINY)[0]["seq"]
    shown = tiny.lmx("ledger", "show", str(seq))
    assert shown.returncode == 0, shown.stderr
    assert "matches" in shown.stdout
    as_json = json.loads(tiny.lmx("ledger", "show", str(seq), "--json").stdout)
    assert as_json["recomputed_leaf"] == as_json["event"]["leaf"]
    assert tiny.lmx("ledger", "ls").returncode == 0
    command_refused(tiny.lmx("ledger", "show", "999999"), 1, "[event_not_found]")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_event SET body = x'7b7d'",
        "DELETE FROM ledger_event",
        "INSERT OR REPLACE INTO ledger_event SELECT * FROM ledger_event WHERE seq = 1",
    ],
)
def test_the_database_itself_refuses_to_change_the_ledger(
    tiny: RunningServer, statement: str
) -> None:
    database = sqlite3.connect(tiny.home / "lmx.db", timeout=60)
    try:
        with pytest.raises(sqlite3.DatabaseError, match="ledger: an event"):
            database.execute(statement)
    finally:
        database.rollback()
        database.close()


def test_the_rules_are_shown_with_the_digest_that_the_boot_recorded(tiny: RunningServer) -> None:
    shown = json.loads(tiny.lmx("rules", "--json").stdout)
    booted = tiny.events(kind="boot")[0]["body"]["data"]["rules_digest"]
    assert shown["digest"] == booted
    assert len(shown["rules"]) > 10
