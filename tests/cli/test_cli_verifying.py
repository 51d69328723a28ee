"""`lmx models verify`, of all models and with --repair, as it is typed."""

import json
from typing import Any

import pytest

from tests.cli.runs import Run
from tests.fakes.authority_http import FakeAuthority, problem_of

ALL = "/authority/models/verify"
REPAIRING = "/authority/models/lmx/starter/repair"
PLANNING = f"{REPAIRING}/plan"
STEP = {"hashing": {"model": "a/b", "path": "model.safetensors", "done": 100, "total": 100}}
GOOD = {"id": "a/b", "verified": True, "trust": "pinned", "size_bytes": 100, "why": None}
BAD = {"id": "c/d", "verified": False, "trust": "quarantined", "size_bytes": 7, "why": "x.json is"}
WORSE = BAD | {"id": "e/f\x1b[2J"}
FILE = {"path": "model.safetensors", "size": 100, "sha256": "f" * 64, "git_blob": None}
PLAN: dict[str, Any] = {
    "plan": "ab" * 32,
    "name": "lmx/starter",
    "trust": "quarantined",
    "repo": "lmx/starter",
    "commit": "c" * 40,
    "endpoint": "https://hub.example",
    "hosts": ["hub.example"],
    "sent": ["no token"],
    "damaged": ["model.safetensors"],
    "removed": [],
    "files": [FILE],
    "size_bytes": 100,
}
DONE = {"id": "lmx/starter", "digest": "d" * 64, "trust": "pinned", "fetched_bytes": 100}


def done(*models: dict[str, Any]) -> list[dict[str, Any]]:
    damaged = [model["id"] for model in models if not model["verified"]]
    return [STEP, {"done": {"models": list(models), "damaged": damaged}}]


def test_all_shows_a_table_and_progress_and_asks_for_all(
    lmx: Run, authority: FakeAuthority
) -> None:
    authority.scripted[ALL] = done(GOOD)
    ended = lmx("models", "verify", "--all")
    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.splitlines()] == ["NAME", "a/b"]
    assert ended.err == "hashed a/b/model.safetensors (100 B)\n"
    assert authority.last("/authority/models/verify").body == {"all": True}


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_all_names_every_damaged_model_and_exits_1(
    lmx: Run, authority: FakeAuthority, form: list[str]
) -> None:
    authority.scripted[ALL] = done(GOOD, BAD, WORSE)
    ended = lmx("models", "verify", "--all", *form)
    assert ended.code == 1
    assert "2 of 3 cannot be trusted: c/d, e/f" in ended.err
    assert "\x1b" not in ended.out + ended.err
    if form:
        assert json.loads(ended.out)["damaged"] == ["c/d", "e/f\x1b[2J"]
    else:
        assert "x.json is" in ended.out


def test_all_that_breaks_off_is_no_verification(lmx: Run, authority: FakeAuthority) -> None:
    authority.scripted[ALL] = [STEP, {"verified": GOOD}]
    ended = lmx("models", "verify", "--all")
    assert (ended.code, ended.out) == (1, "")
    assert "Verify again" in ended.err
    authority.scripted[ALL].append({"error": problem_of("audit_unavailable", "No disk.", 503)[1]})
    assert "No disk." in lmx("models", "verify", "--all").err


@pytest.mark.parametrize(
    "given",
    [[], ["a/b", "--all"], ["--all", "--repair"], ["a/b", "--yes"], ["--repair"]],
    ids=lambda given: " ".join(given) or "nothing",
)
def test_what_contradicts_itself_is_usage(
    lmx: Run, authority: FakeAuthority, given: list[str]
) -> None:
    assert lmx("models", "verify", *given).code == 2
    assert authority.asked == []


def test_a_repair_shows_what_is_damaged_and_asks_before_anything_is_fetched(
    lmx: Run, authority: FakeAuthority
) -> None:
    authority.scripted[PLANNING] = PLAN
    ended = lmx("models", "verify", "lmx/starter", "--repair")
    assert ended.code == 3
    for shown in ("damaged", "hub.example", "no token", "100 B", "model.safetensors", "c" * 40):
        assert shown in ended.err, shown
    assert [asked.path.rsplit("/", 1)[1] for asked in authority.asked] == ["plan"]


def test_a_confirmed_repair_does_what_was_planned(lmx: Run, authority: FakeAuthority) -> None:
    authority.scripted[PLANNING] = PLAN
    others = [{"id": "me/other", "trust": "pinned", "why": None}]
    authority.scripted[REPAIRING] = [{"done": DONE | {"others": others, "state": "ready"}}]
    ended = lmx("models", "verify", "lmx/starter", "--repair", "--yes")
    assert ended.code == 0
    assert "100 B were fetched" in ended.err
    assert "me/other shares repaired files" in ended.err
    assert "lmx models unload lmx/starter" in ended.err
    assert authority.last("/authority/models/lmx/starter/repair").body == {"plan": "ab" * 32}


def test_a_model_that_shares_and_is_still_damaged_is_an_error(
    lmx: Run, authority: FakeAuthority
) -> None:
    authority.scripted[PLANNING] = PLAN
    others = [{"id": "me/other", "trust": "quarantined", "why": "more is wrong"}]
    authority.scripted[REPAIRING] = [{"done": DONE | {"others": others}}]
    ended = lmx("models", "verify", "lmx/starter", "--repair", "--yes")
    assert ended.code == 1
    assert "me/other" in ended.err


def test_nothing_to_repair_asks_nobody(lmx: Run, authority: FakeAuthority) -> None:
    authority.scripted[PLANNING] = PLAN | {"damaged": [], "files": [], "trust": "pinned"}
    authority.scripted[REPAIRING] = [{"done": DONE | {"fetched_bytes": 0, "others": []}}]
    ended = lmx("models", "verify", "lmx/starter", "--repair")
    assert ended.code == 0
    assert "nothing to repair" in ended.err


def test_what_the_store_still_has_is_put_right_only_after_a_yes(
    lmx: Run, authority: FakeAuthority
) -> None:
    authority.scripted[PLANNING] = PLAN | {"files": [], "removed": ["'evil.py'"]}
    ended = lmx("models", "verify", "lmx/starter", "--repair")
    assert ended.code == 3
    assert "nothing is fetched" in ended.err
    assert "evil.py" in ended.err
