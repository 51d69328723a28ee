"""What makes a pulled model verified, and how a pull goes on where another ended."""

import asyncio
import json

import pytest

from app.authority.catalog import KnownModel, KnownModels
from app.authority.ledger.events import LedgerEvent
from app.domain.actors import Actor, Role
from app.domain.models import Artifact, Manifest, Trust
from app.domain.refusals import (
    ConfirmationRequired,
    HubRefused,
    NotLoadable,
)
from app.evidence.vocabulary import Kind
from tests.fakes.hub import COMMIT, REPO, FakeHub
from tests.unit.pulling.conftest import OPERATOR, Station

CLIENT = Actor("key:11111111", "client", frozenset({Role.CLIENT}))


async def test_every_sha256_known_beforehand_makes_a_model_verified(station: Station) -> None:
    station.hub.large = (".safetensors", ".json")
    assert (await station.plan())["trust"] == "verified"
    assert (await station.pull())[-1]["done"]["trust"] == "verified"


async def test_an_operator_confirms_the_digests_of_a_pinned_model(station: Station) -> None:
    await station.pull()
    digest = station.catalog.get(REPO).digest
    with pytest.raises(ConfirmationRequired, match=digest[-6:]):
        await station.pulling.confirm(OPERATOR, REPO, f"yes, confirm {REPO}")
    assert station.catalog.get(REPO).trust is Trust.PINNED
    answer = await station.pulling.confirm(OPERATOR, REPO, f"yes, confirm {REPO} {digest[-6:]}")
    assert answer["trust"] == "verified"
    changed = station.last("model_changed")
    assert (changed.data["change"], changed.data["before"]) == ("confirmation", "pinned")
    assert changed.data["after"] == "verified"


async def test_bytes_that_changed_are_not_confirmed(station: Station) -> None:
    await station.pull()
    digest = station.catalog.get(REPO).digest
    file = station.catalog.verify(REPO) / "config.json"
    file.chmod(0o600)
    file.write_bytes(b"{}")
    with pytest.raises(Exception, match="quarantine"):
        await station.pulling.confirm(OPERATOR, REPO, f"yes, confirm {REPO} {digest[-6:]}")
    assert station.catalog.get(REPO).trust is Trust.QUARANTINED
    with pytest.raises(NotLoadable):
        await station.pulling.confirm(OPERATOR, REPO, f"yes, confirm {REPO} {digest[-6:]}")


async def test_a_damaged_model_is_pulled_again_and_only_the_damage_is_fetched(
    station: Station,
) -> None:
    await station.pull()
    file = station.catalog.verify(REPO) / "config.json"
    file.chmod(0o600)
    file.write_bytes(b"{}")
    with pytest.raises(Exception, match="quarantine"):
        station.catalog.verify(REPO, full=True)
    done = (await station.pull())[-1]["done"]
    assert done["trust"] == "pinned"
    assert done["fetched_bytes"] < len(station.hub.files["model.safetensors"])
    station.catalog.verify(REPO, full=True)


class TestKnownBeforehand:
    @pytest.fixture
    def known(self, hub: FakeHub) -> KnownModels:
        import hashlib

        wanted = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
        artifacts = tuple(
            Artifact(p, len(hub.files[p]), hashlib.sha256(hub.files[p]).hexdigest()) for p in wanted
        )
        return KnownModels((KnownModel(REPO, "hub", "", Manifest(artifacts)),))

    async def test_exactly_the_known_files_come_and_they_are_verified(
        self, station: Station
    ) -> None:
        done = (await station.pull())[-1]["done"]
        assert done["trust"] == "verified"
        assert "generation_config.json" not in {
            a.path for a in station.catalog.manifest(REPO).artifacts
        }

    async def test_a_hub_that_lists_other_bytes_than_the_known_is_refused(
        self, station: Station
    ) -> None:
        config = json.loads(station.hub.files["config.json"])
        station.hub.files["config.json"] = json.dumps(config | {"x": 1}).encode()
        with pytest.raises(HubRefused, match="known"):
            await station.plan()


async def test_a_cancelled_pull_keeps_what_came_and_the_next_goes_on_there(
    station: Station,
) -> None:
    plan = (await station.plan())["plan"]
    station.hub.drip_s = 0.02  # it would take minutes: nothing ends by itself meanwhile
    pulling = station.pulling.pull(OPERATOR, plan)
    part = None
    async for step in pulling:
        station.clock.advance(1)
        if step.get("fetching", {}).get("path") == "model.safetensors":
            part = step["fetching"]["done"]
            if 0 < part < step["fetching"]["total"]:
                break
    before = asyncio.get_running_loop().time()
    await pulling.aclose()  # type: ignore[attr-defined]
    assert asyncio.get_running_loop().time() - before < 30
    assert station.last("pull_outcome").outcome == "cancelled"
    kept = station.part("model.safetensors.part").stat().st_size
    assert kept > 0
    assert station.catalog.list() == []
    station.hub.drip_s = 0.0
    station.hub.heard.clear()
    done = (await station.pull(plan))[-1]["done"]
    ranges = [
        h.headers["range" if "range" in h.headers else "Range"]
        for h in station.hub.heard
        if "/cdn/" in h.path
    ]
    assert ranges == [f"bytes={kept}-{len(station.hub.files['model.safetensors']) - 1}"]
    assert done["id"] == REPO
    station.catalog.verify(REPO, full=True)


async def test_a_pull_that_a_crash_cut_off_is_closed_at_the_next_start(station: Station) -> None:
    station.ledger.append(
        LedgerEvent(
            kind=Kind.PULL_INTENT,
            actor=OPERATOR,
            subject=REPO,
            data={
                "repo": REPO,
                "revision": COMMIT,
                "hosts": ["h"],
                "files": 1,
                "size_bytes": 1,
            },
        )
    )
    station.ledger.reconcile()
    assert station.last("pull_outcome").outcome == "interrupted_by_restart"
