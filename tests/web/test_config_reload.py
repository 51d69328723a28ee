"""Settings read anew at a whole server: some count at once, the rest waits, all is on record."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from app.configuration.reading import load_settings
from app.configuration.reloading import digest
from app.domain.refusals import AuditUnavailable
from app.wiring import Server, wire
from tests.fakes.as_operator import LISTENING, as_operator
from tests.fakes.engine import FakeEngineHost
from tests.web.test_keys_on_every_route import assert_problem

RELOAD = "/authority/config/reload"


@dataclass
class Running:
    home: Path
    server: Server
    operator: httpx.AsyncClient

    def write(self, text: str) -> None:
        (self.home / "config.yaml").write_text("preload: []\n" + text, "utf-8")

    async def reload(self) -> dict[str, Any]:
        answer = await self.operator.post(RELOAD, json={})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def setting(self, name: str) -> dict[str, Any]:
        shown = (await self.operator.get("/authority/config")).json()
        return next(row for row in shown["settings"] if row["name"] == name)

    async def events(self, kind: str) -> list[dict[str, Any]]:
        asked = await self.operator.get("/authority/ledger/events", params={"kind": kind})
        assert asked.status_code == 200, asked.text
        return [event["body"] for event in asked.json()["events"]]


@asynccontextmanager
async def running(home: Path, text: str = "", port: int | None = None) -> AsyncIterator[Running]:
    home.mkdir(mode=0o700)
    (home / "config.yaml").write_text("preload: []\n" + text, "utf-8")
    with patch("app.wiring.import_bundled"):
        made = wire(
            load_settings(home, port=port), home=home, listening=LISTENING, host=FakeEngineHost()
        )
    async with as_operator(made, home) as operator:
        yield Running(home, made, operator)


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    before = logging.getLogger().level
    yield
    logging.getLogger().setLevel(before)


async def test_what_needs_no_restart_counts_at_once_and_is_on_record(tmp_path: Path) -> None:
    async with running(tmp_path / "home", "slots: 2\n") as at:
        at.write("slots: 3\nqueue_limit: 7\nlog_level: warning\nlimits:\n  per_minute: 1\n")
        waiting = (await at.setting("queue_limit"))["waiting"]
        assert waiting == {"value": 7, "origin": "config.yaml line 3", "for": "reload"}

        done = await at.reload()
        assert done["changed"] == ["queue_limit", "limits.per_minute", "log_level"]
        assert done["waiting"] == ["slots"]
        assert logging.getLogger().level == logging.WARNING
        queue_limit = await at.setting("queue_limit")
        assert queue_limit == {
            "name": "queue_limit",
            "value": 7,
            "default": 64,
            "origin": "config.yaml line 3",
        }
        slots = await at.setting("slots")
        assert slots["value"] == 2
        assert slots["waiting"] == {"value": 3, "origin": "config.yaml line 2", "for": "restart"}

        (event,) = await at.events("config_reloaded")
        assert event["data"]["changed"] == done["changed"]
        assert event["data"]["waiting"] == ["slots"]
        in_force = load_settings(at.home).model_copy(update={"slots": 2})
        assert event["data"]["config_digest"] == digest(in_force)
        kept = await at.operator.get(f"/authority/ledger/blobs/{digest(in_force)}")
        assert json.loads(kept.content)["queue_limit"] == 7

        chat = {"model": "nobody/here", "messages": [{"role": "user", "content": "hi"}]}
        answers = [(await at.operator.post("/v1/chat/completions", json=chat)) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [404, 429]


async def test_reading_anew_what_is_in_force_changes_and_records_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "home", "slots: 2\n", port=4001) as at:
        assert await at.reload() == {"changed": [], "waiting": [], "event": None}
        assert await at.events("config_reloaded") == []
        port = await at.setting("port")
        assert (port["value"], port["origin"]) == (4001, "command line")
        (boot,) = await at.events("boot")
        shown = (await at.operator.get("/authority/config")).json()
        assert boot["data"]["config_digest"] == shown["config_digest"]

        # A hangup is a reload by whose key is in operator.key.
        at.write("slots: 2\nqueue_limit: 9\n")
        with patch("app.wiring.configuring.sys.stdin", None):
            at.server.hung_up()
        for _ in range(200):
            if (await at.setting("queue_limit"))["value"] == 9:
                break
        (event,) = await at.events("config_reloaded")
        assert event["actor"]["id"].startswith("key:")


async def test_a_file_that_is_wrong_changes_nothing_and_the_refusal_is_on_record(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "home", "queue_limit: 7\n") as at:
        at.write("queue_limit: 8\nprot: 1\nslots: many\n")
        refused = await at.operator.post(RELOAD, json={})
        problem = assert_problem(refused, 422, "config_invalid")
        assert "line 3: `prot` is unknown; did you mean `port`?" in problem["detail"]
        assert [said.split(":")[0] for said in problem["problems"]] == ["line 3", "line 4"]
        assert (await at.setting("queue_limit"))["value"] == 7
        shown = (await at.operator.get("/authority/config")).json()
        assert len(shown["problems"]) == 2
        (event,) = await at.events("refusal")
        assert event["data"]["code"] == "config_invalid"

        # Nor does one that is right and cannot be recorded.
        at.write("queue_limit: 8\n")
        with patch(
            "app.authority.ledger.store.Ledger.append", side_effect=AuditUnavailable("full")
        ):
            refused = await at.operator.post(RELOAD, json={})
        assert refused.status_code == 503
        assert (await at.setting("queue_limit"))["value"] == 7
