"""A bot's whole life against a real server: its key, what it may, and what people make of it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.asking import command_refused, problem, recorded
from tests.e2e.conversation import Conversation, create_key
from tests.e2e.server import ROOT, RunningServer, running_server
from tests.models import tiny_model

OLD, KEPT = "me/old", "me/kept"
ENDED = ("advice_proposed", "advice_decided", "advice_outcome")

pytestmark = pytest.mark.timeout(600)  # each command is a process of its own


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    place = tmp_path_factory.mktemp("bot")
    with running_server(place / "home") as running:
        for seed, name in enumerate((OLD, KEPT)):
            running.import_model(tiny_model(place / str(seed), seed=seed), name)
        yield running


@pytest.fixture(scope="module")
def bot(server: RunningServer) -> str:
    return create_key(server, "unused-bot", "advisor")


def example(server: RunningServer, key: str, days: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / "advisor_bot.py"), days],
        env={**os.environ, "LMX_URL": server.url, "LMX_KEY": key},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def proposed(server: RunningServer, bot: str) -> dict[str, str]:
    """What the example proposed, by the model's name: everything, for nothing is younger than 0."""
    ran = example(server, bot, "0")
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["refused"] == 0
    assert {one["state"] for one in answer["proposals"]} == {"open"}
    with server.authority() as authority:
        listed = authority.get("/proposals").json()["proposals"]
    assert {one["id"] for one in answer["proposals"]} == {one["id"] for one in listed}
    return {one["target"]: one["id"] for one in listed}


