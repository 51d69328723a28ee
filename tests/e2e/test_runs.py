"""What a real server keeps of attempts, what `lmx runs` says of them, and what an export has."""

import hashlib
import json
from pathlib import Path

import httpx

from tests.e2e.asking import TINY, problem
from tests.e2e.server import RunningServer


def listed(server: RunningServer, *filters: str) -> list[dict[str, str]]:
    ended = server.lmx("runs", "ls", "--json", *filters)
    assert ended.returncode == 0, ended.stderr
    runs: list[dict[str, str]] = json.loads(ended.stdout)["runs"]
    return runs


def test_why_a_load_was_blocked_that_went_through_before(tiny: RunningServer) -> None:
    with tiny.authority() as authority:
        authority.post(f"/models/{TINY}/unload", json={})
        loaded = authority.post(f"/models/{TINY}/load", json={"context": 64}, timeout=60)
        assert loaded.status_code == 200, loaded.text
        authority.post(f"/models/{TINY}/unload", json={})
        problem(
            authority.post("/models/lab/none/load", json={"context": 64}), 404, "model_not_found"
        )
    through = listed(tiny, "--act", "model.load", "--outcome", "loaded", "--model", TINY)[0]
    blocked = listed(tiny, "--act", "model.load", "--outcome", "refused")[0]
    assert blocked["code"] == "model_not_found"
    shown = json.loads(tiny.lmx("runs", "show", blocked["run"][:10], "--json").stdout)
    assert shown["run"]["inputs"] == {"context": 64, "slots": None, "pinned": False}
    assert set(shown["run"]["versions"]) >= {"lmx", "rules", "schema", "python", "mlx"}
    ended = tiny.lmx("runs", "diff", str(through["seq"]), blocked["run"])
    assert ended.returncode == 0, ended.stderr
    said = " ".join(ended.stdout.split())
    assert "outcome: loaded -> refused" in said
    assert "refusal: none -> model_not_found" in said


def test_what_a_caller_says_about_feasibility_is_never_kept(tiny: RunningServer) -> None:
    before = len(listed(tiny, "--limit", "500"))
    with tiny.authority() as authority:
        body = {"context": 64, "feasibility": {"verdict": "fits", "mark": "fabricated-7"}}
        answer = authority.post(f"/models/{TINY}/load", json=body)
        assert answer.status_code == 400
    assert len(listed(tiny, "--limit", "500")) == before
    for path in tiny.home.glob("lmx.db*"):
        assert b"fabricated-7" not in path.read_bytes()


def test_an_export_has_every_run(tiny: RunningServer, tmp_path: Path) -> None:
    listing = listed(tiny, "--limit", "500")
    out = tmp_path / "export"
    ended = tiny.lmx("ledger", "export", "--out", str(out))
    assert ended.returncode == 0, ended.stderr
    exported = {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in out.rglob("*") if path.is_file()
    }
    assert listing
    assert {run["run"] for run in listing} <= exported


def test_an_unknown_key_is_one_run_without_its_secret(tiny: RunningServer) -> None:
    key = "lmx_0badcafe_" + "x" * 43
    answer = httpx.get(f"{tiny.url}/authority/status", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 401
    newest = listed(tiny, "--limit", "1")[0]
    assert (newest["code"], newest["act"]) == ("invalid_api_key", "refuse")
    shown = tiny.lmx("runs", "show", newest["run"], "--json").stdout
    assert key not in shown
