"""Guardrails on pulls: by names alone before the hub hears anything, by its word before a byte."""

from pathlib import Path
from typing import Any

import gguf
import pytest

from app.authority.guardrails.records import from_bytes
from app.domain.refusals import (
    ApprovalRequired,
    ApprovalUnavailable,
    HubRefused,
    PolicyDenied,
)
from tests.fakes.hub import REPO
from tests.gguf_models import tiny_gguf
from tests.unit.pulling.conftest import Station
from tests.unit.pulling.guarded import Guarded, guarded_pulls
from tests.unit.pulling.repairing import flip

SOURCES = "Block pulls from unknown sources"
LICENCES = "Require approval before pulling a model whose licence is not open"


def readings(decision: Any) -> Any:
    return from_bytes(decision.record)["readings"]


def blocked(guarded: Guarded) -> Any:
    """The one decision that there is."""
    (decision,) = guarded.work.rows
    assert (decision.point, decision.outcome) == ("pull", "block")
    return decision


# --- a source that is blocked -----------------------------------------------------------------


@pytest.mark.parametrize("repo", [REPO, "Acme/Tiny", f"{REPO}:Q4_K_M"])
async def test_a_hub_hears_nothing_of_a_pull_from_a_blocked_source(
    tmp_path: Path, repo: str
) -> None:
    with guarded_pulls(tmp_path, {"sources": SOURCES}) as guarded:
        with pytest.raises(PolicyDenied, match="publisher is acme"):
            await guarded.plan(repo)
        assert guarded.hub.heard == []
        assert readings(blocked(guarded))["model_publisher"] == "acme"


async def test_a_hub_hears_nothing_of_an_ask_for_a_pull_from_a_blocked_source(
    tmp_path: Path,
) -> None:
    with guarded_pulls(tmp_path, {"sources": SOURCES}) as guarded:
        params = {"repo": REPO, "revision": guarded.hub.commit, "name": REPO}
        with pytest.raises(PolicyDenied, match="publisher is acme"):
            guarded.office.governance.asking.ask(guarded.owner, "model_pull", params, "")
        assert guarded.hub.heard == []
        blocked(guarded)


async def test_a_hub_hears_nothing_of_a_repair_from_a_blocked_source(tmp_path: Path) -> None:
    with guarded_pulls(tmp_path, {"sources": SOURCES}) as guarded:
        await guarded.pull(guarded.free)
        flip(guarded.work.catalog.store.view(guarded.work.catalog.get(REPO).digest) / "config.json")
        guarded.hub.heard.clear()
        with pytest.raises(PolicyDenied, match="publisher is acme"):
            await guarded.repairs.plan(guarded.owner, REPO)
        assert guarded.hub.heard == []
        blocked(guarded)


async def test_a_repair_that_fetches_nothing_is_no_pull(tmp_path: Path) -> None:
    with guarded_pulls(tmp_path, {"sources": SOURCES}) as guarded:
        await guarded.pull(guarded.free)
        plan = await guarded.repairs.plan(guarded.owner, REPO)
        steps = guarded.repairs.repair(guarded.owner, REPO, plan["plan"])
        assert [step async for step in steps][-1]["done"]["id"] == REPO
        assert guarded.work.rows == []


async def test_a_repair_cannot_be_approved_so_what_needs_an_approval_is_refused(
    tmp_path: Path,
) -> None:
    tasks = {"sources": "Ask for approval before pulls from unknown sources"}
    with guarded_pulls(tmp_path, tasks) as guarded:
        await guarded.pull(guarded.free)
        flip(guarded.work.catalog.store.view(guarded.work.catalog.get(REPO).digest) / "config.json")
        plan = await guarded.repairs.plan(guarded.owner, REPO)
        heard = len(guarded.hub.heard)
        with pytest.raises(ApprovalUnavailable, match="a repair cannot be asked for"):
            [s async for s in guarded.repairs.repair(guarded.owner, REPO, plan["plan"])]
        assert len(guarded.hub.heard) == heard
        assert [row.outcome for row in guarded.work.rows] == ["require_approval"]


async def test_a_repository_that_moved_to_another_publisher_is_pulled_by_its_new_name_only(
    tmp_path: Path,
) -> None:
    with guarded_pulls(tmp_path, {"sources": 'Block pulls whose publisher is "Other"'}) as guarded:
        guarded.hub.moved_to = "other/tiny"
        with pytest.raises(HubRefused, match="answers with 'other/tiny'"):
            await guarded.plan()
        guarded.hub.moved_to = "Acme/Tiny"
        assert (await guarded.plan())["repo"] == REPO


async def test_what_only_the_hub_knows_blocks_once_it_was_asked(tmp_path: Path) -> None:
    tasks = {"large": "Block pulling a model whose size is above 1 KB"}
    with guarded_pulls(tmp_path, tasks) as guarded:
        with pytest.raises(PolicyDenied, match="model size is"):
            await guarded.plan()
        assert guarded.hub.paths_of("/api/models/") != []
        blocked(guarded)


