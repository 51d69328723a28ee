"""Every command that docs/guardrails.md shows works as shown, one after the other."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conversation import governed
from tests.e2e.server import ROOT, RunningServer, running_server, with_checkout
from tests.gguf_models import tiny_gguf

PAGE = (ROOT / "docs" / "guardrails.md").read_text("utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]
PRINTED = re.findall(r"^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PHRASES = {
    "add": "yes, add guardrail {}",
    "activate": "yes, activate guardrails {}",
    "rebind": "yes, rebind guardrails",
    "retire": "yes, retire guardrail {}",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reader is."""
    return tmp_path_factory.mktemp("reader")


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[RunningServer]:
    """With a model that a guardrail comes to block, so that there is something to look at."""
    with running_server(place / "home") as running:
        running.import_model(tiny_gguf(place / "gguf", seed=5), "me/gguf")
        yield running


def run(server: RunningServer, place: Path, shown: str) -> tuple[int, str]:
    """How the command ends and what it says; whoever has to type types what they are asked."""
    words = shlex.split(shown.replace("DECISION", decision(server)))
    if words[:2] == ["lmx", "guardrails"] and words[2] in PHRASES:
        phrase = PHRASES[words[2]].format(words[3])
        return governed(*words[1:], phrase=phrase, environment=server.environment)
    lmx = f"{shlex.quote(str(ROOT / '.venv' / 'bin' / 'python'))} -m app.cli.main"
    ran = subprocess.run(
        ["bash", "-c", re.sub(r"^lmx\b", lmx, shlex.join(words) if ">" not in shown else shown)],
        cwd=place,
        env=with_checkout(server.environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return ran.returncode, ran.stdout + ran.stderr


def decision(server: RunningServer) -> str:
    """The newest decision; there is one from the first load on."""
    with server.authority() as authority:
        found = authority.get("/guardrails/decisions?limit=1").json()["decisions"]
    return str(found[0]["id"])[:12] if found else "DECISION"


def test_the_page_shows_every_command_of_guardrails() -> None:
    shown = {shlex.split(line)[2] for line in COMMANDS if line.startswith("lmx guardrails")}
    assert shown == {
        *("check", "compile", "load", "versions", "show", "diff", "tasks", "add"),
        *("activate", "recompile", "rebind", "retire", "decisions", "explain", "replay"),
    }


@pytest.mark.timeout(600)  # twenty commands, each a process of its own
def test_the_commands_of_the_page_work_in_the_order_they_are_shown(
    server: RunningServer, place: Path
) -> None:
    with server.authority() as authority:
        assert authority.post("/models/me/gguf/load").status_code == 200
    for shown in COMMANDS:
        code, said = run(server, place, shown)
        assert code == 0, f"{shown}\n{said}"


def test_what_the_page_prints_is_what_is_printed(server: RunningServer) -> None:
    compiled = server.lmx(
        "guardrails", "compile", "Block loading a model whose size is above 40 GB"
    )
    first = next(block for block in PRINTED if "Block load when model size" in block)
    assert compiled.stdout.startswith(first)
    asked = server.lmx("guardrails", "compile", "Block loading when latency is at least 3 s")
    second = next(block for block in PRINTED if block.startswith("$ lmx guardrails compile"))
    assert asked.returncode == 2
    assert asked.stderr == second.partition("\n")[2]
