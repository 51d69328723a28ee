"""Every command that docs/advice.md shows works as shown, and its tables are those of the code."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.authority.advice.kept import State
from app.domain.advice.proposals import PREDICTIONS, Kind
from app.settings import AdviceSettings
from tests.e2e.conversation import create_key, governed
from tests.e2e.server import ROOT, RunningServer, running_server, with_checkout
from tests.models import tiny_model

PAGE = (ROOT / "docs" / "advice.md").read_text("utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]
MODEL = "me/tiny"


def table(after: str) -> list[str]:
    """The first cells of the table that follows a heading."""
    rows = PAGE.partition(after)[2].split("\n\n")
    found = next(block for block in rows if block.lstrip().startswith("|"))
    return [line.split("|")[1].strip().strip("`") for line in found.strip().splitlines()[2:]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    place = tmp_path_factory.mktemp("advised")
    with running_server(place / "home") as running:
        running.import_model(tiny_model(place / "tiny", seed=1), MODEL)
        yield running


@pytest.fixture(scope="module")
def bot(server: RunningServer) -> str:
    return create_key(server, "proposer", "advisor")


def propose(server: RunningServer, bot: str, kind: str, **more: Any) -> str:
    """One proposal that needs no approval; its id."""
    proposal = {
        "kind": kind,
        "target": MODEL,
        "reason": "It is used.",
        "assumes": "So it stays.",
        "confidence": 50,
        "evidence": [{"field": ["days"], "value": 30}],
        **more,
    }
    answer = httpx.post(
        f"{server.url}/advisory/proposals",
        json={"proposals": [proposal]},
        headers={"Authorization": f"Bearer {bot}"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["proposals"][0]["id"])


def run(server: RunningServer, shown: str, bot: str, proposal: str) -> tuple[int, str]:
    words = shlex.split(shown.replace("PROPOSAL", proposal))
    if words[:3] == ["lmx", "keys", "create"]:
        phrase = f"yes, create key {words[3]}"
        return governed(*words[1:], phrase=phrase, environment=server.environment)
    if words[0] == "lmx":
        done = server.lmx(*words[1:])
        return done.returncode, done.stdout + done.stderr
    here = shown.replace("python ", f"{shlex.quote(sys.executable)} ")
    ran = subprocess.run(
        ["bash", "-c", here],
        cwd=ROOT,
        env=with_checkout({**os.environ, "LMX_URL": server.url, "BOT_KEY": bot}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_the_page_shows_every_command_of_advice() -> None:
    shown = {shlex.split(line)[2] for line in COMMANDS if line.startswith("lmx advice")}
    commands = "ls show accept dismiss advisors run scorecard replay snapshot"
    assert shown == set(commands.split())


def test_the_tables_of_the_page_are_those_of_the_code() -> None:
    assert table("## What can be proposed") == [str(kind) for kind in Kind]
    assert table("## The life of a proposal") == [str(state) for state in State]
    advisors = AdviceSettings.model_json_schema()["properties"]["advisors"]["items"]["enum"]
    assert sorted(table("## The advisors of this server")) == sorted(advisors)
    for name in PREDICTIONS:
        assert f"`{name}`" in PAGE


@pytest.mark.timeout(600)  # twenty commands, each a process of its own
def test_the_commands_of_the_page_work_in_the_order_they_are_shown(
    server: RunningServer, bot: str
) -> None:
    proposal = propose(server, bot, "pin")
    for shown in COMMANDS:
        if "advice dismiss" in shown:
            proposal = propose(server, bot, "terms", change={"slots": 1})
        code, said = run(server, shown, bot, proposal)
        assert code == 0, f"{shown}\n{said}"
    with server.authority() as authority:
        states = {one["state"] for one in authority.get("/proposals").json()["proposals"]}
        assert states == {"accepted", "dismissed"}
        assert authority.get(f"/models/{MODEL}").json()["pinned"] is True


def test_the_walls_of_the_page_are_those_that_a_run_reports(server: RunningServer) -> None:
    with server.authority() as authority:
        walls = authority.get("/advisors").json()["walls"]
    assert walls
    for wall in walls:
        assert f"`{wall['name']}`" in PAGE.partition("## Walls")[2], wall
