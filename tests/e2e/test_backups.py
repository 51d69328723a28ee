"""A bad day: the state goes back to a backup, and what must not come back with it does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest

from app.backups import create, verify
from app.backups.mark import MARK
from app.backups.replaced import losses
from app.backups.restoring import restore
from app.evidence.verification import Report, of_home, verify_database
from app.home import prepare_home
from app.settings import Settings
from app.wiring import wire
from tests.fakes.as_operator import LISTENING, as_operator

LOGS = {"act": "state_removal", "params": {"what": "logs"}, "reason": "old"}


@asynccontextmanager
async def running(home: Path) -> AsyncIterator[httpx.AsyncClient]:
    prepare_home(home)
    with patch("app.wiring.import_bundled"):
        server = wire(Settings.model_validate({"preload": ()}), home=home, listening=LISTENING)
    async with as_operator(server, home) as client:
        yield client


def put_back(home: Path, backup: Path) -> None:
    found = verify(backup)
    assert found.manifest is not None, found.wrong
    restore(home, backup, found.manifest, found.digest, losses(home, backup))


async def events(client: httpx.AsyncClient, kind: str) -> list[dict[str, object]]:
    answer = await client.get("/authority/ledger/events", params={"kind": kind})
    return list(answer.json()["events"])


def verified(home: Path) -> Report:
    return verify_database(of_home(home), processes=1)


@pytest.mark.timeout(300)
async def test_what_was_restored_is_recorded_and_nothing_that_was_ended_comes_back(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    async with running(home) as client:
        (home / "logs" / "server.log.1").write_text("old\n")
        made = await client.post("/authority/approvals", json=LOGS)
        assert made.is_success, made.text
        ask = made.json()["id"]
        backup = await asyncio.to_thread(create, home)
        said = backup.manifest
        recorded = await client.post(
            "/authority/backups",
            json={
                "name": said.name,
                "manifest": backup.digest,
                "size": said.size,
                "root": said.root,
                "size_bytes": said.size_bytes,
            },
        )
        assert recorded.status_code == 200, recorded.text
        made = await client.post("/authority/approvals", json={**LOGS, "reason": "again"})
    put_back(home, backup.path)
    async with running(home) as client:
        (event,) = await events(client, "state_restored")
        assert event["subject"] == said.name
        assert await events(client, "backup_made") == []
        after = await client.get(f"/authority/approvals/{ask}")
        assert after.json()["state"] == "expired"
        assert not (home / MARK).exists()
    async with running(home) as client:
        assert len(await events(client, "state_restored")) == 1
    report = verified(home)
    assert report.holds
    assert any(said.name in line and "restored" in line for line in report.checked)