def post(server: RunningServer, bot: str, body: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {bot}"}
    return httpx.post(f"{server.url}/advisory/proposals", json=body, headers=headers, timeout=60)


def proposal(kind: str, target: str, **more: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"kind": kind, "target": target, "confidence": 50}
    said |= {"reason": "It is not asked.", "assumes": "That it stays so."}
    return said | {"evidence": [{"field": ["days"], "value": 30}]} | more


def story(server: RunningServer, proposal: str) -> list[dict[str, Any]]:
    """The ledger's events about one proposal, the first of them first."""
    events = [event for kind in ENDED for event in server.events(kind=kind)]
    about = [event for event in events if event["body"]["data"]["proposal"] == proposal]
    return sorted(about, key=lambda event: int(event["seq"]))


def test_the_example_proposes_what_was_not_used_with_evidence_that_holds(
    server: RunningServer, proposed: dict[str, str]
) -> None:
    assert {OLD, KEPT} <= proposed.keys()
    shown = " ".join(server.lmx("advice", "show", proposed[OLD]).stdout.split())
    for part in (
        f"what delete {OLD}",
        "Nobody used it in 0 days.",
        "each was compared with the snapshot it names",
        f"models > {OLD} > pinned: no",
        "accepting would ask",
    ):
        assert part in shown
    listed = server.lmx("advice", "ls")
    assert listed.returncode == 0
    assert "would ask" in listed.stdout


def test_the_example_says_what_keeps_it_from_proposing(server: RunningServer, bot: str) -> None:
    young = example(server, bot, "3650")
    assert (young.returncode, young.stderr) == (0, "")
    assert "nothing is proposed" in young.stdout
    stranger = example(server, "lmx_00000000_nobodys", "0")
    assert (stranger.returncode, stranger.stdout) == (1, "")
    assert json.loads(stranger.stderr)["code"] == "invalid_api_key"


def test_a_person_accepts_it_and_what_follows_is_the_ordinary_ask(
    server: RunningServer, proposed: dict[str, str]
) -> None:
    lmx = Conversation(
        *("advice", "accept", proposed[OLD], "--reason", "Nobody misses it."),
        environment=server.environment,
    )
    lmx.type_phrase(f"yes, delete {OLD}")
    assert lmx.ended() == 0, lmx.screen
    typed = f"yes, delete {OLD} "
    assert [line for line in lmx.screen.splitlines() if len(line) > 60 and typed not in line] == []
    with server.authority() as authority:
        problem(authority.get(f"/models/{OLD}"), 404, "model_not_found")
        found = authority.get(f"/proposals/{proposed[OLD]}").json()
    assert (found["state"], found["outcome"]) == ("accepted", "asked")
    made, decided, outcome = story(server, proposed[OLD])
    assert decided["body"]["data"]["digest"] == made["body"]["data"]["digest"] == found["digest"]
    assert decided["body"]["data"]["reason"] == "Nobody misses it."
    assert decided["body"]["actor"]["person"]
    assert outcome["body"]["data"]["decision_seq"] == decided["seq"]
    assert outcome["body"]["data"]["ask"] == found["ask"]
    runs = server.lmx("runs", "ls", "--json").stdout
    rows = [row for row in json.loads(runs)["runs"] if row["act"] == "model_delete"]
    assert [(row["subject"], row["outcome"]) for row in rows] == [(OLD, "done")]
    run = server.lmx("runs", "show", str(rows[0]["run"]), "--json").stdout
    assert found["ask"] in run
    asked = next(e["body"]["data"] for e in server.events(kind="ask_made"))
    assert (asked["ask"], asked["proposal"]) == (found["ask"], proposed[OLD])


def test_a_proposal_that_the_authority_would_refuse_is_shown_as_that_and_refused(
    server: RunningServer, bot: str
) -> None:
    posted = post(server, bot, {"proposals": [proposal("unload", KEPT)]}).json()
    found = posted["proposals"][0]["id"]
    assert "REFUSED: " in server.lmx("advice", "show", found).stdout
    accepted = server.lmx("advice", "accept", found, "--reason", "Let it go.")
    command_refused(accepted, 1, "model_not_loaded")
    made, decided, outcome = story(server, found)
    assert made["body"]["actor"]["roles"] == ["advisor"]
    assert (decided["outcome"], outcome["outcome"]) == ("accepted", "refused")
    assert outcome["body"]["data"]["code"] == "model_not_loaded"
    again = server.lmx("advice", "accept", found, "--reason", "Once more.")
    command_refused(again, 3, "accepted")


def test_what_was_dismissed_is_not_taken_again(
    server: RunningServer, bot: str, proposed: dict[str, str]
) -> None:
    done = server.lmx("advice", "dismiss", proposed[KEPT], "--reason", "A demo needs it.")
    assert done.returncode == 0, done.stderr
    again = post(server, bot, {"proposals": [proposal("delete", KEPT)]})
    told = problem(again, 422, "proposal_invalid")
    assert "A demo needs it." in told["detail"]
    with server.authority() as authority:
        assert authority.get(f"/models/{KEPT}").status_code == 200


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"proposals": [proposal("pin", KEPT)], "author": "operator"}, "author"),
        ({"proposals": [proposal("pin", KEPT, author="operator")]}, "author"),
        ({"proposals": [proposal("pin", "no/where")]}, "no/where"),
        ({"proposals": [proposal("pin", KEPT, reason="\x1b[2Jgone")]}, "reason"),
        ({"proposals": [proposal("shutdown", KEPT)]}, "kind"),
    ],
    ids=["a forged author", "a forged author inside", "an absent model", "an escape", "a kind"],
)
def test_what_is_odd_is_refused_by_name_and_on_record(
    server: RunningServer, bot: str, body: Any, named: str
) -> None:
    before = len(server.events(kind="advice_proposed"))
    told = problem(post(server, bot, body), 422, "proposal_invalid")
    assert named in told["detail"]
    assert "\x1b" not in told["detail"]
    event = next(e for e in server.events(kind="refusal") if e["body"]["actor"]["roles"])
    assert event["body"]["data"]["code"] == "proposal_invalid"
    assert event["body"]["actor"]["roles"] == ["advisor"]
    assert len(server.events(kind="advice_proposed")) == before


def test_a_bots_key_opens_nothing_else_and_that_is_on_record(
    server: RunningServer, bot: str
) -> None:
    headers = {"Authorization": f"Bearer {bot}"}
    for path in ("/v1/models", "/authority/status", "/authority/proposals", "/healthz", "/nope"):
        assert httpx.get(f"{server.url}{path}", headers=headers).status_code == 403
    recorded(server, "forbidden", "/healthz")


def test_only_an_advisors_key_proposes(server: RunningServer) -> None:
    problem(post(server, server.operator_key, {"proposals": []}), 403, "forbidden")


def test_a_snapshot_holds_no_secret_and_no_name(server: RunningServer, bot: str) -> None:
    headers = {"Authorization": f"Bearer {bot}"}
    got = httpx.get(f"{server.url}/advisory/snapshot", headers=headers).text
    assert set(json.loads(got)) == {"digest", "snapshot"}
    for never in (bot, server.operator_key, "unused-bot", "operator", "p-0", str(server.home)):
        assert never not in got
