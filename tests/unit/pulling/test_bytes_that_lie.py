"""Bytes that are wrong, too many, too few, slow or broken off: nothing of it is ever loadable."""

import threading
from pathlib import Path

import pytest

from app.domain.refusals import (
    DigestMismatch,
    HubRefused,
    HubUnreachable,
)
from app.engines.hub import HuggingFaceHub
from tests.fakes.hub import REPO, git_blob
from tests.fakes.strangers import Both, endless
from tests.unit.catalog.removal.swaps import KINDS, outside_at
from tests.unit.pulling.conftest import IMPATIENT, QUICK, Station, nothing_is_loadable

WEIGHTS = "model.safetensors"


async def test_wrong_bytes_are_refused_quarantined_recorded_and_fetched_anew(
    station: Station,
) -> None:
    plan = (await station.plan())["plan"]
    right = station.hub.files[WEIGHTS]
    station.hub.served[WEIGHTS] = right[:-1] + bytes([right[-1] ^ 1])
    with pytest.raises(DigestMismatch, match="never loaded") as refused:
        await station.pull(plan)
    assert f"{WEIGHTS}.wrong" in station.quarantine()
    assert station.last("pull_outcome").outcome == "refused"
    assert refused.value.run == station.last("pull_outcome").data["run"]
    nothing_is_loadable(station)
    station.hub.served.clear()
    before = station.hub.content_bytes
    done = (await station.pull(plan))[-1]["done"]
    assert done["fetched_bytes"] == station.hub.content_bytes - before
    assert done["fetched_bytes"] >= len(right)
    station.catalog.verify(REPO, full=True)


async def test_a_small_file_is_held_to_its_git_id(station: Station) -> None:
    plan = (await station.plan())["plan"]
    right = station.hub.files["tokenizer.json"]
    station.hub.served["tokenizer.json"] = right[:-1] + b" "
    with pytest.raises(DigestMismatch, match="id in the repository"):
        await station.pull(plan)
    nothing_is_loadable(station)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("more", [-100, 100, 10**12])
async def test_a_size_that_is_a_lie_is_refused(station: Station, more: int, ranges: bool) -> None:
    plan = (await station.plan())["plan"]
    station.hub.takes_ranges = ranges
    right = station.hub.files[WEIGHTS]
    station.hub.says_total = len(right) + more
    with pytest.raises(HubRefused, match="listed"):
        await station.pull(plan)
    nothing_is_loadable(station)


