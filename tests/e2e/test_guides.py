"""Every command that the guides for three roles show works as shown, one after the other."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.reference import render
from tests.e2e.conversation import governed
from tests.e2e.server import ROOT, RunningServer, running_server, with_checkout
from tests.e2e.test_readme import FENCED, README, commands
from tests.models import tiny_model

GUIDES = ("operator", "reviewer", "auditor")
OTHERS = ("index", "first-five-minutes", "bots", "proxy")
ELSEWHERE = ("../README", "ledger", "approving", "models", "advice", "guardrails")
"""Pages whose commands have tests of their own."""


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text("utf-8")


def shown_by(*names: str) -> list[str]:
    """The commands of some pages, without the remarks beside them."""
    blocks = [block for name in names for kind, block in FENCED.findall(page(name)) if kind == "sh"]
    lines = [line for block in blocks for line in commands(block)]
    return [re.sub(r"\s+#.*", "", line).replace(".venv/bin/", "") for line in lines]


SHOWN = list(dict.fromkeys(c for c in shown_by(*GUIDES) if c not in shown_by(*ELSEWHERE)))
STARTER = "lmx/starter"
OLD = "me/old"
NAMED = re.compile(r"(?:^|`)lmx ([a-z]+(?: [a-z-]+)?)", re.MULTILINE)
PHRASES = {
    ("keys", "create"): "yes, create key {0}",
    ("store", "purge"): "yes, purge trash all",
    ("approvals", "approve"): f"yes, delete {STARTER}",
}
"""What a person types over the plan of a command; {0}: what the command names."""
NOT_HERE = ("lmx service install",)
"""Would change the machine that runs the tests: said, not done (tests/e2e/test_service.py)."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guides")


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[RunningServer]:
    with running_server(place / "home", approvals={"asks_per_minute": 60}) as running:
        (place / ".lmx-key").write_text(running.operator_key)
        yield running


def asked(server: RunningServer) -> str:
    waits = server.lmx("models", "rm", STARTER)
    assert waits.returncode == 4, waits.stderr
    return re.findall(r"lmx approvals approve ([0-9a-f]{8})", waits.stderr)[0]


def thrown_away(server: RunningServer, place: Path) -> None:
    """A model of which the trash holds the bytes."""
    server.import_model(tiny_model(place / "tiny"), OLD)
    code, screen = governed(
        "models", "rm", OLD, phrase=f"yes, delete {OLD}", environment=server.environment
    )
    assert code == 0, screen


def backed_up(server: RunningServer) -> str:
    assert server.lmx("backup", "create").returncode == 0
    return str(next((server.home / "backups").glob("lmx-*")))


def run(server: RunningServer, place: Path, shown: str) -> tuple[int, str]:
    if "--trash-all" in shown:
        thrown_away(server, place)
    if shown in NOT_HERE:
        shown += f" --dry-run --home {place / 'service'}"  # the server here is on no service's port
    ask = asked(server) if " ID" in shown else ""
    backup = backed_up(server) if "BACKUP" in shown else ""
    line = shown.replace(" ID", f" {ask[:6]}").replace("BACKUP", backup)
    words = shlex.split(line, comments=True)
    phrase = PHRASES.get((words[1], words[2])) if words[0] == "lmx" and len(words) > 3 else None
    if phrase:
        return governed(*words[1:], phrase=phrase.format(words[3]), environment=server.environment)
    lmx = f"{shlex.quote(sys.executable)} -m app.cli.main"
    line = re.sub(r"^lmx\b", lmx, line).replace("~/", f"{place}/")
    line = re.sub(r"^python ", f"{shlex.quote(sys.executable)} ", line)
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=place,
        env=with_checkout(server.environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)  # thirty commands, each a process of its own
def test_the_commands_of_the_guides_work_in_the_order_they_are_shown(
    server: RunningServer, place: Path
) -> None:
    for shown in SHOWN:
        code, said = run(server, place, shown)
        expected = (0, 1) if shown.startswith(("lmx doctor", "lmx service")) else (0,)
        assert code in expected, f"{shown}\n{said}"
        assert "Traceback" not in said
        if "approvals approve" in shown:
            assert server.lmx("store", "restore", STARTER).returncode == 0


def test_every_command_that_a_guide_names_is_there() -> None:
    known = set(re.findall(r"^## `lmx (.+)`$", render(), re.MULTILINE))
    groups = {name.partition(" ")[0] for name in known if " " in name}
    for name in (*GUIDES, *OTHERS):
        for found in NAMED.findall(page(name)):
            wanted = found if found.partition(" ")[0] in groups else found.partition(" ")[0]
            assert wanted in known, f"docs/{name}.md: lmx {found}"


def test_the_first_five_minutes_show_what_the_readme_shows() -> None:
    """So that the README's tests run them."""
    for _, block in FENCED.findall(page("first-five-minutes")):
        for line in commands(block):
            assert line in README, line