async def test_a_pull_that_nothing_stands_against_is_decided_once(tmp_path: Path) -> None:
    tasks = {"sources": 'Block pulls whose publisher is "Other"'}
    with guarded_pulls(tmp_path, tasks) as guarded:
        assert (await guarded.pull())["id"] == REPO
        assert [row.outcome for row in guarded.work.rows] == ["allow"]


# --- licences ---------------------------------------------------------------------------------


async def test_a_licence_that_is_not_open_needs_an_approval_and_people_see_it(
    tmp_path: Path,
) -> None:
    with guarded_pulls(tmp_path, {"licences": LICENCES}) as guarded:
        guarded.hub.card = {"license": "Llama3.1"}
        assert (await guarded.plan())["licence"] == "llama3.1"
        with pytest.raises(ApprovalRequired) as refusal:
            await guarded.pull()
        assert readings(guarded.work.rows[-1])["model_licence"] == "llama3.1"
        ask = guarded.office.parts.asks.get(refusal.value.details["ask"])
        effects = guarded.office.parts.asks.plan_of(ask).body["effects"]
        assert (effects["licence"], effects["quantization"]) == ("llama3.1", "none")
        assert guarded.work.events("pull_intent") == []
        guarded.office.decide("owner", ask)
        executed = await guarded.office.execute(ask)
        assert executed.effect.outcome == "done", executed.effect.reason
        assert guarded.work.catalog.get(REPO).licence == "llama3.1"


@pytest.mark.parametrize(
    ("card", "tags"), [({"license": "apache-2.0"}, []), (None, ["gguf", "license:mit"])]
)
async def test_an_open_licence_needs_none(tmp_path: Path, card: Any, tags: list[str]) -> None:
    with guarded_pulls(tmp_path, {"licences": LICENCES}) as guarded:
        guarded.hub.card, guarded.hub.tags = card, tags
        assert (await guarded.pull())["licence"] in {"apache-2.0", "mit"}


async def test_a_licence_that_nobody_states_meets_no_condition_and_is_recorded_so(
    tmp_path: Path,
) -> None:
    with guarded_pulls(tmp_path, {"licences": LICENCES}) as guarded:
        assert (await guarded.pull())["licence"] is None
        assert readings(guarded.work.rows[-1])["model_licence"] == [None, "null_input"]


async def test_a_licence_that_became_another_is_not_what_was_approved(tmp_path: Path) -> None:
    with guarded_pulls(tmp_path, {"licences": LICENCES}) as guarded:
        guarded.hub.card = {"license": "llama3.1"}
        with pytest.raises(ApprovalRequired) as refusal:
            await guarded.pull()
        ask = guarded.office.parts.asks.get(refusal.value.details["ask"])
        guarded.office.decide("owner", ask)
        guarded.hub.card = {"license": "other"}
        executed = await guarded.office.execute(ask)
        assert (executed.effect.outcome, REPO in guarded.work.catalog.ids()) == ("failed", False)


# --- what a hub claims ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("card", "tags", "licence"),
    [
        ({"license": ["mit", "ISC"]}, [], "isc, mit"),
        ({"license": "x" * 5000}, [], None),
        ({"license": "mit\x1b[2J"}, ["license:mit"], "mit"),
        ({"license": {"name": "mit"}}, [], None),
        ("mit", [], None),
        (None, ["license:mit", 7, {"license:isc": 1}], "mit"),
        (None, {"license:mit": 1}, None),
        ({"license": "mit"}, ["license:isc"], "mit"),
    ],
)
async def test_a_hubs_claim_is_bounded_and_plain_or_unknown(
    station: Station, card: Any, tags: Any, licence: str | None
) -> None:
    station.hub.card, station.hub.tags = card, tags
    assert (await station.plan())["licence"] == licence


async def test_a_pulled_model_keeps_what_the_hub_said_of_its_licence(station: Station) -> None:
    station.hub.card = {"license": "Gemma"}
    await station.pull()
    assert station.catalog.get(REPO).licence == "gemma"


async def test_how_a_model_is_quantised_is_known_from_its_headers_before_it_is_pulled(
    station: Station, tmp_path: Path
) -> None:
    assert (await station.plan())["quantization"] == "none"
    directory = tiny_gguf(tmp_path / "q", kind=gguf.GGMLQuantizationType.Q8_0)
    station.hub.holds(directory).large = (".gguf",)
    assert (await station.plan())["quantization"] == "q8_0"


async def test_a_quantisation_can_be_blocked_before_a_pull(tmp_path: Path) -> None:
    tasks = {"q8": 'Block pulling a model whose quantization is "Q8_0"'}
    with guarded_pulls(tmp_path, tasks) as guarded:
        directory = tiny_gguf(tmp_path / "q", kind=gguf.GGMLQuantizationType.Q8_0)
        guarded.hub.holds(directory).large = (".gguf",)
        with pytest.raises(PolicyDenied, match="quantization is q8_0"):
            await guarded.plan()