async def test_a_listing_that_understates_a_size_stops_at_that_size(station: Station) -> None:
    right = station.hub.files["tokenizer.json"]
    short = right[: len(right) // 2]
    station.hub.listed = {
        "tokenizer.json": {"size": len(short), "blobId": git_blob(short)},
    }
    plan = (await station.plan())["plan"]
    with pytest.raises(HubRefused, match="listed"):
        await station.pull(plan)
    nothing_is_loadable(station)


async def test_a_hub_that_sends_for_ever_is_stopped_one_byte_past_the_size(
    station: Station,
) -> None:
    """Without a length, by a connection that never closes."""
    plan = (await station.plan())["plan"]
    with endless() as url:
        station.hub.redirect = f"{url}/weights"
        station.client._allowed = Both(station.hub.url, url)
        with pytest.raises(HubRefused, match=r"more of|longer than"):
            await station.pull(plan)
    kept = station.part(f"{WEIGHTS}.part").stat().st_size
    assert kept <= len(station.hub.files[WEIGHTS])
    nothing_is_loadable(station)


async def test_what_breaks_off_is_gone_on_with(station: Station) -> None:
    plan = (await station.plan())["plan"]
    size = len(station.hub.files[WEIGHTS])
    station.hub.cut_after = [1000, 5000, size // 3, 10]
    assert (await station.pull(plan))[-1]["done"]["id"] == REPO
    assert len([p for p in station.hub.paths_of("/cdn/") if p.endswith(WEIGHTS)]) >= 2
    station.catalog.verify(REPO, full=True)


async def test_a_hub_without_ranges_is_gone_on_with_too(station: Station) -> None:
    plan = (await station.plan())["plan"]
    station.hub.takes_ranges = False
    station.hub.cut_after = [5000]
    assert (await station.pull(plan))[-1]["done"]["id"] == REPO
    station.catalog.verify(REPO, full=True)


async def test_a_hub_that_disappears_half_way_is_named_and_what_came_is_kept(
    station: Station,
) -> None:
    plan = (await station.plan())["plan"]
    station.hub.cut_after = [20_000] + [0] * 40
    with pytest.raises(HubUnreachable, match="kept"):
        await station.pull(plan)
    assert station.last("pull_outcome").outcome == "failed"
    nothing_is_loadable(station)
    station.hub.cut_after = []
    done = (await station.pull(plan))[-1]["done"]
    assert done["id"] == REPO
    assert station.events("pull_outcome")[-1].outcome == "done"


async def test_a_part_that_was_damaged_meanwhile_is_found_and_fetched_anew(
    station: Station,
) -> None:
    plan = (await station.plan())["plan"]
    station.hub.cut_after = [20_000] + [0] * 40
    with pytest.raises(HubUnreachable):
        await station.pull(plan)
    station.hub.cut_after = []
    part = station.part(f"{WEIGHTS}.part")
    assert part.stat().st_size == 20_000
    part.write_bytes(b"\0" * 20_000)
    with pytest.raises(DigestMismatch):
        await station.pull(plan)
    assert (await station.pull(plan))[-1]["done"]["id"] == REPO


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "fifo"])
@pytest.mark.parametrize("name", [f"{WEIGHTS}.part", ".journal"])
async def test_a_pull_writes_into_no_file_that_somebody_linked_to_its_names(
    station: Station, tmp_path: Path, kind: str, name: str
) -> None:
    outside = outside_at(tmp_path / "outside")
    plan = (await station.plan())["plan"]
    station.hub.cut_after = [20_000] + [0] * 40
    with pytest.raises(HubUnreachable):
        await station.pull(plan)
    station.hub.cut_after = []
    KINDS[kind](station.part(name), outside)
    assert (await station.pull(plan))[-1]["done"]["id"] == REPO
    assert outside.is_unharmed()


async def test_an_error_of_the_server_passes(station: Station) -> None:
    station.hub.statuses = [500, 503]
    plan = (await station.plan())["plan"]
    station.hub.statuses = [502, 200, 429, 200, 200]
    assert (await station.pull(plan))[-1]["done"]["id"] == REPO


async def test_errors_without_end_are_given_up(station: Station) -> None:
    station.hub.statuses = [500] * 50
    with pytest.raises(HubUnreachable, match="500"):
        await station.plan()
    assert len(station.hub.heard) == 1 + len(QUICK.pauses_s)


async def test_a_silent_hub_is_given_up(station: Station) -> None:
    station.hub.silent = threading.Event()
    station.client._patience = IMPATIENT
    try:
        with pytest.raises(HubUnreachable):
            await station.plan()
    finally:
        station.hub.silent.set()


async def test_a_hub_that_is_not_there_is_named(station: Station) -> None:
    client = HuggingFaceHub(endpoint="http://127.0.0.1:9", hosts=(), version="0", patience=QUICK)
    with pytest.raises(HubUnreachable, match="127.0.0.1:9"):
        client.resolve(REPO, "main", lambda: None)


async def test_packed_answers_are_not_unpacked(station: Station) -> None:
    plan = (await station.plan())["plan"]
    station.hub.packs = True
    with pytest.raises(HubRefused, match="packs"):
        await station.pull(plan)


async def test_a_file_that_vanished_is_refused(station: Station) -> None:
    plan = (await station.plan())["plan"]
    del station.hub.files["tokenizer.json"]
    with pytest.raises(HubRefused, match="404"):
        await station.pull(plan)
    nothing_is_loadable(station)
