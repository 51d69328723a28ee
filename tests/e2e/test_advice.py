"""The whole way of a proposal through a real server: posted, looked at, accepted, linked, kept."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conversation import create_key
from tests.e2e.server import RunningServer, running_server
from tests.models import tiny_model

MODEL = "lab/tiny"
Json = dict[str, Any]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("advice")


@pytest.fixture(scope="module")
def first(place: Path) -> Iterator[RunningServer]:
    with running_server(place / "home") as running:
        running.import_model(tiny_model(place / "tiny", seed=1), MODEL)
        yield running


@pytest.fixture(scope="module")
def bot(first: RunningServer) -> str:
    return create_key(first, "a-bot", "advisor")


def advisory(server: RunningServer, key: str) -> httpx.Client:
    return httpx.Client(
        base_url=f"{server.url}/advisory",
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )


def proposal(snapshot: Json, **changed: Any) -> Json:
    trust = snapshot["models"][MODEL]["trust"]
    return {
        "kind": "pin",
        "target": MODEL,
        "reason": "It is asked every morning.",
        "assumes": "that it stays so",
        "confidence": 70,
        "evidence": [{"field": ["models", MODEL, "trust"], "value": trust}],
        **changed,
    }


def test_from_the_snapshot_to_the_act_that_a_person_did(first: RunningServer, bot: str) -> None:
    with advisory(first, bot) as door:
        published = door.get("/snapshot").json()
        posted = door.post(
            "/proposals",
            json={
                "snapshot": published["digest"],
                "proposals": [
                    proposal(published["snapshot"]),
                    proposal(published["snapshot"], kind="delete"),
                    proposal(published["snapshot"], target="no/such"),
                ],
            },
        ).json()
    assert (posted["kept"], posted["refused"]) == (2, 1)
    pin, delete, absent = posted["proposals"]
    assert "no/such" in absent["refused"]["message"]
    with first.authority() as authority:
        shown = authority.get(f"/proposals/{pin['id']}").json()
        assert (shown["evidence_holds"], shown["would"]["what"]) == (True, "done")
        assert authority.get(f"/proposals/{delete['id']}").json()["would"]["what"] == "asked"
        decision = {"reason": "So it is.", "digest": shown["digest"]}
        accepted = authority.post(f"/proposals/{pin['id']}/accept", json=decision).json()
        assert (accepted["state"], accepted["outcome"]) == ("accepted", "done")
        assert authority.get(f"/models/{MODEL}").json()["pinned"] is True
        again = authority.post(f"/proposals/{pin['id']}/accept", json=decision)
        assert (again.status_code, again.json()["code"]) == (409, "proposal_ended")
    proposed, decided, came = (
        next(e for e in first.events(kind=kind) if e["body"]["data"]["proposal"] == pin["id"])
        for kind in ("advice_proposed", "advice_decided", "advice_outcome")
    )
    assert (
        proposed["body"]["data"]["digest"] == decided["body"]["data"]["digest"] == shown["digest"]
    )
    assert came["body"]["data"]["decision_seq"] == decided["seq"]
    assert proposed["seq"] < decided["seq"] < first.events(kind="model_changed")[0]["seq"]


def test_an_advisor_that_ships_runs_behind_its_walls(first: RunningServer) -> None:
    with first.authority() as authority:
        told = authority.get("/advisors").json()
        assert {"routing", "housekeeping", "context"} <= {one["name"] for one in told["advisors"]}
        assert told["walls"]
        ran = authority.post("/advisors/housekeeping/run", json={}).json()
    assert (ran["ended"], ran["tried"]) == ("", [])
    assert not list((first.home / "run" / "advisors").glob("scratch-*"))


def test_what_waits_is_still_there_after_a_crash_and_what_was_decided_stays(
    place: Path, first: RunningServer, bot: str
) -> None:
    with first.authority() as authority:
        before = authority.get("/proposals").json()["proposals"]
    scratch = first.home / "run" / "advisors" / "scratch-of-a-run"
    scratch.mkdir()
    first.stop(signal.SIGKILL)
    with running_server(place / "home") as second:
        assert not scratch.exists()
        with second.authority() as authority:
            after = authority.get("/proposals").json()["proposals"]
        assert [(one["id"], one["state"]) for one in after] == [
            (one["id"], one["state"]) for one in before
        ]
        with advisory(second, bot) as door:
            snapshot = door.get("/snapshot").json()["snapshot"]
            seen = door.post(
                "/proposals", json={"proposals": [proposal(snapshot, kind="delete")]}
            ).json()["proposals"][0]
            quiet = door.post("/proposals", json={"proposals": [proposal(snapshot)]})
        assert seen["new"] is False
        assert seen["id"] in {one["id"] for one in before}
        assert (quiet.status_code, quiet.json()["code"]) == (422, "proposal_invalid")
        assert second.lmx("ledger", "verify").returncode == 0
